"""The SMS gateway as a client: plain JSON over HTTPS, signed with a shared key. `docs/interface.md` describes the exchange.

What is known of a message decides what is raised: never connected is `NotSent`, refused is `Rejected`, and everything that happened
after the request may have left is `Unclear`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from exam.messages.ports import NotSent, Rejected, SendProblem, Told, Unclear

TIMEOUT_SECONDS = 8.0
CONNECT_SECONDS = 4.0
LONGEST_SECONDS = 20.0
"""For a whole answer: the other limits are for each part, and one that comes byte by byte would hold all messages for days."""
MOST_ANSWER_BYTES = 64 * 1024
SHORTEST_KEY = 16

CLOCK_SECONDS = 300
"""How far a signed request's time may be from ours; older ones are replays."""

TIMESTAMP_HEADER, SIGNATURE_HEADER = "x-exam-timestamp", "x-exam-signature"


class Answer(msgspec.Struct):
    """What the gateway says of a message; unknown fields are allowed, gateways grow."""

    id: str
    reference: str = ""
    state: Literal["accepted", "delivered", "failed"] = "accepted"
    code: str = ""


class Setting(msgspec.Struct, frozen=True):
    """Where the gateway is, and the key that both sides share."""

    url: str
    key: bytes


def setting_of(settings: Any) -> tuple[Setting | None, str]:
    """The gateway's setting, or why there is none (a key of `exam.messages.facts.REASONS`).

    Phones and texts travel only over TLS, or to this machine itself.
    """
    url, path = getattr(settings, "sms_url", ""), getattr(settings, "sms_key", "")
    if not url and not path:
        return None, "no_gateway"
    try:
        key = Path(path).read_text(encoding="utf-8").strip().encode() if path else b""
    except (OSError, UnicodeDecodeError):
        key = b""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else ""  # asking for the port tells whether it is one
    except ValueError:  # what is no address must not end in an error where a booking queues its message
        return None, "misset"
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host or ""))
    if len(key) < SHORTEST_KEY or not is_safe or not host:
        return None, "misset"
    return Setting(url.rstrip("/"), key), ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def signature(key: bytes, timestamp: str, method: str, path: str, body: bytes) -> str:
    """HMAC-SHA-256 over time, method, path and body, in hex: what both sides put into `x-exam-signature`."""
    signed = b"\n".join((timestamp.encode(), method.encode(), path.encode(), body))
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


class SmsGateway:
    """The `MessageSender` of this house. It keeps nothing but the client of each house."""

    def problem(self, house: Any) -> str:
        """Why nothing can be sent; the key's file is read once in a process."""
        return str(self._setting(house)[1])

    def _setting(self, house: Any) -> tuple[Setting | None, str]:
        found: tuple[Setting | None, str] | None = house.cache.get("sms_gateway.setting")
        if found is None:
            found = house.cache["sms_gateway.setting"] = setting_of(house.settings)
        return found

    def send(self, house: Any, message_id: UUID, phone: str, text: str) -> str:
        """Hands one SMS over under our own number of it; the gateway takes the same number only once."""
        body = msgspec.json.encode({"id": str(message_id), "phone": phone, "text": text})
        status, content = self._call(house, "POST", "/messages", body)
        if status in (200, 201, 202):
            return _read(content, message_id).reference
        raise _problem_of(status, content)

    def ask(self, house: Any, message_id: UUID) -> Told | None:
        """What the gateway has of a message."""
        status, content = self._call(house, "GET", f"/messages/{message_id}", b"")
        if status == 404:
            return None
        if status != 200:
            raise _problem_of(status, content)
        answer = _read(content, message_id)
        return Told(answer.reference, answer.state, answer.code)

    def _call(self, house: Any, method: str, way: str, body: bytes) -> tuple[int, bytes]:
        import httpx  # only who sends waits for it, not the start of the server

        setting, problem = self._setting(house)
        if setting is None:
            raise NotSent(problem)
        timestamp = str(int(house.clock.now().timestamp()))
        path = urlsplit(setting.url).path + way
        headers = {
            "content-type": "application/json", TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: signature(setting.key, timestamp, method, path, body),
        }  # fmt: skip
        ends = time.monotonic() + LONGEST_SECONDS
        try:
            with self._client(house).stream(method, setting.url + way, content=body, headers=headers) as response:
                content = b""
                for part in response.iter_bytes():
                    content += part
                    if len(content) > MOST_ANSWER_BYTES or time.monotonic() > ends:
                        raise Unclear("no_answer")
                return response.status_code, content
        except httpx.InvalidURL:
            raise NotSent("misset") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            raise NotSent("unreachable") from None
        except httpx.HTTPError:  # the request, or a part of it, may have left
            raise Unclear("no_answer") from None

    def _client(self, house: Any) -> Any:
        import httpx

        client = house.cache.get("sms_gateway.client")
        if client is None:
            # No connection is kept: one that died in between would make a message's fate unknown for nothing.
            client = house.cache["sms_gateway.client"] = httpx.Client(
                timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS), limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False, trust_env=False,
            )  # fmt: skip
        return client


def _read(content: bytes, message_id: UUID) -> Answer:
    try:
        answer = msgspec.json.decode(content, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unclear("no_answer") from None
    if answer.id != str(message_id):
        raise Unclear("no_answer")
    return answer


def _problem_of(status: int, content: bytes) -> SendProblem:
    """What a status that is no acceptance means. A server's fault may have come after the message was taken."""
    if status in (401, 403):
        return NotSent("not_authorised")
    if status in (429, 503):
        return NotSent("busy")
    if 300 <= status < 400 or status in (404, 405):
        return NotSent("misset")
    if 400 <= status < 500:
        try:
            code = msgspec.json.decode(content, type=dict[str, Any]).get("code")
        except (msgspec.DecodeError, UnicodeDecodeError):
            code = None
        return Rejected(code if isinstance(code, str) and code else "refused")
    return Unclear("no_answer")


GATEWAY = SmsGateway()
