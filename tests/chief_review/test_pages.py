"""The queue, the reviewer's desk and the JSON interface, as a browser or program meets them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from chief_review import service as reviews
from exam.kit.audit import Audit
from exam.kit.house import House
from exam.staff.models import SignIn
from exam.visits import service as visits
from tests.chief_review.cases import DEFAULT, LIPIDS, OTHER, breaches, enter, examined, finalized, first_signed, started
from tests.conftest import Desk, actor_named
from tests.critical_values.cases import tell_all

Desks = Callable[[str], Desk]

ONE_LINE = {
    "base_version": "1", "key": "D13", "text": "x", "category": "疾病", "severity": "1", "advice": "", "lifestyle": "",
    "specialist": "",
}  # fmt: skip


def number_of(house: House, visit_id: UUID) -> str:
    with house.unit(actor_named(house, "he"), write=False) as db:
        return visits.card(db, visit_id).visit_no


def open_window(house: House, desk: Desk) -> None:
    """The second factor itself is the staff room's test."""
    with house.unit(None) as db:
        until = house.clock.now().replace(hour=23)
        db.execute(update(SignIn).where(SignIn.token_hash == desk.actor.session_id).values(signing_until=until, signing_left=9))


def lines_in(page: str) -> dict[str, list[str]]:
    """The repeated fields of the editor, in page order, without the blank line that new ones are copied from."""
    form = page.split("<template")[0]
    texts = re.findall(r'<textarea[^>]*name="(text|advice|lifestyle)"[^>]*>\n?([^<]*)</textarea>', form)
    selects = re.findall(r'<select[^>]*name="(category|severity)".*?</select>', form, re.S)
    found: dict[str, list[str]] = {name: [] for name in ("text", "advice", "lifestyle", "category", "severity")}
    for name, value in texts:
        found[name].append(value)
    for block in re.finditer(r'<select[^>]*name="(category|severity)"(.*?)</select>', form, re.S):
        found[block[1]].append(re.findall(r'value="([^"]*)" selected', block[2])[0])
    found["key"] = re.findall(r'name="key" value="([^"]*)"', form)
    found["specialist"] = re.findall(r'name="specialist"[^>]*? value="([^"]*)"', form)
    assert len(selects) == 2 * len(found["key"])
    return found


def saved(desk: Desk, visit_no: str, form: dict[str, Any]) -> Any:
    return desk.htmx(f"/chief/{visit_no}/save", form)


def test_the_queue_lists_who_waits_and_its_export_is_audited(house: House, desk: Desks) -> None:
    visit_no = number_of(house, examined(house))
    he = desk("he")
    page = he.get("/chief")
    assert page.status_code == 200 and "韦小明" in page.text and visit_no in page.text
    export = he.get("/chief/export?tab=waiting")
    assert export.status_code == 200 and export.content[:2] == b"PK"
    found = he.post("/chief/export", {"tab": "waiting", "name": "韦"})
    assert found.status_code == 200 and len(found.content) > len(he.post("/chief/export", {"name": "黄"}).content)
    with house.unit(None, write=False) as db:
        acts = set(db.scalars(select(Audit.act)))
    assert "chief_review.export" in acts


@pytest.mark.parametrize("tab", ["waiting", "first_signed", "rereview", "returned", "final"])
def test_every_tab_can_be_shown_searched_and_is_kind_when_empty(house: House, desk: Desks, tab: str) -> None:
    empty = desk("he").get(f"/chief?tab={tab}&page=9")
    assert empty.status_code == 200 and "没有体检单" in empty.text
    words = {"tab": tab, "name": "黄", "since": "2026-01-01", "until": "2026-12-31", "organization": "x", "page": "9"}
    page = desk("he").post("/chief", words)
    assert page.status_code == 200 and "没有符合条件的体检单" in page.text and 'value="黄"' in page.text


def test_a_name_to_look_for_travels_in_the_body_alone_and_stays_with_the_pages(
    house: House, desk: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chief_review import pages

    examined(house)
    examined(house, person=OTHER)
    he = desk("he")
    assert "黄秋燕" in he.get("/chief?name=%E9%9F%A6").text  # an address is never searched by
    assert "黄秋燕" not in he.post("/chief", {"name": "韦"}).text
    monkeypatch.setattr(pages.service, "queue", functools.partial(pages.service.queue, size=1))
    page = he.post("/chief", {"since": "2026-01-01"}).text
    pager = page[page.index('class="pager"'):]
    assert 'name="page" value="2"' in pager and 'name="since" value="2026-01-01"' in pager
    assert not re.findall(r'(?:href|action)="[^"]*(?:name|since)=', page)


def test_the_queue_shows_a_column_only_when_it_says_something(house: House, desk: Desks) -> None:
    he = desk("he")
    examined(house)
    page = he.get("/chief").text
    assert "异常 / 结果" in page and "等待" in page and 'class="bar-abnormal"' in page
    for column in ("主检", "初审", "状态", "结论"):
        assert f'<th scope="col">{column}</th>' not in page, column
    first_signed(house, examined(house, person=OTHER))
    page = he.get("/chief?tab=first_signed").text
    for column in ("主检", "初审", "结论"):
        assert f'<th scope="col">{column}</th>' in page, column


def test_a_wrong_day_is_refused_in_words(house: House, desk: Desks) -> None:
    assert "请填写日期" in desk("he").post("/chief", {"since": "yesterday"}).text


def test_a_scanned_number_opens_the_desk(house: House, desk: Desks) -> None:
    visit_no = number_of(house, examined(house))
    answer = desk("he").get(f"/chief/find?code={visit_no}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/chief/{visit_no}")
    typed = desk("he").post("/chief/find", {"code": visit_no})
    assert typed.headers["location"] == f"/chief/{visit_no}"


def test_reading_a_review_is_audited(house: House, desk: Desks) -> None:
    visit_no = number_of(house, started(house))
    assert desk("he").get(f"/chief/{visit_no}").status_code == 200
    with house.unit(None, write=False) as db:
        read = select(Audit.subject).where(Audit.act == "chief_review.read_review")
        assert list(db.scalars(read)) == [f"visit:{visit_no}"]


def test_the_desk_shows_suggestions_before_and_an_editor_after_the_start(house: House, desk: Desks) -> None:
    visit_no = number_of(house, examined(house))
    he = desk("he")
    before = he.get(f"/chief/{visit_no}").text
    assert "开始主检" in before and "review-form" not in before and "胆囊结石" in before
    assert he.htmx(f"/chief/{visit_no}/start", {}).headers["hx-redirect"] == f"/chief/{visit_no}"
    after = he.get(f"/chief/{visit_no}").text
    assert "review-form" in after and "异常结果均有结论" in after and "依据" in after


def test_saving_rewords_merges_deletes_and_restores(house: House, desk: Desks) -> None:
    visit_no = number_of(house, started(house))
    he = desk("he")
    form = lines_in(he.get(f"/chief/{visit_no}").text)
    form["text"][0] = "空腹血糖升高,请内分泌科就诊"
    page = saved(he, visit_no, {**form, "base_version": "1", "act": "merge", "chosen": ["D55A", "D57"]}).text
    form = lines_in(page)
    assert form["text"][0] == "空腹血糖升高,请内分泌科就诊" and "D55A+D57" in form["key"] and "已改写" in page
    for column in form.values():
        column.pop(0)
    page = saved(he, visit_no, {**form, "base_version": "2", "act": "save"}).text
    assert "已删除的建议" in page and "异常结果没有结论(1)" in page and "空腹血糖 7.40 mmol/L ↑" in page
    page = saved(he, visit_no, {**lines_in(page), "base_version": "3", "act": "restore:B02"}).text
    assert "B02" in lines_in(page)["key"] and "异常结果均有结论" in page
    assert breaches(house) == []


def test_a_conflicting_save_is_refused_and_keeps_the_page(house: House, desk: Desks) -> None:
    visit_no = number_of(house, started(house))
    he, zhao = desk("he"), desk("zhao")
    form = lines_in(he.get(f"/chief/{visit_no}").text)
    assert saved(zhao, visit_no, {**form, "text": [*form["text"][:-1], "改写"], "base_version": "1"}).status_code == 200
    answer = saved(he, visit_no, {**form, "base_version": "1"})
    assert answer.status_code == 409 and "赵慧敏" in answer.text and answer.headers["hx-retarget"] == "#refusal"


@pytest.mark.parametrize(
    "form",
    [
        {"base_version": "1", "key": ["D13"], "text": []},
        {**ONE_LINE, "category": "胡说"},
        {**ONE_LINE, "severity": "9"},
        {"base_version": "eins"},
        {"base_version": "1", "act": "explode"},
        {"base_version": "1", "surprise": "1"},
    ],
)
def test_a_broken_form_is_refused_in_words(house: House, desk: Desks, form: dict[str, Any]) -> None:
    visit_no = number_of(house, started(house))
    answer = saved(desk("he"), visit_no, form)
    assert answer.status_code in (409, 422) and "refusal" in answer.text


def test_an_empty_form_is_refused_with_the_chinese_name_of_the_field(house: House, desk: Desks) -> None:
    visit_no = number_of(house, started(house))
    answer = saved(desk("he"), visit_no, {})
    assert answer.status_code == 422 and "页面版本:不能为空" in answer.text and "base_version:" not in answer.text


def test_an_outdated_line_is_kept_with_the_reason_beside_it(house: House, desk: Desks) -> None:
    visit_id = started(house)
    visit_no, he = number_of(house, visit_id), desk("he")
    form = lines_in(he.get(f"/chief/{visit_no}").text)
    form["advice"][0] = "控制饮食"
    key = form["key"][0]
    saved(he, visit_no, {**form, "base_version": "1"})
    he.htmx(f"/chief/{visit_no}/return", {"department": "LAB", "reason": "血糖请复核"})
    enter(house, visit_id, "LAB", {"GLU": "5.20"})
    he.htmx(f"/chief/{visit_no}/start", {})
    page = he.get(f"/chief/{visit_no}").text
    assert "依据已变化" in page and f'value="keep:{key}"' in page
    version = re.findall(r'name="base_version" value="(\d+)"', page)[0]
    sent = {**lines_in(page), "base_version": version, "act": f"keep:{key}", "reason_key": key}
    refused = saved(he, visit_no, {**sent, "reason": ""})
    assert refused.status_code == 409 and 'data-field="reason.1"' in refused.text
    page = saved(he, visit_no, {**sent, "reason": "近期确诊"}).text
    assert "医师保留" in page and "原因:近期确诊" in page and "keep:" not in page


def test_a_closed_signing_window_asks_for_the_code_first(house: House, desk: Desks) -> None:
    visit_no = number_of(house, started(house))
    he = desk("he")
    page = he.get(f"/chief/{visit_no}").text
    assert 'name="code"' in page and f"{visit_no}?open=sign" in page and "sign-first" not in page
    answer = he.htmx(f"/chief/{visit_no}/sign-first", {"digest": he.get(f"/api/reviews/{visit_no}").json()["review"]["digest"]})
    assert answer.status_code == 409 and "签名需要先输入动态码" in answer.text
    open_window(house, he)
    page = he.get(f"/chief/{visit_no}").text
    digest = re.findall(r'name="digest" value="([0-9a-f]{64})"', page)[0]
    assert he.htmx(f"/chief/{visit_no}/sign-first", {"digest": digest}).headers["hx-redirect"] == "/chief"
    assert breaches(house) == []


def test_the_first_signer_sees_why_the_final_signature_is_not_theirs(house: House, desk: Desks) -> None:
    visit_no = number_of(house, first_signed(house))
    assert "终审医师不能与主检(初审)医师为同一人" in desk("he").get(f"/chief/{visit_no}").text
    assert "终审签名" in desk("liang").get(f"/chief/{visit_no}").text


def test_undo_and_return_from_the_desk(house: House, desk: Desks) -> None:
    visit_id = finalized(house)
    visit_no = number_of(house, visit_id)
    liang = desk("liang")
    assert liang.htmx(f"/chief/{visit_no}/undo", {"level": "final", "reason": ""}).status_code == 409
    for level in ("final", "first"):
        assert "hx-redirect" in liang.htmx(f"/chief/{visit_no}/undo", {"level": level, "reason": "复核"}).headers
    assert liang.htmx(f"/chief/{visit_no}/return", {"department": "", "reason": "复核"}).status_code == 422
    assert liang.htmx(f"/chief/{visit_no}/return", {"department": "LAB", "reason": "复核"}).headers["hx-redirect"] == "/chief"
    assert "已退回科室:复核" in liang.get("/chief?tab=returned").text
    enter(house, visit_id, "LAB", {"GLU": "7.50"})
    assert "继续主检" in liang.get(f"/chief/{visit_no}").text
    assert breaches(house) == []


@pytest.mark.parametrize("path", ["", "/export", "/find?code=1"])
def test_who_is_no_chief_sees_nothing(house: House, desk: Desks, path: str) -> None:
    visit_no = number_of(house, started(house))
    lin = desk("lin")
    assert lin.get(f"/chief{path}").status_code == 403
    assert lin.get(f"/chief/{visit_no}").status_code == 403
    assert lin.post(f"/chief/{visit_no}/save", {"base_version": "1"}).status_code == 403
    assert lin.get(f"/api/reviews/{visit_no}").status_code == 403


def test_a_program_reviews_from_queue_to_final_signature(house: House, desk: Desks) -> None:
    visit_no = number_of(house, examined(house))
    he, liang = desk("he"), desk("liang")
    url = f"/api/reviews/{visit_no}"
    assert he.get("/api/reviews").json()["rows"][0]["card"]["visit_no"] == visit_no
    for name, found in (("韦", [visit_no]), ("黄", [])):
        rows = he.post("/api/reviews/search", json={"tab": "waiting", "name": name}).json()["rows"]
        assert [row["card"]["visit_no"] for row in rows] == found
    assert len(he.get("/api/reviews", params={"name": "黄"}).json()["rows"]) == 1, "words do not belong in an address"
    assert desk("lin").post("/api/reviews/search", json={}).status_code == 403
    assert he.post(f"{url}/start").json()["version"] == 1
    read = he.get(url).json()
    assert (read["blocks"], read["uncovered"]) == ([], [])
    lines = [
        {name: line[name] for name in ("key", "text", "category", "severity", "advice", "lifestyle", "specialist") if name in line}
        for line in read["review"]["lines"]
    ]
    stored = he.post(f"{url}/save", json={"base_version": 1, "lines": [*lines, {"text": "建议戒烟", "category": "提示"}]}).json()
    assert stored["version"] == 2 and stored["lines"][-1]["origin"] == "manual"
    stale = he.post(f"{url}/save", json={"base_version": 1, "lines": []})
    assert (stale.status_code, stale.json()["type"]) == (409, "chief_review.conflict")
    open_window(house, he)
    assert he.post(f"{url}/sign-first", json={"digest": "0" * 64}).json()["type"] == "chief_review.digest_changed"
    assert he.post(f"{url}/sign-first", json={"digest": stored["digest"]}).json()["state"] == "first_signed"
    open_window(house, he)
    assert he.post(f"{url}/sign-final", json={"digest": stored["digest"]}).json()["type"] == "chief_review.same_doctor"
    open_window(house, liang)
    assert liang.post(f"{url}/sign-final", json={"digest": stored["digest"]}).json()["type"] == "chief_review.alert_untold"
    for alert in he.get("/api/alerts").json()["alerts"]:
        told = {"type": "notice", "channel": "phone", "recipient": "person", "recipient_name": "韦小明", "outcome": "not_reached", "note": "无人接听"}
        for seen, step in enumerate(({"type": "confirmed", "way": "doctor"}, told)):
            assert he.post(f"/api/alerts/{alert['id']}/steps", json={"seen": seen, "step": step}).json()["version"] == seen + 1
    assert liang.post(f"{url}/sign-final", json={"digest": stored["digest"]}).json()["state"] == "final"
    assert liang.post(f"{url}/undo", json={"level": "final", "reason": "复核"}).json()["is_rereview"] is True
    assert liang.post(f"{url}/undo", json={"level": "zero", "reason": "复核"}).status_code == 422
    assert liang.post(f"{url}/undo", json={"level": "first", "reason": "复核"}).json()["state"] == "open"
    assert liang.post(f"{url}/return", json={"department": "LAB", "reason": "复核"}).json()["attention"] == "已退回科室:复核"
    assert breaches(house) == []


def test_the_desk_shows_the_grades_and_leads_from_a_line_to_its_rule(house: House, desk: Desks) -> None:
    visit_no = number_of(house, started(house))
    page = desk("he").get(f"/chief/{visit_no}").text
    assert re.search(r'<li class="grade grade-d" title="需进一步检查或治疗:空腹血糖 7.40 mmol/L ↑">空腹血糖 <b>D</b></li>', page)
    assert 'href="/knowledge/entries/D13"' in page
    assert '<summary>依据 <span class="unapproved">规则未批准</span></summary>' in page


def test_who_signs_first_is_told_what_the_final_signature_waits_for(house: House, desk: Desks) -> None:
    visit_id = started(house, visit_id=examined(house, {**DEFAULT, "LAB": {**LIPIDS, "GLU": "28.0"}}))
    url = f"/chief/{number_of(house, visit_id)}"
    page = desk("he").get(url).text
    told = page[page.index("终审前须完成"):]
    assert "尚无通知记录" in told and "请在危急值看板复核并通知受检者" in told
    assert page.index("签名前核对") < page.index("复查计划")
    with house.unit(actor_named(house, "he"), write=False) as db:
        assert reviews.screen(db, visit_id).blocks == (), "the first signature does not wait for it"
    tell_all(house, visit_id)
    assert "终审前须完成" not in desk("he").get(url).text
