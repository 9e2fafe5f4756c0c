"""Every visit's present values as a case, a span at a time, and when the last of them was stored: for what must hold of all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.knowledge.facts import Case
from exam.visits.models import Visit
from exam.visits.spans import Span
from results.models import Record, Version
from results.past_cases import SPAN, VISIT_COLUMNS, cases_of


class StoredCase(msgspec.Struct, frozen=True):
    """A visit's present values as a case, and when each department's were stored."""

    visit_id: UUID
    stored_of: dict[str, datetime]
    case: Case

    @property
    def stored_at(self) -> datetime:
        """When the last values were stored."""
        return max(self.stored_of.values())


def cases_in_span(db: Session, span: Span) -> Iterator[StoredCase]:
    """Every visit of a span that has values, of all sites; two statements, and three for each two hundred visits of a site: a
    whole span's values at once would be some hundred thousand."""
    stored: dict[UUID, dict[str, datetime]] = {}
    last = select(Record.visit_id, Record.department, Version.at).join(Version, Version.id == Record.values_id)
    for visit_id, department, at in db.execute(last.where(span.holds(Record.visit_id))):
        stored.setdefault(visit_id, {})[department] = at
    by_site: dict[str, list[Any]] = {}
    for row in db.execute(select(*VISIT_COLUMNS, Visit.site).where(span.holds(Visit.id))):
        if row.id in stored:
            by_site.setdefault(row.site, []).append(row)
    for site, rows in by_site.items():
        for start in range(0, len(rows), SPAN):
            for past in cases_of(db, site, rows[start : start + SPAN]):
                yield StoredCase(past.visit_id, stored[past.visit_id], past.case)
