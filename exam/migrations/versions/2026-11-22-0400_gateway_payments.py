"""payments through gateways: orders and refunds with what happened to them, callbacks, and the statements of a day.

Revision: 0017; after: 0016.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LIVE = "state in ('created', 'unknown', 'asked')"

INDEXES = (
    ("ix_billing_gateway_difference_explained", "billing_gateway_difference", ["explained_at"]),
    ("ix_billing_gateway_difference_order_no", "billing_gateway_difference", ["order_no"]),
    ("ix_billing_gateway_difference_statement_id", "billing_gateway_difference", ["statement_id"]),
    ("ix_billing_gateway_fact_order_id", "billing_gateway_fact", ["order_id"]),
    ("ix_billing_gateway_fact_refund_id", "billing_gateway_fact", ["refund_id"]),
    ("ix_billing_gateway_notice_order_id", "billing_gateway_notice", ["order_id"]),
    ("ix_billing_gateway_order_list", "billing_gateway_order", ["site", "opened_at"]),
    ("ix_billing_gateway_order_paid", "billing_gateway_order", ["method", "paid_at"]),
    ("ix_billing_gateway_order_state", "billing_gateway_order", ["state", "changed_at"]),
    ("ix_billing_gateway_order_target", "billing_gateway_order", ["target"]),
    ("ix_billing_gateway_refund_order_id", "billing_gateway_refund", ["order_id"]),
    ("ix_billing_gateway_refund_settled", "billing_gateway_refund", ["settled_at"]),
    ("ix_billing_gateway_refund_state", "billing_gateway_refund", ["state", "changed_at"]),
    ("ix_billing_gateway_watch_due_at", "billing_gateway_watch", ["due_at"]),
)


def _moment(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, exam.kit.db.UtcTime(timezone=True), nullable=nullable)


def _link(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def _key(table: str, column: str = "id") -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(column, name=op.f(f"pk_{table}"))


def upgrade() -> None:
    op.create_table(
        "billing_gateway_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_no", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("is_charge", sa.Boolean(), nullable=False),
        sa.Column("auth_code", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("is_unbooked", sa.Boolean(), nullable=False),
        sa.Column("trade_no", sa.String(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("returned_fen", sa.BigInteger(), nullable=False),
        _moment("opened_at"),
        sa.Column("opened_by", sa.Uuid(), nullable=True),
        _moment("expires_at"),
        _moment("changed_at"),
        _moment("paid_at", nullable=True),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("0 <= returned_fen and returned_fen <= paid_fen", name=op.f("ck_billing_gateway_order_returned")),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_billing_gateway_order_amount")),
        sa.CheckConstraint(
            "state in ('created', 'unknown', 'asked', 'closing', 'paid', 'closed', 'declined', 'late', 'disputed')",
            name=op.f("ck_billing_gateway_order_state"),
        ),
        _key("billing_gateway_order"),
        sa.UniqueConstraint("order_no", name=op.f("uq_billing_gateway_order_order_no")),
    )
    op.create_table(
        "billing_gateway_refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("refund_no", sa.String(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        _moment("requested_at"),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        _moment("changed_at"),
        _moment("settled_at", nullable=True),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('requested', 'unknown', 'processing', 'success', 'failed')", name=op.f("ck_billing_gateway_refund_state")
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_billing_gateway_refund_amount")),
        _link("billing_gateway_refund", "order_id", "billing_gateway_order"),
        _key("billing_gateway_refund"),
        sa.UniqueConstraint("refund_no", name=op.f("uq_billing_gateway_refund_refund_no")),
    )
    op.create_table(
        "billing_gateway_fact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        _moment("at"),
        sa.Column("actor", sa.String(), nullable=False),
        _link("billing_gateway_fact", "order_id", "billing_gateway_order"),
        _link("billing_gateway_fact", "refund_id", "billing_gateway_refund"),
        _key("billing_gateway_fact"),
    )
    op.create_table(
        "billing_gateway_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("refund_no", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("trade_no", sa.String(), nullable=False),
        _moment("at"),
        _link("billing_gateway_notice", "order_id", "billing_gateway_order"),
        _key("billing_gateway_notice"),
        sa.UniqueConstraint("method", "event_id", name=op.f("uq_billing_gateway_notice_method_event_id")),
    )
    op.create_table(
        "billing_gateway_watch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("is_refund", sa.Boolean(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("asks", sa.Integer(), nullable=False),
        _moment("due_at"),
        _key("billing_gateway_watch"),
    )
    op.create_table(
        "billing_gateway_statement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), nullable=False),
        sa.Column("foreign_lines", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _moment("at"),
        _key("billing_gateway_statement"),
        sa.UniqueConstraint("method", "day", name=op.f("uq_billing_gateway_statement_method_day")),
    )
    op.create_table(
        "billing_gateway_difference",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("order_no", sa.String(), nullable=False),
        sa.Column("refund_no", sa.String(), nullable=False),
        sa.Column("trade_no", sa.String(), nullable=False),
        sa.Column("ours_fen", sa.BigInteger(), nullable=False),
        sa.Column("theirs_fen", sa.BigInteger(), nullable=False),
        _moment("at"),
        sa.Column("explanation", sa.String(), nullable=False),
        _moment("explained_at", nullable=True),
        sa.Column("explained_by", sa.Uuid(), nullable=True),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("(explained_at is null) = (explanation = '')", name=op.f("ck_billing_gateway_difference_explained")),
        sa.CheckConstraint("kind in ('long', 'short', 'amount')", name=op.f("ck_billing_gateway_difference_kind")),
        _link("billing_gateway_difference", "statement_id", "billing_gateway_statement"),
        _key("billing_gateway_difference"),
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns, unique=False)
    op.create_index(
        "uq_billing_gateway_order_live", "billing_gateway_order", ["target"], unique=True, sqlite_where=sa.text(LIVE),
        postgresql_where=sa.text(LIVE),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("uq_billing_gateway_order_live", table_name="billing_gateway_order")
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
    for name in ("difference", "statement", "watch", "notice", "fact", "refund", "order"):
        op.drop_table(f"billing_gateway_{name}")
