"""Charges follow the order, its group order's terms and its discounts: what differs is reversed and charged anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import ledger, price_rules
from billing.facts import (
    NOBODY,
    VISIT_TERMS,
    Account,
    AccountKind,
    Discount,
    DiscountKind,
    Move,
    Payer,
    PricedLine,
    Share,
    VisitTerms,
)
from billing.models import Charge, DiscountRow
from exam.catalog.facts import Catalogue
from exam.kit.db import insert_rows
from exam.kit.house import actor_of, house_of
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, OrderLine
from exam.visits.models import Visit

REVENUE = Account(AccountKind.REVENUE)


class Standing(msgspec.Struct):
    """What stands charged of one line, in fen: the person's share and the organisation's, and which group order pays that."""

    person_fen: int = 0
    organization_fen: int = 0
    payer_id: UUID | None = None


def terms_of(db: Session, visit_id: UUID) -> VisitTerms | None:
    """What a group order agreed for a visit: the first answer of VISIT_TERMS."""
    for filling in house_of(db).modules.fillings(VISIT_TERMS):
        terms = filling(db, visit_id)
        if terms is not None:
            return terms
    return None


def discounts_of(db: Session, visit_id: UUID) -> list[Discount]:
    """The discounts of a visit that stand, in the order they were given."""
    rows = db.scalars(select(DiscountRow).where(DiscountRow.visit_id == visit_id).order_by(DiscountRow.id)).all()
    undone = {row.undoes for row in rows}
    return [
        Discount(kind=DiscountKind(row.kind), line_id=row.line_id, factor=row.factor, total_fen=row.total_fen, stackable=row.stackable)
        for row in rows if row.undoes is None and row.id not in undone
    ]  # fmt: skip


def priced(line: OrderLine, catalogue: Catalogue) -> PricedLine:
    """An order line as prices need it, with what its visit's catalogue says of discounts."""
    group = catalogue.groups.get(line.group_code)
    return PricedLine(
        id=line.id, group_code=line.group_code, standard_fen=line.standard_fen, price_fen=line.price_fen,
        is_discountable=group is None or group.discountable, min_fen=group.min_price_fen if group else 0,
    )  # fmt: skip


def standing_charges(db: Session, visit_id: UUID) -> dict[UUID, Standing]:
    """What stands charged of each line of a visit that was ever charged; one statement."""
    found: dict[UUID, Standing] = {}
    rows = db.execute(
        select(Charge.line_id, Charge.payer, Charge.sign, Charge.amount_fen, Charge.payer_id)
        .where(Charge.visit_id == visit_id)
        .order_by(Charge.id)
    )
    for row in rows:
        standing = found.setdefault(row.line_id, Standing())
        if row.payer == Payer.PERSON:
            standing.person_fen += row.sign * row.amount_fen
        else:
            standing.organization_fen += row.sign * row.amount_fen
            standing.payer_id = row.payer_id if row.sign == 1 else standing.payer_id
    return found


def wanted_shares(
    lines: Sequence[OrderLine], catalogue: Catalogue, terms: VisitTerms | None, discounts: Sequence[Discount]
) -> dict[UUID, Share]:
    """What every line of a visit should cost now: nothing for a removed one."""
    listed = [priced(line, catalogue) for line in lines if line.state is not LineState.REMOVED]
    return price_rules.shares(listed, terms, discounts)


def replan(db: Session, visit: Visit, kind: str) -> bool:
    """Brings a visit's charges to what its order, terms and discounts say; whether anything changed. The caller holds the visit."""
    lines = orders.lines(db, visit.id)
    catalogue = visits.catalogue_of(db, visit)
    wanted = wanted_shares(lines, catalogue, terms_of(db, visit.id), discounts_of(db, visit.id))
    standing = standing_charges(db, visit.id)
    rows: list[dict[str, Any]] = []
    change: dict[Account, int] = {}
    for line in lines:
        before, after = standing.get(line.id), wanted.get(line.id, Share(0))
        rows += _differences(db, visit, line, before, after)
    for row in rows:
        account = account_of(visit.id, row["payer"], row["payer_id"])
        change[account] = change.get(account, 0) + row["sign"] * row["amount_fen"]
    insert_rows(db, Charge, rows)
    moves = tuple(
        Move(account, REVENUE, fen) if fen > 0 else Move(REVENUE, account, -fen) for account, fen in change.items() if fen
    )
    if moves:
        ledger.post(db, ledger.Posting(kind=kind, moves=moves, site=visit.site, visit_id=visit.id))
    return bool(rows)


def account_of(visit_id: UUID, payer: str, payer_id: UUID | None) -> Account:
    """The account that a charge goes to: the person's of this visit, or the organisation's of a group order."""
    if payer == Payer.PERSON:
        return Account(AccountKind.PERSON, visit_id)
    return Account(AccountKind.ORGANIZATION, payer_id or NOBODY)


def _differences(db: Session, visit: Visit, line: OrderLine, before: Standing | None, after: Share) -> list[dict[str, Any]]:
    """The reversals and new charges of one line. One that was never charged gets a row also when it costs nothing."""
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()

    def row(payer: Payer, sign: int, amount_fen: int, of: UUID | None) -> dict[str, Any]:
        return {
            "id": house.ids.new(), "visit_id": visit.id, "line_id": line.id, "payer": payer.value, "sign": sign, "amount_fen": amount_fen,
            "at": now, "actor_id": actor.staff_id, "payer_id": of, "standard_fen": line.standard_fen,
            "catalog_revision": visit.catalog_revision,
        }  # fmt: skip

    rows = []
    if before is None:
        if after.person_fen or not after.organization_fen:
            rows.append(row(Payer.PERSON, 1, after.person_fen, None))
        if after.organization_fen:
            rows.append(row(Payer.ORGANIZATION, 1, after.organization_fen, after.payer_id))
        return rows
    if before.person_fen != after.person_fen:
        rows += [row(Payer.PERSON, -1, before.person_fen, None)] if before.person_fen else []
        rows += [row(Payer.PERSON, 1, after.person_fen, None)] if after.person_fen else []
    if before.organization_fen != after.organization_fen or (after.organization_fen and before.payer_id != after.payer_id):
        rows += [row(Payer.ORGANIZATION, -1, before.organization_fen, before.payer_id)] if before.organization_fen else []
        rows += [row(Payer.ORGANIZATION, 1, after.organization_fen, after.payer_id)] if after.organization_fen else []
    return rows
