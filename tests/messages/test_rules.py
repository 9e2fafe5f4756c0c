"""Wording, quiet hours, consent, length and states of messages: pure rules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, get_args

import msgspec
import pytest

from exam.kit.errors import Refused
from exam.knowledge import starter
from exam.knowledge.message_template import URGENT, MessageTemplate, OccasionCode
from exam.messages import rules
from exam.messages.facts import DELIVERY_STATE_NAMES, OCCASION_NAMES, Audience, Channel, ConsentKind, DeliveryState, Occasion

TODAY = date(2026, 11, 21)


def template(text: str = "{name}您好", **more: Any) -> MessageTemplate:
    given: dict[str, Any] = {"code": "T", "version": 1, "occasion": "abnormal", "audience": "person", "channel": "sms"}
    return MessageTemplate(**{**given, **more}, text=text)


def choose(*templates: MessageTemplate, has_findings: bool = False) -> rules.Choice:
    return rules.choose(templates, Occasion.ABNORMAL, Audience.PERSON, Channel.SMS, TODAY, has_findings)


# --- templates


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}", "#import {os}", "{0.__class__}", "{name.__class__}", "{Name}", "{name", "name}", "{}", "{name!r}",
        "", "   ", "甲\n乙", "甲\x00乙", "甲\u202e乙", "甲\u200b乙", "长" * 301,
    ],
)  # fmt: skip
def test_a_text_with_anything_but_the_known_placeholders_cannot_be_made(text: str) -> None:
    with pytest.raises(ValueError, match="T:"):
        template(text)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(
            msgspec.json.encode(
                {"code": "T", "version": 1, "occasion": "booked", "audience": "person", "channel": "sms", "text": text}
            ),
            type=MessageTemplate,
        )


def test_findings_stand_only_in_a_template_whose_approver_allowed_them() -> None:
    with pytest.raises(ValueError, match="没有允许发送结果内容"):
        template("{findings}")
    allowed = template("{findings}", allows_findings=True)
    with pytest.raises(Refused, match="template_unapproved"):
        rules.render(allowed, {"findings": "血红蛋白 60 g/L"})
    approved = msgspec.structs.replace(allowed, approved=True, approver="赵慧敏")
    assert rules.render(approved, {"findings": "血红蛋白 60 g/L"}) == "血红蛋白 60 g/L"


def test_an_urgent_template_does_not_wait_for_the_morning() -> None:
    for occasion in sorted(URGENT):
        with pytest.raises(ValueError, match="免打扰"):
            template(occasion=occasion)
    assert {Occasion(each) for each in URGENT} == rules.URGENT


def test_occasions_are_the_same_in_the_store_and_here() -> None:
    assert list(get_args(OccasionCode)) == [each.value for each in Occasion]
    assert set(OCCASION_NAMES) == set(Occasion) == set(rules.USEFUL)


def test_the_shipped_templates_name_no_value_and_no_disease_and_fit() -> None:
    book = starter.load_rule_book()
    assert len(book.templates) > 8
    words = {conclusion.text for conclusion in book.rules} | {"mmol", "g/L", "癌", "肿瘤", "血", "糖", "瘤", "阳性"}
    values = {
        "name": "欧阳女士", "centre": "武鸣区中医医院健康体检中心", "phone": "0771-6221100", "visit_no_tail": "0013", "exam_on": "11月21日",
        "department": "检验科",
    }  # fmt: skip
    for each in book.templates:
        assert not each.allows_findings
        assert not each.approved, "nobody signed what is shipped"
        text = rules.render(each, values)
        assert "{" not in text
        assert not [word for word in words if word in text], each.code
        assert rules.segments(text) <= 2, each.code
        for known in ("0771-6221100", "0013", "11月21日", "空腹8小时"):
            text = text.replace(known, "")
        assert not any(character.isdigit() for character in text), each.code
    for occasion in Occasion:
        assert [each for each in book.templates if each.occasion == occasion], occasion


def test_an_approved_template_comes_before_one_that_nobody_signed() -> None:
    plain, signed = template(code="A"), template(code="B", approved=True)
    assert choose(signed, plain).template is signed
    assert choose(plain, template(code="C")).template.code == "C"  # type: ignore[union-attr]


def test_an_unapproved_template_is_used_only_without_findings() -> None:
    told = template("{findings}", code="F", allows_findings=True)
    assert choose(told, has_findings=True) == rules.Choice(None, "template_unapproved")
    assert choose(told, template(code="A"), has_findings=True).template.code == "A"  # type: ignore[union-attr]
    signed = msgspec.structs.replace(told, approved=True)
    assert choose(template(code="A"), signed, has_findings=True).template is signed
    assert choose(signed, template(code="A")).template.code == "A"  # type: ignore[union-attr]
    assert choose() == rules.Choice(None, "no_template")


def test_a_template_holds_from_its_first_to_its_last_day() -> None:
    assert choose(template(valid_from=date(2026, 11, 22))).template is None
    assert choose(template(valid_to=date(2026, 11, 20))).template is None
    assert choose(template(valid_from=TODAY, valid_to=TODAY)).template is not None


# --- wording


def test_a_value_is_never_looked_at_again() -> None:
    text = rules.render(template("{name}|{centre}"), {"name": "{phone}先生", "centre": "<b>{name}</b>", "phone": "999"})
    assert text == "{phone}先生|<b>{name}</b>"


@pytest.mark.parametrize("value", ["韦\n明", "韦\r", "韦\x1b[2J", "\u202e韦", "韦\u200b", "\x00", "\u2028"])
def test_a_control_character_in_a_value_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"messages\.bad_text"):
        rules.render(template(), {"name": value})


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(Refused, match=r"messages\.too_long"):
        rules.render(template("{department}"), {"department": "长" * (67 * 5 + 1)})


@pytest.mark.parametrize(("length", "expected"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)])
def test_an_sms_holds_seventy_characters_and_a_part_of_a_long_one_less(length: int, expected: int) -> None:
    assert rules.segments("字" * length) == expected


def test_a_rare_character_counts_twice() -> None:
    assert rules.segments("𬭼" * 35) == 1
    assert rules.segments("𬭼" * 36) == 2


@pytest.mark.parametrize(
    ("name", "sex", "expected"),
    [
        ("韦小明", "M", "韦先生"), ("欧阳静", "F", "欧阳女士"), ("欧阳", "M", "欧先生"), ("阿依古丽\u00b7买买提", "F", "阿依古丽女士"),
        ("SMITH JOHN", "M", "SMITH先生"), ("𬭼明", "M", "𬭼先生"), ("李", "F", "李女士"),
    ],
)  # fmt: skip
def test_people_are_addressed_by_surname(name: str, sex: str, expected: str) -> None:
    assert rules.address(name, sex) == expected


# --- when and to whom


@pytest.mark.parametrize(
    ("local_hour", "expected"),
    [
        ((21, 7, 59), (21, 8, 0)), ((21, 8, 0), None), ((21, 20, 59), None), ((21, 21, 0), (22, 8, 0)), ((21, 23, 30), (22, 8, 0)),
        ((22, 0, 10), (22, 8, 0)),
    ],
)  # fmt: skip
def test_what_is_not_urgent_waits_for_the_morning(local_hour: tuple[int, int, int], expected: tuple[int, int, int] | None) -> None:
    from exam.kit.clock import CENTRE_ZONE

    moment = datetime(2026, 11, *local_hour, tzinfo=CENTRE_ZONE).astimezone(UTC)
    wanted = moment if expected is None else datetime(2026, 11, *expected, tzinfo=CENTRE_ZONE).astimezone(UTC)
    assert rules.not_before(moment, is_quiet=True) == wanted
    assert rules.not_before(moment, is_quiet=False) == moment


@pytest.mark.parametrize(
    ("occasion", "consent", "expected"),
    [
        (Occasion.BOOKED, None, "no_consent"), (Occasion.ABNORMAL, None, "no_consent"), (Occasion.CRITICAL, None, ""),
        (Occasion.BOOKED, ConsentKind.GIVEN, ""), (Occasion.CRITICAL, ConsentKind.WITHDRAWN, "consent_withdrawn"),
        (Occasion.REPORT_READY, ConsentKind.WITHDRAWN, "consent_withdrawn"),
    ],
)  # fmt: skip
def test_consent_is_needed_but_for_a_critical_result_of_somebody_who_never_refused(
    occasion: Occasion, consent: ConsentKind | None, expected: str
) -> None:
    assert rules.consent_problem(occasion, consent) == expected


@pytest.mark.parametrize(
    ("phone", "expected"), [("13800138000", ""), ("", "no_phone"), ("0771-5321234", "no_mobile"), ("+85261234567", "no_mobile")]
)
def test_only_a_mobile_takes_sms(phone: str, expected: str) -> None:
    assert rules.phone_problem(phone) == expected


def test_tries_grow_apart_up_to_half_an_hour() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    waits = [(rules.next_try(now, tries) - now).total_seconds() for tries in range(1, 12)]
    assert waits[:4] == [15, 30, 60, 120]
    assert waits == sorted(waits)
    assert waits[-1] == 1800


# --- states


def test_every_state_is_reached_and_named() -> None:
    reached = {*rules.DELIVERY.moves.values(), "waiting"}
    assert reached == {each.value for each in DeliveryState} == {each.value for each in DELIVERY_STATE_NAMES}
    actions = {action for _, action in rules.DELIVERY.moves}
    assert actions | rules.NOTES == set(rules.FACT_NAMES)


def test_nothing_but_evidence_leads_out_of_unknown() -> None:
    ways = {action for (state, action) in rules.DELIVERY.moves if state == "unknown"}
    assert ways == {"accept", "not_sent", "reject", "no_answer", "retry", "deliver", "fail", "expire"}
    assert ("delivered", "fail") not in rules.DELIVERY.moves


def test_the_facts_tell_the_state() -> None:
    assert rules.state_after(["queue"]) == DeliveryState.WAITING
    assert rules.state_after(["queue", "hold", "release", "hand_over", "no_answer", "deliver", "receipt"]) == DeliveryState.DELIVERED
    assert rules.state_after(["queue", "hand_over", "not_sent", "hand_over", "accept", "expire", "deliver"]) == DeliveryState.DELIVERED
    with pytest.raises(Refused):
        rules.state_after(["queue", "accept"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [("UNDELIV", "UNDELIV"), ("", ""), ("MK:0012", "MK:0012"), ("to 13800138000", "other"), ("13800138000", "other"), ("失败", "other"),
     ("x" * 65, "other")],
)  # fmt: skip
def test_of_a_gateways_code_only_a_short_word_is_kept(given: str, kept: str) -> None:
    assert rules.clean_code(given) == kept


def test_a_text_with_a_department_needs_one_to_name() -> None:
    plain, see = template(code="A"), template("请到{department}就诊", code="B")
    listed = (see, plain, see)
    args = (Occasion.ABNORMAL, Audience.PERSON, Channel.SMS, TODAY, False)
    assert rules.choose(listed, *args, True).template is see
    assert rules.choose(listed, *args, False).template is plain
    assert rules.choose((see,), *args, False) == rules.Choice(None, "no_template")
