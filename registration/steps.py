"""What happened to a visit, in time order: milestones, changes of its order, tubes, consents and money, each with who and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Date, Select, String, and_, cast, literal, null, or_, select, union_all
from sqlalchemy.orm import Session

from billing.facts import Payment, Refund, VisitAccount
from exam.kit.money import yuan
from exam.staff.models import Staff
from exam.visits.facts import Milestone, Progress, TubeEvent
from exam.visits.models import LineProgress, OrderLineRow, TubeFact, TubeRow, VisitMilestone
from registration.models import ConsentFact

MILESTONE_NAMES = {
    Milestone.LISTED: "列入团检名单",
    Milestone.BOOKED: "预约",
    Milestone.REGISTERED: "登记",
    Milestone.CHECKED_IN: "报到",
    Milestone.SHEET_RETURNED: "交单",
    Milestone.SECTIONS_DONE: "分科完成",
    Milestone.CHIEF_STARTED: "开始主检",
    Milestone.FIRST_REVIEWED: "初审",
    Milestone.FINAL_REVIEWED: "终审",
    Milestone.REPORT_ISSUED: "报告发布",
    Milestone.REPORT_RECALLED: "报告撤回",
    Milestone.DELIVERED: "报告领取",
    Milestone.CANCELLED: "取消登记",
}

NAMES = {
    **{("milestone", kind.value): name for kind, name in MILESTONE_NAMES.items()},
    ("line", Progress.PLANNED.value): "加项",
    ("line", Progress.REMOVED.value): "退项",
    ("line", Progress.REFUSED.value): "拒检",
    ("line", Progress.POSTPONED.value): "延期",
    ("tube", TubeEvent.COLLECTED.value): "采集",
    ("tube", TubeEvent.REJECTED.value): "标本拒收",
    ("consent", ""): "签署知情同意书",
}
"""The word of a step by where it is stored and its kind."""

UNDONE_NAMES = {
    ("line", Progress.REFUSED.value): "恢复检查",
    ("line", Progress.POSTPONED.value): "恢复检查",
    ("consent", ""): "撤回知情同意",
}
"""The word of an undoing, where it has one of its own; else 撤销 and the step."""

MOST_NAMES = 8
"""So many names stand in one step; the order's own table lists them all."""


class Step(msgspec.Struct, frozen=True):
    """One thing that happened, or the undoing of one, with who did it; `about` names the items, tube or sum concerned."""

    name: str
    at: datetime
    actor: str
    reason: str = ""
    about: str = ""
    is_undoing: bool = False
    was_undone: bool = False
    milestone: str = ""
    actor_id: UUID | None = None


def of_visit(db: Session, visit_id: UUID, account: VisitAccount) -> tuple[Step, ...]:
    """A visit's steps; one statement, and one more where somebody handled money who did nothing else."""
    rows = db.execute(_statement(visit_id)).all()
    names = {row.actor_id: row.staff_name for row in rows if row.staff_name}
    moves: list[Payment | Refund] = [*account.payments, *account.refunds]
    handled = {each for move in moves for each in (move.actor_id, move.undone_by)}
    missing = {each for each in handled if each is not None and each not in names}
    if missing:
        names |= dict(db.execute(select(Staff.id, Staff.name).where(Staff.id.in_(missing))).all())
    # Of what happened in one moment, the payment comes before what it allowed.
    found = [*_money(account, names), *_stored(rows, names)]
    return tuple(sorted(found, key=lambda step: step.at))


def _statement(visit_id: UUID) -> Select[Any]:
    """Every stored fact that is a step, in the order it was written, with the name of who wrote it."""
    no_day, nothing = cast(null(), Date), literal("", String)
    milestones = select(
        literal("milestone", String).label("source"), VisitMilestone.id, VisitMilestone.kind, VisitMilestone.undoes,
        VisitMilestone.at, VisitMilestone.actor_id, VisitMilestone.reason, nothing.label("about"), no_day.label("due_on"),
    ).where(VisitMilestone.visit_id == visit_id)  # fmt: skip
    decided = (Progress.REMOVED, Progress.REFUSED, Progress.POSTPONED)
    lines = (
        select(
            literal("line", String), LineProgress.id, LineProgress.kind, LineProgress.undoes, LineProgress.at,
            LineProgress.actor_id, LineProgress.reason, OrderLineRow.name, LineProgress.due_on,
        )
        .join(OrderLineRow, OrderLineRow.id == LineProgress.line_id)
        .where(
            LineProgress.visit_id == visit_id,
            or_(
                LineProgress.kind.in_([kind.value for kind in decided]),
                and_(LineProgress.kind == Progress.PLANNED.value, OrderLineRow.origin == "added"),
            ),
        )
    )  # fmt: skip
    tubes = (
        select(
            literal("tube", String), TubeFact.id, TubeFact.kind, TubeFact.undoes, TubeFact.at, TubeFact.actor_id, TubeFact.reason,
            TubeRow.name, no_day,
        )
        .join(TubeRow, TubeRow.id == TubeFact.tube_id)
        .where(TubeFact.visit_id == visit_id, TubeFact.kind.in_([TubeEvent.COLLECTED.value, TubeEvent.REJECTED.value]))
    )  # fmt: skip
    consents = select(
        literal("consent", String), ConsentFact.id, nothing, ConsentFact.undoes, ConsentFact.at, ConsentFact.actor_id,
        ConsentFact.reason, nothing, no_day,
    ).where(ConsentFact.visit_id == visit_id)  # fmt: skip
    facts = union_all(milestones, lines, tubes, consents).subquery()
    return (
        select(*facts.c, Staff.name.label("staff_name")).outerjoin(Staff, Staff.id == facts.c.actor_id).order_by(facts.c.at, facts.c.id)
    )


def _stored(rows: Sequence[Any], names: dict[UUID, str]) -> Iterator[Step]:
    """Rows written by one act in one moment are one step that names all of them."""
    undone = {row.undoes for row in rows if row.undoes is not None}
    for (source, kind, is_undoing, _, _), together in groupby(rows, key=_act_of):
        own = list(together)
        first = own[0]
        name = NAMES[source, kind]
        if is_undoing:
            name = UNDONE_NAMES.get((source, kind), f"撤销{name}")
        yield Step(
            name=name, at=first.at, actor=names.get(first.actor_id, "系统"), reason=first.reason, about=_listed(own, first.due_on),
            is_undoing=is_undoing, was_undone=all(row.id in undone for row in own),
            milestone=kind if source == "milestone" else "", actor_id=first.actor_id,
        )  # fmt: skip


def _act_of(row: Any) -> tuple[str, str, bool, datetime, str]:
    # A resumed line may be both refused and postponed: both are taken back by one act.
    kind = Progress.REFUSED.value if row.source == "line" and row.undoes is not None else row.kind
    return row.source, kind, row.undoes is not None, row.at, f"{row.actor_id} {row.reason} {row.due_on or ''}"


def _listed(rows: Sequence[Any], due_on: date | None) -> str:
    names = list(dict.fromkeys(row.about for row in rows if row.about))
    more = f"等 {len(names)} 项" if len(names) > MOST_NAMES else ""
    return "、".join(names[:MOST_NAMES]) + more + (f"(至 {due_on.isoformat()})" if due_on else "")


def _money(account: VisitAccount, names: dict[UUID, str]) -> Iterator[Step]:
    for moves, word in ((account.payments, "收款"), (account.refunds, "退费")):
        for move in moves:
            about = f"¥{yuan(move.amount_fen)}" + (f" {move.receipt_no}" if move.receipt_no else "")
            by, undone_by = _name(names, move.actor_id), _name(names, move.undone_by)
            yield Step(name=word, at=move.at, actor=by, about=about, was_undone=move.is_undone, actor_id=move.actor_id)
            if move.undone_at is not None:
                yield Step(
                    name=f"撤销{word}登记", at=move.undone_at, actor=undone_by, reason=move.undone_reason, about=about, is_undoing=True,
                    actor_id=move.undone_by,
                )  # fmt: skip


def _name(names: dict[UUID, str], staff_id: UUID | None) -> str:
    return names.get(staff_id, "系统") if staff_id is not None else "系统"
