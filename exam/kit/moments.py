"""What statements compute of moments, on both databases: the centre's month of one, the minutes between two."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, case, extract, func, literal
from sqlalchemy.orm import Session

from exam.kit.house import house_of
from exam.kit.period import Period, start_of


def month_of(moment: Any, period: Period) -> ColumnElement[str]:
    """The centre's month (`2026-11`) of a moment inside a period; its midnights are not those of UTC."""
    edges = [date.fromisoformat(f"{month}-01") for month in period.months]
    branches = [(moment < start_of(edge), f"{edges[place - 1]:%Y-%m}") for place, edge in enumerate(edges) if place]
    return case(*branches, else_=literal(period.months[-1])) if branches else literal(period.months[-1])


def minutes_between(db: Session, begins: Any, ends: Any) -> ColumnElement[Any]:
    """Minutes with fractions; null where one of the two is."""
    if house_of(db).is_sqlite:
        return (func.julianday(ends) - func.julianday(begins)) * 1440.0
    return extract("epoch", ends - begins) / 60.0
