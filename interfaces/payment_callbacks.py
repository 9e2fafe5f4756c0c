"""Callbacks of payment gateways: checked before they are believed, stored before they are acknowledged, each counted once.

Whatever is not acknowledged comes again, on the gateway's own schedule. Nothing that a peer sends is answered with 500.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response

from billing import gateway_notices, gateway_service
from billing.ports import PAYMENT_GATEWAYS, CallbackRefused, Method
from exam.kit import auth, web
from exam.kit.errors import NotFound, Refused
from exam.kit.house import House, house_of
from interfaces.refusals import audit_refusal

MOST_BYTES = 64 * 1024
_KEPT = "interfaces.callback"


async def keep_body(request: Request[Any, Any, Any]) -> None:
    """The signature is over the bytes as they came, so they are kept as they came."""
    request.scope[_KEPT] = await request.body()  # type: ignore[literal-required]


def _take(request: Request[Any, Any, Any], house: House, method: Method) -> None:
    gateway = house.modules.provided(PAYMENT_GATEWAYS)[method]
    body: bytes = request.scope[_KEPT]  # type: ignore[literal-required]
    try:
        notice = gateway.read_callback(house, request.headers, body, house.clock.now())
        if notice is not None:
            gateway_notices.receive_notice(house, notice)
    except CallbackRefused as problem:
        actor = gateway_service.gateway_actor(house.site, method)
        terminal = request.client.host if request.client else ""
        audit_refusal(house, actor, terminal, "interfaces.payment_callback", f"gateway:{method}", problem.reason)
        refused = Refused(
            "interfaces.callback_refused", "通知的签名、时间或内容与本商户的订单不符,未采纳", "请核对商户资料与系统时间"
        )
        refused.status = 401
        raise refused from None
    except gateway_notices.UnheardOrder:
        raise NotFound("没有这笔订单", "请稍后重新通知") from None


@web.post(
    "/api/payments/wechat", may=auth.OPEN, before_request=keep_body, request_max_body_size=MOST_BYTES, write=False, status_code=200
)
def wechat(request: Request[Any, Any, Any], db: web.Db) -> Response[dict[str, str]]:
    """Takes WeChat Pay's callback about a payment or a refund. Signed by WeChat Pay instead of a session."""
    _take(request, house_of(db), Method.WECHAT)
    return Response({"code": "SUCCESS", "message": "成功"})


@web.post(
    "/api/payments/alipay", may=auth.OPEN, before_request=keep_body, request_max_body_size=MOST_BYTES, write=False, status_code=200
)
def alipay(request: Request[Any, Any, Any], db: web.Db) -> Response[str]:
    """Takes Alipay's callback about a payment or a refund. Signed by Alipay instead of a session."""
    _take(request, house_of(db), Method.ALIPAY)
    return Response("success", media_type="text/plain")


routes = (wechat, alipay)
