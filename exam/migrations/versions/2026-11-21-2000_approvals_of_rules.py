"""rules are proposed, decided on by a second person and approved; the book holds policies, grades, checks and templates too.

Revision: 0008; after: 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLE, NAME = "exam_knowledge_rule", "ck_exam_knowledge_rule_kind"
KINDS = "kind in ('rule', 'merge', 'policy', 'grade', 'check', 'template')"
KINDS_BEFORE = "kind in ('rule', 'merge')"


def _allow(kinds: str) -> None:
    """SQLite keeps a check in the table's own text: there the table is written anew, elsewhere only the check."""
    with op.batch_alter_table(TABLE) as table:
        table.drop_constraint(op.f(NAME), type_="check")
        table.create_check_constraint(op.f(NAME), kinds)


def upgrade() -> None:
    _allow(KINDS)
    op.create_table(
        "exam_knowledge_approval",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_knowledge_approval")),
        sa.UniqueConstraint("code", "version", name=op.f("uq_exam_knowledge_approval_code_version")),
    )
    op.create_table(
        "exam_knowledge_proposal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("state in ('open', 'approved', 'rejected', 'withdrawn')", name=op.f("ck_exam_knowledge_proposal_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_knowledge_proposal")),
    )
    op.create_index("ix_exam_knowledge_proposal_state", "exam_knowledge_proposal", ["state", "at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_exam_knowledge_proposal_state", table_name="exam_knowledge_proposal")
    op.drop_table("exam_knowledge_proposal")
    op.drop_table("exam_knowledge_approval")
    _allow(KINDS_BEFORE)
