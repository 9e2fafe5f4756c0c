"""The workloads: P6 reads, P7 writes, P8 the tail under load, growth of the screens, and P12 a restart after a kill."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from urllib.request import Request, urlopen

import msgspec
from sqlalchemy import func, select

from bench import fill, ground, load
from bench.peers.items import Bounds, Item
from exam.catalog import service as catalog
from exam.catalog.facts import ValueType
from exam.kit.house import system_actor
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Subject
from exam.visits.models import Visit
from results import hot
from results.models import Record, Value, Version
from results.module import module

IS_HOT = any(route in module.routes for route in hot.routes)
OUR_READ = "/api/visits/{visit_no}/results/LAB" if IS_HOT else "/api/results/LAB/{visit_no}"
OUR_WRITE = "/api/results/LAB/{visit_no}/enter"
PEER_PATH = "/visits/{visit_no}/LAB"
PROBE = "/sign-in"
OURS, ORM, BARE = "ours", "fastapi_orm", "bare_asgi"
CONTESTANTS = (OURS, ORM, BARE)
DOCTOR = "nong"
TUBE = "01"
RATES = (50, 300, 1000)


class Bout(msgspec.Struct, frozen=True):
    """The median of several rounds of one contestant; `cpu_us` is the server's processor time for one request."""

    contestant: str
    per_second: float
    p50: float
    p99: float
    cpu_us: float
    rounds: tuple[float, ...]


class Tail(msgspec.Struct, frozen=True):
    """Latencies in ms of one open-loop run. `late_ms` is the generator's own lateness at the 99th of hundred."""

    contestant: str
    rate: int
    per_second: float
    p50: float
    p99: float
    p999: float
    failed: int
    late_ms: float
    note: str = ""


class Page(msgspec.Struct, frozen=True):
    """How long one screen takes, median of several looks, in ms, at one size of the database."""

    name: str
    size: int
    median: float
    slowest: float


class Restart(msgspec.Struct, frozen=True):
    """What a kill under load did: acknowledged writes, those lost, and seconds to the first 200 afterwards, one for each kill."""

    acknowledged: int
    lost: int
    seconds: tuple[float, ...]


# --- one stand -----------------------------------------------------------------------------------------------------------


class Stand:
    """What every workload on one database needs: visits to read and to write, variants of values, a session, the items."""

    def __init__(self, on: ground.Ground) -> None:
        self.ground = on
        self.session = on.sign_in(DOCTOR)
        self.items_file = on.home / "items.json"
        with on.house() as house:
            count = min(on.size, 20_000)
            step = max(1, on.size // count)
            self.read = [fill.numbered(house, n, on.today).visit_no + TUBE for n in range(0, on.size, step)]
            self.writable = list(fill.writable(house, on.size, on.today))
            with house.unit(system_actor(house.site), write=False) as db:
                pattern = on.patterns[0]
                catalogue = catalog.catalogue(db, pattern.on)
        codes = [code for group in fill.GROUPS[-2:] for code in catalogue.groups[group].items]
        found = [catalogue.items[code] for code in catalogue.items if code in codes]
        items = {each.code: Item(each.name, each.unit, {sex: _bounds(each, sex) for sex in "MF"}) for each in found}
        self.items_file.write_bytes(msgspec.json.encode(items))
        self.variants = [{each.code: _variant(each, number) for each in found} for number in range(5)]

    def start(self, contestant: str) -> ground.Server:
        """The contestant's server, answering."""
        if contestant == OURS:
            return ground.ours(self.ground, self.session, PROBE)
        probe = PEER_PATH.replace("{visit_no}", self.read[0])
        return ground.peer(contestant, self.ground, probe, str(self.items_file))

    def plan(self, server: ground.Server, contestant: str, **options: Any) -> load.Plan:
        """A plan for the contestant; writes begin at the versions that the database has now."""
        is_ours = contestant == OURS
        headers = {"Cookie": self.session.cookie, "X-CSRF-Token": self.session.csrf} if is_ours else {}
        versions = self.versions() if options.get("writes_of_ten") else {}
        return load.Plan(
            port=server.port, read=self.read, versions=versions, variants=self.variants, headers=headers,
            read_path=OUR_READ if is_ours else PEER_PATH, write_path=OUR_WRITE if is_ours else PEER_PATH, **options,
        )  # fmt: skip

    def versions(self) -> dict[str, int]:
        """The version of each writable record, as the database has it."""
        wanted = set(self.writable)
        statement = (
            select(Visit.visit_no, Record.version)
            .join(Record, Record.visit_id == Visit.id)
            .where(Record.department == fill.DEPARTMENT, Visit.visit_no.in_(wanted))
        )
        with self.ground.house() as house, house.unit(None, write=False) as db:
            return dict(db.execute(statement).all())


def _bounds(item: Any, sex: str) -> Bounds:
    reading = knowledge.judge(item, "1", "", Subject(sex, 40, frozenset()))
    low, high = ("" if each is None else f"{each:f}" for each in (reading.low, reading.high))
    return Bounds(low, high, reading.range_text)


def _variant(item: Any, number: int) -> str:
    if item.value_type != ValueType.NUMBER:
        raise ValueError(f"{item.code} is not a number")
    bounds = next((each.low, each.high) for each in item.ranges if each.high)
    low, high = float(bounds[0] or 0), float(bounds[1])
    # The fourth variant lies above the range: flags must be right, too.
    place = (0.3, 0.4, 0.5, 0.6, 1.3)[number]
    return f"{low + (high - low) * place:.{item.decimals}f}"


def drive(plan: load.Plan) -> load.Outcome:
    """Runs a plan in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=msgspec.json.encode(plan), capture_output=True, cwd=ground.ROOT, check=False,
        env={"PYTHONPATH": str(ground.ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.decode()[-1500:]}")
    return msgspec.json.decode(done.stdout, type=load.Outcome)


# --- outputs are the same ------------------------------------------------------------------------------------------------

COMPARED = ("item", "name", "raw", "number", "unit", "flag", "range_text", "low", "high")


def shape(answer: dict[str, Any]) -> dict[str, Any]:
    """What all contestants must answer alike: the version and twenty values with names, units, flags and ranges."""
    readings = [{name: str(reading.get(name) or "") for name in COMPARED} for reading in answer["readings"]]
    return {"department": answer["department"], "version": answer["version"], "readings": readings}


def ask(port: int, path: str, headers: dict[str, str], body: bytes | None = None) -> dict[str, Any]:
    """One request outside the measurement."""
    request = Request(f"http://127.0.0.1:{port}{path}", data=body, headers=headers)
    if body is not None:
        request.add_header("Content-Type", "application/json")
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        found: dict[str, Any] = msgspec.json.decode(answer.read())
    return found


def verify_outputs(stand: Stand, servers: dict[str, ground.Server]) -> int:
    """Every contestant reads the same and writes the same; returns how many answers were compared. Raises where one differs."""
    compared = 0
    picked = [visit_no + TUBE for visit_no in (*stand.writable[:4], *stand.writable[-2:])] + stand.read[:4] + stand.read[-4:]

    def everybody(visit_no: str) -> None:
        nonlocal compared
        plans = {name: stand.plan(server, name, seconds=0) for name, server in servers.items()}
        shapes = {
            name: shape(ask(servers[name].port, plan.read_path.replace("{visit_no}", visit_no), plan.headers))
            for name, plan in plans.items()
        }
        compared += len(shapes)
        first = shapes[OURS]
        if len(first["readings"]) != 20:
            raise AssertionError(f"{visit_no}: {len(first['readings'])} values instead of 20")
        for name, each in shapes.items():
            if each != first:
                raise AssertionError(f"{visit_no}: {name} answers {each}, ours {first}")

    for visit_no in picked:
        everybody(visit_no)
    versions = stand.versions()
    for number, (name, server) in enumerate(servers.items()):
        plan = stand.plan(server, name, seconds=0)
        for turn, visit_no in enumerate(stand.writable[: len(stand.variants)]):
            values = stand.variants[(number + turn) % len(stand.variants)]
            body = msgspec.json.encode({"base_version": versions[visit_no], "values": values})
            answer = ask(server.port, plan.write_path.replace("{visit_no}", visit_no), plan.headers, body)
            versions[visit_no] = answer["version"]
            if {each["item"]: each["raw"] for each in answer["readings"]} != values:
                raise AssertionError(f"{visit_no}: {name} stored something else than was sent")
            everybody(visit_no)
    return compared


# --- P6, P7 --------------------------------------------------------------------------------------------------------------


def compete(stand: Stand, *, is_write: bool, rounds: int, seconds: float, say: Callable[[str], None]) -> list[Bout]:
    """P6 (reads) or P7 (writes): closed loop, 16 connections, interleaved rounds, the median counts."""
    names = CONTESTANTS
    outcomes: dict[str, list[tuple[load.Outcome, float]]] = {name: [] for name in names}
    for number in range(rounds):
        # Who comes first changes, so that a machine that gets slower treats nobody better.
        for name in (*names[number % len(names) :], *names[: number % len(names)]):
            with stand.start(name) as server:
                server.settle()
                plan = stand.plan(server, name, seconds=seconds, writes_of_ten=10 if is_write else 0)
                before = server.cpu_seconds
                outcome = drive(plan)
                used = server.cpu_seconds - before
            if outcome.failed:
                raise RuntimeError(f"{name}: {outcome.failed} failed, the first with {outcome.first_failure}")
            outcomes[name].append((outcome, used / max(1, outcome.sent) * 1e6))
            say(f"{'P7' if is_write else 'P6'} {stand.ground.kind} {name} {outcome.per_second:.0f}/s p99 {outcome.p99:.1f} ms")
    return [
        Bout(
            contestant=name,
            per_second=statistics.median(each.per_second for each, _ in found),
            p50=statistics.median(each.p50 for each, _ in found),
            p99=statistics.median(each.p99 for each, _ in found),
            cpu_us=statistics.median(cpu for _, cpu in found),
            rounds=tuple(each.per_second for each, _ in found),
        )
        for name, found in outcomes.items()
    ]


# --- P8 ------------------------------------------------------------------------------------------------------------------


def tails(stand: Stand, contestants: Sequence[str], seconds: float, say: Callable[[str], None]) -> list[Tail]:
    """P8: Poisson arrivals, nine reads to one write, latency from the moment a request was due."""
    found = []
    for name in contestants:
        for rate in RATES:
            with stand.start(name) as server:
                server.settle()
                plan = stand.plan(server, name, seconds=seconds, rate=rate, writes_of_ten=1, connections=64, warm_up=1)
                outcome = drive(plan)
            found.append(
                Tail(
                    name, rate, outcome.per_second, outcome.p50, outcome.p99, outcome.p999, outcome.failed, outcome.late_ms,
                    outcome.first_failure,
                )
            )  # fmt: skip
            say(f"P8 {stand.ground.kind} {name} {rate}/s p50 {outcome.p50:.1f} p99 {outcome.p99:.1f} p99.9 {outcome.p999:.1f} ms")
    return found


# --- growth --------------------------------------------------------------------------------------------------------------


def screens(stand: Stand, today: date) -> list[tuple[str, str, str]]:
    """`(name, login, path)` of the screens that must not become slower as the database grows."""
    with stand.ground.house() as house:
        in_exam, done = (fill.numbered(house, n, today).visit_no for n in (1, 0))
    return [
        ("board", "lin", "/registration"),
        ("work list", "wu", "/results/MED"),
        ("entry", "wu", f"/results/MED/{in_exam}"),
        ("chief queue", "zhao", "/chief"),
        ("chief screen", "zhao", f"/chief/{done}"),
        ("record by barcode", DOCTOR, OUR_READ.replace("{visit_no}", in_exam + TUBE)),
    ]


def look(stand: Stand, times: int) -> list[Page]:
    """Looks at every screen, one request after the other; the first look at each warms up."""
    found = []
    with stand.start(OURS) as server:
        server.settle()
        sessions = {login: stand.ground.sign_in(login) for login in ("lin", "wu", "zhao", DOCTOR)}
        for name, login, path in screens(stand, stand.ground.today):
            took = [_look(server.port, path, sessions[login].cookie) for _ in range(times + 1)][1:]
            found.append(Page(name, stand.ground.size, statistics.median(took), max(took)))
    return found


def _look(port: int, path: str, cookie: str) -> float:
    began = time.perf_counter()
    with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers={"Cookie": cookie}), timeout=60) as answer:
        answer.read()
        if answer.status != 200 or not answer.url.endswith(path):
            raise RuntimeError(f"{path} answered {answer.status} at {answer.url}")
    return (time.perf_counter() - began) * 1000


# --- P12 -----------------------------------------------------------------------------------------------------------------


def restart(stand: Stand, kills: int, seconds: float, wanted: int, say: Callable[[str], None]) -> Restart:
    """P12: kill -9 under write load, start again; no acknowledged write may be missing, none may be there twice.

    At least `kills` times, and on until `wanted` writes were acknowledged.
    """
    acknowledged = lost = 0
    took: list[float] = []
    server = stand.start(OURS)
    try:
        while len(took) < kills or (acknowledged < wanted and len(took) < 5 * kills):
            before = stand.versions()
            plan = stand.plan(server, OURS, seconds=seconds + 20, writes_of_ten=10, acknowledge=True, warm_up=0)
            client = subprocess.Popen(
                [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ground.ROOT,
                env={"PYTHONPATH": str(ground.ROOT), "PATH": "/usr/bin:/bin"},
            )  # fmt: skip
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(msgspec.json.encode(plan))
            client.stdin.close()
            time.sleep(seconds)
            server.kill()
            outcome = msgspec.json.decode(client.stdout.read(), type=load.Outcome)
            client.wait()
            server = stand.start(OURS)
            took.append(server.ready_seconds)
            after = stand.versions()
            acknowledged += sum(version - before[visit_no] for visit_no, version in outcome.versions.items())
            lost += sum(max(0, version - after[visit_no]) for visit_no, version in outcome.versions.items())
            lost += torn(stand)
            say(f"P12 {stand.ground.kind} first 200 after {server.ready_seconds:.2f} s, {acknowledged} acknowledged, {lost} lost")
    finally:
        server.stop()
    return Restart(acknowledged, lost, tuple(took))


def torn(stand: Stand) -> int:
    """Writes that are there in part, or twice: every record's versions run from 1 without gap, the last with its twenty values."""
    numbers = (
        select(Version.record_id, func.count().label("kept"), func.max(Version.number).label("last"))
        .join(Record, Record.id == Version.record_id)
        .join(Visit, Visit.id == Record.visit_id)
        .where(Record.department == fill.DEPARTMENT, Visit.visit_no.in_(stand.writable))
        .group_by(Version.record_id)
        .subquery()
    )
    values = select(func.count()).where(Value.version_id == Record.values_id).scalar_subquery()
    statement = (
        select(func.count())
        .select_from(Record)
        .join(numbers, numbers.c.record_id == Record.id)
        .where((numbers.c.kept != numbers.c.last) | (numbers.c.last != Record.version) | (values != 20))
    )
    with stand.ground.house() as house, house.unit(None, write=False) as db:
        return db.scalar(statement) or 0

