"""The rehearsal's commands: `exam demo` fills a demonstration, `exam rehearse` plays a whole day and checks everything after."""

from __future__ import annotations

import base64
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam import commands
from exam.app import make_house
from exam.kit.clock import day_of
from exam.kit.errors import Refused
from exam.kit.house import House, system_actor
from exam.settings import Settings
from exam.staff import accounts
from exam.staff.credentials import mark_used
from exam.staff.demo import make_staff
from exam.staff.models import Staff
from exam.visits.models import Visit
from rehearsal.cast import ORGANIZATIONS, Invented, invent
from rehearsal.day import Centre, Stage
from rehearsal.demo_company import add_company
from rehearsal.desk import Stopwatch
from rehearsal.earlier import DAYS_BACK, ClockBehind, as_of, serving
from rehearsal.people import demonstrated

DEMO_STAGES = (
    *([Stage.BOOKED] * 3), *([Stage.REGISTERED] * 3), *([Stage.PAID] * 2), *([Stage.CHECKED_IN] * 3), *([Stage.DRAWN] * 2),
    *([Stage.PARTLY_EXAMINED] * 3), *([Stage.EXAMINED] * 2), *([Stage.SHEET_RETURNED] * 2), *([Stage.SECTIONS_DONE] * 4),
    *([Stage.FIRST_REVIEWED] * 2), *([Stage.FINAL] * 2), *([Stage.PUBLISHED] * 4),
)  # fmt: skip


EARLIER_VISITS = 4
"""So many of a demonstration's people were here in each of the earlier years."""


def demo_password(settings: Settings) -> str:
    """The password of the demonstration's staff: given once, kept in the data folder (decision 18)."""
    kept = settings.data / "demo-password"
    if kept.exists():
        return kept.read_text().strip()
    word = settings.demo_password or "Exam-" + base64.b32encode(secrets.token_bytes(6)).decode().rstrip("=").lower() + "-7"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch(mode=0o600)
    kept.write_text(word + "\n")
    return word


def code_of(house: House, login: str) -> str:
    """A demo account's second-factor code of this moment."""
    with house.unit(system_actor(house.site), write=False) as db:
        return accounts.present_code(db, login)


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """A server process of our own on a free loopback port, ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": "/usr/bin:/bin",
        "PORT": str(port),
        "EXAM_DEMO": "1",
        "EXAM_DATA": str(settings.data),
        "EXAM_KEYS": str(settings.keys),
        "EXAM_PLUGINS": ",".join(settings.plugins),
        "EXAM_DATABASE_URL": settings.database_url,
        "EXAM_CENTRE_NAME": settings.centre_name,
    }
    process = subprocess.Popen([sys.executable, "-m", "exam.cli", "serve"], env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{base}/sign-in", timeout=5)
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Refused("rehearsal.no_server", "演练用的服务未能启动", "请查看上方的错误信息") from None
                time.sleep(0.05)
        yield base
    finally:
        process.terminate()
        process.wait(20)


def add_organizations(db: Session) -> None:
    """The demonstration's organisations. One of an earlier version has them already, and gets only the staff that it lacks."""
    from exam.people import service as people

    present = {code for _, code, _ in people.organizations(db)}
    for code, name in ORGANIZATIONS:
        if code not in present:
            people.add_organization(db, code, name)


def demo(settings: Settings, arguments: Namespace) -> int:
    """Sets the demonstration up: database, staff, and a day's visits in every state. Running it again keeps the data."""
    commands.require_safe_address(settings)
    commands.require_fonts()
    began = time.monotonic()
    print("准备数据库…", flush=True)
    # A catalogue holds from the day it is loaded: who wants earlier years must begin with them.
    has_earlier = _is_new(settings)
    house = commands.set_up(settings, clock=ClockBehind(DAYS_BACK[0]) if has_earlier else None)
    password = demo_password(settings)
    with house.unit(system_actor(house.site)) as db:
        made = make_staff(db, password)
        add_organizations(db)
    house.engine.dispose()
    house = commands.open_house(settings)
    today = day_of(house.clock.now())
    with house.unit(system_actor(house.site), write=False) as db:
        has_day = db.query(Visit.id).filter(Visit.exam_on == today).first() is not None
    if made:
        print(f"演示人员(密码均为 {password} ,仅显示这一次,另存于 {settings.data / 'demo-password'}):")
        for login, name, title, has_code in made:
            print(f"  {login:10} {name} {title}{'  (动态码: .venv/bin/exam staff code ' + login + ')' if has_code else ''}")
    if not has_day:
        print(f"生成今天({today})的 {len(DEMO_STAGES)} 个体检…", flush=True)
        watch = Stopwatch()
        invented = demonstrated(f"demo-{today}", today, [stage is Stage.SECTIONS_DONE for stage in DEMO_STAGES])
        if has_earlier:
            _play_earlier(settings, password, invented[::-1], watch)
            _use_accounts(house)
        people_of_day = zip(invented, DEMO_STAGES, strict=True)
        with served(settings) as base:
            centre = Centre(base, password, lambda login: code_of(house, login), watch, f"demo-{today}")
            centre.play(((number, person, stage) for number, (person, stage) in enumerate(people_of_day)), workers=2)
        for step, errors in watch.errors.items():
            print(f"  {step}: {errors[0]}", file=sys.stderr)
        if watch.error_count:
            return 1
    print("生成一个单位的团检批次…", flush=True)
    add_company(house, today)
    house.engine.dispose()
    print(f"就绪,用时 {time.monotonic() - began:.1f} 秒", flush=True)
    return 0


def _is_new(settings: Settings) -> bool:
    """Whether nothing is there yet. A PostgreSQL database may be anybody's: it gets no earlier years."""
    return not settings.database_url and not (settings.data / "exam.db").exists()


def _play_earlier(settings: Settings, password: str, people: Sequence[Invented], watch: Stopwatch) -> None:
    """Some of today's people were here a year and two years ago."""
    for days in DAYS_BACK:
        house = make_house(settings, clock=ClockBehind(days))
        _use_accounts(house)
        day = day_of(house.clock.now())
        came = [earlier for person in people if (earlier := as_of(person, day))][:EARLIER_VISITS]
        print(f"生成 {day} 的 {len(came)} 个体检(历年对比)…", flush=True)
        with serving(house) as base:
            centre = Centre(base, password, partial(code_of, house), watch, f"demo-{day}")
            centre.play(((number, person, Stage.PUBLISHED) for number, person in enumerate(came)), workers=2)
        house.engine.dispose()


def _use_accounts(house: House) -> None:
    """Years pass at once: the accounts' passwords would be too old now, and unused accounts disabled on the first night."""
    with house.unit(system_actor(house.site)) as db:
        for staff in db.scalars(select(Staff)).all():
            staff.password_changed_at = house.clock.now()
            mark_used(db, staff)


def rehearse(settings: Settings, arguments: Namespace) -> int:
    """Plays a day over HTTP, prints the table of steps, then checks every invariant of the whole database."""
    commands.require_fonts()
    with tempfile.TemporaryDirectory(prefix="rehearsal") as folder:
        if not arguments.url and not settings.database_url:
            home = Path(folder)
            settings = msgspec.structs.replace(settings, data=home / "data", keys=home / "keys", demo=True)
        if "rehearsal" not in settings.plugins:
            settings = msgspec.structs.replace(settings, plugins=(*settings.plugins, "rehearsal"))
        house = commands.open_house(settings) if arguments.url else commands.set_up(settings)
        password = demo_password(settings)
        with house.unit(system_actor(house.site)) as db:
            make_staff(db, password)
        watch = Stopwatch()
        seed = arguments.seed or secrets.token_hex(4)
        print(f"seed {seed}, {arguments.visits} visits, {arguments.workers} workers", flush=True)
        began = time.monotonic()
        if arguments.url:
            _play(house, arguments.url, password, watch, seed, arguments)
        else:
            with served(settings) as base:
                _play(house, base, password, watch, seed, arguments)
        took = time.monotonic() - began
        print(watch.table())
        for step, errors in watch.errors.items():
            print(f"{step}: {len(errors)} errors, first: {errors[0]}")
        print(f"{arguments.visits} visits in {took:.1f} s")
        bad = 0
        for name, breaches in commands.breaches_of(house):
            print(f"{'ok  ' if not breaches else 'FAIL'} {name}")
            for breach in breaches[:10]:
                print(f"     {breach}")
            bad += len(breaches)
        house.engine.dispose()
    return 1 if bad or watch.error_count else 0


def _play(house: House, base: str, password: str, watch: Stopwatch, seed: str, arguments: Namespace) -> None:
    centre = Centre(base, password, lambda login: code_of(house, login), watch, seed)
    people = invent(seed, day_of(house.clock.now()), arguments.visits)
    centre.play(((number, person, Stage.PUBLISHED) for number, person in enumerate(people)), arguments.workers)
