"""The rule store's tables: append-only versions, approvals and proposals, and the revision counter."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class KnowledgeRule(Model):
    """One version of an entry of the book (a rule, a merge, a policy …). `body` is its struct as JSON; `position` is its place in the book.

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
        CheckConstraint("kind in ('rule', 'merge', 'policy', 'grade', 'check', 'template', 'summary')", name="kind"),
        CheckConstraint("version > 0", name="version"),
        Index("ix_exam_knowledge_rule_revision", "revision"),
    )


class KnowledgeRevision(Model):
    """The rule store's revision counter: one row, raised with every change."""

    __tablename__ = "exam_knowledge_revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]


class KnowledgeApproval(Model):
    """A doctor's signature under a version that was stored unapproved (审批); raises the revision."""

    __tablename__ = "exam_knowledge_approval"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str]
    version: Mapped[int]
    revision: Mapped[int]
    staff_id: Mapped[UUID | None]
    name: Mapped[str]
    at: Mapped[datetime]
    note: Mapped[str] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("code", "version"),)


class KnowledgeProposal(Model):
    """A change that somebody proposes and another person decides on (双人审批). `body` is the entry's struct as JSON.

    `base_version` is the version that the author saw, 0 for a new entry; an approval is refused once another holds.
    """

    __tablename__ = "exam_knowledge_proposal"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    code: Mapped[str]
    base_version: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    source: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str]
    author_id: Mapped[UUID | None]
    author: Mapped[str]
    at: Mapped[datetime]
    decided_by_id: Mapped[UUID | None]
    decided_by: Mapped[str]
    decided_at: Mapped[datetime | None]
    decision: Mapped[str] = mapped_column(Text)
    ver: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012
    __table_args__ = (
        CheckConstraint("state in ('open', 'approved', 'rejected', 'withdrawn')", name="state"),
        Index("ix_exam_knowledge_proposal_state", "state", "at"),
    )
