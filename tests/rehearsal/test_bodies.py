"""A body's values can be typed in and agree with each other, whoever it is; its visits of different years resemble each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from math import sqrt

import pytest

from exam.catalog.facts import ValueType
from exam.knowledge.rules import check_entry
from rehearsal.bodies import LUCK, STEADINESS, Body, health_of
from rehearsal.finding_tables import LASTING, MANY, PASSING
from rehearsal.prevalence import Visitor, case_of, egfr
from rehearsal.values import ITEMS, values_of

DAY = date(2026, 11, 20)
PEOPLE = 5000


def body(number: int, day: date = DAY) -> Body:
    born = date(1949 + number % 58, 1 + number % 12, 1 + number % 28)
    return Body(health_of(f"body-{number}", "FM"[number % 2], born), day)


@pytest.fixture(scope="module")
def crowd() -> list[Visitor]:
    return [Visitor(body(number)) for number in range(PEOPLE)]


def breaking(crowd: list[Visitor], holds: Callable[[Visitor], bool]) -> list[tuple[str, int, dict[str, object]]]:
    """The first few for whom it does not hold, with their values."""
    return [(each.body.sex, each.age, {**each.values}) for each in crowd if not holds(each)][:2]


def picked(visitor: Visitor, code: str) -> list[str]:
    answer = visitor.values.get(code, [])
    return [answer] if isinstance(answer, str) else answer


def test_every_value_can_be_typed_in_and_none_is_missing(crowd: list[Visitor]) -> None:
    problems = set()
    for each in crowd:
        allowed = {code: item for code, item in ITEMS.items() if item.sex in (None, each.body.sex)}
        problems |= {problem for code, value in each.values.items() if (problem := check_entry(ITEMS[code], value))}
        needed = {code for code, item in allowed.items() if not item.optional and item.value_type is not ValueType.CALCULATED}
        problems |= {f"missing {code}" for code in needed - each.values.keys()}
        problems |= {f"computed {code}" for code in each.values if ITEMS[code].value_type is ValueType.CALCULATED}
        problems |= {f"wrong sex {code}" for code in each.values.keys() - allowed.keys()}
        problems |= {f"{code} twice" for code in each.values if len(picked(each, code)) != len(set(picked(each, code)))}
    assert problems == set()


def test_the_tables_use_the_dictionary_s_words() -> None:
    for table in (LASTING, PASSING):
        for code, rows in table.items():
            assert {row.text for row in rows} <= {choice.text for choice in ITEMS[code].choices}, code
            assert (code in MANY) == (ITEMS[code].value_type is ValueType.MULTI), code
            assert all(0 <= share <= 1 for row in rows for share in (row.at_20, row.at_50, row.at_75)), code
            assert {row.risk for row in rows} <= {"", "fat", "hbv", "urate", "kidney", "vessel", "pressure", "smoke"}


def test_nobody_is_normal_and_ill_in_one_answer(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        for code in visitor.values:
            normal = ITEMS[code].normal_text
            if ITEMS[code].value_type is ValueType.MULTI and normal in picked(visitor, code) and len(picked(visitor, code)) > 1:
                return False
        return True

    assert breaking(crowd, holds) == []


def test_pressure_pulse_and_measures_agree(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        number = visitor.number
        return (
            number("SBP") >= number("DBP") + 15
            and number("HC") > number("WC")
            and 14 < visitor.bmi < 46
            and abs(number("PULSE") - number("MED_HR")) < 12
            and abs(number("PULSE") - number("ECG_HR")) < 22
        )

    assert breaking(crowd, holds) == []


def test_the_computed_items_come_out_of_the_values(crowd: list[Visitor]) -> None:
    for each in crowd[:300]:
        readings = case_of(each.body, each.values).readings
        assert float(readings["BMI"].number or 0) == pytest.approx(each.bmi, abs=0.051)
        assert float(readings["EGFR"].number or 0) == pytest.approx(egfr(each), abs=0.51)
        assert (readings["GLB"].number or 0) > 15
        assert (readings["IBIL"].number or 0) > 0


def test_blood_counts_agree_as_an_analyser_s_do(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        number = visitor.number
        parts = sum(number(code) for code in ("NEUTP", "LYMP", "MONOP", "EOSP", "BASOP"))
        return (
            abs(parts - 100) < 0.01
            and abs(number("NEUT") - number("WBC") * number("NEUTP") / 100) < 0.0051
            and abs(number("LYM") - number("WBC") * number("LYMP") / 100) < 0.0051
            and abs(number("MCV") - 10 * number("HCT") / number("RBC")) < 0.051
            and abs(number("MCH") - number("HGB") / number("RBC")) < 0.051
            and abs(number("MCHC") - 100 * number("HGB") / number("HCT")) < 0.51
        )

    assert breaking(crowd, holds) == []


def test_fats_bilirubin_proteins_and_ratios_agree(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        number = visitor.number
        rest = number("TC") - number("HDL") - number("LDL")
        return (
            (abs(rest - number("TG") / 2.2) < 0.4 if number("TG") < 4.5 else 1.5 < rest < number("TG") / 2.2 + 0.4)
            and number("DBIL") < number("TBIL")
            and number("ALB") < number("TP")
            and abs(number("PGR") - number("PG1") / number("PG2")) < 0.051
            and abs(number("INR") - (number("PT") / 12) ** 1.05) < 0.006
            and (not visitor.is_male or number("FPSA") < number("PSA"))
            and number("GLU2H") > 0.8 * number("GLU")
        )

    assert breaking(crowd, holds) == []


def test_sugar_haemoglobin_urine_and_history_tell_one_story(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        number, known = visitor.number, visitor.says("MED_HIS", "糖尿病")
        return (
            (number("GLU") < 9 or number("HBA1C") >= 6.2)
            and (number("HBA1C") < 7.5 or number("GLU") > 6.0)
            and (known or number("GLU") >= 7.0 or number("HBA1C") < 6.5)
            and (number("GLU") < 10.6 or not visitor.says("U_GLU", "−"))
            and (not visitor.says("MED_HIS", "无特殊") or picked(visitor, "MED_HIS") == ["无特殊"])
        )

    assert breaking(crowd, holds) == []
    sweet = [each.number("HBA1C") for each in crowd if each.number("GLU") >= 8]
    plain = [each.number("HBA1C") for each in crowd if each.number("GLU") < 5.5]
    assert sum(sweet) / len(sweet) > sum(plain) / len(plain) + 1.4


def test_hepatitis_b_comes_in_the_patterns_that_exist(crowd: list[Visitor]) -> None:
    codes = ("HBSAG", "HBSAB", "HBEAG", "HBEAB", "HBCAB")
    patterns = {tuple(code for code in codes if each.says(code, "阳性")) for each in crowd}
    assert patterns <= {
        (), ("HBSAB",), ("HBCAB",), ("HBSAB", "HBCAB"), ("HBSAB", "HBEAB", "HBCAB"), ("HBSAG", "HBCAB"),
        ("HBSAG", "HBEAG", "HBCAB"), ("HBSAG", "HBEAB", "HBCAB"),
    }  # fmt: skip
    assert ("HBSAG", "HBEAB", "HBCAB") in patterns


def test_urine_strip_follows_the_sediment_and_the_albumin(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        number = visitor.number
        return (
            (number("U_RBC") <= 3) == visitor.says("U_BLD", "−")
            and (number("U_WBC") <= 5) == visitor.says("U_LEU", "−")
            and (not visitor.says("U_NIT", "阳性") or number("U_WBC") > 5)
            and (number("UACR") < 300 or visitor.says("U_PRO", "1+", "2+", "3+", "4+"))
            and (number("UACR") >= 30 or visitor.says("U_PRO", "−"))
        )

    assert breaking(crowd, holds) == []


def test_the_heart_s_curve_says_what_its_figures_say(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        number, says = visitor.number, visitor.says
        is_irregular = says("ECG_CON", "心房颤动")
        return (
            abs(number("ECG_QTC") - number("ECG_QT") / sqrt(60 / number("ECG_HR"))) < 0.51
            and (is_irregular or (number("ECG_HR") < 60) == says("ECG_CON", "窦性心动过缓"))
            and (is_irregular or (number("ECG_PR") > 200) == says("ECG_CON", "一度房室阻滞"))
            and (number("ECG_AX") < -30) == says("ECG_CON", "电轴左偏")
            and (number("ECG_QTC") > 465) == says("ECG_CON", "QT间期延长")
            and is_irregular == says("MED_RHY", "房颤律")
            and ("ECG_PR" in visitor.values) != is_irregular
        )

    assert breaking(crowd, holds) == []


def test_imaging_grades_and_hands_agree(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        says = visitor.says
        has_nodule = says("US_THY", "甲状腺结节")
        breast = visitor.is_male or says("US_BRE", "乳腺结节") or not says("US_BIRADS", "3", "4", "0")
        return (
            breast
            and (not has_nodule or "US_TIRADS" in visitor.values)
            and (has_nodule or not says("US_TIRADS", "3", "4", "5"))
            and (visitor.number("CIMT") >= 1.0) == says("US_CAR", "颈动脉内中膜增厚")
            and (not says("US_CAR", "颈动脉狭窄") or says("US_CAR", "颈动脉斑块"))
            and not (says("US_ABD", "胆囊切除术后") and says("US_ABD", "胆囊结石"))
            and (visitor.number("VA_R") < 4.9) == ("VAC_R" in visitor.values)
            and visitor.number("FEV1P") < 1.35 * visitor.number("FVCP")
        )

    assert breaking(crowd, holds) == []


def test_hearing_is_in_steps_of_five_and_bone_is_not_worse_than_air(crowd: list[Visitor]) -> None:
    def holds(visitor: Visitor) -> bool:
        number = visitor.number
        sides = [f"{side}_{tone}" for side in "RL" for tone in (500, 1000, 2000, 4000)]
        return all(number(f"AC_{each}") % 5 == 0 and number(f"BC_{each}") <= number(f"AC_{each}") for each in sides)

    assert breaking(crowd, holds) == []


def correlation(pairs: list[tuple[float, float]]) -> float:
    """Pearson's."""
    count = len(pairs)
    left, right = (sum(each[side] for each in pairs) / count for side in (0, 1))
    joint = sum((x - left) * (y - right) for x, y in pairs)
    return joint / sqrt(sum((x - left) ** 2 for x, _ in pairs) * sum((y - right) ** 2 for _, y in pairs))


@pytest.mark.parametrize(
    ("first", "second", "least"),
    [("WT", "WC", 0.6), ("SBP", "DBP", 0.5), ("ALT", "AST", 0.6), ("CREA", "CYSC", 0.5), ("GLU", "HBA1C", 0.6), ("TG", "APOB", 0.1),
     ("PLT", "MPV", -0.7), ("TG", "HDL", -0.8), ("TP", "ALB", 0.3)],
)  # fmt: skip
def test_what_belongs_together_moves_together(crowd: list[Visitor], first: str, second: str, least: float) -> None:
    found = correlation([(each.number(first), each.number(second)) for each in crowd])
    assert found > least and (least > 0 or found < -0.1)


def test_the_fat_have_fatty_livers_and_the_old_weak_bones(crowd: list[Visitor]) -> None:
    def share(chosen: list[Visitor], counts: Callable[[Visitor], bool]) -> float:
        return sum(map(counts, chosen)) / len(chosen)

    heavy, light = [each for each in crowd if each.bmi >= 28], [each for each in crowd if each.bmi < 22]
    assert share(heavy, lambda each: each.says("US_ABD", "脂肪肝")) > 5 * share(light, lambda each: each.says("US_ABD", "脂肪肝"))
    women = [each for each in crowd if not each.is_male]
    old, young = [each for each in women if each.age >= 65], [each for each in women if each.age < 45]
    assert share(old, lambda each: each.number("BMD_T") <= -2.5) > 0.15 > 10 * share(young, lambda each: each.number("BMD_T") <= -2.5)
    assert share(old, lambda each: each.says("EYE_SLIT", "晶体混浊")) > 0.2


def test_the_same_seed_is_the_same_person_on_the_same_day() -> None:
    assert values_of(body(7)) == values_of(body(7))
    assert values_of(body(7)) != values_of(body(9))
    assert (len(body(7).health.traits), len(body(7).health.luck)) == (len(STEADINESS), len(LUCK))


def test_a_later_visit_shows_the_same_body_moved_on() -> None:
    first = [Visitor(body(number, date(2024, 11, 20))) for number in range(1200)]
    later = [Visitor(body(number, date(2026, 11, 20))) for number in range(1200)]
    for code, least in {"HT": 0.99, "WT": 0.93, "SBP": 0.55, "CREA": 0.7, "TC": 0.5, "HGB": 0.8, "UA": 0.7, "BMD_T": 0.9}.items():
        pairs = [(one.number(code), other.number(code)) for one, other in zip(first, later, strict=True)]
        assert least < correlation(pairs) and any(x != y for x, y in pairs), code
    for one, other in zip(first, later, strict=True):
        assert set(picked(one, "US_ABD")) & {"胆囊结石", "肾囊肿", "肝囊肿"} <= {*picked(other, "US_ABD"), *gone_with_the_gallbladder(other)}
        assert not one.says("US_THY", "甲状腺结节") or other.says("US_THY", "甲状腺结节")
        assert not one.says("MED_HIS", "糖尿病") or other.says("MED_HIS", "糖尿病")
        assert all(one.values[code] == other.values[code] for code in ("ABO", "RHD", "EYE_COL", "HBSAG"))


def gone_with_the_gallbladder(visitor: Visitor) -> set[str]:
    return {"胆囊结石"} if visitor.says("US_ABD", "胆囊切除术后") else set()


def test_deviates_are_standard_normal() -> None:
    numbers = [each for number in range(400) for each in body(number).health.traits]
    mean = sum(numbers) / len(numbers)
    spread = sqrt(sum(each * each for each in numbers) / len(numbers) - mean * mean)
    inside = sum(abs(each) < 1.96 for each in numbers) / len(numbers)
    assert abs(mean) < 0.02 and abs(spread - 1) < 0.02 and abs(inside - 0.95) < 0.005
    assert max(map(abs, numbers)) <= 4.1
