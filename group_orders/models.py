"""Group orders' tables: contracts, orders (rounds), cohorts with their versioned terms, and members."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model
from group_orders import roster_models as roster_models  # its tables are the room's as well
from group_orders import settlement_models as settlement_models
from group_orders import task_models as task_models


class OrganizationProfile(Model):
    """What group orders know of an organisation besides its name: its credit code (GB 32100), its contact and its title on invoices."""

    __tablename__ = "group_orders_organization"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("exam_organization.id"), primary_key=True)
    credit_code: Mapped[str] = mapped_column(index=True)
    contact: Mapped[str]
    phone: Mapped[bytes]
    address: Mapped[str]
    invoice_title: Mapped[str]
    bank_account: Mapped[str]
    industry: Mapped[str]
    remark: Mapped[str] = mapped_column(Text)
    ver: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class Contract(Model):
    """What was agreed with an organisation for a time: when its members count as billable, and what is taken off or added.

    `reductions` is a list of `facts.Reduction` as JSON.
    """

    __tablename__ = "group_orders_contract"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    contract_no: Mapped[str] = mapped_column(unique=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("exam_organization.id"), index=True)
    site: Mapped[str]
    name: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    billable_when: Mapped[str]
    settled_by: Mapped[str]
    reductions: Mapped[str] = mapped_column(Text)
    remark: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("billable_when in ('registered', 'checked_in', 'examined', 'reported')", name="billable_when"),
        CheckConstraint("settled_by in ('package', 'item')", name="settled_by"),
        CheckConstraint("starts_on <= ends_on", name="dates"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class GroupOrder(Model):
    """One round (任务/批次) of a contract: who is to come between two days. `previous_id` is the round before it."""

    __tablename__ = "group_orders_order"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_no: Mapped[str] = mapped_column(unique=True)
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_contract.id"), index=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("exam_organization.id"), index=True)
    site: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    round_no: Mapped[int]
    opens_on: Mapped[date]
    closes_on: Mapped[date]
    state: Mapped[str]
    previous_id: Mapped[UUID | None] = mapped_column(ForeignKey("group_orders_order.id"))
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("opens_on <= closes_on", name="dates"),
        Index("ix_group_orders_order_state", "site", "state", "closes_on"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class Cohort(Model):
    """A part of an order's members (分组) and the rule that assigns them. `jobs` and `posts` are lists as JSON, empty for all."""

    __tablename__ = "group_orders_cohort"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_order.id"), index=True)
    name: Mapped[str]
    position: Mapped[int]
    sex: Mapped[str | None]
    age_from: Mapped[int]
    age_to: Mapped[int]
    marital: Mapped[str | None]
    jobs: Mapped[str] = mapped_column(Text)
    posts: Mapped[str] = mapped_column(Text)
    active: Mapped[bool]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        UniqueConstraint("order_id", "name"),
        CheckConstraint("sex in ('M', 'F')", name="sex"),
        CheckConstraint("age_from <= age_to", name="ages"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class CohortTerms(Model):
    """One version of what a cohort gets and who pays (`facts.Offer` as JSON). Members keep the version they were enrolled by."""

    __tablename__ = "group_orders_terms"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    cohort_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_cohort.id"), index=True)
    revision: Mapped[int]
    offer: Mapped[str] = mapped_column(Text)
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (UniqueConstraint("cohort_id", "revision"),)


class Member(Model):
    """A person on an order's list, with their visit. `left_at`: no longer on it. `covered` are the groups the organisation ordered,
    as JSON; `kept` what earlier terms still govern (`facts.Kept` as JSON)."""

    __tablename__ = "group_orders_member"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_order.id"))
    cohort_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_cohort.id"), index=True)
    terms_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_terms.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("exam_person.id"), index=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), unique=True)
    batch_id: Mapped[UUID | None] = mapped_column(index=True)
    site: Mapped[str]
    employee_no: Mapped[str]
    department: Mapped[str]
    job: Mapped[str]
    post: Mapped[str]
    relation: Mapped[str]
    of_member_id: Mapped[UUID | None] = mapped_column(ForeignKey("group_orders_member.id"))
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("group_orders_member.id"))
    covered: Mapped[str] = mapped_column(Text)
    kept: Mapped[str] = mapped_column(Text)
    remark: Mapped[str]
    added_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    left_reason: Mapped[str]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        Index(
            "uq_group_orders_member_person", "order_id", "person_id", unique=True,
            sqlite_where=text("left_at is null"), postgresql_where=text("left_at is null"),
        ),
        Index("ix_group_orders_member_order", "order_id", "cohort_id", "left_at"),
        Index("ix_group_orders_member_employee", "order_id", "employee_no"),
    )  # fmt: skip
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012
