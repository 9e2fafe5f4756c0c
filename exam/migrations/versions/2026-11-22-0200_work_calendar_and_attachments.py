"""the working calendar, and files that come with the handling and the call-backs of an alert.

Revision: 0015; after: 0014.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exam_calendar_year",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("days", sa.Text(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_exam_calendar_year_version")),
        sa.CheckConstraint("year between 2000 and 2200", name=op.f("ck_exam_calendar_year_year")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_calendar_year")),
        sa.UniqueConstraint("year", "version", name=op.f("uq_exam_calendar_year_year_version")),
    )
    op.create_table(
        "exam_calendar_approval",
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("approver_id", sa.Uuid(), nullable=True),
        sa.Column("approved_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"], ["exam_calendar_year.id"], name=op.f("fk_exam_calendar_approval_calendar_id")
        ),
        sa.PrimaryKeyConstraint("calendar_id", name=op.f("pk_exam_calendar_approval")),
    )
    op.create_table(
        "critical_values_attachment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("put_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("put_by", sa.String(), nullable=False),
        sa.CheckConstraint("kind in ('pdf', 'jpeg', 'png')", name=op.f("ck_critical_values_attachment_kind")),
        sa.CheckConstraint("size > 0", name=op.f("ck_critical_values_attachment_size")),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["critical_values_alert.id"], name=op.f("fk_critical_values_attachment_alert_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_values_attachment")),
    )
    op.create_index(op.f("ix_critical_values_attachment_alert_id"), "critical_values_attachment", ["alert_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_critical_values_attachment_alert_id"), table_name="critical_values_attachment")
    op.drop_table("critical_values_attachment")
    op.drop_table("exam_calendar_approval")
    op.drop_table("exam_calendar_year")
