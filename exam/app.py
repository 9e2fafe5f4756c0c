"""Makes the house and the app: loads modules by name, joins routes, templates, static files, listeners and slots."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.static_files import create_static_files_router
from litestar.types import Message, Scope

from exam.kit import auth, web
from exam.kit.api_schema import CompleteSchema
from exam.kit.clock import Clock, SystemClock
from exam.kit.db import Turn, postgresql_engine, sqlite_engine
from exam.kit.house import House
from exam.kit.jobs import import_models
from exam.kit.keys import Keys
from exam.kit.module import Modules, load
from exam.kit.random import Randomness, SystemRandom
from exam.settings import MODEL_PACKAGES, Settings

STATIC_CACHE = "public, max-age=604800"
MOST_BODY_BYTES = 12 * 1024 * 1024


def make_house(settings: Settings, *, clock: Clock | None = None, random: Randomness | None = None, owner: bool = False) -> House:
    """Opens the database and loads the modules. `owner` connects to PostgreSQL as the role that migrates."""
    modules = load(settings.modules)
    import_models([*MODEL_PACKAGES, *settings.plugins])
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = Keys(settings.keys)
    turn = Turn()
    if settings.database_url:
        url = (settings.owner_url or settings.database_url) if owner else settings.database_url
        engine = postgresql_engine(url)
    else:
        engine = sqlite_engine(settings.data / "exam.db", keys["database"], turn)
    house = House(
        engine=engine, modules=modules, keys=keys, data=settings.data, site=settings.site, device=settings.device,
        clock=clock or SystemClock(), random=random or SystemRandom(), settings=settings, turn=turn,
    )  # fmt: skip
    house.templates = web.make_templates([*settings.modules])  # type: ignore[attr-defined]
    house.static_version = _static_version(_static_folders(settings.modules))  # type: ignore[attr-defined]
    house.templates.globals["static_version"] = house.static_version  # type: ignore[attr-defined]
    return house


def _static_folders(names: Iterable[str]) -> dict[str, Path]:
    """The folders of files that browsers keep, by room."""
    folders = {name: Path(str(importlib.import_module(name).__file__)).parent / "static" for name in names}
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


def _static_version(folders: Mapping[str, Path]) -> str:
    """Changes with any file of any room: every address of such a file carries it, for a browser does not ask again for a week."""
    digest = hashlib.sha256()
    for name, folder in sorted(folders.items()):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                at, size, changed = path.relative_to(folder), path.stat().st_size, int(path.stat().st_mtime)
                digest.update(f"{name}/{at}:{size}:{changed}".encode())
    return digest.hexdigest()[:10]


def create_app(house: House) -> Litestar:
    """The web application over one house."""
    routes: list[Any] = [route for module in house.modules.all for route in module.routes]
    settings: Settings = house.settings
    statics = [
        create_static_files_router(path=f"/static/{name}", directories=[folder], opt={"may": auth.OPEN}, include_in_schema=False)
        for name, folder in _static_folders(settings.modules).items()
    ]

    def not_found(request: Request[Any, Any, Any], error: NotFoundException) -> Response[Any]:
        return web.on_http(request, error)

    own = {name.encode(): value.encode() for name, value in web.HEADERS.items()}
    if settings.tls_certificate or settings.trusted_proxy:
        own[b"strict-transport-security"] = b"max-age=31536000"
    of_pages, of_statics = list(own.items()), list({**own, b"cache-control": STATIC_CACHE.encode()}.items())

    async def add_headers(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            is_static = scope["path"].startswith("/static/") and message["status"] < 400
            given = [header for header in message["headers"] if header[0] not in own]
            message["headers"] = given + (of_statics if is_static else of_pages)

    _answer_options(routes)
    app = Litestar(
        route_handlers=[*routes, *statics],
        guards=[auth.route_must_declare_may],
        dependencies={"db": Provide(web.make_session, sync_to_thread=False)},
        exception_handlers={**web.EXCEPTION_HANDLERS, NotFoundException: not_found},
        before_send=[add_headers],
        request_max_body_size=MOST_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="Exam centre", version="1", use_handler_docstrings=True, render_plugins=[CompleteSchema("/openapi.json")], openapi_router=Router(
                "/api/schema", route_handlers=[], opt={"may": auth.OPEN}, include_in_schema=False,
            ),
        ),
        debug=False,
        logging_config=None,
    )  # fmt: skip
    app.state.house = house
    return app


def _answer_options(routes: list[Any]) -> None:
    """Lets the first handler of each page's address answer OPTIONS, too (with 405, see `web`).

    The framework else makes, inspects and registers a handler of its own for every address: a quarter of an app's start.
    """
    taken = {path for handler in routes if "OPTIONS" in handler.http_methods for path in handler.paths}  # by an app before this one
    for handler in routes:
        if not handler.include_in_schema and taken.isdisjoint(handler.paths):
            handler.http_methods = {*handler.http_methods, "OPTIONS"}
            taken.update(handler.paths)


def routes_with_permission(app: Litestar) -> list[tuple[str, str, str]]:
    """`(method, path, may)` of every route, for the golden route table and `exam routes`."""
    found = set()
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            for method in sorted(getattr(handler, "http_methods", ())):
                if method != "OPTIONS":
                    found.add((method, route.path, handler.opt.get("may", "")))
    return sorted(found, key=lambda each: (each[1], each[0]))


__all__ = ["Modules", "create_app", "make_house", "routes_with_permission"]
