"""titles and specialties with their days, and the figures that indicators need and nobody can count.

Revision: 0014; after: 0013.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exam_staff_practice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("specialty", sa.String(), nullable=False),
        sa.Column("from_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("put_by", sa.String(), nullable=False),
        sa.Column("put_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.CheckConstraint("source <> ''", name=op.f("ck_exam_staff_practice_source")),
        sa.ForeignKeyConstraint(["staff_id"], ["exam_staff.id"], name=op.f("fk_exam_staff_practice_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_staff_practice")),
    )
    op.create_index(op.f("ix_exam_staff_practice_staff_id"), "exam_staff_practice", ["staff_id"], unique=False)
    op.create_table(
        "reporting_indicator_figure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("number_text", sa.String(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("put_by", sa.String(), nullable=False),
        sa.Column("put_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind in ('posts', 'days', 'parts')", name=op.f("ck_reporting_indicator_figure_kind")),
        sa.CheckConstraint("source <> ''", name=op.f("ck_reporting_indicator_figure_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reporting_indicator_figure")),
    )
    op.create_index("ix_reporting_indicator_figure", "reporting_indicator_figure", ["site", "kind", "month"], unique=False)
    op.create_index("ix_reporting_version_first", "reporting_version", ["kind", "number", "signed_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_reporting_version_first", table_name="reporting_version")
    op.drop_index("ix_reporting_indicator_figure", table_name="reporting_indicator_figure")
    op.drop_table("reporting_indicator_figure")
    op.drop_index(op.f("ix_exam_staff_practice_staff_id"), table_name="exam_staff_practice")
    op.drop_table("exam_staff_practice")
