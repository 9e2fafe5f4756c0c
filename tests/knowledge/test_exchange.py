"""The rule book as a file: out, in, compared line by line; and whatever else somebody uploads."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exam.kit.errors import BadInput, Refused
from exam.kit.house import Actor, House, system_actor
from exam.knowledge import exchange, proposals, service, words
from exam.knowledge.starter import load_rule_book
from exam.knowledge_commands import COMMANDS

TODAY = date(2026, 11, 21)
Acting = Callable[[str], Actor]


def exported(house: House) -> dict[str, Any]:
    with house.unit(system_actor("01"), write=False) as db:
        return json.loads(exchange.export(db))


def compared(house: House, content: dict[str, Any]) -> dict[str, exchange.Difference]:
    found = exchange.read(json.dumps(content).encode())
    assert found.problems == ()
    with house.unit(system_actor("01"), write=False) as db:
        return {each.code: each for each in exchange.compare(db, found.entries)}


def rule_in(content: dict[str, Any], code: str) -> dict[str, Any]:
    return next(each for each in content["rules"] if each["code"] == code)


def test_the_file_is_sorted_readable_and_reads_back_as_the_same_book(house: House) -> None:
    with house.unit(system_actor("01"), write=False) as db:
        content = exchange.export(db)
    text = content.decode()
    assert '"format": "exam-knowledge"' in text
    assert "\n  " in text
    assert "体重过低" in text
    codes = [each["code"] for each in json.loads(text)["rules"]]
    assert codes == sorted(codes)
    found = exchange.read(content)
    book = {entry.code: entry for entry in load_rule_book().entries}
    assert {entry.code for entry in found.entries} == set(book)
    assert all(words.same_content(book[entry.code], entry) for entry in found.entries)


def test_the_same_file_has_no_difference_and_another_shows_each_line(house: House) -> None:
    content = exported(house)
    assert {each.act for each in compared(house, content).values()} == {"same"}
    rule_in(content, "D13")["condition"]["of"][0]["value"] = "6.8"
    content["rules"].append({**rule_in(content, "D01"), "code": "H01"})
    content["rules"] = [each for each in content["rules"] if each["code"] != "D64"]
    found = compared(house, content)
    assert {code: each.act for code, each in found.items() if each.act != "same"} == {
        "D13": "changed",
        "H01": "new",
        "D64": "ended",
    }
    assert ("条件", "空腹血糖 ≥ 7.0 mmol/L 且 无糖尿病病史", "空腹血糖 ≥ 6.8 mmol/L 且 无糖尿病病史") in found["D13"].changes
    assert found["D13"].problems == ("第 2 个例子不应触发却触发了",)


def test_accepted_lines_become_proposals_and_nothing_is_in_force_before_a_doctor_decides(house: House, acting: Acting) -> None:
    content = exported(house)
    content["rules"].append({**rule_in(content, "D01"), "code": "H01", "approved": True, "version": 9})
    content["merges"] = content["merges"][1:]
    found = compared(house, content)
    with house.unit(system_actor("01")) as db:
        exchange.accept(db, [found["H01"], found["M02"]], valid_from=TODAY, reason="知识包 2026-11")
    with house.unit(acting("he"), write=False) as db:
        waiting = {each.code: each for each in proposals.proposals(db)}
        assert "H01" not in {each.version.code for each in proposals.newest(db)}
    assert (waiting["H01"].base_version, waiting["H01"].entry.approved, waiting["M02"].is_ending) == (0, False, True)
    with house.unit(acting("he")) as db:
        proposals.approve(db, waiting["H01"].id, note="同意")
    with house.unit(acting("he"), write=False) as db:
        assert "H01" in {each.version.code for each in proposals.newest(db)}


def test_nothing_unsound_unchanged_or_unchosen_is_accepted(house: House) -> None:
    content = exported(house)
    rule_in(content, "D13")["condition"]["of"][0]["value"] = "6.8"
    found = compared(house, content)
    for chosen, code in (([], "nothing_chosen"), ([found["D13"]], "unsound"), ([found["D01"]], "nothing_changed")):
        with pytest.raises(Refused, match=code), house.unit(system_actor("01")) as db:
            exchange.accept(db, chosen, valid_from=TODAY, reason="知识包")
    with house.unit(system_actor("01"), write=False) as db:
        assert proposals.proposals(db) == []


CONDITION = {"kind": "compare", "item": "GLU", "op": ">", "value": "7"}
RULE = {"code": "H01", "text": "结论", "category": "异常", "severity": 1, "condition": CONDITION}


@pytest.mark.parametrize(
    ("content", "place", "text"),
    [
        (b"", "文件", "JSON"),
        (b"\xff\xfe\x00", "文件", "JSON"),
        (b"[" * 200_000, "文件", "嵌套过深"),
        (b'{"rules":' + b'{"a":' * 5000 + b"1" + b"}" * 5001, "文件", "嵌套过深"),
        (b"[]", "文件", "应为 JSON 对象"),
        (b"{}", "文件", "文件中没有规则"),
        (b'{"rules":\n[\n{"code": }]}', "文件", "第 3 行"),
        (b'{"rules":' + b"9" * 5000 + b"}", "文件", "JSON"),
        (b'{"rules":["\\u0000"]}', "文件", "NUL"),
        (b'{"rules":["\\ud800"]}', "文件", "JSON"),
        (b" " * (exchange.MOST_BYTES + 1), "文件", "文件过大"),
        ({"format": "other", "rules": [RULE]}, "format", "不是规则库文件"),
        ({"format_version": 99, "rules": [RULE]}, "format_version", "格式版本"),
        ({"rules": {}}, "rules", "应为列表"),
        ({"rules": [RULE], "extra": 1}, "extra", "未知字段"),
        ({"rules": [RULE, RULE]}, "文件", "H01 重复"),
        ({"rules": [7]}, "结论规则 第 1 条", "对象"),
        ({"rules": [{**RULE, "severity": 9}]}, "结论规则 第 1 条 H01:程度", "“9”"),
        ({"rules": [{**RULE, "severity": None}]}, "结论规则 第 1 条 H01:程度", "null"),
        ({"rules": [{**RULE, "zap": 1}]}, "结论规则 第 1 条 H01:zap", "未知字段"),
        ({"rules": [{**RULE, "condition": {**CONDITION, "value": "high"}}]}, "结论规则 第 1 条 H01:条件.数值", "“high”"),
        ({"rules": [{**RULE, "condition": {**CONDITION, "value": "sNaN"}}]}, "结论规则 第 1 条 H01", "数值 sNaN 无效"),
        ({"rules": [{**RULE, "condition": {**CONDITION, "value": "1e999999999"}}]}, "结论规则 第 1 条 H01", "数值"),
        ({"rules": [{**RULE, "condition": {"kind": "run"}}]}, "结论规则 第 1 条 H01:条件.kind", "“run”"),
        ({"rules": [{**RULE, "condition": "GLU > 7"}]}, "结论规则 第 1 条 H01:条件", "对象"),
        ({"rules": [{**RULE, "examples": [{"fires": "x", "values": []}]}]}, "结论规则 第 1 条 H01:例子 第 1 项.是否触发", "“x”"),
        ({"rules": [{**RULE, "order": 10**12}]}, "结论规则 第 1 条 H01", "过大"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_and_every_bad_field_is_named(content: Any, place: str, text: str) -> None:
    found = exchange.read(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert any(each.place == place and text in each.text for each in found.problems), found.problems


def test_every_bad_field_of_an_entry_is_told_at_once() -> None:
    bad = {
        "code": 7,
        "severity": "x",
        "category": "怪",
        "condition": {"kind": "all_of", "of": [{**CONDITION, "op": "=<"}, {"kind": "sex"}]},
    }
    places = {each.place for each in exchange.read(json.dumps({"rules": [bad]}).encode()).problems}
    start = "结论规则 第 1 条:"
    assert places == {
        f"{start}{name}" for name in ("编号", "程度", "类别", "结论", "条件.分组 第 1 项.比较符", "条件.分组 第 2 项.性别")
    }


def test_typed_json_that_is_none_is_one_wrong_field() -> None:
    with pytest.raises(BadInput) as refused:
        exchange.decoded("{'a': 1}")
    assert refused.value.problems[0][0] == "body"


def test_a_rule_that_names_unknown_items_is_shown_with_its_problem(house: House) -> None:
    content = {"rules": [{**RULE, "source": "包", "condition": {**CONDITION, "item": "NOTHING"}}]}
    found = compared(house, content)["H01"]
    assert "项目字典中没有 NOTHING" in found.problems
    assert found.base_version == 0


def test_what_has_been_ended_is_not_ended_again(house: House, acting: Acting) -> None:
    with house.unit(acting("he")) as db:
        end_id = proposals.propose_end(db, "D64", base_version=1, valid_from=TODAY, reason="不再使用")
    with house.unit(acting("zhao")) as db:
        proposals.approve(db, end_id, note="同意")
    content = exported(house)
    content["rules"] = [each for each in content["rules"] if each["code"] != "D64"]
    assert "D64" not in compared(house, content)
    assert msgspec.json.decode(json.dumps(content))["format_version"] == exchange.FORMAT_VERSION


def command(house: House, *arguments: str) -> int:
    """`exam knowledge …` over the installation of a house."""
    parser = ArgumentParser()
    (knowledge,) = COMMANDS
    knowledge.add_arguments(parser)
    return knowledge.run(house.settings, parser.parse_args(list(arguments)))


def test_the_shipped_book_is_written_as_a_file_that_shows_what_an_older_store_has_not_taken_over(
    sqlite_house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = next(msgspec.structs.replace(rule, text="肺结节") for rule in load_rule_book().rules if rule.code == "B17")
    with sqlite_house.unit(system_actor("01")) as db:
        service.publish(db, [older], valid_from=TODAY, reason="旧版本的写法")
    path = tmp_path / "shipped.json"
    assert command(sqlite_house, "export", "--shipped", str(path)) == 0
    assert command(sqlite_house, "diff", str(path)) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert shown[1:] == ["修改 结论规则 B17 肺结节达评估标准"]


def test_the_command_exports_compares_and_proposes(sqlite_house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "book.json"
    assert command(sqlite_house, "export", str(path)) == 0
    assert command(sqlite_house, "diff", str(path)) == 0
    assert "没有差别" in capsys.readouterr().out
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rules"].append({**rule_in(content, "D01"), "code": "H01"})
    content["rules"] = [each for each in content["rules"] if each["code"] != "D64"]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert command(sqlite_house, "diff", str(path)) == 0
    shown = capsys.readouterr().out
    assert "新增 结论规则 H01" in shown
    assert "停用 结论规则 D64" in shown
    assert command(sqlite_house, "import", str(path), "--reason", "知识包") == 0
    assert "已提交 1 条" in capsys.readouterr().out
    with sqlite_house.unit(system_actor("01"), write=False) as db:
        assert [(each.code, each.author_id) for each in proposals.proposals(db)] == [("H01", None)]
    for arguments, code in (
        (("import", str(path), "--reason", "x", "--only", "D99"), "not_in_file"),
        (("import", str(path), "--reason", "x", "--from", "tomorrow"), "knowledge.day"),
        (("diff", str(tmp_path / "nothing")), "knowledge.file"),
        (("export", str(tmp_path)), "knowledge.file"),
    ):
        with pytest.raises(Refused, match=code):
            command(sqlite_house, *arguments)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(Refused, match="bad_file"):
        command(sqlite_house, "diff", str(path))
