"""The desk's forms: what an order shows before it is saved, the question before a return, reasons, and what a visit's page offers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from exam.kit.house import Actor, House
from exam.people.models import Person as PersonRow
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import LineState, VisitState
from registration import drawing, service
from registration.facts import WOMENS_REASONS, WalkIn
from registration.rules import open_lines
from tests.registration.cases import WEI, arrived, no_breaches

Desk = Callable[[str], Any]
Acting = Callable[[str], Actor]
PASSPORT = {"id_no": "E12345678", "id_kind": "passport"}
NONG = WalkIn(name="农美香", id_no="450110198503150026", package="P04")


def number_of(house: House, actor: Actor, visit_id: Any) -> str:
    with house.unit(actor, write=False) as db:
        return visits.card(db, visit_id).visit_no


def options_of(page: str, name: str) -> list[str]:
    found = re.search(rf'<select[^>]*name="{name}".*?</select>', page, re.S)
    assert found is not None
    return re.findall(r"<option[^>]*>([^<]*)</option>", found[0])


# --- before an order is saved --------------------------------------------------------------------------------------------


def test_a_document_without_sex_leaves_it_to_the_form_which_then_marks_what_does_not_fit(desk: Desk) -> None:
    lin = desk("lin")
    form = lin.htmx("/registration/recognise", {"id_no": "E12345678"}).text
    basics = re.search(r'<div id="walk-in-basics"[^>]*>', form)
    assert basics is not None and 'hx-post="/registration/quote"' in basics[0] and "不适用" not in form
    asked = {**PASSPORT, "sex": "F", "birth_on": "1980-03-04", "package": "P05"}
    answer = lin.htmx("/registration/quote", {**asked, "basics": "on"}).text
    assert 'id="package-field" hx-swap-oob="true"' in answer and "65–120岁" in answer
    shown = options_of(answer, "package")
    assert "40+男性综合 ¥1609.60(不适用)" in shown and "40+女性综合(有性生活史) ¥2097.60" in shown
    assert re.search(r'<option value="P05" selected', answer), "what was chosen stays chosen"
    assert "package-field" not in lin.htmx("/registration/quote", asked).text


def test_a_price_is_asked_without_a_turn_of_the_writers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lin = desk("lin")
    opened: list[bool | None] = []
    original = House.session

    def session(self: House, **how: Any) -> Any:
        opened.append(how.get("write"))
        return original(self, **how)

    monkeypatch.setattr(House, "session", session)
    assert lin.htmx("/registration/quote", {**PASSPORT, "package": "P02"}).status_code == 200
    assert opened[-1] is False


def test_nation_marital_state_and_address_go_into_a_new_file(desk: Desk, house: House) -> None:
    lin = desk("lin")
    form = lin.htmx("/registration/without-document", {}).text
    assert "更多信息" in form and "hx-include" not in re.search(r"<button[^>]*without-document[^>]*>", lin.get("/registration/today").text)[0]  # type: ignore[index]
    more = {"nation": "壮族", "marital": "已婚", "address": "广西贵港市桂平市西山镇1号"}
    sent = {"key": "form-000000009", "id_kind": "none", "name": "韦小芳", "sex": "F", "birth_on": "1980-03-04", "package": "P02", **more}
    too_long = lin.htmx("/registration/walk-ins", {**sent, "address": "桂" * 200 + "平"})
    assert too_long.status_code == 422 and "地址" in too_long.text
    assert lin.htmx("/registration/walk-ins", sent).status_code == 200
    with house.unit(None, write=False) as db:
        row = db.scalars(select(PersonRow).where(PersonRow.name == "韦小芳")).one()
        assert (row.nation, row.marital) == ("壮族", "已婚")
        assert house.cipher.open(row.address, f"exam_person.address:{row.id}") == more["address"]


# --- the question before a return ----------------------------------------------------------------------------------------


def test_refusing_all_that_is_left_is_asked_first_and_tells_of_choices_that_would_be_lost(
    desk: Desk, house: House, acting: Acting
) -> None:
    lin, actor = desk("lin"), acting("lin")
    visit_id = arrived(house, actor)
    url = f"/registration/return/{number_of(house, actor, visit_id)}"
    page = lin.get(f"/registration/return?visit_no={url.rsplit('/', 1)[1]}").text
    assert f'hx-post="{url}/auto"' not in page and f'hx-post="{url}/ask"' in page and 'data-dialog="return-auto"' in page
    with house.unit(actor, write=False) as db:
        left = open_lines(orders.lines(db, visit_id))
    plain = lin.htmx(f"{url}/ask", {f"reason-{left[0].id}": ""}).text
    assert f"<b>{len(left)}</b> 项未检" in plain and "您已选择" not in plain and f'hx-post="{url}/auto"' in plain
    chosen = lin.htmx(f"{url}/ask", {f"choice-{left[0].id}": "refuse", f"choice-{left[1].id}": "postpone"}).text
    assert "您已选择 2 项" in chosen and "不采用" in chosen
    with house.unit(actor, write=False) as db:
        assert len(open_lines(orders.lines(db, visit_id))) == len(left), "asking changes nothing"


def test_reception_gives_back_the_sheet_that_it_took_itself_today_and_no_other(
    desk: Desk, house: House, acting: Acting
) -> None:
    lin, actor = desk("lin"), acting("lin")
    visit_id = arrived(house, actor)
    url = f"/registration/visits/{number_of(house, actor, visit_id)}"
    with house.unit(actor) as db:
        service.return_sheet(db, visit_id)
    assert f'hx-post="{url}/undo-own-return"' in lin.get(url).text
    chiefs_own = lin.htmx(f"{url}/undo-return", {"reason": "操作错误"})
    assert chiefs_own.status_code == 409 and "权限" in chiefs_own.text
    assert lin.htmx(f"{url}/undo-own-return", {"reason": "操作错误"}).status_code == 200
    with house.unit(actor, write=False) as db:
        assert visits.card(db, visit_id).state == VisitState.CHECKED_IN and open_lines(orders.lines(db, visit_id))
    again = lin.htmx(f"{url}/undo-own-return", {"reason": "操作错误"})
    assert again.status_code == 409, "nothing is returned any more"
    with house.unit(acting("qin")) as db:
        service.return_sheet(db, visit_id)
    others = lin.htmx(f"{url}/undo-own-return", {"reason": "操作错误"})
    assert others.status_code == 409 and "只能撤销本人当天" in others.text and "前台主管" in others.text
    assert "undo-own-return" not in lin.get(url).text
    assert no_breaches(house)


def test_a_return_of_yesterday_is_the_desk_chiefs(house: House, acting: Acting) -> None:
    from exam.kit.errors import Refused

    visit_id = arrived(house, acting("lin"))
    with house.unit(acting("lin")) as db:
        service.return_sheet(db, visit_id)
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="只能撤销本人当天"), house.unit(acting("lin")) as db:
        service.undo_own_return(db, visit_id, "操作错误")


# --- reasons -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new", [WEI, NONG], ids=["a man", "a woman"])
def test_womens_reasons_are_offered_to_women_and_no_reason_is_chosen_by_itself(
    desk: Desk, house: House, acting: Acting, new: WalkIn
) -> None:
    lin, actor = desk("lin"), acting("lin")
    visit_id = arrived(house, actor, new)
    url = f"/registration/visits/{number_of(house, actor, visit_id)}"
    with house.unit(actor, write=False) as db:
        line = open_lines(orders.lines(db, visit_id))[0]
    offered = []
    for action in ("refuse", "postpone"):
        shown = options_of(lin.get(f"{url}/lines/{line.id}/ask/{action}").text, "reason")
        assert shown[0] == "请选择"
        offered += shown
    offered += options_of(lin.get(f"/registration/return?visit_no={url.rsplit('/', 1)[1]}").text, f"reason-{line.id}")
    assert bool(WOMENS_REASONS & set(offered)) is (new is NONG)
    refused = lin.htmx(f"{url}/lines/{line.id}/refuse", {"reason": ""})
    assert refused.status_code == 409 and "必须填写原因" in refused.text


# --- what a visit's page offers ------------------------------------------------------------------------------------------


def test_a_refused_line_may_be_taken_off_and_a_service_only_before_anything_was_begun(
    desk: Desk, house: House, acting: Acting
) -> None:
    lin, actor = desk("lin"), acting("lin")
    visit_id = arrived(house, actor)
    url = f"/registration/visits/{number_of(house, actor, visit_id)}"
    with house.unit(actor) as db:
        lines = orders.lines(db, visit_id)
        refused, put_off = open_lines(lines)[:2]
        priced = next(line for line in lines if line.service_only)
        service.refuse_line(db, visit_id, [refused.id], "受检者拒绝")
        service.postpone_line(db, visit_id, put_off.id, visits.card(db, visit_id).exam_on.replace(year=2027), "身体不适")
    page = lin.get(url).text
    for line in (refused, put_off, priced):
        assert f"{url}/lines/{line.id}/ask/remove" in page
    assert "拒检项目的费用仍计入应缴" in page and "仍计入应缴" in lin.get(f"{url}/lines/{open_lines(lines)[2].id}/ask/refuse").text
    with house.unit(actor) as db:
        drawing.collect(db, visit_id, tubes.of_visit(db, visit_id)[0].barcode)
    page = lin.get(url).text
    assert f"{url}/lines/{priced.id}/ask/remove" not in page and f"{url}/lines/{refused.id}/ask/remove" in page
    assert lin.htmx(f"{url}/lines/{refused.id}/remove", {"reason": "受检者要求退项"}).status_code == 200
    with house.unit(actor, write=False) as db:
        assert {line.id: line.state for line in orders.lines(db, visit_id)}[refused.id] == LineState.REMOVED
    assert no_breaches(house)


def test_the_chair_says_colours_once_and_counts_blood_apart_from_cups(desk: Desk, house: House, acting: Acting) -> None:
    lin, actor = desk("lin"), acting("lin")
    visit_id = arrived(house, actor)
    number = number_of(house, actor, visit_id)
    page = lin.htmx("/registration/drawing/scan", {"code": number}).text
    assert 'class="tube-colour"' not in page, "every starter tube's name tells its colour, or it has none"
    assert "另需留取 便盒、尿管" in page
    with house.unit(actor, write=False) as db:
        cups = [tube for tube in tubes.of_visit(db, visit_id) if tube.draw_order == 0]
        blood = [tube for tube in tubes.of_visit(db, visit_id) if tube.draw_order]
    assert f"还需采血 <b>{len(blood)}</b> 管" in page
    for tube in blood:
        page = lin.htmx("/registration/drawing/scan", {"code": tube.barcode, "visit_no": number}).text
    assert "还需留取 便盒、尿管" in page and "采血 <b>" not in page and len(cups) == 2
