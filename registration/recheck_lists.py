"""The desk's lists of rechecks: due, overdue, later, booked, ended; searched, paged, exported."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.kit import audit, ids, masks, sheets
from exam.kit.clock import day_of
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.people import service as people
from exam.people.facts import SEX_NAMES
from exam.visits import service as visits
from exam.visits.facts import VisitCard
from exam.visits.models import Visit
from registration import recheck_rules, rechecks
from registration.models import RecheckBoard, RecheckRow
from registration.recheck_facts import RECHECK_STATE_NAMES, RecheckLine, RecheckList, RecheckOrigin, RecheckState, RecheckTab

PAGE_SIZE = 30
MOST_EXPORTED = 5_000
HEADER = (
    "姓名", "性别", "年龄", "联系电话", "单位", "原体检号", "原体检日期", "复查项目", "复查日期", "逾期天数", "状态", "预约体检号",
    "预约日期", "备注",
)  # fmt: skip


class RecheckFilters(msgspec.Struct, frozen=True):
    """Which rechecks a list shows: a tab, what was searched for, a group's code, days from and to."""

    tab: RecheckTab = RecheckTab.DUE
    q: str = ""
    group: str = ""
    since: date | None = None
    until: date | None = None


def recheck_list(db: Session, filters: RecheckFilters, page: int = 1, size: int = PAGE_SIZE) -> RecheckList:
    """A page of a list, what is due first before the others; a fixed number of statements."""
    today = day_of(house_of(db).clock.now())
    matches = _matches(db, filters)
    known = rechecks.RECHECKS.rows.join(Visit, Visit.id == RecheckBoard.visit_id).where(*matches)
    counted = known.with_only_columns(*(func.count().filter(_tab(tab, today)) for tab in RecheckTab))
    counts = dict(zip(RecheckTab, db.execute(counted).one(), strict=True))
    total = counts[filters.tab]
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    is_ended = filters.tab is RecheckTab.ENDED
    order = (
        (RecheckBoard.due_on.desc(), RecheckBoard.recheck_id.desc()) if is_ended else (RecheckBoard.due_on, RecheckBoard.recheck_id)
    )
    rows = db.execute(known.where(_tab(filters.tab, today)).order_by(*order).limit(size).offset((page - 1) * size)).all()
    return RecheckList(filters.tab, lines_of(db, rows, today), counts, page, pages, total)


def _tab(tab: RecheckTab, today: date) -> ColumnElement[bool]:
    is_open = RecheckBoard.state == RecheckState.OPEN.value
    soon = today + timedelta(days=recheck_rules.SOON_DAYS)
    match tab:
        case RecheckTab.DUE:
            return and_(is_open, RecheckBoard.due_on >= today, RecheckBoard.due_on <= soon)
        case RecheckTab.OVERDUE:
            return and_(is_open, RecheckBoard.due_on < today)
        case RecheckTab.LATER:
            return and_(is_open, RecheckBoard.due_on > soon)
        case RecheckTab.BOOKED:
            return RecheckBoard.state == RecheckState.BOOKED.value
    return RecheckBoard.state.in_((RecheckState.DONE.value, RecheckState.CANCELLED.value))


def _matches(db: Session, filters: RecheckFilters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [RecheckBoard.site == actor_of(db).site]
    if filters.since:
        found.append(RecheckBoard.due_on >= filters.since)
    if filters.until:
        found.append(RecheckBoard.due_on <= filters.until)
    if filters.group:
        # Codes are letters and digits: a quoted one is in the list or it is not.
        found.append(RecheckRow.groups.contains(f'"{filters.group}"', autoescape=True))
    text = " ".join(filters.q.split())
    if text:
        found.append(_of_person(db, text))
    return found


def _of_person(db: Session, text: str) -> ColumnElement[bool]:
    try:
        visit_no = ids.read_visit_no(text)
    except Refused:
        visit_no = ""
    if visit_no:
        booked = select(Visit.id).where(Visit.visit_no == visit_no)
        return or_(Visit.visit_no == visit_no, RecheckBoard.booked_id.in_(booked))
    wanted = people.search_statement(db, text)
    if wanted is None:
        low, high = people.prefix_bounds(text[:60])
        return and_(Visit.person_name >= low, Visit.person_name < high)
    return RecheckBoard.person_id.in_(wanted)


def lines_of(db: Session, rows: Sequence[Any], today: date) -> tuple[RecheckLine, ...]:
    """Rechecks with their visits and the groups' names of today."""
    found = [rechecks.to_recheck(row) for row in rows]
    names = {code: group.name for code, group in catalog.catalogue(db, today).groups.items()}
    wanted = {each.visit_id for each in found} | {each.booked_id for each in found if each.booked_id}
    cards = {card.id: card for card in visits.cards(db, sorted(wanted))}
    return tuple(
        RecheckLine(
            recheck=each, card=cards[each.visit_id], group_names=tuple(names.get(code, code) for code in each.groups),
            booked=cards.get(each.booked_id) if each.booked_id else None,
            days_late=max((today - each.due_on).days, 0) if each.state is RecheckState.OPEN else 0,
        )
        for each in found if each.visit_id in cards
    )  # fmt: skip


def lines_of_visit(db: Session, visit_id: UUID, *, is_origin: bool) -> tuple[RecheckLine, ...]:
    """What was ordered after a visit (`is_origin`), or what it is booked for; two or three statements, one where there is none."""
    column = RecheckBoard.visit_id if is_origin else RecheckBoard.booked_id
    rows = db.execute(
        rechecks.RECHECKS.rows.where(column == visit_id, RecheckBoard.site == actor_of(db).site).order_by(
            RecheckBoard.due_on, RecheckBoard.recheck_id
        )
    ).all()
    return lines_of(db, rows, day_of(house_of(db).clock.now())) if rows else ()


def origins_of_visit(db: Session, visit_id: UUID) -> tuple[RecheckOrigin, ...]:
    """The earlier visits that a visit is a recheck of, each once, the oldest first."""
    cards: dict[UUID, VisitCard] = {}
    names: dict[UUID, dict[str, None]] = {}
    for line in lines_of_visit(db, visit_id, is_origin=False):
        cards[line.card.id] = line.card
        told = ("隐私项目",) if line.recheck.is_private else line.group_names
        names.setdefault(line.card.id, {}).update(dict.fromkeys(told))
    return tuple(RecheckOrigin(card, tuple(names[card.id])) for card in sorted(cards.values(), key=lambda card: card.exam_on))


def recheck_sheet(db: Session, filters: RecheckFilters) -> bytes:
    """A list as a workbook; phones are masked, the reasons of private items left out. The export is audited."""
    listed = recheck_list(db, filters, size=MOST_EXPORTED)
    phones = people.masked_phones(db, {line.recheck.person_id for line in listed.lines})
    audit.read(db, "registration.export_rechecks", f"rechecks:{filters.tab.value}", f"{len(listed.lines)} 行")
    return sheets.workbook([("复查名单", HEADER, [_cells(line, phones) for line in listed.lines])])


def _cells(line: RecheckLine, phones: dict[UUID, str]) -> tuple[Any, ...]:
    card, recheck, booked = line.card, line.recheck, line.booked
    return (
        card.person_name, SEX_NAMES.get(card.sex, card.sex), card.age, phones.get(recheck.person_id, masks.STARS), card.organization,
        card.visit_no, card.exam_on.isoformat(), "、".join(line.group_names), recheck.due_on.isoformat(), line.days_late or "",
        RECHECK_STATE_NAMES[recheck.state], booked.visit_no if booked else "", booked.exam_on.isoformat() if booked else "",
        recheck.standing.reason,
    )  # fmt: skip
