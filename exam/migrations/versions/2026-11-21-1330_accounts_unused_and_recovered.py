"""when accounts were last used, why they were disabled, and recoveries that take two administrators.

Revision: 0002; after: 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exam_account_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["exam_staff.id"], name=op.f("fk_exam_account_change_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_account_change")),
    )
    op.create_index(op.f("ix_exam_account_change_staff_id"), "exam_account_change", ["staff_id"], unique=False)
    op.create_table(
        "exam_account_use",
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("used_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["exam_staff.id"], name=op.f("fk_exam_account_use_staff_id")),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_exam_account_use")),
    )
    op.create_table(
        "exam_recovery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("is_password_lost", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("expires_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["exam_staff.id"], name=op.f("fk_exam_recovery_asked_by")),
        sa.ForeignKeyConstraint(["staff_id"], ["exam_staff.id"], name=op.f("fk_exam_recovery_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_recovery")),
        sa.UniqueConstraint("id", "asked_by", name=op.f("uq_exam_recovery_id_asked_by")),
    )
    op.create_index("ix_exam_recovery_site", "exam_recovery", ["site", "asked_at"], unique=False)
    op.create_index(op.f("ix_exam_recovery_staff_id"), "exam_recovery", ["staff_id"], unique=False)
    op.create_table(
        "exam_recovery_decision",
        sa.Column("recovery_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=False),
        sa.Column("decided_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome in ('approved', 'refused', 'withdrawn')", name=op.f("ck_exam_recovery_decision_outcome")),
        sa.CheckConstraint(
            "outcome <> 'approved' or decided_by <> asked_by", name=op.f("ck_exam_recovery_decision_two_persons")
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["exam_staff.id"], name=op.f("fk_exam_recovery_decision_decided_by")),
        sa.ForeignKeyConstraint(
            ["recovery_id", "asked_by"], ["exam_recovery.id", "exam_recovery.asked_by"],
            name=op.f("fk_exam_recovery_decision_recovery_id_asked_by"),
        ),
        sa.PrimaryKeyConstraint("recovery_id", name=op.f("pk_exam_recovery_decision")),
    )  # fmt: skip
    # Whoever signed in before this table was there must not count as never having been here.
    op.execute(
        "insert into exam_account_use (staff_id, used_at) select actor_id, max(at) from exam_audit "
        "where act = 'auth.sign_in' and result = 'ok' and actor_id in (select id from exam_staff) group by actor_id"
    )


def downgrade() -> None:
    op.drop_table("exam_recovery_decision")
    op.drop_index(op.f("ix_exam_recovery_staff_id"), table_name="exam_recovery")
    op.drop_index("ix_exam_recovery_site", table_name="exam_recovery")
    op.drop_table("exam_recovery")
    op.drop_table("exam_account_use")
    op.drop_index(op.f("ix_exam_account_change_staff_id"), table_name="exam_account_change")
    op.drop_table("exam_account_change")
