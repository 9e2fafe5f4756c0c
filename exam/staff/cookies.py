"""What screens and JSON of signing in share: the session's cookie, and what has to be written though the request is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Response
from sqlalchemy.orm import Session

from exam.kit import auth
from exam.kit.house import actor_of, house_of
from exam.staff import credentials, service
from exam.staff.credentials import SignedIn


def set_session_cookie(response: Response[Any], token: str) -> None:
    """Gives the browser the session's token; it ends with the browser, and on the server after its limits."""
    response.set_cookie(key=auth.COOKIE, value=token, path="/", httponly=True, secure=True, samesite="lax")


def clear_session_cookie(response: Response[Any]) -> None:
    """Takes the token back. A `__Host-` cookie is only replaced by one with the same attributes."""
    response.set_cookie(key=auth.COOKIE, value="", max_age=0, path="/", httponly=True, secure=True, samesite="lax")


def open_window(db: Session, code: str) -> datetime:
    """Opens the actor's signing window; returns until when.

    Lets go of this request's write lock first, nothing being written yet: a wrong code must stay counted though the
    request is refused, so the service writes it in a unit of its own.
    """
    actor, terminal = actor_of(db), db.info["terminal"]
    db.rollback()
    return service.open_signing_window(house_of(db), actor, code, terminal)


def change_own_password(db: Session, old: str, new: str) -> SignedIn:
    """Changes the actor's own password and opens a new session; lets go of the write lock first, as `open_window` does."""
    actor, terminal = actor_of(db), db.info["terminal"]
    db.rollback()
    return credentials.change_password(house_of(db), actor, old, new, terminal)
