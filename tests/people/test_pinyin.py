"""Pinyin: surnames read as surnames, every reading searchable, and a bound on how many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.people.pinyin import MAX_INITIALS, MAX_SPELLINGS, SURNAMES, initials, readings, sort_key


@pytest.mark.parametrize(
    ("name", "spelling", "short"),
    [
        ("单雄信", "shanxiongxin", "sxx"),
        ("仇英", "qiuying", "qy"),
        ("曾国藩", "zengguofan", "zgf"),
        ("解缙", "xiejin", "xj"),
        ("查良镛", "zhaliangyong", "zly"),
        ("区志航", "ouzhihang", "ozh"),
        ("朴树", "piaoshu", "ps"),
        ("乐嘉", "yuejia", "yj"),
        ("尉迟恭", "yuchigong", "ycg"),
        ("欧阳修", "ouyangxiu", "oyx"),
        ("万俟卨", "moqixie", "mqx"),
        ("覃塘", "qintang", "qt"),
        ("吕布", "lvbu", "lb"),
        ("韦𬭼", "weisui", "ws"),
        ("John Smith", "johnsmith", "js"),
    ],
)
def test_a_name_is_spelt_as_its_bearer_says_it(name: str, spelling: str, short: str) -> None:
    found = readings(name)
    assert found[0] == spelling
    assert short in found


@pytest.mark.parametrize(
    ("name", "typed"),
    [("单雄信", "danxiongxin"), ("仇英", "chouying"), ("覃塘", "tantang"), ("吕布", "lyubu"), ("单于", "chanyu"), ("乐", "le")],
)
def test_other_readings_are_found_too(name: str, typed: str) -> None:
    assert typed in readings(name)


def test_a_word_is_shortened_in_its_usual_reading() -> None:
    assert initials("血常规") == "xcg"
    assert initials("单核细胞") == "dhxb"
    assert initials("C13 呼气试验") == "c13hqsy"
    assert initials("·") == ""


def test_names_sort_by_the_surname_as_it_is_said() -> None:
    names = ["张三", "曾国藩", "单雄信", "上官云", "丁一"]
    assert sorted(names, key=sort_key) == ["丁一", "单雄信", "上官云", "曾国藩", "张三"]


def test_the_surname_table_holds_single_characters_and_plain_letters() -> None:
    assert len(SURNAMES) >= 60
    for surname, spoken in SURNAMES.items():
        assert len(surname) == 1
        assert all(each.isascii() and each.islower() for each in spoken)


def test_a_name_without_letters_has_no_spelling() -> None:
    assert readings("··") == ()
    assert readings("") == ()


@given(st.text(alphabet="单乐重行长朴解区曾佘阿卜都·Ab1 \ue001𬭼", max_size=50))
def test_the_number_of_spellings_is_bounded_and_they_are_typeable(name: str) -> None:
    found = readings(name)
    assert len(found) <= MAX_SPELLINGS + MAX_INITIALS
    assert len(set(found)) == len(found)
    assert all(each and " " not in each and each == each.lower() for each in found)


@given(st.text(max_size=20))
def test_no_text_breaks_the_spelling(text: str) -> None:
    assert isinstance(initials(text), str)
    assert sort_key(text).endswith(text)
    assert len(readings(text)) <= MAX_SPELLINGS + MAX_INITIALS
