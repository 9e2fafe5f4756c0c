"""Guesses sent side by side, sessions that end, and administrators who must not take each other over; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from exam.kit.errors import Refused
from exam.kit.house import Actor, House, system_actor
from exam.staff import accounts, credentials, service
from exam.staff.models import SignIn, SignInFailure, Staff
from tests.fixtures.houses import PASSWORD

Acting = Callable[[str], Actor]


def side_by_side(acts: list[Callable[[], Any]]) -> list[str]:
    """Runs all acts in threads that start together; returns what each came to: `done` or the code of its refusal."""
    start, found = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        start.wait()
        try:
            act()
            found.append("done")
        except Refused as refused:
            found.append(refused.code)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def failures(house: House, subject: str) -> int:
    with house.unit(None, write=False) as db:
        return db.scalar(select(func.count()).select_from(SignInFailure).where(SignInFailure.subject == subject)) or 0


def test_twelve_guesses_at_once_are_five_guesses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(12)
    plain = credentials.is_password

    def slow(stored: str, password: str) -> bool:
        together.wait(30)  # all twelve have passed the first look at the lock
        return plain(stored, password)

    monkeypatch.setattr(credentials, "is_password", slow)
    guess = [lambda: credentials.sign_in(house, "lin", "Wrong-word-71", "", "10.0.0.7")] * 12
    found = side_by_side(guess)
    assert (found.count("auth.sign_in_failed"), found.count("auth.locked")) == (5, 7)
    assert failures(house, "login:lin") == 5


def test_a_right_password_among_the_guesses_behind_the_lock_opens_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = credentials.is_password

    def others_meanwhile(stored: str, password: str) -> bool:
        with house.unit(None) as db:
            for _ in range(5):
                db.add(SignInFailure(id=house.ids.new(), subject="login:lin", at=house.clock.now(), reason="password"))
        return plain(stored, password)

    monkeypatch.setattr(credentials, "is_password", others_meanwhile)
    with pytest.raises(Refused, match="locked"):
        credentials.sign_in(house, "lin", PASSWORD, "", "10.0.0.7")


def test_twelve_codes_at_once_are_five_codes(house: House, acting: Acting) -> None:
    he = acting("he")
    found = side_by_side([lambda: service.open_signing_window(house, he, "000000", "test")] * 12)
    assert (found.count("auth.code_wrong"), found.count("auth.locked")) == (5, 7)
    assert failures(house, "code:he") == 5


def test_one_code_at_two_desks_opens_one_window(house: House, acting: Acting) -> None:
    one, two = acting("he"), acting("he")
    with house.unit(system_actor("01"), write=False) as db:
        code = accounts.present_code(db, "he")
    found = side_by_side([partial(service.open_signing_window, house, each, code, "test") for each in (one, two)])
    assert sorted(found) == ["auth.code_wrong", "done"]


def test_signing_in_again_ends_the_session_that_the_browser_carried(house: House) -> None:
    first = credentials.sign_in(house, "lin", PASSWORD, "", "test")
    credentials.sign_in(house, "lin", PASSWORD, "", "test", first.token)
    with pytest.raises(Refused, match="signed_out"), house.unit(None, write=False) as db:
        service.authenticate(db, first.token)


def test_dead_sessions_do_not_pile_up(house: House) -> None:
    for _ in range(4):
        credentials.sign_in(house, "lin", PASSWORD, "", "test")
        house.clock.advance(hours=13)  # type: ignore[attr-defined]
    with house.unit(None, write=False) as db:
        assert db.scalar(select(func.count()).select_from(SignIn)) == 1


def test_a_touch_passes_over_a_session_that_somebody_holds(house: House, acting: Acting) -> None:
    """Touches of many sessions share a transaction; if they waited for row locks, two of them could wait for each other."""
    token = credentials.sign_in(house, "lin", PASSWORD, "", "test").token
    house.clock.advance(seconds=90)  # type: ignore[attr-defined]
    with house.unit(None, write=False) as db:
        service.authenticate(db, token)
    with house.unit(None, write=False) as db:
        assert db.scalars(select(SignIn.last_seen_at)).one() == house.clock.now()
    if house.is_sqlite:
        return
    house.clock.advance(seconds=90)  # type: ignore[attr-defined]
    with house.unit(system_actor("01")) as holding:
        holding.execute(select(SignIn).with_for_update())
        with house.unit(None, write=False) as db:
            service.authenticate(db, token)
    with house.unit(None, write=False) as db:
        assert db.scalars(select(SignIn.last_seen_at)).one() == house.clock.now() - timedelta(seconds=90)


# --- three administrators ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["security", "audit"])
@pytest.mark.parametrize(
    "act", [accounts.reset_password, accounts.reset_second_factor, lambda db, it: accounts.set_active(db, it, False)]
)
def test_the_system_administrator_takes_over_neither_of_the_others(
    house: House, acting: Acting, login: str, act: Callable[[Any, Any], Any]
) -> None:
    with pytest.raises(Refused, match="other_administrator"), house.unit(acting("system")) as db:
        act(db, db.scalars(select(Staff.id).where(Staff.login == login)).one())


@pytest.mark.parametrize("kind", ["security", "audit"])
def test_the_system_administrator_makes_neither_of_the_others_but_the_server_does(house: House, acting: Acting, kind: str) -> None:
    new = accounts.NewAccount(login=f"second{kind}", name="第二人", kind=kind)
    with pytest.raises(Refused, match="other_administrator"), house.unit(acting("system")) as db:
        accounts.create(db, new)
    with house.unit(system_actor("01")) as db:
        assert accounts.create(db, new)
