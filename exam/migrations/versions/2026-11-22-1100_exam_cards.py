"""exam cards: types and limits in versions, cards with their PINs and acts, and sales.

Revision: 0024; after: 0023.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from exam.kit.db import UtcTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_card_type",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("is_named", sa.Boolean(), nullable=False),
        sa.Column("face_fen", sa.BigInteger(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("valid_months", sa.Integer()),
        sa.Column("is_reloadable", sa.Boolean(), nullable=False),
        sa.Column("needs_pin", sa.Boolean(), nullable=False),
        sa.Column("refund", sa.String(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.CheckConstraint("face_fen > 0 and price_fen >= 0 and price_fen <= face_fen", name="amounts"),
        sa.CheckConstraint("valid_months > 0", name="months"),
        sa.CheckConstraint("refund in ('proportional', 'full', 'none')", name="refund"),
        sa.UniqueConstraint("code", "version"),
    )
    op.create_table(
        "billing_card_limits",
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("named_most_fen", sa.BigInteger(), nullable=False),
        sa.Column("unnamed_most_fen", sa.BigInteger(), nullable=False),
        sa.Column("unnamed_least_months", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid()),
        sa.Column("at", UtcTime(), nullable=False),
        sa.CheckConstraint("named_most_fen > 0 and unnamed_most_fen > 0 and unnamed_least_months > 0", name="amounts"),
        sa.CheckConstraint("version > 0", name="version"),
    )
    op.create_table(
        "billing_card_limits_approval",
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("approver_id", sa.Uuid()),
        sa.Column("approved_at", UtcTime(), nullable=False),
    )
    op.create_table(
        "billing_card_sale",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("face_fen", sa.BigInteger(), nullable=False),
        sa.Column("receipt_id", sa.Uuid()),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id"), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
    )
    op.create_table(
        "billing_card",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("card_no", sa.String(), nullable=False, unique=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("type_id", sa.Uuid(), sa.ForeignKey("billing_card_type.id"), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("is_named", sa.Boolean(), nullable=False),
        sa.Column("face_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), sa.ForeignKey("exam_person.id"), index=True),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("exam_organization.id"), index=True),
        sa.Column("sale_id", sa.Uuid(), sa.ForeignKey("billing_card_sale.id"), index=True),
        sa.Column("price_fen", sa.BigInteger()),
        sa.Column("sold_at", UtcTime()),
        sa.Column("expires_on", sa.Date()),
        sa.Column("replaces_id", sa.Uuid(), sa.ForeignKey("billing_card.id"), unique=True),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('made', 'in_stock', 'sold', 'active', 'lost', 'frozen', 'expired', 'replaced', 'cancelled', 'scrapped')",
            name="state",
        ),
        sa.Index("ix_billing_card_list", "site", "state", "card_no"),
        sa.Index("ix_billing_card_expiry", "state", "expires_on"),
    )
    op.create_table(
        "billing_card_pin",
        sa.Column("card_id", sa.Uuid(), sa.ForeignKey("billing_card.id"), primary_key=True),
        sa.Column("pin_hash", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
    )
    op.create_table(
        "billing_card_act",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("card_id", sa.Uuid(), sa.ForeignKey("billing_card.id"), nullable=False, index=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.Uuid(), index=True),
        sa.Column("receipt_id", sa.Uuid()),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id")),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.CheckConstraint("amount_fen >= 0 and paid_fen >= 0", name="amounts"),
    )


def downgrade() -> None:
    for name in ("act", "pin", "", "sale", "limits_approval", "limits", "type"):
        op.drop_table(f"billing_card_{name}".rstrip("_"))
