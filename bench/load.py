"""The load generator, in a process of its own: closed loops, and an open loop of Poisson arrivals timed from when they were due.

`python -m bench.load` reads one `Plan` as JSON from its input and writes one `Outcome` as JSON to its output.
"""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import time
from collections import deque
from collections.abc import Iterator

import msgspec

from exam.kit.random import SeededRandom


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. `{visit_no}` in a path is replaced; a write's body is `base_version` and one of `variants`.

    `rate` 0 is a closed loop: each of `connections` sends its next request when it has the answer to the last one.
    `writes_of_ten` of ten requests are writes. `versions` is the record's version of each writable visit at the start.
    """

    port: int
    seconds: float
    connections: int = 16
    rate: float = 0
    writes_of_ten: int = 0
    read_path: str = ""
    write_path: str = ""
    read: list[str] = []
    versions: dict[str, int] = {}
    variants: list[dict[str, str]] = []
    headers: dict[str, str] = {}
    warm_up: float = 0.5
    seed: str = "bench"
    acknowledge: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Times are in milliseconds; `versions` is the last acknowledged version of each visit written."""

    sent: int
    answered: int
    failed: int
    seconds: float
    per_second: float
    p50: float
    p99: float
    p999: float
    longest: float
    read_p99: float = 0
    write_p99: float = 0
    versions: dict[str, int] = {}
    first_failure: str = ""
    late_ms: float = 0
    """How late, at the 99th of hundred, this process itself sent a request that had a free connection."""


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._buffer[:head_end]).lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        whole = head_end + 4 + length
        if len(self._buffer) < whole:
            return
        body = bytes(self._buffer[head_end + 4 : whole])
        del self._buffer[:whole]
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result((int(head[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the server closed the connection"))

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Sends a request; the future gives status and body."""
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            self._waiting.set_exception(ConnectionError("the server closed the connection"))
        else:
            self._transport.write(request)
        return self._waiting


class Client:
    """Makes requests, keeps the versions, and counts."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.reads: list[float] = []
        self.writes: list[float] = []
        self.failed = 0
        self.first_failure = ""
        self.sent = 0
        self.versions = dict(plan.versions)
        self.acknowledged: dict[str, int] = {}
        self.counts_from = 0.0
        lines = "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
        self._end = f" HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\n{lines}"
        self._bodies = [msgspec.json.encode(values) for values in plan.variants]

    def read_request(self, visit_no: str) -> bytes:
        return f"GET {self.plan.read_path.replace('{visit_no}', visit_no)}{self._end}\r\n".encode()

    def write_request(self, visit_no: str) -> bytes:
        version = self.versions[visit_no]
        body = b'{"base_version":%d,"values":%b}' % (version, self._bodies[version % len(self._bodies)])
        head = f"POST {self.plan.write_path.replace('{visit_no}', visit_no)}{self._end}"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def run(self, connection: Connection, visit_no: str, is_write: bool, due: float) -> bool:
        """One request; False when the server is gone."""
        self.sent += 1
        request = self.write_request(visit_no) if is_write else self.read_request(visit_no)
        try:
            status, body = await connection.ask(request)
        except ConnectionError as error:
            self.failed += 1
            self.first_failure = self.first_failure or str(error)
            return False
        took = time.perf_counter() - due
        if status != 200:
            self.failed += 1
            self.first_failure = self.first_failure or f"{status} {body[:300].decode(errors='replace')}"
            return True
        if is_write:
            self.versions[visit_no] = self.acknowledged[visit_no] = msgspec.json.decode(body, type=Version).version
        if due >= self.counts_from:
            (self.writes if is_write else self.reads).append(took)
        return True


class Version(msgspec.Struct):
    """The part of an answer to a write that the next write needs."""

    version: int


async def closed(client: Client) -> float:
    """Every connection sends as soon as it has its answer; returns the seconds that count."""
    plan = client.plan
    loop = asyncio.get_running_loop()
    lines = [(await loop.create_connection(Connection, "127.0.0.1", plan.port))[1] for _ in range(plan.connections)]
    client.counts_from = time.perf_counter() + plan.warm_up
    end = client.counts_from + plan.seconds

    async def one(number: int, line: Connection) -> None:
        reads = plan.read[number :: plan.connections]
        writes = list(client.versions)[number :: plan.connections]
        count = 0
        while (now := time.perf_counter()) < end:
            is_write = count % 10 < plan.writes_of_ten
            visit_no = (writes if is_write else reads)[count % len(writes if is_write else reads)]
            count += 1
            if not await client.run(line, visit_no, is_write, now):
                return

    await asyncio.gather(*(one(number, line) for number, line in enumerate(lines)))
    return plan.seconds


def arrivals(plan: Plan) -> Iterator[float]:
    """Moments of a Poisson process, in seconds from the start; the same for the same seed."""
    source = SeededRandom(plan.seed)
    at = 0.0
    while True:
        chance = (int.from_bytes(source.token_bytes(7), "big") + 1) / (1 << 56)
        at -= math.log(chance) / plan.rate
        yield at


async def open_loop(client: Client) -> tuple[float, float]:
    """Requests come when they are due, whether or not earlier ones are answered; returns `(seconds, own lateness)`."""
    plan = client.plan
    loop = asyncio.get_running_loop()
    free = deque([(await loop.create_connection(Connection, "127.0.0.1", plan.port))[1] for _ in range(plan.connections)])
    writable = deque(client.versions)
    waiting: deque[tuple[float, bool, str]] = deque()
    running: set[asyncio.Task[None]] = set()
    late: list[float] = []
    start = time.perf_counter()
    client.counts_from = start + plan.warm_up
    end = client.counts_from + plan.seconds

    async def serve(line: Connection, due: float, is_write: bool, visit_no: str) -> None:
        is_alive = await client.run(line, visit_no, is_write, due)
        while is_alive and waiting:
            next_due, next_is_write, next_visit = waiting.popleft()
            if is_write:
                writable.append(visit_no)
            due, is_write, visit_no = next_due, next_is_write, next_visit
            is_alive = await client.run(line, visit_no, is_write, due)
        if is_write:
            writable.append(visit_no)
        if is_alive:
            free.append(line)

    for number, offset in enumerate(arrivals(plan)):
        due = start + offset
        if due >= end:
            break
        while (pause := due - time.perf_counter()) > 0:  # noqa: ASYNC110 - it waits for a moment, not for an event
            # The event loop's own timer is a millisecond coarse; the last stretch is spun through.
            await asyncio.sleep(pause - 0.001 if pause > 0.002 else 0)
        is_write = number % 10 < plan.writes_of_ten and bool(writable)
        visit_no = writable.popleft() if is_write else plan.read[number % len(plan.read)]
        if free:
            late.append(time.perf_counter() - due)
            task = asyncio.create_task(serve(free.popleft(), due, is_write, visit_no))
            running.add(task)
            task.add_done_callback(running.discard)
        else:
            waiting.append((due, is_write, visit_no))
    if running:
        # A saturated server is not waited for: what it has not answered in five more seconds counts as failed.
        await asyncio.wait(set(running), timeout=5)
    unanswered = len(waiting) + len(running)
    client.failed += unanswered
    client.sent += len(waiting)
    if unanswered:
        client.first_failure = client.first_failure or f"saturated: {unanswered} requests had no answer five seconds after the end"
        now = time.perf_counter()
        client.reads += [now - due for due, *_ in waiting if due >= client.counts_from]
    return plan.seconds, percentile(sorted(late), 0.99) * 1000


def percentile(ordered: list[float], part: float) -> float:
    """The value that `part` of an ordered list do not exceed (nearest rank); 0 for an empty list."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(len(ordered) * part) - 1))] if ordered else 0.0


async def drive(plan: Plan) -> Outcome:
    """Runs a plan."""
    client = Client(plan)
    gc.freeze()
    gc.disable()
    late = 0.0
    if plan.rate:
        seconds, late = await open_loop(client)
    else:
        seconds = await closed(client)
    every = sorted(client.reads + client.writes)
    return Outcome(
        sent=client.sent, answered=len(every), failed=client.failed, seconds=seconds, per_second=len(every) / seconds,
        p50=percentile(every, 0.5) * 1000, p99=percentile(every, 0.99) * 1000, p999=percentile(every, 0.999) * 1000,
        longest=(every[-1] if every else 0) * 1000, read_p99=percentile(sorted(client.reads), 0.99) * 1000,
        write_p99=percentile(sorted(client.writes), 0.99) * 1000, versions=client.acknowledged if plan.acknowledge else {},
        first_failure=client.first_failure, late_ms=late,
    )  # fmt: skip


def main() -> None:
    """One plan in, one outcome out."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(drive(plan))))


if __name__ == "__main__":
    main()
