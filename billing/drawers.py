"""A cashier's drawer: opened by the first receipt, held while one is booked, closed by the day close and never again opened."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing.facts import NOBODY
from billing.receipt_models import DrawerRow
from exam.kit.db import insert_rows
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of


def drawer_of(db: Session, cashier_id: UUID | None = None) -> UUID:
    """The open drawer of the acting cashier, or of another whose money this is (a gateway's answer), opened at its first use.

    Its row is held until the transaction ends: a day close waits for what is being booked, and the other way round.
    """
    owner = cashier_id or actor_of(db).staff_id or NOBODY
    found = _open_drawer(db, owner)
    if found is not None:
        return found
    house = house_of(db)
    drawer_id = house.ids.new()
    row = {
        "id": drawer_id,
        "site": actor_of(db).site,
        "cashier_id": owner,
        "opened_at": house.clock.now(),
        "closed_at": None,
        "ver": 1,
    }
    try:
        with db.begin_nested():
            insert_rows(db, DrawerRow, [row])
    except IntegrityError:  # the same cashier at another screen opened it in between
        found = _open_drawer(db, owner)
        if found is None:
            raise
        return found
    return drawer_id


def _open_drawer(db: Session, owner: UUID) -> UUID | None:
    return db.scalar(
        select(DrawerRow.id)
        .where(DrawerRow.site == actor_of(db).site, DrawerRow.cashier_id == owner, DrawerRow.closed_at.is_(None))
        .with_for_update()
    )


def get_row(db: Session, drawer_id: UUID, *, lock: bool = False) -> DrawerRow:
    """One drawer; with `lock` nobody books anything in it until the transaction ends."""
    return db.get_one(DrawerRow, drawer_id, with_for_update=lock, populate_existing=lock)


def require_open(db: Session, drawer_id: UUID) -> None:
    """Refuses a drawer that was closed, and holds one that is open."""
    if get_row(db, drawer_id, lock=True).closed_at is not None:
        raise Refused("billing.drawer_closed", "该收据所在的班次已日结,不能作废", "请办理退费(红冲),退费记入今日账")


def close(db: Session, drawer_id: UUID) -> None:
    """Closes a drawer for good; what its cashier takes next opens another. The day close calls this with its count."""
    row = get_row(db, drawer_id, lock=True)
    if row.closed_at is not None:
        raise Refused("billing.drawer_closed_already", "该班次已经日结", "请刷新页面查看日结单")
    row.closed_at = house_of(db).clock.now()
    db.flush()
