"""What the screens of group orders send, as structs with Chinese field names, and their turning into what the services take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import Body

from billing.facts import Payer
from exam.catalog.facts import Catalogue
from exam.kit.errors import BadInput, Refused
from exam.kit.forms import read_form
from exam.kit.money import fen_from_yuan, yuan
from exam.people.facts import IdKind
from group_orders.facts import Choice, NewCohort, NewContract, NewOrder, Offer, OfferMode, Reduction, ReductionKind
from group_orders.member_lists import MemberFilters
from group_orders.organizations import NewProfile
from group_orders.progress import MemberTab
from registration.forms import refuse_control_characters

F = TypeVar("F", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
Words = Annotated[str, msgspec.Meta(max_length=2000)]

CHOICES = 4
"""Rows of optional choices in the offer's form."""

LABELS = {
    "name": "名称", "code": "单位编号", "credit_code": "统一社会信用代码", "contact": "联系人", "phone": "联系电话", "address": "地址",
    "invoice_title": "发票抬头", "bank_account": "银行账号", "industry": "行业", "remark": "备注", "ver": "版本", "contract_no": "合同编号",
    "starts_on": "开始日期", "ends_on": "截止日期", "billable_when": "计费时点", "settled_by": "结算口径", "opens_on": "开始日期",
    "closes_on": "截止日期", "category": "体检类别", "sex": "性别", "age_from": "年龄从", "age_to": "到", "marital": "婚姻状况", "jobs": "岗位",
    "posts": "职务", "mode": "方式", "package": "套餐", "groups": "项目", "package_yuan": "协议套餐价", "factor": "折扣系数",
    "group_factors": "单项折扣", "limit_yuan": "每人上限", "extras_payer": "加项由谁支付", "extras_factor": "加项折扣", "valid_from": "有效期从",
    "valid_until": "有效期到", "reason": "原因", "sample_sex": "试算性别", "sample_age": "试算年龄", "sample_marital": "试算婚姻",
    "q": "查找", "tab": "名单",
    "cohort": "分组", "department": "部门", "day": "日期", "page": "页码", "id_kind": "证件类型", "id_no": "证件号码", "birth_on": "出生日期",
    "job": "岗位", "post": "职务", "employee_no": "工号", "cohort_id": "分组", "relation": "与员工关系", "of_employee_no": "员工工号",
    "chosen": "可选项目", "exam_on": "体检日期", "who": "人员", "kind": "单据", "order": "顺序", "action": "操作",
}  # fmt: skip


def read(data: dict[str, Any], struct: type[F]) -> F:
    """A form as its struct, every problem at once. No field may hold control characters."""
    refuse_control_characters(data)
    return read_form(data, struct, LABELS)


# --- organisations and contracts -------------------------------------------------------------------------------------


class ProfileForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organisation's profile; `name` and `code` only for a new one."""

    name: Text = ""
    code: Text = ""
    credit_code: Text = ""
    contact: Text = ""
    phone: Text = ""
    address: Text = ""
    invoice_title: Text = ""
    bank_account: Text = ""
    industry: Text = ""
    remark: Words = ""
    ver: int = 0

    @property
    def profile(self) -> NewProfile:
        """The profile as the service takes it."""
        return NewProfile(**{name: getattr(self, name) for name in NewProfile.__struct_fields__})


class ContractForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A contract. Reductions are in yuan: two steps of 满额减, the least and the most that a settlement comes to."""

    name: Text
    starts_on: date
    ends_on: date
    contract_no: Text = ""
    billable_when: Text = "checked_in"
    settled_by: Text = "item"
    off_from_1: Text = ""
    off_1: Text = ""
    off_from_2: Text = ""
    off_2: Text = ""
    at_least: Text = ""
    cap: Text = ""
    remark: Words = ""
    ver: int = 0

    def contract(self, organization_id: UUID) -> NewContract:
        """The contract as the service takes it."""
        return NewContract(
            organization_id=organization_id, name=self.name, starts_on=self.starts_on, ends_on=self.ends_on,
            contract_no=self.contract_no, billable_when=self.billable_when, settled_by=self.settled_by,
            reductions=tuple(self._reductions()), remark=self.remark,
        )  # fmt: skip

    def _reductions(self) -> Iterable[Reduction]:
        for first, second in ((self.off_from_1, self.off_1), (self.off_from_2, self.off_2)):
            if first or second:
                yield Reduction(ReductionKind.OFF_FROM, fen_from_yuan(first or "0", "off_from_1"), fen_from_yuan(second or "0", "off_1"))
        if self.at_least:
            yield Reduction(ReductionKind.AT_LEAST, 0, fen_from_yuan(self.at_least, "at_least"))
        if self.cap:
            yield Reduction(ReductionKind.CAP, 0, fen_from_yuan(self.cap, "cap"))


def reduction_texts(reductions: Iterable[Reduction]) -> dict[str, str]:
    """What the form shows of a contract's reductions."""
    found: dict[str, str] = {}
    step = 0
    for each in reductions:
        if each.kind is ReductionKind.OFF_FROM:
            step += 1
            found |= {f"off_from_{step}": yuan(each.from_fen), f"off_{step}": yuan(each.amount_fen)}
        else:
            found["at_least" if each.kind is ReductionKind.AT_LEAST else "cap"] = yuan(each.amount_fen)
    return found


class RoundForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new round."""

    name: Text
    opens_on: date
    closes_on: date
    category: Text = "health"

    def order(self, contract_id: UUID) -> NewOrder:
        """The round as the service takes it."""
        return NewOrder(contract_id=contract_id, name=self.name, opens_on=self.opens_on, closes_on=self.closes_on, category=self.category)


class ReasonForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is done."""

    reason: Text = ""


# --- cohorts ---------------------------------------------------------------------------------------------------------


class CohortForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a cohort takes; jobs and posts several, divided by 、 or a new line."""

    name: Text
    sex: Text = ""
    age_from: int = 0
    age_to: int = 150
    marital: Text = ""
    jobs: Words = ""
    posts: Words = ""
    ver: int = 0

    @property
    def cohort(self) -> NewCohort:
        """The rule as the service takes it."""
        return NewCohort(
            name=self.name, sex=self.sex or None, age_from=self.age_from, age_to=self.age_to, marital=self.marital or None,
            jobs=_several(self.jobs), posts=_several(self.posts),
        )  # fmt: skip


def _several(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in re.split(r"[、,,;;\n]+", text) if word.strip()))


class OfferForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a cohort gets. Groups are codes or names; `group_factors` has one group and its factor in a line."""

    mode: OfferMode = OfferMode.ITEMS
    package: Text = ""
    groups: Words = ""
    choice_label_1: Text = ""
    choice_label_2: Text = ""
    choice_label_3: Text = ""
    choice_label_4: Text = ""
    choice_count_1: int = 1
    choice_count_2: int = 1
    choice_count_3: int = 1
    choice_count_4: int = 1
    choice_groups_1: Words = ""
    choice_groups_2: Words = ""
    choice_groups_3: Words = ""
    choice_groups_4: Words = ""
    package_yuan: Text = ""
    factor: Text = "1"
    group_factors: Words = ""
    limit_yuan: Text = ""
    extras_payer: Payer = Payer.PERSON
    extras_factor: Text = "1"
    valid_from: date | None = None
    valid_until: date | None = None
    reason: Text = ""
    sample_sex: Text = ""
    sample_age: int | None = None
    sample_marital: Text = ""

    def offer(self, catalogue: Catalogue) -> Offer:
        """The offer as the service takes it; names of groups become their codes."""
        codes = {group.name: code for code, group in catalogue.groups.items()}
        problems: list[tuple[str, str]] = []
        amounts: dict[str, int | None] = {}
        for field in ("package_yuan", "limit_yuan"):
            text = getattr(self, field)
            try:
                amounts[field] = fen_from_yuan(text, field) if text else None
            except Refused as refused:
                problems.append((field, f"{LABELS[field]}:{refused.text},{refused.hint}"))
        choices = []
        for row in range(1, CHOICES + 1):
            groups = _codes(getattr(self, f"choice_groups_{row}"), codes)
            if groups:
                label = getattr(self, f"choice_label_{row}") or f"可选项目 {row}"
                choices.append(Choice(label, getattr(self, f"choice_count_{row}"), groups))
            elif getattr(self, f"choice_label_{row}"):
                problems.append((f"choice_groups_{row}", f"“{getattr(self, f'choice_label_{row}')}”没有选择项目"))
        factors = _factors(self.group_factors, codes, problems)
        if problems:
            raise BadInput(problems)
        return Offer(
            mode=self.mode, package=self.package, groups=_codes(self.groups, codes), choices=tuple(choices),
            package_fen=amounts["package_yuan"], factor=self.factor, group_factors=factors, limit_fen=amounts["limit_yuan"],
            extras_payer=self.extras_payer, extras_factor=self.extras_factor, valid_from=self.valid_from, valid_until=self.valid_until,
        )  # fmt: skip


def _codes(text: str, codes: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes.get(word, word) for word in re.split(r"[\s、,,;;]+", text) if word))


def _factors(text: str, codes: Mapping[str, str], problems: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, factor = line.strip().rpartition(" ")
        if name:
            found[codes.get(name.strip(), name.strip())] = factor
        elif factor:
            problems.append(("group_factors", f"单项折扣“{factor[:30]}”缺少系数,请按“项目 系数”填写,例如 乳腺彩超 0.9"))
    unknown = [name for name in found if name not in codes.values()]
    if unknown:
        problems.append(("group_factors", f"单项折扣中没有项目“{unknown[0][:30]}”,请核对名称或编码"))
    return found


def offer_texts(offer: Offer, catalogue: Catalogue) -> dict[str, Any]:
    """What the form shows of an offer."""
    found: dict[str, Any] = {
        "mode": offer.mode.value, "package": offer.package, "groups": "、".join(offer.groups), "factor": offer.factor,
        "package_yuan": yuan(offer.package_fen) if offer.package_fen is not None else "",
        "limit_yuan": yuan(offer.limit_fen) if offer.limit_fen is not None else "", "extras_payer": offer.extras_payer.value,
        "extras_factor": offer.extras_factor, "valid_from": offer.valid_from or "", "valid_until": offer.valid_until or "",
        "group_factors": "\n".join(
            f"{catalogue.groups[code].name if code in catalogue.groups else code} {factor}" for code, factor in offer.group_factors.items()
        ),
    }  # fmt: skip
    for row, choice in enumerate(offer.choices[:CHOICES], 1):
        found |= {f"choice_label_{row}": choice.label, f"choice_count_{row}": choice.choose, f"choice_groups_{row}": "、".join(choice.groups)}
    return found


# --- members ---------------------------------------------------------------------------------------------------------


class FindForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which members are looked for; `department` is `-` for those without one."""

    tab: MemberTab = MemberTab.ALL
    cohort: UUID | None = None
    department: Text = ""
    day: date | None = None
    q: Text = ""
    page: int = 1

    @property
    def filters(self) -> MemberFilters:
        """The filters of the list."""
        return MemberFilters(self.tab, self.cohort, department_of(self.department), self.day, self.q)


def department_of(text: str) -> str | None:
    """A department as a filter's field holds it: empty for any, `-` for none."""
    return None if not text else "" if text == "-" else text


class MemberForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A late member, or who comes instead of somebody. Without a cohort the rules choose it."""

    name: Text
    id_kind: IdKind = IdKind.RESIDENT
    id_no: Text = ""
    sex: Text = ""
    birth_on: date | None = None
    phone: Text = ""
    marital: Text = ""
    department: Text = ""
    job: Text = ""
    post: Text = ""
    employee_no: Text = ""
    cohort_id: UUID | None = None
    relation: Text = ""
    of_employee_no: Text = ""
    remark: Text = ""
    reason: Text = ""
    key: Text = ""


class MoveForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To which cohort, of this or another round."""

    cohort_id: UUID


class ChooseForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optional groups that a member takes."""

    chosen: tuple[str, ...] = ()


class DayForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member's day."""

    exam_on: date


class PrintForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is printed for whom."""

    kind: Text
    order: Text = "department"
    cohort: UUID | None = None
    department: Text = ""
    day: date | None = None

    @property
    def filters(self) -> MemberFilters:
        """For whom."""
        return MemberFilters(MemberTab.BOOKED, self.cohort, department_of(self.department), self.day)


def asked_days(data: Mapping[str, Any]) -> dict[date, int]:
    """The numbers typed for days: fields `day_2026-11-30`. Every wrong one is named."""
    found: dict[date, int] = {}
    problems = []
    for name, text in data.items():
        if not name.startswith("day_") or not str(text).strip():
            continue
        try:
            found[date.fromisoformat(name.removeprefix("day_"))] = int(str(text).strip())
        except ValueError:
            problems.append((name, f"“{str(text)[:10]}”不是人数,请填写整数"))
            continue
        if not 0 <= found[date.fromisoformat(name.removeprefix("day_"))] <= 5000:
            problems.append((name, "人数应为 0 到 5000 的整数"))
    if problems:
        raise BadInput(problems)
    return found
