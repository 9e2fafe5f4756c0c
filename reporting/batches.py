"""Issuing many reports in the background, and by itself after the final signature where a site wants that."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from chief_review.facts import ReviewFinalized
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import Actor, actor_of, house_of, system_actor
from exam.visits import service as visits
from exam.visits.models import Visit
from reporting import service
from reporting.facts import IssueAsked
from reporting.models import IssueRequest, Setting

log = logging.getLogger("reporting.batches")

MOST_IN_BATCH = 500


class RequestLine(msgspec.Struct, frozen=True):
    """One visit of a batch: waiting, done or refused, and in words what came of it."""

    visit_no: str
    person_name: str
    state: str
    text: str
    done_at: datetime | None


class Batch(msgspec.Struct, frozen=True):
    """A batch with its progress."""

    id: UUID
    asked_by: str
    asked_at: datetime
    lines: tuple[RequestLine, ...]

    def count(self, state: str) -> int:
        """How many lines are in a state."""
        return sum(line.state == state for line in self.lines)

    @property
    def is_finished(self) -> bool:
        """Whether nothing waits any more."""
        return not self.count("waiting")

    @property
    def percent(self) -> int:
        """How much is dealt with, in percent."""
        return 100 * (len(self.lines) - self.count("waiting")) // max(len(self.lines), 1)


def issue_many(db: Session, visit_ids: Sequence[UUID]) -> UUID:
    """Asks for many reports at once; the worker issues them one by one, each in its own transaction. Returns the batch."""
    house, actor = house_of(db), actor_of(db)
    wanted = list(dict.fromkeys(visit_ids))
    if not wanted:
        raise Refused("reporting.batch_empty", "没有选择任何报告", "请在列表中勾选要发布的受检者", "visit_no")
    if len(wanted) > MOST_IN_BATCH:
        raise Refused("reporting.batch_large", f"一次最多发布 {MOST_IN_BATCH} 份报告", "请分批发布", "visit_no")
    if len(visits.cards(db, wanted)) != len(wanted):
        raise NotFound("所选报告中有不存在的体检号", "请刷新列表后重新选择")
    batch_id, now = house.ids.new(), house.clock.now()
    rows: list[dict[str, Any]] = [
        {"id": house.ids.new(), "batch_id": batch_id, "visit_id": visit_id, "site": actor.site, "state": "waiting", "text": "",
         "asked_by": actor.staff_id, "asked_by_login": actor.login, "asked_by_name": actor.name, "asked_at": now, "done_at": None}
        for visit_id in wanted
    ]  # fmt: skip
    insert_rows(db, IssueRequest, rows)
    audit.note(db, "reporting.issue_many", subject=f"batch:{batch_id}")
    for row in rows:
        announce(db, IssueAsked(row["visit_id"], actor.site, row["id"]))
    return batch_id


def batch(db: Session, batch_id: UUID) -> Batch:
    """A batch of the actor's site; one statement."""
    rows = db.execute(
        select(IssueRequest, Visit.visit_no, Visit.person_name)
        .join(Visit, Visit.id == IssueRequest.visit_id)
        .where(IssueRequest.batch_id == batch_id, IssueRequest.site == actor_of(db).site)
        .order_by(IssueRequest.id)
    ).all()
    if not rows:
        raise NotFound("没有这一批发布", "请从报告列表重新发布")
    lines = tuple(
        RequestLine(visit_no, person_name, request.state, request.text, request.done_at) for request, visit_no, person_name in rows
    )
    return Batch(batch_id, rows[0][0].asked_by_name, rows[0][0].asked_at, lines)


def on_issue_asked(db: Session, event: IssueAsked) -> None:
    """Issues one report of a batch for the person who asked. What is refused is shown with its reason, not tried again."""
    request = db.get_one(IssueRequest, event.request_id)
    if request.state != "waiting":
        return
    db.info["actor"] = Actor(
        staff_id=request.asked_by, login=request.asked_by_login, name=request.asked_by_name, site=request.site
    )
    request.done_at = house_of(db).clock.now()
    try:
        prepared = service.prepare(db, event.visit_id)
    except Refused as refused:
        request.state, request.text = "refused", f"{refused.text}。{refused.hint}"
        return
    issued = service.record(db, prepared)
    request.state, request.text = "done", f"已发布第 {issued.number} 版{missing_text(issued.missing_characters)}"


def missing_text(characters: str) -> str:
    """A word about characters that no font has, or nothing."""
    return f",字体缺字:{characters}(显示为方框,请核对)" if characters else ""


# --- by itself -------------------------------------------------------------------------------------------------------


def is_issued_automatically(db: Session) -> bool:
    """Whether this site issues a report as soon as the final signature is given. Off until somebody turns it on."""
    row = db.get(Setting, actor_of(db).site)
    return row is not None and row.is_issued_automatically


def set_issued_automatically(db: Session, is_on: bool) -> None:
    """Turns issuing by itself on or off for the actor's site."""
    site = actor_of(db).site
    row = db.get(Setting, site)
    if row is None:
        db.add(Setting(site=site, is_issued_automatically=is_on, ver=1))
    else:
        row.is_issued_automatically = is_on
    audit.note(db, "reporting.issue_automatically", subject=f"site:{site}", reason="开启" if is_on else "关闭")


def on_review_finalized(db: Session, event: ReviewFinalized) -> None:
    """After the final signature: issues the report where the site wants that. What is refused waits in the list."""
    db.info["actor"] = system_actor(event.site)
    if not is_issued_automatically(db):
        return
    try:
        prepared = service.prepare(db, event.visit_id)
    except Refused as refused:
        log.warning("a report was not issued by itself: %s", refused.code)
        return
    service.record(db, prepared)
