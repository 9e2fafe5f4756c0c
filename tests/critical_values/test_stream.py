"""The live line over a real socket: an event after every commit, nothing lost on reconnecting, and it ends when it should."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from critical_values import stream
from exam.kit import auth
from exam.kit.house import House
from exam.staff import service as staff
from tests.conftest import Desk, actor_named
from tests.critical_values.cases import with_rule
from tests.fixtures import server
from tests.results.cases import arrive, enter

WAIT = 8.0


class Line:
    """One open stream, read by a thread; `next` waits for its next event."""

    def __init__(self, base: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=60)
        headers = {"cookie": f"{auth.COOKIE}={token}", "accept": "text/event-stream"}
        self._connection.request("GET", "/alerts/stream", headers=headers)
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = self._answer.headers
        self.comments = 0
        self.ended = threading.Event()
        self._events: list[tuple[str, Any]] = []
        self._news = threading.Condition()
        self._taken = 0
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    def _read(self) -> None:
        kind = ""
        with suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while line := self._answer.readline().decode():
                if line.startswith("event: "):
                    kind = line[7:].strip()
                elif line.startswith("data:") and kind:
                    with self._news:
                        self._events.append((kind, json.loads(line[5:]) if line[5:].strip() else None))
                        self._news.notify_all()
                    kind = ""
                elif line.startswith(":"):
                    self.comments += 1
        self.ended.set()
        with self._news:
            self._news.notify_all()

    def next(self) -> tuple[str, Any]:
        """The next event; fails when none comes."""
        with self._news:
            assert self._news.wait_for(lambda: len(self._events) > self._taken or self.ended.is_set(), WAIT), "no event came"
            assert len(self._events) > self._taken, "the stream ended"
            self._taken += 1
            return self._events[self._taken - 1]

    def close(self) -> None:
        """Hangs up; closing alone would wait for the thread that reads."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


@pytest.fixture
def token(house: House) -> str:
    """The session of a doctor."""
    actor = actor_named(house, "wu")
    assert actor.staff_id is not None
    with house.unit(None) as db:
        return staff.open_session(db, actor.staff_id, "test")


@contextmanager
def lines(base: str, token: str, count: int = 1) -> Iterator[list[Line]]:
    opened = [Line(base, token) for _ in range(count)]
    try:
        yield opened
    finally:
        for line in opened:
            line.close()


def until(condition: Callable[[], bool]) -> None:
    """Waits, at most some seconds, for something that another thread does."""
    ends = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        threading.Event().wait(0.02)


def test_an_event_follows_a_stored_result_at_once_and_says_nothing_of_anybody(house: House, token: str) -> None:
    with_rule(house)
    visit_id = arrive(house, actor_named(house, "lin"))
    wu = actor_named(house, "wu")
    with server.serving(house) as base, lines(base, token) as (line,):
        assert (line.status, line.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        assert line.headers["cache-control"] == "no-store"
        kind, first = line.next()
        assert (kind, first["pulse"], first["open"], first["newest_at"]) == ("alerts", 0, 0, None)
        enter(house, wu, visit_id, TEMP="41.2")
        committed = time.monotonic()
        kind, told = line.next()
        took = time.monotonic() - committed
        assert took < 1.0
        assert (told["open"], told["late"], told["urgent"]) == (1, 0, 1)
        assert told["pulse"] > first["pulse"]
        assert set(told) == {"pulse", "open", "late", "urgent", "newest_at", "turns_at"}


def test_who_comes_back_hears_what_holds_now(house: House, token: str) -> None:
    with_rule(house)
    visit_id = arrive(house, actor_named(house, "lin"))
    with server.serving(house) as base:
        with lines(base, token) as (line,):
            before = line.next()[1]
        enter(house, actor_named(house, "wu"), visit_id, TEMP="41.2")  # while nobody listens
        with lines(base, token) as (line,):
            after = line.next()[1]
    assert (after["open"], after["pulse"] > before["pulse"]) == (1, True)


def test_a_task_that_becomes_late_is_told_without_any_change(house: House, token: str) -> None:
    with_rule(house)
    visit_id = arrive(house, actor_named(house, "lin"))
    enter(house, actor_named(house, "wu"), visit_id, TEMP="41.2")
    with server.serving(house) as base, lines(base, token) as (line,):
        first = line.next()[1]
        assert (first["late"], first["turns_at"] is not None) == (0, True)
        house.clock.advance(hours=3)  # type: ignore[attr-defined]
        told = line.next()[1]
    assert (told["late"], told["pulse"]) == (1, first["pulse"])


def test_many_streams_share_one_look_out_and_hold_no_connection(house: House, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    real = stream.Lookout._read

    def counted(self: stream.Lookout, *given: Any) -> Any:
        looks.append(time.monotonic())
        return real(self, *given)

    monkeypatch.setattr(stream.Lookout, "_read", counted)
    with_rule(house)
    visit_id = arrive(house, actor_named(house, "lin"))
    with server.serving(house) as base, lines(base, token, 40) as opened:
        for line in opened:
            line.next()
        busy = threading.active_count()
        looks.clear()
        begins = time.monotonic()
        enter(house, actor_named(house, "wu"), visit_id, TEMP="41.2")
        assert [line.next()[1]["open"] for line in opened] == [1] * 40
        lasted = time.monotonic() - begins
        assert len(looks) <= lasted / stream.LOOK_SECONDS + 2
        until(lambda: house.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]
        assert threading.active_count() <= busy + 3  # no thread for each stream


def test_the_looking_stops_when_nobody_listens(house: House, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[stream.Lookout] = []
    real = stream.lookout_of

    def remembered(of: House) -> stream.Lookout:
        kept.append(real(of))
        return kept[-1]

    monkeypatch.setattr(stream, "lookout_of", remembered)
    with server.serving(house) as base:
        with lines(base, token, 3) as opened:
            for line in opened:
                line.next()
        until(lambda: kept[0].listeners == {})
        until(lambda: kept[0]._task is not None and kept[0]._task.done())
        with lines(base, token) as (line,):
            assert line.next()[0] == "alerts"  # and begins again
    assert len({id(each) for each in kept}) == 1


def test_the_server_goes_down_at_once_with_streams_open(house: House, token: str) -> None:
    with server.serving(house) as base:
        line = Line(base, token)
        line.next()
        begins = time.monotonic()
    assert time.monotonic() - begins < 3
    assert line.ended.wait(WAIT)
    line.close()


def test_a_stream_ends_by_itself_so_that_rights_are_looked_at_again(
    house: House, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STREAM_SECONDS", 0.6)
    with server.serving(house) as base, lines(base, token) as (line,):
        assert line.next()[0] == "alerts"
        assert line.next() == ("end", None)
        assert line.ended.wait(WAIT)
        with house.unit(None) as db:
            staff.end_session(db, token)
        gone = Line(base, token)
        assert gone.status in (303, 401)
        gone.close()


def test_a_quiet_line_is_kept_open_by_comments(house: House, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.1)
    with server.serving(house) as base, lines(base, token) as (line,):
        line.next()
        until(lambda: line.comments >= 3)


def test_a_database_that_cannot_be_read_ends_the_streams_and_the_next_one_begins_anew(
    house: House, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stream.Lookout._read
    broken = threading.Event()

    def sometimes(self: stream.Lookout, *given: Any) -> Any:
        if broken.is_set():
            raise OSError("the disk is gone")
        return real(self, *given)

    monkeypatch.setattr(stream.Lookout, "_read", sometimes)
    with server.serving(house) as base:
        with lines(base, token) as (line,):
            line.next()
            broken.set()
            assert line.ended.wait(WAIT)
        broken.clear()
        with lines(base, token) as (line,):
            assert line.next()[0] == "alerts"


def test_more_streams_than_can_be_held_are_sent_away_for_a_while(house: House, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_LISTENERS", 1)
    with server.serving(house) as base, lines(base, token) as (line,):
        line.next()
        second = Line(base, token)
        assert second.ended.wait(WAIT)
        second.close()


def test_a_page_that_is_no_stream_gets_a_clear_answer_and_nobody_else_any(house: House, desk: Callable[[str], Desk]) -> None:
    answer = desk("wu").get("/alerts/stream")
    assert (answer.status_code, "自动更新" in answer.text) == (406, True)
    assert desk("lin").get("/alerts/stream", headers={"accept": "text/event-stream"}).status_code == 403


def test_another_sites_change_is_no_event_here(house: House, token: str) -> None:
    from critical_values.models import AlertPulse

    with server.serving(house) as base, lines(base, token) as (line,):
        line.next()
        with house.unit(actor_named(house, "wu")) as db:
            db.add(AlertPulse(site="02", number=7))
        with house.unit(actor_named(house, "wu")) as db:
            db.add(AlertPulse(site="01", number=3))
        assert line.next()[1]["pulse"] == 3
