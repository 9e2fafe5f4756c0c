"""The screens of the knowledge base over the real app: finding, writing, checking, trying, proposing, deciding, files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from exam.kit.house import House, system_actor
from exam.knowledge import dry_run, exchange, proposals, rule_form, summary_form, words
from exam.knowledge import service as store
from exam.knowledge.book import Rule
from exam.knowledge.facts import PastCase, PastCases
from tests.knowledge.cases import BOOK, ITEMS, case_of
from tests.knowledge.test_store import TODAY, rule_named

Desks = Callable[[str], Any]


def form_of(rule: Rule, **changed: Any) -> dict[str, Any]:
    """What a browser sends when somebody opens the form of a rule, changes some fields and sends it."""
    draft = rule_form.draft_of(rule, ITEMS)
    form: dict[str, Any] = {**draft.texts, "of": rule.code, "base_version": "1", "valid_from": TODAY.isoformat(), "reason": "测试"}

    def add(part: rule_form.Part) -> None:
        form[f"c.{part.way}.kind"] = part.kind
        form.update({f"c.{part.way}.{name}": text for name, text in part.texts.items()})
        if part.picks:
            form[f"c.{part.way}.any_of"] = part.picks
        for inner in part.parts:
            add(inner)

    add(draft.condition)
    for number, example in enumerate(draft.examples):
        form.update({f"e.{number}.{name}": text for name, text in example.items()})
    return {**form, **changed}


def page_of(desk: Any, url: str) -> str:
    answer = desk.get(url)
    assert answer.status_code == 200, (url, answer.status_code)
    return unescape(answer.text)


def proposed_by(desk: Any, form: dict[str, Any]) -> str:
    """Sends a form and gives the address of the proposal that came of it."""
    answer = desk.htmx("/knowledge/propose", form)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["hx-redirect"])


CHANGED = {"text": "空腹血糖升高", "c.0.0.value": "6.8", "e.0.values": "空腹血糖=6.8", "e.1.values": "空腹血糖=6.7"}


def test_a_merge_names_its_rules_and_no_placeholder_and_a_policy_names_people(desk: Desks) -> None:
    he = desk("he")
    page = page_of(he, "/knowledge/entries/M02")
    assert "血脂异常(各项结果) · 合并规则 M02" in page
    assert re.search(r'<a href="/knowledge/entries/D18">D18</a> 总胆固醇升高', page)
    page = page_of(he, "/knowledge/entries/ALERT-CRITICAL")
    assert "30 分钟后通知科主任" in page
    assert "critical_values.head" not in page


# --- finding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("q=d13", "D13"), ("q=糖尿病诊断", "D13"), ("q=体重指数", "D02"), ("q=glu", "D17"), ("q=fpz", "D03"), ("kind=merge", "M05"),
        ("mark=unapproved&q=D64", "D64"),
    ],
)  # fmt: skip
def test_entries_are_found_by_code_words_item_and_initials(desk: Desks, query: str, code: str) -> None:
    page = page_of(desk("he"), f"/knowledge?{query}")
    assert f'href="/knowledge/entries/{code}"' in page
    assert "未批准" in page


def test_who_may_not_read_or_propose_gets_nothing(desk: Desks) -> None:
    lin = desk("lin")
    for path in ("/knowledge", "/knowledge/entries/D13", "/knowledge/export", "/knowledge/proposals"):
        assert lin.get(path).status_code == 403
    assert lin.post("/knowledge/propose", form_of(rule_named("D13"))).status_code == 403
    assert "/knowledge" not in page_of(lin, "/catalog")


def test_an_entry_shows_its_words_its_examples_tried_and_that_nobody_approved_it(desk: Desks) -> None:
    page = page_of(desk("he"), "/knowledge/entries/D13")
    for text in ("空腹血糖 ≥ 7.0 mmol/L 且 无糖尿病病史", "未批准", "自拟待审", "通过", "初始规则库", "下一条未批准"):
        assert text in page
    assert desk("he").get("/knowledge/entries/NOTHING").status_code == 404


# --- deciding --------------------------------------------------------------------------------------------------------


def test_a_shipped_rule_is_approved_on_screen_with_a_reason(desk: Desks, house: House) -> None:
    he = desk("he")
    assert he.htmx("/knowledge/entries/D13/approve", {"version": "1", "note": ""}).status_code == 422
    assert he.htmx("/knowledge/entries/D13/approve", {"version": "x", "note": "同意"}).status_code == 409
    assert he.htmx("/knowledge/entries/D13/approve", {"version": "1", "note": "已核对"}).headers["hx-redirect"] == "/knowledge/entries/D13"
    page = page_of(he, "/knowledge/entries/D13")
    assert "已批准" in page
    assert he.actor.name in page


def test_a_rule_changed_on_screen_is_decided_by_another_doctor_who_sees_the_difference(desk: Desks, house: House) -> None:
    he, zhao = desk("he"), desk("zhao")
    url = proposed_by(he, form_of(rule_named("D13"), **CHANGED))
    listed = page_of(zhao, "/knowledge/proposals")
    assert "<del>空腹血糖 ≥ 7.0 mmol/L 且 无糖尿病病史</del>" in listed
    assert "<ins>空腹血糖 ≥ 6.8 mmol/L 且 无糖尿病病史</ins>" in listed
    own = page_of(he, url)
    assert f'action="{url}/approve"' not in own
    assert f'action="{url}/withdraw"' in own
    refused = he.htmx(f"{url}/approve", {"note": "同意", "valid_from": TODAY.isoformat()})
    assert refused.status_code == 409
    assert "不能审批自己提交的申请" in refused.text
    assert zhao.htmx(f"{url}/approve", {"note": " "}).status_code == 422
    assert zhao.htmx(f"{url}/approve", {"note": "同意", "valid_from": "2026-02-30"}).status_code == 422
    assert zhao.htmx(f"{url}/approve", {"note": "同意", "valid_from": TODAY.isoformat()}).status_code == 200
    with house.unit(system_actor("01"), write=False) as db:
        last = store.history(db, "D13")[0]
    assert (last.version, last.approved) == (2, True)
    page = page_of(he, "/knowledge/entries/D13")
    assert "<ins>空腹血糖升高</ins>" in page
    assert zhao.actor.name in page


def test_rejecting_and_withdrawing_leave_the_book_as_it_was(desk: Desks, house: House) -> None:
    he, zhao = desk("he"), desk("zhao")
    first = proposed_by(he, form_of(rule_named("D13"), **CHANGED))
    assert zhao.htmx(f"{first}/reject", {"note": "证据不足"}).status_code == 200
    assert "证据不足" in page_of(he, "/knowledge/proposals?show=rejected")
    second = proposed_by(he, form_of(rule_named("D13"), **CHANGED))
    assert he.htmx(f"{second}/withdraw", {}).status_code == 200
    assert he.htmx(f"/knowledge/proposals/{uuid4()}/withdraw", {}).status_code == 409
    with house.unit(system_actor("01"), write=False) as db:
        assert store.revision(db) == 1


def test_a_stale_proposal_is_shown_so_and_cannot_be_approved(desk: Desks) -> None:
    he, zhao = desk("he"), desk("zhao")
    first = proposed_by(he, form_of(rule_named("D13"), **CHANGED))
    second = proposed_by(he, form_of(rule_named("D13"), **{**CHANGED, "text": "另一种说法"}))
    zhao.htmx(f"{first}/approve", {"note": "同意"})
    assert "本申请基于第 1 版" in page_of(zhao, second)
    assert zhao.htmx(f"{second}/approve", {"note": "同意"}).status_code == 409
    assert he.htmx("/knowledge/propose", form_of(rule_named("D13"), **CHANGED)).status_code == 409


def test_ending_is_a_proposal_too(desk: Desks, house: House) -> None:
    he = desk("he")
    assert he.htmx("/knowledge/entries/D64/end", {"version": "1", "valid_from": "", "reason": ""}).status_code == 422
    made = he.htmx("/knowledge/entries/D64/end", {"version": "1", "valid_from": TODAY.isoformat(), "reason": "不再使用"})
    desk("zhao").htmx(f"{made.headers['hx-redirect']}/approve", {"note": "同意"})
    assert "已停用" in page_of(he, "/knowledge?mark=ended")
    assert "D64" in page_of(he, "/knowledge?mark=ended")


# --- writing ---------------------------------------------------------------------------------------------------------


def test_every_shipped_rule_survives_its_form_unchanged() -> None:
    from exam.knowledge import rule_reading
    from tests.knowledge.cases import BOOK

    for rule in BOOK.rules:
        read = rule_reading.read(rule_form.typed(form_of(rule)), ITEMS, rule)
        assert words.same_content(read, rule), words.differences(rule, read, ITEMS)


@pytest.mark.parametrize(
    ("changed", "field", "text"),
    [
        ({"c.0.0.value": "7..0"}, "c.0.0.value", "“7..0”不是数值,请填写数字"),
        ({"c.0.0.value": ""}, "c.0.0.value", "不能为空"),
        ({"c.0.0.value": "<7"}, "c.0.0.value", "不是数值"),
        ({"c.0.0.item": "没有的项目"}, "c.0.0.item", "字典中没有“没有的项目”"),
        ({"c.0.0.item": ""}, "c.0.0.item", "项目:不能为空"),
        ({"c.0.0.op": "~"}, "c.0.0.op", "请选择"),
        ({"c.0.1.texts": "", "c.0.1.any_of": []}, "c.0.1.texts", "病史:不能为空"),
        ({"c.0.kind": "at_least", "c.0.n": "5"}, "c.0.n", "1 到 2"),
        ({"c.0.0.kind": "age", "c.0.0.at_least": "60", "c.0.0.below": "40"}, "c.0.0.at_least", "下限应小于上限"),
        ({"c.0.0.kind": "between", "c.0.0.low": "9", "c.0.0.high": "7"}, "c.0.0.low", "下限应小于上限"),
        ({"c.0.0.kind": "flagged"}, "c.0.0.any_of", "请至少选一个"),
        ({"c.0.0.kind": "sex", "c.0.0.sex": "X"}, "c.0.0.sex", "请选择"),
        ({"e.0.values": "空腹血糖 7.4"}, "e.0.values", "项目=结果"),
        ({"e.0.values": "没有的项目=7"}, "e.0.values", "字典中没有“没有的项目”"),
        ({"e.0.values": "空腹血糖=7;GLU=3"}, "e.0.values", "空腹血糖写了两次"),
        ({"e.0.age": "九十"}, "e.0.age", "年龄"),
        ({"text": ""}, "text", "结论:不能为空"),
        ({"severity": "9"}, "severity", "请选择"),
        ({"category": "怪"}, "category", "请选择"),
        ({"rank": "第一"}, "rank", "不是整数"),
        ({"alert_days": "七"}, "alert_days", "不是天数"),
        ({"alert_class": "z"}, "alert_class", "请选择"),
        ({"recheck_days": "30"}, "recheck_groups", "都要填写"),
        ({"icd10": "糖尿病"}, "icd10", "应写成 K76.0"),
        ({"icd10": "E11、E119"}, "icd10", "“E119”"),
        ({"also_covers": "腰臀比"}, "also_covers", "应写成"),
        ({"covers": "没有的项目"}, "covers", "字典中没有"),
        ({"valid_from": "2026-02-30"}, "valid_from", "请填写日期"),
        ({"valid_from": "2020-01-01"}, "valid_from", "已经过去"),
        ({"reason": " "}, "reason", "不能为空"),
    ],
)  # fmt: skip
def test_what_is_typed_wrong_is_named_by_its_field_and_stays_typed(desk: Desks, changed: dict[str, Any], field: str, text: str) -> None:
    alert = {"alert_class": "b"} if "alert_days" in changed else {}
    form = form_of(rule_named("D13"), **{**CHANGED, **alert, **changed})
    he = desk("he")
    refused = he.htmx("/knowledge/propose", form)
    assert refused.status_code == 422, refused.text
    assert f'data-field="{field}"' in refused.text
    assert text in unescape(refused.text)
    whole = he.post("/knowledge/propose", form)
    assert whole.status_code == 422
    page = unescape(whole.text)
    assert 'value="空腹血糖=6.7"' in page
    for name, value in changed.items():
        if isinstance(value, str) and value.strip() and name.startswith(("c.", "e.")) and not name.endswith((".kind", ".op", ".sex")):
            assert f'value="{value}"' in page, name


def test_buttons_of_the_form_add_and_drop_rows_and_keep_what_was_typed(desk: Desks) -> None:
    he = desk("he")
    form = form_of(rule_named("D13"), **{"c.0.0.value": "12x"})
    form["reason"] = "还没写完"

    def redrawn(act: str) -> str:
        answer = he.htmx("/knowledge/draft", {**form, "act": act})
        assert answer.status_code == 200
        assert answer.headers["hx-trigger-after-settle"] == "redrawn"
        page = unescape(answer.text)
        assert 'value="12x"' in page or act == "drop:0.0"
        return page

    assert 'name="c.0.2.kind"' in redrawn("add:0")
    assert re.search(r'data-way="0\.2" data-focus', redrawn("add:0"))
    group = redrawn("group:0")
    assert 'name="c.0.2.0.kind"' in group
    assert 'name="c.0.1.kind"' not in redrawn("drop:0.0")
    assert 'name="e.3.values"' in redrawn("example")
    assert 'name="e.2.values"' not in redrawn("drop_example:0")
    for act in ("drop:0", "drop:9.9", "add:0.0", "drop_example:99", "kind:", "zap", "add:" + "0." * 400, "drop:0.-1", "drop_example:²"):
        assert 'name="c.0.0.kind"' in redrawn(act)
    whole = unescape(he.post("/knowledge/draft", {**form, "act": "add:0"}).text)
    assert 'value="还没写完"' in whole
    assert 'name="c.0.2.kind"' in whole


def test_an_item_may_be_typed_as_name_or_initials_and_brings_its_unit_and_choices(desk: Desks) -> None:
    he = desk("he")
    form = form_of(rule_named("D13"), **{"c.0.0.item": "收缩压", "act": "kind:0.0"})
    assert 'value="SBP"' in he.htmx("/knowledge/draft", form).text
    assert "mmHg" in he.htmx("/knowledge/draft", form).text
    form |= {"c.0.0.item": "HBSAG", "c.0.0.kind": "chosen"}
    assert 'name="c.0.0.any_of" value="阳性"' in unescape(he.htmx("/knowledge/draft", form).text)
    assert rule_form.item_named("ssy", ITEMS) == "SBP"
    assert rule_form.item_named("", ITEMS) is None


def test_the_live_check_tells_the_words_and_each_example(desk: Desks) -> None:
    he = desk("he")
    page = unescape(he.htmx("/knowledge/check", form_of(rule_named("D13"), **{"c.0.0.value": "7.5"})).text)
    assert "空腹血糖 ≥ 7.5 mmol/L 且 无糖尿病病史" in page
    assert "不通过" in page
    assert "第 1 个例子应触发而未触发" in page
    page = unescape(he.htmx("/knowledge/check", form_of(rule_named("D13"), **{"c.0.0.value": ""})).text)
    assert "数值:不能为空" in page


@pytest.mark.parametrize("written", ["7,4", "130 mg/dL", "1+"])
def test_the_live_check_says_which_value_of_an_example_nobody_can_judge_and_why(desk: Desks, written: str) -> None:
    page = unescape(desk("he").htmx("/knowledge/check", form_of(rule_named("D13"), **{"e.0.values": f"空腹血糖={written}"})).text)
    told = re.search(r"例子 1:未触发\((.*?)\)</li>", page)
    assert told, page
    assert told[1].startswith("空腹血糖:")
    assert written in told[1]


def test_an_empty_form_is_no_mistake_yet(desk: Desks) -> None:
    page = page_of(desk("he"), "/knowledge/new")
    assert "这里显示规则的意思" in page
    assert "不能为空" not in page


def test_a_new_rule_and_one_like_another_begin_on_screen(desk: Desks, house: House) -> None:
    he = desk("he")
    page_of(he, "/knowledge/new")
    assert "空腹血糖" in page_of(he, "/knowledge/new?like=D13")
    form = form_of(rule_named("D13"), **{**CHANGED, "of": "", "base_version": "0", "code": "H01", "alert_class": "b", "alert_name": "血糖"})
    form |= {"alert_days": "7、30", "recheck_groups": "G020", "recheck_days": "90"}
    url = proposed_by(he, form)
    with house.unit(system_actor("01"), write=False) as db:
        entry = proposals.proposals(db)[0].entry
    assert isinstance(entry, Rule)
    assert (entry.code, entry.alert.follow_up_days if entry.alert else (), entry.recheck.after_days if entry.recheck else 0) == ("H01", (7, 30), 90)
    assert "B类 血糖" in page_of(desk("zhao"), url)


def test_a_hostile_form_is_refused_or_ignored_but_never_a_fault(desk: Desks) -> None:
    he = desk("he")
    deep = {f"c.{'.'.join(['0'] * level)}.kind": "all_of" for level in range(1, 40)}
    wide = {"c.0.kind": "all_of", **{f"c.0.{number}.kind": "compare" for number in range(200)}}
    for form in ({}, deep, wide, {"c.0.kind": ["all_of", "x"], "e.0.fires": ["a", "b"], "text": ["x", "y"]}, {"act": "add:0", "of": "NOTHING"}):
        for path in ("/knowledge/draft", "/knowledge/check", "/knowledge/propose", "/knowledge/try"):
            assert he.htmx(path, form).status_code in (200, 409, 422), (path, form)


def test_another_kind_of_entry_is_changed_as_text(desk: Desks, house: House) -> None:
    he = desk("he")
    page = page_of(he, "/knowledge/entries/M02/edit")
    assert '"at_least": 2' in page
    sent = {"base_version": "1", "valid_from": TODAY.isoformat(), "reason": "测试"}
    for body, text in (("{", "JSON"), ('{"text": 7}', "请填写文字"), ('{"text": "x", "of": ["D99"], "source": "本院"}', "没有规则 D99")):
        refused = he.htmx("/knowledge/entries/M02/text", {**sent, "body": body})
        assert refused.status_code == 422
        assert text in unescape(refused.text)
        assert body in unescape(he.post("/knowledge/entries/M02/text", {**sent, "body": body}).text)
    body = json.dumps({"text": "血脂异常", "of": ["D18", "D19"], "at_least": 2, "source": "本院"}, ensure_ascii=False)
    assert he.htmx("/knowledge/entries/M02/text", {**sent, "body": body}).status_code == 200
    with house.unit(system_actor("01"), write=False) as db:
        assert words.title_of(proposals.proposals(db)[0].entry) == "血脂异常"


def test_icd_codes_are_typed_on_the_form_shown_on_the_entry_and_go_out_in_the_file(desk: Desks, house: House) -> None:
    he, zhao = desk("he"), desk("zhao")
    assert re.search(r'<input[^>]*name="icd10"[^>]*value="B98.0、K29"', page_of(he, "/knowledge/entries/D54/edit"))
    proposal = proposed_by(he, form_of(rule_named("D54"), icd10="b98.0/K29,K31.9"))
    assert zhao.htmx(f"{proposal}/approve", {"note": "同意"}).status_code == 200
    page = page_of(he, "/knowledge/entries/D54")
    assert "ICD-10 编码" in page and "B98.0、K29、K31.9" in page
    with house.unit(system_actor("01"), write=False) as db:
        written = json.loads(exchange.export(db))
    assert next(each for each in written["rules"] if each["code"] == "D54")["icd10"] == ["B98.0", "K29", "K31.9"]
    spoiled = json.dumps({"rules": [{**each, "icd10": ["K999.9"]} for each in written["rules"] if each["code"] == "D54"]})
    read = exchange.read(spoiled.encode())
    with house.unit(system_actor("01"), write=False) as db:
        (difference,) = [each for each in exchange.compare(db, read.entries) if each.code == "D54"]
    assert any("K999.9" in each for each in difference.problems)


def test_a_wording_of_summaries_is_found_shown_changed_and_approved_on_screen(desk: Desks, house: House) -> None:
    he, zhao = desk("he"), desk("zhao")
    listed = page_of(he, "/knowledge?kind=summary")
    assert "SUM-LAB" in listed and "小结用语" in listed and "D01" not in listed
    page = page_of(he, "/knowledge/entries/SUM-LAB")
    for told in ("{name} {value} {sign}", "无异常写法", "检验科未见明显异常", "未批准", "“甘油三酯 2.80 mmol/L ↑"):
        assert told in page, told
    with house.unit(system_actor("01"), write=False) as db:
        held = msgspec.to_builtins(store.history(db, "SUM-LAB")[0].entry)
    body = {name: held[name] for name in ("name", "number", "choice", "unjudged", "departments", "source")}
    body |= {"nothing": "{department}结果均在参考范围内", "examples": [*held["examples"][:3]]}
    normal = {"department": "检验科", "values": {"GLU": "5.20"}, "text": "检验科未见明显异常"}
    sent = {"base_version": "1", "valid_from": TODAY.isoformat(), "reason": "本院写法"}

    def handed_in(**changes: Any) -> Any:
        text = json.dumps({**body, **changes}, ensure_ascii=False)
        return he.htmx("/knowledge/entries/SUM-LAB/text", {**sent, "body": text})

    for changes, told in (
        ({"number": "{name} 异常"}, "缺少 {value}"), ({}, "至少要有一个有异常和一个无异常的例子"),
        ({"examples": [*body["examples"], normal]}, "例子得出的小结是“检验科结果均在参考范围内”"),
    ):  # fmt: skip
        refused = handed_in(**changes)
        assert refused.status_code == 422 and told in unescape(refused.text), refused.text
    taken = handed_in(examples=[*body["examples"], {**normal, "text": "检验科结果均在参考范围内"}])
    assert taken.status_code == 200, taken.text
    proposal = str(taken.headers["hx-redirect"])
    assert "{department}结果均在参考范围内" in page_of(zhao, proposal)
    assert zhao.htmx(f"{proposal}/approve", {"note": "同意"}).status_code == 200
    with house.unit(system_actor("01"), write=False) as db:
        held_now = store.rules_in_force(db, TODAY).book.summaries
    assert next(each for each in held_now if each.code == "SUM-LAB").approved


def wording_form(code: str, **changed: str) -> dict[str, str]:
    """What a browser sends from the form of a shipped wording."""
    entry = next(each for each in BOOK.summaries if each.code == code)
    draft = summary_form.draft_of(entry, ITEMS)
    rows = {f"r.examples.{at}.{name}": text for at, row in enumerate(draft.tables["examples"]) for name, text in row.items()}
    sent = {"of": code, "base_version": "1", "valid_from": TODAY.isoformat(), "reason": "本院写法"}
    return {**draft.texts, **rows, **sent, **changed}


def test_every_shipped_wording_survives_its_form_unchanged() -> None:
    for entry in BOOK.summaries:
        assert words.same_content(summary_form.read(summary_form.draft_of(entry, ITEMS), ITEMS, entry), entry)


def test_a_wording_is_written_on_a_form_that_shows_what_comes_of_each_example(desk: Desks, house: House) -> None:
    he = desk("he")
    page = page_of(he, "/knowledge/entries/SUM-MED/edit")
    assert 'value="{name} {value} {sign}"' in page and "心律=早搏" in page and "可用 {department} 科室" in page
    shown = unescape(he.htmx("/knowledge/check/summary", wording_form("SUM-MED", choice="{name}为{value}")).text)
    assert "心律为早搏" in shown and "不通过" in shown and "例子得出的小结是“心律为早搏”" in shown
    for changed, field, told in (
        ({"number": "{value}"}, "number", "要以 {name} 开头"), ({"departments": "内科"}, "", "没有科室 内科"), ({"name": " "}, "name", "不能为空"),
        ({"r.examples.0.values": "心律"}, "r.examples.0.values", "项目=结果"), ({"r.examples.0.age": "九"}, "r.examples.0.age", "年龄"),
        ({"r.examples.0.department": ""}, "r.examples.0.department", "科室名称"),
    ):  # fmt: skip
        refused = he.htmx("/knowledge/propose/summary", wording_form("SUM-MED", **changed))
        assert refused.status_code == 422 and told in unescape(refused.text), refused.text
        assert f'data-field="{field}"' in refused.text or not field
    form = wording_form("SUM-MED", **{"choice": "{name}为{value}", "r.examples.0.text": "心律为早搏"})
    assert he.htmx("/knowledge/propose/summary", form).status_code == 200
    with house.unit(system_actor("01"), write=False) as db:
        assert proposals.proposals(db)[0].entry.choice == "{name}为{value}"  # type: ignore[union-attr]
    assert "已有第" not in page_of(he, "/knowledge/new/summary") and "/knowledge/new/summary" in page_of(he, "/knowledge?kind=summary")


# --- the dry run -----------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_who_loses_and_who_gains_a_conclusion(house: House) -> None:
    values = {"01": "7.5", "02": "6.9", "03": "5.0", "04": "7.0"}
    with house.unit(system_actor("01"), write=False) as db:
        rule = rule_named("D13")
        form = form_of(rule, **{"c.0.0.value": "7.2"})
        from exam.knowledge import rule_reading

        changed = rule_reading.read(rule_form.typed(form), ITEMS, rule)
        trial = dry_run.Trial(store.rules_in_force(db, TODAY), [changed], TODAY)
    run = dry_run.DryRun(uuid4(), None, "D13", "", TODAY)
    for number, value in values.items():
        case = case_of({"GLU": value}, earlier={"GLU": "7.2"})  # not the first time
        dry_run.count(run, PastCase(uuid4(), number, TODAY, "张三", f"/v/{number}", case), trial.judge(case))
    assert (run.checked, run.spoke, run.would_speak, run.losing, run.gaining) == (4, 2, 1, 1, 0)
    assert [(each.visit_no, each.name) for each in dry_run.listed(run, "lost")] == [("04", "张*")]
    assert [each.visit_no for each in dry_run.listed(run, "speaks")] == ["01"]
    assert dry_run.listed(run)[0].judged.lost == (rule.text,)


def test_a_dry_run_stops_when_its_time_is_up_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(db: Any, most: int) -> PastCases:
        def cases() -> Iterator[PastCase]:
            while True:
                yield PastCase(uuid4(), "1", TODAY, "张三", "/v/1", case_of({"GLU": "7.5"}))

        return PastCases(most, cases())

    monkeypatch.setattr(house.modules, "fillings", lambda slot: [endless])
    with house.unit(system_actor("01"), write=False) as db:
        run = dry_run.DryRun(uuid4(), None, "D13", "", TODAY)
        trial = dry_run.Trial(store.rules_in_force(db, TODAY), [rule_named("D13")], TODAY)
        dry_run.carry_out(db, run, trial, seconds=0.05)
    assert run.is_cut
    assert 0 < run.checked < run.total
    assert len(run.touched) <= dry_run.MOST_LISTED


def test_a_dry_run_on_screen_belongs_to_who_began_it(desk: Desks, house: House) -> None:
    he = desk("he")
    page = he.htmx("/knowledge/try", form_of(rule_named("D13"), **CHANGED)).text
    run_id = next(iter(house.cache["dry_runs"]))
    assert he.get(f"/knowledge/dry-runs/{run_id}/progress").status_code == 200
    assert he.get(f"/knowledge/dry-runs/{run_id}?only=lost&page=99").status_code == 200
    assert desk("zhao").get(f"/knowledge/dry-runs/{run_id}").status_code == 404
    assert he.get(f"/knowledge/dry-runs/{uuid4()}").status_code == 404
    assert "将在" in page or "还没有" in page
    assert he.htmx("/knowledge/try", form_of(rule_named("D13"), **{"c.0.0.value": "7.5"})).status_code == 422
    assert he.htmx("/knowledge/entries/M02/try", {}).status_code == 200


# --- files -----------------------------------------------------------------------------------------------------------


def uploaded(desk: Any, content: bytes) -> Any:
    return desk.post("/knowledge/import", files={"file": ("book.json", content, "application/json")}, data={})


def test_a_file_is_previewed_line_by_line_and_the_ticked_lines_become_proposals(desk: Desks, house: House) -> None:
    he = desk("he")
    content = json.loads(he.get("/knowledge/export").content)
    first = next(each for each in content["rules"] if each["code"] == "D01")
    unknown = {**first["condition"], "item": "NOTHING"}
    content["rules"] += [{**first, "code": "H01", "text": "<b>粗</b>"}, {**first, "code": "H02", "condition": unknown}]
    answer = uploaded(he, json.dumps(content).encode())
    assert answer.status_code == 200
    assert "<b>粗</b>" not in answer.text
    page = unescape(answer.text)
    assert "项目字典中没有 NOTHING" in page
    carried = re.search(r'name="carried" value="([^"]*)"', answer.text)
    seen = re.search(r'name="seen" value="(\d+)"', answer.text)
    assert carried and seen
    form = {"carried": unescape(carried[1]), "seen": seen[1], "valid_from": TODAY.isoformat(), "reason": "知识包"}
    assert he.htmx("/knowledge/import/accept", form).status_code == 422
    assert he.htmx("/knowledge/import/accept", {**form, "chosen": "H02"}).status_code == 422
    assert he.htmx("/knowledge/import/accept", {**form, "chosen": "H01", "carried": "{]"}).status_code == 409
    assert he.htmx("/knowledge/import/accept", {**form, "chosen": "H01", "seen": "99"}).status_code == 409
    assert he.htmx("/knowledge/import/accept", {**form, "chosen": ["H01", "D64"]}).status_code == 200
    with house.unit(system_actor("01"), write=False) as db:
        assert {each.code for each in proposals.proposals(db)} == {"H01"}


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff\x00", b"{}", b'{"rules":[{"code":"X"}]}', b" " * (exchange.MOST_BYTES + 9)])
def test_a_hostile_file_is_told_what_is_wrong_with_it(desk: Desks, content: bytes) -> None:
    answer = uploaded(desk("he"), content)
    assert answer.status_code == 200
    assert "没有导入" in answer.text


def test_the_whole_book_goes_out_as_json_and_as_a_list(desk: Desks) -> None:
    he = desk("he")
    assert json.loads(he.get("/knowledge/export").content)["format"] == exchange.FORMAT
    assert he.get("/knowledge/export.xlsx").content[:2] == b"PK"
    assert he.htmx("/knowledge/import", {}).status_code in (400, 422)
