"""What was there last year already is known, not new; and a line about many findings names the one that was found."""

from __future__ import annotations

from datetime import date

import pytest

from exam.knowledge.facts import Case, Subject
from exam.knowledge.language import EarlierChosen, Not
from exam.knowledge.rules import CompiledRules, alerts_of, holds, suggest
from exam.knowledge.starter import load_rule_book
from tests.knowledge.cases import case_of

BOOK = CompiledRules(load_rule_book())
FIBRILLATION = EarlierChosen("ECG_CON", ("心房颤动",))


def ecg(today: tuple[str, ...], earlier: tuple[str, ...] = ()) -> Case:
    before = case_of({"ECG_CON": earlier}).readings if earlier else {}
    case = case_of({"ECG_CON": today})
    return Case(case.subject, case.on, case.readings, before)


@pytest.mark.parametrize(
    ("today", "earlier", "alert", "line"),
    [
        (("心房颤动",), (), "B26", "心电图重要异常:心房颤动"),
        (("心房颤动",), ("正常心电图",), "B26", "心电图重要异常:心房颤动"),
        (("心房颤动",), ("心房颤动",), "", "既往已有的心电图异常:心房颤动"),
        (("心房颤动", "频发室性早搏"), ("心房颤动",), "B26", "心电图重要异常:频发室性早搏"),
        (("损伤型ST段抬高",), ("心房颤动",), "C-ECG", "心电图危急表现:损伤型ST段抬高"),
    ],
)
def test_new_is_told_from_known_and_the_line_names_it(today: tuple[str, ...], earlier: tuple[str, ...], alert: str, line: str) -> None:
    case = ecg(today, earlier)
    assert [each.rule for each in alerts_of(case, BOOK)] == ([alert] if alert else [])
    assert line in [each.text for each in suggest(case, BOOK)]


def test_an_earlier_choice_is_unknown_only_of_a_part_or_of_what_nobody_can_read() -> None:
    nobody = Case(Subject("M", 50), date(2026, 11, 21), {})
    part = Case(Subject("M", 50), date(2026, 11, 21), {}, is_partial=True)
    unreadable = ecg(("正常心电图",), ("房颤心律",))
    assert (holds(FIBRILLATION, nobody), holds(Not(FIBRILLATION), nobody)) == (False, True)
    assert holds(FIBRILLATION, part) is None
    assert holds(FIBRILLATION, unreadable) is None
