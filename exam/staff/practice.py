"""A doctor's title and specialty with the day from which they hold: changed by the system administrator, never overwritten."""

from __future__ import annotations

from datetime import date, datetime, time
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.clock import CENTRE_ZONE, day_of
from exam.kit.db import insert_rows
from exam.kit.errors import BadInput, Refused
from exam.kit.house import actor_of, house_of
from exam.staff import accounts, rules
from exam.staff.models import StaffPractice

LONGEST_SOURCE = 200


class NewPractice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody is from a day on. `source` names the document: the licence's or the certificate's number."""

    from_on: date
    source: str
    title: str = ""
    specialty: str = ""


class Practice(msgspec.Struct, frozen=True):
    """One entry of somebody's history."""

    title: str
    specialty: str
    from_on: date
    source: str
    put_by: str
    put_at: datetime


def set_practice(db: Session, staff_id: UUID, new: NewPractice) -> None:
    """Notes a title and specialty; the account carries the title of the latest day from now on.

    Refuses what is not in the lists, a day that is still to come, an entry without its document, and an administrator's account.
    """
    staff, house = accounts.get(db, staff_id), house_of(db)
    if staff.kind != "staff":
        raise Refused("staff.practice_kind", "管理员账号没有职称和执业专业", "请在业务人员账号上登记")
    problems = []
    if new.title and new.title not in rules.TITLES:
        problems.append(("title", f"没有职称“{new.title[:20]}”,请从列表中选择"))
    if new.specialty and new.specialty not in rules.SPECIALTIES:
        problems.append(("specialty", f"没有执业专业“{new.specialty[:20]}”,请从列表中选择"))
    if new.from_on > day_of(house.clock.now()):
        problems.append(("from_on", "起始日期不能晚于今天,请到生效当天再登记"))
    if not new.source.strip() or len(new.source) > LONGEST_SOURCE:
        problems.append(("source", f"请填写依据(最多 {LONGEST_SOURCE} 字),例如 资格证书或执业证书编号"))
    if problems:
        raise BadInput(problems)
    row = {
        "id": house.ids.new(), "staff_id": staff.id, "title": new.title, "specialty": new.specialty,
        "from_at": datetime.combine(new.from_on, time(), CENTRE_ZONE), "source": new.source.strip(),
        "put_by": actor_of(db).login, "put_at": house.clock.now(),
    }  # fmt: skip
    insert_rows(db, StaffPractice, [row])
    staff.title = history(db, staff.id)[0].title
    audit.note(db, "staff.practice", subject=f"staff:{staff.login}", reason=new.source.strip())


def history(db: Session, staff_id: UUID) -> tuple[Practice, ...]:
    """What somebody was and is, the latest day first; of two entries for one day the later entry."""
    wanted = select(StaffPractice).where(StaffPractice.staff_id == staff_id)
    rows = db.scalars(wanted.order_by(StaffPractice.from_at.desc(), StaffPractice.id.desc()))
    return tuple(Practice(row.title, row.specialty, day_of(row.from_at), row.source, row.put_by, row.put_at) for row in rows)
