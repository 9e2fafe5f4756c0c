"""Tables of payments through a gateway: what happened is a fact that nobody changes; the rows beside the facts say where each stands."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model

_LIVE = text("state in ('created', 'unknown', 'asked')")


class GatewayOrderRow(Model):
    """One payment that was asked for. `state` is what its facts say (`exam verify` compares them); `why` is the last reason.

    The row is on disk before the gateway hears of it. `auth_code` is the sealed code of the customer's telephone, gone after its use.
    `is_unbooked`: the gateway has the money, and booking it was refused so far.
    """

    __tablename__ = "billing_gateway_order"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_no: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    method: Mapped[str]
    target: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    title: Mapped[str]
    is_charge: Mapped[bool]
    auth_code: Mapped[bytes]
    code: Mapped[str]
    state: Mapped[str]
    why: Mapped[str]
    is_unbooked: Mapped[bool]
    trade_no: Mapped[str]
    paid_fen: Mapped[int] = mapped_column(BigInteger)
    returned_fen: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint(
            "state in ('created', 'unknown', 'asked', 'closing', 'paid', 'closed', 'declined', 'late', 'disputed')", name="state"
        ),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("0 <= returned_fen and returned_fen <= paid_fen", name="returned"),
        Index("ix_billing_gateway_order_list", "site", "opened_at"),
        Index("ix_billing_gateway_order_state", "state", "changed_at"),
        Index("ix_billing_gateway_order_target", "target"),
        Index("ix_billing_gateway_order_paid", "method", "paid_at"),
        # Nobody is shown two codes for the same thing: of two cashiers the second is told.
        Index("uq_billing_gateway_order_live", "target", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class GatewayRefundRow(Model):
    """Money that goes back through the gateway, under our own number. `state` is what its facts say."""

    __tablename__ = "billing_gateway_refund"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    refund_no: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("billing_gateway_order.id"), index=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    is_automatic: Mapped[bool]
    state: Mapped[str]
    why: Mapped[str]
    reference: Mapped[str]
    requested_at: Mapped[datetime]
    requested_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("state in ('requested', 'unknown', 'processing', 'success', 'failed')", name="state"),
        CheckConstraint("amount_fen > 0", name="amount"),
        Index("ix_billing_gateway_refund_state", "state", "changed_at"),
        Index("ix_billing_gateway_refund_settled", "settled_at"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class GatewayFact(Model):
    """One thing that happened to an order, or to one of its refunds. `kind` is an action of `gateway_rules` or a note."""

    __tablename__ = "billing_gateway_fact"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("billing_gateway_order.id"), index=True)
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_gateway_refund.id"), index=True)
    kind: Mapped[str]
    code: Mapped[str]
    reference: Mapped[str]
    at: Mapped[datetime]
    actor: Mapped[str]


class GatewayNotice(Model):
    """One checked callback, stored before it is acknowledged. The same event counts once, however often it comes."""

    __tablename__ = "billing_gateway_notice"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    method: Mapped[str]
    event_id: Mapped[str]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("billing_gateway_order.id"), index=True)
    refund_no: Mapped[str]
    state: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    trade_no: Mapped[str]
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("method", "event_id"),)


class GatewayWatch(Model):
    """What the worker looks at next: an order or a refund (`id`) that is not over. Not audited: it says only when."""

    __tablename__ = "billing_gateway_watch"
    __audited__ = False

    id: Mapped[UUID] = mapped_column(primary_key=True)
    is_refund: Mapped[bool]
    method: Mapped[str]
    asks: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(index=True)


class GatewayStatementRow(Model):
    """That a gateway's statement of a day was read and compared, with its sums and the digest of its lines."""

    __tablename__ = "billing_gateway_statement"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    method: Mapped[str]
    day: Mapped[date]
    lines: Mapped[int]
    paid_fen: Mapped[int] = mapped_column(BigInteger)
    refunded_fen: Mapped[int] = mapped_column(BigInteger)
    foreign_lines: Mapped[int]
    digest: Mapped[bytes]
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("method", "day"),)


class GatewayDifference(Model):
    """One thing about which a statement and our books did not agree; open until somebody, or a later answer, explains it."""

    __tablename__ = "billing_gateway_difference"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    statement_id: Mapped[UUID] = mapped_column(ForeignKey("billing_gateway_statement.id"), index=True)
    kind: Mapped[str]
    order_no: Mapped[str]
    refund_no: Mapped[str]
    trade_no: Mapped[str]
    ours_fen: Mapped[int] = mapped_column(BigInteger)
    theirs_fen: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    explanation: Mapped[str]
    explained_at: Mapped[datetime | None]
    explained_by: Mapped[UUID | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("kind in ('long', 'short', 'amount')", name="kind"),
        CheckConstraint("(explained_at is null) = (explanation = '')", name="explained"),
        Index("ix_billing_gateway_difference_explained", "explained_at"),
        Index("ix_billing_gateway_difference_order_no", "order_no"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012
