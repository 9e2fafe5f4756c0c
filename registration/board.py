"""Today's board and the lists behind it: five counts, each its own predicate; the day's visits; search; the calendar."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from exam.kit import audit, ids
from exam.kit.clock import CENTRE_ZONE, local
from exam.kit.errors import Refused
from exam.kit.house import actor_of
from exam.kit.money import yuan
from exam.people import service as people
from exam.people.facts import SEX_NAMES, Person
from exam.visits import service as visits
from exam.visits.facts import AWAY, CATEGORY_NAMES, VISIT_STATE_NAMES, VisitCard, VisitState
from exam.visits.models import Visit, VisitBoard
from registration import service as desk
from registration.facts import TILE_NAMES, Board, DayPlaces, Tile
from registration.models import DayCapacity

PAGE_SIZE = 20
MOST_PERSONS = 20
MOST_EXPORTED = 5000

_LIVE = VisitBoard.state.not_in(sorted(AWAY))


class Page(msgspec.Struct, frozen=True):
    """One page of visits: which page of how many, and how many visits in all."""

    rows: tuple[VisitCard, ...]
    page: int
    pages: int
    total: int


class Found(msgspec.Struct, frozen=True):
    """What a search found: visits, paged, and people of whom this site has no visit."""

    visits: Page
    persons: tuple[Person, ...] = ()
    exact: str = ""
    hint: str = ""


# --- the counts --------------------------------------------------------------------------------------------------------


def bounds(day: date) -> tuple[datetime, datetime]:
    """The first moment of a centre's day and the first after it."""
    start = datetime.combine(day, time(), CENTRE_ZONE).astimezone(UTC)
    return start, start + timedelta(days=1)


def predicate(tile: Tile, day: date) -> ColumnElement[bool]:
    """A count's condition on `exam_visit_board`, the mirror of the pure one in `rules.PREDICATES` (a test compares them)."""
    start, end = bounds(day)

    def during(column: Any) -> ColumnElement[bool]:
        return and_(_LIVE, column >= start, column < end)

    conditions: dict[Tile, ColumnElement[bool]] = {
        Tile.BOOKED: VisitBoard.state == VisitState.BOOKED,
        Tile.TO_PAY: and_(
            VisitBoard.state != VisitState.BOOKED, _LIVE, VisitBoard.registered_at.is_not(None),
            VisitBoard.amount_due_fen > 0,
        ),
        Tile.CHECKED_IN: during(VisitBoard.checked_in_at),
        Tile.BLOOD_DRAWN: during(VisitBoard.blood_drawn_at),
        Tile.EXAMINED: during(VisitBoard.sheet_returned_at),
    }  # fmt: skip
    return and_(VisitBoard.exam_on == day, conditions[tile])


def board(db: Session, day: date) -> Board:
    """The day's five counts and its places: three statements, over the day's part of one index."""
    counts = [func.count().filter(predicate(tile, day)) for tile in Tile]
    row = db.execute(
        select(*counts, func.count().filter(_LIVE)).where(VisitBoard.site == actor_of(db).site, VisitBoard.exam_on == day)
    ).one()
    return Board(day, *row[:5], capacity=desk.capacity_of(db, day), taken=row[5])


def tile_of(name: str) -> Tile | None:
    """The count of that name; None for all of the day's visits. Refuses any other word."""
    if not name:
        return None
    if name not in TILE_NAMES:
        raise Refused("registration.unknown_list", f"没有名单“{name[:20]}”", "请从今日看板进入", "tile")
    return Tile(name)


# --- the day's visits --------------------------------------------------------------------------------------------------

_VISITS = select(Visit, VisitBoard).join(VisitBoard, VisitBoard.visit_id == Visit.id)


def day_list(db: Session, day: date, tile: Tile | None = None, page: int = 1, size: int = PAGE_SIZE) -> Page:
    """The visits of a day, or those behind one count, the latest arrivals first; two statements."""
    condition = and_(VisitBoard.site == actor_of(db).site, predicate(tile, day) if tile else VisitBoard.exam_on == day)
    order = (
        func.coalesce(VisitBoard.checked_in_at, VisitBoard.registered_at, VisitBoard.booked_at).desc(),
        VisitBoard.visit_id.desc(),
    )
    return paged(db, condition, order, page, size)


def paged(db: Session, condition: ColumnElement[bool], order: Sequence[Any], page: int, size: int = PAGE_SIZE) -> Page:
    """One page of the visits that meet a condition on visit and board; two statements."""
    total = (
        db.scalar(select(func.count()).select_from(VisitBoard).join(Visit, Visit.id == VisitBoard.visit_id).where(condition)) or 0
    )
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(_VISITS.where(condition).order_by(*order).limit(size).offset((page - 1) * size))
    return Page(tuple(visits.to_card(visit, row) for visit, row in rows), page, pages, total)


EXPORT_HEADINGS = (
    "体检号", "姓名", "性别", "年龄", "类别", "套餐", "单位", "体检日期", "状态", "报到时间", "交单时间", "待缴(元)",
)  # fmt: skip


def day_sheet(db: Session, day: date, tile: Tile | None = None) -> bytes:
    """A day's list as an Excel workbook, every cell plain text; the export is audited."""
    import xlsxwriter

    listed = day_list(db, day, tile, size=MOST_EXPORTED)
    audit.read(db, "registration.export", f"day:{day.isoformat()}", TILE_NAMES[tile] if tile else "全部")
    file = BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet(f"{day:%Y-%m-%d}")
        head = book.add_format({"bold": True})
        for column, heading in enumerate(EXPORT_HEADINGS):
            sheet.write_string(0, column, heading, head)
        for number, card in enumerate(listed.rows, 1):
            for column, text in enumerate(_cells(card)):
                sheet.write_string(number, column, text)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, 0, 20)
        sheet.set_column(1, len(EXPORT_HEADINGS) - 1, 14)
    return file.getvalue()


def _cells(card: VisitCard) -> tuple[str, ...]:
    def moment(at: datetime | None) -> str:
        return f"{local(at):%Y-%m-%d %H:%M}" if at else ""

    return (
        card.visit_no, card.person_name, SEX_NAMES.get(card.sex, card.sex), str(card.age),
        CATEGORY_NAMES.get(card.category, card.category), card.package_name, card.organization, card.exam_on.isoformat(),
        VISIT_STATE_NAMES[card.state], moment(card.checked_in_at), moment(card.sheet_returned_at), yuan(card.amount_due_fen),
    )  # fmt: skip


# --- search ------------------------------------------------------------------------------------------------------------


def find(db: Session, text: str, page: int = 1) -> Found:
    """Visits and people by visit number, tube barcode, name, pinyin, last four, document number, phone or company (REG-7).

    A whole number or barcode leads to its one visit (`exact`). Names, pinyin and companies are searched by prefix.
    """
    plain = " ".join(text.split())
    nothing = Found(Page((), 1, 1, 0))
    if not plain:
        return nothing
    if len(plain) > 60:
        return msgspec.structs.replace(nothing, hint="查询内容过长,请只输入姓名、号码或单位名称")
    site = actor_of(db).site
    visit_no = _visit_no_in(plain)
    if visit_no:
        found = db.scalar(select(Visit.id).where(Visit.visit_no == visit_no, Visit.site == site))
        if found is not None:
            return Found(Page(tuple(visits.cards(db, [found])), 1, 1, 1), exact=visit_no)
    wanted = people.search_statement(db, plain)
    organizations = [each[0] for each in people.organizations(db, plain)] if not plain.isdigit() else []
    conditions: list[ColumnElement[bool]] = []
    if wanted is not None:
        conditions.append(Visit.person_id.in_(wanted))
    if organizations:
        conditions.append(Visit.organization_id.in_(organizations))
    if not conditions:
        return msgspec.structs.replace(nothing, hint="拼音至少输入两个字母")
    listed = paged(db, and_(Visit.site == site, or_(*conditions)), (Visit.exam_on.desc(), Visit.id.desc()), page)
    persons = _persons_without_visit(db, plain, site) if wanted is not None and listed.page == 1 else ()
    return Found(listed, persons)


def _visit_no_in(text: str) -> str:
    try:
        return ids.read_visit_no(text)
    except Refused:
        return ""


def _persons_without_visit(db: Session, text: str, site: str) -> tuple[Person, ...]:
    found = people.search(db, text)
    if not found:
        return ()
    ids_found = [person.id for person in found]
    visited = set(db.scalars(select(Visit.person_id).where(Visit.person_id.in_(ids_found), Visit.site == site)))
    return tuple(person for person in found if person.id not in visited)[:MOST_PERSONS]


# --- the calendar ------------------------------------------------------------------------------------------------------


def calendar(db: Session, year: int, month: int) -> tuple[DayPlaces, ...]:
    """Every day of a month with its places; three statements."""
    site = actor_of(db).site
    first, last = date(year, month, 1), date(year, month, monthrange(year, month)[1])
    usual = desk.default_capacity(db)
    own = {
        row.day: row.capacity for row in db.execute(
            select(DayCapacity.day, DayCapacity.capacity).where(DayCapacity.site == site, DayCapacity.day.between(first, last))
        )
    }  # fmt: skip
    taken = {
        row.exam_on: row.visits for row in db.execute(
            select(VisitBoard.exam_on, func.count().label("visits"))
            .where(VisitBoard.site == site, VisitBoard.exam_on.between(first, last), _LIVE)
            .group_by(VisitBoard.exam_on)
        )
    }  # fmt: skip
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return tuple(DayPlaces(day, own.get(day, usual), taken.get(day, 0), day in own) for day in days)
