"""Reads from the other rooms what a report is made of, in few statements and without changing anything."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from chief_review import service as reviews
from exam.kit.house import house_of
from exam.knowledge import service as rule_store
from exam.people import service as people
from exam.visits import service as visits
from registration import recheck_lists
from reporting.contents import Sources, shown_value
from results import service as results


def sources(db: Session, visit_id: UUID, number: int, replaces: int) -> Sources:
    """Everything of one visit as it stands now, with the latest earlier value of each item beside today's (CHF-5)."""
    examined = results.examined(db, visit_id)
    latest = {item: found[0] for item, found in examined.earlier.items() if found}
    card = examined.card
    return Sources(
        centre_name=house_of(db).settings.centre_name,
        card=card,
        masked_id_number=people.person(db, card.person_id).id_masked,
        catalogue=visits.catalogue_of(db, card),
        departments=examined.departments,
        lines=examined.lines,
        review=reviews.review(db, visit_id),
        earlier={item: shown_value(value.reading)[0] for item, value in latest.items()},
        earlier_on=max((value.exam_on for value in latest.values()), default=""),
        rechecks=recheck_lists.lines_of_visit(db, visit_id, is_origin=True),
        wordings=rule_store.summary_wordings(db, examined.knowledge_revision, card.exam_on),
        number=number,
        replaces=replaces,
        is_demo=house_of(db).settings.demo,
    )
