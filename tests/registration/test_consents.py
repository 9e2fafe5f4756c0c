"""Consent to private items: asked before check-in, kept with its version, withdrawn at once, its text changed by the hospital."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pypdf import PdfReader
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from chief_review import service as reviews
from exam.kit.audit import Audit
from exam.kit.errors import BadInput, Refused
from exam.kit.house import Actor, House, system_actor
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import LineState, OrderLine, TubeCard, VisitState
from registration import consents, drawing, rules, service, starter
from registration.facts import ConsentGiver, WalkIn
from registration.models import ConsentFact
from tests.registration.cases import WEI, arrived, no_breaches, pay_all, walk_in

Acting = Callable[[str], Actor]
Desk = Callable[[str], Any]
HBV, HCV, PLAIN = "G050", "G051", "G061"
BODY = "本院自己的知情同意书正文,由伦理委员会审定,共二十字以上。"


def private_visit(house: House, lin: Actor, new: WalkIn = WEI) -> UUID:
    """A paid visit whose order holds a private group."""
    visit_id = walk_in(house, lin, msgspec.structs.replace(new, groups=(HBV,))).visit_id
    pay_all(house, lin, visit_id)
    return visit_id


def checked_in(house: House, lin: Actor) -> UUID:
    """A visit with a private group that was signed for and whose person is here."""
    visit_id = private_visit(house, lin)
    with house.unit(lin) as db:
        consents.give(db, visit_id, 1)
        service.check_in(db, visit_id)
    return visit_id


def line_of(house: House, visit_id: UUID, code: str = HBV) -> OrderLine:
    """The visit's line of a group."""
    with house.unit(None, write=False) as db:
        return next(line for line in orders.lines(db, visit_id) if line.group_code == code)


def private_tube(house: House, visit_id: UUID) -> TubeCard:
    """The tube that hepatitis B is drawn into."""
    with house.unit(None, write=False) as db:
        return next(tube for tube in tubes.of_visit(db, visit_id) if "乙肝五项" in tube.groups)


def toast_of(answer: Any) -> str:
    """The confirmation that a redirect leaves behind."""
    return bytes.fromhex(answer.cookies["toast"].strip('"')).decode()


def signed(house: House) -> list[tuple[str, str, bool]]:
    """Every consent fact: who gave it, where, and whether it takes one back."""
    with house.unit(None, write=False) as db:
        rows = db.execute(select(ConsentFact).order_by(ConsentFact.id)).scalars().all()
        return [(row.given_by, row.channel, row.undoes is not None) for row in rows]


def test_private_items_need_a_signed_consent_before_check_in_and_other_visits_none(house: House, acting: Acting) -> None:
    lin = acting("lin")
    arrived(house, lin, WalkIn(name="覃志强", id_no="450102198001010015", package="P02"))
    assert signed(house) == []
    visit_id = private_visit(house, lin)
    with pytest.raises(Refused, match=r"registration\.consent_missing") as refused, house.unit(lin) as db:
        service.check_in(db, visit_id)
    assert "乙肝五项" in refused.value.text and "签字" in refused.value.hint
    for _ in range(2):
        with house.unit(lin) as db:
            consents.give(db, visit_id, 1)
    with house.unit(lin) as db:
        service.check_in(db, visit_id)
    assert signed(house) == [("person", "desk", False)]
    with house.unit(lin, write=False) as db:
        found = consents.standing(db, visit_id)
        assert found is not None and (found.text.version, found.giver, found.at) == (1, ConsentGiver.PERSON, house.clock.now())
        assert db.scalars(select(Audit.reason).where(Audit.act == "registration.give_consent")).all() == ["v1 person"]
    assert no_breaches(house)


def test_a_childs_guardian_signs(house: House, acting: Acting) -> None:
    lin = acting("lin")
    child = WalkIn(name="覃小宝", sex="M", birth_on=date(2015, 5, 1), groups=(HBV,))
    visit_id = walk_in(house, lin, child).visit_id
    pay_all(house, lin, visit_id)
    with pytest.raises(Refused, match=r"registration\.consent_missing") as refused, house.unit(lin) as db:
        service.check_in(db, visit_id)
    assert "监护人" in refused.value.text
    with house.unit(lin) as db:
        consents.give(db, visit_id, 1)
        service.check_in(db, visit_id)
    assert signed(house) == [("guardian", "desk", False)]
    assert [rules.consent_giver(age) for age in (0, 13, 14, 90)] == [*["guardian"] * 2, *["person"] * 2]


def test_a_private_group_added_after_check_in_needs_the_consent_too(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with pytest.raises(Refused, match=r"registration\.consent_missing") as refused, house.unit(lin) as db:
        service.add_groups(db, visit_id, [HBV])
    assert "增加项目" in refused.value.hint
    with house.unit(lin) as db:
        service.add_groups(db, visit_id, [HBV], consent=1)
    assert signed(house) == [("person", "desk", False)]
    assert no_breaches(house)


def test_a_paper_covers_only_what_was_ordered_before_it_was_signed(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = checked_in(house, lin)
    house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    with pytest.raises(Refused, match=r"registration\.consent_missing") as refused, house.unit(lin) as db:
        service.add_groups(db, visit_id, [HCV])
    assert "丙肝抗体" in refused.value.text and "乙肝" not in refused.value.text
    with house.unit(lin) as db:
        service.add_groups(db, visit_id, [PLAIN])
        service.add_groups(db, visit_id, [HCV], consent=1)
    house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    with house.unit(lin) as db:
        consents.give(db, visit_id, 1)  # everything is signed for already
    assert signed(house) == [("person", "desk", False)] * 2
    with house.unit(lin) as db:
        assert consents.withdraw(db, visit_id, "受检者要求") == 2
        assert consents.standing(db, visit_id) is None
    assert signed(house)[2:] == [("person", "desk", True)] * 2
    assert no_breaches(house)


def test_an_item_added_between_signature_and_check_in_is_signed_for_again(house: House, acting: Acting, desk: Desk) -> None:
    lin = acting("lin")
    visit_id = private_visit(house, lin)
    with house.unit(lin) as db:
        consents.give(db, visit_id, 1)
    house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    with house.unit(lin) as db:
        service.add_groups(db, visit_id, [HCV])
        service.pay(db, visit_id, visits.card(db, visit_id).amount_due_fen, "A2")
    with pytest.raises(Refused, match=r"registration\.consent_missing"), house.unit(lin) as db:
        service.check_in(db, visit_id)
    with house.unit(lin, write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
        paper = "".join(page.extract_text() for page in PdfReader(io.BytesIO(consents.form_of(db, visit_id))).pages)
    assert "乙肝五项" in paper and "丙肝抗体" in paper
    seat = desk("lin")
    page = seat.get(f"/registration/visits/{visit_no}").text
    assert "尚缺签署" in page and 'id="check-in-consent"' in page
    assert seat.get(f"/api/visits/{visit_no}").json()["consent"]["missing"] == ["丙肝抗体"]
    assert seat.htmx(f"/registration/visits/{visit_no}/check-in", {"consent": "1"}).status_code == 200
    assert signed(house) == [("person", "desk", False)] * 2


def test_after_a_withdrawal_only_private_items_wait_for_a_signature(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = checked_in(house, lin)
    with house.unit(lin) as db:
        drawing.collect(db, visit_id, private_tube(house, visit_id).barcode)
        assert consents.withdraw(db, visit_id, "受检者要求") == 0
        plain = rules.open_lines(orders.lines(db, visit_id))[0]
        service.refuse_line(db, visit_id, [plain.id], "受检者拒绝")
    with house.unit(lin) as db:
        service.add_groups(db, visit_id, [PLAIN])
        service.resume_line(db, visit_id, plain.id)
    with pytest.raises(Refused, match=r"registration\.consent_missing"), house.unit(lin) as db:
        service.add_groups(db, visit_id, [HCV])
    assert no_breaches(house)


def test_undoing_a_return_leaves_private_items_refused_after_a_withdrawal(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    visit_id = checked_in(house, lin)
    with house.unit(lin) as db:
        service.return_sheet(db, visit_id)
    with house.unit(qin) as db:
        assert service.undo_return(db, visit_id, "操作错误") == 0
    assert line_of(house, visit_id).state == LineState.PENDING
    with house.unit(lin) as db:
        service.return_sheet(db, visit_id)
        assert consents.withdraw(db, visit_id, "受检者要求") == 0
    with house.unit(qin) as db:
        assert service.undo_return(db, visit_id, "操作错误") == 1
    assert line_of(house, visit_id).state == LineState.REFUSED
    with house.unit(lin, write=False) as db:
        assert sum(line.state == LineState.PENDING for line in orders.lines(db, visit_id)) > 5
    assert no_breaches(house)


def test_a_sample_that_was_taken_back_is_not_drawn_again_after_a_withdrawal(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = checked_in(house, lin)
    barcode = private_tube(house, visit_id).barcode
    with house.unit(lin) as db:
        drawing.collect(db, visit_id, barcode)
        consents.withdraw(db, visit_id, "受检者要求")
    with house.unit(lin) as db:
        assert drawing.collect(db, visit_id, barcode).was_taken_before
        drawing.undo(db, visit_id, barcode, "扫错人")
    assert line_of(house, visit_id).state == LineState.PENDING
    with pytest.raises(Refused, match=r"registration\.consent_withdrawn") as refused, house.unit(lin) as db:
        drawing.collect(db, visit_id, barcode)
    assert "乙肝" not in refused.value.text + refused.value.hint  # the screen is read from the chairs around
    with house.unit(lin) as db:
        others = [tube.barcode for tube in tubes.of_visit(db, visit_id) if tube.barcode != barcode]
        drawing.collect(db, visit_id, others[0])
        consents.give(db, visit_id, 1)
        assert drawing.collect(db, visit_id, barcode).drawn == 2
    assert no_breaches(house)


def test_a_withdrawal_counts_also_once_the_chief_began(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = checked_in(house, lin)
    line = line_of(house, visit_id)
    with house.unit(lin) as db:
        service.postpone_line(db, visit_id, line.id, service.today_of(db) + timedelta(days=3), "标本未留取")
        service.return_sheet(db, visit_id)
    with house.unit(acting("he")) as db:
        reviews.start(db, visit_id)
    with house.unit(lin) as db:
        assert consents.withdraw(db, visit_id, "受检者要求") == 0
    assert signed(house) == [("person", "desk", False), ("person", "desk", True)]
    assert line_of(house, visit_id).state == LineState.POSTPONED
    with pytest.raises(Refused, match=r"registration\.consent_withdrawn"), house.unit(lin) as db:
        drawing.collect(db, visit_id, private_tube(house, visit_id).barcode)
    with house.unit(lin, write=False) as db:
        assert visits.card(db, visit_id).state == VisitState.CHIEF
    assert no_breaches(house)


def test_a_withdrawal_before_check_in_refuses_nothing_and_says_so(house: House, acting: Acting, desk: Desk) -> None:
    visit_id = private_visit(house, acting("lin"))
    lin = desk("lin")
    with house.unit(system_actor("01"), write=False) as db:
        url = f"/registration/visits/{visits.card(db, visit_id).visit_no}"
    assert lin.htmx(f"{url}/consent", {"consent": "1"}).status_code == 200
    assert "报到前需重新签署" in lin.get(url).text
    assert toast_of(lin.htmx(f"{url}/withdraw-consent", {"reason": "受检者要求"})) == "已撤回同意,没有项目因此记为拒检"
    assert line_of(house, visit_id).state == LineState.PENDING


def test_the_page_of_an_arrived_visit_takes_the_missing_signature(house: House, acting: Acting, desk: Desk) -> None:
    visit_id = checked_in(house, acting("lin"))
    lin = desk("lin")
    with house.unit(system_actor("01"), write=False) as db:
        url = f"/registration/visits/{visits.card(db, visit_id).visit_no}"
    form = f'hx-post="{url}/consent"'
    assert form not in lin.get(url).text
    assert "1 项记为拒检" in toast_of(lin.htmx(f"{url}/withdraw-consent", {"reason": "受检者要求"}))
    assert form in lin.get(url).text
    resume = f"{url}/lines/{line_of(house, visit_id).id}/resume"
    refused = lin.htmx(resume)
    assert refused.status_code == 409 and "“知情同意书”一栏" in refused.text
    assert "未勾选" in lin.htmx(f"{url}/consent", {}).text
    assert lin.htmx(f"{url}/consent", {"consent": "2"}).status_code == 409
    assert lin.htmx(f"{url}/consent", {"consent": "1"}).status_code == 200
    assert form not in lin.get(url).text
    assert lin.htmx(resume).status_code == 200
    assert line_of(house, visit_id).state == LineState.PENDING
    assert no_breaches(house)


def test_a_booking_offers_no_signature_yet(house: House, acting: Acting, desk: Desk) -> None:
    lin = acting("lin")
    with house.unit(lin, write=False) as db:
        tomorrow = service.today_of(db) + timedelta(days=1)
    opened = walk_in(house, lin, msgspec.structs.replace(WEI, groups=(HBV,), exam_on=tomorrow))
    url = f"/registration/visits/{opened.visit_no}"
    page = desk("lin").get(url).text
    assert "未签署" in page and 'name="consent"' not in page
    assert desk("lin").htmx(f"{url}/consent", {"consent": "1"}).status_code == 409


def test_a_withdrawal_acts_at_once_and_asks_again(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = private_visit(house, lin)
    with pytest.raises(Refused, match=r"registration\.no_consent"), house.unit(lin) as db:
        consents.withdraw(db, visit_id, "受检者要求")
    with house.unit(lin) as db:
        consents.give(db, visit_id, 1)
        service.check_in(db, visit_id)
    with house.unit(lin) as db:
        assert consents.withdraw(db, visit_id, "受检者要求") == 1
    with house.unit(lin, write=False) as db:
        line = next(each for each in orders.lines(db, visit_id) if each.group_code == HBV)
        assert (line.state, line.reason) == (LineState.REFUSED, "撤回知情同意")
    with pytest.raises(Refused, match=r"registration\.consent_missing"), house.unit(lin) as db:
        service.resume_line(db, visit_id, line.id)
    with house.unit(lin) as db:
        consents.give(db, visit_id, 1)
        service.resume_line(db, visit_id, line.id)
    assert signed(house) == [("person", "desk", False), ("person", "desk", True), ("person", "desk", False)]
    assert no_breaches(house)


def test_a_hospital_publishes_its_own_text_and_what_was_signed_stays(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    visit_id = private_visit(house, lin)
    with house.unit(lin) as db:
        consents.give(db, visit_id, 1)
    with house.unit(qin) as db:
        assert consents.publish(db, BODY, "伦理委员会审定", True).version == 2
    with house.unit(lin, write=False) as db:
        found, now = consents.standing(db, visit_id), consents.text_in_force(db)
        assert found is not None and found.text.body == starter.load_consent().body
        assert (now.version, now.body, now.source, now.asks_everyone) == (2, BODY, "伦理委员会审定", True)
    plain = walk_in(house, lin, WalkIn(name="覃志强", id_no="450102198001010015", package="P02")).visit_id
    pay_all(house, lin, plain)
    with pytest.raises(Refused, match=r"registration\.consent_missing"), house.unit(lin) as db:
        service.check_in(db, plain)
    with pytest.raises(Refused, match=r"registration\.consent_changed"), house.unit(lin) as db:
        consents.give(db, plain, 1)
    with pytest.raises(Refused, match=r"registration\.same_consent_text"), house.unit(qin) as db:
        consents.publish(db, f"  {BODY}\r\n", "再次审定", True)
    with pytest.raises(BadInput) as bad, house.unit(qin) as db:
        consents.publish(db, "太短", "", False)
    assert [field for field, _ in bad.value.problems] == ["body", "source"]
    assert no_breaches(house)


def test_what_was_signed_cannot_be_rewritten(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = private_visit(house, lin)
    with house.unit(lin) as db:
        consents.give(db, visit_id, 1)
    for table in ("registration_consent", "registration_consent_text"):
        for statement in (f"update {table} set actor_id = null", f"delete from {table}"):
            with pytest.raises(DatabaseError), house.unit(system_actor("01")) as db:
                db.execute(text(statement))


def test_the_desk_ticks_what_was_signed_and_nothing_is_ticked_before(house: House, acting: Acting, desk: Desk) -> None:
    visit_id = private_visit(house, acting("lin"))
    lin, qin = desk("lin"), desk("qin")
    visit_no = next(each["visit_no"] for each in lin.get("/api/visits").json()["rows"])
    url = f"/registration/visits/{visit_no}"
    page = lin.get(url).text
    box = page[page.index('name="consent"') - 200 : page.index('name="consent"') + 200]
    assert 'value="1"' in box and "checked" not in box and "敏感个人信息" in page
    assert "尚未记录受检者签署" in lin.htmx(f"{url}/check-in", {"slips": "guide_sheet"}).text
    assert "知情同意书已更新" in lin.htmx(f"{url}/check-in", {"consent": "2"}).text
    assert lin.htmx(f"{url}/check-in", {"consent": "x"}).status_code == 422
    form = PdfReader(io.BytesIO(lin.get(f"{url}/pdf/consent").content))
    printed = "".join(each.extract_text() for each in form.pages)
    assert (
        all(words in printed for words in ("乙肝五项", "受检者签字", visit_no, "第 1 版")) and "450110198503150018" not in printed
    )
    assert lin.htmx(f"{url}/check-in", {"consent": "1", "slips": "guide_sheet"}).status_code == 200
    assert "已签署" in lin.get(url).text
    assert lin.htmx(f"{url}/withdraw-consent", {"reason": "受检者要求"}).status_code == 200
    assert "拒检" in lin.get(url).text and visit_id
    assert lin.htmx("/registration/consent-text", {"body": BODY, "source": "审定"}).status_code in (403, 409)
    assert "知情同意书 现行第 1 版" not in lin.get("/registration/today").text
    assert "知情同意书 现行第 1 版" in qin.get("/registration/today").text
    assert qin.htmx("/registration/consent-text", {"body": BODY, "source": "审定", "asks_everyone": "on"}).status_code == 200
    assert "现行第 2 版" in qin.get("/registration/today").text


def test_adding_a_private_group_shows_the_text_to_be_signed(house: House, acting: Acting, desk: Desk) -> None:
    arrived(house, acting("lin"))
    lin = desk("lin")
    visit_no = lin.get("/api/visits").json()["rows"][0]["visit_no"]
    url = f"/registration/visits/{visit_no}"
    assert 'name="consent"' not in lin.htmx(f"{url}/groups/find", {"q": "血型"}).text
    assert 'name="consent"' in lin.htmx(f"{url}/groups/find", {"q": "乙肝"}).text
    assert lin.htmx(f"{url}/groups", {"groups": HBV}).status_code == 409
    assert lin.htmx(f"{url}/groups", {"groups": HBV, "consent": "1"}).status_code == 200
    # The paper that was signed for one item cannot name the next.
    house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    assert 'name="consent"' in lin.htmx(f"{url}/groups/find", {"q": "丙肝"}).text
    assert lin.htmx(f"{url}/groups", {"groups": HCV}).status_code == 409
    assert lin.htmx(f"{url}/groups", {"groups": HCV, "consent": "1"}).status_code == 200


def test_programs_record_and_withdraw_a_consent(house: House, acting: Acting, desk: Desk) -> None:
    private_visit(house, acting("lin"))
    lin = desk("lin")
    visit_no = lin.get("/api/visits").json()["rows"][0]["visit_no"]
    asked = lin.get(f"/api/visits/{visit_no}").json()["consent"]
    assert asked["names"] == ["乙肝五项"] and asked["given"] is None
    given = lin.post(f"/api/visits/{visit_no}/consent", json={"version": asked["text"]["version"]}).json()["consent"]["given"]
    assert (given["giver"], given["channel"]) == ("person", "program")
    assert lin.post(f"/api/visits/{visit_no}/withdraw-consent", json={"reason": "受检者要求"}).json()["consent"]["given"] is None


def test_programs_add_a_private_group_with_its_signature(house: House, acting: Acting, desk: Desk) -> None:
    arrived(house, acting("lin"))
    lin = desk("lin")
    visit_no = lin.get("/api/visits").json()["rows"][0]["visit_no"]
    assert lin.post(f"/api/visits/{visit_no}/lines", json={"groups": [HBV]}).json()["type"] == "registration.consent_missing"
    added = lin.post(f"/api/visits/{visit_no}/lines", json={"groups": [HBV], "consent": 1}).json()
    assert (added["consent"]["names"], added["consent"]["missing"]) == (["乙肝五项"], [])
    assert signed(house) == [("person", "program", False)]


def test_a_site_without_a_text_of_its_own_uses_the_shipped_one(house: House, acting: Acting) -> None:
    with house.unit(system_actor("02"), write=False) as db:
        assert consents.text_in_force(db).body == starter.load_consent().body
    with house.unit(system_actor("02")) as db:
        consents.load_starter(db)
        consents.load_starter(db)
        assert consents.text_in_force(db).version == 1
