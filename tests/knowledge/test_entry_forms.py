"""The forms of policies, templates, scales and checks: nothing is lost on the way, and what is wrong is told by field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from typing import Any

import msgspec
import pytest

from exam.kit.errors import BadInput
from exam.kit.house import House, system_actor
from exam.knowledge import bands, check_form, entry_form, policy_form, proposals, template_form, words
from exam.knowledge import service as store
from exam.knowledge.book import AlertPolicy, Entry, GradeScale
from exam.knowledge.entry_form import EntryForm
from exam.knowledge.facts import Case, Reading, Subject
from exam.knowledge.forms import FORMS, form_for
from exam.knowledge.gate import GateCheck, Holds
from exam.knowledge.language import AllOf, Compare
from exam.knowledge.message_template import MessageTemplate
from exam.knowledge.rule_form import Part
from exam.knowledge.rules import grade
from tests.knowledge.cases import BOOK, ITEMS, ON
from tests.knowledge.test_store import TODAY

Desks = Callable[[str], Any]
HAVE_FORMS: tuple[Entry, ...] = (*BOOK.policies, *BOOK.templates, *BOOK.grades, *BOOK.checks)


def entry_named(code: str) -> Any:
    return next(entry for entry in BOOK.entries if entry.code == code)


def form_of(entry: Entry, **changed: Any) -> dict[str, Any]:
    """What a browser sends when somebody opens the form of an entry, changes some fields and sends it."""
    form = FORMS[store.kind_of(entry)]
    draft = form.draft_of(entry, ITEMS)
    sent: dict[str, Any] = {**draft.texts, "of": entry.code, "base_version": "1", "valid_from": TODAY.isoformat(), "reason": "测试"}
    for table, rows in draft.tables.items():
        sent |= {f"r.{table}.{number}.{column}": text for number, row in enumerate(rows) for column, text in row.items()}

    def add(part: Part) -> None:
        sent[f"c.{part.way}.kind"] = part.kind
        sent.update({f"c.{part.way}.{name}": text for name, text in part.texts.items()})
        if part.picks:
            sent[f"c.{part.way}.any_of"] = part.picks
        for inner in part.parts:
            add(inner)

    for part in draft.conditions.values():
        add(part)
    # A box that is not ticked is not sent.
    boxes = ("blocks_release", "allows_findings", "respects_quiet_hours", "is_stated")
    return {name: value for name, value in {**sent, **changed}.items() if not (name in boxes and value == "")}


def read(entry: Entry, **changed: Any) -> Any:
    form: EntryForm = FORMS[store.kind_of(entry)]
    return form.read(entry_form.typed(form, form_of(entry, **changed)), ITEMS, entry)


def problems_of(entry: Entry, **changed: Any) -> list[tuple[str, str]]:
    with pytest.raises(BadInput) as refused:
        read(entry, **changed)
    return refused.value.problems


def test_every_shipped_entry_survives_its_form_unchanged() -> None:
    for entry in HAVE_FORMS:
        assert form_for(store.kind_of(entry), entry, ITEMS) is not None, entry.code
        assert words.same_content(read(entry), entry), (entry.code, words.differences(entry, read(entry), ITEMS))


# --- policies --------------------------------------------------------------------------------------------------------


def test_clocks_are_read_in_the_unit_that_was_chosen_and_escalations_in_their_order() -> None:
    policy: AlertPolicy = entry_named("ALERT-CRITICAL")
    changed = read(
        policy, notify="90", notify_unit="minute", handle="1", handle_unit="day", follow_up_days="1、3、14",
        **{"r.escalation.1.after": "2", "r.escalation.1.unit": "hour"},
    )  # fmt: skip
    assert (changed.notify_minutes, changed.handle_minutes, changed.follow_up_days) == (90, 1440, (1, 3, 14))
    assert [each.after_minutes for each in changed.escalation] == [30, 120]
    assert changed.confirm_minutes == policy.confirm_minutes


@pytest.mark.parametrize(
    ("changed", "field", "text"),
    [
        ({"notify": ""}, "notify", "通知时限:不能为空"),
        ({"notify": "0"}, "notify", "请填写 1 或以上的整数"),
        ({"notify": "1e3"}, "notify", "“1e3”不对"),
        ({"handle": "91", "handle_unit": "day"}, "handle", "最长 90 天"),
        ({"follow_up_days": "7、1"}, "follow_up_days", "从早到晚"),
        ({"follow_up_days": ""}, "follow_up_days", "至少回访一次"),
        (
            {"r.escalation.1.after": "20", "r.escalation.1.unit": "minute"},
            "r.escalation.1.after",
            "第 2 级(20 分钟)应晚于第 1 级(30 分钟)",
        ),
        ({"r.escalation.0.to": "nobody"}, "r.escalation.0.to", "请选择通知谁"),
        ({"blocks_release": ""}, "blocks_release", "尚无通知记录时必须阻止发布报告"),
        ({"working_days": "99"}, "working_days", "1 到 30"),
    ],
)
def test_a_clock_that_cannot_be_is_refused_by_field(changed: dict[str, str], field: str, text: str) -> None:
    found = problems_of(entry_named("ALERT-CRITICAL"), **changed)
    assert any(name == field and text in told for name, told in found), found


def test_a_policy_without_escalation_is_refused_and_one_written_as_text_too(house: House, acting: Callable[[str], Any]) -> None:
    policy = entry_named("ALERT-B")
    form = {name: value for name, value in form_of(policy).items() if not name.startswith("r.escalation.")}
    with pytest.raises(BadInput, match="至少要有一级"):
        policy_form.read(entry_form.typed(policy_form.FORM, form), ITEMS, policy)
    with pytest.raises(BadInput, match="至少要有一级"), house.unit(acting("he")) as db:
        bare = msgspec.structs.replace(policy, escalation=())
        proposals.propose(db, bare, base_version=1, valid_from=TODAY, reason="试改")


def test_a_file_with_a_policy_that_cannot_be_says_so_in_its_preview(desk: Desks) -> None:
    he = desk("he")
    content = json.loads(he.get("/knowledge/export").content)
    content["policies"][0]["escalation"] = []
    answer = he.post("/knowledge/import", files={"file": ("book.json", json.dumps(content).encode(), "application/json")}, data={})
    assert "至少要有一级" in unescape(answer.text)


def test_the_example_of_a_policy_is_on_the_clock() -> None:
    lines = policy_form.shown(entry_named("ALERT-CRITICAL"), ITEMS, ON).lines
    assert lines[:4] == (
        ("09:00", "查出"), ("09:15 前", "复核确认"), ("09:30", "仍未确认:第 1 级上报,通知科主任"),
        ("09:45", "仍未通知:第 1 级上报,通知科主任"),
    )  # fmt: skip
    assert ("11:15 前", "通知") in lines
    assert ("通知后 7 天", "回访") in lines


# --- templates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "field", "text"),
    [
        ({"text": ""}, "text", "不能为空"),
        ({"text": "{naem}您好"}, "text", "没有占位符 {naem}"),
        ({"text": "您的{findings}"}, "allows_findings", "请勾选"),
        ({"text": "您的空腹血糖 17.2 mmol/L,请就诊"}, "text", "数值“17.2 mmol/L”"),
        ({"text": "您患有肺结节,请就诊"}, "text", "肺结节"),
        ({"respects_quiet_hours": "yes"}, "respects_quiet_hours", "紧急通知"),
        ({"occasion": "party"}, "occasion", "请选择"),
    ],
)
def test_words_that_may_not_be_sent_are_refused(changed: dict[str, str], field: str, text: str) -> None:
    found = problems_of(entry_named("MSG_CRITICAL"), **changed)
    assert any(name == field and text in told for name, told in found), found


def test_a_template_is_shown_as_an_invented_person_reads_it() -> None:
    template = read(entry_named("MSG_ABNORMAL"), text="{name},请联系{centre}。{findings}", allows_findings="yes")
    shown = template_form.shown(template, ITEMS, ON)
    assert shown.words == "覃先生,请联系示范体检中心。空腹血糖 17.2 mmol/L ↑"
    assert ("长度", "32 字,1 条短信") in shown.lines


def test_a_template_that_tells_a_result_is_approved_only_with_the_approvers_own_word(
    house: House, acting: Callable[[str], Any]
) -> None:
    template = msgspec.structs.replace(entry_named("MSG_ABNORMAL"), text="{name}:{findings}", allows_findings=True)
    with house.unit(acting("he")) as db:
        made = proposals.propose(db, template, base_version=1, valid_from=TODAY, reason="本院用语")
    with pytest.raises(Exception, match="findings_not_allowed"), house.unit(acting("zhao")) as db:
        proposals.approve(db, made, note="同意")
    with house.unit(acting("zhao")) as db:
        proposals.approve(db, made, note="同意", allows_findings=True)
        stored = store.history(db, "MSG_ABNORMAL")[0].entry
    assert isinstance(stored, MessageTemplate)
    assert (stored.approver, stored.approved, stored.allows_findings) == (acting("zhao").name, True, True)


# --- scales ----------------------------------------------------------------------------------------------------------


def test_a_scale_and_its_table_give_the_same_grade_to_every_value_and_history() -> None:
    for scale in BOOK.grades:
        table = bands.table_of(scale, ITEMS)
        assert table is not None
        written = msgspec.structs.replace(scale, steps=bands.steps_of(table, ITEMS))
        codes = list(dict.fromkeys(band.item for band in table.bands))
        ends = {
            code: sorted({end for band in table.bands if band.item == code for end in (band.low, band.high) if end is not None})
            for code in codes
        }
        near = {
            code: [end + step for end in found for step in (Decimal("-0.01"), Decimal(0), Decimal("0.01"))]
            for code, found in ends.items()
        }
        for first in near[codes[0]]:
            for last in near[codes[-1]]:
                values = {codes[0]: first, codes[-1]: last}
                readings = {
                    code: Reading(code, code, str(value), number=value, unit=ITEMS[code].unit) for code, value in values.items()
                }
                for history in (frozenset[str](), frozenset(table.history)):
                    case = Case(Subject("F", 60, history), ON, readings)
                    assert grade(case, written) == grade(case, scale), (scale.code, values, history)


@pytest.mark.parametrize(
    ("changed", "texts"),
    [
        ({"r.bands.2.low": "5.8"}, ("A(≥ 3.9 且 < 5.6)与 B(≥ 5.8 且 < 6.1)", "之间有空缺", "5.6 到 5.8 没有等级")),
        ({"r.bands.2.low": "5.0"}, ("A(≥ 3.9 且 < 5.6)与 B(≥ 5.0 且 < 6.1)", "重叠")),
        ({"r.bands.1.high_sign": "closed"}, ("A(≥ 3.9 且 ≤ 5.6)与 B(≥ 5.6 且 < 6.1)", "恰好 5.6 属于两段")),
        ({"r.bands.2.low_sign": "open"}, ("A(≥ 3.9 且 < 5.6)与 B(> 5.6 且 < 6.1)", "恰好 5.6 没有等级")),
        ({"r.bands.0.low": "1.0"}, ("C(≥ 1.0 且 < 3.9)", "下限应留空")),
        ({"r.bands.4.high": "30"}, ("D(≥ 7.0 且 < 30)", "上限应留空")),
        ({"r.bands.2.low": "6.5"}, ("下限 6.5 应小于上限 6.1",)),
        ({"r.bands.2.low": "5,6"}, ("不是数值",)),
        ({"r.bands.2.item": "没有这个"}, ("字典中没有“没有这个”",)),
        ({"r.bands.2.grade": "F"}, ("请选择等级",)),
        ({"name": ""}, ("名称:不能为空",)),
    ],
)
def test_gaps_and_overlaps_are_refused_naming_both_bands(changed: dict[str, str], texts: tuple[str, ...]) -> None:
    found = problems_of(entry_named("G-GLU"), **changed)
    assert any(all(text in told for text in texts) for _, told in found), found


def test_a_gap_is_told_while_a_new_row_is_still_empty_and_a_new_row_speaks_of_the_same_item(desk: Desks) -> None:
    he, scale = desk("he"), entry_named("G-GLU")
    drawn = unescape(he.htmx("/knowledge/draft/grade", form_of(scale, **{"r.bands.2.low": "5.8", "act": "row:bands.2"})).text)
    assert 'data-way="r.bands.2" data-focus' in drawn
    assert re.search(r'name="r.bands.2.item"[^>]*value="GLU"', drawn)
    assert re.search(r'name="r.bands.3.low"[^>]*value="5.8"', drawn)
    empty_row = {f"r.bands.5.{column}": "" for column in ("item", "low", "high")} | {"r.bands.5.grade": "A"}
    told = [text for _, text in problems_of(scale, **{"r.bands.2.low": "5.8"}, **empty_row)]
    assert any("5.6 到 5.8 没有等级" in text for text in told)
    assert any("不能为空" in text for text in told)


def test_changed_bounds_of_two_items_become_steps_of_which_the_worst_counts() -> None:
    changed: GradeScale = read(entry_named("G-BP"), **{"r.bands.2.high": "135", "r.bands.3.low": "135"})
    told = [f"{step.grade} {words.condition_words(step.condition, ITEMS)}" for step in changed.steps]
    assert told == [
        "E 有高血压病史",
        "D 收缩压 ≥ 160 mmHg 或 舒张压 ≥ 100 mmHg",
        "C 135 ≤ 收缩压 < 160 mmHg 或 90 ≤ 舒张压 < 100 mmHg",
        "B 收缩压 < 90 mmHg 或 130 ≤ 收缩压 < 135 mmHg 或 舒张压 < 60 mmHg 或 85 ≤ 舒张压 < 90 mmHg",
        "A 90 ≤ 收缩压 < 130 mmHg 且 60 ≤ 舒张压 < 85 mmHg",
    ]
    assert bands.grade_at(changed, {"SBP": Decimal(135), "DBP": Decimal(70)}, ITEMS) == "C"
    assert bands.grade_at(changed, {"SBP": Decimal(120)}, ITEMS) is None


def test_a_scale_that_says_more_than_a_table_is_changed_as_text() -> None:
    scale: GradeScale = entry_named("G-GLU")
    odd = AllOf((Compare("GLU", ">=", Decimal("7.0")), Compare("HBA1C", ">=", Decimal("6.5"))))
    steps = (msgspec.structs.replace(scale.steps[1], condition=odd), *scale.steps[2:])
    assert form_for("grade", msgspec.structs.replace(scale, steps=steps), ITEMS) is None
    assert form_for("merge", BOOK.merges[0], ITEMS) is None


# --- checks ----------------------------------------------------------------------------------------------------------


def test_a_check_is_changed_with_the_picker_and_its_examples_are_tried() -> None:
    check: GateCheck = entry_named("GATE_GLU_A1C")
    changed = read(check, is_blocking="yes", text="血糖与糖化不符", **{"c.0.0.value": "15"})
    assert changed.is_blocking
    assert changed.test == Holds(AllOf((Compare("GLU", ">=", Decimal(15)), Compare("HBA1C", "<", Decimal("5.5")))))
    tried = check_form.tried(read(check, **{"c.0.0.value": "15.5"}), ITEMS, ON)
    assert [each.is_right for each in tried] == [False, True]


@pytest.mark.parametrize(
    ("code", "changed", "field", "text"),
    [
        ("GATE_GLU_A1C", {"text": ""}, "text", "提示:不能为空"),
        ("GATE_GLU_A1C", {"c.0.0.value": "x"}, "c.0.0.value", "不是数值"),
        ("GATE_VITAL", {"r.bounds.0.low": "300"}, "r.bounds.0.low", "下限 300 应小于上限 250"),
        ("GATE_VITAL", {"r.bounds.0.low": "", "r.bounds.0.high": ""}, "r.bounds.0.low", "请填写下限或上限"),
        ("GATE_BP", {"left": "舒张压 +"}, "left", "左边"),
        ("GATE_BP", {"left": "没有这个"}, "left", "没有这个"),
        ("MATCH_BP_HIGH", {"t_words": ""}, "t_words", "不能为空"),
        ("GATE_ORDER", {f"state_{each}": "" for each in words.ORDER_WORDS}, "state_pending", "至少选一个"),
        ("GATE_ORDER", {"r.examples.0.orders": "腹部彩超=睡觉"}, "r.examples.0.orders", "应写成 项目=状态"),
        ("GATE_GLU_A1C", {"r.examples.0.age": "200"}, "r.examples.0.age", "0 到 150"),
    ],
)
def test_a_check_that_cannot_be_is_refused_by_field(code: str, changed: dict[str, str], field: str, text: str) -> None:
    found = problems_of(entry_named(code), **changed)
    assert any(name == field and text in told for name, told in found), found


# --- on screen -------------------------------------------------------------------------------------------------------


def page_of(desk: Any, url: str) -> str:
    answer = desk.get(url)
    assert answer.status_code == 200, (url, answer.status_code)
    return unescape(answer.text)


SHOWN = {
    "ALERT-CRITICAL": "09:15 前", "MSG_BOOKED": "覃先生您好", "G-BP": "边界试算", "GATE_VITAL": "结果的可能范围", "GATE_BP": "左边",
    "GATE_GLU_A1C": "同时成立即提示", "MATCH_BP_HIGH": "须有依据的结论词", "GATE_MALE": "不应出现的词", "GATE_UTERUS": "说明已切除的词",
    "GATE_SIDE_KIDNEY": "另有 4 项", "GATE_NAMED": "99 个所见", "GATE_ALONE": "无特殊", "GATE_BLOOD_GROUP": "ABO血型", "GATE_ORDER": "待检",
    "GATE_ALERT": "未通知的危急值(项)",
}  # fmt: skip


@pytest.mark.parametrize("code", list(SHOWN))
def test_each_kind_opens_as_a_form_with_its_living_example_and_text_is_the_second_tab(desk: Desks, code: str) -> None:
    he = desk("he")
    page = page_of(he, f"/knowledge/entries/{code}/edit")
    assert SHOWN[code] in page
    assert "可以提交审批" in page
    assert f'href="/knowledge/entries/{code}/edit?view=text"' in page
    assert 'name="body"' in page_of(he, f"/knowledge/entries/{code}/edit?view=text")


def test_a_form_is_redrawn_checked_and_handed_in(desk: Desks, house: House) -> None:
    he = desk("he")
    policy = entry_named("ALERT-CRITICAL")
    drawn = unescape(he.htmx("/knowledge/draft/policy", form_of(policy, notify="7x", act="row:escalation")).text)
    assert 'value="7x"' in drawn
    assert 'data-way="r.escalation.2" data-focus' in drawn
    drawn = unescape(he.htmx("/knowledge/draft/policy", form_of(policy, act="up:escalation.1")).text)
    assert re.search(r'name="r.escalation.0.after"[^>]*value="1"', drawn)
    assert re.search(r'name="r.escalation.1.after"[^>]*value="30"', drawn)
    checked = unescape(he.htmx("/knowledge/check/policy", form_of(policy, confirm="10")).text)
    assert "09:10 前" in checked
    assert "不能为空" in unescape(he.htmx("/knowledge/check/policy", form_of(policy, confirm="")).text)
    refused = he.htmx("/knowledge/propose/policy", form_of(policy, confirm=""))
    assert refused.status_code == 422
    plain = he.post("/knowledge/propose/policy", form_of(policy, confirm="", reason="留着"))
    assert plain.status_code == 422
    assert 'value="留着"' in unescape(plain.text)
    made = he.htmx("/knowledge/propose/policy", form_of(policy, confirm="10"))
    assert made.status_code == 200, made.text
    desk("zhao").htmx(f"{made.headers['hx-redirect']}/approve", {"note": "同意"})
    with house.unit(system_actor("01"), write=False) as db:
        stored = store.history(db, "ALERT-CRITICAL")[0]
    assert isinstance(stored.entry, AlertPolicy)
    assert (stored.version, stored.entry.confirm_minutes) == (2, 10)


def test_a_check_is_switched_off_from_a_day_and_on_again(desk: Desks, house: House) -> None:
    he, zhao = desk("he"), desk("zhao")
    check = entry_named("GATE_GLU_A1C")
    made = he.htmx("/knowledge/propose/check", form_of(check, is_on=""))
    assert "停用" in page_of(zhao, made.headers["hx-redirect"])
    zhao.htmx(f"{made.headers['hx-redirect']}/approve", {"note": "同意"})
    assert "已停用" in page_of(he, "/knowledge/entries/GATE_GLU_A1C/edit")
    with house.unit(system_actor("01"), write=False) as db:
        assert store.history(db, check.code)[0].entry.valid_to == TODAY
    again = he.htmx("/knowledge/propose/check", form_of(check, is_on="yes", base_version="2"))
    zhao.htmx(f"{again.headers['hx-redirect']}/approve", {"note": "同意"})
    with house.unit(system_actor("01"), write=False) as db:
        assert store.history(db, check.code)[0].entry.valid_to is None


@pytest.mark.parametrize("kind", ["grade", "check", "template"])
def test_a_new_entry_begins_empty_or_like_another(desk: Desks, house: House, kind: str) -> None:
    he = desk("he")
    like = {"grade": "G-UA", "check": "GATE_GLU_A1C", "template": "MSG_RECHECK"}[kind]
    assert "不能为空" not in page_of(he, f"/knowledge/new/{kind}")
    assert 'name="code"' in page_of(he, f"/knowledge/new/{kind}?like={like}")
    made = he.htmx(f"/knowledge/propose/{kind}", form_of(entry_named(like), of="", base_version="0", code="NEW-1"))
    assert made.status_code == 200, made.text
    with house.unit(system_actor("01"), write=False) as db:
        assert [(each.code, each.kind) for each in proposals.proposals(db)] == [("NEW-1", kind)]
    assert he.get("/knowledge/new/policy").status_code == 404
    assert he.post("/knowledge/propose/policy", {}).status_code == 404


def test_a_hostile_form_is_refused_but_never_a_fault(desk: Desks) -> None:
    he = desk("he")
    deep = {f"c.{'.'.join(['0'] * level)}.kind": "all_of" for level in range(1, 40)}
    columns = (("bands", "low"), ("bounds", "low"), ("escalation", "after"))
    many = {f"r.{table}.{number}.{column}": "9" * 3000 for table, column in columns for number in range(300)}
    for kind, code in (("policy", "ALERT-A"), ("grade", "G-UA"), ("check", "GATE_VITAL"), ("template", "MSG_BOOKED")):
        for form in (
            {"of": code},
            {"of": code, **deep},
            {"of": code, **many},
            {"of": "D13"},
            {"of": code, "act": "drop_row:bands.999"},
        ):
            for act in ("draft", "check", "propose"):
                assert he.htmx(f"/knowledge/{act}/{kind}", form).status_code in (200, 404, 409, 422), (act, kind, list(form)[:3])
    assert he.post("/knowledge/draft/merge", {}).status_code == 404
    assert desk("lin").post("/knowledge/check/policy", {"of": "ALERT-A"}).status_code == 403


def test_a_merge_as_text_is_told_in_words_with_its_rules(desk: Desks) -> None:
    he = desk("he")
    page = page_of(he, "/knowledge/entries/M02/edit")
    assert "总胆固醇升高" in page
    assert "合并的规则" in page
    told = unescape(he.htmx("/knowledge/entries/M02/text/check", {"body": '{"text": "x", "of": ["D99"], "source": "本院"}'}).text)
    assert "没有规则 D99" in told
    assert "JSON" in unescape(he.htmx("/knowledge/entries/M02/text/check", {"body": "{"}).text)


def test_the_examples_of_a_check_are_tried_on_its_page(desk: Desks) -> None:
    page = page_of(desk("he"), "/knowledge/entries/GATE_GLU_A1C")
    assert "不查出" in page
    assert "通过" in page
