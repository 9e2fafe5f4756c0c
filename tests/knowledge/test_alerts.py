"""The shipped alert rules: every bound from both sides, one alert a finding, nobody well alarmed, nothing without a line."""

from __future__ import annotations

import msgspec
import pytest

from exam.knowledge.book import Rule
from exam.knowledge.facts import AlertClass, Case, Subject
from exam.knowledge.language import Between, Compare, History, Says
from exam.knowledge.rules import (
    alerts_of,
    condition_items,
    example_case,
    holds,
    judge,
    leaves,
    suggest,
    uncovered_items,
)
from tests.knowledge.cases import BOOK, ITEMS, MAN, ON, RULES, case_of

Values = dict[str, str | tuple[str, ...]]

ALERTING = {rule.code: rule for rule in BOOK.rules if rule.alert is not None}
FIRING = [(rule, example) for rule in ALERTING.values() for example in rule.examples if example.fires]
WEIGHT = {AlertClass.B: 0, AlertClass.A: 1, AlertClass.CRITICAL: 2}


def class_of(rule: Rule) -> AlertClass | None:
    """The alert class of a rule, None for a plain conclusion."""
    return rule.alert.alert_class if rule.alert is not None else None


def codes_of(values: Values, subject: Subject = MAN, earlier: Values | None = None) -> list[str]:
    """The alerts of a case by rule code, most urgent first."""
    return [alert.rule for alert in alerts_of(case_of(values, subject, earlier), RULES)]


def subject_of(rule: Rule) -> Subject:
    """A person of the sex the rule is for."""
    return Subject(rule.examples[0].sex, 45)


# --- the set is whole ---


def test_every_entry_of_the_three_lists_is_shipped() -> None:
    families = {code.partition("-")[0] for code in ALERTING if code[0] in "AB"}
    assert families == {f"A{number:02}" for number in range(1, 20)} | {f"B{number:02}" for number in range(1, 31)}
    pairs = ("WBC", "HGB", "PLT", "HCT", "K", "NA", "CL", "CA", "GLU", "PT", "FIB", "PH")
    highs = ("CREA", "UREA", "TBIL", "ALT-AST", "AMY", "HSTNI", "INR", "APTT", "DD")
    others = ("C-CHE-LOW", "C-BLAST", "C-CULTURE", "C-PATHOGEN")
    statements = (
        "C-ECG", "C-RAD-XR", "C-RAD-CT", "C-RAD-HEAD", "C-USG-ABD", "C-USG-UTE", "C-USG-ECHO", "C-USG-PRO", "C-USG-VEIN", "C-USG-SCR",
        "C-END-GAS", "C-END-COL", "C-PAT-BX",
    )  # fmt: skip
    critical = {code for code, rule in ALERTING.items() if class_of(rule) is AlertClass.CRITICAL}
    numbers = {f"C-{item}-{side}" for item in pairs for side in ("LOW", "HIGH")} | {f"C-{item}-HIGH" for item in highs}
    assert critical == numbers | set(others) | set(statements)


def test_the_letter_of_a_code_is_its_class_and_its_line_weighs_as_much() -> None:
    classes = {"C": (AlertClass.CRITICAL, 5), "A": (AlertClass.A, 5), "B": (AlertClass.B, 4)}
    for code, rule in ALERTING.items():
        assert (class_of(rule), int(rule.severity)) == classes[code[0]], code
        assert rule.text and rule.advice and rule.specialist and rule.source and not rule.approved
        assert rule.alert is not None and rule.alert.name


def test_every_alert_shows_a_missing_value_and_says_its_units() -> None:
    for rule in ALERTING.values():
        items = set(condition_items(rule.condition))
        assert any(not example.fires and items - set(example.values) for example in rule.examples), rule.code
        assert any(not example.fires and items & set(example.values) for example in rule.examples), rule.code
        for part in leaves(rule.condition):
            if isinstance(part, Compare | Between):
                assert part.unit == ITEMS[part.item].unit, (rule.code, part.item)


def test_history_is_asked_in_the_words_of_the_questionnaire() -> None:
    told = {choice.text for choice in ITEMS["MED_HIS"].choices}
    conditions = [rule.condition for rule in BOOK.rules] + [step.condition for scale in BOOK.grades for step in scale.steps]
    for condition in conditions:
        for part in leaves(condition):
            assert not isinstance(part, History) or set(part.any_of) <= told


# --- bounds from both sides ---

BOUNDS = [
    ("C-WBC-LOW", "WBC", "2.00", "2.01"), ("C-WBC-HIGH", "WBC", "30.00", "29.99"),
    ("C-HGB-LOW", "HGB", "60", "61"), ("C-HGB-HIGH", "HGB", "200", "199"),
    ("C-PLT-LOW", "PLT", "30", "31"), ("C-PLT-HIGH", "PLT", "1000", "999"),
    ("C-HCT-LOW", "HCT", "15.0", "15.1"), ("C-HCT-HIGH", "HCT", "60.0", "59.9"),
    ("C-K-LOW", "K", "2.80", "2.81"), ("C-K-HIGH", "K", "6.20", "6.19"),
    ("C-NA-LOW", "NA", "120", "121"), ("C-NA-HIGH", "NA", "160", "159"),
    ("C-CL-LOW", "CL", "75", "76"), ("C-CL-HIGH", "CL", "125", "124"),
    ("C-CA-LOW", "CA", "1.60", "1.61"), ("C-CA-HIGH", "CA", "3.40", "3.39"),
    ("C-GLU-LOW", "GLU", "2.80", "2.81"), ("C-GLU-HIGH", "GLU", "22.20", "22.19"),
    ("C-CREA-HIGH", "CREA", "707", "706"), ("C-UREA-HIGH", "UREA", "36.00", "35.99"),
    ("C-TBIL-HIGH", "TBIL", "307.0", "306.9"), ("C-ALT-AST-HIGH", "ALT", "800", "799"), ("C-ALT-AST-HIGH", "AST", "800", "799"),
    ("C-HSTNI-HIGH", "HSTNI", "131.0", "130.9"), ("C-PT-LOW", "PT", "8.0", "8.1"), ("C-PT-HIGH", "PT", "30.0", "29.9"),
    ("C-INR-HIGH", "INR", "3.50", "3.49"), ("C-APTT-HIGH", "APTT", "70.0", "69.9"),
    ("C-FIB-LOW", "FIB", "1.00", "1.01"), ("C-FIB-HIGH", "FIB", "8.00", "7.99"), ("C-DD-HIGH", "DD", "5.00", "4.99"),
    ("C-ECG", "ECG_HR", "181", "180"), ("C-ECG", "ECG_HR", "39", "40"),
    ("A01", "SBP", "180", "179"), ("A01", "DBP", "110", "109"), ("A02", "MED_HR", "150", "149"), ("A02", "MED_HR", "45", "46"),
    ("A09", "HGB", "60", "61"), ("A10", "PLT", "30", "31"), ("A11", "WBC", "1.00", "1.01"), ("A11", "WBC", "30.00", "29.99"),
    ("A12-LOW", "GLU", "2.80", "2.81"), ("A12-HIGH", "GLU", "16.70", "16.69"),
    ("A13-K", "K", "2.50", "2.51"), ("A13-K", "K", "6.50", "6.49"), ("A13-NA", "NA", "120", "121"), ("A13-NA", "NA", "160", "159"),
    ("A14", "CREA", "707", "706"), ("A15", "ALT", "600", "599"), ("A15", "AST", "600", "599"), ("A16", "TBIL", "171.0", "170.9"),
    ("A17", "HSTNI", "500.0", "499.9"), ("A18", "ECG_HR", "181", "180"), ("A18", "ECG_HR", "39", "40"),
    ("B01", "SBP", "160", "159"), ("B01", "DBP", "100", "99"), ("B02", "GLU", "7.00", "6.99"), ("B02", "HBA1C", "6.5", "6.4"),
    ("B02-HIGH", "GLU", "11.10", "11.09"), ("B03", "TG", "11.30", "11.29"), ("B03", "LDL", "4.90", "4.89"),
    ("B04-ALT-AST", "ALT", "200", "199"), ("B04-ALT-AST", "AST", "200", "199"), ("B04-TBIL", "TBIL", "51.0", "50.9"),
    ("B05", "EGFR", "44", "45"), ("B05", "CREA", "177", "176"), ("B05-U_PRO", "U_PRO", "3+", "2+"), ("B05-UACR", "UACR", "300.0", "299.9"),
    ("B06-HGB", "HGB", "90", "91"), ("B06-WBC", "WBC", "2.00", "2.01"), ("B06-WBC", "WBC", "20.00", "19.99"),
    ("B06-PLT", "PLT", "50", "51"), ("B06-PLT", "PLT", "600", "599"), ("B07", "U_RBC", "50.0", "49.9"),
    ("B09", "TSH", "20.001", "20.000"), ("B10", "AFP", "200.00", "199.99"),
    ("B11-CEA", "CEA", "10.00", "9.99"), ("B11-CA199", "CA199", "74.00", "73.99"),
    ("B11-CA125", "CA125", "70.0", "69.9"), ("B11-CA153", "CA153", "50.0", "49.9"), ("B12", "PSA", "10.00", "9.99"),
    ("B24", "LVEF", "44", "45"), ("B26", "ECG_QTC", "500", "499"), ("B27", "IOP_R", "25.1", "25.0"), ("B27", "IOP_L", "25.1", "25.0"),
    ("B30", "BMD_T", "-3.5", "-3.4"),
    ("C-AMY-HIGH", "AMY", "405", "404"), ("C-CHE-LOW", "CHE", "1200", "1201"),
    ("C-PH-LOW", "BPH_A", "7.25", "7.26"), ("C-PH-HIGH", "BPH_A", "7.55", "7.54"),
    ("C-PH-LOW", "BPH_V", "7.25", "7.26"), ("C-PH-HIGH", "BPH_V", "7.55", "7.54"),
    ("B17", "CT_NOD_MM", "8.0", "7.9"), ("B21", "US_GBP_MM", "10.0", "9.9"),
    ("B27", "EYE_CD_R", "0.70", "0.69"), ("B27", "EYE_CD_L", "0.70", "0.69"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "item", "outside", "inside"), BOUNDS, ids=[f"{row[0]}:{row[1]}:{row[2]}" for row in BOUNDS])
def test_an_alert_begins_exactly_at_its_bound(code: str, item: str, outside: str, inside: str) -> None:
    rule = ALERTING[code]
    subject = subject_of(rule)
    assert holds(rule.condition, case_of({item: outside}, subject)) is True
    assert holds(rule.condition, case_of({item: inside}, subject)) is not True
    raised = alerts_of(case_of({item: outside}, subject), RULES)
    assert [WEIGHT[alert.alert_class] >= WEIGHT[class_of(rule) or AlertClass.B] for alert in raised] == [True]


def test_every_bound_of_the_book_stands_in_the_table_above() -> None:
    tabled = {(code, item) for code, item, _, _ in BOUNDS}
    with_company = {
        "A18": {"ECG_QTC"}, "C-ECG": {"ECG_QTC"}, "B09": {"FT4"}, "B12": {"FPSAR"}, "B14-HBV": {"ALT"}, "B19": {"US_THY_MM"},
    }  # fmt: skip
    for code, rule in ALERTING.items():
        numbers = {part.item for part in leaves(rule.condition) if isinstance(part, Compare | Between)}
        assert numbers <= {item for named, item in tabled if named == code} | with_company.get(code, set()), code


OPEN_ENDED = [
    ("PLT", ">1000", "C-PLT-HIGH"), ("PLT", ">800", "B06-PLT"), ("PLT", ">500", ""), ("PLT", "<30", "C-PLT-LOW"), ("PLT", "<40", "B06-PLT"),
    ("GLU", ">33.30", "C-GLU-HIGH"), ("GLU", ">20.00", "A12-HIGH"), ("GLU", "<1.00", "C-GLU-LOW"), ("GLU", "<3.00", ""),
    ("WBC", "<0.50", "C-WBC-LOW"), ("K", ">9.00", "C-K-HIGH"), ("K", "<3.00", ""), ("HSTNI", "<0.5", ""), ("HSTNI", ">50000", "C-HSTNI-HIGH"),
    ("AFP", ">1000", "B10"), ("AFP", ">100", ""), ("TSH", "<0.005", ""), ("TSH", ">100", "B09"), ("DD", "<0.50", ""), ("HGB", "<80", "B06-HGB"),
    ("ALT", ">1000", "C-ALT-AST-HIGH"), ("ALT", "≥600", "A15"), ("ALT", "＞６５０", "A15"), ("CREA", ">700", "B05"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "written", "code"), OPEN_ENDED)
def test_an_open_ended_result_alerts_as_far_as_it_is_certain(item: str, written: str, code: str) -> None:
    assert codes_of({item: written}) == ([code] if code else [])


@pytest.mark.parametrize(("unit", "raised"), [("", ["C-K-HIGH"]), ("mmol/L", ["C-K-HIGH"]), ("mg/dL", []), ("%", [])])
def test_a_unit_nobody_can_convert_raises_nothing_and_still_gets_a_line(unit: str, raised: list[str]) -> None:
    case = Case(MAN, ON, {"K": judge(ITEMS["K"], "6.80", unit, MAN)})
    assert [alert.rule for alert in alerts_of(case, RULES)] == raised
    assert uncovered_items(case, suggest(case, RULES)) == () and suggest(case, RULES)


def test_a_convertible_unit_is_converted_before_it_is_compared() -> None:
    low = Case(MAN, ON, {"HGB": judge(ITEMS["HGB"], "5.9", "g/dL", MAN)})
    assert [alert.rule for alert in alerts_of(low, RULES)] == ["C-HGB-LOW"]
    well = Case(MAN, ON, {"HGB": judge(ITEMS["HGB"], "14.0", "g/dL", MAN)})
    assert alerts_of(well, RULES) == ()


@pytest.mark.parametrize("text", ["溶血", "", "未测", "1+"])
def test_what_is_no_number_raises_nothing(text: str) -> None:
    assert codes_of({"K": text, "HGB": text, "GLU": text}) == []


# --- first time or known, sex and age ---


@pytest.mark.parametrize(
    ("code", "values", "earlier", "fires"),
    [
        ("A09", {"HGB": "60"}, {}, True),
        ("A09", {"HGB": "60"}, {"HGB": "120"}, True),
        ("A09", {"HGB": "60"}, {"HGB": "60"}, False),
        ("A09", {"HGB": "31"}, {"HGB": "45"}, False),
        ("A09", {"HGB": "30"}, {"HGB": "45"}, True),
        ("A10", {"PLT": "20"}, {}, True),
        ("A10", {"PLT": "20"}, {"PLT": "150"}, True),
        ("A10", {"PLT": "20"}, {"PLT": "28"}, False),
        ("A10", {"PLT": "20", "SUR_SKIN": "双下肢瘀斑"}, {"PLT": "28"}, True),
        ("B02", {"GLU": "7.50"}, {}, True),
        ("B02", {"GLU": "7.50"}, {"GLU": "5.00"}, True),
        ("B02", {"GLU": "7.50"}, {"GLU": "7.20"}, False),
        ("B02", {"HBA1C": "6.8"}, {"HBA1C": "6.0"}, True),
        ("B02", {"HBA1C": "6.8"}, {"HBA1C": "6.6"}, False),
        ("B11-CEA", {"CEA": "6.00"}, {"CEA": "4.00"}, True),
        ("B11-CEA", {"CEA": "6.00"}, {"CEA": "4.01"}, False),
        ("B11-CEA", {"CEA": "4.50"}, {"CEA": "1.00"}, False),
        ("B11-CEA", {"CEA": "6.00"}, {}, False),
    ],
)
def test_a_known_finding_is_told_from_a_first_one(code: str, values: Values, earlier: Values, fires: bool) -> None:
    assert (holds(ALERTING[code].condition, case_of(values, MAN, earlier)) is True) is fires


def test_a_known_anaemia_still_is_a_critical_value_of_the_hospital() -> None:
    assert codes_of({"HGB": "55"}, MAN, {"HGB": "50"}) == ["C-HGB-LOW"]


def test_what_belongs_to_one_sex_alerts_for_that_sex_only() -> None:
    for rule, example in FIRING:
        if rule.code in WOMENS or rule.code in MENS:
            other = msgspec.structs.replace(example, sex="M" if example.sex == "F" else "F")
            assert holds(rule.condition, example_case(other, ITEMS, ON)) is not True, rule.code
    assert {rule.code for rule, _ in FIRING} >= WOMENS | MENS


WOMENS = {"A08", "A19-UTE", "C-USG-UTE", "B11-CA125", "B11-CA153", "B15", "B16", "B20", "B22", "B29-BREAST"}
MENS = {"B12", "B29-PROSTATE", "C-USG-PRO"}


def test_blood_in_the_stool_alerts_from_forty_on_and_is_a_line_at_any_age() -> None:
    assert codes_of({"F_OB": "阳性"}, Subject("M", 40)) == ["B08"]
    assert codes_of({"F_OB": "阳性"}, Subject("M", 39)) == []
    assert [line.key for line in suggest(case_of({"F_OB": "阳性"}, Subject("M", 39)), RULES)] == ["D53"]


# --- one alert and one line a finding ---

WEIGHTIEST: list[tuple[Values, list[str]]] = [
    ({"HGB": "60", "MCV": "90.0"}, ["C-HGB-LOW"]),
    ({"HGB": "61", "MCV": "70.0"}, ["B06-HGB"]),
    ({"HGB": "91", "MCV": "90.0"}, []),
    ({"GLU": "25.00", "HBA1C": "9.0"}, ["C-GLU-HIGH"]),
    ({"GLU": "17.00"}, ["A12-HIGH"]),
    ({"GLU": "12.00"}, ["B02-HIGH"]),
    ({"GLU": "2.50", "HBA1C": "7.0"}, ["C-GLU-LOW", "B02"]),
    ({"SBP": "165", "DBP": "112"}, ["A01"]),
    ({"SBP": "165", "DBP": "95"}, ["B01"]),
    ({"K": "6.30"}, ["C-K-HIGH"]),
    ({"ALT": "900", "AST": "650"}, ["C-ALT-AST-HIGH"]),
    ({"ALT": "620", "AST": "300"}, ["A15"]),
    ({"TBIL": "200.0", "DBIL": "120.0"}, ["A16"]),
    ({"CREA": "800", "EGFR": "6", "UREA": "40.00"}, ["C-CREA-HIGH", "C-UREA-HIGH"]),
    ({"PT": "35.0", "INR": "4.00"}, ["C-PT-HIGH"]),
    ({"ECG_CON": ("急性心肌梗死", "心房颤动"), "ECG_QTC": "510"}, ["C-ECG"]),
    ({"ECG_CON": ("二度Ⅱ型窦房阻滞",), "ECG_HR": "40"}, ["A18"]),
    ({"ECG_CON": ("心房颤动",)}, ["B26"]),
    ({"CT_CHE": ("大量气胸", "实性结节(≥8mm)")}, ["A19-CT", "B17"]),
    ({"US_ABD": ("腹主动脉瘤(≥55mm)", "腹主动脉增宽(≥30mm)", "急性胆囊炎")}, ["A19-ABD", "A19-AORTA"]),
    ({"US_CAR": ("颈动脉斑块", "颈动脉狭窄(≥50%)")}, ["B23"]),
    ({"HBSAG": "阳性", "ALT": "210"}, ["B04-ALT-AST", "B14-HBV"]),
    ({"AFP": "30.00", "US_ABD": ("肝占位性病变",)}, ["B10", "B21"]),
]


@pytest.mark.parametrize(("values", "codes"), WEIGHTIEST)
def test_of_one_finding_only_the_weightiest_rule_alerts(values: Values, codes: list[str]) -> None:
    assert codes_of(values) == codes


@pytest.mark.parametrize(("values", "codes"), [row for row in WEIGHTIEST if row[1]])
def test_the_line_of_an_alert_replaces_the_milder_ones_of_its_hierarchy(values: Values, codes: list[str]) -> None:
    case = case_of(values)
    lines = suggest(case, RULES)
    keys = [line.key for line in lines]
    fired = {rule.code: rule for rule in RULES.fired(case)}
    for code in codes:
        hierarchy = fired[code].hierarchy
        told = next(line for line in lines if code in {because.rule for because in line.because})
        assert told.key == code or told.key in {merge.code for merge in BOOK.merges}
        assert told.severity >= fired[code].severity
        assert not [key for key in keys if key != code and key in fired and hierarchy and fired[key].hierarchy == hierarchy]


def test_a_critical_ranks_over_a_over_b_over_a_plain_conclusion() -> None:
    hierarchies = {rule.hierarchy for rule in ALERTING.values()} - {""}
    for hierarchy in hierarchies:
        members = [rule for rule in BOOK.rules if rule.hierarchy == hierarchy]
        for one in members:
            for other in members:
                mine, theirs = class_of(one), class_of(other)
                if (-1 if mine is None else WEIGHT[mine]) > (-1 if theirs is None else WEIGHT[theirs]):
                    assert one.rank > other.rank, (one.code, other.code)


# --- what the board and the telephone get ---


def test_an_alert_names_itself_its_department_and_its_values() -> None:
    (alert,) = alerts_of(case_of({"HGB": "58", "MCV": "88.0"}), RULES)
    assert (alert.rule, alert.alert_class, alert.department, alert.items) == ("C-HGB-LOW", AlertClass.CRITICAL, "LAB", ("HGB",))
    assert alert.name == "血红蛋白危急值(≤60 g/L)" and alert.evidence == ("血红蛋白 58 g/L ↓",) and alert.specialist == "血液科"


def test_an_alert_on_a_private_item_is_named_without_the_disease() -> None:
    private = {
        rule.code: rule.alert for rule in ALERTING.values() if any(ITEMS[item].privacy for item in condition_items(rule.condition))
    }
    assert set(private) == {"B13-HIV", "B13-TP", "B14-HBV", "B14-HCV"}
    for alert in private.values():
        assert alert is not None and alert.name.endswith("(隐私)")
        assert not any(word in alert.name for word in ("HIV", "梅毒", "乙肝", "丙肝"))


@pytest.mark.parametrize(
    ("item", "written", "code"),
    [
        ("CT_CHE", "右侧张力性气胸,纵隔左移", "C-RAD-CT"),
        ("CT_CHE", "未见张力性气胸,未见膈疝", ""),
        ("XR_CHE", "膈下游离气体,消化道穿孔不除外", "C-RAD-XR"),
        ("XR_CHE", "排除消化道穿孔", ""),
        ("US_ABD", "腹腔大量积液,脾破裂可能", "C-USG-ABD"),
        ("US_ABD", "无脏器破裂征象", ""),
        ("US_ABD", "胰腺弥漫肿大,急性胰腺炎", "A19-ABD"),
        ("ECG_CON", "急性心肌缺血", "C-ECG"),
        ("ECG_CON", "未见急性心肌缺血", ""),
        ("MED_ABD", "全腹急腹症体征", "A04"),
        ("EYE_SLIT", "右眼急性闭角型青光眼", "A05"),
        ("ENT_PHA", "喉头水肿", "A06"),
        ("DEN_MUC", "麻疹黏膜斑", "A07"),
        ("DEN_MUC", "舌缘溃疡超过2周", "B28"),
        ("SUR_LN", "左锁骨上淋巴结质硬", "B29-LN"),
        ("SUR_LN", "无质硬淋巴结", ""),
        ("EYE_FUN", "视网膜脱离", "B27"),
    ],
)
def test_a_written_statement_alerts_unless_its_clause_denies_it(item: str, written: str, code: str) -> None:
    assert codes_of({item: (written,)}) == ([code] if code else [])


def test_every_phrase_by_itself_alerts_and_denied_does_not() -> None:
    for rule in ALERTING.values():
        for part in leaves(rule.condition):
            if isinstance(part, Says) and rule.code not in NEEDS_COMPANY:
                for phrase in part.any_of:
                    subject = subject_of(rule)
                    assert holds(rule.condition, case_of({part.item: (phrase,)}, subject)) is True, (rule.code, phrase)
                    assert holds(rule.condition, case_of({part.item: (f"未见{phrase}",)}, subject)) is not True, (rule.code, phrase)


NEEDS_COMPANY = {"A08", "A10"}
"""Their phrases count beside another finding only."""


# --- policies ---


def test_each_class_has_its_clocks() -> None:
    found = {policy.alert_class: policy for policy in BOOK.policies}
    assert {policy.code for policy in BOOK.policies} == {"ALERT-CRITICAL", "ALERT-A", "ALERT-B"} and len(BOOK.policies) == 3
    for urgent in (found[AlertClass.CRITICAL], found[AlertClass.A]):
        assert (urgent.confirm_minutes, urgent.notify_minutes, urgent.receive_minutes, urgent.handle_minutes) == (15, 120, 30, 240)
        assert [(step.after_minutes, step.to) for step in urgent.escalation] == [
            (30, "critical_values.head"),
            (60, "critical_values.direct"),
        ]
        assert (urgent.follow_up_days, urgent.working_days, urgent.blocks_release) == ((1, 7), 0, True)
    mild = found[AlertClass.B]
    assert (mild.working_days, mild.follow_up_days, mild.blocks_release) == (5, (30, 90), True)
    assert mild.confirm_minutes >= 7 * 24 * 60 and [step.after_minutes for step in mild.escalation] == [0]
    assert all(policy.source and not policy.approved for policy in BOOK.policies)


@pytest.mark.parametrize(
    ("code", "days"),
    [("B01", (7, 90)), ("B02", (14, 90)), ("B08", ()), ("B18", (7, 90)), ("B30", (90,)), ("A01", ()), ("C-K-LOW", ())],
)
def test_a_rule_calls_back_after_its_own_first_span(code: str, days: tuple[int, ...]) -> None:
    alert = ALERTING[code].alert
    assert alert is not None and alert.follow_up_days == days
