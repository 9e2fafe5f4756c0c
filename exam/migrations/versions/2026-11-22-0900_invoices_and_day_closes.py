"""invoices with their segments, and the day closes of cashiers and of the centre.

Revision: 0022; after: 0021.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from exam.kit.db import UtcTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_LIVE = sa.text("is_live")
_LIVE_ON_SQLITE = sa.text("is_live = 1")
_NUMBERED = sa.text("number <> ''")
_RED = sa.text("original_id is not null and state <> 'failed'")


def upgrade() -> None:
    op.create_table(
        "billing_invoice_segment",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("cashier_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("given_at", UtcTime(), nullable=False),
        sa.Column("given_by", sa.Uuid()),
        sa.CheckConstraint("0 < first and first <= last", name="range"),
        sa.Index("ix_billing_invoice_segment_code", "code", "first"),
    )
    op.create_table(
        "billing_invoice",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("request_no", sa.String(), nullable=False, unique=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("medium", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), index=True),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("tax_no", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("original_id", sa.Uuid(), sa.ForeignKey("billing_invoice.id")),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("check_code", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("drawer_id", sa.Uuid(), sa.ForeignKey("billing_drawer.id"), nullable=False, index=True),
        sa.Column("cashier_id", sa.Uuid()),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("issued_at", UtcTime()),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind in ('blue', 'red') and (kind = 'red') = (original_id is not null)", name="kind"),
        sa.CheckConstraint("medium in ('paper', 'fiscal', 'tax')", name="medium"),
        sa.CheckConstraint("subject_kind in ('receipt', 'settlement')", name="subject"),
        sa.CheckConstraint("state in ('requested', 'unknown', 'issued', 'failed', 'voided', 'reddened')", name="state"),
        sa.CheckConstraint("amount_fen > 0", name="amount"),
        sa.CheckConstraint("state in ('requested', 'unknown', 'failed') or number <> ''", name="number"),
        sa.Index("ix_billing_invoice_list", "site", "opened_at"),
        sa.Index(
            "uq_billing_invoice_number", "medium", "code", "number", unique=True, sqlite_where=_NUMBERED, postgresql_where=_NUMBERED
        ),
        sa.Index("uq_billing_invoice_red", "original_id", unique=True, sqlite_where=_RED, postgresql_where=_RED),
    )
    op.create_table(
        "billing_invoice_cover",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("invoice_id", sa.Uuid(), sa.ForeignKey("billing_invoice.id"), nullable=False, index=True),
        sa.Column("covers", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name="amount"),
        sa.Index("uq_billing_invoice_cover_live", "covers", unique=True, sqlite_where=_LIVE_ON_SQLITE, postgresql_where=_LIVE),
    )
    op.create_table(
        "billing_invoice_number",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("segment_id", sa.Uuid(), sa.ForeignKey("billing_invoice_segment.id"), nullable=False, index=True),
        sa.Column("invoice_id", sa.Uuid(), sa.ForeignKey("billing_invoice.id"), index=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("drawer_id", sa.Uuid(), sa.ForeignKey("billing_drawer.id"), nullable=False, index=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.UniqueConstraint("code", "number"),
    )
    op.create_table(
        "billing_invoice_fact",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("invoice_id", sa.Uuid(), sa.ForeignKey("billing_invoice.id"), nullable=False, index=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("drawer_id", sa.Uuid(), sa.ForeignKey("billing_drawer.id"), index=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
    )
    op.create_table(
        "billing_invoice_watch",
        sa.Column("id", sa.Uuid(), sa.ForeignKey("billing_invoice.id"), primary_key=True),
        sa.Column("asks", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False, index=True),
    )
    op.create_table(
        "billing_day_close",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("close_no", sa.String(), nullable=False, unique=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("drawer_id", sa.Uuid(), sa.ForeignKey("billing_drawer.id"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("cashier_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("before", sa.Uuid(), sa.ForeignKey("billing_day_close.id")),
        sa.Column("opening_fen", sa.BigInteger(), nullable=False),
        sa.Column("received_fen", sa.BigInteger(), nullable=False),
        sa.Column("expected_fen", sa.BigInteger(), nullable=False),
        sa.Column("counted_fen", sa.BigInteger(), nullable=False),
        sa.Column("handed_fen", sa.BigInteger(), nullable=False),
        sa.Column("closing_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id")),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.CheckConstraint("closing_fen = counted_fen - handed_fen", name="closing"),
        sa.CheckConstraint("opening_fen >= 0 and received_fen >= 0 and handed_fen >= 0 and closing_fen >= 0", name="amounts"),
        sa.CheckConstraint("(counted_fen = expected_fen) = (transaction_id is null)", name="difference"),
        sa.CheckConstraint("counted_fen = expected_fen or reason <> ''", name="reason"),
        sa.UniqueConstraint("drawer_id", "attempt"),
        sa.Index("ix_billing_day_close_cashier", "site", "cashier_id", "day"),
        sa.Index("ix_billing_day_close_day", "site", "day"),
    )
    op.create_table(
        "billing_day_close_undone",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("close_id", sa.Uuid(), sa.ForeignKey("billing_day_close.id"), nullable=False, unique=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
    )
    op.create_table(
        "billing_centre_close",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.UniqueConstraint("site", "day"),
    )
    op.create_table(
        "billing_open_day",
        sa.Column("site", sa.String(), primary_key=True),
        sa.Column("day", sa.Date(), nullable=False),
    )


def downgrade() -> None:
    for table in (
        "billing_open_day",
        "billing_centre_close",
        "billing_day_close_undone",
        "billing_day_close",
        "billing_invoice_watch",
        "billing_invoice_fact",
        "billing_invoice_number",
        "billing_invoice_cover",
        "billing_invoice",
        "billing_invoice_segment",
    ):
        op.drop_table(table)
