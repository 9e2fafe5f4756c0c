"""Group orders as frozen structs: what crosses the room's walls."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from uuid import UUID

import msgspec

from billing.facts import Payer
from exam.people.facts import IdKind


class CohortRule(msgspec.Struct, frozen=True):
    """Whom a cohort takes. `sex` and `marital` None, no `jobs`, no `posts`: no condition. Ages in full years on the exam day."""

    cohort_id: UUID
    name: str
    sex: str | None = None
    age_from: int = 0
    age_to: int = 150
    marital: str | None = None
    jobs: tuple[str, ...] = ()
    posts: tuple[str, ...] = ()


class MemberDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a roster, checked and ready to be enrolled. `person_id` None: the person has no file yet.

    `row` is as Excel counts it. `relation` empty: an employee; else family of the employee `of_employee_no`.
    """

    row: int
    person_id: UUID | None
    name: str
    id_kind: IdKind
    id_no: str
    sex: str
    birth_on: date
    phone: str
    marital: str
    department: str
    job: str
    post: str
    employee_no: str
    cohort_id: UUID
    relation: str
    of_employee_no: str
    remark: str


class OrderState(StrEnum):
    """Where a round stands (domain.md §1.3 GroupTask)."""

    DRAFT = "draft"
    APPROVED = "approved"
    OPEN = "open"
    COMPLETED = "completed"
    SETTLED = "settled"
    ARCHIVED = "archived"


ORDER_STATE_NAMES = {
    OrderState.DRAFT: "草稿", OrderState.APPROVED: "已审批", OrderState.OPEN: "进行中", OrderState.COMPLETED: "已完成",
    OrderState.SETTLED: "已结算", OrderState.ARCHIVED: "已归档",
}  # fmt: skip


class OfferMode(StrEnum):
    """What an organisation agrees for a cohort (domain.md §8.2, S6)."""

    ITEMS = "items"
    """项目分组: fixed groups, which the organisation pays."""
    AMOUNT = "amount"
    """金额分组: the organisation pays whatever the member chooses up to an amount."""
    DISCOUNT = "discount"
    """折扣分组: the organisation pays the groups at a factor of their list prices."""


OFFER_MODE_NAMES = {OfferMode.ITEMS: "项目分组", OfferMode.AMOUNT: "金额分组", OfferMode.DISCOUNT: "折扣分组"}


class Choice(msgspec.Struct, frozen=True):
    """So many of these groups are the member's to choose (e.g. 三选一); the first ones that fit stand until somebody chooses."""

    label: str
    choose: int
    groups: tuple[str, ...]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One version of what a cohort gets and who pays. Amounts in fen; factors are decimal texts, 1 for the list price.

    `valid_from` and `valid_until`: on which days its members may come; empty for the round's own. `extras_payer` is who pays
    what a member adds (加项), `limit_fen` what the organisation pays for one person at most (统收限额).
    """

    mode: OfferMode
    package: str = ""
    groups: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    package_fen: int | None = None
    factor: str = "1"
    group_factors: dict[str, str] = {}
    limit_fen: int | None = None
    extras_payer: Payer = Payer.PERSON
    extras_factor: str = "1"
    valid_from: date | None = None
    valid_until: date | None = None


class Kept(msgspec.Struct, frozen=True):
    """Lines that were done under earlier terms and stay under them; `terms_id` None: they were the person's own."""

    lines: frozenset[UUID]
    order_id: UUID | None
    terms_id: UUID | None
    covered: frozenset[str] = frozenset()


class ReductionKind(StrEnum):
    """What a contract takes off a settlement, or adds to it (domain.md §8.4)."""

    OFF_FROM = "off_from"
    """满额减: from so much on, so much less."""
    AT_LEAST = "at_least"
    """保底: it is at least so much."""
    CAP = "cap"
    """封顶: it is at most so much."""


class Reduction(msgspec.Struct, frozen=True):
    """One reduction of a contract, in fen."""

    kind: ReductionKind
    from_fen: int = 0
    amount_fen: int = 0


BILLABLE_WHEN_NAMES = {"registered": "登记即计", "checked_in": "到检即计", "examined": "完成即计", "reported": "报告即计"}
SETTLED_BY_NAMES = {"package": "按套餐", "item": "按实检项目"}


class NewContract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract to be recorded, or what it is to say from now on."""

    organization_id: UUID
    name: str
    starts_on: date
    ends_on: date
    contract_no: str = ""
    billable_when: str = "checked_in"
    settled_by: str = "item"
    reductions: tuple[Reduction, ...] = ()
    remark: str = ""


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A round to be opened."""

    contract_id: UUID
    name: str
    opens_on: date
    closes_on: date
    category: str = "health"


class NewCohort(msgspec.Struct, frozen=True, kw_only=True):
    """A cohort to be added, with the rule that assigns members to it."""

    name: str
    sex: str | None = None
    age_from: int = 0
    age_to: int = 150
    marital: str | None = None
    jobs: tuple[str, ...] = ()
    posts: tuple[str, ...] = ()
