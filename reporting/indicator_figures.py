"""Figures that somebody tells because no record holds them: ultrasound posts, working days, body parts of a group (indicator 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import BadInput
from exam.kit.house import actor_of, house_of
from exam.kit.period import Period
from reporting.models import IndicatorFigure

ULTRASOUND = "USG"
"""The department whose groups indicator 3 counts (domain.md §2.1)."""
LONGEST_SOURCE = 200
_BOUNDS = {"posts": Decimal(200), "days": Decimal(31), "parts": Decimal(50)}
KIND_NAMES = {"posts": "超声医师岗位数", "days": "实际工作日", "parts": "部位数"}
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


class Told(msgspec.Struct, frozen=True):
    """One figure as it was told."""

    kind: str
    subject: str
    month: str
    number: str
    source: str
    put_by: str
    put_at: datetime


class Staffing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Posts and working days of a month, with the duty roster or document that they are from."""

    month: str
    posts: str
    days: str
    source: str


class Parts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many body parts an ultrasound group counts from a month on, with the rule that says so."""

    group: str
    month: str
    parts: str
    source: str


def set_staffing(db: Session, new: Staffing) -> None:
    """Notes a month's posts and working days; an earlier entry stays as history."""
    problems = [
        *_common_problems(db, new.month, new.source),
        *_number_problems("posts", new.posts),
        *_number_problems("days", new.days),
    ]
    if problems:
        raise BadInput(problems)
    _put(db, [("posts", "", new.month, new.posts), ("days", "", new.month, new.days)], new.source)


def set_parts(db: Session, new: Parts) -> None:
    """Notes the body parts of a group from a month on; earlier months keep theirs."""
    problems = [*_common_problems(db, new.month, new.source), *_number_problems("parts", new.parts)]
    if new.group not in group_names(db):
        problems.append(("group", "没有该超声项目,请从列表中选择"))
    if problems:
        raise BadInput(problems)
    _put(db, [("parts", new.group, new.month, new.parts)], new.source)


def _common_problems(db: Session, month: str, source: str) -> list[tuple[str, str]]:
    found = []
    if not _MONTH.fullmatch(month):
        found.append(("month", "请填写月份,例如 2026-11"))
    elif month > f"{day_of(house_of(db).clock.now()):%Y-%m}":
        found.append(("month", "月份不能晚于本月"))
    if not source.strip() or len(source) > LONGEST_SOURCE:
        found.append(("source", f"请填写依据(最多 {LONGEST_SOURCE} 字),例如 超声科 11 月排班表"))
    return found


def _number_problems(kind: str, text: str) -> list[tuple[str, str]]:
    try:
        number = Decimal(text.strip()) if re.fullmatch(r"\d{1,4}(\.\d)?", text.strip()) else None
    except InvalidOperation:
        number = None
    if number is None or not 0 < number <= _BOUNDS[kind]:
        return [(kind, f"{KIND_NAMES[kind]}应为大于 0、不超过 {_BOUNDS[kind]} 的数,最多一位小数")]
    return []


def _put(db: Session, figures: Sequence[tuple[str, str, str, str]], source: str) -> None:
    house, actor = house_of(db), actor_of(db)
    rows = [
        {"id": house.ids.new(), "site": actor.site, "kind": kind, "subject": subject, "month": month, "number_text": number.strip(),
         "source": source.strip(), "put_by": actor.name, "put_at": house.clock.now()}
        for kind, subject, month, number in figures
    ]  # fmt: skip
    insert_rows(db, IndicatorFigure, rows)
    audit.note(db, "reporting.tell_figure", subject=f"indicator:3 {figures[0][2]} {figures[0][1]}".strip(), reason=source.strip())


def told(db: Session) -> tuple[Told, ...]:
    """Everything that was told at the actor's site, the newest first."""
    wanted = select(IndicatorFigure).where(IndicatorFigure.site == actor_of(db).site).order_by(IndicatorFigure.id.desc())
    return tuple(
        Told(row.kind, row.subject, row.month, row.number_text, row.source, row.put_by, row.put_at) for row in db.scalars(wanted)
    )


def newest(figures: Sequence[Told], kind: str) -> dict[tuple[str, str], Told]:
    """What counts of one kind, by subject and month: what was told last."""
    return {(each.subject, each.month): each for each in reversed(figures) if each.kind == kind}


def by_month(figures: Sequence[Told], kind: str) -> dict[str, float]:
    """The posts or the working days of each month that has them."""
    return {month: float(each.number) for (_, month), each in newest(figures, kind).items()}


def parts_by_month(figures: Sequence[Told], period: Period) -> dict[tuple[str, str], float]:
    """By month and group code: the body parts that were told for the latest month not after it."""
    found = {}
    for (group, since), each in sorted(newest(figures, "parts").items()):
        found.update({(month, group): float(each.number) for month in period.months if month >= since})
    return found


def group_names(db: Session) -> dict[str, str]:
    """The ultrasound groups of today's catalogue by code."""
    groups = catalog.catalogue(db, day_of(house_of(db).clock.now())).groups
    return {code: group.name for code, group in groups.items() if group.department == ULTRASOUND and not group.service_only}
