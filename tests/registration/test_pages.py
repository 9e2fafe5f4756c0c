"""The desk's screens and its API, through the app on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from exam import commands
from exam.kit.house import House
from registration import board
from tests.registration.cases import numbered

Desk = Callable[[str], Any]
NUMBER = "450110198503150018"
ORDER = {"id_no": NUMBER, "id_kind": "resident", "name": "韦小明", "phone": "13800138000", "package": "P02"}
HEADERS = {"hx-request": "true"}


def walk_in(lin: Any, key: str = "form-000000001", **more: Any) -> str:
    answer = lin.htmx("/registration/walk-ins", {"key": key, **ORDER, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.headers["hx-redirect"].rsplit("/", 1)[1])


def pay(lin: Any, visit_no: str, amount: str = "593.12", key: str = "pay-000000001") -> None:
    form = {"amount": amount, "receipt_no": "A1", "key": key}
    assert lin.htmx(f"/registration/visits/{visit_no}/payments", form).status_code == 200


def test_the_desks_whole_day_from_the_id_number_to_the_returned_sheet(desk: Desk, house: House) -> None:
    lin = desk("lin")
    known = lin.htmx("/registration/recognise", {"id_no": NUMBER})
    assert "新建档案" in known.text and "41岁" in known.text and "450****0018" in known.text
    visit_no = walk_in(lin)
    page = lin.get(f"/registration/visits/{visit_no}").text
    assert "593.12" in page and NUMBER not in page and "13800138000" not in page
    refused = lin.htmx(f"/registration/visits/{visit_no}/check-in", {"slips": "guide_sheet"})
    assert refused.status_code == 409 and "未缴费" in refused.text and "收据号" in refused.text
    pay(lin, visit_no)
    printed = lin.htmx(f"/registration/visits/{visit_no}/check-in", {"slips": ["guide_sheet", "label"]})
    preview = lin.get(printed.headers["hx-redirect"]).text
    assert "导检单" in preview and "试管标签" in preview and "检查申请单" not in preview
    for kind in ("guide_sheet", "label", "request_form"):
        pdf = lin.get(f"/registration/visits/{visit_no}/pdf/{kind}")
        assert pdf.headers["content-type"] == "application/pdf" and pdf.content.startswith(b"%PDF")
    scanned = lin.htmx("/registration/drawing/scan", {"code": visit_no})
    assert "还需采血 <b>3</b> 管,另需留取 便盒、尿管" in scanned.text
    drawn = lin.htmx("/registration/drawing/scan", {"code": f"{visit_no}01", "visit_no": visit_no})
    assert "还需采血 <b>2</b> 管,另需留取 便盒、尿管,已采集 1 份" in drawn.text
    undone = lin.htmx("/registration/drawing/undo", {"visit_no": visit_no, "barcode": f"{visit_no}01", "reason": "扫错人"})
    assert "还需采血 <b>3</b> 管" in undone.text
    assert "自动拒检并交单" in lin.htmx("/registration/return/scan", {"code": visit_no}).text
    assert lin.htmx(f"/registration/return/{visit_no}/auto").headers["hx-redirect"] == "/registration/return"
    assert "交单时未检" in lin.get(f"/registration/visits/{visit_no}").text
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []


def test_double_enter_makes_one_visit(desk: Desk) -> None:
    lin = desk("lin")
    assert walk_in(lin) == walk_in(lin)
    other = lin.htmx("/registration/walk-ins", {"key": "form-000000001", **ORDER, "package": "P06"})
    assert other.status_code == 409 and "未执行" in other.text


def test_the_second_recognition_finds_the_file_and_todays_visit(desk: Desk) -> None:
    lin = desk("lin")
    visit_no = walk_in(lin)
    found = lin.htmx("/registration/recognise", {"id_no": NUMBER}).text
    assert "已有档案" in found and f"打开当日体检单 {visit_no}" in re.sub("<[^>]*>", "", found)
    assert lin.htmx("/registration/recognise", {"id_no": visit_no}).headers["hx-redirect"] == f"/registration/visits/{visit_no}"


def test_a_booking_is_registered_on_its_day_with_one_more_enter(desk: Desk, house: House) -> None:
    lin = desk("lin")
    visit_no = walk_in(lin, exam_on="2026-11-22")
    assert "韦小明" in lin.get("/registration/bookings?day=2026-11-22").text
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    lin = desk("lin")
    assert "登记当日预约" in lin.htmx("/registration/recognise", {"id_no": NUMBER}).text
    assert lin.htmx(f"/registration/visits/{visit_no}/register").status_code == 200


def test_the_quote_warns_of_the_other_sex_and_of_what_is_ordered_twice(desk: Desk) -> None:
    lin = desk("lin")
    women = lin.htmx("/registration/quote", {"id_no": NUMBER, "package": "P04"}).text
    assert "仅适用于女性" in women
    twice = lin.htmx("/registration/quote", {"id_no": NUMBER, "package": "P02", "groups": "G030"}).text
    assert "不重复收费" in twice and "593.12" in twice
    searched = lin.htmx("/registration/quote", {"id_no": NUMBER, "package": "P02", "q": ["jzx", "jzx"]}).text
    assert "甲状腺彩超" in searched


def test_search_finds_by_number_name_pinyin_last_four_phone_and_company(desk: Desk, house: House) -> None:
    from exam.kit.house import system_actor
    from exam.people import service as people

    with house.unit(system_actor("01")) as db:
        company = people.add_organization(db, "C1", "桂平茶业有限公司")
    lin = desk("lin")
    visit_no = walk_in(lin, organization_id=str(company))
    for words in ("韦小", "wxm", "weixiao", "0018", "13800138000", NUMBER, "桂平", "gpcy"):
        assert visit_no in lin.post("/registration/find", {"q": words}).text, words
    for code in (visit_no, f"{visit_no}01"):
        assert lin.post("/registration/find", {"q": code}).headers["location"] == f"/registration/visits/{visit_no}"
    assert "没有匹配的体检单" in lin.post("/registration/find", {"q": "不存在"}).text


def test_search_words_are_taken_from_the_body_only_also_when_a_page_is_turned(
    desk: Desk, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "PAGE_SIZE", 1)
    monkeypatch.setattr(board.paged, "__defaults__", (1,))
    lin = desk("lin")
    first = walk_in(lin)
    second = walk_in(lin, key="form-000000002", exam_on="2026-12-01")
    assert not [each for each in (first, second) if each in lin.get("/registration/find", params={"q": "韦小明"}).text]
    page = lin.post("/registration/find", {"q": "韦小明"}).text
    assert second in page and first not in page and 'name="page" value="2"' in page
    turned = lin.post("/registration/find", {"q": "韦小明", "page": "2"}).text
    assert first in turned and second not in turned
    addresses = re.findall(r'(?:href|action|hx-get|hx-post)="([^"]*)"', page + turned)
    assert addresses and not [each for each in addresses if "韦" in each or quote("韦") in each or "q=" in each]


def test_a_search_stands_in_no_queue_of_writers_and_a_private_item_in_no_address(
    desk: Desk, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lin = desk("lin")
    url = f"/registration/visits/{walk_in(lin)}"
    assert lin.get(f"{url}/groups", params={"q": "HIV"}).status_code == 405
    assert f'hx-post="{url}/groups/find"' in lin.get(url).text
    opened: list[bool | None] = []
    original = House.session

    def session(self: House, **how: Any) -> Any:
        opened.append(how.get("write"))
        return original(self, **how)

    monkeypatch.setattr(House, "session", session)
    for path, form, shown in (("/registration/find", {"q": "韦小"}, "韦小明"), (f"{url}/groups/find", {"q": "HIV"}, "HIV抗体")):
        answer = lin.htmx(path, form)
        assert answer.status_code == 200 and shown in answer.text
        assert opened[-1] is False, path


def test_no_name_goes_into_the_cookie_that_confirms_a_returned_sheet(desk: Desk) -> None:
    lin = desk("lin")
    for number, way in enumerate(("auto", "manual"), 1):
        visit_no = walk_in(lin, key=f"form-00000000{number}", id_no=numbered(number).id_no)
        pay(lin, visit_no, key=f"pay-00000000{number}")
        lin.htmx(f"/registration/visits/{visit_no}/check-in", {})
        lines = lin.get(f"/api/visits/{visit_no}").json()["lines"]
        words = {"choice": "refuse", "reason": "时间来不及"}
        choices = {f"{part}-{line['id']}": word for line in lines if not line["service_only"] for part, word in words.items()}
        answer = lin.htmx(f"/registration/return/{visit_no}/{way}", choices if way == "manual" else {})
        assert answer.status_code == 200, answer.text
        toast = bytes.fromhex(answer.cookies["toast"].strip('"')).decode()
        assert visit_no in toast and "已交单" in toast and "韦" not in toast


def test_lines_are_added_refused_resumed_postponed_and_removed(desk: Desk, house: House) -> None:
    lin = desk("lin")
    visit_no = walk_in(lin)
    pay(lin, visit_no)
    url = f"/registration/visits/{visit_no}"
    lin.htmx(f"{url}/check-in", {})
    assert (
        "血型" in lin.htmx(f"{url}/groups/find", {"q": "xuexing"}).text
        or "血型" in lin.htmx(f"{url}/groups/find", {"q": "xx"}).text
    )
    assert lin.htmx(f"{url}/groups", {"groups": "G061"}).status_code == 200
    body = lin.get(f"/api/visits/{visit_no}").json()
    lines = [line for line in body["lines"] if line["state"] == "pending" and not line["service_only"]]
    for action, form in (
        ("refuse", {"reason": "受检者拒绝"}), ("postpone", {"reason": "标本未留取", "due_on": "2026-11-25"}),
        ("remove", {"reason": "开错项目"}),
    ):  # fmt: skip
        line = lines.pop()
        assert "确认" in lin.get(f"{url}/lines/{line['id']}/ask/{action}").text
        assert lin.htmx(f"{url}/lines/{line['id']}/{action}", form).status_code == 200, action
        if action != "remove":
            assert lin.htmx(f"{url}/lines/{line['id']}/resume").status_code == 200
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []


def test_manual_return_names_every_line_that_has_no_choice(desk: Desk) -> None:
    lin = desk("lin")
    visit_no = walk_in(lin)
    pay(lin, visit_no)
    lin.htmx(f"/registration/visits/{visit_no}/check-in", {})
    refused = lin.htmx(f"/registration/return/{visit_no}/manual", {})
    assert refused.status_code == 422 and refused.text.count("请选择拒检或延期") > 5


def test_a_full_day_is_refused_in_chinese_with_field_and_remedy(desk: Desk) -> None:
    lin, qin = desk("lin"), desk("qin")
    assert qin.htmx("/registration/capacity", {"capacity": "0", "day": "2026-11-22"}).status_code == 200
    refused = lin.htmx("/registration/walk-ins", {"key": "form-000000009", **ORDER, "exam_on": "2026-11-22"})
    assert (
        refused.status_code == 409
        and "名额已满" in refused.text
        and 'data-field="exam_on"' in refused.text
        and "改选其他日期" in refused.text
    )


def test_rights_are_kept_apart(desk: Desk) -> None:
    lin, wu = desk("lin"), desk("wu")
    visit_no = walk_in(lin)
    assert wu.get(f"/registration/visits/{visit_no}").status_code == 200
    assert wu.get("/registration").status_code == 403
    assert wu.htmx(f"/registration/visits/{visit_no}/check-in", {}).status_code in (403, 409)
    assert lin.post("/registration/capacity", {"capacity": "3"}).status_code == 403
    assert lin.get("/registration/export.xlsx").status_code == 403
    assert desk("qin").get("/registration/export.xlsx").content.startswith(b"PK")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/registration/recognise", {"id_no": ""}), ("/registration/recognise", {"id_no": "1\x00"}),
        ("/registration/recognise", {"id_no": "45011019850315001X"}), ("/registration/recognise", {"id_no": NUMBER, "more": "1"}),
        ("/registration/walk-ins", {}), ("/registration/walk-ins", {"key": "form-000000001", "id_no": NUMBER}),
        ("/registration/walk-ins", {"key": "form-000000001", **ORDER, "groups": "NONE"}),
        ("/registration/walk-ins", {"key": "form-000000001", **ORDER, "birth_on": "不是日期"}),
        ("/registration/walk-ins", {"key": "form-000000001", **ORDER, "exam_on": "2020-01-01"}),
        ("/registration/quote", {"package": "NONE"}), ("/registration/quote", {"groups": ["G030", "NONE"]}),
        ("/registration/drawing/scan", {"code": "123"}), ("/registration/drawing/scan", {"code": "扫码"}),
        ("/registration/drawing/undo", {"visit_no": "1", "barcode": "2"}),
        ("/registration/return/scan", {"code": "0101261121000019"}),
        ("/registration/return/1234/auto", {}), ("/registration/return/1234/manual", {"what": "1"}),
        ("/registration/visits/%00/register", {}), ("/registration/visits/none/day", {"exam_on": "x"}),
    ],
)  # fmt: skip
def test_bad_forms_are_refused_in_chinese_and_never_a_fault(desk: Desk, path: str, form: dict[str, Any]) -> None:
    answer = desk("lin").htmx(path, form)
    assert answer.status_code in (404, 409, 422), answer.text
    assert any("一" <= character <= "鿿" for character in answer.text)


@pytest.mark.parametrize(
    "url",
    [
        "/registration?day=x", "/registration?tile=none", "/registration?page=-5", "/registration?page=99999999999999999999",
        "/registration/find?q=%00", "/registration/find?q=" + "长" * 300, "/registration/find?q=%25", "/registration/find?q=a",
        "/registration/find?q=x&page=abc", "/registration/bookings?month=13", "/registration/bookings?day=0001-01-01",
        "/registration/bookings?day=9999-12-31", "/registration?day=0001-01-01", "/registration?day=9999-12-31",
        "/registration/visits/none", "/registration/visits/none/pdf/x", "/registration/return?visit_no=x", "/api/visits/none",
        "/api/board?day=9999-12-31", "/api/calendar?day=0001-01-01", "/api/visits?tile=none", "/api/people/none",
        "/registration/bookings?month=2099-12",
    ],
)  # fmt: skip
def test_bad_addresses_are_answered_and_never_a_fault(desk: Desk, url: str) -> None:
    assert desk("lin").get(url).status_code in (200, 400, 404, 409, 422)


def test_programs_walk_the_same_way_by_json(desk: Desk) -> None:
    lin = desk("lin")
    body = {"name": "韦小明", "id_no": NUMBER, "package": "P02"}
    opened = lin.post("/api/visits", json=body, headers={"idempotency-key": "program-00000001"})
    again = lin.post("/api/visits", json=body, headers={"idempotency-key": "program-00000001"})
    assert opened.status_code == 201, opened.text
    assert again.status_code == 201, again.text
    assert opened.json()["visit_no"] == again.json()["visit_no"]
    url = f"/api/visits/{opened.json()['visit_no']}"
    assert lin.post(f"{url}/payments", json={"amount_fen": 59312, "receipt_no": "A1"}).json()["balance"]["due_fen"] == 0
    visit = lin.post(f"{url}/check-in").json()
    assert visit["card"]["state"] == "checked_in" and len(visit["tubes"]) == 5
    tube = visit["tubes"][0]["barcode"]
    assert lin.post(f"{url}/tubes/collect", json={"barcode": tube}).json()["card"]["state"] == "in_exam"
    assert lin.post(f"{url}/tubes/undo", json={"barcode": tube, "reason": "扫错人"}).status_code == 200
    assert lin.post(f"{url}/lines", json={"groups": ["G061"]}).status_code == 200
    assert lin.post(f"{url}/prints", json={"slips": ["guide_sheet:"]}).json()[0]["copies"] == 1
    assert lin.post(f"{url}/return", json={}).json()["card"]["sheet_returned_at"]
    assert lin.get("/api/board").json()["examined"] == 1
    assert lin.post("/api/visits/search", json={"q": "wxm"}).json()["visits"]["total"] == 1
    assert len(lin.get("/api/catalog/packages").json()) == 8 and len(lin.get("/api/catalog/groups").json()) > 60
    wrong = lin.post("/api/visits", json={**body, "colour": "red"})
    assert wrong.status_code == 400 and "未知字段" in wrong.text
    nul = lin.post(f"{url}/lines/refuse", json={"line_ids": [], "reason": "a\u0000b"})
    assert nul.status_code == 400 and "reason" in nul.text and "不可见" in nul.text
