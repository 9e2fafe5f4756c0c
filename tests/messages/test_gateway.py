"""The SMS gateway over a real socket: a peer process that refuses, delays, loses its answers, and posts receipts to a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar.testing import TestClient
from sqlalchemy import select

from exam.app import make_house
from exam.kit.audit import Audit
from exam.kit.house import House
from exam.messages import delivery
from exam.messages.facts import ConsentKind, DeliveryState, Occasion
from exam.messages.models import Message
from interfaces import sms_gateway
from interfaces.sms_gateway import Setting, setting_of, signature
from tests.conftest import actor_named
from tests.fixtures import houses
from tests.fixtures.server import serving
from tests.house.test_privacy import contents_of
from tests.messages.cases import CENTRE_PHONE, facts_of, person_of, queued, row_of, set_up

KEY = "5f" * 32
ROOT = Path(__file__).parents[2]


class ShiftedClock:
    """The machine's clock, moved on by a test: both sides of a signed exchange must know the same time within five minutes."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC) + self.offset


class Peer:
    """The gateway's process."""

    def __init__(self, key: Path, receipts_url: str = "", port: int = 0) -> None:
        command = [sys.executable, "-m", "exam.cli", "rehearse-sms", "--port", str(port), "--key", str(key), "--receipts-url", receipts_url]
        environment = {**os.environ, "EXAM_PLUGINS": "rehearsal", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split(" ")[1].strip()
        self.port = int(self.url.rpartition(":")[2])

    def behave(self, **behaviour: Any) -> None:
        assert httpx.post(f"{self.url}/control", json=behaviour, trust_env=False).status_code == 200

    def stored(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/stored", trust_env=False).json()["messages"]
        return found

    def receipt(self, message_id: UUID, state: str = "delivered") -> int:
        answer = httpx.post(f"{self.url}/control/receipt", json={"id": str(message_id), "state": state}, trust_env=False, timeout=20)
        return int(answer.json()["status"])

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "sms.key"
    path.write_text(KEY + "\n")
    return path


@pytest.fixture
def clock(sqlite_house: House) -> ShiftedClock:
    """The house on the machine's own clock."""
    put = ShiftedClock()
    sqlite_house.clock = put
    return put


@pytest.fixture
def peer(sqlite_house: House, clock: ShiftedClock, key: Path) -> Iterator[Peer]:
    """A gateway, and the house served and set up for it. Receipts come only when a test says so."""
    with serving(sqlite_house) as base:
        started = Peer(key, f"{base}/api/messages/receipts")
        started.behave(receipts="never")
        set_up(sqlite_house, sms_url=started.url, sms_key=str(key))
        try:
            yield started
        finally:
            started.end()


def put_down(house: House, occasion: Occasion = Occasion.CRITICAL) -> UUID:
    """An urgent message: it goes out at whatever hour the tests run."""
    lin = actor_named(house, "lin")
    return queued(house, lin, occasion, person_of(house, lin)).message_id


def until(holds: Callable[[], bool]) -> None:
    """Waits for what another process is about to do, at most ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        threading.Event().wait(0.02)


# --- the exchange ----------------------------------------------------------------------------------------------------


def test_an_sms_goes_out_and_its_receipt_comes_back(sqlite_house: House, peer: Peer) -> None:
    peer.behave(receipts="once")
    message_id = put_down(sqlite_house)
    assert delivery.send_due(sqlite_house) == 1
    [stored] = peer.stored()
    assert (stored["id"], stored["phone"], stored["posts"]) == (str(message_id), "13800138000", 1)
    assert stored["text"] == f"韦先生您好,您的体检结果有重要异常,需尽快复查就诊,请立即联系健康体检中心,电话{CENTRE_PHONE}"
    until(lambda: row_of(sqlite_house, message_id).state == DeliveryState.DELIVERED)
    assert row_of(sqlite_house, message_id).reference == stored["reference"]


def test_a_lost_answer_is_unknown_until_the_receipt_and_is_never_a_second_sms(sqlite_house: House, peer: Peer) -> None:
    peer.behave(mode="drop", receipts="never")
    message_id = put_down(sqlite_house)
    delivery.send_due(sqlite_house)
    assert row_of(sqlite_house, message_id).state == DeliveryState.UNKNOWN
    assert delivery.send_due(sqlite_house) == 0
    assert peer.receipt(message_id) == 200
    assert row_of(sqlite_house, message_id).state == DeliveryState.DELIVERED
    assert [stored["posts"] for stored in peer.stored()] == [1]


@pytest.mark.parametrize("mode", ["drop", "fault"])
def test_of_a_lost_answer_the_gateway_is_asked(sqlite_house: House, clock: ShiftedClock, peer: Peer, mode: str) -> None:
    peer.behave(mode=mode, receipts="never")
    message_id = put_down(sqlite_house)
    delivery.send_due(sqlite_house)
    assert row_of(sqlite_house, message_id).state == DeliveryState.UNKNOWN
    peer.behave(receipts="never")
    clock.offset = timedelta(seconds=121)
    delivery.send_due(sqlite_house)
    assert row_of(sqlite_house, message_id).state == DeliveryState.SENT
    assert [stored["posts"] for stored in peer.stored()] == [1]


def test_a_slow_answer_is_given_up_and_found_again(
    sqlite_house: House, clock: ShiftedClock, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interfaces.sms_gateway.TIMEOUT_SECONDS", 0.3)
    peer.behave(mode="delay", seconds=3, receipts="never")
    message_id = put_down(sqlite_house)
    delivery.send_due(sqlite_house)
    assert row_of(sqlite_house, message_id).state == DeliveryState.UNKNOWN
    clock.offset = timedelta(seconds=121)
    delivery.send_due(sqlite_house)
    assert row_of(sqlite_house, message_id).state == DeliveryState.SENT


def test_refused_busy_and_badly_signed_are_told_apart(sqlite_house: House, clock: ShiftedClock, peer: Peer, tmp_path: Path) -> None:
    lin = actor_named(sqlite_house, "lin")
    person = person_of(sqlite_house, lin)
    expected = {"refuse": ("failed", "BLACKLIST"), "busy": ("waiting", "busy")}
    for mode, outcome in expected.items():
        peer.behave(mode=mode)
        put = queued(sqlite_house, lin, Occasion.CRITICAL, person)
        delivery.send_due(sqlite_house)
        row = row_of(sqlite_house, put.message_id)
        assert (row.state, row.why) == outcome
    other = tmp_path / "other.key"
    other.write_text("6f" * 32)
    set_up(sqlite_house, sms_key=str(other))
    put = queued(sqlite_house, lin, Occasion.CRITICAL, person)
    delivery.send_due(sqlite_house)
    row = row_of(sqlite_house, put.message_id)
    assert (row.state, row.why) == ("waiting", "not_authorised")
    assert peer.stored() == []


def test_the_same_receipt_twice_counts_once(sqlite_house: House, peer: Peer) -> None:
    message_id = put_down(sqlite_house)
    delivery.send_due(sqlite_house)
    assert [peer.receipt(message_id), peer.receipt(message_id)] == [200, 200]
    assert [kind for kind, _ in facts_of(sqlite_house, message_id)].count("deliver") == 1
    assert peer.receipt(message_id, "failed") == 200
    assert row_of(sqlite_house, message_id).state == DeliveryState.DELIVERED


def test_a_failed_receipt_is_a_failure_with_the_carriers_code(sqlite_house: House, peer: Peer) -> None:
    message_id = put_down(sqlite_house)
    delivery.send_due(sqlite_house)
    assert peer.receipt(message_id, "failed") == 200
    row = row_of(sqlite_house, message_id)
    assert (row.state, row.why) == (DeliveryState.FAILED, "UNDELIV")


def test_a_gateway_that_is_down_loses_nothing_over_a_restart(sqlite_house: House, clock: ShiftedClock, key: Path) -> None:
    first = Peer(key)
    port = first.port
    first.end()
    set_up(sqlite_house, sms_url=f"http://127.0.0.1:{port}", sms_key=str(key))
    message_id = put_down(sqlite_house)
    delivery.send_due(sqlite_house)
    row = row_of(sqlite_house, message_id)
    assert (row.state, row.why, row.tries) == ("waiting", "unreachable", 1)
    again = make_house(sqlite_house.settings, clock=clock)
    sqlite_house.engine.dispose()
    peer = Peer(key, port=port)
    try:
        assert delivery.send_due(again) == 0, "its time has not come"
        clock.offset = timedelta(seconds=16)
        assert delivery.send_due(again) == 1
        assert [stored["posts"] for stored in peer.stored()] == [1]
        assert row_of(again, message_id).state == DeliveryState.SENT
    finally:
        peer.end()
        again.engine.dispose()


def test_a_worker_killed_while_it_waits_for_the_answer_sends_no_second_sms(
    sqlite_house: House, clock: ShiftedClock, peer: Peer, tmp_path: Path
) -> None:
    peer.behave(mode="delay", seconds=60, receipts="never")
    message_id = put_down(sqlite_house)
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "EXAM_HOME": str(tmp_path / "home"), "EXAM_KEYS": str(sqlite_house.keys.folder),
        "EXAM_SMS_URL": peer.url, "EXAM_SMS_KEY": sqlite_house.settings.sms_key, "EXAM_CENTRE_PHONE": CENTRE_PHONE,
        "EXAM_PLUGINS": ",".join(houses.plugins),
    }  # fmt: skip
    worker = subprocess.Popen([sys.executable, "-m", "exam.cli", "worker"], cwd=ROOT, env=environment)
    try:
        until(lambda: [stored["posts"] for stored in peer.stored()] == [1])
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
    assert row_of(sqlite_house, message_id).state == DeliveryState.UNKNOWN
    peer.behave(receipts="never")
    clock.offset = timedelta(seconds=121)
    delivery.send_due(sqlite_house)
    assert row_of(sqlite_house, message_id).state == DeliveryState.SENT
    assert peer.receipt(message_id) == 200
    assert row_of(sqlite_house, message_id).state == DeliveryState.DELIVERED
    assert [stored["posts"] for stored in peer.stored()] == [1]


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words", "expected"),
    [
        ("", None, "no_gateway"), ("https://sms.example/v1/", KEY, ""), ("http://127.0.0.1:9010", KEY, ""),
        ("http://sms.example", KEY, "misset"), ("https://sms.example", "short", "misset"), ("https://sms.example", None, "misset"),
        ("https://[::1", KEY, "misset"), ("https://sms.example:99999", KEY, "misset"), ("https://sms.example:port", KEY, "misset"),
        ("ftp://sms.example", KEY, "misset"), ("https://", KEY, "misset"), ("http://127.0.0.1.evil.example", KEY, "misset"),
    ],
)  # fmt: skip
def test_phones_travel_only_over_tls_or_on_this_machine(tmp_path: Path, url: str, words: str | None, expected: str) -> None:
    path = tmp_path / "k"
    if words is not None:
        path.write_text(words)

    class Given:
        sms_url, sms_key = url, str(path) if words is not None else ""

    setting, problem = setting_of(Given())
    assert problem == expected
    assert setting == (None if expected else Setting(url.rstrip("/"), KEY.encode()))


# --- receipts that are not the gateway's -----------------------------------------------------------------------------


def signed(house: House, body: bytes, key: str = KEY, seconds: int = 0) -> dict[str, str]:
    """The headers of a receipt."""
    timestamp = str(int(house.clock.now().timestamp()) + seconds)
    path = "/api/messages/receipts"
    return {
        "content-type": "application/json", "x-exam-timestamp": timestamp,
        "x-exam-signature": signature(key.encode(), timestamp, "POST", path, body),
    }  # fmt: skip


@pytest.fixture
def message_id(house: House, key: Path) -> UUID:
    """A message that a gateway was given."""
    set_up(house, sms_url="http://127.0.0.1:9", sms_key=str(key))
    lin = actor_named(house, "lin")
    return queued(house, lin, Occasion.REPORT_READY, person_of(house, lin, consent=ConsentKind.GIVEN)).message_id


def body_of(message_id: UUID, **more: Any) -> bytes:
    return msgspec.json.encode({"receipt_id": "C-1", "id": str(message_id), "state": "delivered", **more})


def refusals(house: House) -> list[tuple[str, str, str, str]]:
    wanted = select(Audit.actor, Audit.result, Audit.subject, Audit.reason).where(Audit.act == "interfaces.receipt").order_by(Audit.seq)
    with house.unit(None, write=False) as db:
        return [tuple(row) for row in db.execute(wanted)]  # type: ignore[misc]


def test_a_signed_receipt_is_taken_once(house: House, client: TestClient[Any], message_id: UUID) -> None:
    body = body_of(message_id)
    for is_new in (True, False):
        answer = client.post("/api/messages/receipts", content=body, headers=signed(house, body))
        assert (answer.status_code, answer.json()) == (200, {"is_new": is_new})
    assert row_of(house, message_id).state == DeliveryState.DELIVERED
    with house.unit(None, write=False) as db:
        [told] = db.execute(select(Audit.actor, Audit.subject, Audit.rows).where(Audit.act == "messages.receipt")).all()
    assert (told.actor, told.subject) == ("gateway", f"message:{message_id}")
    assert f"exam_message {message_id}" in told.rows


def test_a_forged_or_old_receipt_is_refused_and_audited_without_data(
    house: House, client: TestClient[Any], message_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    body = body_of(message_id, code="13800138000")
    good = signed(house, body)
    attempts = [
        (signed(house, body, "7f" * 32), "signature"),
        (signed(house, body, seconds=-301), "too_old"),
        (signed(house, body, seconds=301), "too_old"),
        ({**good, "x-exam-signature": ""}, "signature"),
        ({"content-type": "application/json"}, "no_timestamp"),
        ({**good, "x-exam-timestamp": str(int(good["x-exam-timestamp"]) + 1)}, "signature"),
    ]
    for headers, _ in attempts:
        answer = client.post("/api/messages/receipts", content=body, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (401, "interfaces.not_signed")
    assert client.post("/api/messages/receipts", content=body + b" ", headers=good).status_code == 401
    assert row_of(house, message_id).state == "waiting"
    told = refusals(house)
    assert [reason for _, _, _, reason in told] == [*(reason for _, reason in attempts), "signature"]
    assert {row[:3] for row in told} == {("gateway", "refused", "gateway:sms")}
    assert "13800138000" not in caplog.text
    assert [place for place, content in contents_of(house) if b"13800138000" in content] == []


def test_a_flood_of_forged_receipts_does_not_fill_the_audit(house: House, client: TestClient[Any], message_id: UUID) -> None:
    for _ in range(70):
        assert client.post("/api/messages/receipts", content=b"{}", headers={"x-exam-timestamp": "1"}).status_code == 401
    assert len(refusals(house)) == 60


@pytest.mark.parametrize(
    "more", [{"receipt_id": ""}, {"receipt_id": "a b"}, {"state": "sent"}, {"extra": 1}, {"id": "x"}, {"code": "x" * 65}, {"receipt_id": "x" * 81}]
)
def test_a_signed_receipt_of_another_shape_is_400(house: House, client: TestClient[Any], message_id: UUID, more: dict[str, Any]) -> None:
    body = body_of(message_id, **more)
    assert client.post("/api/messages/receipts", content=body, headers=signed(house, body)).status_code == 400
    assert row_of(house, message_id).state == "waiting"


def test_a_receipt_of_an_unknown_message_is_404(house: House, client: TestClient[Any], message_id: UUID) -> None:
    body = body_of(house.ids.new())
    answer = client.post("/api/messages/receipts", content=body, headers=signed(house, body))
    assert answer.status_code == 404
    with house.unit(None, write=False) as db:
        assert db.scalars(select(Message.state)).all() == ["waiting"]


def test_an_answer_that_comes_too_slowly_is_given_up_and_its_message_is_asked_about(
    sqlite_house: House, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(sqlite_house, sms_url="https://sms.example", sms_key=str(key))
    answering = httpx.MockTransport(lambda request: httpx.Response(202, json={"id": "", "state": "accepted"}))
    sqlite_house.cache["sms_gateway.client"] = httpx.Client(transport=answering)
    monkeypatch.setattr(sms_gateway, "LONGEST_SECONDS", -1.0)
    message_id = put_down(sqlite_house)
    assert delivery.send_due(sqlite_house) == 1
    row = row_of(sqlite_house, message_id)
    assert (row.state, row.why) == (DeliveryState.UNKNOWN, "no_answer")
