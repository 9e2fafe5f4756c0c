"""The web edge: routes in one transaction each, pages and fragments, and refusals shown as HTML or problem+json."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import litestar
import msgspec
from jinja2 import BytecodeCache, Environment, FileSystemBytecodeCache, PackageLoader, PrefixLoader, StrictUndefined
from litestar import Request, Response
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.params import SkipValidation
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from exam.kit import auth, json_body
from exam.kit.clock import local
from exam.kit.direct import DirectRead
from exam.kit.errors import BadInput, Forbidden, NotFound, NotSignedIn, Refused, Stale, trace_of
from exam.kit.house import GroupWrite, House, house_of
from exam.kit.json_body import chinese_problem
from exam.kit.money import yuan

log = logging.getLogger("exam.web")

Db = NamedDependency[SkipValidation[Session]]
Page = Response[str]
Form = dict[str, Any]

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        "frame-src 'self'; object-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def make_session(request: Request[Any, Any, Any]) -> Session:
    """The session of one request. It touches the database only in the handler's own thread (decision 11)."""
    house: House = request.app.state.house
    if request.route_handler.opt.get("direct"):
        return cast(Session, house.direct_reads.begin())
    return house.session(write=request.method in UNSAFE, is_page=True)


def _refuse_nul(arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        if name in ("request", "db"):
            continue
        field = json_body.nul_at("" if name == "data" else name, value)
        if field is not None:
            refused = BadInput([(field or json_body.BODY, f"“{field}”含有不可见的空字符(NUL),请删除后重试")])
            if arguments["request"].url.path.startswith("/api/"):
                refused.status = 400  # as other bodies that cannot be read; in a form it is one wrong field
            raise refused


def _in_one_transaction(handler: Callable[..., Any], may: str, write: bool | None) -> Callable[..., Any]:
    # An open route may hash a password before its first statement: that must not keep the writers waiting.
    writes = write is not False and may != auth.OPEN

    def run(arguments: dict[str, Any]) -> tuple[Any, GroupWrite | None]:
        request: Request[Any, Any, Any] = arguments["request"]
        db: Session = arguments["db"]
        house = house_of(db)
        is_unsafe = request.method in UNSAFE
        if write is not None:
            db = arguments["db"] = house.session(write=write)
        db.info.update(
            request=request,
            act=may if may not in (auth.OPEN, auth.SIGNED_IN) else handler.__qualname__,
            terminal=request.client.host if request.client else "",
            correlation=request.headers.get("x-request-id", "")[:40] or house.ids.new().hex,
            await_later=None,
        )
        with house.unit(None, db=db):
            if is_unsafe:
                auth.require_same_origin(request.headers, request.headers.get("host", ""))
            if may != auth.OPEN:
                actor = house.modules.provided(auth.AUTHENTICATE)(db, auth.token_of(request.cookies))
                db.info["actor"] = actor
                if is_unsafe:
                    data = arguments.get("data")
                    in_form = data.pop("csrf", "") if isinstance(data, dict) else ""
                    auth.require_csrf(actor, request.headers.get("x-csrf-token", "") or str(in_form))
                auth.require(actor, may)
            _refuse_nul(arguments)
            answer = handler(**arguments)
        return answer, db.info["await_later"]

    # Litestar's own sync_to_thread wraps a handler once more for every app it joins, so we go to the thread ourselves.
    @functools.wraps(handler)
    async def in_thread(**arguments: Any) -> Any:
        house: House = arguments["request"].app.state.house
        if arguments["request"].method == "OPTIONS":
            raise MethodNotAllowedException
        if house.is_sqlite and isinstance(arguments["db"], DirectRead):
            answer, later = run(arguments)
        elif house.writers is not None and writes and arguments["request"].method in UNSAFE:
            answer, later = await asyncio.get_running_loop().run_in_executor(house.writers, run, arguments)
        else:
            answer, later = await sync_to_thread(run, arguments)
        if later is not None:
            # The reads' audit must be on disk before the answer leaves; no thread is held while the disk works.
            await house.group_writer.written(later)
        return answer

    return in_thread


def _route(method: Any, path: str, may: str, write: bool | None, options: dict[str, Any]) -> Callable[..., Any]:
    def decorate(handler: Callable[..., Any]) -> Any:
        is_api = path.startswith("/api/")
        options.setdefault("include_in_schema", is_api)
        if is_api:
            options.setdefault("summary", (handler.__doc__ or "").partition("\n")[0])
            if method is litestar.post:
                options.setdefault("request_max_body_size", json_body.MOST_BYTES)
                if "data" in handler.__annotations__:
                    options.setdefault("before_request", json_body.read)
        return method(path, may=may, **options)(_in_one_transaction(handler, may, write))

    return decorate


def get(path: str, *, may: str, write: bool | None = None, direct: bool = False, **options: Any) -> Callable[..., Any]:
    """A GET route: a read unit of work. The handler takes `request` and `db` and what else Litestar can give.

    `direct` is for a hot read of a few prepared statements, without a session; on the embedded database on the event loop.
    """
    return _route(litestar.get, path, may, write, {"direct": direct, **options})


def post(path: str, *, may: str, write: bool | None = None, **options: Any) -> Callable[..., Any]:
    """A POST route: one transaction, committed before the answer leaves, with its audit row.

    `write=False` is for one that only computes, so that it does not queue with the writers.
    """
    options.setdefault("status_code", 200)
    return _route(litestar.post, path, may, write, options)


# --- pages -----------------------------------------------------------------------------------------------------------


def _compiled_templates(env: Environment) -> BytecodeCache | None:
    """Compiled templates are kept beside the compiled modules: a page that nobody opened since the start opens at once.

    Each is compiled again when its text changes; another set of options, which decide what is escaped, has names of its own.
    """
    folder = Path(__file__).parents[1] / "templates" / "__pycache__"
    options = repr((env.autoescape, env.undefined.__name__, env.trim_blocks, env.lstrip_blocks))
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
    if not os.access(folder, os.W_OK):
        return None
    digest = hashlib.sha256(options.encode()).hexdigest()[:8]
    return FileSystemBytecodeCache(str(folder), f"%s.{sys.implementation.cache_tag}.{digest}")


def make_templates(packages: list[str]) -> Environment:
    """The templates of all rooms: `registration/templates/board.html` is addressed as `registration/board.html`."""
    loaders = {}
    for name in packages:
        folder = Path(str(__import__(name).__file__)).parent / "templates"
        if folder.is_dir():
            loaders[name] = PackageLoader(name)
    env = Environment(
        loader=PrefixLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        auto_reload=False, cache_size=-1,
    )  # fmt: skip
    env.bytecode_cache = _compiled_templates(env)
    env.filters["yuan"] = yuan
    env.filters["clock"] = lambda moment: local(moment).strftime("%H:%M") if moment else ""
    env.filters["moment"] = lambda moment: local(moment).strftime("%Y-%m-%d %H:%M") if moment else ""
    env.filters["day"] = lambda day: day.isoformat() if day else ""
    return env


def _context(db: Session) -> dict[str, Any]:
    house = house_of(db)
    actor = db.info.get("actor")
    request = db.info.get("request")
    path = request.url.path if request is not None else ""
    menu = [
        {"title": e.title, "url": e.url, "icon": e.icon, "is_current": path == e.url or path.startswith(e.url + "/")}
        for e in house.modules.menu
        if actor is not None and actor.may(e.may)
    ]
    return {
        "actor": actor,
        "csrf_token": actor.csrf if actor else "",
        "menu": menu,
        "centre_name": getattr(house.settings, "centre_name", ""),
        "is_demo": getattr(house.settings, "demo", False),
        "static_version": getattr(house, "static_version", "0"),
        "path": path,
    }


def render(db: Session, template: str, **values: Any) -> str:
    """A template's text. It gets structs and ready words, never a session."""
    templates: Environment = cast(Any, house_of(db)).templates
    return templates.get_template(template).render({**_context(db), **values})


def page(db: Session, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Page:
    """A whole page, or a fragment that htmx swaps in."""
    return Response(render(db, template, **values), media_type="text/html", status_code=status, headers=headers)



def back_to(db: Session, url: str, toast: str = "") -> Page:
    """After a change: sends the browser on (htmx by header, a plain form by 303), with a short confirmation."""
    request = db.info["request"]
    headers = {"HX-Redirect": url} if request.headers.get("hx-request") else {"Location": url}
    response: Page = Response("", media_type="text/html", status_code=200 if "HX-Redirect" in headers else 303, headers=headers)
    if toast:
        response.set_cookie(key="toast", value=toast.encode().hex(), max_age=30, secure=True, httponly=False, samesite="strict")
    return response


def download(content: bytes, filename: str, media_type: str, *, inline: bool = False) -> Response[bytes]:
    """A file with an RFC 6266 name; characters that could break the header are percent-encoded."""
    from urllib.parse import quote

    way = "inline" if inline else "attachment"
    headers = {"content-disposition": f"{way}; filename=\"download\"; filename*=UTF-8''{quote(filename, safe='')}"}
    return Response(content, media_type=media_type, headers=headers)


def uuid_of(text: str) -> UUID:
    """An id from a path or form; anything that is not one is simply not found."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


# --- refusals --------------------------------------------------------------------------------------------------------


class FieldProblem(msgspec.Struct):
    """One wrong field: its name, or the way to it in the body (`values.HT`, `lines[1].group`), and what is wrong with it."""

    field: str
    text: str


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457 problem details; `hint` is the remedy and `fields` every field that is wrong, all in Chinese."""

    type: str
    title: str
    status: int
    hint: str = ""
    fields: list[FieldProblem] = []


def show_refusal(request: Request[Any, Any, Any], refused: Refused) -> Response[Any]:
    """A refusal as problem+json for programs, as a fragment for htmx, as a page for a browser."""
    problems = refused.problems if isinstance(refused, BadInput) else [(refused.field, refused.text)] if refused.field else []
    if request.url.path.startswith("/api/"):
        problem = Problem(
            type=refused.code, title=refused.text, status=refused.status, hint=refused.hint,
            fields=[FieldProblem(field, text) for field, text in problems],
        )  # fmt: skip
        return Response(msgspec.json.encode(problem), media_type="application/problem+json", status_code=refused.status)
    is_fragment = bool(request.headers.get("hx-request"))
    if isinstance(refused, NotSignedIn) and not is_fragment and request.method == "GET":
        return Response("", status_code=303, headers={"Location": "/sign-in"})
    if refused.code == "auth.password_must_change" and not is_fragment and request.method == "GET":
        return Response("", status_code=303, headers={"Location": auth.CHANGE_PASSWORD_URL})
    house: House = request.app.state.house
    db = house.session(write=False)
    db.info["request"] = request
    values: dict[str, Any] = {"refused": refused, "problems": problems, "text": refused.text, "hint": refused.hint}
    values["code"] = refused.code
    if is_fragment:
        headers = {"HX-Retarget": "#refusal", "HX-Reswap": "innerHTML"}
        status = refused.status if refused.status in (409, 422) else 409
        return page(db, "exam/_refusal.html", status=status, headers=headers, **values)
    return page(db, "exam/refused.html", status=refused.status, **values)


def on_refused(request: Request[Any, Any, Any], error: Refused) -> Response[Any]:
    """A rule said no."""
    return show_refusal(request, error)


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    """The body or the query does not have the declared shape."""
    extra = error.extra if isinstance(error.extra, list) else []
    told = [each for each in extra if isinstance(each, dict)]
    pairs = [(str(each.get("key", "")), str(each.get("message", ""))) for each in told]
    if request.url.path.startswith("/api/"):
        problems = [json_body.problem(request, key, message) for key, message in pairs]
    else:
        problems = [(key, chinese_problem(message)) for key, message in pairs]
    refused = BadInput(problems or [(json_body.BODY, "请求内容不符合要求")])
    refused.status = 400
    return show_refusal(request, refused)


def on_unreadable(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The body cannot be read at all: nested too deeply, or not valid UTF-8."""
    return show_refusal(request, json_body.unreadable("请求内容无法读取:不是有效的 UTF-8 文本,或嵌套过深"))


def on_out_of_range(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A number or text that the database cannot hold."""
    return show_refusal(request, json_body.unreadable("填写的数值或文字超出允许范围"))


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Litestar's own refusals: no such address, wrong method, body too large."""
    is_api = request.url.path.startswith("/api/")
    most = f",最多 {json_body.MOST_BYTES // 1024 // 1024} MB" if is_api else ""
    texts = {
        404: ("没有这个地址", "请核对地址,接口列表见 /api/schema/openapi.json" if is_api else "请从菜单进入"),
        405: ("该地址不支持这种请求", "请核对请求方法(GET 或 POST)" if is_api else "请从页面按钮操作"),
        413: (f"提交的内容过大{most}", "请减小文件或分批提交"),
    }
    if request.url.path.startswith("/static/") and error.status_code >= 500:
        error = NotFoundException()  # a file name that the file system cannot even look up
    text, hint = texts.get(error.status_code, ("请求无法处理", "请检查后重试"))
    refused = Refused(f"http.{error.status_code}", text, hint)
    refused.status = error.status_code
    return show_refusal(request, refused)


def on_stale(request: Request[Any, Any, Any], error: StaleDataError) -> Response[Any]:
    """Somebody else changed the same row in between."""
    return show_refusal(request, Stale())


def on_conflict(request: Request[Any, Any, Any], error: IntegrityError) -> Response[Any]:
    """The database refused: two requests raced for the same thing. The statement is logged, its values are not."""
    log.warning("integrity: %s", type(error.orig).__name__)
    return show_refusal(request, Refused("kit.conflict", "该记录刚被他人处理,未重复执行", "请刷新页面后查看结果"))


def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A fault of ours: logged with its trace and without any data of the request."""
    if request.url.path.startswith("/static/"):
        return on_http(request, NotFoundException())
    log.error("fault on %s %s\n%s", request.method, request.url.path.split("/")[1:2], trace_of(error))
    refused = Refused("kit.fault", "系统内部错误,本次操作未保存", "请重试;如反复出现请联系系统管理员")
    refused.status = 500
    return show_refusal(request, refused)


EXCEPTION_HANDLERS: dict[Any, Any] = {
    Refused: on_refused,
    Forbidden: on_refused,
    ValidationException: on_validation,
    HTTPException: on_http,
    RecursionError: on_unreadable,
    UnicodeDecodeError: on_unreadable,
    StaleDataError: on_stale,
    OverflowError: on_out_of_range,
    DataError: on_out_of_range,
    IntegrityError: on_conflict,
    Exception: on_crash,
}
