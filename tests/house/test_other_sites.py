"""Another site's rows are like none at all, whatever is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from litestar.testing import TestClient
from sqlalchemy import select

from exam.app import routes_with_permission
from exam.kit import ids
from exam.kit.house import House
from exam.staff.models import Grant, Staff
from tests.flows.test_personal_visit import ok
from tests.house.cases import ID_NUMBER, NAME, PHONE, Sit, a_day, everybody, person_id_of, planted_in


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
