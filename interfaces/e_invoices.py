"""Electronic invoices as a client: plain JSON over HTTPS, signed with a key that both sides share. `docs/day-close.md` describes it.

A centre's platform (财政电子票据, 数电票) is reached through the vendor's own relay; each medium has a file `fiscal.toml` or `tax.toml` in
the folder EXAM_INVOICES. What is known of a request decides what is raised: never connected is `NotTaken`, refused is `Declined`, and
everything after the request may have left is `Unclear`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from billing.ports import Declined, InvoiceIssuer, InvoiceTold, InvoiceWanted, NotTaken, Unclear
from interfaces.sms_gateway import SHORTEST_KEY, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature

TIMEOUT_SECONDS = 10.0
MOST_ANSWER_BYTES = 64 * 1024


class Paper(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A platform's file: where it is, who we are there, and the file of the key beside it."""

    url: str
    issuer: str
    key: str


class Setting(msgspec.Struct, frozen=True):
    """Where a platform is, who we are there, and the key."""

    url: str
    issuer: str
    key: bytes


def setting_of(folder: str, medium: str) -> tuple[Setting | None, str]:
    """A platform's setting, or why there is none (a key of `billing.invoice_facts.REASONS`). Titles travel only over TLS or loopback."""
    path = Path(folder or "/nonexistent") / f"{medium}.toml"
    if not path.is_file():
        return None, "not_set_up"
    try:
        told = msgspec.toml.decode(path.read_bytes(), type=Paper)
        key_path = path.parent / told.key
        if key_path.stat().st_mode & 0o077:
            return None, "exposed"
        key = key_path.read_bytes().strip()
        parts = urlsplit(told.url)
    except (OSError, ValueError, msgspec.DecodeError):
        return None, "misset"
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))
    if not is_safe or len(key) < SHORTEST_KEY or not told.issuer:
        return None, "misset"
    return Setting(told.url.rstrip("/"), told.issuer, key), ""


class Platform:
    """The `InvoiceIssuer` of one medium. It keeps nothing but the setting of each house."""

    def __init__(self, medium: str) -> None:
        self.medium = medium

    def problem(self, house: Any) -> str:
        """Why it cannot be used; its file is read once in a process."""
        return str(self._setting(house)[1])

    def issue(self, house: Any, wanted: InvoiceWanted) -> InvoiceTold:
        """Hands a request over; the platform takes the same number only once."""
        return self._call(house, "POST", "/invoices", wanted.request_no, msgspec.json.encode(wanted))

    def query(self, house: Any, request_no: str) -> InvoiceTold:
        """What the platform has of a request."""
        return self._call(house, "GET", f"/invoices/{request_no}", request_no, b"")

    def _setting(self, house: Any) -> tuple[Setting | None, str]:
        name = f"e_invoices.{self.medium}"
        found: tuple[Setting | None, str] | None = house.cache.get(name)
        if found is None:
            found = house.cache[name] = setting_of(getattr(house.settings, "invoices", ""), self.medium)
        return found

    def _call(self, house: Any, method: str, way: str, request_no: str, body: bytes) -> InvoiceTold:
        import httpx  # only who asks waits for it, not the start of the server

        setting, problem = self._setting(house)
        if setting is None:
            raise NotTaken(problem)
        timestamp = str(int(house.clock.now().timestamp()))
        headers = {
            "content-type": "application/json", "x-exam-issuer": setting.issuer, TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: signature(setting.key, timestamp, method, urlsplit(setting.url).path + way, body),
        }  # fmt: skip
        try:
            with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
                answer = client.request(method, setting.url + way, content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise NotTaken("unreachable") from None
        except httpx.HTTPError:  # the request, or a part of it, may have left
            raise Unclear("no_answer") from None
        return _read(answer, setting.key, request_no)


def _read(answer: Any, key: bytes, request_no: str) -> InvoiceTold:
    """The answer, once its own signature over the request's number and the body holds: only the platform's word counts."""
    status, content = answer.status_code, answer.content
    if status in (401, 403):
        raise NotTaken("not_authorised")
    if status in (429, 503):
        raise NotTaken("busy")
    is_signed = signature(key, answer.headers.get(TIMESTAMP_HEADER, ""), "ANSWER", request_no, content) == answer.headers.get(
        SIGNATURE_HEADER
    )
    if not is_signed or len(content) > MOST_ANSWER_BYTES:
        raise Unclear("no_answer")
    if status == 404:
        return InvoiceTold(state="none")
    try:
        told = msgspec.json.decode(content, type=InvoiceTold)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unclear("no_answer") from None
    if status == 422:
        raise Declined(told.reason or "refused")
    if status not in (200, 201, 202):
        raise Unclear("no_answer")
    return told


ISSUERS: Mapping[str, InvoiceIssuer] = {"fiscal": Platform("fiscal"), "tax": Platform("tax")}
