"""Personal data: in no log or address, unreadable at rest; GETs change nothing."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from exam.app import routes_with_permission
from exam.kit.errors import trace_of
from exam.kit.house import House
from exam.staff.models import Staff
from tests.flows.test_personal_visit import ok
from tests.house.cases import ADDRESS, ID_NUMBER, NAME, PHONE, Sit, a_day, everybody, person_id_of, planted_in

LOGGERS = (
    "exam",
    "registration",
    "results",
    "reporting",
    "interfaces",
    "critical_values",
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


# --- (c) GETs change nothing ------------------------------------------------------------------------------------------

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
