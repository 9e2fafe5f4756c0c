"""consent texts and consents, refunds at the window and the list of who is owed money.

Revision: 0003; after: 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_window_refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("receipt_no", sa.String(), nullable=False),
        sa.Column("undoes", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_billing_window_refund_amount")),
        sa.ForeignKeyConstraint(["undoes"], ["billing_window_refund.id"], name=op.f("fk_billing_window_refund_undoes")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_billing_window_refund_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_window_refund")),
        sa.UniqueConstraint("undoes", name=op.f("uq_billing_window_refund_undoes")),
    )
    op.create_index(op.f("ix_billing_window_refund_visit_id"), "billing_window_refund", ["visit_id"], unique=False)
    op.create_table(
        "billing_refund_board",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_billing_refund_board_amount")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_billing_refund_board_visit_id")),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_billing_refund_board")),
    )
    op.create_index(op.f("ix_billing_refund_board_site"), "billing_refund_board", ["site"], unique=False)
    # Until now no refund could be recorded, so whoever is owed money by the board is owed it still.
    op.execute(
        "insert into billing_refund_board (visit_id, site, amount_fen) "
        "select visit_id, site, -amount_due_fen from exam_visit_board where amount_due_fen < 0"
    )
    op.create_table(
        "registration_consent_text",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("asks_everyone", sa.Boolean(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("version > 0", name=op.f("ck_registration_consent_text_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_consent_text")),
        sa.UniqueConstraint("site", "version", name=op.f("uq_registration_consent_text_site_version")),
    )
    op.create_table(
        "registration_consent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("given_by", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("undoes", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("channel in ('desk', 'program')", name=op.f("ck_registration_consent_channel")),
        sa.CheckConstraint("given_by in ('person', 'guardian')", name=op.f("ck_registration_consent_given_by")),
        sa.ForeignKeyConstraint(["text_id"], ["registration_consent_text.id"], name=op.f("fk_registration_consent_text_id")),
        sa.ForeignKeyConstraint(["undoes"], ["registration_consent.id"], name=op.f("fk_registration_consent_undoes")),
        sa.ForeignKeyConstraint(["visit_id"], ["exam_visit.id"], name=op.f("fk_registration_consent_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_consent")),
        sa.UniqueConstraint("undoes", name=op.f("uq_registration_consent_undoes")),
    )
    op.create_index(op.f("ix_registration_consent_visit_id"), "registration_consent", ["visit_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_registration_consent_visit_id"), table_name="registration_consent")
    op.drop_table("registration_consent")
    op.drop_table("registration_consent_text")
    op.drop_index(op.f("ix_billing_refund_board_site"), table_name="billing_refund_board")
    op.drop_table("billing_refund_board")
    op.drop_index(op.f("ix_billing_window_refund_visit_id"), table_name="billing_window_refund")
    op.drop_table("billing_window_refund")
