"""The gateways' statements of a day (T+1) against our books: fetched once, compared, and every difference listed until explained."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from billing import gateway_rules as rules
from billing import gateway_service as service
from billing.gateway_facts import METHOD_NAMES, RefundState, StatementDifference, StatementSummary
from billing.gateway_models import GatewayDifference, GatewayOrderRow, GatewayRefundRow, GatewayStatementRow
from billing.ports import PAYMENT_GATEWAYS, GatewayProblem, Method, StatementLine
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused, trace_of
from exam.kit.house import House, actor_of, house_of, system_actor
from exam.messages import notices

log = logging.getLogger("billing.gateways")

_AT_A_TIME = 500


def fetch_in_background(house: House) -> None:
    """In a thread of its own: a slow download must not keep the worker from its other tasks."""
    before = house.cache.get("billing.gateway_statements")
    if before is None or not before.is_alive():
        thread = threading.Thread(target=_fetch_due, args=(house,), name="statements", daemon=True)
        house.cache["billing.gateway_statements"] = thread
        thread.start()


def _fetch_due(house: House) -> None:
    try:
        fetch_due(house)
    except Exception as error:
        log.error("statements: round failed\n%s", trace_of(error))


def fetch_due(house: House) -> None:
    """Fetches whatever statement should be there and was not compared yet; explains differences that settled since."""
    for method in service.offered(house):
        with house.unit(None, write=False) as db:
            first = db.scalar(select(func.min(GatewayOrderRow.opened_at)).where(GatewayOrderRow.method == method.value))
            have = db.scalars(select(GatewayStatementRow.day).where(GatewayStatementRow.method == method.value)).all()
        for day in rules.statement_days(house.clock.now(), day_of(first) if first else None, have):
            try:
                fetch(house, method, day)
            except GatewayProblem as problem:
                log.warning("statement of %s on %s: %s", method, day, problem.reason)
                break
            except Exception as error:
                log.error("statement of %s on %s\n%s", method, day, trace_of(error))
                break
    explain_settled(house)


def fetch(house: House, method: Method, day: date) -> int:
    """Fetches one statement and puts the differences down; returns how many. Raises what the gateway raises."""
    lines = house.modules.provided(PAYMENT_GATEWAYS)[method].statement(house, day)
    with house.unit(system_actor(house.site)) as db:
        return put(db, method, day, lines)


def put(db: Session, method: Method, day: date, lines: Sequence[StatementLine]) -> int:
    """Compares one day's statement with our books. One that was compared before changes nothing."""
    house = house_of(db)
    known = db.scalar(
        select(GatewayStatementRow.id).where(GatewayStatementRow.method == method.value, GatewayStatementRow.day == day)
    )
    if known is not None:
        return 0
    ours = [line for line in lines if rules.is_ours(line.order_no, house.site)]
    found = rules.compare(ours, _booked(db, method, day, ours))
    now, statement_id = house.clock.now(), house.ids.new()
    audit.note(db, "billing.gateway_statement", subject=f"gateway:{method}", result=str(len(found)))
    row = {
        "id": statement_id, "method": method.value, "day": day, "lines": len(ours), "foreign_lines": len(lines) - len(ours),
        "paid_fen": sum(line.amount_fen for line in ours if not line.refund_no),
        "refunded_fen": sum(line.amount_fen for line in ours if line.refund_no),
        "digest": hashlib.sha256(msgspec.json.encode(lines)).digest(), "at": now,
    }  # fmt: skip
    insert_rows(db, GatewayStatementRow, [row])
    differences = [
        {"id": house.ids.new(), "statement_id": statement_id, "kind": each.kind, "order_no": each.order_no, "refund_no": each.refund_no[:64],
         "trade_no": rules.clean_code(each.trade_no), "ours_fen": each.ours_fen, "theirs_fen": each.theirs_fen, "at": now, "explanation": "",
         "explained_at": None, "explained_by": None, "ver": 1}
        for each in found
    ]  # fmt: skip
    insert_rows(db, GatewayDifference, differences)
    _look_at(db, method, [each.order_no for each in found])
    if found:
        text = f"{METHOD_NAMES[method]} {day:%m-%d} 对账有 {len(found)} 笔差异,请核实"
        notices.notify_holders(db, "billing.reconcile", text, "/payments/statements")
    return len(found)


def _look_at(db: Session, method: Method, order_nos: Sequence[str]) -> None:
    """An order about which the gateway says something else, and that is still open, is asked about at once."""
    now = house_of(db).clock.now()
    for part in _parts(order_nos):
        open_orders = select(GatewayOrderRow.id).where(GatewayOrderRow.order_no.in_(part), GatewayOrderRow.state.in_(rules.OPEN))
        for order_id in db.scalars(open_orders):
            service.watch(db, order_id, method, now)


def _booked(db: Session, method: Method, day: date, lines: Sequence[StatementLine]) -> dict[tuple[str, str], rules.Booked]:
    """Our movements of the day, and those that the lines name whenever they were."""
    begins, ends = rules.day_bounds(day)
    orders = select(GatewayOrderRow.order_no, GatewayOrderRow.paid_fen, GatewayOrderRow.paid_at).where(
        GatewayOrderRow.method == method.value, GatewayOrderRow.state.in_(rules.SETTLED)
    )
    refunds = (
        select(GatewayOrderRow.order_no, GatewayRefundRow.refund_no, GatewayRefundRow.amount_fen, GatewayRefundRow.settled_at)
        .join(GatewayOrderRow, GatewayOrderRow.id == GatewayRefundRow.order_id)
        .where(GatewayOrderRow.method == method.value, GatewayRefundRow.state == RefundState.SUCCESS)
    )
    booked: dict[tuple[str, str], rules.Booked] = {}

    def add(order_no: str, refund_no: str, amount_fen: int, is_of_day: bool) -> None:
        booked.setdefault((order_no, refund_no), rules.Booked(order_no, refund_no, amount_fen, is_of_day))

    for order_no, paid_fen, _ in db.execute(orders.where(GatewayOrderRow.paid_at >= begins, GatewayOrderRow.paid_at < ends)):
        add(order_no, "", paid_fen, True)
    for order_no, refund_no, amount_fen, _ in db.execute(
        refunds.where(GatewayRefundRow.settled_at >= begins, GatewayRefundRow.settled_at < ends)
    ):
        add(order_no, refund_no, amount_fen, True)
    for part in _parts([line.order_no for line in lines]):
        for order_no, paid_fen, _ in db.execute(orders.where(GatewayOrderRow.order_no.in_(part))):
            add(order_no, "", paid_fen, False)
        for order_no, refund_no, amount_fen, _ in db.execute(refunds.where(GatewayOrderRow.order_no.in_(part))):
            add(order_no, refund_no, amount_fen, False)
    return booked


def _parts(texts: Sequence[str]) -> list[list[str]]:
    unique = list(dict.fromkeys(texts))
    return [unique[at : at + _AT_A_TIME] for at in range(0, len(unique), _AT_A_TIME)]


def explain_settled(house: House) -> int:
    """A difference whose order or refund was settled since, with the gateway's own amount, explains itself."""
    with house.unit(system_actor(house.site)) as db:
        rows = db.scalars(
            select(GatewayDifference)
            .where(GatewayDifference.explained_at.is_(None), GatewayDifference.kind == "long")
            .order_by(GatewayDifference.id)
            .limit(_AT_A_TIME)
        ).all()
        now, count = house.clock.now(), 0
        for row in rows:
            if _settled_amount(db, row.order_no, row.refund_no) != row.theirs_fen:
                continue
            row.explanation, row.explained_at = "对账后查询网关,已补记", now
            count += 1
        if count:
            audit.note(db, "billing.gateway_statement", subject="gateway:differences", result=f"explained {count}")
        return count


def _settled_amount(db: Session, order_no: str, refund_no: str) -> int | None:
    if not refund_no:
        return db.scalar(
            select(GatewayOrderRow.paid_fen).where(GatewayOrderRow.order_no == order_no, GatewayOrderRow.state.in_(rules.SETTLED))
        )
    return db.scalar(
        select(GatewayRefundRow.amount_fen)
        .join(GatewayOrderRow, GatewayOrderRow.id == GatewayRefundRow.order_id)
        .where(
            GatewayOrderRow.order_no == order_no, GatewayRefundRow.refund_no == refund_no, GatewayRefundRow.state == RefundState.SUCCESS
        )
    )  # fmt: skip


# --- reading and explaining ------------------------------------------------------------------------------------------


def statements(db: Session, most: int = 60) -> Sequence[StatementSummary]:
    """The latest statements with how many differences are open in each."""
    open_ones = (
        select(GatewayDifference.statement_id, func.count().label("count"))
        .where(GatewayDifference.explained_at.is_(None))
        .group_by(GatewayDifference.statement_id)
        .subquery()
    )
    rows = db.execute(
        select(GatewayStatementRow, func.coalesce(open_ones.c.count, 0))
        .outerjoin(open_ones, open_ones.c.statement_id == GatewayStatementRow.id)
        .order_by(GatewayStatementRow.day.desc(), GatewayStatementRow.method)
        .limit(most)
    )
    return [
        StatementSummary(Method(row.method), row.day, row.lines, row.paid_fen, row.refunded_fen, row.foreign_lines, count, row.at)
        for row, count in rows
    ]


def differences(db: Session, *, is_open: bool = True, most: int = 200) -> Sequence[StatementDifference]:
    """Differences, the open ones or the latest explained ones, with the order of ours that each is about."""
    is_explained = GatewayDifference.explained_at.is_not(None)
    rows = db.execute(
        select(GatewayDifference, GatewayStatementRow.method, GatewayStatementRow.day, GatewayOrderRow.id.label("order_id"))
        .join(GatewayStatementRow, GatewayStatementRow.id == GatewayDifference.statement_id)
        .outerjoin(GatewayOrderRow, GatewayOrderRow.order_no == GatewayDifference.order_no)
        .where(
            ~is_explained if is_open else is_explained, or_(GatewayOrderRow.id.is_(None), GatewayOrderRow.site == actor_of(db).site)
        )
        .order_by(GatewayDifference.id.desc())
        .limit(most)
    )
    return [
        StatementDifference(
            row.id, Method(method), day, row.kind, row.order_no, row.refund_no, row.trade_no, row.ours_fen, row.theirs_fen, order_id,
            row.at, row.explanation, row.explained_at,
        )
        for row, method, day, order_id in rows
    ]  # fmt: skip


def explain(db: Session, difference_id: UUID, text: str) -> None:
    """Writes down why a statement and our books differ. Refuses a difference that somebody explained already."""
    words = text.strip()
    if not 2 <= len(words) <= 200:
        raise Refused("billing.explanation", "差异说明应为 2–200 字", "请写明核实的结果和处理办法", "explanation")
    row = db.scalar(select(GatewayDifference).where(GatewayDifference.id == difference_id).with_for_update())
    if row is None:
        raise NotFound("没有找到该笔差异", "请从对账页打开")
    if row.explained_at is not None:
        raise Refused("billing.explained", "该笔差异已有说明", "请刷新页面查看")
    actor = actor_of(db)
    row.explanation, row.explained_at, row.explained_by = words, house_of(db).clock.now(), actor.staff_id
    audit.note(db, "billing.gateway_difference", subject=f"order:{row.order_no}", reason=words)
