"""Who the desk writes to: consent to SMS at a booking, and one reminder of each recheck that falls due."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from exam.kit.clock import day_of
from exam.kit.errors import Forbidden, trace_of
from exam.kit.house import House, actor_of, house_of, system_actor
from exam.messages import service as messages
from exam.messages.facts import ConsentKind, Occasion
from exam.visits import service as visits
from exam.visits.facts import VisitState
from exam.visits.models import VisitBoard
from registration import recheck_rules, rechecks
from registration.models import RecheckBoard, RecheckFact
from registration.recheck_facts import REMIND, RecheckState

log = logging.getLogger("registration")

_MOST_AT_ONCE = 200
_TOLD = (VisitState.PUBLISHED.value, VisitState.DELIVERED.value)


def agree_to_sms(db: Session, person_id: UUID) -> None:
    """The person said at the desk that they take SMS (同意接收短信): before the booking, so that its own SMS goes out."""
    if not actor_of(db).may("messages.consent"):
        raise Forbidden("auth.not_permitted", "您没有“登记短信同意”的权限", "请取消勾选,或由有权限的同事登记", "takes_sms")
    messages.record_consent(db, person_id, ConsentKind.GIVEN)


def remind_due(house: House) -> None:
    """The job: whoever has rechecks that fall due gets one SMS for those of a visit; each visit in a transaction of its own.

    Not before the report is out: a reminder must not be the first that somebody hears of it. Nor of what has long been overdue.
    """
    with house.unit(None, write=False) as db:
        rows = db.execute(_due(house).with_only_columns(RecheckBoard.visit_id, RecheckBoard.site).distinct().limit(_MOST_AT_ONCE)).all()
    for visit_id, site in rows:
        try:
            with house.unit(system_actor(site)) as db:
                _remind(db, visit_id)
        except Exception as error:
            # One that cannot be reminded must not keep those behind it from it.
            log.error("reminder of visit %s failed\n%s", visit_id, trace_of(error))


def _due(house: House) -> Select[Any]:
    today = day_of(house.clock.now())
    reminded = exists().where(RecheckFact.recheck_id == RecheckBoard.recheck_id, RecheckFact.kind == REMIND)
    return (
        select(RecheckBoard.recheck_id)
        .join(VisitBoard, VisitBoard.visit_id == RecheckBoard.visit_id)
        .where(
            RecheckBoard.state == RecheckState.OPEN.value,
            RecheckBoard.due_on <= today + timedelta(days=recheck_rules.REMIND_DAYS),
            RecheckBoard.due_on >= today - timedelta(days=recheck_rules.REMIND_LATE_DAYS),
            VisitBoard.state.in_(_TOLD),
            ~reminded,
        )
    )


def _remind(db: Session, visit_id: UUID) -> None:
    visits.lock(db, visit_id)
    due = list(db.scalars(_due(house_of(db)).where(RecheckBoard.visit_id == visit_id)))
    if not due:
        return  # another worker was faster, or the desk has booked it meanwhile
    card = visits.card(db, visit_id)
    messages.queue(
        db, Occasion.RECHECK, card.person_id, messages.About(visit_id=card.id, visit_no=card.visit_no, exam_on=card.exam_on)
    )
    for recheck_id in due:
        rechecks.reminded(db, recheck_id)
