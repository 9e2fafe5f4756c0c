"""A platform of electronic invoices on this machine: it signs, loses answers, takes its time, and issues each request once.

It is written from the exchange that `docs/day-close.md` describes and not from the client: signature and answers are its own.
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

import msgspec

from exam.kit.errors import Refused
from exam.settings import Settings

CLOCK_SECONDS = 300


class Behaviour(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How the platform behaves from now on.

    `busy`: 503, not taken. `refuse`: 422. `drop`: issued, and the connection ends without an answer. `fault`: issued, then 500 without
    a signature. `slow`: taken, and `working` for the next `working` questions. `forge`: an answer whose signature is wrong. `wrong`: an
    answer over another amount. `repeat`: the number of the last invoice again.
    """

    mode: Literal["accept", "busy", "refuse", "drop", "fault", "slow", "forge", "wrong", "repeat"] = "accept"
    working: int = 1


class Asked(msgspec.Struct):
    """A request as it is posted; what this platform does not look at may be in it, too."""

    request_no: str
    is_red: bool
    title: str
    amount_fen: int
    tax_no: str = ""
    original_number: str = ""


class Kept(msgspec.Struct):
    """An invoice that the platform issued, or works on for `working` more questions. `posts` counts how often the request came."""

    asked: Asked
    code: str
    number: str
    check_code: str
    working: int = 0
    posts: int = 1


class Platform:
    """The platform's memory: one invoice for each request number, and no number twice."""

    def __init__(self, key: bytes, prefix: str = "26450000") -> None:
        self.key = key
        self.prefix = prefix
        self.behaviour = Behaviour()
        self.kept: dict[str, Kept] = {}
        self.lock = threading.Lock()

    def signature(self, timestamp: str, method: str, path: str, body: bytes) -> str:
        """The hex HMAC-SHA-256 of the four, joined by line feeds."""
        return hmac.new(self.key, f"{timestamp}\n{method}\n{path}\n".encode() + body, hashlib.sha256).hexdigest()

    def is_signed(self, method: str, path: str, headers: Any, body: bytes) -> bool:
        """Whether a request was signed with our key within the last minutes."""
        timestamp, given = headers.get("x-exam-timestamp", ""), headers.get("x-exam-signature", "")
        if not timestamp.isdigit() or (self.checks_time and abs(time.time() - int(timestamp)) > CLOCK_SECONDS):
            return False
        return hmac.compare_digest(self.signature(timestamp, method, path, body), given)

    checks_time = True
    """Off for a client whose clock is held still."""

    def take(self, asked: Asked) -> Kept:
        """Takes a request; one whose number is known is the same invoice."""
        with self.lock:
            known = self.kept.get(asked.request_no)
            if known is not None:
                known.posts += 1
                return known
            number = f"{len(self.kept) + 1:010d}"
            made = Kept(asked, self.prefix, number, hashlib.sha256(number.encode()).hexdigest()[:6])
            if self.behaviour.mode == "slow":
                made.working = self.behaviour.working
            self.kept[asked.request_no] = made
            return made

    def word(self, kept: Kept) -> dict[str, Any]:
        """What the platform says of an invoice."""
        if kept.working > 0:
            kept.working -= 1
            return {"state": "working"}
        amount = kept.asked.amount_fen + (self.behaviour.mode == "wrong")
        number = next(iter(self.kept.values())).number if self.behaviour.mode == "repeat" else kept.number
        return {
            "state": "issued", "code": kept.code, "number": number, "check_code": kept.check_code, "amount_fen": amount,
            "url": f"https://invoice.example/{kept.code}{number}",
        }  # fmt: skip


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            """Nothing: a log of titles is what nobody needs here."""

        def answer(self, status: int, content: Any, request_no: str = "", *, is_signed: bool = True) -> None:
            body = msgspec.json.encode(content)
            timestamp = str(int(time.time()))
            word = platform.signature(timestamp, "ANSWER", request_no, body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.send_header("x-exam-timestamp", timestamp)
            self.send_header("x-exam-signature", word if is_signed else "0" * 64)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            request_no = self.path.rpartition("/")[2]
            if not platform.is_signed("GET", self.path, self.headers, b""):
                self.answer(401, {"state": "failed"})
            elif (kept := platform.kept.get(request_no)) is None:
                self.answer(404, {"state": "none"}, request_no)
            else:
                self.answer(200, platform.word(kept), request_no)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                if self.path == "/control":
                    platform.behaviour = msgspec.json.decode(body, type=Behaviour)
                    self.answer(200, platform.behaviour)
                elif not platform.is_signed("POST", self.path, self.headers, body):
                    self.answer(401, {"state": "failed"})
                elif self.path == "/invoices":
                    self.take(msgspec.json.decode(body, type=Asked))
                else:
                    self.answer(404, {"state": "none"})
            except msgspec.DecodeError:
                self.answer(400, {"state": "failed"})

        def take(self, asked: Asked) -> None:
            mode = platform.behaviour.mode
            if mode == "busy":
                self.answer(503, {"state": "failed"}, asked.request_no)
            elif mode == "refuse":
                self.answer(422, {"state": "failed", "reason": "refused"}, asked.request_no)
            else:
                kept = platform.take(asked)
                if mode == "drop":
                    self.close_connection = True
                elif mode == "fault":
                    self.answer(500, {"state": "failed"}, asked.request_no, is_signed=False)
                else:
                    self.answer(200, platform.word(kept), asked.request_no, is_signed=mode != "forge")

    return Handler


def serve(port: int, platform: Platform) -> ThreadingHTTPServer:
    """A platform that listens on loopback; the caller serves it and shuts it down. Port 0 lets the system choose."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(platform))
    server.daemon_threads = True
    return server


def run(settings: Settings, arguments: Namespace) -> int:
    """`exam rehearse-invoices`: serves both media until it is interrupted; makes the files of EXAM_INVOICES where they are missing."""
    folder = Path(arguments.papers or settings.invoices or "")
    if not (arguments.papers or settings.invoices):
        raise Refused("rehearsal.no_papers", "没有电子票据配置目录", "请用 --papers 或 EXAM_INVOICES 指定一个目录")
    key = make_papers(folder, arguments.port)
    server = serve(arguments.port, Platform(key))
    print(f"电子票据平台演练: http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


def make_papers(folder: Path, port: int) -> bytes:
    """A key and the two files that point to this peer, where they are missing; returns the key."""
    import secrets

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_path = folder / "peer.key"
    if not key_path.exists():
        key_path.touch(mode=0o600)
        key_path.write_text(secrets.token_hex(32), encoding="ascii")
    for medium in ("fiscal", "tax"):
        path = folder / f"{medium}.toml"
        if not path.exists():
            path.write_text(f'url = "http://127.0.0.1:{port}"\nissuer = "rehearsal"\nkey = "peer.key"\n', encoding="utf-8")
    return key_path.read_bytes().strip()
