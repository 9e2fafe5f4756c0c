"""The lines of domain.md §3 and §4.2 that had no item: statements, cultures, blood gas, and sizes in millimetres."""

from __future__ import annotations

import pytest

from exam.knowledge.facts import Subject
from exam.knowledge.rules import alerts_of, suggest, uncovered_items
from tests.knowledge.cases import MAN, RULES, WOMAN, case_of

Values = dict[str, str | tuple[str, ...]]


def heard(values: Values, subject: Subject = MAN, earlier: Values | None = None) -> tuple[list[str], list[str]]:
    """The alerts and the lines of a case by rule code; nothing flagged may be left without a line."""
    case = case_of(values, subject, earlier)
    lines = suggest(case, RULES)
    assert uncovered_items(case, lines) == ()
    return [alert.rule for alert in alerts_of(case, RULES)], [line.key for line in lines]


@pytest.mark.parametrize(
    ("values", "alerts"),
    [
        ({"CT_HEAD": ("急性硬膜下血肿",)}, ["C-RAD-HEAD"]), ({"CT_HEAD": ("脑疝", "急性脑出血")}, ["C-RAD-HEAD"]),
        ({"CT_HEAD": ("急性脑梗死",)}, ["A19-HEAD"]), ({"CT_HEAD": ("颅内占位性病变",)}, ["B18-HEAD"]),
        ({"CT_HEAD": ("腔隙性脑梗死", "脑萎缩")}, []), ({"CT_HEAD": ("头颅CT未见明显异常",)}, []),
        ({"US_VEIN": ("深静脉漂浮血栓",)}, ["C-USG-VEIN"]), ({"US_VEIN": ("新鲜深静脉血栓",)}, ["A19-VEIN"]),
        ({"US_VEIN": ("下肢浅静脉曲张",)}, []), ({"US_SCR": ("睾丸扭转",)}, ["C-USG-SCR"]), ({"US_SCR": ("鞘膜积液",)}, []),
        ({"END_GAS": ("胃息肉", "疑恶性病变")}, ["C-END-GAS"]), ({"END_COL": ("穿孔",)}, ["C-END-COL"]), ({"END_COL": ("结肠息肉",)}, []),
        ({"PAT_BX": "恶性"}, ["C-PAT-BX"]), ({"PAT_BX": "低级别上皮内瘤变"}, []),
        ({"BLD_CUL": "阳性"}, ["C-CULTURE"]), ({"F_CUL": "志贺菌"}, ["C-PATHOGEN"]), ({"F_CUL": "未检出"}, []),
        ({"U_COL": "血性"}, ["B07"]), ({"U_COL": "洗肉水样", "U_BLD": "3+", "U_RBC": "200.0"}, ["B07"]), ({"U_COL": "浓茶色"}, []),
        ({"AMY": "200"}, []), ({"BPH_A": "7.20", "BPH_V": "7.18"}, ["C-PH-LOW"]), ({"BPH_A": "7.40"}, []), ({"CHE": "3000"}, []),
        ({"MED_RHY": "严重心律失常"}, ["A02-RHYTHM"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_finding_alerts_in_its_class_and_never_twice(values: Values, alerts: list[str]) -> None:
    found, lines = heard(values)
    assert found == alerts
    assert set(alerts) <= set(lines)


def test_young_cells_are_critical_the_first_time_and_important_afterwards() -> None:
    assert heard({"BLAST": "可见"})[0] == ["C-BLAST"]
    assert heard({"BLAST": "可见"}, earlier={"BLAST": "未见"})[0] == ["C-BLAST"]
    assert heard({"BLAST": "可见"}, earlier={"BLAST": "可见"})[0] == ["B06-BLAST"]


@pytest.mark.parametrize(
    ("grade", "size", "alerts", "lines"),
    [
        ("4A", "", ["B19"], ["B19"]), ("4A", "10.0", ["B19"], ["B19"]), ("4A", "9.9", [], ["D59-4A"]),
        ("4B", "4.0", ["B19"], ["B19"]), ("3", "25.0", [], ["D59"]),
    ],
)  # fmt: skip
def test_a_4a_nodule_is_important_from_ten_millimetres_on_or_while_nobody_measured_it(
    grade: str, size: str, alerts: list[str], lines: list[str]
) -> None:
    measured: Values = {"US_THY_MM": size} if size else {}
    found, told = heard({"US_THY": ("甲状腺结节",), "US_TIRADS": grade, **measured}, WOMAN)
    assert found == alerts
    assert [key for key in told if key in ("B19", "D59", "D59-4A")] == lines


@pytest.mark.parametrize(
    ("size", "density", "before", "line"),
    [
        ("5.9", "实性", "", "D62-MM"), ("6.0", "实性", "", "D62-6MM"), ("7.9", "纯磨玻璃", "", "D62-6MM"), ("8.0", "实性", "", "B17"),
        ("8.0", "", "", "B17"), ("6.0", "部分实性", "", "B17"), ("5.9", "部分实性", "", "D62-MM"),
        ("5.0", "实性", "4.0", "B17"), ("5.0", "实性", "4.1", "D62-MM"),
    ],
)  # fmt: skip
def test_a_lung_nodule_is_judged_by_size_density_and_growth_in_one_line(size: str, density: str, before: str, line: str) -> None:
    values: Values = {"CT_NOD_MM": size}
    if density:
        values["CT_NOD_TYPE"] = density
    found, told = heard(values, earlier={"CT_NOD_MM": before} if before else None)
    assert told == [line]
    assert found == ([line] if line == "B17" else [])


def test_a_polyp_of_ten_millimetres_is_one_finding_however_it_is_written() -> None:
    assert heard({"US_ABD": ("胆囊息肉样病变",), "US_GBP_MM": "9.9"}) == ([], ["D56"])
    for sign in ("胆囊息肉样病变", "胆囊息肉样病变(≥10mm)"):
        alerts, lines = heard({"US_ABD": (sign,), "US_GBP_MM": "10.0"})
        assert alerts == ["B21"] and "B21" in lines and "D56" not in lines
