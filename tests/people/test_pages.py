"""The screens of people over the real app: search, the masked file, unmasking for a reason, corrections, organisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from exam.kit.audit import Audit
from exam.kit.house import House
from exam.people import service
from tests.people.test_service import PHONE, WANG

Desks = Callable[[str], Any]


@pytest.fixture
def person_id(house: House, desk: Desks) -> str:
    with house.unit(desk("lin").actor) as db:
        return str(service.register(db, WANG).person_id)


def acts(house: House, act: str) -> list[tuple[str, str]]:
    with house.unit(None, write=False) as db:
        return [(row.actor, row.reason) for row in db.execute(select(Audit.actor, Audit.reason).where(Audit.act == act))]


def test_nothing_is_listed_unasked_and_what_is_found_is_masked(desk: Desks, person_id: str) -> None:
    lin = desk("lin")
    assert person_id not in lin.get("/people").text
    page = lin.post("/people", {"q": "wxy"}).text
    assert person_id in page
    for secret in (WANG.id_no, PHONE, "人民路"):
        assert secret not in page
    assert "没有找到档案" in lin.post("/people", {"q": "nobody"}).text
    assert person_id not in lin.get("/people?q=wxy").text, "words do not belong in an address"


def test_a_file_shows_masked_fields_and_is_noted_as_read(desk: Desks, house: House, person_id: str) -> None:
    page = desk("lin").get(f"/people/{person_id}").text
    for secret in (WANG.id_no, PHONE, "人民路"):
        assert secret not in page
    assert "138****1234" in page
    assert acts(house, "people.read") == [("lin", "")]
    assert desk("lin").get("/people/01a1fd59-0000-7000-8000-000000000000").status_code == 404
    assert desk("lin").get("/people/nothing").status_code == 404


def test_unmasking_needs_a_right_and_a_reason_and_leaves_a_row_in_the_audit(desk: Desks, house: House, person_id: str) -> None:
    lin, address = desk("lin"), f"/people/{person_id}/reveal"
    assert "必须填写原因" in lin.htmx(address, {"field": "id_no", "reason": " "}).text
    assert acts(house, "people.reveal_id_no") == []
    answer = lin.htmx(address, {"field": "id_no", "reason": "电话核对身份"})
    assert WANG.id_no in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert acts(house, "people.reveal_id_no") == [("lin", "电话核对身份")]
    assert PHONE in lin.htmx(address, {"field": "phone", "reason": "通知复查"}).text
    assert "人民路" in lin.htmx(address, {"field": "address", "reason": "邮寄报告"}).text
    assert lin.post(address, {"field": "name", "reason": "看看"}).status_code == 404
    assert desk("wu").post(address, {"field": "id_no", "reason": "看看"}).status_code == 403
    assert desk("wu").get(f"/people/{person_id}").status_code == 200
    assert desk("tan").get(f"/people/{person_id}").status_code == 403


def form(**changed: str) -> dict[str, str]:
    base = {"name": "王秀英", "sex": "F", "birth_on": "1980-03-07", "ver": "1", "reason": "证件核对", "nation": "", "marital": "",
            "organization": "", "id_kind": "resident", "id_no": "", "phone": "", "address": ""}  # fmt: skip
    return {**base, **changed}


def test_a_correction_is_made_with_right_reason_and_version(desk: Desks, house: House, person_id: str) -> None:
    qin, address = desk("qin"), f"/people/{person_id}/correct"
    page = qin.get(address).text
    assert WANG.id_no not in page
    assert PHONE not in page
    assert desk("lin").post(address, form()).status_code == 403
    assert "必须填写原因" in qin.htmx(address, form(reason="")).text
    assert qin.htmx(address, form(name="覃秀英", nation="壮族")).headers["hx-redirect"] == f"/people/{person_id}"
    assert "覃秀英" in qin.get(f"/people/{person_id}").text
    stale = qin.htmx(address, form(name="李秀英"))
    assert (stale.status_code, "已被他人修改" in stale.text) == (409, True)
    assert acts(house, "people.correct") == [("qin", "证件核对")]
    wrong = qin.htmx(address, form(name="", birth_on="昨天", ver="2"))
    assert wrong.status_code == 422
    assert all(f'data-field="{field}"' in wrong.text for field in ("name", "birth_on"))


def test_organisations_are_kept_by_the_desk_chief_and_found_by_programs(desk: Desks, house: House) -> None:
    qin, lin = desk("qin"), desk("lin")
    assert lin.post("/organizations", {"code": "X1", "name": "桂平糖厂"}).status_code == 403
    assert qin.htmx("/organizations", {"code": "X1", "name": "桂平糖厂"}).status_code == 200
    assert "已存在" in qin.htmx("/organizations", {"code": "X1", "name": "另一家"}).text
    assert "桂平糖厂" in lin.get("/organizations?q=gp").text
    assert [each["name"] for each in lin.get("/api/organizations?q=gptc").json()] == ["桂平糖厂"]
    assert lin.get("/api/organizations?q=nothing").json() == []
