"""Work on many members of a round at once: what was asked for, and each member with what came of it."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class GroupTask(Model):
    """One piece of work that the worker does member by member. `what` says more of it: a reason, or which slip is printed.

    `file_digest` names the sealed file of a print, while it is kept.
    """

    __tablename__ = "group_orders_task"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_order.id"))
    site: Mapped[str]
    kind: Mapped[str]
    what: Mapped[str]
    state: Mapped[str]
    total: Mapped[int]
    done: Mapped[int]
    refused: Mapped[int]
    file_digest: Mapped[str]
    fault: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime]
    asked_by: Mapped[UUID | None]
    asked_login: Mapped[str]
    asked_name: Mapped[str]
    ended_at: Mapped[datetime | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("kind in ('book', 'unbook', 'remind', 'print')", name="kind"),
        CheckConstraint("state in ('running', 'done', 'stopped', 'cancelled')", name="state"),
        Index("ix_group_orders_task_order", "order_id", "asked_at"),
        Index("ix_group_orders_task_state", "state"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class GroupTaskRow(Model):
    """One member of a task, in its order; `day` where it is about one. What is done to the visit has its own audit."""

    __tablename__ = "group_orders_task_row"
    __audited__ = False

    task_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_task.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_member.id"))
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    day: Mapped[date | None]
    state: Mapped[str]
    text: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("state in ('waiting', 'done', 'refused')", name="state"),
        Index("ix_group_orders_task_row_state", "task_id", "state"),
    )
