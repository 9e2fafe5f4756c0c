"""What a group order may do when, whom a cohort takes, and what its members get: pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from uuid import UUID

from billing.facts import Terms
from exam.catalog import rules as catalog_rules
from exam.catalog.facts import Catalogue, ItemGroup
from exam.kit.errors import BadInput, Refused
from exam.kit.money import yuan
from exam.kit.states import StateTable
from exam.people.facts import Holder
from exam.people.rules import age_on
from exam.visits.facts import CATEGORY_NAMES, VisitState
from group_orders.facts import (
    BILLABLE_WHEN_NAMES,
    ORDER_STATE_NAMES,
    SETTLED_BY_NAMES,
    NewCohort,
    NewContract,
    NewOrder,
    Offer,
    OfferMode,
    OrderState,
    ReductionKind,
)

ORDER = StateTable(
    "group_order",
    {
        ("draft", "approve"): "approved",
        ("approved", "return"): "draft",
        ("approved", "open"): "open",
        ("open", "complete"): "completed",
        ("completed", "reopen"): "open",
        ("completed", "settle"): "settled",
        ("settled", "unsettle"): "completed",
        ("settled", "archive"): "archived",
    },
    {str(state): name for state, name in ORDER_STATE_NAMES.items()},
)

TAKES_MEMBERS = frozenset({OrderState.APPROVED, OrderState.OPEN})
"""States of a round in which its list may grow and change."""


def require_takes_members(state: str) -> None:
    """Refuses to change the list of a round that is not approved yet, or is over."""
    if state not in TAKES_MEMBERS:
        shown = ORDER_STATE_NAMES[OrderState(state)]
        raise Refused("group_orders.not_open", f"该批次当前为“{shown}”,不能增减人员", "请先审批并开放该批次;已完成的批次请先恢复为进行中")


UNDER_WAY = frozenset({VisitState.BOOKED, VisitState.REGISTERED, VisitState.CHECKED_IN, VisitState.IN_EXAM})
"""States of a visit that a round waits for: somebody has a day, or is being examined."""


def require_sound_contract(new: NewContract) -> None:
    """Refuses a contract without a name, with impossible days, or with reductions that cannot be."""
    problems = []
    if not new.name.strip() or len(new.name) > 100:
        problems.append(("name", "合同名称不能为空且不超过 100 字"))
    if new.starts_on > new.ends_on:
        problems.append(("ends_on", "合同截止日期早于开始日期"))
    if new.billable_when not in BILLABLE_WHEN_NAMES:
        problems.append(("billable_when", "请选择计费时点"))
    if new.settled_by not in SETTLED_BY_NAMES:
        problems.append(("settled_by", "请选择结算口径"))
    for each in new.reductions:
        if each.amount_fen <= 0 or each.from_fen < 0 or (each.kind is ReductionKind.OFF_FROM and each.amount_fen > each.from_fen):
            problems.append(("reductions", "合同优惠的金额无效:减免金额必须大于零,且不超过起减金额"))
    if problems:
        raise BadInput(problems, code="group_orders.contract")


def require_sound_order(new: NewOrder, starts_on: date, ends_on: date) -> None:
    """Refuses a round without a name, of an unknown category, or outside its contract's days."""
    problems = []
    if not new.name.strip() or len(new.name) > 100:
        problems.append(("name", "批次名称不能为空且不超过 100 字"))
    if new.category not in CATEGORY_NAMES:
        problems.append(("category", "请选择体检类别"))
    if new.opens_on > new.closes_on:
        problems.append(("closes_on", "截止日期早于开始日期"))
    elif new.opens_on < starts_on or new.closes_on > ends_on:
        problems.append(("closes_on", f"批次日期超出合同期限({starts_on.isoformat()} 至 {ends_on.isoformat()})"))
    if problems:
        raise BadInput(problems, code="group_orders.order")


def require_sound_cohort(new: NewCohort) -> None:
    """Refuses a cohort without a name, or with an impossible rule."""
    problems = []
    if not new.name.strip() or len(new.name) > 40:
        problems.append(("name", "分组名称不能为空且不超过 40 字"))
    if new.sex not in (None, "M", "F"):
        problems.append(("sex", "性别只能是男、女或不限"))
    if not 0 <= new.age_from <= new.age_to <= 150:
        problems.append(("age_to", "年龄范围无效,请输入 0 到 150 之间的整数"))
    if problems:
        raise BadInput(problems, code="group_orders.cohort")


def require_sound_offer(offer: Offer, catalogue: Catalogue) -> None:
    """Refuses an offer that names what the catalogue does not have, gives nothing, or has impossible factors and amounts."""
    problems = list(_offer_problems(offer, catalogue))
    if problems:
        raise BadInput(problems, code="group_orders.offer")


def _offer_problems(offer: Offer, catalogue: Catalogue) -> Iterable[tuple[str, str]]:
    if offer.package and offer.package not in catalogue.packages:
        yield "package", f"套餐“{offer.package}”不存在或已停用,请重新选择"
    codes = [*offer.groups, *(code for choice in offer.choices for code in choice.groups)]
    for code in dict.fromkeys(codes):
        if code not in catalogue.groups:
            yield "groups", f"组合项目“{code}”不存在或已停用,请删除"
    if not offer.package and not codes and offer.mode is not OfferMode.AMOUNT:
        yield "package", "没有选择套餐或项目,请至少选择一项"
    package = catalogue.packages.get(offer.package)
    fixed = {*(package.groups if package else ()), *offer.groups}
    for choice in offer.choices:
        twice = next((code for code in choice.groups if code in fixed and code in catalogue.groups), None)
        if twice is not None:
            yield "choices", f"“{choice.label}”中的“{catalogue.groups[twice].name}”已在套餐或另加项目中,请从可选项目中删除"
        if not 0 < choice.choose <= len(choice.groups):
            yield "choices", f"“{choice.label}”可选 {len(choice.groups)} 项,不能要求选 {choice.choose} 项"
    single = (("group_factors", factor) for factor in offer.group_factors.values())
    for field, text in (("factor", offer.factor), ("extras_factor", offer.extras_factor), *single):
        if not _is_factor(text):
            yield field, f"折扣系数“{text[:12]}”无效,请输入 0 到 1 之间最多四位小数的数,例如 0.85"
    if offer.mode is OfferMode.AMOUNT and offer.limit_fen is None:
        yield "limit_fen", "金额分组必须填写单位为每人支付的上限"
    for field, amount in (("limit_fen", offer.limit_fen), ("package_fen", offer.package_fen)):
        if amount is not None and not 0 < amount <= 100_000_000:
            yield field, f"金额 {yuan(amount)} 元无效,请输入大于零的金额"
    if offer.valid_from and offer.valid_until and offer.valid_from > offer.valid_until:
        yield "valid_until", "有效期的截止日期早于开始日期"


def _is_factor(text: str) -> bool:
    try:
        factor = Decimal(text)
    except InvalidOperation:
        return False
    return factor.is_finite() and 0 <= factor <= 1 and -int(factor.as_tuple().exponent) <= 4


def groups_of(
    offer: Offer, catalogue: Catalogue, holder: Holder, on: date, category: str, chosen: Iterable[str] = ()
) -> tuple[ItemGroup, ...]:
    """The groups that an offer gives a person, in walking order: package, groups, and of each choice what was chosen or first fits.

    Groups for the other sex or another age are left out; what remains must not contradict itself.
    """
    age, picked = age_on(holder.birth_on, on), set(chosen)
    package = catalogue.packages.get(offer.package)
    fixed = (*(package.groups if package else ()), *offer.groups)
    codes = [code for code in fixed if _suits(catalogue, code, holder.sex, age, category)]
    for choice in offer.choices:
        fitting = [code for code in choice.groups if _suits(catalogue, code, holder.sex, age, category)]
        wanted = [code for code in fitting if code in picked] or fitting
        codes += wanted[: choice.choose]
    groups = catalog_rules.expand(catalogue, None, codes)
    for conflict in catalog_rules.conflicts(catalogue, groups, holder.sex, age, category, None):
        if conflict.is_blocking:
            raise Refused(conflict.code, f"{holder.name}:{conflict.text}", conflict.hint, "cohort")
    return groups


def _suits(catalogue: Catalogue, code: str, sex: str, age: int, category: str) -> bool:
    group = catalogue.groups.get(code)
    if group is None:
        return False
    return not any(c.is_blocking for c in catalog_rules.conflicts(catalogue, (group,), sex, age, category, None))


def terms_of(offer: Offer, order_id: UUID, covered: Iterable[str]) -> Terms:
    """What billing needs of an offer: `covered` are the groups that the organisation ordered for this member."""
    return Terms(
        payer_id=order_id, covered=frozenset(covered), factor=offer.factor, group_factors=offer.group_factors,
        package_fen=offer.package_fen, limit_fen=offer.limit_fen, extras_payer=offer.extras_payer, extras_factor=offer.extras_factor,
        pays_all=offer.mode is OfferMode.AMOUNT,
    )  # fmt: skip


TASK = StateTable(
    "group_task",
    {
        ("running", "finish"): "done",
        ("running", "stop"): "stopped",
        ("stopped", "resume"): "running",
        ("running", "cancel"): "cancelled",
        ("stopped", "cancel"): "cancelled",
    },
    {"running": "进行中", "done": "已完成", "stopped": "已中断", "cancelled": "已停止"},
)
"""Work on many members at once: booking, reminding, printing. Members that were dealt with stay so."""

_CREDIT_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_LENGTH = 18


def read_credit_code(text: str) -> str:
    """A unified social credit code (统一社会信用代码, GB 32100), checked; empty stays empty. No I, O, S, V, Z; weights 3^i mod 31."""
    code = text.strip().upper().replace(" ", "")
    if not code:
        return ""
    if len(code) != _CREDIT_LENGTH or any(character not in _CREDIT_CHARACTERS for character in code):
        raise BadInput([("credit_code", "统一社会信用代码应为 18 位数字或大写字母(不含 I、O、S、V、Z),请核对营业执照")])
    total = sum(_CREDIT_CHARACTERS.index(character) * pow(3, place, 31) for place, character in enumerate(code[:-1]))
    if _CREDIT_CHARACTERS[-total % 31] != code[-1]:
        raise BadInput([("credit_code", "统一社会信用代码校验位不符,请逐位核对营业执照")])
    return code
