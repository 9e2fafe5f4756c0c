"""What a settlement bills, what its contract adjusts and how it is paid; when it may be approved and taken back: pure, in fen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

import msgspec

from exam.kit.errors import Refused
from exam.kit.money import yuan
from exam.kit.states import StateTable
from exam.visits.facts import BEGUN, VisitState
from group_orders.facts import ORDER_STATE_NAMES, OrderState, Reduction, ReductionKind
from group_orders.settlement_facts import (
    AGES,
    SETTLEMENT_KIND_NAMES,
    SETTLEMENT_STATE_NAMES,
    Adjustment,
    Basis,
    Candidate,
    SettlementKind,
    Sums,
    Verdict,
)

SETTLEMENT = StateTable(
    "settlement",
    {
        ("draft", "propose"): "proposed",
        ("proposed", "return"): "returned",
        ("proposed", "approve"): "approved",
        ("approved", "pay"): "paid",
        ("paid", "unpay"): "approved",
        ("approved", "void"): "void",
        ("paid", "void"): "void",
    },
    {str(state): name for state, name in SETTLEMENT_STATE_NAMES.items()},
)

_REGISTERED = frozenset(VisitState) - {VisitState.LISTED, VisitState.BOOKED, VisitState.CANCELLED}
_EXAMINED = _REGISTERED - {VisitState.REGISTERED, VisitState.CHECKED_IN, VisitState.IN_EXAM}

REACHED = {
    "registered": _REGISTERED,
    "checked_in": _REGISTERED - {VisitState.REGISTERED},
    "examined": _EXAMINED,
    "reported": frozenset({VisitState.PUBLISHED, VisitState.DELIVERED}),
}
"""In which states of a visit its member counts, by what the contract says (登记即计 / 到检即计 / 完成即计 / 报告即计)."""

KINDS_IN = {
    OrderState.OPEN: (SettlementKind.INTERIM,),
    OrderState.COMPLETED: (SettlementKind.FINAL, SettlementKind.INTERIM),
    OrderState.SETTLED: (SettlementKind.SUPPLEMENT,),
}
"""Which settlements a round may have in which state."""


# --- lines -------------------------------------------------------------------------------------------------------------


def verdict(line: Candidate, basis: Basis) -> Verdict:
    """Whether a charged line belongs on the next settlement, and why not.

    A line that was settled stays so, whatever becomes of its visit afterwards, until its charge changes or, where items are
    billed, it turns out not to have been done: then the difference is corrected.
    """
    if line.settled_fen is not None:
        return Verdict.SETTLED if settled_amount(line, basis) == line.settled_fen else Verdict.CORRECTED
    if line.charged_fen == 0:
        return Verdict.NOTHING
    if line.visit_state not in REACHED[basis.billable_when]:
        return Verdict.NOT_YET
    return Verdict.BILLED if _counts(line, basis) else Verdict.NOT_DONE


def settled_amount(line: Candidate, basis: Basis) -> int:
    """What of a line that is or comes on a settlement should be settled in all."""
    return line.charged_fen if _counts(line, basis) else 0


def amount_now(line: Candidate, basis: Basis) -> int:
    """What the next settlement bills of a line; less than zero where too much was settled."""
    return settled_amount(line, basis) - (line.settled_fen or 0)


def _counts(line: Candidate, basis: Basis) -> bool:
    """Whether a member's line is billed once the member counts: by package all that was ordered, by item what was done.

    A service (drawing blood, the chief review) has no progress of its own: it is rendered to everybody who has come.
    """
    if line.charged_fen == 0:
        return True
    if line.service_only or (basis.settled_by == "package" and line.is_covered):
        return line.has_come or basis.billable_when == "registered"
    return line.line_state in BEGUN


# --- sums --------------------------------------------------------------------------------------------------------------


def adjustments(
    reductions: Sequence[Reduction], kind: SettlementKind, all_lines_fen: int, earlier: Mapping[ReductionKind, int]
) -> tuple[Adjustment, ...]:
    """What a contract takes off or adds, so that the round as a whole comes to what was agreed.

    `all_lines_fen` are the lines of all live settlements of the round with this one, `earlier` what was adjusted before. In this
    order: of several 满额减 the largest that is reached; 保底, from the final settlement on; 封顶, the lowest, last.
    """
    agreed = dict.fromkeys(ReductionKind, 0)
    total = max(all_lines_fen, 0)
    off = max((each.amount_fen for each in _of(reductions, ReductionKind.OFF_FROM) if total >= each.from_fen), default=0)
    agreed[ReductionKind.OFF_FROM] = -min(off, total)
    after = total + agreed[ReductionKind.OFF_FROM]
    if kind is not SettlementKind.INTERIM:
        least = max((each.amount_fen for each in _of(reductions, ReductionKind.AT_LEAST)), default=0)
        agreed[ReductionKind.AT_LEAST] = max(least - after, 0)
        after += agreed[ReductionKind.AT_LEAST]
    caps = [each.amount_fen for each in _of(reductions, ReductionKind.CAP)]
    if caps:
        agreed[ReductionKind.CAP] = min(min(caps) - after, 0)
    found = []
    for reduction, amount_fen in agreed.items():
        change = amount_fen - earlier.get(reduction, 0)
        if change:
            found.append(Adjustment(reduction, change, _words(reduction, reductions, total, amount_fen, change)))
    return tuple(found)


def _of(reductions: Sequence[Reduction], kind: ReductionKind) -> list[Reduction]:
    return [each for each in reductions if each.kind is kind]


def _words(kind: ReductionKind, reductions: Sequence[Reduction], total: int, amount_fen: int, change: int) -> str:
    same = _of(reductions, kind)
    if kind is ReductionKind.OFF_FROM:
        reached = [each for each in same if total >= each.from_fen and each.amount_fen >= -amount_fen]
        told = (
            f"满额减:累计满 {yuan(reached[-1].from_fen)} 元减 {yuan(-amount_fen)} 元"
            if reached and amount_fen
            else "满额减:累计未达起减金额"
        )
    elif kind is ReductionKind.AT_LEAST:
        told = f"保底:本批次不低于 {yuan(max((each.amount_fen for each in same), default=0))} 元"
    else:
        told = f"封顶:本批次不超过 {yuan(min((each.amount_fen for each in same), default=0))} 元" if same else "封顶"
    return told if change == amount_fen else f"{told}(扣除以前已调整)"


def sums(lines_fen: int, adjusted: Iterable[Adjustment], balance_fen: int, wanted_fen: int | None = None) -> Sums:
    """A settlement's sums. Of the prepayment as much is used as there is and is due, or `wanted_fen` where somebody said so."""
    adjusted_fen = sum(each.amount_fen for each in adjusted)
    due_fen = lines_fen + adjusted_fen
    most = max(min(balance_fen, due_fen), 0)
    if wanted_fen is not None and not 0 <= wanted_fen <= most:
        raise Refused(
            "group_orders.prepaid_amount",
            f"使用预缴 {yuan(wanted_fen)} 元超出可用范围",
            f"请输入 0.00 至 {yuan(most)} 元",
            "prepaid",
        )
    prepaid_fen = most if wanted_fen is None else wanted_fen
    return Sums(
        lines_fen=lines_fen, adjusted_fen=adjusted_fen, due_fen=due_fen, prepaid_fen=prepaid_fen,
        receivable_fen=max(due_fen, 0) - prepaid_fen, credited_fen=max(-due_fen, 0),
    )  # fmt: skip


def digest_of(kind: SettlementKind, amounts: Mapping[UUID, int], adjusted: Sequence[Adjustment]) -> str:
    """Stands for a draft that somebody saw: its lines and adjustments, not how much of the prepayment is used."""
    told = [
        kind.value,
        sorted((str(line_id), fen) for line_id, fen in amounts.items()),
        [(each.kind.value, each.amount_fen) for each in adjusted],
    ]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:24]


# --- what may be done --------------------------------------------------------------------------------------------------


def require_kind(kind: SettlementKind, state: str) -> None:
    """Refuses a settlement that a round may not have in its state."""
    if kind not in KINDS_IN.get(OrderState(state), ()):
        shown = ORDER_STATE_NAMES[OrderState(state)]
        hint = (
            "检后结算请先将批次设为完成"
            if kind is SettlementKind.FINAL
            else "进行中的批次可做中间结算,已完成的可做检后结算,已结算的可做补充结算"
        )
        raise Refused("group_orders.settlement_kind", f"该批次当前为“{shown}”,不能做{SETTLEMENT_KIND_NAMES[kind]}", hint, "kind")


def require_something(line_count: int, kind: SettlementKind, adjusted: Sequence[Adjustment]) -> None:
    """Refuses an empty settlement; a final one may be empty: it ends the round."""
    if not line_count and not adjusted and kind is not SettlementKind.FINAL:
        raise Refused(
            "group_orders.nothing_to_settle", "没有可结算的项目", "请核对计费时点和截止日期,或待成员到检后再结算", "until_on"
        )


def require_other_person(proposed_by: UUID | None, actor_id: UUID | None) -> None:
    """Refuses that somebody approves what they proposed."""
    if proposed_by is not None and proposed_by == actor_id:
        raise Refused("group_orders.own_settlement", "不能审核自己提交的结算单", "请由另一位有审核权限的人员审核")


def require_reason(reason: str) -> None:
    """Refuses an act that has to be explained and is not."""
    if not reason.strip() or len(reason.strip()) > 200:
        raise Refused("group_orders.reason_missing", "必须填写原因(不超过 200 字)", "请填写原因", "reason")


def require_payable(amount_fen: int, rest_fen: int) -> None:
    """Refuses to take more for a settlement than is left of it."""
    if amount_fen <= 0:
        raise Refused("group_orders.amount", "收款金额必须大于零", "请核对金额", "amount")
    if amount_fen > rest_fen:
        raise Refused(
            "group_orders.too_much",
            f"收款 {yuan(amount_fen)} 元超过该结算单待收的 {yuan(rest_fen)} 元",
            "请核对金额;多付的部分可记为预缴",
            "amount",
        )


# --- transfers and ages ------------------------------------------------------------------------------------------------

_NOISE = re.compile(r"[\s()()【】\[\]·.,,。-]|有限责任公司|股份有限公司|有限公司|股份公司|公司")


def plain_name(name: str) -> str:
    """An organisation's name folded for comparing: without its legal form, brackets and spaces."""
    return _NOISE.sub("", name).casefold()


def fits(payer_name: str, names: Iterable[str]) -> bool:
    """Whether a transfer's payer may be an organisation known by these names."""
    payer = plain_name(payer_name)
    known = [each for each in map(plain_name, names) if each]
    return bool(payer) and any(
        payer == each or (len(each) > 3 and each in payer) or (len(payer) > 3 and payer in each) for each in known
    )


def likelihood(amount_fen: int, wanted_fen: int | None, is_named: bool) -> int:
    """How well a transfer fits what is waited for: 3 name and amount, 2 the name, 1 the amount alone, 0 not at all."""
    is_same = wanted_fen is not None and wanted_fen == amount_fen
    return 3 if is_named and is_same else 2 if is_named else 1 if is_same else 0


def age_class(since: date, today: date) -> int:
    """Which of AGES a debt of that day belongs to, from 0."""
    days = (today - since).days
    return next(place for place, (most, _) in enumerate(AGES) if most is None or days <= most)


def by_age(amounts: Iterable[tuple[date, int]], today: date) -> tuple[int, ...]:
    """Amounts in fen summed by their age."""
    found = [0] * len(AGES)
    for since, fen in amounts:
        found[age_class(since, today)] += fen
    return tuple(found)
