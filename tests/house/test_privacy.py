"""Personal data: in no log or address, unreadable at rest; another site's rows are like none at all; GETs change nothing."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from litestar.testing import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from exam.app import routes_with_permission
from exam.kit import ids
from exam.kit.errors import trace_of
from exam.kit.house import House, system_actor
from exam.people.models import Person
from exam.staff.models import Grant, Role, RolePermission, Staff
from tests.conftest import Desk
from tests.flows.test_personal_visit import Day, ok

Sit = Callable[[str], Desk]

NAME, ID_NUMBER, PHONE, ADDRESS = "韦𬭼", "450110198503150018", "13800138000", "桂平市西山镇大街九十九号"
LOGGERS = (
    "exam",
    "registration",
    "results",
    "reporting",
    "chief_review",
    "uvicorn",
    "litestar",
    "sqlalchemy",
    "asyncio",
    "py.warnings",
)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged. SQLAlchemy's own echo of statements is off in a house; its warnings are not."""
    for name in LOGGERS:
        caplog.set_level(logging.WARNING if name == "sqlalchemy" else logging.DEBUG, name)
    logging.captureWarnings(True)
    yield caplog
    logging.captureWarnings(False)


def planted_in(words: str) -> list[str]:
    """Which of the planted values stand in a text, plainly or percent-encoded."""
    from urllib.parse import unquote

    plain = unquote(words)
    return [each for each in (NAME, ID_NUMBER, PHONE, ADDRESS, ID_NUMBER[6:14]) if each in words or each in plain]


def everybody(house: House, site: str, login: str) -> None:
    """Makes somebody of a site who holds every permission that a member of staff can hold, in all departments."""
    now = house.clock.now()
    with house.unit(system_actor("01")) as db:
        if db.get(Role, "everything") is None:
            db.add(Role(code="everything", name="全部", ver=1))
            db.flush()
            for permission in house.modules.permissions:
                db.add(RolePermission(role="everything", permission=permission))
        staff_id = house.ids.new()
        db.add(
            Staff(
                id=staff_id,
                login=login,
                name="周",
                title="主任医师",
                kind="staff",
                site=site,
                active=True,
                password_hash="-",
                password_changed_at=now,
                password_must_change=False,
                password_expires_at=None,
                totp_secret=b"",
                created_at=now,
                ver=1,
            )
        )
        db.flush()
        db.add(
            Grant(
                id=house.ids.new(),
                staff_id=staff_id,
                staff_kind="staff",
                role="everything",
                site=site,
                department="",
                granted_by="test",
                granted_at=now,
            )
        )


def person_id_of(house: House) -> UUID:
    with house.unit(None, write=False) as db:
        return db.scalars(select(Person.id)).one()


def a_day(house: House, desk: Sit) -> Day:
    """A visit that was registered, drawn, examined in part and refused in part."""
    day = Day(house, desk)
    day.register()
    day.pay_and_check_in()
    day.enter("wu", "GEN")
    day.verify("wu", "GEN")
    surgery = next(line["id"] for line in day.visit()["lines"] if line["department"] == "SUR")
    ok(day.at_desk("qin", "lines/refuse", line_ids=[surgery], reason="受检者拒绝"))
    return day


def addresses_in(answer: Any) -> list[str]:
    """Every address that an answer hands out: links, forms, htmx, redirects."""
    page = answer.text if "html" in answer.headers.get("content-type", "") else ""
    found = re.findall(r'(?:href|src|action|hx-get|hx-post|data-url)="([^"]*)"', page)
    return [*found, *(answer.headers[name] for name in ("location", "hx-redirect", "hx-push-url") if name in answer.headers)]


# --- (a) logs and addresses -------------------------------------------------------------------------------------------


def test_a_persons_data_stands_in_no_log_and_in_no_address(
    house: House, desk: Sit, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = a_day(house, desk)
    lin, qin = desk("lin"), desk("qin")
    person = person_id_of(house)
    answers = [
        lin.htmx("/registration/recognise", {"id_no": ID_NUMBER}),
        lin.htmx("/registration/walk-ins", {"key": "k" * 16, "id_no": ID_NUMBER, "name": NAME, "package": "P01"}),
        lin.htmx("/registration/walk-ins", {"key": "k" * 17, "id_no": ID_NUMBER, "name": "别人", "package": "P01"}),
        lin.htmx("/registration/quote", {"id_no": ID_NUMBER, "name": NAME, "phone": PHONE, "package": "P01", "q": NAME}),
        *(lin.post("/registration/find", {"q": each}) for each in (ID_NUMBER, PHONE, NAME, ID_NUMBER[-4:])),
        *(lin.post("/people", {"q": each}) for each in (ID_NUMBER, PHONE, NAME)),
        lin.htmx(f"/people/{person}/reveal", {"field": "id_no", "reason": "核对证件"}),
        qin.htmx(
            f"/people/{person}/correct",
            {
                "name": NAME,
                "sex": "M",
                "birth_on": "1985-03-15",
                "ver": "1",
                "reason": "补地址",
                "address": ADDRESS,
                "id_no": ID_NUMBER,
            },
        ),
        lin.post("/api/visits", json={"name": NAME, "id_no": ID_NUMBER[:-1] + "9", "phone": PHONE, "package": "P01"}),
        lin.post("/api/visits", json={"name": NAME, "id_no": ID_NUMBER, "phone": PHONE, "package": "P99"}),
        lin.get("/registration/today"),
        lin.get(f"/registration/visits/{day.visit_no}"),
        lin.get(f"/people/{person}"),
        desk("wu").get("/results/GEN"),
        desk("wu").get(f"/results/GEN/{day.visit_no}"),
        desk("wu").get(f"/results/visit/{day.visit_no}"),
        desk("he").get("/chief"),
        desk("he").get(f"/reports/{day.visit_no}/preview"),
        lin.get("/reports"),
    ]
    assert len([answer for answer in answers if answer.status_code in (200, 303)]) > 12

    # A fault whose message quotes the person, as Python's and PostgreSQL's own messages do.
    def broken(*_: Any, **__: Any) -> None:
        try:
            raise KeyError(f"{NAME} {ID_NUMBER}")
        except KeyError as error:
            raise RuntimeError(f"Failing row contains ({NAME}, {ID_NUMBER}, {PHONE})") from error

    monkeypatch.setattr("registration.sheet.visit_sheet", broken)
    assert lin.get(f"/registration/visits/{day.visit_no}").status_code == 500
    assert any("fault on GET" in record.getMessage() and "RuntimeError" in record.getMessage() for record in logged.records)

    formatter = logging.Formatter("%(name)s %(message)s")
    assert [record for record in logged.records if planted_in(formatter.format(record))] == []
    asked = [str(answer.request.url) for answer in answers]
    given = [address for answer in answers for address in addresses_in(answer)]
    assert len(given) > 50
    assert [address for address in (*asked, *given) if planted_in(address)] == []


def test_a_database_error_does_not_quote_what_it_was_given(house: House) -> None:
    with house.engine.connect() as connection, pytest.raises(DBAPIError) as broken:
        connection.execute(text("select * from exam_nowhere where name = :name"), {"name": NAME})
    assert planted_in(str(broken.value)) == []
    assert planted_in(trace_of(broken.value)) == []


# --- (b) at rest ------------------------------------------------------------------------------------------------------


def contents_of(house: House) -> Iterator[tuple[str, bytes]]:
    """Every value of every text and byte column with its place, and on the embedded database the decrypted pages too."""
    if house.is_sqlite:
        with house.engine.connect() as connection:
            tables = [row[0] for row in connection.execute(text("select name from sqlite_master where type = 'table'"))]
            columns = [(table, row[1]) for table in tables for row in connection.execute(text(f"pragma table_info({table})"))]
    else:
        listing = (
            "select table_name, column_name from information_schema.columns where table_schema = 'public' "
            "and data_type in ('text', 'bytea', 'character varying', 'json', 'jsonb')"
        )
        with house.engine.connect() as connection:
            columns = [(row[0], row[1]) for row in connection.execute(text(listing))]
    assert len(columns) > 100
    with house.engine.connect() as connection:
        for table, column in columns:
            for (value,) in connection.execute(text(f'select "{column}" from "{table}"')):
                if isinstance(value, str):
                    yield f"{table}.{column}", value.encode()
                elif isinstance(value, (bytes, memoryview)):
                    yield f"{table}.{column}", bytes(value)


def test_numbers_phones_and_addresses_are_unreadable_in_every_column(house: House, desk: Sit) -> None:
    day = a_day(house, desk)
    lin, person = desk("lin"), person_id_of(house)
    body = {"name": NAME, "id_no": ID_NUMBER, "phone": PHONE, "package": "P02", "exam_on": "2026-12-01"}
    ok(lin.post("/api/visits", json=body, headers={"idempotency-key": "privacy-key-1"}))
    correction = {"name": NAME, "sex": "M", "birth_on": "1985-03-15", "ver": "1", "reason": "补地址", "address": ADDRESS}
    assert desk("qin").htmx(f"/people/{person}/correct", correction).status_code == 200
    assert lin.htmx(f"/people/{person}/reveal", {"field": "phone", "reason": "通知取报告"}).status_code == 200
    assert day.visit_no
    secrets = [each.encode() for each in (ID_NUMBER, PHONE, ADDRESS)]
    assert {place for place, value in contents_of(house) if any(secret in value for secret in secrets)} == set()
    if house.is_sqlite:
        for file in sorted(house.data.glob("exam.db*")):
            raw = file.read_bytes()
            assert not [each for each in (*secrets, NAME.encode(), b"SQLite format 3") if each in raw]


# --- (c) another site -------------------------------------------------------------------------------------------------


def requests_for(path: str) -> list[dict[str, Any]]:
    """Bodies that fit a POST route well enough to reach its service, as JSON for programs and as a form for browsers."""
    forms: dict[str, dict[str, Any]] = {
        "payments": {"amount": "1.00", "receipt_no": "R9", "key": "k" * 20},
        "groups": {"groups": "G061"},
        "day": {"exam_on": "2026-12-01"},
        "postpone": {"reason": "核对", "due_on": "2026-12-01"},
        "check-in": {"slips": "guide_sheet"},
        "prints": {"slips": "guide_sheet"},
        "save": {"base_version": "0"},
        "verify": {"base_version": "0"},
        "check": {"base_version": "0"},
        "reveal": {"field": "phone", "reason": "核对"},
        "second-factor": {},
        "password": {},
        "active": {"active": "no"},
        "correct": {"name": "甲", "sex": "M", "birth_on": "1985-03-15", "ver": "1", "reason": "核对"},
        "people": {"role": "reception"},
        "return": {"department": "GEN", "reason": "核对"},
        "undo": {"level": "first", "reason": "核对"},
    }
    programs: dict[str, dict[str, Any]] = {
        "payments": {"amount_fen": 100, "receipt_no": "R9"},
        "lines": {"groups": ["G061"]},
        "day": {"exam_on": "2026-12-01"},
        "postpone": {"due_on": "2026-12-01", "reason": "核对"},
        "prints": {"slips": ["guide_sheet:"]},
        "return": {},
        "collect": {"barcode": "{visit_no}01"},
        "enter": {"base_version": 0, "values": {}},
        "verify": {"seen_version": 0},
        "save": {"base_version": 0, "lines": []},
        "sign-first": {"digest": "0" * 64},
        "sign-final": {"digest": "0" * 64},
        "refuse": {"line_ids": [], "reason": "核对"},
    }
    last = path.rsplit("/", 1)[-1]
    if path.startswith("/api/"):
        first = programs.get(last, {"reason": "核对"})
        # Several shapes: the one that fits reaches the service, the others are refused before it, the same for any number.
        others = ({"reason": "核对"}, {"department": "GEN", "reason": "核对"}, {"level": "first", "reason": "核对"})
        return [{"json": each} for each in (first, *others)]
    return [{"data": {**forms.get(last, {"reason": "核对"})}}, {"data": {}}]


def outcome(answer: Any, numbers: set[str]) -> tuple[int, str]:
    """Status and body of an answer, without the numbers that were asked for and what is new in every answer."""
    body = answer.text
    for number in numbers:
        body = body.replace(number, "#")
    return answer.status_code, re.sub(r"[0-9a-f]{32,64}", "*", body)


def filled(value: Any, number: str) -> Any:
    """A body's value with the visit's number in its place."""
    return value.replace("{visit_no}", number) if isinstance(value, str) else value


def addresses_of(client: TestClient[Any], theirs: dict[str, str], none: dict[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """`(method, path, address of theirs, address of none)` of every route that takes a number or id of a row."""
    for method, path, _ in routes_with_permission(client.app):
        names = set(re.findall(r"\{(\w+):", path))
        if names & ROW_NAMES or path == "/api/visits/{code:str}/results/{department:str}":
            own, other = (re.sub(r"\{(\w+):\w+\}", partial(_value, given), path) for given in (theirs, none))
            yield method, path, own, other


def _value(given: dict[str, str], found: re.Match[str]) -> str:
    return given.get(found[1], "x")


ROW_NAMES = {"visit_no", "line_id", "person_id", "staff_id", "grant_id"}


def test_another_sites_rows_look_exactly_like_none_at_all(house: House, desk: Sit, client: TestClient[Any]) -> None:
    day = a_day(house, desk)
    everybody(house, "02", "zhou")
    zhou = desk("zhou")
    with house.unit(None, write=False) as db:
        grant = str(db.scalars(select(Grant.id).where(Grant.site == "01")).first())
        staff = str(db.scalars(select(Staff.id).where(Staff.login == "lin")).one())
    nobody, unknown_no = str(house.ids.new()), ids.visit_no("01", "01", house.clock.now().date(), 4711)
    common = {"number": "1", "department": "GEN", "kind": "guide_sheet", "action": "refuse"}
    theirs = {
        **common,
        "visit_no": day.visit_no,
        "code": day.visit_no,
        "line_id": day.visit()["lines"][0]["id"],
        "person_id": str(person_id_of(house)),
        "staff_id": staff,
        "grant_id": grant,
        "batch_id": nobody,
    }
    none = {
        **common,
        "visit_no": unknown_no,
        "code": unknown_no,
        **dict.fromkeys(("line_id", "person_id", "staff_id", "grant_id"), nobody),
    }
    numbers = {*theirs.values(), *none.values()} - {*common.values()}
    not_found, leaks = 0, []
    for method, path, own, other in addresses_of(client, theirs, none):
        for options in requests_for(path) if method == "POST" else [{}]:
            answers = []
            for url, number in ((own, day.visit_no), (other, unknown_no)):
                sent = {way: {name: filled(value, number) for name, value in body.items()} for way, body in options.items()}
                answer = zhou.get(url) if method == "GET" else zhou.post(url, **sent)
                answers.append(outcome(answer, numbers))
            status, body = answers[0]
            not_found += status == 404
            # A form that is not even well formed is refused before anything is looked up, with the same words for any number.
            is_closed = status == 404 or (method == "POST" and status in (400, 409, 422))
            if answers[0] != answers[1] or not is_closed or planted_in(body):
                leaks.append((method, path, options, answers))
    assert not_found > 80
    assert leaks == []


def test_another_site_finds_nothing_by_any_word(house: House, desk: Sit) -> None:
    day = a_day(house, desk)
    everybody(house, "02", "zhou")
    zhou = desk("zhou")
    lists = [
        zhou.get("/registration/today"),
        zhou.get("/api/visits"),
        zhou.get("/results/GEN?state=all"),
        zhou.get("/chief"),
        zhou.get("/reports"),
        zhou.get("/api/board"),
        zhou.get("/api/reviews"),
        zhou.get("/api/results/GEN"),
        zhou.get("/audit?day_from=2026-01-01"),
    ]
    for word in (NAME, ID_NUMBER, PHONE, ID_NUMBER[-4:], PHONE[-4:], "wei", day.visit_no):
        lists += [
            zhou.post("/registration/find", {"q": word}),
            zhou.post("/api/visits/search", json={"q": word}),
            zhou.post("/people", {"q": word}),
            zhou.post("/api/reviews/search", json={"name": word}),
            zhou.post("/reports", {"q": word}),
            zhou.post("/chief", {"name": word}),
        ]
    assert {answer.status_code for answer in lists} == {200}
    marks = (f">{NAME}<", f'"person_name":"{NAME}"', "138****8000", f"/visits/{day.visit_no}")
    told = [(str(each.request.url), mark) for each in lists for mark in marks if mark in each.text]
    assert told == []


def test_a_file_of_another_site_is_seen_once_the_document_was_presented_or_the_person_came(house: House, desk: Sit) -> None:
    a_day(house, desk)
    everybody(house, "02", "zhou")
    zhou, person = desk("zhou"), person_id_of(house)
    assert zhou.get(f"/people/{person}").status_code == 404
    assert ok(zhou.post("/api/people/recognise", json={"id_no": ID_NUMBER}))["name"] == NAME
    assert zhou.get(f"/people/{person}").status_code == 404
    opened = ok(zhou.post("/api/visits", json={"id_no": ID_NUMBER, "package": "P01", "exam_on": "2026-12-01"}))
    assert zhou.get(f"/people/{person}").status_code == 200
    assert ok(zhou.get(f"/api/visits/{opened['visit_no']}"))["card"]["person_name"] == NAME


# --- (d) GETs change nothing ------------------------------------------------------------------------------------------

MOVING = {"exam_audit", "exam_audit_writer", "exam_sign_in"}


def digest_of(house: House) -> dict[str, str]:
    """A digest of every table but the audit and the sessions."""
    listing = (
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        if house.is_sqlite
        else "select table_name from information_schema.tables where table_schema = 'public'"
    )
    with house.engine.connect() as connection:
        names = sorted(row[0] for row in connection.execute(text(listing)))
        return {
            name: hashlib.sha256("\n".join(sorted(rows_of(connection, name))).encode()).hexdigest()
            for name in names
            if name not in MOVING
        }


def rows_of(connection: Any, name: str) -> list[str]:
    """A table's rows as texts."""
    return [repr(tuple(row)) for row in connection.execute(text(f'select * from "{name}"'))]


def test_opening_every_page_twice_changes_nothing(house: House, desk: Sit, client: TestClient[Any]) -> None:
    day = a_day(house, desk)
    everybody(house, "01", "alle")
    alle = desk("alle")
    line = day.visit()["lines"][0]["id"]
    person = str(person_id_of(house))
    with house.unit(None, write=False) as db:
        staff = str(db.scalars(select(Staff.id).where(Staff.login == "lin")).one())
    given = {
        "visit_no": day.visit_no,
        "code": day.visit_no,
        "line_id": line,
        "person_id": person,
        "staff_id": staff,
        "department": "GEN",
        "kind": "guide_sheet",
        "action": "refuse",
        "number": "1",
        "batch_id": person,
    }
    paths = [path for method, path, _ in routes_with_permission(client.app) if method == "GET"]
    before, opened = digest_of(house), {}
    for _ in range(2):
        for path in paths:
            url = re.sub(r"\{(\w+):\w+\}", lambda found: given.get(found[1], "x"), path)
            if path in ("/catalog/entries/{kind:str}/{code:str}", "/catalog/entries/{kind:str}/{code:str}/edit"):
                url = path.replace("{kind:str}", "group").replace("{code:str}", "G061")
            opened[path] = alle.get(url).status_code
    assert {path: status for path, status in opened.items() if status >= 500} == {}
    assert len([status for status in opened.values() if status == 200]) > 40
    assert {name for name, digest in digest_of(house).items() if digest != before[name]} == set()
