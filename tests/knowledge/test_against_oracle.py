"""The rules against the slow oracle of `tools/rule_oracle`, the quick part; `make prove-rules` is the whole."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.catalog.facts import ValueType
from exam.knowledge import language as say
from exam.knowledge.book import Rule, RuleBook
from exam.knowledge.facts import Case, Flag, Reading, Severity, Subject
from exam.knowledge.rules import CompiledRules, flags, holds, judge, suggest
from tests.knowledge.cases import MAN, ON, case_of
from tools import rule_oracle
from tools.rule_oracle import draws, trials
from tools.rule_oracle.compare import Judges, Pair, condition_difference
from tools.rule_oracle.conditions import Visit, truth
from tools.rule_oracle.values import Value, worlds

SEED = 20261121


def test_the_oracle_does_not_look_at_the_rules_it_checks() -> None:
    folder = Path(rule_oracle.__file__).parent
    for name in ("values", "conditions", "conclusions", "draws"):
        assert "knowledge.rules" not in (folder / f"{name}.py").read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    ("trial", "size"),
    [("values", 100), ("lab_ranges", 2_000), ("conditions", 300), ("shipped", 60), ("other_books", 40), ("factors", 0)],
)
def test_product_and_oracle_agree(trial: str, size: int) -> None:
    found: trials.Found = getattr(trials, trial)(SEED, size)
    assert found.counts.total() >= size
    assert found.differences == []


@pytest.mark.parametrize("place", range(3))
def test_both_sides_of_every_bound_agree(place: int) -> None:
    found = trials.boundaries(place * 13, 40)  # every fortieth item here, each of them in `make prove-rules`
    assert found.counts["boundaries"] > 1_000
    assert found.differences == []


def test_the_comparison_finds_a_bound_that_is_read_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    right = flags.flag_amount

    def wrong(comparator: str, number: Decimal, low: Decimal | None, high: Decimal | None, *more: bool) -> Flag:
        return Flag.HIGH if not comparator and number == high else right(comparator, number, low, high, *more)

    monkeypatch.setattr(flags, "flag_amount", wrong)
    assert trials.boundaries(0, 40).differences


# --- conditions that hypothesis makes -----------------------------------------------------------------------------------------

PEOPLE = st.builds(
    Subject, sex=st.sampled_from(["M", "F"]), age=st.sampled_from(draws.AGES), history=st.frozensets(st.sampled_from(draws.HISTORY))
)
ITEMS = {code: trials.ITEMS[code] for code in ("GLU", "UA", "BMD_T", "U_PRO", "US_TIRADS")} | {"CT_TEXT": draws.TEXT_ITEM}
NUMBERS = [code for code, item in ITEMS.items() if item.value_type is ValueType.NUMBER]
WITH_CHOICES = [code for code, item in ITEMS.items() if item.choices]


def written(code: str) -> st.SearchStrategy[str]:
    """Texts for one item."""
    item = ITEMS[code]
    if item.choices:
        return st.sampled_from([each.text for each in item.choices] + ["(-)", "+", "别的"])
    if item.value_type is ValueType.TEXT:
        return st.sampled_from(draws.SENTENCES)
    marks = draws.edges(draws.bounds_of(item), item.decimals)
    return st.builds(str.__add__, st.sampled_from(["", "", "<", "≤", ">", ">="]), st.sampled_from(marks)) | st.just("未检")


def limits(code: str) -> st.SearchStrategy[Decimal]:
    """Numbers near the item's bounds."""
    return st.sampled_from(draws.edges(draws.bounds_of(ITEMS[code]), ITEMS[code].decimals)).map(Decimal)


def asking(code: str) -> st.SearchStrategy[say.Condition]:
    """Simple conditions on a number."""
    op = st.sampled_from(draws.RELATIONS)
    unit = st.sampled_from(["", ITEMS[code].unit])
    span = st.tuples(limits(code), st.sampled_from([Decimal(1), Decimal(40)]))
    return st.one_of(
        st.builds(say.Compare, st.just(code), op, limits(code), unit),
        span.flatmap(lambda ends: st.builds(say.Between, st.just(code), st.just(ends[0]), st.just(ends[0] + ends[1]), unit)),
        st.builds(say.Flagged, st.just(code), st.tuples(st.sampled_from(["normal", "low", "high"]))),
        st.builds(say.LimitMultiple, st.just(code), op, st.sampled_from([Decimal(1), Decimal(2)])),
        st.builds(say.Earlier, st.just(code), op, limits(code)),
        st.builds(say.Change, st.just(code), op, st.sampled_from([Decimal(-10), Decimal(0), Decimal(10)])),
    )


SIMPLE: st.SearchStrategy[say.Condition] = st.one_of(
    st.sampled_from(NUMBERS).flatmap(asking),
    st.sampled_from(WITH_CHOICES).flatmap(
        lambda code: st.builds(say.Chosen, st.just(code), st.tuples(st.sampled_from([each.text for each in ITEMS[code].choices])))
    ),
    st.builds(say.Says, st.just("CT_TEXT"), st.tuples(st.sampled_from(draws.PHRASES))),
    st.builds(say.Missing, st.sampled_from(list(ITEMS))),
    st.builds(say.HasEarlier, st.sampled_from(list(ITEMS))),
    st.sampled_from(WITH_CHOICES).flatmap(
        lambda code: st.builds(
            say.EarlierChosen, st.just(code), st.tuples(st.sampled_from([each.text for each in ITEMS[code].choices]))
        )
    ),
    st.builds(say.Age, st.sampled_from(draws.AGES)),
    st.builds(say.Sex, st.sampled_from(["M", "F"])),
    st.builds(say.History, st.tuples(st.sampled_from(draws.HISTORY))),
)
CONDITIONS: st.SearchStrategy[say.Condition] = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(say.AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(say.AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(say.AtLeast, st.integers(0, 3), st.lists(inner, max_size=3).map(tuple)),
        st.builds(say.Not, inner),
    ),
    max_leaves=8,
)
VALUES = st.fixed_dictionaries({}, optional={code: written(code).map(lambda raw: (raw, "")) for code in ITEMS})
JUDGES = Judges(ITEMS)
VISITS = st.builds(lambda who, today, before: JUDGES.pair(who, ON, today, before), PEOPLE, VALUES, VALUES)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(CONDITIONS, VISITS)
def test_any_condition_means_the_same_to_both(condition: say.Condition, pair: Pair) -> None:
    assert condition_difference(condition, pair) is None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(CONDITIONS, VISITS, st.sets(st.sampled_from(list(ITEMS))), st.sets(st.sampled_from(draws.HISTORY)))
def test_what_a_part_of_a_visit_says_holds_of_the_whole(
    condition: say.Condition, pair: Pair, left_out: set[str], untold: set[str]
) -> None:
    whole = pair.case
    who = Subject(whole.subject.sex, whole.subject.age, whole.subject.history - untold)
    today, before = ({code: each for code, each in held.items() if code not in left_out} for held in (whole.readings, whole.earlier))
    for part in (Case(who, ON, today, before, True), Case(who, ON, today, whole.earlier, True), Case(who, ON, today, {}, True)):
        early = holds(condition, part)
        assert early is None or early is holds(condition, whole)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(CONDITIONS, VISITS)
def test_a_sure_answer_is_the_answer_for_every_number_an_open_result_may_stand_for(condition: say.Condition, pair: Pair) -> None:
    sure = holds(condition, pair.case)
    if sure is None:
        return
    for number in range(4):
        closed = {code: _closed(code, value, pair, number) for code, value in pair.visit.today.items()}
        answer = holds(condition, Case(pair.case.subject, ON, closed, pair.case.earlier))
        assert answer is None or answer is sure


def _closed(code: str, value: Value, pair: Pair, number: int) -> Reading:
    """An open result as one of the numbers it may stand for; others as they are."""
    if value.number is None or not value.comparator:
        return pair.case.readings[code]
    item = ITEMS[code]
    possible = worlds(value.comparator, value.number, draws.bounds_of(item), None if code == "BMD_T" else Fraction(0))
    if not possible:
        return pair.case.readings[code]
    return judge(item, draws.text_of(possible[number % len(possible)], item.decimals + 2), "", pair.case.subject)


# --- what the comparison found ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", ["<0", "<-6", "≤-6"])
def test_a_result_under_what_can_be_is_not_judged(raw: str) -> None:
    assert judge(trials.ITEMS["WC"], raw, "", MAN).flag is Flag.UNKNOWN
    assert judge(trials.ITEMS["C13"], raw, "", MAN).flag is Flag.NORMAL  # may be negative


@pytest.mark.parametrize(
    "sentence",
    ["不能排除{}", "不除外{}", "未排除{}", "无法排除{}", "{}待排", "{}可能不除外", "未见骨折;{}", "{}无明显变化", "不能完全排除{}", "难以排除{}",
     "未能排除{}"],
)
def test_what_a_doctor_cannot_rule_out_is_stated(sentence: str) -> None:
    text = Reading("CT_TEXT", "胸部CT描述", sentence.format("肺栓塞"))
    assert holds(say.Says("CT_TEXT", ("肺栓塞",)), Case(MAN, ON, {"CT_TEXT": text})) is True


@pytest.mark.parametrize("sentence", ["未见{}", "无明显{}", "已排除{}", "{}已排除", "未见骨折、{}", "未见骨折及{}", "否认{}", "{}(-)", "不考虑{}"])
def test_what_a_doctor_denies_is_not_stated(sentence: str) -> None:
    text = Reading("CT_TEXT", "胸部CT描述", sentence.format("肺栓塞"))
    assert holds(say.Says("CT_TEXT", ("肺栓塞",)), Case(MAN, ON, {"CT_TEXT": text})) is False


@pytest.mark.parametrize("condition", [say.Missing("EGFR"), say.Not(say.HasEarlier("EGFR")), say.Not(say.Says("EGFR", ("气胸",)))])
def test_an_item_without_a_value_is_missing(condition: say.Condition) -> None:
    empty = Reading("EGFR", "估算肾小球滤过率", "", why="肌酐为零")
    case = Case(MAN, ON, {"EGFR": empty}, {"EGFR": empty})
    sure = Visit(MAN, {"EGFR": Value("EGFR")}, {"EGFR": Value("EGFR")})
    assert holds(condition, case) is truth(condition, sure)


def test_a_choice_is_not_excluded_while_a_text_beside_it_cannot_be_read() -> None:
    case = case_of({"CT_CHE": ("肺气肿", "右肺上叶占位")})
    assert holds(say.Chosen("CT_CHE", ("肺部肿块",)), case) is None


def test_an_unreadable_sign_keeps_its_own_line_beside_an_ultrasound_finding() -> None:
    case = case_of({"SUR_THY": "质硬,固定", "US_THY": ("甲状腺结节",)})
    nodule = Rule("N", 1, say.Chosen("US_THY", ("甲状腺结节",)), "甲状腺结节", "异常", Severity.IMPORTANT)
    assert len(suggest(case, CompiledRules(RuleBook((nodule,))))) == 2
