"""critical and important results: what was found, every step of its loop, where it stands, and the pulse that screens wait for.

Revision: 0010; after: 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "critical_values_alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("alert_class", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("specialist", sa.String(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.Column("call_back_days", sa.String(), nullable=False),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("found_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("found_by", sa.String(), nullable=False),
        sa.CheckConstraint("alert_class in ('critical', 'a', 'b')", name=op.f("ck_critical_values_alert_alert_class")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_critical_values_alert_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_values_alert")),
        sa.UniqueConstraint("visit_id", "rule", name=op.f("uq_critical_values_alert_visit_id_rule")),
    )
    op.create_index("ix_critical_values_alert_found", "critical_values_alert", ["site", "found_at"], unique=False)
    op.create_table(
        "critical_values_step",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_critical_values_step_number")),
        sa.ForeignKeyConstraint(["alert_id"], ["critical_values_alert.id"], name=op.f("fk_critical_values_step_alert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_values_step")),
        sa.UniqueConstraint("alert_id", "number", name=op.f("uq_critical_values_step_alert_id_number")),
    )
    op.create_table(
        "critical_values_board",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("alert_class", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("next_step", sa.String(), nullable=False),
        sa.Column("due_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("ring_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("duty_id", sa.Uuid(), nullable=True),
        sa.Column("duty", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("notified_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("found_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["critical_values_alert.id"], name=op.f("fk_critical_values_board_alert_id")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_critical_values_board_visit_id")),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_critical_values_board")),
    )
    op.create_index("ix_critical_values_board_visit", "critical_values_board", ["visit_id"], unique=False)
    op.create_index("ix_critical_values_board_waiting", "critical_values_board", ["site", "next_step", "due_at"], unique=False)
    op.create_index("ix_critical_values_board_found", "critical_values_board", ["site", "found_at"], unique=False)
    op.create_index("ix_critical_values_board_ring", "critical_values_board", ["ring_at"], unique=False)
    op.create_table(
        "critical_values_pulse",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_critical_values_pulse")),
    )


def downgrade() -> None:
    for table in ("critical_values_pulse", "critical_values_board", "critical_values_step", "critical_values_alert"):
        op.drop_table(table)
