"""Deciding on several proposals in one act: what would come of it, and each decided in a unit of work of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from exam.kit.clock import day_of
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.knowledge import proposals
from exam.knowledge.proposals import Proposal

MOST = 200


class Decision(msgspec.Struct, frozen=True):
    """What comes, or came, of one proposal among several; `why_not` is the reason for which it is skipped, `begins` its first day."""

    proposal: Proposal
    begins: date
    why_not: str = ""


def foreseen(db: Session, chosen: Sequence[UUID], *, is_approval: bool) -> list[Decision]:
    """What would come of deciding on these in this order; nothing is stored.

    Of two proposals about one entry the second comes too late: it was written before the first held.
    """
    taken: set[str] = set()
    found = []
    for each in _listed(chosen):
        one = proposals.proposal(db, each)
        begins = _begins(db, one)
        why_not = ""
        try:
            row = proposals.decidable(db, each, lock=False)
            if is_approval and row.code in taken:
                why_not = f"所选中还有 {row.code} 的另一份申请,先批准的一份会使本申请过时"
            elif is_approval:
                proposals.approvable(db, row, begins)
                taken.add(row.code)
        except Refused as refused:
            why_not = refused.text
        found.append(Decision(one, begins, why_not))
    return found


def decide_each(db: Session, chosen: Sequence[UUID], *, is_approval: bool, note: str) -> list[Decision]:
    """Approves or turns down each, with its own version and audit row; `db` only reads. A day that has passed becomes today.

    One that is refused, such as one's own, is skipped and says why; the others go on. Raises BadInput without a note.
    """
    proposals.reason_of(note, "请填写审批意见" if is_approval else "请填写退回原因", "note")
    found = []
    for each in _listed(chosen):
        one = proposals.proposal(db, each)
        begins, why_not = _begins(db, one), ""
        try:
            with house_of(db).unit(actor_of(db)) as unit:
                unit.info.update({name: db.info[name] for name in ("act", "terminal", "correlation") if name in db.info})
                if is_approval:
                    proposals.approve(unit, each, note=note, valid_from=begins)
                else:
                    proposals.reject(unit, each, note=note)
        except Refused as refused:
            why_not = refused.text
        found.append(Decision(one, begins, why_not))
    return found


def _listed(chosen: Sequence[UUID]) -> list[UUID]:
    listed = list(dict.fromkeys(chosen))
    if not listed:
        raise Refused("knowledge.none_chosen", "没有选择任何申请", "请勾选要审批的申请", "chosen")
    if len(listed) > MOST:
        raise Refused("knowledge.too_many_chosen", f"一次最多审批 {MOST} 份申请", "请分几次审批", "chosen")
    return listed


def _begins(db: Session, one: Proposal) -> date:
    return max(one.valid_from, day_of(house_of(db).clock.now()))
