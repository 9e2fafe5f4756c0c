"""Reports that finance looks at: bookings of packages (STA-1), and what persons have paid or still owe (STA-4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from billing.facts import Payer
from billing.models import Charge
from exam.kit.house import actor_of
from exam.kit.period import Period
from exam.visits.facts import VisitState
from exam.visits.models import Visit, VisitBoard

PAGE = 50
MOST_EXPORTED = 20_000

STEPS = {"day": "按日", "week": "按周", "month": "按月"}


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """How many booked a package on days of one step, how many of them came, and how many cancelled."""

    step: str
    package_code: str
    package_name: str
    is_company: bool
    booked: int
    came: int
    cancelled: int


class Bar(msgspec.Struct, frozen=True):
    """Bookings added up under one name."""

    name: str
    booked: int
    came: int
    cancelled: int


def bookings(db: Session, period: Period, step: str) -> list[Booked]:
    """Bookings of packages by the day of the exam; a visit without a package is a free choice. One statement.

    Listed members of a round who have no day yet are no booking.
    """
    is_company = Visit.organization_id.is_not(None)
    rows = db.execute(
        select(
            Visit.exam_on, Visit.package_code, Visit.package_name, is_company.label("is_company"), func.count().label("booked"),
            func.sum(case((VisitBoard.checked_in_at.is_not(None), 1), else_=0)).label("came"),
            func.sum(case((VisitBoard.state == VisitState.CANCELLED.value, 1), else_=0)).label("cancelled"),
        )
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .where(
            Visit.site == actor_of(db).site, Visit.exam_on.between(period.since, period.until),
            VisitBoard.state != VisitState.LISTED.value,
        )
        .group_by(Visit.exam_on, Visit.package_code, Visit.package_name, is_company)
    )  # fmt: skip
    found: dict[tuple[str, str, str, bool], list[int]] = {}
    for row in rows:
        key = (step_of(row.exam_on, step), row.package_code, row.package_name or "自选项目", bool(row.is_company))
        sums = found.setdefault(key, [0, 0, 0])
        for place, number in enumerate((row.booked, row.came, row.cancelled)):
            sums[place] += int(number)
    return [
        Booked(
            step=key[0],
            package_code=key[1],
            package_name=key[2],
            is_company=key[3],
            booked=sums[0],
            came=sums[1],
            cancelled=sums[2],
        )
        for key, sums in sorted(found.items())
    ]


def step_of(day: date, step: str) -> str:
    """The name of a day's step: the day, its week's Monday and Sunday, or its month."""
    if step == "month":
        return f"{day:%Y-%m}"
    if step == "week":
        monday = day - timedelta(days=day.weekday())
        return f"{monday:%m-%d} 至 {monday + timedelta(days=6):%m-%d}" if monday.year == day.year else f"{monday:%Y-%m-%d} 起"
    return day.isoformat()


def bars(found: Sequence[Booked], name: str) -> list[Bar]:
    """Bookings added up by `package_name` (the most booked first) or by `step` (in time's order)."""
    sums: dict[str, list[int]] = {}
    for each in found:
        totals = sums.setdefault(getattr(each, name), [0, 0, 0])
        for place, number in enumerate((each.booked, each.came, each.cancelled)):
            totals[place] += number
    made = [Bar(key, *totals) for key, totals in sums.items()]
    return sorted(made, key=lambda bar: -bar.booked) if name == "package_name" else made


FEE_TABS = {"unsettled": "未结清", "settled": "已结清", "owed": "应退费", "all": "全部"}


class Fee(msgspec.Struct, frozen=True, kw_only=True):
    """What one visit's person was charged, has paid and still owes, in fen."""

    visit_id: UUID
    visit_no: str
    person_name: str
    category: str
    organization: str
    package_name: str
    exam_on: date
    state: str
    charged_fen: int
    due_fen: int

    @property
    def paid_fen(self) -> int:
        """What came in less what went back."""
        return self.charged_fen - self.due_fen


class Fees(msgspec.Struct, frozen=True):
    """One page of visits with the sums over all pages."""

    fees: tuple[Fee, ...]
    total: int
    page: int
    pages: int
    charged_fen: int
    due_fen: int


def fees(db: Session, period: Period, tab: str, q: str = "", page: int = 1, most: int = PAGE) -> Fees:
    """The persons' own part of visits of these days: who still owes, who has paid, who is owed. Three statements."""
    charged = (
        select(Charge.visit_id, func.sum(Charge.sign * Charge.amount_fen).label("fen"))
        .where(Charge.payer == Payer.PERSON)
        .group_by(Charge.visit_id)
        .subquery()
    )
    due, fen = VisitBoard.amount_due_fen, func.coalesce(charged.c.fen, 0)
    where: list[Any] = [Visit.site == actor_of(db).site]
    words = q.strip()[:40]
    if words:
        where.append(or_(Visit.visit_no == words, Visit.person_name.startswith(words, autoescape=True)))
    else:
        where.append(Visit.exam_on.between(period.since, period.until))
    where += {"unsettled": [due > 0], "settled": [due == 0, fen > 0], "owed": [due < 0]}.get(tab, [(fen != 0) | (due != 0)])
    joined = (
        select(Visit)
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .outerjoin(charged, charged.c.visit_id == Visit.id)
        .where(*where)
    )
    sums = db.execute(joined.with_only_columns(func.count(), func.sum(fen), func.sum(due))).one()
    total, all_charged, all_due = (int(each or 0) for each in sums)
    pages = max(-(-total // most), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(
        joined.with_only_columns(
            Visit.id, Visit.visit_no, Visit.person_name, Visit.category, Visit.organization, Visit.package_name, Visit.exam_on,
            VisitBoard.state, fen.label("charged"), due.label("due"),
        )
        .order_by(Visit.exam_on.desc(), Visit.visit_no.desc())
        .offset((page - 1) * most)
        .limit(most)
    )  # fmt: skip
    found = tuple(
        Fee(
            visit_id=row.id, visit_no=row.visit_no, person_name=row.person_name, category=row.category, organization=row.organization,
            package_name=row.package_name, exam_on=row.exam_on, state=row.state, charged_fen=int(row.charged), due_fen=int(row.due),
        )
        for row in rows
    )  # fmt: skip
    return Fees(found, total, page, pages, all_charged, all_due)
