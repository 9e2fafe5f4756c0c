"""Fills a database with visits of 60 results each: a few are made by the house itself, the rest are copies with ids of their own.

The copies are made inside the database (`insert … select`), table by table, for every table that hangs on a visit. Facts,
projections, charges and tubes of a copy agree with each other as those of its pattern do; only audit and events are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Date, DateTime, ForeignKey, Table, Uuid, insert, select, text, update

from billing import service as billing
from chief_review import service as reviews
from exam.catalog.facts import ValueType
from exam.kit import ids
from exam.kit.clock import CENTRE_ZONE, FrozenClock, day_of
from exam.kit.db import Model
from exam.kit.house import Actor, House
from exam.kit.random import SeededRandom
from exam.people import rules as people_rules
from exam.people import service as people
from exam.people.facts import IdKind, NewPerson
from exam.people.models import IdDocument, Person, PersonSpelling
from exam.staff.models import SignIn, Staff
from exam.staff.service import authenticate, open_session
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import Milestone, VisitState
from exam.visits.models import VisitBoard
from results import queries
from results import service as results
from results.facts import Entry

GROUPS = ("G001", "G002", "G003", "G004", "G018", "G020", "G030", "G041")
"""Together 60 items for either sex; the two laboratory groups have the 20 items that P6 reads and P7 writes."""

DEPARTMENT = "LAB"
RESULTS = 60
TODAY = 10
"""Visits of today, whatever the size of the database: growth must come from the past alone."""

A_DAY = 200
IN_EXAM = 400
"""Visits, of earlier days, whose laboratory record is open: those that P7 and P8 write to."""

YEARS_AGO = timedelta(days=700)
STATES = (VisitState.IN_EXAM, VisitState.SECTIONS_DONE, VisitState.FINAL)
CHIEFS = ("zhao", "liang")
SKIPPED = {"exam_event", "exam_outbox", "exam_audit"}
SURNAMES, GIVEN = "李王张刘陈杨黄赵周吴徐孙马朱胡郭何林罗高", "秀英建国志强美玲晓燕文斌丽华慧敏海波春梅永福玉兰"
CHUNK = 2_000


def everything_allowed(house: House) -> Actor:
    """An actor with every right, who makes the patterns."""
    return Actor(
        staff_id=None, login="bench", name="压力测试", site=house.site, kind="system",
        permissions=frozenset(house.modules.permissions),
    )  # fmt: skip


# --- patterns ----------------------------------------------------------------------------------------------------------


class Pattern(msgspec.Struct, frozen=True):
    """A visit that the house made: where it stands, whose, when, and the beginning that all its ids share."""

    visit_id: UUID
    state: VisitState
    sex: str
    on: date


def make_patterns(house: House) -> list[Pattern]:
    """One visit for each sex and state, made by the house's own services as a day at the centre would. Moves `house.clock`."""
    clock = house.clock
    assert isinstance(clock, FrozenClock), "patterns are made in the past"
    found = []
    for state in STATES:
        for sex in ("M", "F"):
            clock.advance(days=1)
            clock.at = clock.at.replace(hour=0, minute=0)
            # Ids of one pattern share their first 48 bits, so that a copy needs only another beginning.
            house.ids = ids.IdMaker(FrozenClock(clock.at), house.random)
            found.append(_make(house, clock, state, sex))
    house.ids = ids.IdMaker(clock, house.random)
    return found


def _make(house: House, clock: FrozenClock, state: VisitState, sex: str) -> Pattern:
    actor, day = everything_allowed(house), day_of(clock.now())
    with house.unit(actor) as db:
        new = NewPerson(name="样本", id_kind=IdKind.NONE, sex=sex, birth_on=date(1985, 5, 20), phone="13800000000")
        person_id = people.register(db, new).person_id
        visit_id = visits.open_visit(db, visits.NewVisit(person_id=person_id, exam_on=day, groups=GROUPS))
        due = billing.amount_due(db, visit_id)
        billing.pay_at_window(db, visit_id, due, f"SJ{day:%Y%m%d}{sex}")
    clock.advance(minutes=5)
    with house.unit(actor) as db:
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
        planned = tubes.plan(db, visit_id)
    clock.advance(minutes=5)
    for tube in planned:
        with house.unit(actor) as db:
            tubes.collect(db, visit_id, tube.barcode)
    clock.advance(minutes=20)
    _enter(house, actor, visit_id, is_signed=state != VisitState.IN_EXAM)
    clock.advance(minutes=30)
    if state != VisitState.IN_EXAM:
        with house.unit(actor) as db:
            visits.reach(db, visit_id, Milestone.SHEET_RETURNED)
    if state == VisitState.FINAL:
        _review(house, clock, visit_id)
    with house.unit(actor, write=False) as db:
        count, reached = len(queries.readings(db, visit_id)), db.get_one(VisitBoard, visit_id).state
    assert (count, reached) == (RESULTS, state), f"a pattern has {count} results and is {reached}"
    return Pattern(visit_id, state, sex, day)


def _review(house: House, clock: FrozenClock, visit_id: UUID) -> None:
    """Two chiefs review and sign, each with a signing window of their own."""
    chiefs = []
    for login in CHIEFS:
        with house.unit(None) as db:
            token = open_session(db, db.scalars(select(Staff.id).where(Staff.login == login)).one(), "bench")
            db.execute(update(SignIn).values(signing_until=clock.now() + timedelta(hours=9), signing_left=99))
        with house.unit(None, write=False) as db:
            chiefs.append(authenticate(db, token))
    with house.unit(chiefs[0]) as db:
        review = reviews.start(db, visit_id)
        if not review.lines:
            review = reviews.save(db, visit_id, review.version, (), True)
    for chief, sign in zip(chiefs, (reviews.sign_first, reviews.sign_final), strict=True):
        clock.advance(minutes=10)
        with house.unit(chief) as db:
            sign(db, visit_id, reviews.review(db, visit_id).digest)


def _enter(house: House, actor: Actor, visit_id: UUID, *, is_signed: bool) -> None:
    with house.unit(actor, write=False) as db:
        found = queries.load(db, visit_id)
        own = {line.department for line in orders.lines(db, visit_id) if not line.service_only}
        sheets = {department: found.sheet(department) for department in sorted(own)}
    for department, sheet in sheets.items():
        entry = Entry(base_version=0, values={code: _usual(item) for code, item in sheet.items.items() if _is_typed(item)})
        with house.unit(actor) as db:
            (results.finish if is_signed else results.enter)(db, visit_id, department, entry)


def _is_typed(item: Any) -> bool:
    return bool(item.value_type != ValueType.CALCULATED)


def _usual(item: Any) -> str:
    if item.choices:
        return str(item.normal_text or next(choice.text for choice in item.choices if not choice.abnormal))
    if item.value_type == ValueType.TEXT:
        return item.normal_text or "未见异常"
    bounds = next(((each.low, each.high) for each in item.ranges if each.low and each.high), None)
    upper = next((each.high for each in item.ranges if each.high), None)
    if bounds is None and upper:  # what no living person has is refused before the first signature
        return f"{float(upper) * 0.8:.{item.decimals}f}"
    low, high = bounds or (item.plausible_low or "1", item.plausible_low or "1")
    return f"{(float(low) + float(high)) / 2:.{item.decimals}f}"


# --- copies ------------------------------------------------------------------------------------------------------------


class Numbered(msgspec.Struct, frozen=True):
    """What makes copy number `n` a visit of its own."""

    n: int
    visit_no: str
    person_id: UUID
    name: str
    sex: str
    birth_on: date
    on: date
    state: VisitState
    id_start: str


def numbered(house: House, n: int, today: date) -> Numbered:
    """The n-th visit, always the same: ten of today, then 200 a day backwards; everybody comes twice."""
    person = _person_of(n)
    dice = SeededRandom(f"person {person}").token_bytes(8)
    days_ago = _days_ago(n)
    on = today - timedelta(days=days_ago)
    sequence = 1 + (n if n < TODAY else (n - TODAY) % A_DAY)
    milliseconds = int(datetime.combine(on, time(8), CENTRE_ZONE).timestamp()) * 1000 + n
    return Numbered(
        n=n, visit_no=ids.visit_no(house.site, "77", on, sequence),
        person_id=ids.new_id(SeededRandom(f"person id {person}").token_bytes(10), 1_500_000_000_000 + person, person & 0xFFF),
        name=SURNAMES[dice[0] % len(SURNAMES)] + GIVEN[dice[1] % len(GIVEN)] + GIVEN[dice[2] % len(GIVEN)],
        sex="MF"[person % 2], birth_on=date(1950 + dice[3] % 50, 1 + dice[4] % 12, 1 + dice[5] % 28), on=on, state=_state_of(n),
        id_start=f"{milliseconds:012x}",
    )  # fmt: skip


def _days_ago(n: int) -> int:
    return 0 if n < TODAY else 1 + (n - TODAY) // A_DAY


def _person_of(n: int) -> int:
    if n < 2 * TODAY:
        return n % TODAY
    block, place = divmod(n - 2 * TODAY, 2 * A_DAY)
    return TODAY + block * A_DAY + place % A_DAY


def _state_of(n: int) -> VisitState:
    if n < TODAY:
        return VisitState.IN_EXAM if n % 2 else VisitState.SECTIONS_DONE
    return VisitState.IN_EXAM if 2 * TODAY <= n < 2 * TODAY + IN_EXAM else VisitState.FINAL


def grow(house: House, connection: Connection, patterns: list[Pattern], start: int, end: int, today: date) -> None:
    """Adds the visits `start` to `end`. `connection` belongs to the owner and checks neither keys nor triggers meanwhile."""
    tables = _tables_of_a_visit()
    by_kind = {(pattern.state, pattern.sex): pattern for pattern in patterns}
    is_sqlite = connection.dialect.name == "sqlite"
    kind = "text" if is_sqlite else "uuid"
    connection.execute(
        text(
            f"create temporary table if not exists bench_copy (pattern {kind}, pattern_start text, id_start text, days integer, "
            f"visit_no text, person_id {kind}, person_name text, birth_on date)"
        )
    )
    # Oldest first: ids and days ascend, so that every index grows at its end.
    wanted = [numbered(house, n, today) for n in range(end - 1, start - 1, -1)]
    known = {_person_of(n) for n in range(start)}
    _add_people(house, connection, {_person_of(each.n): each for each in wanted if _person_of(each.n) not in known})
    for at in range(0, len(wanted), CHUNK):
        connection.execute(text("delete from bench_copy"))
        rows = []
        for each in wanted[at : at + CHUNK]:
            pattern = by_kind[each.state, each.sex]
            key = pattern.visit_id.hex if is_sqlite else pattern.visit_id
            person = each.person_id.hex if is_sqlite else each.person_id
            rows.append(
                {"pattern": key, "pattern_start": pattern.visit_id.hex[:12], "id_start": each.id_start,
                 "days": (each.on - pattern.on).days, "visit_no": each.visit_no, "person_id": person, "person_name": each.name,
                 "birth_on": each.birth_on.isoformat() if is_sqlite else each.birth_on}
            )  # fmt: skip
        names, places = ", ".join(rows[0]), ", ".join(f":{name}" for name in rows[0])
        connection.execute(text(f"insert into bench_copy ({names}) values ({places})"), rows)
        for table, path in tables:
            connection.execute(text(_copy(table, path, is_sqlite)))
        connection.commit()


def _tables_of_a_visit() -> list[tuple[Table, tuple[ForeignKey, ...]]]:
    """Every table that hangs on a visit, with the foreign keys that lead up to a table with the visit's id."""
    ordered = [table for table in Model.metadata.sorted_tables if table.name not in SKIPPED]
    found: dict[str, tuple[Table, tuple[ForeignKey, ...]]] = {}
    for table in ordered:
        if table.name == "exam_visit" or "visit_id" in table.columns:
            found[table.name] = (table, ())
            continue
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            parent = found.get(key.column.table.name)
            if parent is not None and key.column.table.name != "exam_visit":
                found[table.name] = (table, (key, *parent[1]))
                break
    return list(found.values())


def _copy(table: Table, path: tuple[ForeignKey, ...], is_sqlite: bool) -> str:
    joins, last = "", "t"
    for number, key in enumerate(path):
        parent = key.column.table
        joins += f" join {parent.name} p{number} on p{number}.{key.column.name} = {last}.{key.parent.name}"
        last = f"p{number}"
    column = "id" if table.name == "exam_visit" else "visit_id"
    joins += f" join bench_copy m on m.pattern = {last}.{column}"
    names = [each.name for each in table.columns]
    values = ", ".join(_value(each, is_sqlite) for each in table.columns)
    return f"insert into {table.name} ({', '.join(names)}) select {values} from {table.name} t{joins} order by m.id_start"


def _value(column: Any, is_sqlite: bool) -> str:
    own = f"t.{column.name}"
    if column.name in ("person_id", "visit_no", "person_name", "birth_on"):
        return f"m.{column.name}"
    if column.name == "barcode":
        return f"m.visit_no || substr({own}, 17)"
    if isinstance(column.type, Uuid):
        bare = own if is_sqlite else f"replace({own}::text, '-', '')"
        moved = f"m.id_start || substr({bare}, 13)"
        return f"case when substr({bare}, 1, 12) = m.pattern_start then {moved if is_sqlite else f'({moved})::uuid'} else {own} end"
    kind = getattr(column.type, "impl_instance", column.type)
    if isinstance(kind, DateTime):
        if is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f000', {own}, m.days || ' days')"
        return f"{own} + m.days * interval '1 day'"
    if isinstance(kind, Date) and column.name != "catalog_on":
        return f"date({own}, m.days || ' days')" if is_sqlite else f"{own} + m.days"
    return own


def _add_people(house: House, connection: Connection, wanted: dict[int, Numbered]) -> None:
    first_day = min((each.on for each in wanted.values()), default=date(2020, 1, 1))
    now = datetime.combine(first_day, time(), CENTRE_ZONE).astimezone(UTC)
    persons, documents, spellings = [], [], []
    for number, each in wanted.items():
        phone, id_no = f"139{number:08d}", _id_number(each, number)
        phone_place = f"exam_person.phone:{each.person_id}"
        document_id = ids.new_id(SeededRandom(f"document {number}").token_bytes(10), 1_500_000_000_000 + number)
        persons.append(
            {"id": each.person_id, "file_no": f"77{number:08d}", "site": house.site, "name": each.name, "sex": each.sex,
             "birth_on": each.birth_on, "nation": "", "marital": "", "phone": house.cipher.seal(phone, phone_place),
             "phone_index": house.cipher.blind_index("phone", phone), "phone_tail": house.cipher.blind_index("tail", phone[-4:]),
             "address": b"", "organization_id": None, "merged_into": None, "created_at": now, "ver": 1}
        )  # fmt: skip
        documents.append(
            {"id": document_id, "person_id": each.person_id, "kind": IdKind.RESIDENT.value,
             "number": house.cipher.seal(id_no, f"exam_id_document.number:{document_id}"),
             "number_index": house.cipher.blind_index("id:gb11643", people_rules.index_id(id_no)),
             "number_tail": house.cipher.blind_index("tail", people_rules.index_last_four(id_no)), "added_at": now}
        )  # fmt: skip
        spellings.append({"person_id": each.person_id, "spelling": f"bench{number:06d}"})
    for model, rows in ((Person, persons), (IdDocument, documents), (PersonSpelling, spellings)):
        if rows:
            connection.execute(insert(model.__table__), rows)  # type: ignore[arg-type]
    connection.commit()


def _id_number(each: Numbered, number: int) -> str:
    first = f"4508{number // 500 % 100:02d}{each.birth_on:%Y%m%d}{number % 500 * 2 + (each.sex == 'M'):03d}"
    return first + people_rules.check_character(first)


def writable(house: House, size: int, today: date) -> Iterator[str]:
    """Numbers of the visits whose laboratory record is open."""
    for n in range(TODAY * 2 if size > TODAY * 2 else 0, min(size, 2 * TODAY + IN_EXAM)):
        if _state_of(n) == VisitState.IN_EXAM:
            yield numbered(house, n, today).visit_no

