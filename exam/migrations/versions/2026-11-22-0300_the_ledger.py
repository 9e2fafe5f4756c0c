"""the ledger, charges that are shared and repriced, and discounts.

Revision: 0016; after: 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from exam.kit.db import UtcTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_transaction",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), index=True),
        sa.Column("about", sa.Uuid(), index=True),
        sa.Column("drawer_id", sa.Uuid(), index=True),
        sa.Column("reverses", sa.Uuid(), sa.ForeignKey("billing_transaction.id"), unique=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Index("ix_billing_transaction_day", "site", "booked_on", "kind"),
    )
    op.create_table(
        "billing_transfer",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id"), nullable=False, index=True),
        sa.Column("debit", sa.String(), nullable=False),
        sa.Column("debit_of", sa.Uuid(), nullable=False),
        sa.Column("credit", sa.String(), nullable=False),
        sa.Column("credit_of", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name="amount"),
        sa.CheckConstraint("debit <> credit or debit_of <> credit_of", name="two_accounts"),
        sa.Index("ix_billing_transfer_debit", "debit_of", "debit"),
        sa.Index("ix_billing_transfer_credit", "credit_of", "credit"),
    )
    op.create_table(
        "billing_balance",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("of", sa.Uuid(), primary_key=True),
        sa.Column("balance_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("balance_fen >= 0", name="balance"),
    )
    op.create_table(
        "billing_discount",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), nullable=False, index=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("line_id", sa.Uuid(), sa.ForeignKey("exam_order_line.id")),
        sa.Column("factor", sa.String()),
        sa.Column("total_fen", sa.BigInteger()),
        sa.Column("stackable", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("undoes", sa.Uuid(), sa.ForeignKey("billing_discount.id"), unique=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("approved_by", sa.Uuid()),
        sa.CheckConstraint("kind in ('booking', 'manual')", name="kind"),
        sa.CheckConstraint("undoes is not null or (factor is null) <> (total_fen is null)", name="one_measure"),
        sa.CheckConstraint("total_fen >= 0", name="total"),
    )
    with op.batch_alter_table("billing_charge") as table:
        table.add_column(sa.Column("payer_id", sa.Uuid()))
        table.add_column(sa.Column("standard_fen", sa.BigInteger()))
        table.add_column(sa.Column("catalog_revision", sa.Integer()))
        table.drop_constraint(op.f("uq_billing_charge_line_id_sign"), type_="unique")
        table.create_index("ix_billing_charge_line", ["line_id"])
        table.create_index("ix_billing_charge_payer", ["payer_id"])


def downgrade() -> None:
    with op.batch_alter_table("billing_charge") as table:
        table.drop_index("ix_billing_charge_payer")
        table.drop_index("ix_billing_charge_line")
        table.create_unique_constraint(op.f("uq_billing_charge_line_id_sign"), ["line_id", "sign"])
        table.drop_column("catalog_revision")
        table.drop_column("standard_fen")
        table.drop_column("payer_id")
    for name in ("billing_discount", "billing_balance", "billing_transfer", "billing_transaction"):
        op.drop_table(name)
