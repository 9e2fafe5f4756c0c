"""The starter catalogue holds what domain.md §2.1–2.7 lists, and nothing in it contradicts itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from exam.catalog.facts import Department, Item, ItemGroup, Package, Tube, TubeMerge, ValueType
from exam.catalog.rules import formula_items, range_for, tubes_for, validate
from exam.catalog.starter import as_catalogue, load
from exam.kit.money import times

STARTER = load()
CATALOGUE = as_catalogue(STARTER, 1, date(2026, 1, 1))

CODES_BY_SECTION = {
    "general": "HT WT BMI WC HC WHR SBP DBP PULSE TEMP SPO2 BFP VFA",
    "internal medicine": "MED_HIS MED_FAM MED_HR MED_RHY MED_MUR MED_LUNG MED_ABD MED_LIV MED_SPL MED_KID MED_NEU",
    "surgery": "SUR_SKIN SUR_LN SUR_THY SUR_BRE SUR_SPI SUR_EXT SUR_VAR SUR_ANO SUR_PRO SUR_HER",
    "eyes": "VA_R VA_L VAC_R VAC_L EYE_COL EYE_SLIT EYE_FUN IOP_R IOP_L",
    "ear, nose, throat and teeth": "ENT_HEAR ENT_EAR ENT_NOSE ENT_PHA DEN_CAR DEN_PER DEN_MIS DEN_MUC",
    "gynaecology": "GYN_VUL GYN_VAG GYN_CER GYN_UTE GYN_ADN LEU_CL LEU_TRI LEU_FUN LEU_BV TCT HPV16 HPV18 HPV_OT",
    "electrocardiogram": "ECG_HR ECG_PR ECG_QRS ECG_QT ECG_QTC ECG_AX ECG_CON",
    "ultrasound": "US_ABD US_THY US_BRE US_UTE US_PRO US_CAR US_ECHO US_TIRADS US_BIRADS LVEF CIMT",
    "radiology": "XR_CHE CT_CHE MG_BIRADS",
    "function": "BMD_T C13 FVCP FEV1P FEV1R BAPWV_R BAPWV_L ABI_R ABI_L",
    "air conduction": "AC_R_500 AC_R_1000 AC_R_2000 AC_R_3000 AC_R_4000 AC_R_6000 "
    "AC_L_500 AC_L_1000 AC_L_2000 AC_L_3000 AC_L_4000 AC_L_6000",
    "bone conduction": "BC_R_500 BC_R_1000 BC_R_2000 BC_R_4000 BC_L_500 BC_L_1000 BC_L_2000 BC_L_4000",
    "constitution": "TCM_TYPE",
    "blood count": "WBC RBC HGB HCT MCV MCH MCHC RDW PLT MPV NEUTP LYMP MONOP EOSP BASOP NEUT LYM ESR",
    "liver": "ALT AST ALP GGT TP ALB GLB AGR TBIL DBIL IBIL TBA",
    "kidney": "UREA CREA UA CYSC EGFR",
    "sugar and lipids": "GLU GLU2H HBA1C TC TG HDL LDL NHDL APOA1 APOB LPA",
    "electrolytes": "K NA CL CA PHOS MG",
    "heart": "LDH CK CKMB HSTNI BNP HCY HSCRP",
    "thyroid": "TSH FT3 FT4 TT3 TT4 TPOAB TGAB",
    "tumour markers": "AFP CEA CA199 CA724 CYFRA NSE SCC CA125 CA153 PSA FPSA FPSAR PG1 PG2 PGR",
    "infection": "HBSAG HBSAB HBEAG HBEAB HBCAB HCVAB HIVAB TPAB TRUST",
    "coagulation": "PT INR APTT FIB TT DD",
    "rheumatism, iron and vitamins": "RF ASO CCP VITD FER FE",
    "blood group": "ABO RHD",
    "urine": "U_SG U_PH U_PRO U_GLU U_KET U_BLD U_NIT U_LEU U_BIL U_UBG U_RBC U_WBC UACR",
    "stool": "F_COL F_OB",
    "occupational blood": "PB_B CHE_B COHB",
}
CODES = [code for codes in CODES_BY_SECTION.values() for code in codes.split()]
OWN_BY_REASON = {
    "sizes that domain.md §3.3 and §4.2 ask for": "US_THY_MM US_GBP_MM CT_NOD_MM CT_NOD_TYPE EYE_CD_R EYE_CD_L",
    "a size to compare with last year's": "US_BRE_MM",
    "laboratory of domain.md §3.3 and §3.4": "AMY CHE BPH_A BPH_V BLAST BLD_CUL F_CUL U_COL",
    "statements of domain.md §3.2 and §3.5": "CT_HEAD US_VEIN US_SCR END_GAS END_COL PAT_BX",
}
OWN = [code for codes in OWN_BY_REASON.values() for code in codes.split()]
"""Items of our own: rules of domain.md §3 and §4.2 ask for them, and its list of items has none."""
WIDENED = {
    "G005": {"EYE_CD_R", "EYE_CD_L"}, "G013": {"US_GBP_MM"}, "G014": {"US_THY_MM"}, "G015": {"US_BRE_MM"},
    "G021": {"CT_NOD_MM", "CT_NOD_TYPE"}, "G031": {"U_COL"},
}  # fmt: skip
"""What is seen in the same examination stands in the listed group, as something that may stay empty."""

PACKAGES = {
    "P01": (12, 23400, "0.90", 21060, "entry", None, 18, 60),
    "P02": (21, 67400, "0.88", 59312, "health", None, 18, 99),
    "P03": (32, 201200, "0.80", 160960, "health", "M", 40, 99),
    "P04": (36, 262200, "0.80", 209760, "health", "F", 40, 99),
    "P05": (18, 44400, "1.00", 44400, "elderly", None, 65, 120),
    "P06": (23, 112800, "0.85", 95880, "health", None, 40, 99),
    "P07": (14, 39900, "1.00", 39900, "occupational", None, 18, 60),
    "P08": (11, 24800, "1.00", 24800, "occupational", None, 18, 60),
}


def texts_of(code: str, *, abnormal: bool) -> list[str]:
    return [choice.text for choice in CATALOGUE.items[code].choices if choice.abnormal is abnormal]


def bounds(code: str, sex: str, age: int) -> tuple[str | None, str | None] | None:
    found = range_for(CATALOGUE.items[code], sex, age)
    return None if found is None else (found.low, found.high)


def test_nothing_in_the_starter_catalogue_is_unsound() -> None:
    assert validate(CATALOGUE) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [("departments", Department), ("items", Item), ("groups", ItemGroup), ("packages", Package), ("tubes", Tube)],
)
def test_a_data_file_spells_every_field_as_the_struct_does_and_repeats_no_code_or_order(name: str, kind: type) -> None:
    rows = json.loads(files("exam.catalog.starter").joinpath(f"{name}.json").read_text("utf-8"))
    known = set(kind.__struct_fields__)  # type: ignore[attr-defined]
    assert [key for row in rows for key in row if key not in known] == []
    codes = [row["code"] for row in rows]
    assert len(set(codes)) == len(codes) == len(getattr(STARTER, name))
    if "order" in known:
        assert [row["order"] for row in rows] == [(index + 1) * 10 for index in range(len(rows))]


def test_a_nested_row_spells_every_field_as_the_struct_does() -> None:
    rows = json.loads(files("exam.catalog.starter").joinpath("items.json").read_text("utf-8"))
    range_keys = {key for row in rows for entry in row.get("ranges", ()) for key in entry}
    choice_keys = {key for row in rows for choice in row.get("choices", ()) for key in choice}
    assert range_keys == {"low", "high", "low_open", "high_open", "sex", "age_from", "age_to", "source", "approved"}
    assert choice_keys == {"text", "abnormal"}


def test_a_value_of_the_wrong_type_is_refused_by_the_decoder() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"code":"HT","name":"x","department":"GEN","value_type":"number","decimals":"1"}', type=Item)


def test_the_items_are_the_codes_of_the_domain_list_and_those_that_its_rules_ask_for_besides() -> None:
    """domain.md's code columns hold 234 codes; the row of LEU_CL names three more items beside its code."""
    assert sorted(CATALOGUE.items) == sorted([*CODES, *OWN])
    assert len(CODES) == 237
    assert len(set(CODES) - {"LEU_TRI", "LEU_FUN", "LEU_BV"}) == 234


def test_the_departments_are_the_eighteen_of_the_domain_list() -> None:
    expected = "GEN MED SUR EYE USG TCM ENT DEN GYN ECG END OCC RAD FUN AUD LAB PAT CHF"
    assert sorted(CATALOGUE.departments) == sorted(expected.split())


def test_the_groups_are_those_of_the_domain_list_and_twenty_one_of_our_own_that_wait_for_approval() -> None:
    numbers = [*range(1, 29), *range(30, 63), 70, 71, 72]
    listed = [f"G{number:03d}" for number in numbers]
    own = [f"G{number:03d}" for number in range(73, 94)]
    assert sorted(CATALOGUE.groups) == [*listed, *own]
    assert [group.code for group in STARTER.groups if group.source] == [code for code in CATALOGUE.groups if code in own]
    assert {CATALOGUE.groups[code].source for code in own} == {"memory"}
    assert not set(own) & {code for package in STARTER.packages for code in package.groups}


def test_an_item_of_our_own_waits_for_approval_and_is_in_a_group_of_our_own_or_may_stay_empty_in_a_listed_one() -> None:
    assert [code for code in OWN if CATALOGUE.items[code].source not in ("memory", "kit")] == []
    assert [entry for code in OWN for entry in CATALOGUE.items[code].ranges if entry.approved] == []
    listed = {
        group.code: set(group.items) & set(OWN) for group in STARTER.groups if not group.source and set(group.items) & set(OWN)
    }
    assert listed == WIDENED
    assert all(CATALOGUE.items[code].optional for codes in WIDENED.values() for code in codes)
    alone = {code for group in STARTER.groups if group.source for code in group.items if code in OWN}
    assert alone == set(OWN) - {code for codes in WIDENED.values() for code in codes}
    assert not any(CATALOGUE.items[code].optional for code in alone)


def test_a_size_has_no_range_of_its_own_and_its_density_is_no_finding() -> None:
    """How large is too large depends on what it is: the rules say it, not a flag."""
    sizes = [item for item in STARTER.items if item.code.endswith("_MM")]
    assert [item.code for item in sizes] == ["US_GBP_MM", "US_THY_MM", "US_BRE_MM", "CT_NOD_MM"]
    assert [(item.unit, item.ranges) for item in sizes] == [("mm", ())] * len(sizes)
    assert texts_of("CT_NOD_TYPE", abnormal=True) == []


def test_blood_for_a_culture_is_drawn_before_any_other_and_blood_for_ph_goes_into_a_tube_of_its_own() -> None:
    groups = [CATALOGUE.groups[code] for code in ("G054", "G079", "G082", "G083", "G086", "G030")]
    planned = tubes_for(CATALOGUE, groups)
    assert planned[0].tube == "BCB"
    assert sum(each.tube == "HEP" for each in planned) == 3


@pytest.mark.parametrize("code", sorted(PACKAGES))
def test_a_package_has_the_count_sum_factor_and_price_of_the_domain_list(code: str) -> None:
    count, standard, factor, price, category, sex, age_from, age_to = PACKAGES[code]
    package = CATALOGUE.packages[code]
    total = sum(CATALOGUE.groups[group].price_fen for group in package.groups)
    assert (len(package.groups), total, package.factor, package.price_fen) == (count, standard, factor, price)
    assert (package.category, package.sex, package.age_from, package.age_to) == (category, sex, age_from, age_to)
    assert times(total, Decimal(factor)) == price


def test_there_are_no_packages_beside_those_eight() -> None:
    assert sorted(CATALOGUE.packages) == sorted(PACKAGES)


@pytest.mark.parametrize(
    ("code", "merge", "draw_order"),
    [
        ("CIT", TubeMerge.SECTION, 1), ("ESRT", TubeMerge.GROUP, 2), ("SST", TubeMerge.SECTION, 3),
        ("RED", TubeMerge.SECTION, 3), ("HEP", TubeMerge.SECTION, 4), ("EDTA", TubeMerge.SECTION, 5),
        ("EDTA-G", TubeMerge.GROUP, 5), ("EDTA-B", TubeMerge.GROUP, 5), ("HEPM", TubeMerge.SECTION, 6),
        ("FLU", TubeMerge.TIME_POINT, 7), ("BCB", TubeMerge.GROUP, 1),
        ("URI", TubeMerge.VISIT, 0), ("STO", TubeMerge.VISIT, 0), ("SWB", TubeMerge.SITE, 0),
    ],
)  # fmt: skip
def test_a_tube_has_its_merge_rule_and_its_place_in_the_order_of_drawing(code: str, merge: TubeMerge, draw_order: int) -> None:
    assert len(CATALOGUE.tubes) == 14
    assert (CATALOGUE.tubes[code].merge, CATALOGUE.tubes[code].draw_order) == (merge, draw_order)


@pytest.mark.parametrize(
    ("code", "sex", "age", "expected"),
    [
        ("WBC", "M", 40, ("3.5", "9.5")), ("HGB", "M", 40, ("130", "175")), ("HGB", "F", 40, ("115", "150")),
        ("ALP", "F", 49, ("35", "100")), ("ALP", "F", 50, ("50", "135")), ("ALP", "M", 50, ("45", "125")),
        ("UREA", "M", 59, ("3.1", "8.0")), ("UREA", "M", 60, ("3.6", "9.5")), ("UREA", "F", 60, ("3.1", "8.8")),
        ("CREA", "M", 59, ("57", "97")), ("CREA", "M", 60, ("57", "111")), ("CREA", "F", 79, ("41", "81")),
        ("WC", "M", 40, (None, "90")), ("WC", "F", 40, (None, "85")), ("VA_R", "M", 9, ("5.0", None)),
        ("ECG_QTC", "M", 40, ("350", "440")), ("ECG_QTC", "F", 40, ("350", "460")), ("ECG_AX", "F", 40, ("-30", "90")),
        ("FER", "F", 40, ("13", "150")), ("AMY", "F", 40, ("35", "135")), ("K", "F", 40, ("3.5", "5.3")), ("CK", "F", 40, ("40", "200")),
        ("HT", "M", 40, None), ("CREA", "M", 12, None), ("WBC", "M", 17, None),
    ],
)  # fmt: skip
def test_a_range_is_the_one_of_the_domain_list(
    code: str, sex: str, age: int, expected: tuple[str | None, str | None] | None
) -> None:
    assert bounds(code, sex, age) == expected


def test_open_bounds_are_open_and_closed_ones_closed() -> None:
    def openness(code: str) -> tuple[bool, bool]:
        found = range_for(CATALOGUE.items[code], "M", 40)
        assert found is not None
        return found.low_open, found.high_open

    assert openness("WC") == openness("TC") == openness("C13") == openness("UACR") == (False, True)
    assert openness("HDL") == (True, False)
    assert openness("DBIL") == openness("EGFR") == openness("K") == openness("AFP") == (False, False)


def test_an_adult_of_any_age_has_a_range_wherever_an_adult_of_forty_has_one() -> None:
    missing = [
        (item.code, sex, age)
        for item in STARTER.items
        for sex in ("M", "F")
        if range_for(item, sex, 40) is not None
        for age in range(18, 121)
        if range_for(item, sex, age) is None
    ]
    assert missing == []


def test_only_standards_and_guidelines_are_approved_and_every_range_names_its_source() -> None:
    approved = {entry.source for item in STARTER.items for entry in item.ranges if entry.approved}
    pending = {entry.source for item in STARTER.items for entry in item.ranges if not entry.approved}
    assert approved == {"WS/T 404/405", "guideline"}
    assert pending == {"kit", "memory"}
    assert all(item.source in approved | pending for item in STARTER.items)


def test_the_female_age_split_of_alkaline_phosphatase_is_not_approved() -> None:
    female = [entry for entry in CATALOGUE.items["ALP"].ranges if entry.sex == "F"]
    assert len(female) == 4
    assert not any(entry.approved for entry in female)


def test_plausible_limits_leave_every_reference_range_inside() -> None:
    outside = []
    for item in STARTER.items:
        if item.plausible_low is None or item.plausible_high is None:
            continue
        low, high = Decimal(item.plausible_low), Decimal(item.plausible_high)
        for entry in item.ranges:
            given = [Decimal(bound) for bound in (entry.low, entry.high) if bound is not None]
            outside += [item.code for bound in given if not low <= bound <= high]
    assert outside == []


def test_every_measured_number_has_plausible_limits() -> None:
    numbers = [item for item in STARTER.items if item.value_type is ValueType.NUMBER]
    assert len(numbers) > 100
    assert [item.code for item in numbers if item.plausible_low is None or item.plausible_high is None] == []


def test_a_critical_value_is_still_plausible() -> None:
    """domain.md §3.4: a plausibility check must never keep a critical value out."""
    extremes = {"K": "1.5 9.0", "NA": "100 190", "GLU": "1.0 60", "HGB": "25 240", "PLT": "2 2000", "CREA": "2000"}
    extremes |= {"AMY": "405 5000", "CHE": "200 1200", "BPH_A": "6.80 7.70", "BPH_V": "6.80 7.70", "EYE_CD_R": "0.70"}
    for code, values in extremes.items():
        item = CATALOGUE.items[code]
        assert item.plausible_low is not None
        assert item.plausible_high is not None
        for value in values.split():
            assert Decimal(item.plausible_low) < Decimal(value) < Decimal(item.plausible_high)


def test_the_first_choice_is_the_normal_one() -> None:
    chosen = [item for item in STARTER.items if item.choices]
    assert len(chosen) > 70
    assert [item.code for item in chosen if item.choices[0].abnormal] == []
    assert [item.code for item in chosen if item.normal_text and item.normal_text != item.choices[0].text] == []


def test_no_laboratory_result_has_a_text_to_prefill() -> None:
    assert [item.code for item in STARTER.items if item.department == "LAB" and item.normal_text] == []


def test_nothing_about_a_blood_group_a_history_a_density_or_a_protective_antibody_is_abnormal() -> None:
    without = [item.code for item in STARTER.items if item.choices and not any(choice.abnormal for choice in item.choices)]
    assert without == ["MED_HIS", "MED_FAM", "CT_NOD_TYPE", "TCM_TYPE", "HBSAB", "ABO", "RHD"]


@pytest.mark.parametrize(
    ("code", "normal"),
    [
        ("LEU_CL", ["Ⅰ", "Ⅱ"]), ("US_TIRADS", ["1", "2"]), ("US_BIRADS", ["1", "2"]), ("MG_BIRADS", ["1", "2"]),
        ("U_PRO", ["−"]), ("U_UBG", ["−", "±"]), ("U_NIT", ["阴性"]), ("TCT", ["NILM"]), ("F_COL", ["软便", "成形便"]),
        ("HBSAG", ["阴性"]), ("ECG_CON", ["正常心电图"]), ("SUR_ANO", ["未见异常", "拒检"]), ("EYE_COL", ["正常"]),
        ("U_COL", ["淡黄色", "黄色", "深黄色"]), ("F_CUL", ["未检出"]), ("PAT_BX", ["未见异型增生及恶性"]), ("BLAST", ["未见"]),
    ],
)  # fmt: skip
def test_a_choice_item_calls_exactly_these_answers_normal(code: str, normal: list[str]) -> None:
    assert texts_of(code, abnormal=False) == normal
    assert texts_of(code, abnormal=True) != []


def test_urine_strips_are_graded_in_rising_order() -> None:
    for code in ("U_PRO", "U_GLU", "U_KET", "U_BLD", "U_LEU", "U_BIL", "U_UBG"):
        assert [choice.text for choice in CATALOGUE.items[code].choices] == ["−", "±", "1+", "2+", "3+", "4+"]


@pytest.mark.parametrize(
    ("code", "signs"),
    [
        ("US_ABD", "脂肪肝(轻度) 脂肪肝(中度) 脂肪肝(重度) 胆囊息肉样病变 胆囊结石 肾结石"),
        ("US_THY", "甲状腺结节"), ("US_BRE", "乳腺增生"), ("US_CAR", "颈动脉斑块"),
        ("CT_CHE", "肺结节 肺微小结节(<6mm)"), ("XR_CHE", "肺结节"),
    ],
)  # fmt: skip
def test_the_sign_words_that_conclusions_need_can_be_chosen_together(code: str, signs: str) -> None:
    assert CATALOGUE.items[code].value_type is ValueType.MULTI
    assert set(signs.split()) <= set(texts_of(code, abnormal=True))


def test_the_items_with_several_answers_are_histories_and_signs() -> None:
    several = {item.code for item in STARTER.items if item.value_type is ValueType.MULTI}
    signs = "ECG_CON US_ABD US_THY US_BRE US_UTE US_PRO US_CAR US_ECHO XR_CHE CT_CHE US_VEIN US_SCR CT_HEAD END_GAS END_COL"
    assert several == {"MED_HIS", "MED_FAM", *signs.split()}


def test_infections_are_private_as_items_and_as_groups() -> None:
    private = {item.code for item in STARTER.items if item.privacy}
    assert private == {"HBSAG", "HBSAB", "HBEAG", "HBEAB", "HBCAB", "HCVAB", "HIVAB", "TPAB", "TRUST"}
    by_items = {group.code for group in STARTER.groups if private & set(group.items)}
    assert by_items == {group.code for group in STARTER.groups if group.privacy} == {"G050", "G051", "G052", "G053"}


def test_hepatitis_b_and_hiv_are_barred_from_entry_and_school_exams_and_nothing_else_is() -> None:
    barred = {group.code: set(group.barred_categories) for group in STARTER.groups if group.barred_categories}
    assert barred == {"G050": {"entry", "school"}, "G052": {"entry", "school"}}


def test_sex_bound_items_and_groups_are_the_expected_ones() -> None:
    female = {item.code for item in STARTER.items if item.sex == "F"}
    male = {item.code for item in STARTER.items if item.sex == "M"}
    gynaecology = {item.code for item in STARTER.items if item.department == "GYN"}
    elsewhere = "SUR_BRE TCT HPV16 HPV18 HPV_OT US_BRE US_BIRADS US_BRE_MM US_UTE MG_BIRADS CA125 CA153"
    assert female == {*gynaecology, *elsewhere.split()}
    assert male == {"SUR_PRO", "US_PRO", "US_SCR", "PSA", "FPSA", "FPSAR"}
    assert {group.code for group in STARTER.groups if group.sex == "F"} == {"G009", "G010", "G011", "G015", "G016", "G048", "G080"}
    assert {group.code for group in STARTER.groups if group.sex == "M"} == {"G017", "G047", "G049", "G090"}


def test_the_computed_items_are_these_and_read_measured_numbers_only() -> None:
    computed = {item.code: item.formula for item in STARTER.items if item.formula is not None}
    assert set(computed) == {"BMI", "WHR", "GLB", "AGR", "IBIL", "NHDL", "EGFR", "FPSAR"}
    read = {code for formula in computed.values() for code in formula_items(formula)}
    assert {CATALOGUE.items[code].value_type for code in read} == {ValueType.NUMBER}


def number(formula: Any, values: Mapping[str, float], sex: str, age: int) -> float:
    """A second, deliberately plain reading of the formulas, to check the data without the engine that uses it."""
    if isinstance(formula, int | float):
        return formula
    if isinstance(formula, str):
        return age if formula == "age" else values[formula]
    if formula[0] == "if":
        assert formula[1:3] == ["=", "sex"]
        return number(formula[4] if sex == formula[3] else formula[5], values, sex, age)
    parts = [number(part, values, sex, age) for part in formula[1:]]
    result = parts[0]
    for part in parts[1:]:
        result = {
            "+": result + part, "-": result - part, "*": result * part, "/": result / part if part else 0.0,
            "^": result**part if formula[0] == "^" else 0.0, "min": min(result, part), "max": max(result, part),
        }[formula[0]]  # fmt: skip
    return result


@pytest.mark.parametrize(
    ("code", "values", "sex", "age", "expected"),
    [
        ("BMI", {"WT": 70, "HT": 175}, "M", 40, 22.9), ("WHR", {"WC": 90, "HC": 100}, "M", 40, 0.90),
        ("GLB", {"TP": 75, "ALB": 45}, "F", 40, 30.0), ("AGR", {"TP": 75, "ALB": 45}, "F", 40, 1.50),
        ("IBIL", {"TBIL": 18.5, "DBIL": 5}, "F", 40, 13.5), ("NHDL", {"TC": 5.8, "HDL": 1.1}, "F", 40, 4.70),
        ("FPSAR", {"PSA": 4.0, "FPSA": 1.0}, "M", 60, 0.25), ("EGFR", {"CREA": 80}, "M", 45, 107),
        ("EGFR", {"CREA": 150}, "F", 60, 34), ("EGFR", {"CREA": 60}, "F", 30, 120),
    ],
)  # fmt: skip
def test_a_formula_gives_the_worked_value(code: str, values: dict[str, float], sex: str, age: int, expected: float) -> None:
    item = CATALOGUE.items[code]
    assert round(number(item.formula, values, sex, age), item.decimals) == expected


def test_a_loinc_code_passes_its_check_digit() -> None:
    """LOINC codes end in a mod-10 check digit: from the right, every other digit counts double."""
    coded = {item.code: item.loinc for item in STARTER.items if item.loinc}
    assert len(coded) > 130
    for code, loinc in coded.items():
        body, check = loinc.split("-")
        doubled = [int(digit) * (2 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(body))]
        total = sum(value // 10 + value % 10 for value in doubled)
        assert (10 - total % 10) % 10 == int(check), code


def test_every_item_is_in_a_group() -> None:
    used = {code for group in STARTER.groups for code in group.items}
    assert set(CATALOGUE.items) - used == set()


def test_sugar_after_a_meal_is_drawn_at_its_own_time() -> None:
    fasting, after = CATALOGUE.groups["G036"], CATALOGUE.groups["G073"]
    assert (fasting.tube, fasting.time_point, after.tube, after.time_point) == ("FLU", "0h", "FLU", "2h")
    assert len(tubes_for(CATALOGUE, (fasting, after))) == 2


@pytest.mark.parametrize(
    ("code", "count"), [("G033", 12), ("G034", 4), ("G040", 6), ("G041", 3), ("G043", 7), ("G047", 6), ("G048", 6)]
)
def test_a_group_holds_as_many_items_as_its_name_says(code: str, count: int) -> None:
    assert str(count) in CATALOGUE.groups[code].name
    assert len(CATALOGUE.groups[code].items) == count


@pytest.mark.parametrize(("code", "count"), [("G035", 3), ("G038", 4), ("G039", 7)])
def test_a_group_may_carry_a_computed_item_beside_those_in_its_name(code: str, count: int) -> None:
    measured = [item for item in CATALOGUE.groups[code].items if CATALOGUE.items[item].formula is None]
    assert len(measured) == count


def test_a_group_that_needs_a_specimen_names_tube_and_section() -> None:
    laboratory = [group for group in STARTER.groups if group.department in ("LAB", "PAT") and not group.service_only]
    assert len(laboratory) > 30
    assert [group.code for group in laboratory if not group.tube or not group.lab_section] == []
    assert [group.code for group in STARTER.groups if group.tube and group.service_only] == []


def test_every_swab_names_the_site_it_is_taken_from() -> None:
    swabs = {group.code: group.sample_site for group in STARTER.groups if group.tube == "SWB"}
    assert swabs == {"G009": "阴道", "G010": "宫颈", "G011": "宫颈", "G093": "活检部位"}


def test_services_have_a_price_but_nothing_to_examine() -> None:
    services = {group.code: group.price_fen for group in STARTER.groups if group.service_only}
    assert services == {"G070": 800, "G071": 0, "G072": 1000}
    assert all(not CATALOGUE.groups[code].items for code in services)


def test_fasting_examinations_come_before_those_after_breakfast_and_the_chief_room_comes_last() -> None:
    walk = [group.code for group in STARTER.groups]
    assert walk[-1] == "G072"
    fasting = [walk.index(code) for code in ("G070", "G036", "G013", "G023")]
    assert max(fasting) < min(walk.index(code) for code in ("G002", "G012", "G020"))
    assert all("空腹" in CATALOGUE.groups[code].advice for code in ("G013", "G023", "G033", "G036", "G038"))


def test_corrected_vision_bone_conduction_and_a_nodule_grade_may_stay_empty() -> None:
    optional = {item.code for item in STARTER.items if item.optional}
    assert {"VAC_R", "VAC_L", "US_TIRADS"} <= optional
    assert {code for code in CATALOGUE.items if code.startswith("BC_")} <= optional
    assert not optional & {"WBC", "SBP", "GLU", "ECG_CON", "US_ABD"}
