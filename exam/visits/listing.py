"""Listed visits: the orders of a whole employer's list in a fixed number of statements, without a day yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from exam.catalog.facts import Catalogue, ItemGroup
from exam.kit import audit, ids
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.series import next_number
from exam.people.facts import Holder
from exam.visits import service as visits
from exam.visits.facts import LineState, Milestone, OrderLine, Progress, VisitsListed, VisitState, VisitsUnlisted
from exam.visits.models import LineBoard, LineProgress, OrderLineRow, Visit, VisitBoard, VisitMilestone

PART = 500
"""Ids in one statement."""


class NewListing(msgspec.Struct, frozen=True, kw_only=True):
    """One person's place on a list: who, which package (for its name), which groups of the catalogue in walking order."""

    holder: Holder
    package: str
    groups: tuple[ItemGroup, ...]


class Listing(msgspec.Struct, frozen=True):
    """What a new listing became: its visit and the order lines, in the order of the groups."""

    visit_id: UUID
    visit_no: str
    lines: tuple[OrderLine, ...]


def list_many(
    db: Session, new: Sequence[NewListing], catalogue: Catalogue, *, last_on: date, category: str, organization_id: UUID, organization: str
) -> list[Listing]:
    """Opens a listed visit for each, to come until `last_on`. The caller has checked that the groups suit the persons.

    Lines are priced at their list prices; what is charged in the end is for the group order's terms to say.
    """
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    made = partial(next, house.ids.many(sum(2 + 2 * len(each.groups) for each in new)))
    today = day_of(now)
    first = next_number(db, f"visit:{actor.site}:{house.device}:{today:%y%m%d}", len(new))
    rows: dict[type, list[dict[str, Any]]] = {
        model: [] for model in (Visit, VisitBoard, VisitMilestone, OrderLineRow, LineProgress, LineBoard)
    }
    found = []
    for sequence, each in enumerate(new, first):
        visit_id, holder = made(), each.holder
        visit_no = ids.visit_no(actor.site, house.device, today, sequence)
        package = catalogue.packages.get(each.package)
        rows[Visit].append(
            {"id": visit_id, "visit_no": visit_no, "site": actor.site, "person_id": holder.person_id, "person_name": holder.name,
             "sex": holder.sex, "birth_on": holder.birth_on, "category": category, "exam_on": last_on, "package_code": each.package,
             "package_name": package.name if package else "单位自选项目", "organization_id": organization_id,
             "organization": organization, "catalog_revision": catalogue.revision, "catalog_on": catalogue.on, "urgent": False,
             "created_at": now, "ver": 1}
        )  # fmt: skip
        rows[VisitBoard].append(
            {"visit_id": visit_id, "site": actor.site, "exam_on": last_on, "state": VisitState.LISTED.value, "booked_at": None,
             "registered_at": None, "checked_in_at": None, "blood_drawn_at": None, "sheet_returned_at": None, "sections_done_at": None,
             "final_reviewed_at": None, "report_issued_at": None, "amount_due_fen": 0}
        )  # fmt: skip
        rows[VisitMilestone].append(_milestone(made(), visit_id, Milestone.LISTED, now, actor.staff_id, ""))
        lines = []
        for position, group in enumerate(each.groups):
            line_id = made()
            origin = "package" if package and group.code in package.groups else "added"
            rows[OrderLineRow].append(
                {"id": line_id, "visit_id": visit_id, "site": actor.site, "group_code": group.code, "name": group.name,
                 "department": group.department, "standard_fen": group.price_fen, "price_fen": group.price_fen, "origin": origin,
                 "service_only": group.service_only, "position": group.order * 100 + position, "ordered_at": now}
            )  # fmt: skip
            rows[LineProgress].append(_progress(made(), line_id, visit_id, Progress.PLANNED, now, actor.staff_id, ""))
            rows[LineBoard].append(
                {"line_id": line_id, "visit_id": visit_id, "site": actor.site, "department": group.department, "exam_on": last_on,
                 "state": LineState.PENDING.value, "group_code": group.code, "reason": "", "due_on": None, "checked_in_at": None}
            )  # fmt: skip
            lines.append(
                OrderLine(
                    id=line_id, visit_id=visit_id, group_code=group.code, name=group.name, department=group.department,
                    price_fen=group.price_fen, origin=origin, state=LineState.PENDING, service_only=group.service_only,
                    standard_fen=group.price_fen,
                )
            )  # fmt: skip
        found.append(Listing(visit_id, visit_no, tuple(lines)))
    for model, listed in rows.items():
        insert_rows(db, model, listed)
    announce(db, VisitsListed(tuple(each.visit_id for each in found), actor.site))
    return found


def unlist_many(db: Session, visit_ids: Sequence[UUID], reason: str) -> list[UUID]:
    """Cancels those of these visits that are still only listed (nobody came, no day was given); returns which they were."""
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    gone: list[UUID] = []
    for start in range(0, len(visit_ids), PART):
        part = visit_ids[start : start + PART]
        listed = select(VisitBoard.visit_id).where(VisitBoard.visit_id.in_(part), VisitBoard.site == actor.site)
        for visit_id in part:
            visits.lock(db, visit_id)
        waiting = list(db.scalars(listed.where(VisitBoard.state == VisitState.LISTED).order_by(VisitBoard.visit_id)))
        lines = db.execute(
            select(LineBoard.line_id, LineBoard.visit_id).where(LineBoard.visit_id.in_(waiting), LineBoard.state != LineState.REMOVED)
        ).all()
        insert_rows(
            db, LineProgress,
            [_progress(house.ids.new(), row.line_id, row.visit_id, Progress.REMOVED, now, actor.staff_id, reason) for row in lines],
        )  # fmt: skip
        insert_rows(
            db, VisitMilestone,
            [_milestone(house.ids.new(), visit_id, Milestone.CANCELLED, now, actor.staff_id, reason) for visit_id in waiting],
        )  # fmt: skip
        here = LineBoard.visit_id.in_(waiting)
        db.execute(update(LineBoard).where(here).values(state=LineState.REMOVED.value, reason=reason, due_on=None))
        db.execute(update(VisitBoard).where(VisitBoard.visit_id.in_(waiting)).values(state=VisitState.CANCELLED.value))
        db.expire_all()
        gone += waiting
    audit.note(db, "visits.unlist_many", reason=reason)
    announce(db, VisitsUnlisted(tuple(gone), actor.site))
    return gone


def _milestone(fact_id: UUID, visit_id: UUID, kind: Milestone, at: Any, actor_id: UUID | None, reason: str) -> dict[str, Any]:
    return {"id": fact_id, "visit_id": visit_id, "kind": kind.value, "undoes": None, "at": at, "actor_id": actor_id, "reason": reason}


def _progress(
    fact_id: UUID, line_id: UUID, visit_id: UUID, kind: Progress, at: Any, actor_id: UUID | None, reason: str
) -> dict[str, Any]:
    return {
        "id": fact_id, "line_id": line_id, "visit_id": visit_id, "kind": kind.value, "undoes": None, "at": at, "actor_id": actor_id,
        "reason": reason, "due_on": None,
    }  # fmt: skip
