"""The workload P10: a company's list of 10,000 from xlsx, checked and stored with person, visit and twelve orders each.

Ours is the product's own way from the uploaded bytes to the last chunk of members: fields sealed, audit on, every refusal it knows.
The peers read the same file, check the ID number only, and store the same rows in one transaction, unsealed and without audit:
openpyxl with the ORM, and python-calamine with the driver's `executemany`.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid1  # noqa: TID251 - a peer makes ids its own way

import msgspec
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from bench.fill import everything_allowed
from bench.ground import Ground
from bench.workloads import BARE, ORM, OURS
from billing.models import Charge, LedgerTransaction, LedgerTransfer
from exam.kit.db import Model
from exam.kit.house import Actor, House
from exam.kit.sheets import workbook
from exam.people import service as people
from exam.people.models import IdDocument, Person, PersonSpelling
from exam.people.rules import check_character
from exam.visits.models import LineBoard, LineProgress, OrderLineRow, Visit, VisitBoard, VisitMilestone
from group_orders import roster_accepting, roster_fields, roster_sheet, roster_staging, service
from group_orders.facts import NewCohort, NewContract, NewOrder, Offer, OfferMode
from group_orders.models import GroupOrder, Member

HEADER = ["姓名", "身份证号", "性别", "出生日期", "手机", "婚姻", "部门", "工号", "岗位"]
TABLES: tuple[type[Model], ...] = (
    Person, IdDocument, PersonSpelling, Visit, VisitBoard, VisitMilestone, OrderLineRow, LineProgress, LineBoard, Charge, LedgerTransaction,
    LedgerTransfer, Member,
)  # fmt: skip
"""What a member is stored as; the number of rows of each is compared."""


class Bout(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant's import: seconds from the bytes to the last commit, rows stored, and how much memory was added at most."""

    contestant: str
    members: int
    seconds: float
    rows: int
    added_mb: float


def numbers(count: int, first: int) -> Iterator[tuple[str, date]]:
    """So many invented men: sound ID numbers with their birth dates."""
    for n in range(first, first + count):
        born = date(1960, 1, 1) + timedelta(days=n // 450)
        body = f"450110{born:%Y%m%d}{2 * (n % 450) + 1:03d}"
        yield body + check_character(body), born


def sheet(count: int, first: int) -> bytes:
    """A roster as a personnel office sends it."""
    rows = [
        # One name for all: the number of its spellings, which are rows too, is then the same for each.
        ["韦小明", id_no, "男", born.isoformat(), f"138{first + n:08d}", "已婚", f"{n % 40 + 1}车间", f"E{first + n:06d}", "焊工"]
        for n, (id_no, born) in enumerate(numbers(count, first))
    ]  # fmt: skip
    return workbook([("名单", HEADER, rows)])


def open_round(house: House, actor: Actor, name: str) -> UUID:
    """A round whose only cohort gets the twelve groups of P01."""
    today = service.today_of
    with house.unit(actor) as db:
        organization_id = people.add_organization(db, f"BENCH-{name}", f"单位{name}")
        new = NewContract(organization_id=organization_id, name="合同", starts_on=today(db), ends_on=today(db) + timedelta(days=365))
        contract_id = service.add_contract(db, new)
    with house.unit(actor) as db:
        opens_on = today(db)
        new_order = NewOrder(contract_id=contract_id, name=name, opens_on=opens_on, closes_on=opens_on + timedelta(days=60))
        order_id = service.add_order(db, new_order)
    with house.unit(actor) as db:
        cohort_id = service.add_cohort(db, order_id, NewCohort(name="全体"))
        service.set_offer(db, cohort_id, Offer(mode=OfferMode.ITEMS, package="P01", factor="0.9"), "")
    with house.unit(actor) as db:
        service.approve(db, order_id)
    return order_id


def ours(house: House, actor: Actor, order_id: UUID, content: bytes) -> None:
    """Upload, check, accept and enrol, as the pages and the worker do."""
    sheets = roster_sheet.read(content, "roster.xlsx", roster_fields.KNOWN_HEADERS)
    with house.unit(actor) as db:
        batch_id = roster_staging.store(db, order_id, "roster.xlsx", content, sheets)
    with house.unit(actor) as db:
        batch = roster_staging.batch(db, batch_id)
        header = [roster_sheet.text_of(cell) for cell in sheets[0].rows[sheets[0].header_row - 1]]
        mapping = roster_fields.guess(header, {})
        roster_staging.keep(db, batch_id, roster_staging.judge(db, batch_id, 0, sheets[0].header_row, mapping), batch.ver)
    with house.unit(actor) as db:
        roster_accepting.accept(db, batch_id, roster_staging.batch(db, batch_id).ver, skips_bad=False)
    while True:
        roster_accepting.accept_waiting(house)
        with house.unit(actor, write=False) as db:
            if roster_staging.batch(db, batch_id).state != "accepting":
                return


class Pattern(msgspec.Struct, frozen=True):
    """One member as the product stored one: the rows that a peer stores again under new ids, by table."""

    rows: list[tuple[type[Model], list[dict[str, Any]]]]


def pattern_of(house: House, actor: Actor, order_id: UUID) -> Pattern:
    """The first member of a round with all their rows."""
    with house.unit(actor, write=False) as db:
        member = db.scalars(select(Member).where(Member.order_id == order_id).limit(1)).one()
        found: list[tuple[type[Model], list[dict[str, Any]]]] = []
        for model in TABLES:
            table = model.__table__
            if "visit_id" in table.columns and model is not Member:
                is_it = table.c.visit_id == member.visit_id
            elif model is Visit:
                is_it = table.c.id == member.visit_id
            elif model is Member:
                is_it = table.c.id == member.id
            elif model is Person:
                is_it = table.c.id == member.person_id
            elif model is LedgerTransfer:
                is_it = table.c.transaction_id.in_(select(LedgerTransaction.id).where(LedgerTransaction.visit_id == member.visit_id))
            else:
                is_it = table.c.person_id == member.person_id
            found.append((model, [dict(row._mapping) for row in db.execute(select(table).where(is_it))]))
        return Pattern(found)


def copies(pattern: Pattern, order_id: UUID, people_: Iterator[tuple[str, date]], first: int) -> Iterator[tuple[type[Model], dict[str, Any]]]:
    """The rows of one member after the other, every id new, in an order that keeps the foreign keys."""
    kept = {order_id}
    for n, (id_no, born) in enumerate(people_, first):
        renamed: dict[UUID, UUID] = {}
        own = {row["id"] for _, rows in pattern.rows for row in rows if isinstance(row.get("id"), UUID)}
        for model, rows in pattern.rows:
            for row in rows:
                new = {
                    key: renamed.setdefault(value, uuid1()) if isinstance(value, UUID) and value in own and value not in kept else value
                    for key, value in row.items()
                }
                if model is Person:
                    new |= {"file_no": f"P{n:09d}", "birth_on": born}
                elif model is IdDocument:
                    new |= {"number": id_no.encode(), "number_index": f"peer {id_no}".encode()}
                elif model is Visit:
                    new |= {"visit_no": f"P{n:015d}", "birth_on": born}
                elif model is Member:
                    new |= {"order_id": order_id, "employee_no": f"E{n:06d}", "batch_id": None}
                yield model, new


def _checked(rows: Iterator[tuple[Any, ...]]) -> list[tuple[str, date]]:
    """The ID numbers of a file, each with its check digit and its day looked at."""
    found = []
    for row in rows:
        id_no = str(row[1])
        if check_character(id_no[:17]) != id_no[17]:
            raise ValueError(id_no)
        found.append((id_no, date(int(id_no[6:10]), int(id_no[10:12]), int(id_no[12:14]))))
    return found


def orm(house: House, pattern: Pattern, order_id: UUID, content: bytes, first: int) -> None:
    """openpyxl and the ORM's unit of work."""
    import openpyxl  # type: ignore[import-untyped]

    rows = openpyxl.load_workbook(BytesIO(content), read_only=True).worksheets[0].iter_rows(min_row=2, values_only=True)
    by_table: dict[type[Model], list[Model]] = {}
    for model, row in copies(pattern, order_id, iter(_checked(iter(rows))), first):
        by_table.setdefault(model, []).append(model(**row))
    with Session(house.engine) as db, db.begin():
        for listed in by_table.values():  # without relationships the unit of work does not know which table comes first
            db.add_all(listed)
            db.flush()


def bare(house: House, pattern: Pattern, order_id: UUID, content: bytes, first: int) -> None:
    """python-calamine and one `executemany` for each table."""
    import python_calamine

    rows = python_calamine.CalamineWorkbook.from_filelike(BytesIO(content)).get_sheet_by_index(0).to_python()[1:]
    by_table: dict[type[Model], list[dict[str, Any]]] = {}
    for model, row in copies(pattern, order_id, iter(_checked(iter(rows))), first):
        by_table.setdefault(model, []).append(row)
    with house.engine.begin() as connection:
        for model, listed in by_table.items():
            connection.execute(insert(model.__table__), listed)  # type: ignore[arg-type]


def _count(house: House, actor: Actor) -> int:
    with house.unit(actor, write=False) as db:
        return sum(db.scalar(select(func.count()).select_from(model)) or 0 for model in TABLES)


def _peak_mb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(on: Ground, count: int, say: Callable[[str], None]) -> list[Bout]:
    """Every contestant imports a list of its own into the same database; ours first, because it shows the peers a member's rows."""
    found = []
    with on.house() as house:
        actor = everything_allowed(house)
        pattern: Pattern | None = None
        contestants: tuple[tuple[str, Callable[[UUID, bytes, int], None]], ...] = (
            (OURS, lambda order_id, content, first: ours(house, actor, order_id, content)),
            (ORM, lambda order_id, content, first: orm(house, pattern, order_id, content, first)),  # type: ignore[arg-type]
            (BARE, lambda order_id, content, first: bare(house, pattern, order_id, content, first)),  # type: ignore[arg-type]
        )
        for place, (name, run) in enumerate(contestants):
            first = place * 100_000
            order_id, content = open_round(house, actor, name), sheet(count, first)
            if pattern is None:  # one member, stored before the clock runs
                ours(house, actor, open_round(house, actor, "pattern"), sheet(1, 900_000))
                with house.unit(actor, write=False) as db:
                    shown = db.scalars(select(GroupOrder.id).where(GroupOrder.name == "pattern")).one()
                pattern = pattern_of(house, actor, shown)
            before, peak, began = _count(house, actor), _peak_mb(), time.perf_counter()
            run(order_id, content, first)
            seconds = time.perf_counter() - began
            found.append(
                Bout(contestant=name, members=count, seconds=seconds, rows=_count(house, actor) - before, added_mb=_peak_mb() - peak)
            )
            say(f"{on.kind}: P10 {name} {count:,} members in {seconds:.1f} s")
    if len({bout.rows for bout in found}) != 1:
        raise RuntimeError(f"the contestants of P10 stored different numbers of rows: {[bout.rows for bout in found]}")
    return found
