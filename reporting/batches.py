"""Issuing many reports in the background, and by itself after the final signature where a site wants that."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ScalarSelect, Select, func, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from chief_review.facts import ReviewFinalized
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused, Stale, trace_of
from exam.kit.events import announce
from exam.kit.house import Actor, House, actor_of, house_of, system_actor
from exam.visits import service as visits
from exam.visits.models import Visit
from reporting import queries, sealing, service
from reporting.facts import IssueAsked
from reporting.models import IssueRequest, ReportFact, Setting

log = logging.getLogger("reporting.batches")

MOST_IN_BATCH = 500
MOST_IN_ROUND = 20
"""How many reports the worker issues before it looks after its other tasks, about two seconds of work."""

WAITING = "waiting"

PASSING = (Stale, StaleDataError, OperationalError, InterfaceError, NoConnectionFree, OSError)
"""Somebody else wrote this visit, the database was not there or had no connection free, or the disk was in trouble."""

FULL = "space.full"
FAULTS = {
    errno.ENOSPC: "磁盘空间不足", errno.EDQUOT: "磁盘空间不足", errno.EROFS: "磁盘为只读", errno.EIO: "磁盘读写出错",
    errno.EACCES: "没有读写权限", errno.EPERM: "没有读写权限", errno.ENOENT: "文件缺失",
}  # fmt: skip
"""What kept the files of a report from being read or written, by the number of the system's error."""


class RequestLine(msgspec.Struct, frozen=True):
    """One visit of a batch: waiting, done or refused, and in words what came of it or keeps it waiting."""

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
    def held_up(self) -> int:
        """How many lines wait because issuing failed; the worker goes on trying."""
        return sum(line.state == WAITING and bool(line.text) for line in self.lines)

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
    wanted = list(dict.fromkeys(visit_ids))
    if not wanted:
        raise Refused("reporting.batch_empty", "没有选择任何报告", "请在列表中勾选要发布的受检者", "visit_no")
    if len(wanted) > MOST_IN_BATCH:
        raise Refused("reporting.batch_large", f"一次最多发布 {MOST_IN_BATCH} 份报告", "请分批发布", "visit_no")
    if len(visits.cards(db, wanted)) != len(wanted):
        raise NotFound("所选报告中有不存在的体检号", "请刷新列表后重新选择")
    batch_id = _ask(db, wanted)
    audit.note(db, "reporting.issue_many", subject=f"batch:{batch_id}")
    return batch_id


def _ask(db: Session, visit_ids: Sequence[UUID]) -> UUID:
    house, actor = house_of(db), actor_of(db)
    batch_id, now = house.ids.new(), house.clock.now()
    rows: list[dict[str, Any]] = [
        {"id": house.ids.new(), "batch_id": batch_id, "visit_id": visit_id, "site": actor.site, "state": "waiting", "text": "",
         "asked_by": actor.staff_id, "asked_by_login": actor.login, "asked_by_name": actor.name, "asked_at": now, "done_at": None}
        for visit_id in visit_ids
    ]  # fmt: skip
    insert_rows(db, IssueRequest, rows)
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


class Issuing(msgspec.Struct, frozen=True):
    """How issuing goes at a site: by itself or not, how many requests wait because it failed, and why the last of them does."""

    is_automatic: bool
    held_up: int
    fault: str


def issuing(db: Session) -> Issuing:
    """How issuing goes at the actor's site; one statement."""
    site = actor_of(db).site
    failed = _failed(site)
    count = select(func.count()).select_from(failed.subquery()).scalar_subquery()
    chosen = select(Setting.is_issued_automatically).where(Setting.site == site).scalar_subquery()
    found = db.execute(select(chosen, count, _last(failed))).one()
    return Issuing(bool(found[0]), found[1], found[2] or "")


def fault_of(db: Session, visit_id: UUID) -> str:
    """Why the last request of a visit waits although issuing was tried; empty when none does."""
    return db.scalar(select(_last(_failed(actor_of(db).site).where(IssueRequest.visit_id == visit_id)))) or ""


def _failed(site: str) -> Select[Any]:
    return select(IssueRequest.text).where(
        IssueRequest.state == WAITING, IssueRequest.text != "", IssueRequest.site == site
    )


def _last(failed: Select[Any]) -> ScalarSelect[Any]:
    return failed.order_by(IssueRequest.id.desc()).limit(1).scalar_subquery()


# --- the worker's part -----------------------------------------------------------------------------------------------


def issue_waiting(house: House) -> None:
    """Issues reports that were asked for, each visit in units of its own: drawn and sealed while nobody waits for the writer,
    then stored in a short one together with the word that it is done.

    Whatever ends this process leaves a request waiting or dealt with, never between. A round takes a few requests only, so
    that one large batch does not keep the worker's other tasks waiting. What failed in the last round comes after the others.
    """
    with house.unit(system_actor(house.site), write=False) as db:
        table = IssueRequest.__table__
        # What was re-reviewed goes before the others (OTH-3).
        order = (table.c.text != "", queries.was_rereviewed(table.c.visit_id).desc(), table.c.id)
        requests = db.execute(select(table).where(table.c.state == WAITING).order_by(*order).limit(MOST_IN_ROUND)).all()
    for request in requests:
        _issue_one(house, request)


def _issue_one(house: House, request: Any) -> None:
    actor = _asker(request)
    try:
        with house.unit(actor, write=False) as db:
            prepared = service.prepare(db, request.visit_id, lock=False)
        with house.unit(actor) as db:
            if (row := _take(db, request.id)) is None:
                return
            _require_untouched(db, row)
            issued = service.record_unchanged(db, prepared)
            _settle(db, row, "done", f"已发布第 {issued.number} 版{missing_text(issued.missing_characters)}")
    except PASSING as passing:
        # The request waits, and the next round draws anew.
        log.info("a report waits for the next round: %s", type(passing).__name__)
        if isinstance(passing, OSError) and not isinstance(passing, TimeoutError):  # a busy database is no broken disk
            _hold_up(house, request, _fault_text(house, passing))
    except Refused as refused:
        if refused.code == FULL:
            _hold_up(house, request, FAULTS[errno.ENOSPC])
            return
        log.warning("a report was refused: %s", refused.code)
        _refuse(house, request, f"{refused.text}。{refused.hint}")
    except Exception as error:
        # One report that cannot be drawn must not keep all later ones from being issued.
        log.error("a report could not be issued\n%s", trace_of(error))
        _refuse(house, request, "生成报告时系统出错。请联系系统管理员,排除后重新发布")


def _fault_text(house: House, fault: OSError) -> str:
    """What a fault of the disk means to somebody who can mend it: what it concerns and what is wrong. No path of the server."""
    concerned = fault.filename if isinstance(fault.filename, str) else ""
    what = "电子章" if concerned.startswith(str(sealing.folder_of(house))) else "报告文件"
    return f"{what}{FAULTS.get(fault.errno or 0, '无法读写')}"


def _hold_up(house: House, request: Any, fault: str) -> None:
    """Writes down why a request still waits, once for each reason. Where even that cannot be written, the log has it."""
    text = f"发布失败:{fault}。系统每隔几秒自动重试,无需重新申请;请联系系统管理员排除故障"
    if request.text == text:
        return
    log.error("a report cannot be issued and is tried again and again: %s", fault)
    try:
        # The house's own work: it may still write a little when people may not any more.
        with house.unit(system_actor(request.site)) as db:
            if (row := _take(db, request.id)) is not None:
                row.text = text
    except (*PASSING, Refused) as also:
        log.warning("why a report waits could not be stored: %s", type(also).__name__)


def _asker(request: Any) -> Actor:
    if request.asked_by is None:
        return system_actor(request.site)
    return Actor(staff_id=request.asked_by, login=request.asked_by_login, name=request.asked_by_name, site=request.site)


def _take(db: Session, request_id: UUID) -> IssueRequest | None:
    """The request's row, held until the unit ends; None when another worker has dealt with it."""
    wanted = select(IssueRequest).where(IssueRequest.id == request_id, IssueRequest.state == WAITING)
    return db.scalar(wanted.with_for_update())


def _require_untouched(db: Session, request: IssueRequest) -> None:
    """Refuses a request that the visit's report has overtaken: what was recalled since is not issued again by an old wish."""
    visits.get_row(db, request.visit_id, lock=True)
    later = select(ReportFact.id).where(ReportFact.visit_id == request.visit_id, ReportFact.at > request.asked_at)
    if db.scalar(later.limit(1)) is not None:
        raise Refused("reporting.overtaken", "申请之后报告已发布或撤回", "请重新申请")


def _settle(db: Session, row: IssueRequest, state: str, text: str) -> None:
    row.state, row.text, row.done_at = state, text, house_of(db).clock.now()


def _refuse(house: House, request: Any, text: str) -> None:
    """What is refused is shown with its reason, not tried again."""
    with house.unit(_asker(request)) as db:
        if (row := _take(db, request.id)) is not None:
            _settle(db, row, "refused", text)


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
    """After the final signature: asks for the report where the site wants that. What is refused waits in the list."""
    db.info["actor"] = system_actor(event.site)
    if is_issued_automatically(db):
        _ask(db, [event.visit_id])
