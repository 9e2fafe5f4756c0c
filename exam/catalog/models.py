"""The catalogue's tables: one append-only row for each version of each entry."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class CatalogEntry(Model):
    """One version of a department, item, group, package or tube. `body` is its struct as JSON.

    For a day, the entry that holds is the one with the greatest `(valid_from, revision)` not after that day.
    """

    __tablename__ = "exam_catalog_entry"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    code: Mapped[str]
    revision: Mapped[int]
    valid_from: Mapped[date]
    retired: Mapped[bool]
    body: Mapped[str] = mapped_column(Text)
    source: Mapped[str]
    reason: Mapped[str]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("kind in ('department', 'item', 'group', 'package', 'tube')", name="kind"),
        Index("ux_exam_catalog_entry", "kind", "code", "revision", unique=True),
        Index("ix_exam_catalog_entry_revision", "revision"),
    )


class CatalogRevision(Model):
    """The catalogue's revision counter: one row, raised by a conditional update."""

    __tablename__ = "exam_catalog_revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]
