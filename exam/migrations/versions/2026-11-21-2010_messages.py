"""messages to people: what is to be sent, each attempt, and what the gateway said of it; consent, and notices for the staff.

Revision: 0009; after: 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_exam_message_due", "exam_message", ["state", "due_at"]),
    ("ix_exam_message_until", "exam_message", ["until_at"]),
    ("ix_exam_message_list", "exam_message", ["site", "queued_at"]),
    ("ix_exam_message_person", "exam_message", ["person_id"]),
    ("ix_exam_message_visit", "exam_message", ["visit_id"]),
    ("ix_exam_message_visit_no", "exam_message", ["visit_no"]),
    ("ix_exam_message_fact_message_id", "exam_message_fact", ["message_id"]),
    ("ix_exam_sms_consent_person_id", "exam_sms_consent", ["person_id"]),
    ("ix_exam_staff_phone_staff_id", "exam_staff_phone", ["staff_id"]),
    ("ix_exam_notice_staff", "exam_notice", ["staff_id", "at"]),
    ("ix_exam_notice_unread_staff_id", "exam_notice_unread", ["staff_id"]),
)


def _moment(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, exam.kit.db.UtcTime(timezone=True), nullable=nullable)


def _link(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def _key(table: str, column: str = "id") -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(column, name=op.f(f"pk_{table}"))


def upgrade() -> None:
    op.create_table(
        "exam_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("occasion", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("visit_id", sa.Uuid(), nullable=True),
        sa.Column("visit_no", sa.String(), nullable=False),
        sa.Column("template_code", sa.String(), nullable=False),
        sa.Column("template_version", sa.Integer(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("is_urgent", sa.Boolean(), nullable=False),
        sa.Column("is_quiet", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        _moment("queued_at"),
        _moment("changed_at"),
        _moment("due_at", nullable=True),
        _moment("useful_until"),
        _moment("until_at", nullable=True),
        sa.Column("resends", sa.Uuid(), nullable=True),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('waiting', 'held', 'unknown', 'sent', 'delivered', 'failed', 'expired')", name=op.f("ck_exam_message_state")
        ),
        sa.CheckConstraint("audience in ('person', 'doctor')", name=op.f("ck_exam_message_audience")),
        sa.CheckConstraint("(person_id is null) <> (staff_id is null)", name=op.f("ck_exam_message_one_reader")),
        _link("exam_message", "person_id", "exam_person"),
        _link("exam_message", "staff_id", "exam_staff"),
        _link("exam_message", "visit_id", "exam_visit"),
        _link("exam_message", "resends", "exam_message"),
        _key("exam_message"),
        sa.UniqueConstraint("resends", name=op.f("uq_exam_message_resends")),
    )
    op.create_table(
        "exam_message_fact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("receipt_id", sa.String(), nullable=True),
        _moment("at"),
        sa.Column("actor", sa.String(), nullable=False),
        _link("exam_message_fact", "message_id", "exam_message"),
        _key("exam_message_fact"),
        sa.UniqueConstraint("receipt_id", name=op.f("uq_exam_message_fact_receipt_id")),
    )
    op.create_table(
        "exam_sms_consent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        _moment("at"),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.CheckConstraint("kind in ('given', 'withdrawn')", name=op.f("ck_exam_sms_consent_kind")),
        _link("exam_sms_consent", "person_id", "exam_person"),
        _key("exam_sms_consent"),
    )
    op.create_table(
        "exam_staff_phone",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        _moment("at"),
        _link("exam_staff_phone", "staff_id", "exam_staff"),
        _key("exam_staff_phone"),
    )
    op.create_table(
        "exam_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        _moment("at"),
        _link("exam_notice", "staff_id", "exam_staff"),
        _link("exam_notice", "visit_id", "exam_visit"),
        _key("exam_notice"),
    )
    op.create_table(
        "exam_notice_read",
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        _moment("at"),
        _link("exam_notice_read", "notice_id", "exam_notice"),
        _key("exam_notice_read", "notice_id"),
    )
    op.create_table(
        "exam_notice_unread",
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        _link("exam_notice_unread", "notice_id", "exam_notice"),
        _link("exam_notice_unread", "staff_id", "exam_staff"),
        _key("exam_notice_unread", "notice_id"),
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns, unique=False)


def downgrade() -> None:
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
    for table in (
        "exam_notice_unread", "exam_notice_read", "exam_notice", "exam_staff_phone", "exam_sms_consent", "exam_message_fact", "exam_message",
    ):  # fmt: skip
        op.drop_table(table)
