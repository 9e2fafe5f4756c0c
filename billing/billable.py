"""What stands charged to the organisation of a group order, line by line: what its settlements are made of."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.facts import Payer
from billing.models import Charge
from exam.visits.facts import LineState
from exam.visits.models import LineBoard, OrderLineRow


class ChargedLine(msgspec.Struct, frozen=True, kw_only=True):
    """An order line and what stands charged of it to a payer, in fen: nothing where all of it was reversed."""

    line_id: UUID
    visit_id: UUID
    group_code: str
    name: str
    state: LineState
    service_only: bool
    standard_fen: int
    amount_fen: int


def charged_to(db: Session, payer_id: UUID) -> list[ChargedLine]:
    """Every line that was ever charged to the organisation of a group order, in order of visits; one statement."""
    standing = (
        select(Charge.line_id, func.sum(Charge.sign * Charge.amount_fen).label("fen"))
        .where(Charge.payer_id == payer_id, Charge.payer == Payer.ORGANIZATION)
        .group_by(Charge.line_id)
        .subquery()
    )
    rows = db.execute(
        select(
            OrderLineRow.id, OrderLineRow.visit_id, OrderLineRow.group_code, OrderLineRow.name, OrderLineRow.service_only,
            OrderLineRow.standard_fen, LineBoard.state, standing.c.fen,
        )
        .join(standing, standing.c.line_id == OrderLineRow.id)
        .join(LineBoard, LineBoard.line_id == OrderLineRow.id)
        .order_by(OrderLineRow.visit_id, OrderLineRow.position)
    )  # fmt: skip
    return [
        ChargedLine(
            line_id=row.id, visit_id=row.visit_id, group_code=row.group_code, name=row.name, state=LineState(row.state),
            service_only=row.service_only, standard_fen=row.standard_fen, amount_fen=int(row.fen),
        )
        for row in rows
    ]  # fmt: skip


def charged_sums(db: Session, payer_ids: Sequence[UUID]) -> dict[UUID, int]:
    """What stands charged in all to each of these payers, in fen; one statement."""
    rows = db.execute(
        select(Charge.payer_id, func.sum(Charge.sign * Charge.amount_fen))
        .where(Charge.payer_id.in_(payer_ids), Charge.payer == Payer.ORGANIZATION)
        .group_by(Charge.payer_id)
    )
    return {payer_id: int(fen) for payer_id, fen in rows if payer_id is not None}


class OwnPart(msgspec.Struct, frozen=True):
    """What stands charged of a line to the person, in fen."""

    visit_id: UUID
    name: str
    amount_fen: int


def own_parts(db: Session, visit_ids: Sequence[UUID]) -> list[OwnPart]:
    """What the persons of these visits pay themselves, line by line, nothing left out that costs something."""
    found: list[OwnPart] = []
    standing = func.sum(Charge.sign * Charge.amount_fen)
    for start in range(0, len(visit_ids), 500):
        rows = db.execute(
            select(OrderLineRow.visit_id, OrderLineRow.name, standing)
            .join(Charge, Charge.line_id == OrderLineRow.id)
            .where(Charge.visit_id.in_(visit_ids[start : start + 500]), Charge.payer == Payer.PERSON)
            .group_by(OrderLineRow.id, OrderLineRow.visit_id, OrderLineRow.name, OrderLineRow.position)
            .having(standing != 0)
            .order_by(OrderLineRow.visit_id, OrderLineRow.position)
        )
        found += [OwnPart(visit_id, name, int(fen)) for visit_id, name, fen in rows]
    return found
