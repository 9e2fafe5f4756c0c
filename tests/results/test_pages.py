"""Screens and JSON of results, through the app on both databases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from exam.kit.audit import Audit
from exam.kit.house import Actor, House
from exam.visits import orders
from exam.visits import service as visits
from tests.conftest import Desk
from tests.results.cases import GENERAL, Statements, arrive, enter, normal_of, verify

Acting = Callable[[str], Actor]
Desks = Callable[[str], Desk]


def number_of(house: House, actor: Actor, visit_id: UUID) -> str:
    with house.unit(actor, write=False) as db:
        return visits.card(db, visit_id).visit_no


@pytest.fixture
def arrived(house: House, acting: Acting) -> tuple[UUID, str]:
    """A man who has arrived: his visit and its number."""
    visit_id = arrive(house, acting("lin"))
    return visit_id, number_of(house, acting("lin"), visit_id)


def form(base: int = 0, **values: Any) -> dict[str, Any]:
    return {"base_version": str(base), "summary": "", **values}


def test_a_doctor_of_several_departments_chooses_and_the_choice_is_remembered(desk: Desks, arrived: tuple[UUID, str]) -> None:
    wu = desk("wu")
    chooser = wu.get("/results")
    assert chooser.status_code == 200 and "内科" in chooser.text and "眼科" not in chooser.text
    opened = wu.get("/results/MED")
    assert "results_department=MED" in opened.headers["set-cookie"]
    again = wu.get("/results", headers={"cookie": f"{wu.headers['cookie']}; results_department=MED"})
    assert (again.status_code, again.headers["location"]) == (303, "/results/MED")


def test_the_work_list_shows_who_waits_and_a_scan_jumps_to_the_person(desk: Desks, arrived: tuple[UUID, str]) -> None:
    wu, number = desk("wu"), arrived[1]
    listed = wu.get("/results/GEN")
    assert "韦小明" in listed.text and number in listed.text
    assert wu.get("/results/GEN", params={"state": "nonsense", "day": "never", "page": 99}).status_code == 200
    found = wu.get(f"/results/GEN/find?number={number}")
    assert found.headers["location"] == f"/results/GEN/{number}"
    assert wu.get("/results/GEN/find?number=123").status_code in (404, 409, 422)


def test_a_bad_scan_is_told_beside_the_field_and_the_list_stays(desk: Desks, arrived: tuple[UUID, str]) -> None:
    wu = desk("wu")
    assert 'hx-get="/results/GEN/find"' in wu.get("/results/GEN").text
    # A number that nobody has, and a person who has nothing to do in the department.
    for login, url in (("wu", "/results/GEN/find?number=123"), ("lu", f"/results/FUN/find?number={arrived[1]}")):
        answer = desk(login).get(url, headers={"hx-request": "true"})
        assert answer.headers["hx-retarget"] == "#refusal" and 'data-field="number"' in answer.text, url
    good = wu.get(f"/results/GEN/find?number={arrived[1]}", headers={"hx-request": "true"})
    assert good.headers["hx-redirect"] == f"/results/GEN/{arrived[1]}"


def test_a_silent_merge_is_said_and_never_signed_unseen(
    desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]
) -> None:
    visit_id, number = arrived
    values = {**normal_of("MED"), "MED_HR": "72"}
    enter(house, acting("mo"), visit_id, "MED", **values)
    enter(house, acting("wu"), visit_id, "MED", base=1, MED_HR="130")
    mo = desk("mo")
    answer = mo.htmx(f"/results/MED/{number}/verify", form(1, **values))
    assert answer.status_code == 200 and "hx-redirect" not in answer.headers
    assert 'id="unseen"' in answer.text and "130" in answer.text and "吴建国" in answer.text and "已暂存" in answer.text
    saved = mo.htmx(f"/results/MED/{number}/save", form(1, **{**values, "MED_LUNG": "干啰音"}))
    toast = json.loads(saved.headers["hx-trigger"])["toast"]["text"]
    assert toast.startswith("已保存;并入 吴建国 修改的 心率") and "130" in toast


def test_the_entry_screen_has_units_ranges_choices_and_no_item_of_the_other_sex(desk: Desks, arrived: tuple[UUID, str]) -> None:
    wu, number = desk("wu"), arrived[1]
    general = wu.get(f"/results/GEN/{number}").text
    assert "mmHg" in general and "90–139" in general and 'name="HT"' in general and 'name="BMI"' not in general
    surgery = wu.get(f"/results/SUR/{number}").text
    assert 'name="SUR_PRO"' in surgery and 'name="SUR_BRE"' not in surgery
    assert 'data-normal="未见异常"' in surgery and "data-digit-choice" in surgery


def headings(page: str) -> list[str]:
    """The names of the sections on a screen, in order."""
    return re.findall(r'role="heading" aria-level="[23]">([^<]+)<', page)


def fields(page: str) -> list[str]:
    """The items that can be typed in, in the order of the keyboard."""
    return list(dict.fromkeys(re.findall(r'<input class="form-control[^>]* name="([A-Z0-9_]+)"', page)))


def test_the_items_stand_under_their_groups_in_columns(desk: Desks, arrived: tuple[UUID, str]) -> None:
    page = desk("nong").get(f"/results/LAB/{arrived[1]}").text
    assert headings(page) == [
        "血常规五分类", "肝功能12项", "肾功能3项", "空腹血糖", "血脂4项", "同型半胱氨酸", "尿常规+沉渣", "便常规+隐血",
    ]  # fmt: skip
    row = re.search(r'<th scope="row"[^>]*>白细胞计数</th>(.*?)</tr>', page, re.S)
    assert row is not None
    cells = re.findall(r'<td class="is-(\w+)', row[1])
    assert cells == ["value", "unit", "range", "mark", "last"]
    assert '<td class="is-unit">×10⁹/L</td><td class="is-range">3.5–9.5</td>' in row[1]
    assert headings(desk("wu").get(f"/results/MED/{arrived[1]}").text) == ["内科"]


def test_an_item_of_two_groups_stands_once_and_nothing_is_lost(
    desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]
) -> None:
    visit_id, number = arrived
    before = fields(desk("nong").get(f"/results/LAB/{number}").text)
    with house.unit(acting("lin")) as db:
        orders.add_groups(db, visit_id, ["G042", "G043", "G046"])
    page = desk("nong").get(f"/results/LAB/{number}").text
    assert "甲功7项" in headings(page)
    after = fields(page)
    assert len(after) == len(set(after))
    assert set(after) - set(before) == {"TSH", "FT3", "FT4", "TT3", "TT4", "TPOAB", "TGAB", "AFP", "CEA"}


def test_findings_are_counted_on_the_screen_and_while_typing(
    desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]
) -> None:
    nong, (visit_id, number) = desk("nong"), arrived
    assert "异常 <b>0</b> 项" in nong.get(f"/results/LAB/{number}").text
    live = nong.htmx(f"/results/LAB/{number}/check", form(WBC="20", HGB="90", PLT="200", RBC="x")).text
    assert "异常 <b>2</b> 项" in live
    enter(house, acting("nong"), visit_id, "LAB", WBC="20", PLT="200")
    shown = nong.get(f"/results/LAB/{number}").text
    assert "异常 <b>1</b> 项" in shown and "还缺" in shown


def test_a_line_is_named_beside_its_section_only_when_it_differs(
    desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]
) -> None:
    visit_id, number = arrived
    with house.unit(acting("lin")) as db:
        lines = {each.group_code: each.id for each in orders.lines(db, visit_id)}
        orders.refuse(db, visit_id, [lines["G044"]], "不愿检查")
        orders.postpone(db, visit_id, lines["G032"], date(2026, 11, 28), "未留样")
    page = desk("nong").get(f"/results/LAB/{number}").text
    assert "同型半胱氨酸" not in headings(page)
    assert re.search(r'record-line">同型半胱氨酸 .*?拒检.*?不愿检查', page, re.S)
    assert re.search(r'便常规[+]隐血</span> <span[^>]*>延期</span> <span class="soft">未留样', page)
    assert re.search(r"血常规五分类</span></th>", page)


def test_a_signed_record_is_read_in_the_same_sections(desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]) -> None:
    visit_id, number = arrived
    enter(house, acting("wu"), visit_id, **{**GENERAL, "SBP": "150"})
    verify(house, acting("wu"), visit_id)
    page = desk("wu").get(f"/results/GEN/{number}").text
    assert headings(page) == ["一般检查"]
    assert re.search(
        r'收缩压</th>\s*<td class="is-value"><span class="value is-abnormal">150</span></td><td class="is-unit">mmHg</td>', page
    )


def test_all_results_of_a_visit_stand_in_the_sections_and_columns_of_the_entry_screen(
    desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]
) -> None:
    visit_id, number = arrived
    enter(house, acting("wu"), visit_id, **{**GENERAL, "SBP": "150"})
    enter(house, acting("nong"), visit_id, "LAB", WBC="20", GLU="5.1", HCY="9")
    page = desk("nong").get(f"/results/visit/{number}").text
    assert headings(page) == ["一般检查", "血常规五分类", "空腹血糖", "同型半胱氨酸"]
    row = re.search(r'<th scope="row"[^>]*>白细胞计数</th>(.*?)</tr>', page, re.S)
    assert row is not None and "偏高" in row[1]
    assert re.findall(r'<td class="is-(\w+)', row[1]) == ["value", "unit", "range", "mark", "last"]
    assert page.count('aria-level="3"') == 4


def test_what_was_refused_stands_among_all_results_with_its_reason(
    desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]
) -> None:
    visit_id, number = arrived
    enter(house, acting("nong"), visit_id, "LAB", WBC="20")
    with house.unit(acting("nong")) as db:
        glucose = [line.id for line in orders.lines_of_department(db, visit_id, "LAB") if line.name == "空腹血糖"]
        orders.refuse(db, visit_id, glucose, "受检者拒绝")
    page = desk("nong").get(f"/results/visit/{number}").text
    assert headings(page) == ["血常规五分类"]
    assert re.search(r'空腹血糖 <span[^>]*>拒检</span> <span class="soft">受检者拒绝', page)
    assert "已不在体检单中的结果" not in page


def test_nobody_opens_another_departments_entry_screen(desk: Desks, arrived: tuple[UUID, str]) -> None:
    number = arrived[1]
    assert desk("huang").get(f"/results/GEN/{number}").status_code == 403
    assert desk("huang").get("/results/GEN").status_code == 403
    assert desk("lin").get(f"/results/GEN/{number}").status_code == 403
    assert desk("huang").post(f"/api/results/GEN/{number}/enter", json={"base_version": 0}).status_code == 403


def test_typing_is_judged_live_and_nothing_is_stored(desk: Desks, arrived: tuple[UUID, str], house: House) -> None:
    wu, number = desk("wu"), arrived[1]
    live = wu.htmx(f"/results/GEN/{number}/check", form(HT="170", WT="80", SBP="150", DBP="abc"))
    assert live.status_code == 200
    assert 'id="mark-SBP" data-flag="high"' in live.text and "偏高" in live.text
    assert "27.7</output>" in live.text and "应为数值" in live.text and "还缺" in live.text
    assert "收缩压 150 mmHg ↑" in live.text
    assert wu.get(f"/api/results/GEN/{number}").json()["version"] == 0


def test_save_verify_and_undo_through_the_forms(desk: Desks, arrived: tuple[UUID, str]) -> None:
    wu, number = desk("wu"), arrived[1]
    saved = wu.htmx(f"/results/GEN/{number}/save", form(HT="170.0", WT="65"))
    assert saved.status_code == 200 and 'data-version="1"' in saved.text and "toast" in saved.headers["hx-trigger"]
    refused = wu.htmx(f"/results/GEN/{number}/verify", form(1))
    assert refused.status_code == 409 and "以下项目没有结果" in refused.text and refused.headers["hx-retarget"] == "#refusal"
    signed = wu.htmx(f"/results/GEN/{number}/verify", form(1, **GENERAL))
    assert (signed.status_code, signed.headers["hx-redirect"]) == (200, "/results/GEN")
    shown = wu.get(f"/results/GEN/{number}").text
    assert "撤销审核" in shown and 'id="entry"' not in shown and "吴建国" in shown
    assert wu.htmx(f"/results/GEN/{number}/reopen", {"reason": ""}).status_code == 409
    opened = wu.htmx(f"/results/GEN/{number}/reopen", {"reason": "身高量错"})
    assert opened.status_code == 200 and 'id="entry"' in opened.text and "身高量错" in opened.text


def test_a_conflict_shows_both_values_and_the_choice_settles_it(
    desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]
) -> None:
    visit_id, number = arrived
    wu = desk("wu")
    enter(house, acting("mo"), visit_id, "MED", MED_HR="75", MED_HIS="高血压")
    clash = wu.htmx(f"/results/MED/{number}/save", form(0, MED_HR="80", MED_HIS="", MED_RHY="齐"))
    assert (clash.status_code, clash.headers["hx-retarget"]) == (409, "#conflict")
    assert "莫文斌:75" in clash.text and "我的:80" in clash.text and 'name="MED_RHY" value="齐"' in clash.text
    settled = wu.htmx(f"/results/MED/{number}/save", form(1, **{"MED_HR": "80", "pick.MED_HR": "theirs", "MED_RHY": "齐"}))
    assert settled.status_code == 200
    readings = {each["item"]: each["raw"] for each in wu.get(f"/api/results/MED/{number}").json()["readings"]}
    assert readings == {"MED_HR": "75", "MED_HIS": "高血压", "MED_RHY": "齐"}
    assert "莫文斌" in wu.get(f"/results/MED/{number}/news?seen=0").text or readings


BAD_FORMS: list[dict[str, Any]] = [
    form(HT="x" * 10_000),
    form(HT="17\x000"),
    form(NOPE="1"),
    form(SBP="<script>alert(1)</script>"),
    form(HT=["170", "171"]),
    form(99, HT="170"),
    form(-1, HT="170"),
    {"base_version": "abc", "HT": "170"},
    {"HT": "170"},
    {"base_version": "1" * 40},
    form(summary="a" * 10_000),
    form(summary="a\x00b"),
    form(**{"pick.": "theirs", "x y": "x"}),
]


@pytest.mark.parametrize("act", ["save", "verify", "check"])
def test_a_bad_form_is_refused_and_never_a_fault(desk: Desks, arrived: tuple[UUID, str], act: str) -> None:
    wu = desk("wu")
    for data in BAD_FORMS:
        answer = wu.htmx(f"/results/GEN/{arrived[1]}/{act}", data)
        assert answer.status_code in ((200, 422) if act == "check" else (400, 409, 422)), data
        assert "<script>alert" not in answer.text


BAD_BODIES = [
    b"{", b"[]", b"null", b"\xff", b'{"base_version": 0, "more": 1}', b'{"base_version": 0, "values": {"HT": 170}}',
    b'{"base_version": 0, "values": {"HT": "\\ud800"}}', b'{"base_version": 0, "values": {"HT": null}}',
    b'{"base_version": 1e99}', b'{"base_version": 0, "values": {"SBP": ["1", "2"]}}', b'{"base_version": 99999999999999999999}',
    b'{"base_version": 0, "values": {"HT": "1\\u0000"}}', b'{"base_version": 0, "summary": "\\u0000"}',
    b'{"base_version": 0, "values": ' + b"[" * 5000 + b"]" * 5000 + b"}",
]  # fmt: skip


def test_a_bad_body_is_answered_with_problem_details(desk: Desks, arrived: tuple[UUID, str]) -> None:
    wu = desk("wu")
    for body in BAD_BODIES:
        answer = wu.post(f"/api/results/GEN/{arrived[1]}/enter", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 409, 422), body[:60]
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_markup_is_stored_literally_and_shown_escaped(desk: Desks, arrived: tuple[UUID, str]) -> None:
    wu, number = desk("wu"), arrived[1]
    text = "<img src=x onerror=alert(1)>"
    saved = wu.htmx(f"/results/GEN/{number}/save", form(SBP="120") | {"summary": text})
    assert saved.status_code == 200 and text not in saved.text and "&lt;img src=x" in saved.text
    assert wu.get(f"/api/results/GEN/{number}").json()["summary"] == text


def test_the_json_interface_enters_verifies_reopens_and_lists(desk: Desks, arrived: tuple[UUID, str]) -> None:
    wu, number = desk("wu"), arrived[1]
    url = f"/api/results/GEN/{number}"
    entered = wu.post(f"{url}/enter", json={"base_version": 0, "values": GENERAL})
    assert (entered.status_code, entered.json()["missing"]) == (200, [])
    assert wu.post(f"{url}/enter", json={"base_version": 1, "values": {"HT": "171"}}).json()["version"] == 2
    clash = wu.post(f"{url}/enter", json={"base_version": 1, "values": {"HT": "172"}})
    assert clash.status_code == 409
    assert clash.json()["conflicts"] == [{"item": "HT", "name": "身高", "base": ["170.0"], "theirs": ["171"], "mine": ["172"]}]
    assert wu.post(f"{url}/verify", json={"seen_version": 1}).status_code == 409
    assert wu.post(f"{url}/verify", json={"seen_version": 2}).json()["state"] == "verified"
    assert wu.get("/api/results/GEN?state=done").json()["rows"][0]["visit_no"] == number
    assert wu.post(f"{url}/reopen", json={"reason": "改"}).json()["state"] == "saved"
    assert wu.get("/api/results/GEN?state=nonsense").status_code == 400
    assert wu.get("/api/results/GEN?day=nonsense").status_code == 422


def test_others_read_all_departments_but_no_private_item(desk: Desks, house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"), "P03")
    number = number_of(house, acting("lin"), visit_id)
    with house.unit(acting("lin")) as db:
        orders.add_groups(db, visit_id, ["G052"])
    enter(house, acting("nong"), visit_id, "LAB", HIVAB="阴性", GLU="5.5")
    page = desk("wu").get(f"/results/visit/{number}")
    assert page.status_code == 200 and "5.5" in page.text and "HIV" not in page.text
    assert "HIV" in desk("he").get(f"/results/visit/{number}").text
    assert "HIV" in desk("nong").get(f"/results/visit/{number}").text
    assert {each["item"] for each in desk("wu").get(f"/api/results/LAB/{number}").json()["readings"]} == {"GLU"}


def test_reading_a_persons_results_is_audited(desk: Desks, house: House, arrived: tuple[UUID, str]) -> None:
    desk("wu").get(f"/results/GEN/{arrived[1]}")
    desk("wu").get(f"/results/visit/{arrived[1]}")
    with house.unit(None, write=False) as db:
        acts = list(db.scalars(select(Audit.act).where(Audit.subject == f"visit:{arrived[1]}", Audit.act.like("results.read%"))))
    assert acts == ["results.read_record", "results.read_visit"]


def test_the_entry_screen_costs_the_same_with_more_years_and_more_values(
    desk: Desks, house: House, acting: Acting, arrived: tuple[UUID, str]
) -> None:
    wu, (visit_id, number) = desk("wu"), arrived
    enter(house, acting("wu"), visit_id, HT="170.0")
    wu.get(f"/results/GEN/{number}")
    with Statements(house) as before:
        assert wu.get(f"/results/GEN/{number}").status_code == 200
    for on in (date(2025, 3, 20), date(2025, 11, 20)):
        earlier = arrive(house, acting("lin"), on=on)
        enter(house, acting("wu"), earlier, **GENERAL)
        verify(house, acting("wu"), earlier)
    enter(house, acting("wu"), visit_id, base=1, **GENERAL)
    wu.get(f"/results/GEN/{number}")
    with Statements(house) as after:
        shown = wu.get(f"/results/GEN/{number}")
    assert "2025-03-20" in shown.text and "data-trend" in shown.text
    assert len(after) <= len(before), after.texts
