"""Charges of many listed visits at once: the same sums as one at a time, in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing import charging, ledger
from billing.balances import show_due
from billing.facts import Account, AccountKind, Move, Payer, Share, VisitTerms
from billing.models import Charge
from exam.catalog.facts import Catalogue
from exam.kit.db import insert_rows
from exam.kit.house import actor_of, house_of
from exam.visits.facts import OrderLine
from exam.visits.models import VisitBoard


class Listed(msgspec.Struct, frozen=True):
    """A visit that was just listed, with its lines and what its group order agreed."""

    visit_id: UUID
    lines: tuple[OrderLine, ...]
    terms: VisitTerms


def charge_many(db: Session, listed: Sequence[Listed], catalogue: Catalogue) -> None:
    """Charges visits that were never charged, and shows on their boards what the persons themselves owe."""
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    made = house.ids.many(2 * sum(len(each.lines) for each in listed))
    known: dict[tuple[Any, ...], list[Share]] = {}
    rows: list[dict[str, Any]] = []
    postings: list[ledger.Posting] = []
    owed: dict[int, list[UUID]] = {}
    for each in listed:
        # Members of one cohort have the same groups and terms: what they cost is worked out once.
        alike = (id(each.terms), tuple(line.group_code for line in each.lines))
        if alike not in known:
            shares = charging.wanted_shares(each.lines, catalogue, each.terms, ())
            known[alike] = [shares[line.id] for line in each.lines]
        sums: dict[Account, int] = {}
        for line, share in zip(each.lines, known[alike], strict=True):
            for payer, amount_fen in ((Payer.PERSON, share.person_fen), (Payer.ORGANIZATION, share.organization_fen)):
                if not amount_fen and (payer is Payer.ORGANIZATION or share.organization_fen):
                    continue
                payer_id = share.payer_id if payer is Payer.ORGANIZATION else None
                rows.append(
                    {"id": next(made), "visit_id": each.visit_id, "line_id": line.id, "payer": payer.value, "sign": 1,
                     "amount_fen": amount_fen, "at": now, "actor_id": actor.staff_id, "payer_id": payer_id,
                     "standard_fen": line.standard_fen, "catalog_revision": catalogue.revision}
                )  # fmt: skip
                account = charging.account_of(each.visit_id, payer, payer_id)
                sums[account] = sums.get(account, 0) + amount_fen
        moves = tuple(Move(account, charging.REVENUE, amount_fen) for account, amount_fen in sums.items() if amount_fen)
        if moves:
            postings.append(ledger.Posting(kind="order", moves=moves, site=actor.site, visit_id=each.visit_id))
        due_fen = sums.get(Account(AccountKind.PERSON, each.visit_id), 0)
        if due_fen:
            owed.setdefault(due_fen, []).append(each.visit_id)
    insert_rows(db, Charge, rows)
    ledger.post_all(db, postings)
    for due_fen, visit_ids in owed.items():
        db.execute(update(VisitBoard).where(VisitBoard.visit_id.in_(visit_ids)).values(amount_due_fen=due_fen))


def uncharge_many(db: Session, visit_ids: Sequence[UUID]) -> None:
    """Reverses whatever stands charged of visits that were taken off a list, and shows what their persons paid as owed back."""
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    for start in range(0, len(visit_ids), 500):
        part = visit_ids[start : start + 500]
        stands = func.sum(Charge.sign * Charge.amount_fen)
        rows = db.execute(
            select(
                Charge.visit_id, Charge.line_id, Charge.payer, Charge.payer_id, func.max(Charge.standard_fen).label("standard_fen"),
                func.max(Charge.catalog_revision).label("catalog_revision"), stands.label("fen"),
            )
            .where(Charge.visit_id.in_(part))
            .group_by(Charge.visit_id, Charge.line_id, Charge.payer, Charge.payer_id)
            .having(stands != 0)
        ).all()  # fmt: skip
        insert_rows(
            db, Charge,
            [{"id": house.ids.new(), "visit_id": row.visit_id, "line_id": row.line_id, "payer": row.payer, "sign": -1,
              "amount_fen": int(row.fen), "at": now, "actor_id": actor.staff_id, "payer_id": row.payer_id,
              "standard_fen": row.standard_fen, "catalog_revision": row.catalog_revision} for row in rows],
        )  # fmt: skip
        sums: dict[UUID, dict[Account, int]] = {}
        for row in rows:
            account = charging.account_of(row.visit_id, row.payer, row.payer_id)
            own = sums.setdefault(row.visit_id, {})
            own[account] = own.get(account, 0) + int(row.fen)
        ledger.post_all(
            db,
            [ledger.Posting(kind="order", site=actor.site, visit_id=visit_id,
                            moves=tuple(Move(charging.REVENUE, account, fen) for account, fen in own.items()))
             for visit_id, own in sums.items()],
        )  # fmt: skip
        paid = select(VisitBoard.visit_id, VisitBoard.site).where(VisitBoard.visit_id.in_(part))
        for visit_id, site in db.execute(paid).all():
            if any(account.kind is AccountKind.PERSON for account in sums.get(visit_id, {})):
                show_due(db, visit_id, site)


def owed_by(db: Session, payer_id: UUID) -> int:
    """What the organisation of a group order owes by the ledger, in fen: charged, less settled."""
    return ledger.balance_of(db, Account(AccountKind.ORGANIZATION, payer_id))
