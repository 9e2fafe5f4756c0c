"""Screens of the recovery that takes two: the system administrator asks on the account's page, the security administrator approves."""

from __future__ import annotations

import base64
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from litestar.params import FromPath

from exam.kit import web
from exam.kit.forms import read_form
from exam.staff import accounts, recovery
from exam.staff.pages import AnyRequest, FormData


class AskForm(msgspec.Struct, forbid_unknown_fields=True):
    """What was lost: the second factor, or the password as well; and why a recovery is needed."""

    lost: Literal["code", "both"]
    reason: str


def qr_image(text: str) -> str:
    """A QR code as a `data:` address for <img>, without anything fetched from elsewhere."""
    import zxingcpp  # only this page draws, so a start need not wait for it

    drawing = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M").to_svg(scale=5)
    return "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()


def typed_secret(address: str) -> str:
    """The secret of an `otpauth:` address in groups of four, for a phone that cannot scan."""
    secret = parse_qs(urlsplit(address).query)["secret"][0]
    return " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))


@web.post("/staff/accounts/{staff_id:str}/recovery", may="staff.accounts")
def ask(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Asks for a recovery; nothing changes until another administrator approves it."""
    form = read_form(data, AskForm, {"lost": "丢失内容", "reason": "恢复原因"})
    each = web.uuid_of(staff_id)
    recovery.ask(db, each, form.lost == "both", form.reason)
    return web.back_to(db, f"/staff/accounts/{each}", toast="已申请,待安全管理员批准")


@web.post("/staff/recoveries/{recovery_id:str}/withdraw", may="staff.accounts")
def withdraw(request: AnyRequest, db: web.Db, recovery_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a request back."""
    staff_id = recovery.withdraw(db, web.uuid_of(recovery_id))
    return web.back_to(db, f"/staff/accounts/{staff_id}", toast="申请已撤回")


@web.get("/staff/recoveries", may="staff.rights")
def show_recoveries(request: AnyRequest, db: web.Db) -> web.Page:
    """The requests that wait, and the latest decided ones."""
    return web.page(db, "exam/staff_recoveries.html", requests=recovery.latest(db))


@web.post("/staff/recoveries/{recovery_id:str}/approve", may="staff.rights")
def approve(request: AnyRequest, db: web.Db, recovery_id: FromPath[str], data: FormData) -> web.Page:
    """Approves a request and shows the new second factor once."""
    staff_id, address = recovery.approve(db, web.uuid_of(recovery_id))
    account = accounts.account(db, staff_id)
    is_password_lost = recovery.of_account(db, staff_id)[0].is_password_lost
    return web.page(
        db, "exam/staff_recovered.html", account=account, image=qr_image(address), secret=typed_secret(address),
        is_password_lost=is_password_lost,
    )  # fmt: skip


@web.post("/staff/recoveries/{recovery_id:str}/refuse", may="staff.rights")
def refuse(request: AnyRequest, db: web.Db, recovery_id: FromPath[str], data: FormData) -> web.Page:
    """Turns a request down."""
    recovery.refuse(db, web.uuid_of(recovery_id))
    return web.back_to(db, "/staff/recoveries", toast="未批准")


routes = (ask, withdraw, show_recoveries, approve, refuse)
