"""A local SMS gateway: a peer of its own process that speaks the exchange of `docs/interface.md`, and fails on command.

It is written from that document and not from the client: the signature and the answers are its own.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from argparse import Namespace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec

from exam.kit.errors import Refused
from exam.settings import Settings

CLOCK_SECONDS = 300


class Behaviour(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How the gateway behaves from now on.

    `refuse`: 422. `busy`: 503, not taken. `fault`: taken, then 500. `drop`: taken, and the connection ends without an answer.
    `delay`: taken, answered after `seconds`. Receipts are sent `once`, `twice` (the same one again), `never`, or say `failed`.
    """

    mode: Literal["accept", "refuse", "busy", "fault", "drop", "delay"] = "accept"
    receipts: Literal["once", "twice", "never", "failed"] = "once"
    seconds: float = 0.0


class Stored(msgspec.Struct):
    """What the gateway got. `posts` counts how often it came; it is one SMS all the same."""

    id: str
    phone: str
    text: str
    reference: str
    state: str = "accepted"
    posts: int = 1
    receipts: int = 0
    answers: list[int] = []


class Sent(msgspec.Struct, forbid_unknown_fields=True):
    """A message as it is posted."""

    id: str
    phone: str
    text: str


class Gateway:
    """The gateway's memory and what it does with it."""

    def __init__(self, key: bytes, receipts_url: str = "") -> None:
        self.key = key
        self.receipts_url = receipts_url
        self.behaviour = Behaviour()
        self.started = time.time_ns()  # a gateway that was started anew gives no number of the last one again
        self.stored: dict[str, Stored] = {}
        self.refused = 0
        self.lock = threading.Lock()

    def signature(self, timestamp: str, method: str, path: str, body: bytes) -> str:
        """The hex HMAC-SHA-256 of the four, joined by line feeds."""
        return hmac.new(self.key, f"{timestamp}\n{method}\n{path}\n".encode() + body, hashlib.sha256).hexdigest()

    def is_signed(self, method: str, path: str, headers: Any, body: bytes) -> bool:
        """Whether a request was signed with our key within the last minutes."""
        timestamp, given = headers.get("x-exam-timestamp", ""), headers.get("x-exam-signature", "")
        if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > CLOCK_SECONDS:
            return False
        return hmac.compare_digest(self.signature(timestamp, method, path, body), given)

    def take(self, sent: Sent) -> tuple[Stored, bool]:
        """Takes a message; one whose number is known is the same message, and is not sent again."""
        with self.lock:
            known = self.stored.get(sent.id)
            if known is not None:
                known.posts += 1
                return known, False
            made = Stored(sent.id, sent.phone, sent.text, f"R{self.started:x}-{len(self.stored) + 1:06d}")
            self.stored[sent.id] = made
            return made, True

    def send_receipts(self, message: Stored) -> None:
        """Posts the receipts that the behaviour asks for, as a carrier's word that comes a moment later."""
        kind = self.behaviour.receipts
        if kind == "never" or not self.receipts_url:
            return
        for _ in range(2 if kind == "twice" else 1):
            self.post_receipt(message, is_delivered=kind != "failed")

    def post_receipt(self, message: Stored, *, is_delivered: bool) -> int:
        """Posts one receipt; the same message's has the same number each time. Returns the status it was answered with."""
        message.state = "delivered" if is_delivered else "failed"
        number, code = f"{message.reference}-{message.state}", "" if is_delivered else "UNDELIV"
        body = msgspec.json.encode({"receipt_id": number, "id": message.id, "state": message.state, "code": code})
        timestamp = str(int(time.time()))
        headers = {
            "content-type": "application/json", "x-exam-timestamp": timestamp,
            "x-exam-signature": self.signature(timestamp, "POST", httpx.URL(self.receipts_url).path, body),
        }  # fmt: skip
        try:
            status = httpx.post(self.receipts_url, content=body, headers=headers, timeout=10, trust_env=False).status_code
        except httpx.HTTPError:
            status = 0
        message.receipts += 1
        message.answers.append(status)
        return status


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            """Nothing: a log of addresses and texts is what nobody needs here."""

        def answer(self, status: int, content: Any) -> None:
            body = msgspec.json.encode(content)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            if self.path == "/stored":
                self.answer(200, {"messages": list(gateway.stored.values()), "refused": gateway.refused})
            elif not gateway.is_signed("GET", self.path, self.headers, b""):
                self.answer(401, {"code": "signature"})
            elif (known := gateway.stored.get(self.path.rpartition("/")[2])) is not None:
                self.answer(200, {"id": known.id, "reference": known.reference, "state": known.state})
            else:
                self.answer(404, {"code": "unknown"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                if self.path == "/control":
                    gateway.behaviour = msgspec.json.decode(body, type=Behaviour)
                    self.answer(200, gateway.behaviour)
                elif self.path == "/control/receipt":
                    wanted = msgspec.json.decode(body, type=dict[str, str])
                    status = gateway.post_receipt(gateway.stored[wanted["id"]], is_delivered=wanted.get("state") != "failed")
                    self.answer(200, {"status": status})
                elif self.path == "/messages":
                    self.take(body)
                else:
                    self.answer(404, {"code": "unknown"})
            except (msgspec.DecodeError, KeyError):
                self.answer(400, {"code": "body"})

        def take(self, body: bytes) -> None:
            if not gateway.is_signed("POST", self.path, self.headers, body):
                self.answer(401, {"code": "signature"})
                return
            how = gateway.behaviour
            if how.mode in ("refuse", "busy"):
                gateway.refused += 1
                self.answer(422 if how.mode == "refuse" else 503, {"code": "BLACKLIST" if how.mode == "refuse" else "busy"})
                return
            message, is_new = gateway.take(msgspec.json.decode(body, type=Sent))
            if is_new:
                threading.Thread(target=gateway.send_receipts, args=(message,), daemon=True).start()
            if how.mode == "drop":
                self.close_connection = True
                return
            if how.mode == "delay":
                time.sleep(how.seconds)
            self.answer(500 if how.mode == "fault" else 200, {"id": message.id, "reference": message.reference, "state": "accepted"})

    return Handler


def serve(port: int, key: bytes, receipts_url: str = "") -> ThreadingHTTPServer:
    """A gateway that listens on loopback; the caller serves it and shuts it down. Port 0 lets the system choose."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(Gateway(key, receipts_url)))
    server.daemon_threads = True
    return server


def run(settings: Settings, arguments: Namespace) -> int:
    """`exam rehearse-sms`: serves until it is interrupted."""
    path = arguments.key or settings.sms_key
    if not path or not Path(path).is_file():
        raise Refused("rehearsal.no_key", "没有网关密钥文件", "请先生成:openssl rand -hex 32 > sms.key,再用 --key 或 EXAM_SMS_KEY 指定")
    server = serve(arguments.port, Path(path).read_text(encoding="utf-8").strip().encode(), arguments.receipts_url)
    print(f"短信网关演练: http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0
