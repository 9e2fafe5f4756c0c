"""The ground floor's commands: serve, worker, migrate, load-catalog, staff, verify, routes."""

from __future__ import annotations

import errno
import gc
import logging
import socket
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from exam import backup, migrations
from exam.catalog import service as catalog
from exam.kit import audit, jobs, progress
from exam.kit.clock import Clock
from exam.kit.errors import Refused
from exam.kit.events import Event
from exam.kit.house import House, system_actor
from exam.kit.keys import Keys
from exam.kit.module import Command
from exam.kit.paper_text import BOLD_FILE, FONT_FOLDER, REGULAR_FILE
from exam.kit.random import SystemRandom
from exam.kit.server_checks import require_safe_server
from exam.settings import Settings
from exam.staff import accounts, rights

log = logging.getLogger("exam")


def anchor(house: House) -> None:
    """Writes the heads of the audit chains outside the database (every minute)."""
    with house.unit(system_actor(house.site), write=False) as db:
        house.anchor.write(db, house.clock.now())


def checkpoint(house: House) -> None:
    """Ships the write-ahead log to the folder of copies, if one is set, and folds it back; one process does it (decision 10)."""
    house.space.keep()
    if house.is_sqlite and not backup.ship_if_asked(house):
        with house.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if _wal_bytes(house) > LONGEST_WAL_BYTES:
                _begin_the_log_again(house, raw)


LONGEST_WAL_BYTES = 8 * 1024 * 1024
"""A killed server reads its write-ahead log through at the next start: under load it grows by 20 MB in a second."""


def is_log_long(house: House) -> bool:
    """Whether the log wants to be folded before its time. Where it is shipped first, shipping keeps its own time."""
    return house.is_sqlite and not getattr(house.settings, "copies", "") and _wal_bytes(house) > LONGEST_WAL_BYTES


def _wal_bytes(house: House) -> int:
    path = house.data / "exam.db-wal"
    return path.stat().st_size if path.exists() else 0


def _begin_the_log_again(house: House, raw: Any) -> None:
    """Under steady writing the log is never wholly folded back and only grows; with the writers' turn the rest is folded in a
    moment. A reader who still needs the old log is not waited for.
    """
    house.turn.take()
    try:
        raw.execute("PRAGMA busy_timeout = 0").fetchall()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.execute("PRAGMA busy_timeout = 10000").fetchall()
        house.turn.give()


def open_house(settings: Settings) -> House:
    """The house of an installation that is set up; refuses one whose schema is missing."""
    from exam.app import make_house

    return make_house(settings)


def open_for_work(settings: Settings) -> House:
    """As `open_house`, for a process that goes on writing: its ids come after all that are kept."""
    house = open_house(settings)
    try:
        with house.unit(None, write=False) as db:
            last = db.scalar(select(Event.id).order_by(Event.id.desc()).limit(1))
    except DatabaseError as error:
        raise Refused("serve.not_set_up", "数据库尚未初始化或无法打开", "请先运行 exam migrate,并核对数据库地址和密钥") from error
    if last is not None:
        house.ids.follow(last)
    return house


def set_up(settings: Settings, clock: Clock | None = None) -> House:
    """Makes keys, schema, audit writers, roles and catalogue where they are missing. Running it again changes nothing."""
    from exam.app import make_house

    Keys.make(settings.keys, SystemRandom())
    owner = make_house(settings, clock=clock, owner=True)
    role = ""
    if settings.owner_url:
        from sqlalchemy import make_url

        role = make_url(settings.database_url).username or ""
    migrations.upgrade(owner.engine, role)
    with owner.unit(system_actor(owner.site)) as db:
        audit.make_writers(db)
    with owner.unit(system_actor(owner.site)) as db:
        rights.load_roles(db, owner.modules)
        catalog.load_starter(db)
        for module in owner.modules.all:
            if module.set_up is not None:
                module.set_up(db)
    owner.engine.dispose()
    return make_house(settings, clock=clock)


def _migrate(settings: Settings, arguments: Namespace) -> int:
    require_safe_server(settings.database_url)
    set_up(settings)
    print("数据库已就绪")
    return 0


def _load_catalog(settings: Settings, arguments: Namespace) -> int:
    house = open_house(settings)
    with house.unit(system_actor(house.site)) as db:
        print("已载入初始目录" if catalog.load_starter(db) else "目录已存在,未改动")
    return 0


def _serve(settings: Settings, arguments: Namespace) -> int:
    import uvicorn

    from exam.app import create_app
    from exam.kit import serving

    require_safe_address(settings)
    require_fonts()
    require_free_port(settings)
    require_safe_server(settings.database_url)
    house = open_for_work(settings)
    app = create_app(house)
    gc.freeze()  # the routes, tables and templates stay for good: no pause while serving looks through them
    stop = threading.Event()
    background = threading.Thread(target=_in_background, args=(house, stop, not arguments.no_worker), name="worker", daemon=True)
    background.start()
    print(f"体检系统已启动: http://{settings.host}:{settings.port}", flush=True)
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, log_level="warning", access_log=False, server_header=False,
        ssl_certfile=settings.tls_certificate or None, ssl_keyfile=settings.tls_key or None,
        proxy_headers=bool(settings.trusted_proxy), forwarded_allow_ips=settings.trusted_proxy or None,
    )  # fmt: skip
    serving.run(house, config)
    stop.set()
    house.wake.set()
    background.join(10)
    anchor(house)
    checkpoint(house)
    return 0


FIRST_PAGES_SECONDS = 1.0
"""After a start the pages that people wait for come first; overdue jobs and what only a later page needs come after this."""


def _in_background(house: House, stop: threading.Event, is_worker: bool) -> None:
    """Once the server answers: loads what the first request of a kind would have to wait for (fonts, seal), then works."""
    if stop.wait(FIRST_PAGES_SECONDS):
        return
    for module in house.modules.all:
        if module.warm is not None:
            try:
                module.warm(house)
            except Exception as error:  # the request that needs it will say what is wrong; the worker has other work as well
                log.warning("%s: not loaded ahead: %s", module.name, type(error).__name__)
    if is_worker:
        jobs.work(house, stop)


def require_safe_address(settings: Settings) -> None:
    """Refuses to listen beyond this machine without TLS or a named proxy; a demonstration never leaves it (decision 18)."""
    is_loopback = settings.host == "localhost" or (_is_address(settings.host) and ip_address(settings.host).is_loopback)
    if settings.demo and not is_loopback:
        raise Refused("serve.demo", "演示模式只能监听本机地址", "请去掉 EXAM_DEMO,或监听 127.0.0.1")
    if not is_loopback and not settings.trusted_proxy and not settings.tls_certificate:
        raise Refused(
            "serve.plain", "不能在未加密的情况下对外提供服务", "请设置 EXAM_TLS_CERTIFICATE 与 EXAM_TLS_KEY,或 EXAM_TRUSTED_PROXY"
        )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def require_fonts() -> None:
    """Refuses to begin without the fonts: every slip and report would fail later. Looks only whether the files are there."""
    missing = [name for name in (REGULAR_FILE, BOLD_FILE) if not (FONT_FOLDER / name).is_file()]
    if missing:
        raise Refused(
            "serve.no_fonts",
            f"缺少字体文件 {'、'.join(missing)},无法打印单据和报告",
            "请在程序目录运行 npm ci --ignore-scripts && node vendor.mjs(make run 的第 3 步),再重新启动",
        )


def require_free_port(settings: Settings) -> None:
    """Refuses an address that cannot be listened on, before anything is opened; 0 lets the system choose."""
    if not 0 <= settings.port <= 65535:
        raise Refused("serve.port", f"端口 {settings.port} 无效", "请用 PORT 指定 1 到 65535 之间的端口")
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = "已被占用" if error.errno == errno.EADDRINUSE else f"无法监听({error.strerror})"
        raise Refused("serve.port", f"{settings.host} 的端口 {settings.port} {reason}", "请停止占用它的程序,或用 PORT 指定另一个端口") from None


def _worker(settings: Settings, arguments: Namespace) -> int:
    require_fonts()
    require_safe_server(settings.database_url)
    house = open_for_work(settings)
    stop = threading.Event()
    try:
        jobs.work(house, stop)
    except KeyboardInterrupt:
        stop.set()
    return 0


MOST_LISTED = 1000
"""Of so many breaches of one invariant the texts are kept; the others are counted, for a damaged database may have millions."""


def checked(house: House) -> Iterator[tuple[str, list[str]]]:
    """Every invariant of every loaded module with its breaches, each as soon as it is checked; long checks say how far they are on
    a terminal. Each is checked on one state of the database: a check takes several statements, and people go on working between.
    """
    for module in house.modules.all:
        for invariant in module.invariants:
            name = f"{module.name}: {invariant.name}"
            line = progress.Line(name)
            with house.unit(system_actor(house.site), write=False) as db:
                db.info["progress"] = line if line.is_seen else None
                if not house.is_sqlite:  # there a transaction has one snapshot anyway
                    db.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
                found = iter(invariant.check(db))
                breaches = list(islice(found, MOST_LISTED))
                if more := sum(1 for _ in found):
                    breaches.append(f"{MOST_LISTED + more} in all")
            line.clear()
            yield name, breaches


def breaches_of(house: House) -> list[tuple[str, list[str]]]:
    """Every invariant with its breaches, as `checked` finds them."""
    return list(checked(house))


def show(name: str, breaches: list[str]) -> int:
    """Prints an invariant with its first breaches, at once; says how many there are."""
    print(f"{'ok  ' if not breaches else 'FAIL'} {name}", flush=True)
    for breach in breaches[:20]:
        print(f"     {breach}")
    if len(breaches) > 20:
        print(f"     … {breaches[-1] if len(breaches) > MOST_LISTED else f'{len(breaches)} in all'}")
    return len(breaches)


def _verify(settings: Settings, arguments: Namespace) -> int:
    house = open_house(settings)
    bad = 0
    for name, breaches in checked(house):
        bad += show(name, breaches)
    if house.is_sqlite:
        with house.engine.connect() as connection:
            verdict = connection.execute(text("PRAGMA integrity_check")).scalar_one()
        print(f"{'ok  ' if verdict == 'ok' else 'FAIL'} the database file is intact")
        bad += verdict != "ok"
    for note in house.anchor.notes():
        print(f"note {note}")
    return 1 if bad else 0


def _routes(settings: Settings, arguments: Namespace) -> int:
    from exam.app import create_app, routes_with_permission

    for method, path, may in routes_with_permission(create_app(open_house(settings))):
        print(f"{method:6} {path:60} {may}")
    return 0


def _staff_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    code = actions.add_parser("code", help="show the second-factor code of a demo account")
    code.add_argument("login")
    first = actions.add_parser("first-administrators", help="make the three administrators of a new installation")
    first.add_argument("--prefix", default="", help="login prefix")
    reset = actions.add_parser("reset-password", help="give an account a new one-time password")
    reset.add_argument("login")
    factor = actions.add_parser("reset-second-factor", help="give an account a new second factor")
    factor.add_argument("login")
    administrator = actions.add_parser("add-administrator", help="make another system, security or audit administrator")
    administrator.add_argument("kind", choices=list(accounts.ADMINISTRATORS))
    administrator.add_argument("login")
    administrator.add_argument("name")
    for word, text_ in (("disable", "end an account's sessions and close it"), ("enable", "open a disabled account again")):
        actions.add_parser(word, help=text_).add_argument("login")
    actions.add_parser("list", help="list the accounts")


def _staff(settings: Settings, arguments: Namespace) -> int:
    house = open_house(settings)
    with house.unit(system_actor(house.site)) as db:
        if arguments.action == "code":
            if not settings.demo and not (settings.data / "demo-password").exists():
                raise Refused("staff.not_demo", "只有演示环境可以在命令行显示动态码", "请使用手机上的动态码应用")
            print(accounts.present_code(db, arguments.login))
        elif arguments.action == "list":
            for account in accounts.accounts(db):
                print(f"{account.login:16} {account.name:12} {account.kind_name:8} {account.title}")
        elif arguments.action == "reset-password":
            print(accounts.reset_password(db, _account(db, arguments.login)))
        elif arguments.action == "reset-second-factor":
            print(accounts.reset_second_factor(db, _account(db, arguments.login)))
        elif arguments.action in ("disable", "enable"):
            accounts.set_active(db, _account(db, arguments.login), arguments.action == "enable")
        elif arguments.action == "add-administrator":
            new = accounts.NewAccount(login=arguments.login, name=arguments.name, kind=arguments.kind)
            staff_id, password = accounts.create(db, new)
            print(f"{password}  {accounts.reset_second_factor(db, staff_id)}")
        else:
            if any(each.kind != "staff" for each in accounts.accounts(db)):
                raise Refused("staff.exists", "管理员账号已存在", "请由现有系统管理员登录后管理账号")
            for kind, name in accounts.ADMINISTRATORS.items():
                new = accounts.NewAccount(login=f"{arguments.prefix}{kind}", name=name, kind=kind)
                staff_id, password = accounts.create(db, new)
                print(f"{kind}: {password}  {accounts.reset_second_factor(db, staff_id)}")
    return 0


def _account(db: Session, login: str) -> UUID:
    found = next((each.id for each in accounts.accounts(db) if each.login == login), None)
    if found is None:
        raise Refused("staff.unknown", f"没有账号 {login}", "用 exam staff list 查看")
    return found


def _serve_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--no-worker", action="store_true", help="do not run the worker in this process")


COMMANDS = (
    Command("serve", "serve the screens and the JSON API", _serve, _serve_arguments),
    Command("worker", "deliver messages and run timed jobs", _worker),
    Command("migrate", "make or bring up the database, its keys, roles and starter catalogue", _migrate),
    Command("load-catalog", "load the starter catalogue into an empty database", _load_catalog),
    Command("staff", "accounts from the command line", _staff, _staff_arguments),
    Command("verify", "check every invariant of the whole database", _verify),
    Command("routes", "list every route with its permission", _routes),
    *backup.COMMANDS,
)
