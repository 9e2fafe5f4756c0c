"""Every visit's present values as a case, a span at a time, and when the last of them was stored: for what must hold of all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.knowledge.facts import Case
from exam.visits.models import Visit
from exam.visits.spans import Span
from results.models import Record, Version
from results.past_cases import SPAN, VISIT_COLUMNS, cases_of


class StoredCase(msgspec.Struct, frozen=True):
    """A visit's present values as a case, and when the last of them was stored."""

    visit_id: UUID
    stored_at: datetime
    case: Case


def cases_in_span(db: Session, span: Span) -> Iterator[StoredCase]:
    """Every visit of a span that has values, of all sites; two statements, and three for each two hundred visits of a site: a
    whole span's values at once would be some hundred thousand."""
    last = select(Version.visit_id, func.max(Version.at)).join(Record, Record.values_id == Version.id)
    stored_at: dict[UUID, datetime] = {row[0]: row[1] for row in db.execute(last.where(span.holds(Record.visit_id)).group_by(Version.visit_id))}
    by_site: dict[str, list[Any]] = {}
    for row in db.execute(select(*VISIT_COLUMNS, Visit.site).where(span.holds(Visit.id))):
        if row.id in stored_at:
            by_site.setdefault(row.site, []).append(row)
    for site, rows in by_site.items():
        for start in range(0, len(rows), SPAN):
            for past in cases_of(db, site, rows[start : start + SPAN]):
                yield StoredCase(past.visit_id, stored_at[past.visit_id], past.case)
