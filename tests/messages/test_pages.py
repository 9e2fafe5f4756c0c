"""Screens of messages: the list, one message, consent, the inbox with its counter, and who may see what."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from exam.kit.audit import Audit
from exam.kit.house import House
from exam.messages import delivery, notices
from exam.messages.facts import ConsentKind, DeliveryState, Occasion
from exam.messages.models import SmsConsent
from exam.messages.ports import Rejected
from exam.staff.models import Staff
from tests.conftest import Desk, actor_named
from tests.house.cases import everybody
from tests.messages.cases import WEI, Sender, person_of, queued, row_of, sending, set_up

Sit = Callable[[str], Desk]


@pytest.fixture
def sender(house: House) -> Iterator[Sender]:
    set_up(house)
    with sending(house, Sender()) as put:
        yield put


@pytest.fixture
def message_id(house: House, sender: Sender) -> UUID:
    lin = actor_named(house, "lin")
    return queued(house, lin, Occasion.REPORT_READY, person_of(house, lin)).message_id


def notice_for(house: House, login: str, text: str, link: str = "") -> None:
    with house.unit(actor_named(house, "lin")) as db:
        notices.notify_staff(db, [db.scalars(select(Staff.id).where(Staff.login == login)).one()], text, link)


# --- the list


def test_the_list_shows_who_and_where_it_stands_but_no_phone_and_no_text(desk: Sit, message_id: UUID) -> None:
    page = desk("qin").get("/messages").text
    for word in ("韦小明", "报告完成", "138****8000", "待发送", f"/messages/{message_id}"):
        assert word in page
    assert "13800138000" not in page
    assert "您好" not in page


def test_without_a_gateway_the_screen_says_so(house: House, desk: Sit, sender: Sender) -> None:
    sender.unset = "no_gateway"
    assert "未配置短信网关" in desk("qin").get("/messages").text
    sender.unset = ""
    assert "未配置短信网关" not in desk("qin").get("/messages").text


@pytest.mark.parametrize("word", ["韦小明", "weixm", "0101261121000013", "13800138000", "8000"])
def test_a_message_is_found_by_person_number_or_phone(desk: Sit, message_id: UUID, word: str) -> None:
    qin = desk("qin")
    if word == "weixm":
        word = "wei"
    found = qin.post("/messages", {"q": word})
    assert f"/messages/{message_id}" in found.text
    assert word not in str(found.request.url)


def test_state_occasion_and_days_narrow_the_list(house: House, desk: Sit, message_id: UUID) -> None:
    qin = desk("qin")
    mark = f"/messages/{message_id}"
    assert mark in qin.post("/messages", {"state": "waiting", "occasion": "report_ready"}).text
    assert mark not in qin.post("/messages", {"state": "failed"}).text
    assert mark not in qin.post("/messages", {"occasion": "critical"}).text
    assert mark not in qin.post("/messages", {"q": "没有此人"}).text
    house.clock.advance(days=8)  # type: ignore[attr-defined]
    assert mark not in desk("qin").get("/messages").text
    assert mark in desk("qin").get("/messages?days=30").text


def test_pages_of_a_long_list(house: House, desk: Sit, sender: Sender) -> None:
    lin = actor_named(house, "lin")
    person = person_of(house, lin)
    for _ in range(51):
        queued(house, lin, Occasion.REPORT_READY, person)
    first, second = (desk("qin").post("/messages", {"page": page}).text for page in ("1", "2"))
    assert "共 <b>51</b> 条" in first
    shown = [re.findall(r'row-title"><a href="/messages/([0-9a-f-]{36})"', page) for page in (first, second)]
    assert [len(set(each)) for each in shown] == [50, 1]
    assert not set(shown[0]) & set(shown[1])


def test_the_workbook_has_masked_phones_and_no_texts(house: House, desk: Sit, message_id: UUID) -> None:
    answer = desk("qin").post("/messages/export", {"q": "韦小明"})
    rows = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert rows[1][1:5] == ["报告完成", "韦小明", "138****8000", "0101261121000013"]
    assert b"13800138000" not in answer.content
    assert not any("您好" in str(cell) for row in rows for cell in row)
    with house.unit(None, write=False) as db:
        assert db.scalars(select(Audit.actor).where(Audit.act == "messages.export")).all() == ["qin"]


# --- one message


def test_reading_a_text_is_audited(house: House, desk: Sit, message_id: UUID) -> None:
    page = desk("qin").get(f"/messages/{message_id}").text
    assert "韦先生您好,您的体检报告" in page
    assert "13800138000" not in page
    with house.unit(None, write=False) as db:
        told = db.execute(select(Audit.actor, Audit.subject).where(Audit.act == "messages.read_text")).all()
    assert [tuple(row) for row in told] == [("qin", f"message:{message_id}")]


def test_what_failed_is_sent_again_by_a_button(house: House, desk: Sit, sender: Sender, message_id: UUID) -> None:
    sender.answers = [Rejected("EMPTY")]
    delivery.send_due(house)
    qin = desk("qin")
    assert "重发" in qin.get(f"/messages/{message_id}").text
    answer = qin.htmx(f"/messages/{message_id}/resend")
    assert answer.status_code == 200
    again = UUID(answer.headers["hx-redirect"].rpartition("/")[2])
    delivery.send_due(house)
    assert row_of(house, again).state == DeliveryState.SENT
    first = qin.get(f"/messages/{message_id}").text
    assert f"/messages/{again}" in first
    assert f"/messages/{message_id}/resend" not in first
    refused = qin.htmx(f"/messages/{message_id}/resend")
    assert (refused.status_code, "已经重发过" in refused.text) == (409, True)


def test_a_name_never_becomes_markup(house: House, desk: Sit, sender: Sender) -> None:
    lin = actor_named(house, "lin")
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin, msgspec.structs.replace(WEI, name="韦<b>明")))
    for path in ("/messages", f"/messages/{put.message_id}"):
        page = desk("qin").get(path).text
        assert "韦&lt;b&gt;明" in page
        assert "韦<b>明" not in page


@pytest.mark.parametrize(
    ("method", "path"), [("get", "/messages"), ("post", "/messages/export"), ("get", "/messages/{id}"), ("post", "/messages/{id}/resend")]
)
def test_who_has_no_right_sees_and_sends_nothing(desk: Sit, message_id: UUID, method: str, path: str) -> None:
    answer = getattr(desk("wu"), method)(path.format(id=message_id))
    assert answer.status_code == 403


# --- consent


def test_consent_is_given_and_taken_back_at_the_desk(house: House, desk: Sit, sender: Sender) -> None:
    person = person_of(house, actor_named(house, "lin"), consent=None)
    put = queued(house, actor_named(house, "lin"), Occasion.ABNORMAL, person)
    lin = desk("lin")
    assert f"/messages/consents/{person}" in lin.get(f"/people/{person}").text
    assert "尚未询问" in lin.get(f"/messages/consents/{person}").text
    assert lin.htmx(f"/messages/consents/{person}", {"kind": "given"}).status_code == 200
    assert "同意接收短信" in lin.get(f"/messages/consents/{person}").text
    assert row_of(house, put.message_id).state == DeliveryState.WAITING
    assert lin.htmx(f"/messages/consents/{person}", {"kind": "withdrawn"}).status_code == 200
    assert "已撤回" in lin.get(f"/messages/consents/{person}").text
    with house.unit(None, write=False) as db:
        facts = db.execute(select(SmsConsent.kind, SmsConsent.actor).order_by(SmsConsent.id)).all()
    assert [tuple(fact) for fact in facts] == [(ConsentKind.GIVEN, "lin"), (ConsentKind.WITHDRAWN, "lin")]
    assert desk("wu").post(f"/messages/consents/{person}", {"kind": "given"}).status_code == 403
    assert lin.htmx(f"/messages/consents/{person}", {"kind": "perhaps"}).status_code == 422


# --- the inbox


def test_the_counter_is_shown_only_while_something_is_unread(house: House, desk: Sit) -> None:
    wu = desk("wu")
    assert "unread-count" not in wu.get("/notices").text
    notice_for(house, "wu", "检验科退回一份记录<b>", "/results/GEN")
    page = wu.get("/results/GEN").text
    assert re.search(r'href="/notices"><span class="who-title" aria-hidden="true">通知</span><b class="unread-count number">1</b>', page)
    inbox = wu.get("/notices").text
    assert "检验科退回一份记录&lt;b&gt;" in inbox
    assert "检验科退回" not in desk("lin").get("/notices").text
    [address] = set(re.findall(r'action="(/notices/[0-9a-f-]{36}/open)"', inbox))
    assert desk("lin").post(address).status_code == 404
    answer = wu.post(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/results/GEN")
    assert "unread-count" not in wu.get("/results/GEN").text


def test_all_are_read_at_once_and_programs_may_ask(house: House, desk: Sit) -> None:
    for number in range(3):
        notice_for(house, "wu", f"第 {number} 条")
    wu = desk("wu")
    found = wu.get("/api/notices").json()
    assert (found["unread"], found["total"], [each["text"] for each in found["notices"]]) == (3, 3, ["第 2 条", "第 1 条", "第 0 条"])
    assert wu.htmx("/notices/read").status_code == 200
    assert wu.get("/api/notices").json()["unread"] == 0


def test_a_doctor_says_where_sms_may_come(house: House, desk: Sit) -> None:
    wu = desk("wu")
    assert "未设置" in wu.get("/notices").text
    assert wu.htmx("/notices/phone", {"phone": "13900139000"}).status_code == 200
    page = wu.get("/notices").text
    assert "139****9000" in page
    assert "13900139000" not in page
    refused = wu.htmx("/notices/phone", {"phone": "12345"})
    assert (refused.status_code, "手机号" in refused.text) == (409, True)
    assert wu.htmx("/notices/phone", {"phone": ""}).status_code == 200
    assert "未设置" in wu.get("/notices").text


def test_the_counter_costs_no_statement_of_its_own(house: House, desk: Sit) -> None:
    from sqlalchemy import event

    notice_for(house, "wu", "请看")
    wu = desk("wu")
    seen: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        seen.append(statement)

    event.listen(house.engine, "before_cursor_execute", count)
    assert "unread-count" in wu.get("/results/GEN").text
    event.remove(house.engine, "before_cursor_execute", count)
    assert len([statement for statement in seen if "exam_notice_unread" in statement]) == 1
    assert [statement for statement in seen if "exam_notice_unread" in statement and "exam_sign_in" not in statement] == []


def test_another_sites_messages_are_like_none(house: House, desk: Sit, message_id: UUID) -> None:
    everybody(house, "02", "zhou")
    zhou = desk("zhou")
    assert zhou.get(f"/messages/{message_id}").status_code == 404
    assert zhou.post(f"/messages/{message_id}/resend").status_code == 404
    for word in ("", "韦小明", "0101261121000013", "13800138000"):
        assert str(message_id) not in zhou.post("/messages", {"q": word, "days": "0"}).text
    person = row_of(house, message_id).person_id
    assert zhou.get(f"/messages/consents/{person}").status_code == 404
    assert zhou.post(f"/messages/consents/{person}", {"kind": "withdrawn"}).status_code == 404
