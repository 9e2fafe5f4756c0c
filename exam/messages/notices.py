"""Notices inside the system: to named staff or to whoever holds a permission, an inbox for each, and what was read."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound
from exam.kit.house import actor_of, house_of
from exam.messages import service
from exam.messages.facts import Audience, Channel, NoticeLine, Occasion
from exam.messages.models import InboxNotice, InboxNoticeRead, InboxNoticeUnread
from exam.staff.models import Grant, RolePermission, Staff

PAGE = 30


def notify_staff(db: Session, staff_ids: Iterable[UUID], text: str, link: str = "", visit_id: UUID | None = None) -> int:
    """Puts a notice into the inboxes of these members of staff, in the caller's transaction. Returns how many.

    `link` is a page of this system. The text is sealed at rest and stands in no event.
    """
    if link and (not link.startswith("/") or link.startswith("//") or "\\" in link):
        raise ValueError("a notice links to a page of this system")
    house, site = house_of(db), actor_of(db).site
    now = house.clock.now()
    rows = []
    for staff_id in dict.fromkeys(staff_ids):
        notice_id = house.ids.new()
        sealed = house.cipher.seal(text, f"exam_notice.text:{notice_id}")
        rows.append(
            {"id": notice_id, "site": site, "staff_id": staff_id, "visit_id": visit_id, "text": sealed, "link": link, "at": now}
        )  # fmt: skip
    insert_rows(db, InboxNotice, rows)
    insert_rows(db, InboxNoticeUnread, [{"notice_id": row["id"], "staff_id": row["staff_id"]} for row in rows])
    return len(rows)


def notify_holders(
    db: Session, permission: str, text: str, link: str = "", visit_id: UUID | None = None, department: str = ""
) -> int:
    """As `notify_staff`, to every active account of the actor's site that holds a permission (for a department, if named)."""
    return notify_staff(db, holders(db, permission, department), text, link, visit_id)


def holders(db: Session, permission: str, department: str = "") -> list[UUID]:
    """Who holds a permission at the actor's site; with a department only who holds it there."""
    wanted = (
        select(Staff.id)
        .join(Grant, (Grant.staff_id == Staff.id) & (Grant.site == Staff.site))
        .join(RolePermission, RolePermission.role == Grant.role)
        .where(Staff.site == actor_of(db).site, Staff.active, RolePermission.permission == permission)
    )
    if department:
        wanted = wanted.where(Grant.department.in_(("", department)))
    return list(db.scalars(wanted.distinct().order_by(Staff.id)))


def notify(db: Session, occasion: Occasion, staff_ids: Iterable[UUID], about: service.About, link: str = "") -> int:
    """Puts the in-app template of an occasion into inboxes; without a template in force nobody is told and 0 comes back."""
    _, text, why = service.words_for(db, occasion, Audience.DOCTOR, Channel.IN_APP, "", about)
    return 0 if why else notify_staff(db, staff_ids, text, link, about.visit_id)


# --- the inbox -------------------------------------------------------------------------------------------------------


class Inbox(msgspec.Struct, frozen=True):
    """One page of the actor's notices, newest first, and how many are unread."""

    lines: tuple[NoticeLine, ...]
    unread: int
    total: int
    page: int
    pages: int


def unread_count(db: Session) -> int:
    """How many of the actor's notices are unread."""
    wanted = select(func.count()).select_from(InboxNoticeUnread).where(InboxNoticeUnread.staff_id == actor_of(db).staff_id)
    return db.scalar(wanted) or 0


def inbox(db: Session, page: int = 1) -> Inbox:
    """The actor's own notices."""
    house, staff_id = house_of(db), actor_of(db).staff_id
    total = db.scalar(select(func.count()).select_from(InboxNotice).where(InboxNotice.staff_id == staff_id)) or 0
    pages = max(-(-total // PAGE), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(
        select(InboxNotice, InboxNoticeRead.at.label("read_at"))
        .outerjoin(InboxNoticeRead, InboxNoticeRead.notice_id == InboxNotice.id)
        .where(InboxNotice.staff_id == staff_id)
        .order_by(InboxNotice.at.desc(), InboxNotice.id.desc())
        .offset((page - 1) * PAGE)
        .limit(PAGE)
    )
    lines = tuple(
        NoticeLine(row.id, row.at, house.cipher.open(row.text, f"exam_notice.text:{row.id}"), row.link, read_at) for row, read_at in rows
    )
    return Inbox(lines, unread_count(db), total, page, pages)


def mark_read(db: Session, notice_id: UUID) -> str:
    """Marks one of the actor's notices as read; returns the page it links to."""
    row = db.scalar(select(InboxNotice).where(InboxNotice.id == notice_id, InboxNotice.staff_id == actor_of(db).staff_id))
    if row is None:
        raise NotFound("没有找到该通知", "请从通知列表中打开")
    _mark(db, InboxNoticeUnread.notice_id == row.id)
    return row.link


def mark_all_read(db: Session) -> int:
    """Marks all of the actor's notices as read; returns how many were not."""
    return _mark(db, InboxNoticeUnread.staff_id == actor_of(db).staff_id)


def _mark(db: Session, which: ColumnElement[bool]) -> int:
    # Whoever takes the rows from the unread ones writes the facts: two windows of one person do not both.
    now = house_of(db).clock.now()
    taken = db.scalars(delete(InboxNoticeUnread).where(which).returning(InboxNoticeUnread.notice_id)).all()
    insert_rows(db, InboxNoticeRead, [{"notice_id": notice_id, "at": now} for notice_id in taken])
    if taken:
        audit.note(db, "messages.read_notice", subject=f"staff:{actor_of(db).login}")
    return len(taken)
