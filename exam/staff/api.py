"""Signing in for programs: the same rules as the screens, with JSON in and out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.params import JSONBody

from exam.kit import auth, web
from exam.kit.house import actor_of, house_of
from exam.staff import credentials, service
from exam.staff.cookies import change_own_password, clear_session_cookie, open_window, set_session_cookie

AnyRequest = Request[Any, Any, Any]


class SignInBody(msgspec.Struct, forbid_unknown_fields=True):
    """Name, password and, for administrators, the second-factor code."""

    login: str
    password: str
    code: str = ""


class OtherSession(msgspec.Struct):
    """Where else the account is signed in: since when, last seen, from which address."""

    since: datetime
    last_seen_at: datetime
    terminal: str


class SignedInAnswer(msgspec.Struct):
    """The session is in the cookie; `csrf` goes into the header `X-CSRF-Token` of every change.

    `password_days_left` is None until the password's last days. While `must_change_password` holds, only `/api/password`,
    `/api/me` and `/api/sign-out` answer.
    """

    csrf: str
    name: str
    must_change_password: bool
    password_days_left: int | None
    other_sessions: list[OtherSession]


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True):
    """One's own password: the old one and the new one, at most 256 characters each."""

    old: Annotated[str, msgspec.Meta(max_length=256)]
    password: Annotated[str, msgspec.Meta(max_length=256)]


class Me(msgspec.Struct):
    """Who is signed in, with the rights of this moment; `signing_until` is None while the signing window is closed."""

    login: str
    name: str
    title: str
    kind: str
    site: str
    csrf: str
    permissions: list[str]
    must_change_password: bool
    signing_until: datetime | None


class CodeBody(msgspec.Struct, forbid_unknown_fields=True):
    """A second-factor code."""

    code: str


class SigningAnswer(msgspec.Struct):
    """Until when signatures may be made."""

    until: datetime


class Done(msgspec.Struct):
    """Nothing more to tell."""

    done: bool = True


@web.post("/api/sign-in", may=auth.OPEN)
def sign_in(request: AnyRequest, db: web.Db, data: JSONBody[SignInBody]) -> Response[SignedInAnswer]:
    """Opens a session. `db` stays untouched: the service opens its own units of work."""
    made = credentials.sign_in(
        house_of(db), data.login, data.password, data.code, db.info["terminal"], request.cookies.get(auth.COOKIE, "")
    )
    return _with_cookie(made)


@web.post("/api/password", may=auth.SIGNED_IN)
def change_password(request: AnyRequest, db: web.Db, data: JSONBody[PasswordBody]) -> Response[SignedInAnswer]:
    """Changes one's own password, a first one or an expired one too; every session ends, and the cookie carries a new one."""
    return _with_cookie(change_own_password(db, data.old, data.password))


def _with_cookie(made: credentials.SignedIn) -> Response[SignedInAnswer]:
    others = [OtherSession(each.created_at, each.last_seen_at, each.terminal) for each in made.others]
    answer = SignedInAnswer(made.csrf, made.name, made.must_change_password, made.password_days_left, others)
    response = Response(answer)
    set_session_cookie(response, made.token)
    return response


@web.post("/api/sign-out", may=auth.SIGNED_IN)
def sign_out(request: AnyRequest, db: web.Db) -> Response[Done]:
    """Ends the session on the server."""
    service.sign_out(db)
    response = Response(Done())
    clear_session_cookie(response)
    return response


@web.get("/api/me", may=auth.SIGNED_IN)
def me(request: AnyRequest, db: web.Db) -> Me:
    """Who is signed in."""
    actor = actor_of(db)
    return Me(
        login=actor.login, name=actor.name, title=actor.title, kind=actor.kind, site=actor.site, csrf=actor.csrf,
        permissions=sorted(actor.permissions), must_change_password=actor.must_change_password,
        signing_until=service.signing_until(db),
    )  # fmt: skip


@web.post("/api/signing-window", may=auth.SIGNED_IN)
def open_signing(request: AnyRequest, db: web.Db, data: JSONBody[CodeBody]) -> SigningAnswer:
    """Opens the signing window of this session."""
    return SigningAnswer(until=open_window(db, data.code))


routes = (sign_in, change_password, sign_out, me, open_signing)
