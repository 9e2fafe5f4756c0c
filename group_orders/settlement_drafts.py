"""What a settlement of a round would be at this moment: every charged line judged, summed by member, adjusted by the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import billable, ledger
from billing.billable import ChargedLine
from billing.facts import Account, AccountKind
from exam.visits.facts import VisitState
from exam.visits.models import Visit, VisitBoard
from group_orders import service, settlement_rules
from group_orders.facts import Kept, ReductionKind
from group_orders.models import Cohort, GroupOrder, Member
from group_orders.settlement_facts import (
    LIVE,
    Adjustment,
    Basis,
    Candidate,
    LineKind,
    SettledLine,
    SettledMember,
    SettlementKind,
    Sums,
    Verdict,
)
from group_orders.settlement_models import SettlementHold, SettlementLineRow, SettlementRow


class Left(msgspec.Struct, frozen=True):
    """How many lines of how many members are not on this settlement for one reason, and what stands charged of them in fen."""

    verdict: Verdict
    lines: int
    members: int
    amount_fen: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement as it would be proposed now. `digest` stands for what somebody saw; `balance_fen` is the prepayment."""

    order_id: UUID
    kind: SettlementKind
    until_on: date | None
    basis: Basis
    members: tuple[SettledMember, ...]
    adjustments: tuple[Adjustment, ...]
    sums: Sums
    balance_fen: int
    left: tuple[Left, ...]
    digest: str

    @property
    def line_count(self) -> int:
        """Its lines, corrections and all."""
        return sum(len(each.lines) for each in self.members)

    @property
    def correction_count(self) -> int:
        """How many of its lines correct an earlier settlement."""
        return sum(line.kind is LineKind.CORRECTION for each in self.members for line in each.lines)


def draft(
    db: Session, order: GroupOrder, kind: SettlementKind, until_on: date | None = None, prepaid_fen: int | None = None
) -> Draft:  # fmt: skip
    """Works a settlement of a round out. `until_on`: only members whose exam day is not later; corrections always.

    A fixed number of statements however many members there are. The caller holds the round's row where it will be stored.
    """
    contract = service.contract_row(db, order.contract_id)
    basis = Basis(contract.billable_when, contract.settled_by)
    charged = billable.charged_to(db, order.id)
    settled, held = settled_of(db, order.id), set(_held(db, order.id))
    members = members_of(db, order.id, sorted({line.visit_id for line in charged}))
    by_member: dict[UUID, list[SettledLine]] = {}
    left: dict[Verdict, list[ChargedLine]] = {}
    amounts: dict[UUID, int] = {}
    for line in charged:
        member = members[line.visit_id]
        judged = candidate(line, member, settled.get(line.line_id, 0) if line.line_id in held else None)
        found = settlement_rules.verdict(judged, basis)
        if found is Verdict.BILLED and until_on is not None and member.exam_on > until_on:
            found = Verdict.NOT_YET
        if found not in (Verdict.BILLED, Verdict.CORRECTED):
            left.setdefault(found, []).append(line)
            continue
        amounts[line.line_id] = settlement_rules.amount_now(judged, basis)
        by_member.setdefault(line.visit_id, []).append(
            SettledLine(
                line_id=line.line_id, visit_id=line.visit_id, name=line.name, standard_fen=line.standard_fen,
                kind=LineKind.FIRST if found is Verdict.BILLED else LineKind.CORRECTION, amount_fen=amounts[line.line_id],
            )
        )  # fmt: skip
    lines_fen = sum(amounts.values())
    adjusted = settlement_rules.adjustments(
        service.reductions_of(contract), kind, sum(settled.values()) + lines_fen, adjusted_of(db, order.id)
    )
    balance_fen = ledger.guarded_balance(db, Account(AccountKind.PREPAYMENT, order.id))
    rows = sorted((_settled_member(members[visit_id], lines) for visit_id, lines in by_member.items()), key=lambda each: each[0])
    return Draft(
        order_id=order.id, kind=kind, until_on=until_on, basis=basis, members=tuple(each for _, each in rows), adjustments=adjusted,
        sums=settlement_rules.sums(lines_fen, adjusted, balance_fen, prepaid_fen), balance_fen=balance_fen,
        left=tuple(
            Left(verdict, len(lines), len({line.visit_id for line in lines}), sum(line.amount_fen for line in lines))
            for verdict in Verdict if (lines := left.get(verdict, []))
        ),
        digest=settlement_rules.digest_of(kind, amounts, adjusted),
    )  # fmt: skip


class ListedMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member as a settlement needs them."""

    visit_id: UUID
    visit_no: str
    name: str
    exam_on: date
    package_name: str
    state: VisitState
    has_come: bool
    cohort: str
    cohort_position: int
    employee_no: str
    department: str
    covered: frozenset[str]
    kept: frozenset[UUID]


def candidate(line: ChargedLine, member: ListedMember, settled_fen: int | None) -> Candidate:
    """A charged line with what its member's visit says."""
    return Candidate(
        line_id=line.line_id, visit_id=line.visit_id, visit_state=member.state, has_come=member.has_come, line_state=line.state,
        service_only=line.service_only, is_covered=line.group_code in member.covered or line.line_id in member.kept,
        charged_fen=line.amount_fen, settled_fen=settled_fen,
    )  # fmt: skip


def settled_of(db: Session, order_id: UUID) -> dict[UUID, int]:
    """What the live settlements of a round bill of each line, corrections counted, in fen; one statement."""
    rows = db.execute(
        select(SettlementLineRow.line_id, func.sum(SettlementLineRow.amount_fen))
        .join(SettlementRow, SettlementRow.id == SettlementLineRow.settlement_id)
        .where(SettlementLineRow.order_id == order_id, SettlementRow.state.in_(LIVE))
        .group_by(SettlementLineRow.line_id)
    )
    return {line_id: int(fen) for line_id, fen in rows}


def _held(db: Session, order_id: UUID) -> Sequence[UUID]:
    return db.scalars(select(SettlementHold.line_id).where(SettlementHold.order_id == order_id)).all()


def adjusted_of(db: Session, order_id: UUID) -> dict[ReductionKind, int]:
    """What the live settlements of a round were adjusted by, by kind, in fen."""
    found: dict[ReductionKind, int] = {}
    texts = db.scalars(select(SettlementRow.adjustments).where(SettlementRow.order_id == order_id, SettlementRow.state.in_(LIVE)))
    for text in texts:
        for each in msgspec.json.decode(text, type=list[Adjustment]):
            found[each.kind] = found.get(each.kind, 0) + each.amount_fen
    return found


def members_of(db: Session, order_id: UUID, visit_ids: Sequence[UUID]) -> dict[UUID, ListedMember]:
    """Who these visits belong to: members of the round, and those who were moved to another after something was done."""
    statement = (
        select(
            Visit.id, Visit.visit_no, Visit.person_name, Visit.exam_on, Visit.package_name, VisitBoard.state, VisitBoard.checked_in_at,
            Cohort.name.label("cohort"), Cohort.position, Cohort.order_id, Member.employee_no, Member.department, Member.covered, Member.kept,
        )
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .join(Member, Member.visit_id == Visit.id)
        .join(Cohort, Cohort.id == Member.cohort_id)
    )  # fmt: skip
    found = {row.id: _listed(row, order_id) for row in db.execute(statement.where(Member.order_id == order_id))}
    others = [each for each in visit_ids if each not in found]
    for start in range(0, len(others), 500):
        rows = db.execute(statement.where(Visit.id.in_(others[start : start + 500])))
        found |= {row.id: _listed(row, order_id) for row in rows}
    return found


def _listed(row: Any, order_id: UUID) -> ListedMember:
    kept = msgspec.json.decode(row.kept, type=list[Kept])
    is_here = row.order_id == order_id
    return ListedMember(
        visit_id=row.id, visit_no=row.visit_no, name=row.person_name, exam_on=row.exam_on, package_name=row.package_name,
        state=VisitState(row.state), has_come=row.checked_in_at is not None, employee_no=row.employee_no, department=row.department,
        cohort=row.cohort if is_here else "已调出人员", cohort_position=row.position if is_here else 10_000,
        covered=frozenset(msgspec.json.decode(row.covered, type=list[str])), kept=frozenset().union(*(each.lines for each in kept)),
    )  # fmt: skip


def _settled_member(member: ListedMember, lines: Sequence[SettledLine]) -> tuple[tuple[object, ...], SettledMember]:
    """A member with what is settled of them, after the key by which paper lists them."""
    key = (member.cohort_position, member.cohort, member.employee_no, member.visit_no)
    return key, SettledMember(
        visit_id=member.visit_id, visit_no=member.visit_no, cohort=member.cohort, name=member.name, employee_no=member.employee_no,
        department=member.department, exam_on=member.exam_on, package_name=member.package_name,
        amount_fen=sum(line.amount_fen for line in lines), lines=tuple(lines),
    )  # fmt: skip
