"""Rosters while they wait to be accepted. What the file says of people is sealed as a whole, in chunks, and goes when it is done."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class RosterBatch(Model):
    """One uploaded file of an order and how far it is. `mapping` is `{field: column from 0}`, `sheets` and `summary` are structs of
    `roster_facts`, all as JSON. `rows_digest` covers every row that was judged; it is in the audit by this row's own digest."""

    __tablename__ = "group_orders_roster"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_order.id"))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("exam_organization.id"))
    site: Mapped[str]
    file_name: Mapped[str]
    file_digest: Mapped[bytes]
    sheets: Mapped[str] = mapped_column(Text)
    sheet: Mapped[int]
    header_row: Mapped[int]
    mapping: Mapped[str] = mapped_column(Text)
    state: Mapped[str]
    summary: Mapped[str] = mapped_column(Text)
    rows_digest: Mapped[bytes]
    done: Mapped[int]
    fault: Mapped[str] = mapped_column(Text)
    uploaded_at: Mapped[datetime]
    uploaded_by: Mapped[UUID | None]
    uploaded_name: Mapped[str]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None]
    accepted_login: Mapped[str]
    accepted_name: Mapped[str]
    ended_at: Mapped[datetime | None]
    ended_name: Mapped[str]
    ended_reason: Mapped[str]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("state in ('read', 'checked', 'accepting', 'stopped', 'accepted', 'discarded', 'undone')", name="state"),
        Index("ix_group_orders_roster_order", "order_id", "uploaded_at"),
        Index("ix_group_orders_roster_state", "state"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class RosterChunk(Model):
    """Some hundred rows of a batch, sealed: the `cells` of a sheet as the file holds them, or the rows as they were `checked`.

    `done_at`: these checked rows are members now. Not audited row by row (decision 14): an import has one digest, in its batch.
    """

    __tablename__ = "group_orders_roster_chunk"
    __audited__ = False

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_roster.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    sheet: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes]
    done_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("kind in ('cells', 'checked')", name="kind"),)


class RosterMapping(Model):
    """What an organisation's headers meant the last time: `{folded header: field}` as JSON, an empty field for one left out."""

    __tablename__ = "group_orders_roster_mapping"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("exam_organization.id"), primary_key=True)
    mapping: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]
    changed_by: Mapped[UUID | None]
    ver: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012
