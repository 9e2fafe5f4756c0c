"""Tables of exam cards: types and limits in versions, cards, their PINs, what was done with them, and sales."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class CardTypeRow(Model):
    """One version of a card type. Named or unnamed and the face value are the same in every version of a code."""

    __tablename__ = "billing_card_type"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str]
    version: Mapped[int]
    name: Mapped[str]
    category: Mapped[str]
    is_named: Mapped[bool]
    face_fen: Mapped[int] = mapped_column(BigInteger)
    price_fen: Mapped[int] = mapped_column(BigInteger)
    valid_months: Mapped[int | None]
    is_reloadable: Mapped[bool]
    needs_pin: Mapped[bool]
    refund: Mapped[str]
    is_active: Mapped[bool]
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (
        UniqueConstraint("code", "version"),
        CheckConstraint("face_fen > 0 and price_fen >= 0 and price_fen <= face_fen", name="amounts"),
        CheckConstraint("valid_months > 0", name="months"),
        CheckConstraint("refund in ('proportional', 'full', 'none')", name="refund"),
    )


class CardLimitsRow(Model):
    """One version of the limits of the law, with its source."""

    __tablename__ = "billing_card_limits"
    __append_only__ = True

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    named_most_fen: Mapped[int] = mapped_column(BigInteger)
    unnamed_most_fen: Mapped[int] = mapped_column(BigInteger)
    unnamed_least_months: Mapped[int]
    source: Mapped[str]
    reason: Mapped[str]
    author: Mapped[str]
    author_id: Mapped[UUID | None]
    at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("named_most_fen > 0 and unnamed_most_fen > 0 and unnamed_least_months > 0", name="amounts"),
        CheckConstraint("version > 0", name="version"),
    )


class CardLimitsApproval(Model):
    """That somebody compared a version (0: what came with the program) with the regulation."""

    __tablename__ = "billing_card_limits_approval"
    __append_only__ = True

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    approved_by: Mapped[str]
    approver_id: Mapped[UUID | None]
    approved_at: Mapped[datetime]


class CardSaleRow(Model):
    """A sale of one or more cards: what was paid for all, what they hold, the receipt and the transaction that loaded them."""

    __tablename__ = "billing_card_sale"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    count: Mapped[int]
    price_fen: Mapped[int] = mapped_column(BigInteger)
    face_fen: Mapped[int] = mapped_column(BigInteger)
    receipt_id: Mapped[UUID | None]
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("billing_transaction.id"))
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]


class CardRow(Model):
    """A card as it stands; `billing_card_act` says how it came there. Its balance is the ledger's."""

    __tablename__ = "billing_card"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    card_no: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    type_id: Mapped[UUID] = mapped_column(ForeignKey("billing_card_type.id"))
    batch_id: Mapped[UUID] = mapped_column(index=True)
    is_named: Mapped[bool]
    face_fen: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_person.id"), index=True)
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_organization.id"), index=True)
    sale_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_card_sale.id"), index=True)
    price_fen: Mapped[int | None] = mapped_column(BigInteger)
    sold_at: Mapped[datetime | None]
    expires_on: Mapped[date | None]
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_card.id"), unique=True)
    ver: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012
    __table_args__ = (
        CheckConstraint(
            "state in ('made', 'in_stock', 'sold', 'active', 'lost', 'frozen', 'expired', 'replaced', 'cancelled', 'scrapped')",
            name="state",
        ),
        Index("ix_billing_card_list", "site", "state", "card_no"),
        Index("ix_billing_card_expiry", "state", "expires_on"),
    )


class CardPin(Model):
    """A card's PIN as an Argon2 hash, and the wrong tries since it was last right. Apart from the card: no list ever loads it,
    and no digest of it stands in the audit.
    """

    __tablename__ = "billing_card_pin"
    __audited__ = False

    card_id: Mapped[UUID] = mapped_column(ForeignKey("billing_card.id"), primary_key=True)
    pin_hash: Mapped[str]
    tries: Mapped[int]


class CardActRow(Model):
    """What was done with a card once. `about` is the other card of a replacement, the batch or the sale; the ledger's
    transaction names this row's id where money was moved. `paid_fen` is what came in for the `amount_fen` that it was loaded with.
    """

    __tablename__ = "billing_card_act"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    card_id: Mapped[UUID] = mapped_column(ForeignKey("billing_card.id"), index=True)
    kind: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    paid_fen: Mapped[int] = mapped_column(BigInteger)
    about: Mapped[UUID | None] = mapped_column(index=True)
    receipt_id: Mapped[UUID | None]
    transaction_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_transaction.id"))
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (CheckConstraint("amount_fen >= 0 and paid_fen >= 0", name="amounts"),)
