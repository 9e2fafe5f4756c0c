"""Who may: the deny-by-default guard, the session cookie, and the checks that a request came from our own pages."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from sqlalchemy.orm import Session

from exam.kit.errors import Forbidden, NotSignedIn
from exam.kit.house import Actor
from exam.kit.module import Port

COOKIE = "__Host-session"
OPEN = "open"
"""`may=OPEN` declares a route that needs no sign-in."""
SIGNED_IN = "signed_in"
"""`may=SIGNED_IN` declares a route that every signed-in person may use, also before the first password is changed."""

AUTHENTICATE: Port[Callable[[Session, str], Actor]] = Port("who a session token belongs to; raises NotSignedIn")

CHANGE_PASSWORD_URL = "/staff/password"  # noqa: S105 - an address


async def route_must_declare_may(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The app's one guard: a route that declares nothing is closed. A plain function would cost each request a hop to a thread."""
    if not handler.opt.get("may"):
        raise Forbidden("auth.undeclared", "该功能未开放", "请联系系统管理员")


@lru_cache(maxsize=4096)
def csrf_token(key: bytes, session_id: bytes) -> str:
    """The token that this session's own pages carry; another session's does not fit."""
    return hmac.new(key, b"csrf:" + session_id, hashlib.sha256).hexdigest()


def require_same_origin(headers: Any, host: str) -> None:
    """Refuses a request that a browser says comes from another site.

    Our pages send no referrer, so a browser calls the origin of their plain forms `null`; then it must itself vouch that the
    request comes from here (no page can forge `Sec-Fetch-Site`).
    """
    site = headers.get("sec-fetch-site", "")
    origin = headers.get("origin", "")
    is_own = not origin or urlsplit(origin).netloc == host or (origin == "null" and site == "same-origin")
    if site not in ("", "same-origin", "none") or not is_own:
        raise Forbidden("auth.foreign_origin", "请求来自其他网站,已拒绝", "请在本系统页面内操作")


def require_csrf(actor: Actor, presented: str) -> None:
    """Refuses a change that does not carry this session's own token."""
    if not presented or not hmac.compare_digest(presented.encode(), actor.csrf.encode()):
        raise Forbidden("auth.csrf", "页面已过期,未执行操作", "请刷新页面后重试")


def require(actor: Actor, may: str) -> None:
    """Refuses an actor without the permission, or who still has to change the first password."""
    if may == SIGNED_IN:
        return
    if actor.must_change_password:
        raise Forbidden("auth.password_must_change", "首次登录或密码到期,请先修改密码", "请打开“修改密码”页面设置新密码")
    if not actor.may(may):
        raise Forbidden("auth.not_permitted", "您没有该操作的权限", "如需使用,请联系安全管理员授权")


def token_of(cookies: dict[str, str]) -> str:
    """The session token that a request carries. Raises NotSignedIn when there is none."""
    token = cookies.get(COOKIE, "")
    if not token or len(token) > 100:
        raise NotSignedIn
    return token
