"""rechecks that a final review orders and the desk books, what a review plans of them, and pushes to specialists.

Revision: 0011; after: 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registration_recheck",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("ordered_by", sa.Uuid(), nullable=True),
        sa.Column("ordered_name", sa.String(), nullable=False),
        sa.Column("ordered_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["exam_person.id"], name=op.f("fk_registration_recheck_person_id")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_registration_recheck_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_recheck")),
    )
    op.create_table(
        "registration_recheck_fact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recheck_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.CheckConstraint("kind <> 'book' or visit_id is not null", name=op.f("ck_registration_recheck_fact_visit")),
        sa.CheckConstraint("kind <> 'postpone' or due_on is not null", name=op.f("ck_registration_recheck_fact_day")),
        sa.CheckConstraint(
            "kind in ('book', 'done', 'cancel', 'withdraw', 'postpone', 'undo')", name=op.f("ck_registration_recheck_fact_kind")
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_registration_recheck_fact_number")),
        sa.ForeignKeyConstraint(["recheck_id"], ["registration_recheck.id"], name=op.f("fk_registration_recheck_fact_recheck_id")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_registration_recheck_fact_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_recheck_fact")),
        sa.UniqueConstraint("recheck_id", "number", name=op.f("uq_registration_recheck_fact_recheck_id_number")),
    )
    op.create_table(
        "registration_recheck_board",
        sa.Column("recheck_id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("booked_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["recheck_id"], ["registration_recheck.id"], name=op.f("fk_registration_recheck_board_recheck_id")),
        sa.PrimaryKeyConstraint("recheck_id", name=op.f("pk_registration_recheck_board")),
    )
    op.create_index("ix_registration_recheck_board_booked", "registration_recheck_board", ["booked_id"], unique=False)
    op.create_index("ix_registration_recheck_board_due", "registration_recheck_board", ["site", "state", "due_on"], unique=False)
    op.create_index("ix_registration_recheck_board_person", "registration_recheck_board", ["person_id"], unique=False)
    op.create_index("ix_registration_recheck_board_visit", "registration_recheck_board", ["visit_id"], unique=False)
    op.create_table(
        "chief_review_recheck_plan",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_chief_review_recheck_plan_number")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_chief_review_recheck_plan_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chief_review_recheck_plan")),
        sa.UniqueConstraint("visit_id", "number", name=op.f("uq_chief_review_recheck_plan_visit_id_number")),
    )
    op.create_table(
        "chief_review_push",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("specialist", sa.String(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("urgency", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("pushed_by", sa.Uuid(), nullable=True),
        sa.Column("pushed_name", sa.String(), nullable=False),
        sa.Column("pushed_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.CheckConstraint("urgency in ('routine', 'soon', 'urgent')", name=op.f("ck_chief_review_push_urgency")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_chief_review_push_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chief_review_push")),
    )
    op.create_table(
        "chief_review_push_fact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("push_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("diagnosis", sa.Text(), nullable=False),
        sa.Column("fee_fen", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.CheckConstraint(
            "kind in ('see', 'message', 'tell', 'visit', 'not_coming', 'withdraw', 'undo')", name=op.f("ck_chief_review_push_fact_kind")
        ),
        sa.CheckConstraint("fee_fen is null or fee_fen >= 0", name=op.f("ck_chief_review_push_fact_fee")),
        sa.CheckConstraint("number > 0", name=op.f("ck_chief_review_push_fact_number")),
        sa.ForeignKeyConstraint(["push_id"], ["chief_review_push.id"], name=op.f("fk_chief_review_push_fact_push_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chief_review_push_fact")),
        sa.UniqueConstraint("push_id", "number", name=op.f("uq_chief_review_push_fact_push_id_number")),
    )
    op.create_index("ix_chief_review_push_fact_message", "chief_review_push_fact", ["message_id"], unique=False)
    op.create_table(
        "chief_review_push_board",
        sa.Column("push_id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("specialist", sa.String(), nullable=False),
        sa.Column("urgency", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("pushed_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("seen_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("told_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("visited_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("sms", sa.String(), nullable=False),
        sa.Column("diagnosis", sa.Text(), nullable=False),
        sa.Column("fee_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["push_id"], ["chief_review_push.id"], name=op.f("fk_chief_review_push_board_push_id")),
        sa.PrimaryKeyConstraint("push_id", name=op.f("pk_chief_review_push_board")),
    )
    op.create_index(
        "ix_chief_review_push_board_list", "chief_review_push_board", ["site", "state", "specialist", "pushed_at"], unique=False
    )
    op.create_index("ix_chief_review_push_board_visit", "chief_review_push_board", ["visit_id"], unique=False)


def downgrade() -> None:
    for table in (
        "chief_review_push_board",
        "chief_review_push_fact",
        "chief_review_push",
        "chief_review_recheck_plan",
        "registration_recheck_board",
        "registration_recheck_fact",
        "registration_recheck",
    ):
        op.drop_table(table)
