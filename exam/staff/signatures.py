"""The pictures of the doctors' hand-written signatures: put, replaced, withdrawn, and never changed or lost.

A row is a fact. The newest row of an account is in force unless it was withdrawn; what a doctor signed keeps the row that was
in force then, so that a report gives the same bytes whatever is put later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.staff import accounts
from exam.staff.ink import Picture
from exam.staff.models import SignaturePicture, SignaturePictureWithdrawal, Staff

LONGEST_REASON = 200


class KeptPicture(msgspec.Struct, frozen=True):
    """One picture of an account without its bytes; `is_in_force` is the one that the next signature will carry."""

    id: UUID
    staff_id: UUID
    width: int
    height: int
    put_by: str
    put_at: datetime
    is_in_force: bool
    withdrawn_by: str = ""
    withdrawn_at: datetime | None = None
    reason: str = ""


def put(db: Session, staff_id: UUID, picture: Picture) -> UUID:
    """Keeps a picture as the one in force for an account of the actor's site; earlier ones stay for what they signed."""
    house, staff = house_of(db), _signer(db, staff_id)
    newest = db.execute(_rows().where(SignaturePicture.staff_id == staff.id).limit(1)).first()
    if newest is not None and newest.withdrawn_at is None and newest.sha256 == picture.sha256:
        raise Refused("staff.signature_same", "这张图片就是现在的签名图片,无需重复保存", "如需更换,请选择另一张图片", "file")
    if newest is not None:
        house.ids.follow(newest.id)  # the newest picture is the one with the last id, whatever the clock did meanwhile
    row = SignaturePicture(
        id=house.ids.new(), site=staff.site, staff_id=staff.id, content=picture.content, sha256=picture.sha256,
        width=picture.width, height=picture.height, put_by=actor_of(db).login, put_at=house.clock.now(),
    )  # fmt: skip
    db.add(row)
    db.flush()
    audit.note(db, "staff.put_signature_picture", subject=f"staff:{staff.login}")
    return row.id


def withdraw(db: Session, staff_id: UUID, reason: str) -> None:
    """Takes the picture in force back, with a reason: later signatures carry the printed name, earlier ones are as they were."""
    house, staff = house_of(db), _signer(db, staff_id)
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Refused("staff.signature_reason", f"撤下原因不能为空且不超过 {LONGEST_REASON} 字", "请填写原因", "reason")
    picture_id = in_force(db, staff.id)
    if picture_id is None:
        raise Refused("staff.signature_none", "该账号没有签名图片", "请刷新页面后查看")
    db.add(
        SignaturePictureWithdrawal(
            picture_id=picture_id, reason=reason, withdrawn_by=actor_of(db).login, withdrawn_at=house.clock.now()
        )
    )
    db.flush()
    audit.note(db, "staff.withdraw_signature_picture", subject=f"staff:{staff.login}", reason=reason)


def _signer(db: Session, staff_id: UUID) -> Staff:
    staff = accounts.get(db, staff_id)
    if staff.kind != "staff":
        raise Refused("staff.signature_administrator", "管理员账号不签署报告,没有签名图片", "请选择业务人员的账号")
    return staff


def _rows() -> Select:
    """Every picture without its bytes, the newest first. By their ids, which a clock that is set back does not turn round."""
    row, taken = SignaturePicture, SignaturePictureWithdrawal
    columns = select(
        row.id, row.staff_id, row.sha256, row.width, row.height, row.put_by, row.put_at, taken.withdrawn_by, taken.withdrawn_at,
        taken.reason,
    )  # fmt: skip
    return columns.outerjoin(taken, taken.picture_id == row.id).order_by(row.id.desc())


def of_account(db: Session, staff_id: UUID) -> list[KeptPicture]:
    """The pictures of an account, the newest first."""
    rows = db.execute(_rows().where(SignaturePicture.staff_id == staff_id)).all()
    return [
        KeptPicture(
            row.id, row.staff_id, row.width, row.height, row.put_by, row.put_at,
            is_in_force=place == 0 and row.withdrawn_at is None, withdrawn_by=row.withdrawn_by or "",
            withdrawn_at=row.withdrawn_at, reason=row.reason or "",
        )
        for place, row in enumerate(rows)
    ]  # fmt: skip


def in_force(db: Session, staff_id: UUID | None) -> UUID | None:
    """The picture that a signature of this account carries at this moment; None without one."""
    row = db.execute(_rows().where(SignaturePicture.staff_id == staff_id).limit(1)).first() if staff_id else None
    return row.id if row is not None and row.withdrawn_at is None else None


def content(db: Session, staff_id: UUID, picture_id: UUID) -> bytes:
    """One picture of an account of the actor's site, also one that is no longer in force."""
    found = db.get(SignaturePicture, picture_id)
    if found is None or found.staff_id != staff_id or found.site != actor_of(db).site:
        raise NotFound("没有这张签名图片", "请刷新页面后查看")
    return bytes(found.content)


def contents(db: Session, ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """The pictures of these ids, for what was signed with them."""
    wanted = set(ids)
    if not wanted:
        return {}
    rows = db.execute(select(SignaturePicture.id, SignaturePicture.content).where(SignaturePicture.id.in_(wanted)))
    return {row.id: bytes(row.content) for row in rows}


def owners(db: Session) -> dict[UUID, UUID]:
    """Whose each picture is: a few for each doctor, for checks of the whole database."""
    return {row.id: row.staff_id for row in db.execute(select(SignaturePicture.id, SignaturePicture.staff_id))}


def breaches(db: Session) -> Iterator[str]:
    """Every picture is the one that was put: its bytes have the digest that was stored with them."""
    columns = select(SignaturePicture.id, SignaturePicture.content, SignaturePicture.sha256)
    for row in db.execute(columns.execution_options(yield_per=50)):
        if hashlib.sha256(bytes(row.content)).hexdigest() != row.sha256:
            yield f"signature picture {row.id}: its bytes are not the ones whose digest is stored"
