"""Receipts that an SMS gateway posts to us: signed, recent, each counted once. What is not is refused before it is read."""

from __future__ import annotations

import hmac
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request
from litestar.concurrency import sync_to_thread
from litestar.params import JSONBody

from exam.kit import auth, json_body, web
from exam.kit.errors import Refused
from exam.kit.house import Actor, House, house_of
from exam.messages import service
from exam.messages.facts import Receipt
from interfaces.refusals import audit_refusal
from interfaces.sms_gateway import CLOCK_SECONDS, SIGNATURE_HEADER, TIMESTAMP_HEADER, setting_of, signature

MOST_BYTES = 64 * 1024


class ReceiptBody(msgspec.Struct, forbid_unknown_fields=True):
    """One receipt: the gateway's number of it, our message's number, and what became of the message."""

    receipt_id: Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern="^[A-Za-z0-9_.:-]+$")]
    id: UUID
    state: Literal["delivered", "failed"]
    code: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ReceiptAnswer(msgspec.Struct):
    """Whether the receipt was new; a known one is answered the same way, so that it need not be sent again."""

    is_new: bool


async def require_signature(request: Request[Any, Any, Any]) -> None:
    """Refuses with 401 what does not carry the gateway's own signature of this minute, before anything of it is read."""
    house: House = request.app.state.house
    content = await request.body()
    problem = _problem(house, request.headers, request.url.path, content)
    if problem:
        terminal = request.client.host if request.client else ""
        await sync_to_thread(
            audit_refusal, house, gateway_actor(house.site), terminal, "interfaces.receipt", "gateway:sms", problem
        )
        refused = Refused("interfaces.not_signed", "回执的签名无效或已过期,未采纳", "请核对密钥和网关的系统时间")
        refused.status = 401
        raise refused
    await json_body.read(request)


def _problem(house: House, headers: Any, path: str, content: bytes) -> str:
    setting, unset = setting_of(house.settings)
    if setting is None:
        return unset
    timestamp, given = headers.get(TIMESTAMP_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return "no_timestamp"
    if not hmac.compare_digest(signature(setting.key, timestamp, "POST", path, content).encode(), given.encode()):
        return "signature"
    # Within these minutes a receipt may come again: its number counts once, so a replay changes nothing.
    return "" if abs(house.clock.now().timestamp() - int(timestamp)) <= CLOCK_SECONDS else "too_old"


def gateway_actor(site: str) -> Actor:
    """The gateway, as who writes its receipts down."""
    return Actor(staff_id=None, login="gateway", name="短信网关", site=site, kind="system")


@web.post("/api/messages/receipts", may=auth.OPEN, before_request=require_signature, request_max_body_size=MOST_BYTES)
def receive(request: Request[Any, Any, Any], db: web.Db, data: JSONBody[ReceiptBody]) -> ReceiptAnswer:
    """Takes a gateway's receipt of one SMS. Signed with the shared key instead of a session."""
    house = house_of(db)
    db.info["actor"] = gateway_actor(house.site)
    receipt = Receipt(data.receipt_id, data.id, data.state == "delivered", data.code)
    return ReceiptAnswer(service.receive_receipt(db, receipt))


routes = (receive,)
