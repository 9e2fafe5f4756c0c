"""The rule store's tables: one append-only row for each version of each rule or merge, and the revision counter."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class KnowledgeRule(Model):
    """One version of a rule or a merge of rules. `body` is its struct as JSON; `position` is its place in the book.

    For a day, the version that holds is the one with the greatest `(valid_from, version)` not after that day.
    """

    __tablename__ = "exam_knowledge_rule"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    code: Mapped[str]
    version: Mapped[int]
    revision: Mapped[int]
    position: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    approved: Mapped[bool]
    source: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str]
    at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("code", "version"),
        CheckConstraint("kind in ('rule', 'merge')", name="kind"),
        CheckConstraint("version > 0", name="version"),
        Index("ix_exam_knowledge_rule_revision", "revision"),
    )


class KnowledgeRevision(Model):
    """The rule store's revision counter: one row, raised with every change."""

    __tablename__ = "exam_knowledge_revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]
