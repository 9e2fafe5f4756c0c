"""The pure rules of the catalogue: ranges, expansion, conflicts, tubes and soundness."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exam.catalog import rules
from exam.catalog.facts import Catalogue, Choice, Formula, Item, ItemGroup, Package, ReferenceRange, TubeMerge, ValueType
from exam.catalog.starter import as_catalogue, load
from exam.kit.errors import Refused

CATALOGUE = as_catalogue(load(), 1, date(2026, 1, 1))
GROUP_CODES = sorted(CATALOGUE.groups)
CHOSEN = st.lists(st.sampled_from(GROUP_CODES), max_size=12)


def changed(kind: str, code: str, catalogue: Catalogue = CATALOGUE, **fields: Any) -> Catalogue:
    """The catalogue with one entry changed."""
    entries = dict(getattr(catalogue, kind))
    entries[code] = replace(entries[code], **fields)
    return replace(catalogue, **{kind: entries})


def codes(groups: tuple[ItemGroup, ...]) -> list[str]:
    return [group.code for group in groups]


def labels(catalogue: Catalogue, groups: tuple[ItemGroup, ...]) -> list[tuple[str, tuple[str, ...]]]:
    return [(tube.tube, tube.groups) for tube in rules.tubes_for(catalogue, groups)]


# --- reference ranges ---


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (ReferenceRange(low="3.5", high="9.5"), "3.5–9.5"), (ReferenceRange(high="5.18", high_open=True), "<5.18"),
        (ReferenceRange(high="26.2"), "≤26.2"), (ReferenceRange(low="90"), "≥90"),
        (ReferenceRange(low="1.04", low_open=True), ">1.04"), (ReferenceRange(low="-1.0"), "≥−1.0"),
        (ReferenceRange(low="-30", high="90"), "−30–90"), (ReferenceRange(), ""),
        (ReferenceRange(low="1", high="2", high_open=True), "≥1且<2"),
        (ReferenceRange(low="1", high="2", low_open=True), ">1且≤2"),
    ],
)  # fmt: skip
def test_a_range_is_written_as_laboratories_write_it(entry: ReferenceRange, text: str) -> None:
    assert rules.range_text(entry) == text


def test_both_ends_of_an_age_band_belong_to_it() -> None:
    young, old = ReferenceRange(low="1", age_from=20, age_to=59), ReferenceRange(low="2", age_from=60, age_to=79)
    item = Item("X", "某项", "LAB", ValueType.NUMBER, ranges=(young, old))
    found = [rules.range_for(item, "M", age) for age in (19, 20, 59, 60, 79, 80)]
    assert found == [None, young, young, old, old, None]


def test_a_range_of_the_other_sex_is_never_used() -> None:
    male = ReferenceRange(low="1", sex="M")
    item = Item("X", "某项", "LAB", ValueType.NUMBER, ranges=(male,))
    assert rules.range_for(item, "M", 40) is male
    assert rules.range_for(item, "F", 40) is None


@given(code=st.sampled_from(sorted(CATALOGUE.items)), sex=st.sampled_from(["M", "F"]), age=st.integers(0, 150))
def test_a_found_range_fits_the_person_and_no_other_range_does(code: str, sex: str, age: int) -> None:
    item = CATALOGUE.items[code]
    fitting = [entry for entry in item.ranges if entry.sex in (None, sex) and entry.age_from <= age <= entry.age_to]
    found = rules.range_for(item, sex, age)
    assert fitting == ([] if found is None else [found])
    assert found is None or rules.range_text(found) != ""


# --- expansion ---


def test_a_package_expands_to_its_groups_in_walking_order() -> None:
    groups = rules.expand(CATALOGUE, "P02", ())
    assert sorted(codes(groups)) == sorted(CATALOGUE.packages["P02"].groups)
    assert [group.order for group in groups] == sorted(group.order for group in groups)


def test_a_group_chosen_beside_its_package_comes_once() -> None:
    assert codes(rules.expand(CATALOGUE, "P02", ("G030", "G061", "G061"))).count("G030") == 1
    assert codes(rules.expand(CATALOGUE, None, ("G061", "G061"))) == ["G061"]


@pytest.mark.parametrize(
    ("larger", "smaller"), [("G033", "G034"), ("G039", "G038"), ("G043", "G042"), ("G047", "G046"), ("G048", "G046")]
)
def test_the_larger_group_replaces_the_smaller_whichever_was_chosen_first(larger: str, smaller: str) -> None:
    assert codes(rules.expand(CATALOGUE, None, (smaller, larger))) == [larger]
    assert codes(rules.expand(CATALOGUE, None, (larger, smaller))) == [larger]
    assert codes(rules.expand(CATALOGUE, None, (smaller,))) == [smaller]


def test_an_added_larger_group_replaces_the_smaller_one_of_the_package() -> None:
    expanded = codes(rules.expand(CATALOGUE, "P01", ("G033",)))
    assert "G033" in expanded
    assert "G034" not in expanded


def test_inclusion_reaches_through_a_group_that_was_not_chosen() -> None:
    catalogue = changed("groups", "G043", includes=("G042",))
    catalogue = changed("groups", "G042", catalogue, includes=("G045",))
    assert codes(rules.expand(catalogue, None, ("G045", "G043"))) == ["G043"]


def test_groups_that_include_each_other_do_not_both_vanish() -> None:
    catalogue = changed("groups", "G034", includes=("G033",))
    assert set(codes(rules.expand(catalogue, None, ("G033", "G034")))) == {"G033", "G034"}


@pytest.mark.parametrize(
    ("package", "extra", "code"), [("P99", (), "catalog.unknown_package"), (None, ("G999",), "catalog.unknown_group")]
)
def test_an_unknown_package_or_group_is_refused(package: str | None, extra: tuple[str, ...], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        rules.expand(CATALOGUE, package, extra)
    assert refusal.value.code == code
    assert refusal.value.hint != ""


@given(package=st.sampled_from([None, *sorted(CATALOGUE.packages)]), extra=CHOSEN, data=st.data())
def test_expanding_loses_no_item_repeats_no_group_and_ignores_the_order_of_choosing(
    package: str | None, extra: list[str], data: st.DataObject
) -> None:
    groups = rules.expand(CATALOGUE, package, extra)
    wanted = [*(CATALOGUE.packages[package].groups if package else ()), *extra]
    wanted_items = {item for code in wanted for item in CATALOGUE.groups[code].items}
    assert {item for group in groups for item in group.items} == wanted_items
    assert len(set(codes(groups))) == len(groups)
    assert set(codes(groups)) <= set(wanted)
    assert rules.expand(CATALOGUE, package, data.draw(st.permutations(extra))) == groups
    assert rules.expand(CATALOGUE, None, codes(groups)) == groups
    assert not {smaller for group in groups for smaller in group.includes} & set(codes(groups))


# --- items ---


def test_items_bound_to_the_other_sex_are_left_out() -> None:
    surgery = (CATALOGUE.groups["G003"],)
    male = {item.code for item in rules.items_of(CATALOGUE, surgery, "M")}
    female = {item.code for item in rules.items_of(CATALOGUE, surgery, "F")}
    assert male ^ female == {"SUR_PRO", "SUR_BRE"}
    assert "SUR_PRO" in male


@given(chosen=CHOSEN, sex=st.sampled_from(["M", "F"]))
def test_items_are_distinct_in_catalogue_order_and_complete_for_the_sex(chosen: list[str], sex: str) -> None:
    groups = [CATALOGUE.groups[code] for code in chosen]
    items = rules.items_of(CATALOGUE, groups, sex)
    assert [item.order for item in items] == sorted({item.order for item in items})
    wanted = {code for group in groups for code in group.items}
    assert {item.code for item in items} == {code for code in wanted if CATALOGUE.items[code].sex in (None, sex)}


# --- conflicts ---


def found(
    extra: tuple[str, ...], sex: str = "M", age: int = 45, category: str = "health", package: str | None = None
) -> list[tuple[str, str, bool]]:
    groups = rules.expand(CATALOGUE, package, extra)
    conflicts = rules.conflicts(CATALOGUE, groups, sex, age, category, package)
    return [(conflict.code, conflict.group, conflict.is_blocking) for conflict in conflicts]


@pytest.mark.parametrize(
    ("extra", "sex", "age", "category", "expected"),
    [
        (("G009",), "M", 45, "health", [("catalog.wrong_sex", "G009", True)]),
        (("G009",), "F", 45, "health", []),
        (("G049",), "F", 45, "health", [("catalog.wrong_sex", "G049", True)]),
        (("G021",), "M", 17, "health", [("catalog.outside_age", "G021", True)]),
        (("G021",), "M", 18, "health", []),
        (("G050",), "M", 45, "entry", [("catalog.barred_category", "G050", True)]),
        (("G050",), "M", 45, "school", [("catalog.barred_category", "G050", True)]),
        (("G052",), "F", 45, "entry", [("catalog.barred_category", "G052", True)]),
        (("G050", "G052"), "M", 45, "health", []),
        (("G051", "G053"), "M", 45, "entry", []),
        (("G050",), "M", 45, "occupational", []),
    ],
)
def test_a_group_that_does_not_fit_the_person_or_the_category_blocks(
    extra: tuple[str, ...], sex: str, age: int, category: str, expected: list[tuple[str, str, bool]]
) -> None:
    assert found(extra, sex, age, category) == expected


@pytest.mark.parametrize(
    ("package", "sex", "age", "expected"),
    [
        ("P02", "F", 45, []),
        ("P02", "F", 17, [("catalog.package_outside_age", "", False)]),
        ("P03", "M", 39, [("catalog.package_outside_age", "", False)]),
        ("P03", "M", 40, []),
        ("P03", "M", 99, []),
        ("P03", "M", 100, [("catalog.package_outside_age", "", False)]),
    ],
)
def test_a_package_outside_its_usual_age_is_a_warning(package: str, sex: str, age: int, expected: list[Any]) -> None:
    assert found((), sex, age, "health", package) == expected


def test_a_package_of_the_other_sex_blocks() -> None:
    assert ("catalog.package_wrong_sex", "", True) in found((), "F", 45, "health", "P03")


def test_an_item_in_two_groups_is_a_warning_that_names_it_once() -> None:
    groups = rules.expand(changed("groups", "G047", sex=None), None, ("G047", "G048"))
    conflicts = rules.conflicts(CATALOGUE, groups, "F", 45, "health")
    assert [(conflict.code, conflict.is_blocking) for conflict in conflicts] == [("catalog.same_item_twice", False)]
    assert "甲胎蛋白、癌胚抗原、糖类抗原19-9" in conflicts[0].text


def test_blocking_conflicts_come_first() -> None:
    blocking = [is_blocking for _, _, is_blocking in found(("G047", "G048", "G009"), "M", 17, "health", "P03")]
    assert blocking == sorted(blocking, reverse=True)
    assert set(blocking) == {True, False}


@pytest.mark.parametrize(("age_from", "age_to", "text"), [(18, 150, "18岁及以上"), (0, 14, "14岁及以下"), (18, 60, "18–60岁")])
def test_an_age_conflict_says_the_bounds_and_the_age(age_from: int, age_to: int, text: str) -> None:
    group = replace(CATALOGUE.groups["G021"], age_from=age_from, age_to=age_to)
    age = 17 if age_from else 40
    [conflict] = rules.conflicts(CATALOGUE, [group], "M", age, "health")
    assert text in conflict.text
    assert f"{age}岁" in conflict.text


@given(
    chosen=CHOSEN, sex=st.sampled_from(["M", "F"]), age=st.integers(0, 120),
    category=st.sampled_from(["health", "entry", "school", "elderly", "occupational"]),
)  # fmt: skip
def test_every_conflict_has_a_chinese_text_and_remedy(chosen: list[str], sex: str, age: int, category: str) -> None:
    groups = rules.expand(CATALOGUE, None, chosen)
    conflicts = rules.conflicts(CATALOGUE, groups, sex, age, category)
    assert all(conflict.text and conflict.hint and conflict.code.startswith("catalog.") for conflict in conflicts)
    wrong_sex = {conflict.group for conflict in conflicts if conflict.code == "catalog.wrong_sex"}
    assert wrong_sex == {group.code for group in groups if group.sex not in (None, sex)}


# --- tubes ---


def test_the_basic_package_needs_five_labels() -> None:
    """domain.md §2.5: EDTA, SST with G033 G035 G038 G044, FLU, URI and STO."""
    assert labels(CATALOGUE, rules.expand(CATALOGUE, "P02", ())) == [
        ("SST", ("G033", "G035", "G038", "G044")), ("EDTA", ("G030",)), ("FLU", ("G036",)),
        ("STO", ("G032",)), ("URI", ("G031",)),
    ]  # fmt: skip


def test_the_cardiovascular_package_adds_a_coagulation_and_a_haemoglobin_tube() -> None:
    planned = labels(CATALOGUE, rules.expand(CATALOGUE, "P06", ()))
    assert [tube for tube, _ in planned] == ["CIT", "SST", "EDTA", "EDTA-G", "FLU", "URI"]
    assert dict(planned)["SST"] == ("G033", "G035", "G039", "G040", "G041", "G044", "G045")
    assert dict(planned)["URI"] == ("G031", "G059")


def test_serum_of_different_sections_is_drawn_into_different_tubes() -> None:
    planned = labels(CATALOGUE, rules.expand(CATALOGUE, None, ("G033", "G035", "G042", "G047", "G049")))
    assert planned == [("SST", ("G033", "G035")), ("SST", ("G042",)), ("SST", ("G047", "G049"))]


def test_private_groups_share_a_tube_with_each_other_only() -> None:
    planned = rules.tubes_for(CATALOGUE, rules.expand(CATALOGUE, None, ("G042", "G050", "G051", "G053")))
    assert [(tube.groups, tube.privacy) for tube in planned] == [(("G042",), False), (("G050", "G051", "G053"), True)]
    assert {tube.section for tube in planned} == {"免疫"}


def test_glucose_needs_one_tube_for_each_time_point() -> None:
    later = replace(CATALOGUE.groups["G036"], code="G999", items=("GLU2H",), time_point="2h", order=9999)
    catalogue = replace(CATALOGUE, groups={**CATALOGUE.groups, "G999": later})
    planned = rules.tubes_for(catalogue, rules.expand(catalogue, None, ("G999", "G036")))
    assert [(tube.tube, tube.time_point) for tube in planned] == [("FLU", "0h"), ("FLU", "2h")]


def test_serum_for_different_outside_laboratories_never_shares_a_tube() -> None:
    catalogue = changed("groups", "G056", tube="RED", send_out="甲检验所")
    catalogue = changed("groups", "G057", catalogue, tube="RED", send_out="乙检验所")
    planned = rules.tubes_for(catalogue, rules.expand(catalogue, None, ("G056", "G057")))
    assert [(tube.groups, tube.send_out) for tube in planned] == [(("G056",), "甲检验所"), (("G057",), "乙检验所")]


def test_blood_group_sugar_haemoglobin_and_count_never_share_a_purple_tube() -> None:
    planned = labels(CATALOGUE, rules.expand(CATALOGUE, None, ("G030", "G037", "G061", "G062")))
    assert planned == [("EDTA", ("G030",)), ("EDTA", ("G062",)), ("EDTA-B", ("G061",)), ("EDTA-G", ("G037",))]


def test_swabs_of_one_site_share_a_container() -> None:
    planned = rules.tubes_for(CATALOGUE, rules.expand(CATALOGUE, None, ("G009", "G010", "G011")))
    assert sorted((tube.sample_site, tube.groups) for tube in planned) == [("宫颈", ("G010", "G011")), ("阴道", ("G009",))]


def test_tubes_are_listed_in_the_order_of_drawing_and_containers_without_blood_last() -> None:
    chosen = ("G030", "G031", "G032", "G033", "G036", "G054", "G058", "G060")
    planned = [tube for tube, _ in labels(CATALOGUE, rules.expand(CATALOGUE, None, chosen))]
    assert planned == ["CIT", "ESRT", "SST", "EDTA", "HEPM", "FLU", "STO", "URI"]


@given(chosen=CHOSEN, data=st.data())
def test_every_group_with_a_specimen_is_on_exactly_one_label_whatever_the_order(chosen: list[str], data: st.DataObject) -> None:
    groups = rules.expand(CATALOGUE, None, chosen)
    planned = rules.tubes_for(CATALOGUE, groups)
    on_labels = [code for tube in planned for code in tube.groups]
    assert sorted(on_labels) == sorted(group.code for group in groups if group.tube)
    assert rules.tubes_for(CATALOGUE, data.draw(st.permutations(groups))) == planned
    for tube in planned:
        for code in tube.groups:
            group = CATALOGUE.groups[code]
            assert (group.tube, group.privacy, group.send_out) == (tube.tube, tube.privacy, tube.send_out)
            if CATALOGUE.tubes[tube.tube].merge is TubeMerge.SECTION:
                assert group.lab_section == tube.section


@given(chosen=CHOSEN)
@settings(max_examples=50)
def test_one_more_group_never_needs_fewer_labels(chosen: list[str]) -> None:
    groups = [CATALOGUE.groups[code] for code in dict.fromkeys(chosen)]
    counts = [len(rules.tubes_for(CATALOGUE, groups[:count])) for count in range(len(groups) + 1)]
    assert counts == sorted(counts)


# --- a sound catalogue ---

OVERLAPPING = (ReferenceRange(low="1", age_to=60), ReferenceRange(low="2", age_from=60))
SEX_OVERLAPPING = (ReferenceRange(low="1"), ReferenceRange(low="2", sex="F"))


@pytest.mark.parametrize(
    ("kind", "code", "fields", "problem"),
    [
        ("departments", "MED", {"name": " "}, "科室 MED:名称不能为空"),
        ("tubes", "SST", {"name": ""}, "容器 SST:名称不能为空"),
        ("items", "WBC", {"department": "XXX"}, "细项 WBC:科室“XXX”不存在"),
        ("items", "WBC", {"ranges": (ReferenceRange(low="9", high="3"),)}, "参考范围9–3的下限大于上限"),
        ("items", "WBC", {"ranges": (ReferenceRange(low="x"),)}, "上下限不是数字"),
        ("items", "WBC", {"ranges": (ReferenceRange(low="NaN", high="1"),)}, "上下限不是数字"),
        ("items", "WBC", {"ranges": (ReferenceRange(),)}, "没有上下限"),
        ("items", "WBC", {"ranges": (ReferenceRange(low="1", age_from=60, age_to=20),)}, "起始年龄大于截止年龄"),
        ("items", "WBC", {"ranges": OVERLAPPING}, "参考范围≥1与≥2的性别和年龄重叠"),
        ("items", "WBC", {"ranges": SEX_OVERLAPPING}, "性别和年龄重叠"),
        ("items", "WBC", {"plausible_low": "9", "plausible_high": "3"}, "合理值的下限大于上限"),
        ("items", "MED_RHY", {"choices": ()}, "缺少选项"),
        ("items", "MED_RHY", {"choices": (Choice("齐"), Choice("齐"))}, "选项重复"),
        ("items", "BMI", {"formula": None}, "计算项目须有公式"),
        ("items", "HT", {"formula": ["+", "WT", 1]}, "其他类型不得有公式"),
        ("groups", "G030", {"department": "XXX"}, "科室“XXX”不存在"),
        ("groups", "G030", {"items": ("WBC", "NOPE")}, "组合项目 G030:细项“NOPE”不存在"),
        ("groups", "G030", {"items": ("WBC", "WBC")}, "细项重复"),
        ("groups", "G030", {"items": ()}, "没有细项"),
        ("groups", "G030", {"tube": "PINK"}, "容器“PINK”不存在"),
        ("groups", "G030", {"price_fen": -1}, "价格不能为负数"),
        ("groups", "G030", {"age_from": 60, "age_to": 20}, "起始年龄大于截止年龄"),
        ("groups", "G030", {"includes": ("G999",)}, "所包含的组合项目“G999”不存在"),
        ("groups", "G030", {"includes": ("G031",)}, "未覆盖所包含组合项目“G031”的全部细项"),
        ("groups", "G034", {"includes": ("G033",)}, "组合项目 G034:包含关系成环"),
        ("groups", "G030", {"price_fen": 2100}, "套餐 P02:价格应为594.00元,现为593.12元"),
        ("packages", "P02", {"factor": "0.87"}, "套餐 P02:价格应为586.38元,现为593.12元"),
        ("packages", "P02", {"factor": "x"}, "折扣系数“x”无效"),
        ("packages", "P02", {"factor": "NaN"}, "折扣系数“NaN”无效"),
        ("packages", "P02", {"factor": "-1"}, "折扣系数“-1”无效"),
        ("packages", "P02", {"groups": ()}, "没有组合项目"),
        ("packages", "P02", {"groups": ("G001", "G999")}, "组合项目“G999”不存在"),
        ("packages", "P02", {"groups": ("G001", "G001")}, "组合项目重复"),
        ("packages", "P02", {"groups": ("G033", "G034")}, "“肝功能12项”已包含“肝功能4项”"),
        ("packages", "P01", {"groups": ("G050",)}, "本类体检不得包含“乙肝五项”"),
        ("packages", "P02", {"groups": ("G009",)}, "含有仅适用于女性的“妇科常规+白带”"),
        ("packages", "P02", {"age_from": 60, "age_to": 20}, "起始年龄大于截止年龄"),
    ],
)
def test_an_unsound_entry_is_named_with_its_reason(kind: str, code: str, fields: dict[str, Any], problem: str) -> None:
    problems = rules.validate(changed(kind, code, **fields))
    assert any(problem in text for text in problems), problems


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        (["%", "WT", "HT"], "运算“%”不存在"), ([], "运算“”不存在"), (["^", "WT", 2, 3], "运算“^”参数个数不对"),
        (["+", "WT"], "运算“+”参数个数不对"), (["if", "=", "sex", "F", 1], "运算“if”参数个数不对"),
        (["+", "WT", "NOPE"], "细项“NOPE”不存在"), (["+", "WT", "MED_RHY"], "细项“MED_RHY”不是数值"),
        (["+", "BMI", "WT"], "公式循环引用"), (["/", 1, ["+", "HT", ["?", "WT", 1]]], "运算“?”不存在"),
    ],
)  # fmt: skip
def test_an_unsound_formula_is_named_with_its_reason(formula: Formula, problem: str) -> None:
    problems = rules.validate(changed("items", "BMI", formula=formula))
    assert any(problem in text for text in problems), problems


@pytest.mark.parametrize(
    ("formula", "reads"),
    [
        (["+", "WT", "HT", 3], {"WT", "HT"}), (["*", "age", "WT"], {"WT"}), ("GLB", {"GLB"}), (1, set()),
        (["if", "=", "sex", "F", "TC", 0.9], {"TC"}), (["if", "<", "TG", 4.5, "TC", "HDL"], {"TG", "TC", "HDL"}),
        (["require", ["<", "TG", "4.5"], "甘油三酯过高", ["-", "TC", "HDL"]], {"TG", "TC", "HDL"}),
    ],
)  # fmt: skip
def test_a_formula_reads_items_and_neither_signs_nor_sexes_nor_texts(formula: Formula, reads: set[str]) -> None:
    assert rules.formula_items(formula) == reads
    assert rules.validate(changed("items", "BMI", formula=formula)) == []


def test_a_cycle_of_inclusions_over_several_groups_is_found_at_each_of_them() -> None:
    catalogue = changed("groups", "G034", includes=("G045",))
    catalogue = changed("groups", "G045", catalogue, includes=("G033",))
    cyclic = {text for text in rules.validate(catalogue) if "成环" in text}
    assert cyclic == {f"组合项目 {code}:包含关系成环" for code in ("G033", "G034", "G045")}


def test_a_package_of_one_sex_may_hold_its_groups() -> None:
    package = Package("P99", "女性专项", ("G009", "G015"), "1", 13000, sex="F")
    catalogue = replace(CATALOGUE, packages={**CATALOGUE.packages, "P99": package})
    assert rules.validate(catalogue) == []
