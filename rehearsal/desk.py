"""A desk over HTTP: signs in as one member of the staff, sends what a program would, and takes the time of every step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec

from exam.kit.auth import COOKIE


class Answered(Exception):
    """The server refused a step: its status, code, text and remedy."""

    def __init__(self, step: str, status: int, code: str, text: str) -> None:
        super().__init__(f"{step}: {status} {code} {text}")
        self.step = step
        self.status = status
        self.code = code


class Stopwatch:
    """The times and errors of every step of a day, from all desks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.times: dict[str, list[float]] = {}
        self.errors: dict[str, list[str]] = {}

    def took(self, step: str, seconds: float) -> None:
        """One step went well."""
        with self._lock:
            self.times.setdefault(step, []).append(seconds)

    def failed(self, step: str, text: str) -> None:
        """One step went wrong."""
        with self._lock:
            self.times.setdefault(step, [])
            self.errors.setdefault(step, []).append(text)

    def table(self) -> str:
        """One line a step: count, p50, p95, p99 in milliseconds, errors."""
        lines = [f"{'step':34} {'count':>7} {'p50 ms':>9} {'p95 ms':>9} {'p99 ms':>9} {'errors':>7}"]
        for step, times in self.times.items():
            ordered = sorted(times) or [0.0]
            shown = [ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000 for part in (0.5, 0.95, 0.99)]
            figures = " ".join(f"{figure:9.1f}" for figure in shown)
            lines.append(f"{step:34} {len(times):7} {figures} {len(self.errors.get(step, ())):7}")
        return "\n".join(lines)

    @property
    def error_count(self) -> int:
        """How many steps went wrong."""
        return sum(len(each) for each in self.errors.values())


class Desk:
    """One signed-in session. Safe to use from several threads: the people at one counter share it."""

    def __init__(self, base: str, login: str, password: str, code: Callable[[str], str], watch: Stopwatch) -> None:
        self.login = login
        self._code = code
        self._watch = watch
        self._signing = threading.Lock()
        self._windows = 0
        self._last_code = ""
        # The cookie is `Secure`; a program on loopback carries it itself (decision 18).
        self._http = httpx.Client(base_url=base, timeout=60, limits=httpx.Limits(max_connections=64))
        needs_code = login in ("system", "security", "audit")
        body = {"login": login, "password": password, "code": code(login) if needs_code else ""}
        answer = self._http.post("/api/sign-in", json=body)
        if answer.status_code >= 400:
            raise self._refused("sign in", answer)
        self._headers = {"cookie": f"{COOKIE}={_token(answer)}", "x-csrf-token": answer.json()["csrf"]}

    def get(self, step: str, path: str) -> Any:
        """Reads JSON."""
        return self._timed(step, "GET", path, None).json()

    def read(self, step: str, path: str) -> httpx.Response:
        """Reads a page or a file."""
        return self._timed(step, "GET", path, None)

    def post(self, step: str, path: str, body: Any = None) -> Any:
        """Sends JSON and reads the JSON answer."""
        answer = self._timed(step, "POST", path, {} if body is None else body)
        return answer.json() if answer.content else None

    def send_form(self, step: str, path: str, fields: dict[str, str]) -> None:
        """Sends a page's form, for what has no JSON; the page that comes back is not looked at."""
        self._timed(step, "POST", path, urlencode(fields))

    def sign(self, step: str, path: str, body: Any) -> Any:
        """Sends something that needs the signing window; opens the window first when it is closed or used up."""
        for _ in range(5):
            windows = self._windows
            try:
                return self.post(step, path, body)
            except Answered as refused:
                if refused.code != "auth.signing_closed":
                    raise
            with self._signing:
                if self._windows == windows:
                    self._open_window()
        raise Answered(step, 409, "auth.signing_closed", "the signing window did not open")

    def _open_window(self) -> None:
        """A code works once, so the second window within half a minute waits for the next code."""
        while (code := self._code(self.login)) == self._last_code:
            time.sleep(1)
        self._last_code = code
        self.post("open signing window", "/api/signing-window", {"code": code})
        self._windows += 1

    def _timed(self, step: str, method: str, path: str, body: Any) -> httpx.Response:
        begun = time.perf_counter()
        is_form = isinstance(body, str)
        content = None if body is None else body.encode() if is_form else msgspec.json.encode(body)
        kind = "application/x-www-form-urlencoded" if is_form else "application/json"
        headers = {**self._headers, "content-type": kind} if content is not None else self._headers
        answer = self._http.request(method, path, content=content, headers=headers)
        if answer.status_code >= 400:
            raise self._refused(step, answer)
        self._watch.took(step, time.perf_counter() - begun)
        return answer

    @staticmethod
    def _refused(step: str, answer: httpx.Response) -> Answered:
        try:
            problem = answer.json()
            return Answered(step, answer.status_code, problem.get("type", ""), problem.get("title", ""))
        except ValueError:
            return Answered(step, answer.status_code, "", answer.text[:80])


def _token(answer: httpx.Response) -> str:
    for name, value in answer.headers.multi_items():
        if name == "set-cookie" and value.startswith(f"{COOKIE}="):
            return value.split(";")[0].partition("=")[2]
    raise Answered("sign in", answer.status_code, "", "no session cookie")
