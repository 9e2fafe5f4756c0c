"""The day close: a cashier counts and shuts the drawer, finance closes the day of the whole centre, and nothing changes afterwards.

A closed drawer keeps its rows and the digest over them. What is booked after a cashier's close counts on the next day, so a
correction is always a new entry of an open day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import closed_rows, drawers, invoices, ledger, takings
from billing import day_close_rules as rules
from billing.booking_days import open_day
from billing.day_close_models import CentreClose, DayClose, DayCloseUndone, OpenDay
from billing.day_close_rules import Documents, MethodSum, Pending, PurposeSum, Statement
from billing.facts import MONEY, NOBODY, Account, AccountKind, Move
from billing.gateway_models import GatewayOrderRow
from billing.gateway_rules import OPEN
from billing.models import LedgerTransaction
from billing.receipt_facts import ReceiptKind
from billing.receipt_models import DrawerRow, ReceiptPartRow, ReceiptRow
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import Forbidden, NotFound, Refused
from exam.kit.house import actor_of, crash_point, house_of
from exam.kit.money import yuan
from exam.kit.series import next_number

DENOMINATIONS, counted_fen = rules.DENOMINATIONS, rules.counted_fen
"""What a drawer is counted by, for whoever counts one from outside this room."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What the cashier counted: pieces by denomination, change money received, cash handed in (fen), and why it differs."""

    pieces: dict[int, int] = {}
    received_fen: int = 0
    handed_fen: int = 0
    reason: str = ""


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """A drawer as it would be closed now. `problem` is why it cannot be, in the words of the refusal."""

    drawer_id: UUID
    cashier_id: UUID
    opened_at: datetime
    day: date
    opening_fen: int
    cash_fen: int
    statement: Statement
    problem: str = ""
    hint: str = ""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A close as it stands; `undone_at` is set when finance took it back."""

    id: UUID
    close_no: str
    drawer_id: UUID
    cashier_id: UUID
    day: date
    opened_at: datetime
    at: datetime
    actor_id: UUID | None
    opening_fen: int
    received_fen: int
    expected_fen: int
    counted_fen: int
    handed_fen: int
    closing_fen: int
    reason: str
    statement: Statement
    digest: str
    undone_at: datetime | None = None
    undone_by: UUID | None = None
    undone_reason: str = ""

    @property
    def difference_fen(self) -> int:
        """More than nothing: too much was in the drawer (长款)."""
        return self.counted_fen - self.expected_fen


# --- a cashier's close -----------------------------------------------------------------------------------------------


def to_close(db: Session, cashier_id: UUID | None = None) -> list[Closing]:
    """The drawers of a cashier (by default the actor's own) that wait for their count, the oldest first."""
    owner = cashier_id or actor_of(db).staff_id or NOBODY
    rows = db.scalars(
        select(DrawerRow)
        .where(DrawerRow.site == actor_of(db).site, DrawerRow.cashier_id == owner, ~_is_counted())
        .order_by(DrawerRow.id)
    )
    return [_closing(db, row) for row in rows]


def all_to_close(db: Session) -> list[Closing]:
    """The drawers of every cashier of the site that wait for their count: what keeps the centre's close waiting."""
    rows = db.scalars(select(DrawerRow).where(DrawerRow.site == actor_of(db).site, ~_is_counted()).order_by(DrawerRow.id))
    return [_closing(db, row) for row in rows]


def close(db: Session, drawer_id: UUID, count: Count) -> UUID:
    """Closes a drawer with its count for good. A difference is posted to the ledger with its reason.

    Refuses a drawer that is closed, another's (unless the actor closes the centre), one with a payment that is not settled, and a clock
    that was set back. Returns the close's id.
    """
    house, actor = house_of(db), actor_of(db)
    row = drawers.get_row(db, drawer_id, lock=True)
    _require_may_close(row, actor)
    before_closes = _of_drawer(db, drawer_id)
    if any(each.undone_at is None for each in before_closes):
        raise Refused("billing.closed_already", "该班次已经日结", "请刷新页面查看日结单")
    earlier = select(DrawerRow.id).where(
        DrawerRow.site == row.site, DrawerRow.cashier_id == row.cashier_id, DrawerRow.id < row.id, ~_is_counted()
    )
    if db.scalar(earlier.limit(1)) is not None:
        raise Refused("billing.earlier_not_closed", "该收费员更早的班次尚未日结", "请按时间顺序先结更早的班次")
    now = house.clock.now()
    _require_clock(db, row, now)
    day = before_closes[0].day if before_closes else open_day(db, row.site, drawer_id)  # a new count is of the same day
    statement = _statement(db, row, now, is_final=True)
    cash_fen = _cash_of(statement)
    before = _last_close(db, row)
    opening_fen = before.closing_fen if before is not None else 0
    counted, reason = rules.counted_fen(count.pieces), count.reason.strip()
    expected = rules.expected_fen(opening_fen, count.received_fen, cash_fen)
    rules.require_count(expected, counted, count.received_fen, count.handed_fen, reason)
    close_id = house.ids.new()
    transaction_id = _post_difference(db, row, close_id, counted - expected)
    if row.closed_at is None:
        drawers.close(db, drawer_id)
    crash_point(house, "day_close")
    fields = {
        "id": close_id, "close_no": f"D{row.site}{house.device}{next_number(db, f'day_close:{row.site}:{house.device}'):06d}",
        "site": row.site, "drawer_id": drawer_id, "attempt": len(before_closes) + 1, "cashier_id": row.cashier_id, "day": day,
        "opened_at": row.opened_at, "before": before.id if before is not None else None, "opening_fen": opening_fen,
        "received_fen": count.received_fen, "expected_fen": expected, "counted_fen": counted, "handed_fen": count.handed_fen,
        "closing_fen": counted - count.handed_fen, "reason": reason, "transaction_id": transaction_id,
        "statement": msgspec.json.encode(
            msgspec.structs.replace(statement, pieces={str(value): number for value, number in count.pieces.items() if number})
        ).decode(),
        "digest": closed_rows.digest_of_drawer(db, drawer_id, close_id), "at": now, "actor_id": actor.staff_id,
    }  # fmt: skip
    try:
        with db.begin_nested():
            insert_rows(db, DayClose, [fields])
    except IntegrityError:
        raise Refused("billing.closed_already", "该班次已经日结", "请刷新页面查看日结单") from None
    audit.note(db, "billing.day_close", subject=f"day_close:{fields['close_no']}", reason=reason)
    return close_id


def undo(db: Session, close_id: UUID, reason: str) -> None:
    """Finance takes a count back, the cashier's last one first and before the centre's close; the drawer is counted again.

    The difference that it posted is reversed on an open day. The drawer itself stays shut.
    """
    house, actor = house_of(db), actor_of(db)
    if not reason.strip() or len(reason) > 200:
        raise Refused("billing.reason_missing", "撤销日结必须填写原因(不超过 200 字)", "请填写原因", "reason")
    row = _close_row(db, close_id)
    drawer = drawers.get_row(db, row.drawer_id, lock=True)
    if actor.staff_id == row.cashier_id:
        raise Forbidden("billing.own_close", "不能撤销本人的日结", "请由其他财务人员办理")
    last = _last_close(db, drawer)
    if last is None or last.id != close_id:
        raise Refused("billing.not_the_last_close", "只能从该收费员最近一次日结起依次撤销", "请先撤销更晚的日结")
    hold_site(db, row.site)
    through = closed_through(db, row.site)
    if through is not None and _first_day(db, row.drawer_id, row.day) <= through:
        raise Refused("billing.centre_closed", f"{through} 及以前已全院日结,不能撤销", "请在未结账日以更正分录处理")
    if row.transaction_id is not None:
        ledger.reverse(db, row.transaction_id, takings.DIFFERENCE_UNDONE, drawer_id=row.drawer_id)
    fields = {
        "id": house.ids.new(),
        "close_id": close_id,
        "reason": reason.strip(),
        "at": house.clock.now(),
        "actor_id": actor.staff_id,
    }
    try:
        with db.begin_nested():
            insert_rows(db, DayCloseUndone, [fields])
    except IntegrityError:
        raise Refused("billing.undone_already", "该日结已经撤销", "请刷新页面查看") from None
    audit.note(db, "billing.day_close_undo", subject=f"day_close:{row.close_no}", reason=reason)


def hold_site(db: Session, site: str) -> None:
    """Waits for every booking of the site that is under way, and lets none begin until this transaction ends."""
    db.scalar(select(OpenDay).where(OpenDay.site == site).with_for_update().execution_options(populate_existing=True))


def closed_through(db: Session, site: str) -> date | None:
    """The last day that the centre has closed."""
    found: date | None = db.scalar(select(func.max(CentreClose.day)).where(CentreClose.site == site))
    return found


def _first_day(db: Session, drawer_id: UUID, default: date) -> date:
    found = db.scalar(select(func.min(LedgerTransaction.booked_on)).where(LedgerTransaction.drawer_id == drawer_id))
    return found or default


def _require_may_close(row: DrawerRow, actor: Any) -> None:
    if row.site != actor.site:
        raise NotFound
    if row.cashier_id != (actor.staff_id or NOBODY) and not actor.may("billing.close_centre"):
        raise Forbidden("billing.not_own_drawer", "只能日结本人的班次", "请由本人日结,或由财务、收费主管代结")


def _require_clock(db: Session, row: DrawerRow, now: datetime) -> None:
    booked = db.scalar(select(func.max(LedgerTransaction.at)).where(LedgerTransaction.drawer_id == row.id))
    closed = db.scalar(select(func.max(DayClose.at)).where(DayClose.site == row.site, DayClose.cashier_id == row.cashier_id))
    rules.require_clock(now, [each for each in (row.opened_at, booked, closed) if each is not None])


def _post_difference(db: Session, row: DrawerRow, close_id: UUID, difference_fen: int) -> UUID | None:
    if difference_fen == 0:
        return None
    cash, difference = Account(AccountKind.CASH), Account(AccountKind.CASH_DIFFERENCE)
    move = Move(cash, difference, difference_fen) if difference_fen > 0 else Move(difference, cash, -difference_fen)
    posting = ledger.Posting(kind=takings.DIFFERENCE, moves=(move,), site=row.site, about=close_id, drawer_id=row.id)
    return ledger.post(db, posting)


# --- what a drawer says ----------------------------------------------------------------------------------------------


def _closing(db: Session, row: DrawerRow) -> Closing:
    now, problem, hint = house_of(db).clock.now(), "", ""
    before = _last_close(db, row)
    statement = _statement(db, row, now, is_final=False)
    try:
        rules.require_settled(statement.pending, now)
    except Refused as refused:
        problem, hint = refused.text, refused.hint
    return Closing(
        drawer_id=row.id, cashier_id=row.cashier_id, opened_at=row.opened_at, day=day_of(now),
        opening_fen=before.closing_fen if before is not None else 0, cash_fen=_cash_of(statement), statement=statement,
        problem=problem, hint=hint,
    )  # fmt: skip


def _statement(db: Session, row: DrawerRow, now: datetime, *, is_final: bool) -> Statement:
    found = takings.of_drawer(db, row.id, row.site)
    pending = _pending(db, row)
    if is_final:
        pending = rules.require_settled(pending, now)
        money = [kind.value for kind in MONEY]
        by_ledger = {each.key: each.net_fen for each in takings.by_method(found)}
        rules.require_same(_by_documents(db, row.id), {key: fen for key, fen in by_ledger.items() if key in money})
    return Statement(
        methods=tuple(method_sums(found)), purposes=tuple(purpose_sums(found)), receipts=_documents(db, row.id),
        invoices=invoices.numbers_of_drawer(db, row.id), pending=pending,
    )  # fmt: skip


def method_sums(found: Sequence[takings.Flow]) -> list[MethodSum]:
    """Flows by way to pay, as a close keeps them."""
    return [
        MethodSum(each.key, each.in_fen, each.back_fen, each.void_fen, each.net_fen, each.count)
        for each in takings.by_method(found)
    ]


def purpose_sums(found: Sequence[takings.Flow]) -> list[PurposeSum]:
    """Flows of money by what it was for."""
    sums = takings.add_up(takings.without_cards(found), lambda flow: flow.purpose, takings.purpose_name)
    return [PurposeSum(each.key, each.net_fen, each.count) for each in sums]


def _cash_of(statement: Statement) -> int:
    return sum(each.net_fen for each in statement.methods if each.method == AccountKind.CASH)


def _pending(db: Session, row: DrawerRow) -> tuple[Pending, ...]:
    """Payments through gateways that this drawer's cashier began and that are not over."""
    mine = GatewayOrderRow.opened_by.is_(None) if row.cashier_id == NOBODY else GatewayOrderRow.opened_by == row.cashier_id
    rows = db.scalars(
        select(GatewayOrderRow)
        .where(GatewayOrderRow.site == row.site, mine, GatewayOrderRow.state.in_(OPEN) | GatewayOrderRow.is_unbooked)
        .order_by(GatewayOrderRow.opened_at)
    )
    return tuple(Pending(each.order_no, each.state, each.amount_fen, each.is_unbooked, each.changed_at) for each in rows)


def _documents(db: Session, drawer_id: UUID) -> Documents:
    rows = db.execute(
        select(ReceiptRow.kind, ReceiptRow.receipt_no).where(ReceiptRow.drawer_id == drawer_id).order_by(ReceiptRow.receipt_no)
    ).all()
    numbers = [row.receipt_no for row in rows if row.kind != ReceiptKind.VOID]
    void_nos = tuple(row.receipt_no for row in rows if row.kind == ReceiptKind.VOID)
    counts = {kind: sum(row.kind == kind for row in rows) for kind in ReceiptKind}
    return Documents(
        counts[ReceiptKind.PAYMENT], counts[ReceiptKind.REFUND], len(void_nos), numbers[0] if numbers else "",
        numbers[-1] if numbers else "", void_nos,
    )  # fmt: skip


def _by_documents(db: Session, drawer_id: UUID) -> dict[str, int]:
    """What the receipts of a drawer say came in less what went back, by way to pay: the other side of the ledger."""
    rows = db.execute(
        select(ReceiptPartRow.method, ReceiptRow.kind, func.sum(ReceiptPartRow.amount_fen))
        .join(ReceiptRow, ReceiptRow.id == ReceiptPartRow.receipt_id)
        .where(ReceiptRow.drawer_id == drawer_id, ReceiptPartRow.method != AccountKind.CARD.value)
        # What goes back through a gateway is booked when the gateway says so, in nobody's drawer.
        .where(ReceiptPartRow.gateway_order_id.is_(None) | ReceiptPartRow.part_of.is_(None))
        .group_by(ReceiptPartRow.method, ReceiptRow.kind)
    )
    sums: dict[str, int] = {}
    for method, kind, fen in rows:
        sums[method] = sums.get(method, 0) + (int(fen) if kind == ReceiptKind.PAYMENT else -int(fen))
    return sums


# --- reading ---------------------------------------------------------------------------------------------------------


class Found(msgspec.Struct, frozen=True):
    """One page of closes, the newest first."""

    closes: tuple[Closed, ...]
    total: int
    page: int
    pages: int


PAGE = 30


def find(db: Session, since: date, until: date, cashier_id: UUID | None = None, page: int = 1) -> Found:
    """The closes of these days, of one cashier or of all, the undone ones among them."""
    where = [DayClose.site == actor_of(db).site, DayClose.day.between(since, until)]
    if cashier_id is not None:
        where.append(DayClose.cashier_id == cashier_id)
    total = db.scalar(select(func.count()).select_from(DayClose).where(*where)) or 0
    pages = max(-(-total // PAGE), 1)
    page = min(max(page, 1), pages)
    return Found(tuple(closes_where(db, *where, offset=(page - 1) * PAGE, limit=PAGE)), total, page, pages)


def get(db: Session, close_id: UUID) -> Closed:
    """One close of the actor's site."""
    found = closes_where(db, DayClose.id == close_id, DayClose.site == actor_of(db).site)
    if not found:
        raise NotFound("没有找到该日结单", "请刷新列表后重试")
    return found[0]


def uncounted(site: str) -> Any:
    """The drawers of a site that wait for their count, as a selection of ids."""
    return select(DrawerRow.id).where(DrawerRow.site == site, ~_is_counted())


def _is_counted() -> Any:
    undone = select(DayCloseUndone.id).where(DayCloseUndone.close_id == DayClose.id).exists()
    return select(DayClose.id).where(DayClose.drawer_id == DrawerRow.id, ~undone).exists()


def _of_drawer(db: Session, drawer_id: UUID) -> list[Closed]:
    return closes_where(db, DayClose.drawer_id == drawer_id)


def _last_close(db: Session, row: DrawerRow) -> Closed | None:
    """The cashier's last close that stands."""
    found = closes_where(db, DayClose.site == row.site, DayClose.cashier_id == row.cashier_id, live_only=True, limit=1)
    return found[0] if found else None


def _close_row(db: Session, close_id: UUID) -> DayClose:
    row = db.scalar(select(DayClose).where(DayClose.id == close_id, DayClose.site == actor_of(db).site))
    if row is None:
        raise NotFound("没有找到该日结单", "请刷新列表后重试")
    return row


def closes_where(db: Session, *where: Any, live_only: bool = False, offset: int = 0, limit: int | None = None) -> list[Closed]:
    """Closes by conditions, the newest first; `live_only` without those that were taken back."""
    statement = (
        select(DayClose, DayCloseUndone)
        .outerjoin(DayCloseUndone, DayCloseUndone.close_id == DayClose.id)
        .where(*where, *([DayCloseUndone.id.is_(None)] if live_only else []))
        .order_by(DayClose.at.desc(), DayClose.id.desc())
        .offset(offset)
        .limit(limit)
    )
    return [
        Closed(
            id=row.id, close_no=row.close_no, drawer_id=row.drawer_id, cashier_id=row.cashier_id, day=row.day, opened_at=row.opened_at,
            at=row.at, actor_id=row.actor_id, opening_fen=row.opening_fen, received_fen=row.received_fen, expected_fen=row.expected_fen,
            counted_fen=row.counted_fen, handed_fen=row.handed_fen, closing_fen=row.closing_fen, reason=row.reason,
            statement=msgspec.json.decode(row.statement, type=Statement), digest=bytes(row.digest).hex(),
            undone_at=undone.at if undone else None, undone_by=undone.actor_id if undone else None,
            undone_reason=undone.reason if undone else "",
        )
        for row, undone in db.execute(statement)
    ]  # fmt: skip


def total_cash_text(closed: Closed) -> str:
    """How the cash ended, in words."""
    if not closed.difference_fen:
        return "相符"
    return ("长款 " if closed.difference_fen > 0 else "短款 ") + yuan(abs(closed.difference_fen))
