"""A person's basics: names, phones, ages, all problems at once, and whether two persons are one."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.errors import BadInput, Refused
from exam.people.facts import IdKind, NewPerson
from exam.people.rules import (
    CheckedPerson,
    Identity,
    Sameness,
    age_on,
    check_person,
    index_phone,
    read_name,
    read_phone,
    same_person,
)

TODAY = date(2026, 5, 1)
ZHANG = NewPerson(name="张三", id_no="450110198503150018", phone="13812345678")


def fields_of(new: NewPerson) -> list[str]:
    """The fields a person is refused for."""
    with pytest.raises(BadInput) as refusal:
        check_person(new, TODAY)
    return [field for field, _ in refusal.value.problems]


def test_the_number_tells_sex_and_birth() -> None:
    checked = check_person(ZHANG, TODAY)
    assert (checked.sex, checked.birth_on) == ("M", date(1985, 3, 15))
    assert checked.warnings == ()


@pytest.mark.parametrize("sex", ["M", "男", " m "])
def test_agreeing_sex_and_birth_may_be_typed(sex: str) -> None:
    typed = msgspec.structs.replace(ZHANG, sex=sex, birth_on=date(1985, 3, 15))
    assert check_person(typed, TODAY).sex == "M"


def test_contradicting_sex_and_birth_are_refused_together() -> None:
    assert fields_of(msgspec.structs.replace(ZHANG, sex="F", birth_on=date(1985, 3, 16))) == ["sex", "birth_on"]


def test_all_problems_are_reported_at_once() -> None:
    wrong = NewPerson(name=" ", id_no="450110198503150019", sex="?", birth_on=date(2026, 5, 2), phone="123", address="a\nb")
    assert fields_of(wrong) == ["name", "phone", "id_no", "sex", "birth_on", "address"]


def test_a_wrong_number_does_not_also_ask_for_sex_and_birth() -> None:
    assert fields_of(msgspec.structs.replace(ZHANG, id_no="450110198503150019")) == ["id_no"]


@pytest.mark.parametrize(("kind", "number"), [(IdKind.NONE, ""), (IdKind.PASSPORT, "E12345678")])
def test_a_document_that_tells_nothing_wants_sex_and_birth_typed(kind: IdKind, number: str) -> None:
    new = NewPerson(name="John Smith", id_kind=kind, id_no=number)
    assert fields_of(new) == ["sex", "birth_on"]
    whole = msgspec.structs.replace(new, sex="女", birth_on=date(1990, 2, 28))
    checked = check_person(whole, TODAY)
    assert (checked.sex, checked.birth_on, checked.id_no) == ("F", date(1990, 2, 28), number)


def test_a_birth_before_1800_is_refused_and_a_very_old_person_warned_about() -> None:
    old = NewPerson(name="彭祖", id_kind=IdKind.NONE, sex="M", birth_on=date(1799, 12, 31))
    assert fields_of(old) == ["birth_on"]
    assert check_person(msgspec.structs.replace(old, birth_on=date(1900, 1, 1)), TODAY).warnings


def test_the_kind_follows_the_number() -> None:
    checked = check_person(NewPerson(name="陈大文", id_no="810000199408230021"), TODAY)
    assert checked.id_kind is IdKind.HK_MACAO_TAIWAN_RESIDENCE
    assert checked.warnings


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (" 张三 ", "张三"),
        ("张 三", "张三"),
        ("张\u3000三", "张三"),
        ("阿卜杜拉·买买提", "阿卜杜拉·买买提"),
        ("阿卜杜拉•买买提", "阿卜杜拉·买买提"),
        ("阿卜杜拉・买买提", "阿卜杜拉·买买提"),
        ("阿卜杜拉.买买提", "阿卜杜拉·买买提"),
        ("阿卜杜拉．买买提", "阿卜杜拉·买买提"),
        ("韦 · 达吉", "韦·达吉"),
        ("John  Smith Jr.", "John Smith Jr."),
        ("O'Neill-Müller", "O'Neill-Müller"),
        ("王\u200b五", "王五"),
        ("李〇", "李〇"),
        ("韦𬭼", "韦𬭼"),
        ("Ｗａｎｇ", "Wang"),
        ("张" * 50, "张" * 50),
    ],
)
def test_names_are_normalised(typed: str, name: str) -> None:
    assert read_name(typed) == name
    assert read_name(name) == name


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "people.name_missing"),
        (" \u3000", "people.name_missing"),
        ("张\n三", "people.name_characters"),
        ("张\x00三", "people.name_characters"),
        ("张\u202e三", "people.name_characters"),
        ("·", "people.name_characters"),
        ("123", "people.name_characters"),
        ("张" * 51, "people.name_length"),
    ],
)
def test_a_name_that_is_none_is_refused(typed: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_name(typed)
    assert refusal.value.code == code


def test_a_name_with_a_private_character_is_kept_with_a_warning() -> None:
    checked = check_person(msgspec.structs.replace(ZHANG, name="张\ue123"), TODAY)
    assert checked.name == "张\ue123"
    assert any("生僻字" in warning for warning in checked.warnings)


@given(st.text(max_size=60))
def test_a_name_is_refused_or_stable(text: str) -> None:
    try:
        name = read_name(text)
    except Refused as refusal:
        assert refusal.code.startswith("people.name_")
    else:
        assert 1 <= len(name) <= 50
        assert read_name(name) == name


@pytest.mark.parametrize(
    ("typed", "phone", "index"),
    [
        ("13812345678", "13812345678", "13812345678"),
        (" 138 1234 5678", "13812345678", "13812345678"),
        ("138-1234-5678", "13812345678", "13812345678"),
        ("+8613812345678", "13812345678", "13812345678"),
        ("008613812345678", "13812345678", "13812345678"),
        ("8613812345678", "13812345678", "13812345678"),
        ("１３８１２３４５６７８", "13812345678", "13812345678"),
        ("0771-5321234", "0771-5321234", "07715321234"),
        ("07715321234", "0771-5321234", "07715321234"),
        ("(0771)5321234转801", "0771-5321234-801", "07715321234"),
        ("0771-5321234-801", "0771-5321234-801", "07715321234"),
        ("010-65321234", "010-65321234", "01065321234"),
        ("5321234", "5321234", "5321234"),
        ("400-820-8820", "4008208820", "4008208820"),
        ("+85298765432", "+85298765432", "+85298765432"),
        ("", "", ""),
    ],
)
def test_phones_are_normalised(typed: str, phone: str, index: str) -> None:
    assert read_phone(typed) == phone
    assert index_phone(typed) == index_phone(phone) == index
    assert read_phone(phone) == phone


@pytest.mark.parametrize("typed", ["1381234567", "138123456789", "12812345678", "110", "张三", "1381234567a", "+1"])
def test_a_wrong_phone_is_refused(typed: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_phone(typed)
    assert refusal.value.field == "phone"


@pytest.mark.parametrize(
    ("birth_on", "day", "age"),
    [
        (date(2000, 2, 29), date(2025, 2, 28), 24),
        (date(2000, 2, 29), date(2025, 3, 1), 25),
        (date(2000, 2, 29), date(2024, 2, 28), 23),
        (date(2000, 2, 29), date(2024, 2, 29), 24),
        (date(1985, 3, 15), date(2026, 3, 14), 40),
        (date(1985, 3, 15), date(2026, 3, 15), 41),
        (date(2026, 5, 1), date(2026, 5, 1), 0),
    ],
)
def test_age_is_in_full_years(birth_on: date, day: date, age: int) -> None:
    assert age_on(birth_on, day) == age


def test_no_age_before_birth() -> None:
    with pytest.raises(Refused):
        age_on(TODAY, TODAY - timedelta(days=1))


@given(born=st.dates(date(1850, 1, 1), date(2026, 1, 1)), days=st.integers(0, 40_000))
def test_age_never_falls_and_grows_by_at_most_one_a_day(born: date, days: int) -> None:
    day = born + timedelta(days=days)
    assert age_on(born, day + timedelta(days=1)) - age_on(born, day) in (0, 1)
    assert age_on(born, day) <= days / 365


FILED = Identity("张三", IdKind.RESIDENT, "450110198503150018", "M", date(1985, 3, 15), "13812345678")
OTHER_NO = "450110199007220026"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Sameness.SAME),
        ({"phone": "13900000000"}, Sameness.SAME),
        ({"name": "张 三"}, Sameness.SAME),
        ({"name": "李四"}, Sameness.CONFLICT),
        ({"sex": "F"}, Sameness.CONFLICT),
        ({"birth_on": date(1985, 3, 16)}, Sameness.CONFLICT),
        ({"id_no": OTHER_NO}, Sameness.MAYBE),
        ({"id_no": "", "id_kind": IdKind.NONE}, Sameness.MAYBE),
        ({"id_kind": IdKind.PASSPORT, "id_no": "E12345678", "phone": ""}, Sameness.MAYBE),
        ({"id_no": OTHER_NO, "birth_on": date(1990, 7, 22), "phone": "+86 138 1234 5678"}, Sameness.MAYBE),
        ({"id_no": OTHER_NO, "birth_on": date(1990, 7, 22), "phone": "13900000000"}, Sameness.DIFFERENT),
        ({"id_no": OTHER_NO, "birth_on": date(1990, 7, 22), "phone": ""}, Sameness.DIFFERENT),
        ({"id_no": OTHER_NO, "name": "李四"}, Sameness.DIFFERENT),
    ],
)
def test_two_persons_are_compared(changes: dict, verdict: Sameness) -> None:
    other = msgspec.structs.replace(FILED, **changes)
    assert same_person(FILED, other) is verdict
    assert same_person(other, FILED) is verdict


def test_the_old_and_the_new_number_of_one_person_are_the_same() -> None:
    old = Identity("韦大", IdKind.RESIDENT, "450122780101103", "M", date(1978, 1, 1))
    new = CheckedPerson(name="韦大", id_kind=IdKind.RESIDENT, id_no="450122197801011033", sex="M", birth_on=date(1978, 1, 1))
    assert same_person(old, new) is Sameness.SAME


def test_two_persons_without_phone_or_document_are_not_one_for_that() -> None:
    a = Identity("张三", IdKind.NONE, "", "M", date(1985, 3, 15))
    b = Identity("李四", IdKind.NONE, "", "M", date(1985, 3, 15))
    assert same_person(a, b) is Sameness.DIFFERENT


def test_a_permit_and_a_passport_of_equal_text_are_not_one_number() -> None:
    a = Identity("张三", IdKind.HK_MACAO_PERMIT, "H12345678", "M", date(1985, 3, 15))
    b = Identity("李四", IdKind.PASSPORT, "H12345678", "M", date(1985, 3, 15))
    assert same_person(a, b) is Sameness.DIFFERENT
