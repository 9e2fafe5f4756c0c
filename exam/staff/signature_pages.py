"""The picture of a doctor's signature: looked at and put on the account's page by the system administrator, shown to the doctor."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import msgspec
from litestar import Response
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from exam.kit import auth, web
from exam.kit.errors import BadInput, NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.staff import accounts, ink, signatures
from exam.staff.pages import AnyRequest, FormData

FileData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]


class WithdrawForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why a picture is taken back."""

    reason: str


def _picture(data: dict[str, Any]) -> ink.Picture:
    upload = data.get(ink.FIELD)
    if not isinstance(upload, UploadFile) or not upload.filename:
        raise BadInput([(ink.FIELD, "签名图片:请选择 PNG 或 JPEG 文件")])
    return ink.normalised(upload.file.read(ink.MOST_BYTES + 1))


@web.post("/staff/accounts/{staff_id:str}/signature/preview", may="staff.accounts", write=False)
def preview(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FileData) -> web.Page:
    """The chosen picture as it would be kept and printed; nothing is stored."""
    account, picture = accounts.account(db, web.uuid_of(staff_id)), _picture(data)
    image = "data:image/png;base64," + base64.b64encode(picture.content).decode()
    return web.page(db, "exam/staff_signature_preview.html", account=account, image=image)


@web.post("/staff/accounts/{staff_id:str}/signature", may="staff.accounts", write=False)
def put(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FileData) -> web.Page:
    """Keeps the chosen picture. It is worked out before the unit that writes: no writer waits for a photograph."""
    each, picture = web.uuid_of(staff_id), _picture(data)
    with house_of(db).unit(actor_of(db)) as later:
        later.info.update({name: db.info[name] for name in ("act", "terminal", "correlation") if name in db.info})
        signatures.put(later, each, picture)
    return web.back_to(db, f"/staff/accounts/{each}", toast="签名图片已保存,下一次签名起使用")


@web.post("/staff/accounts/{staff_id:str}/signature/withdraw", may="staff.accounts")
def withdraw(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Takes the picture in force back."""
    each = web.uuid_of(staff_id)
    signatures.withdraw(db, each, read_form(data, WithdrawForm, {"reason": "撤下原因"}).reason)
    return web.back_to(db, f"/staff/accounts/{each}", toast="签名图片已撤下")


@web.get("/staff/accounts/{staff_id:str}/signature/{picture_id:str}", may="staff.accounts")
def show(request: AnyRequest, db: web.Db, staff_id: FromPath[str], picture_id: FromPath[str]) -> Response[bytes]:
    """One picture of an account, also one that is no longer in force."""
    content = signatures.content(db, web.uuid_of(staff_id), web.uuid_of(picture_id))
    return web.download(content, "签名图片.png", "image/png", inline=True)


@web.get("/staff/signing/picture", may=auth.SIGNED_IN)
def show_own(request: AnyRequest, db: web.Db) -> Response[bytes]:
    """The picture that one's own next signature carries."""
    actor = actor_of(db)
    picture_id = signatures.in_force(db, actor.staff_id)
    if actor.staff_id is None or picture_id is None:
        raise NotFound("您还没有签名图片", "请联系系统管理员上传")
    return web.download(signatures.content(db, actor.staff_id, picture_id), "签名图片.png", "image/png", inline=True)


routes = (preview, put, withdraw, show, show_own)
