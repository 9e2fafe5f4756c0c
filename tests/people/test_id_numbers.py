"""Document numbers: the vectors of domain.md §6.1, and every single slip of a digit."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.errors import Refused
from exam.people.facts import IdKind
from exam.people.rules import check_character, guess_kind, index_id, index_last_four, read_id_number, to_eighteen

TODAY = date(2026, 5, 1)
RESIDENT, RESIDENCE, FOREIGN = IdKind.RESIDENT, IdKind.HK_MACAO_TAIWAN_RESIDENCE, IdKind.FOREIGN_PERMANENT

VECTORS = [
    (RESIDENT, "11010519491231002X", "F", date(1949, 12, 31)),
    (RESIDENT, "440524188001010014", "M", date(1880, 1, 1)),
    (RESIDENT, "450110198503150018", "M", date(1985, 3, 15)),
    (RESIDENT, "450110199007220026", "F", date(1990, 7, 22)),
    (RESIDENT, "450103196511052044", "F", date(1965, 11, 5)),
    (RESIDENT, "450110200002293010", "M", date(2000, 2, 29)),
    (RESIDENCE, "810000199408230021", "F", date(1994, 8, 23)),
    (RESIDENCE, "830000199201300022", "F", date(1992, 1, 30)),
    (FOREIGN, "911124198108030024", "F", date(1981, 8, 3)),
]
VALID = [number for _, number, _, _ in VECTORS]


def card(region: str, born: date, sequence: str) -> str:
    """A whole card number out of its parts."""
    body = f"{region}{born:%Y%m%d}{sequence}"
    return body + check_character(body)


def code_of(kind: IdKind | None, text: str) -> str:
    """The code with which a number is refused."""
    with pytest.raises(Refused) as refusal:
        read_id_number(kind, text, TODAY)
    assert refusal.value.field == "id_no"
    assert refusal.value.hint
    return refusal.value.code


@pytest.mark.parametrize(("kind", "number", "sex", "birth_on"), VECTORS)
def test_a_vector_tells_kind_sex_and_birth(kind: IdKind, number: str, sex: str, birth_on: date) -> None:
    read = read_id_number(None, number, TODAY)
    assert (read.kind, read.number, read.sex, read.birth_on) == (kind, number, sex, birth_on)
    assert guess_kind(number) is kind


@pytest.mark.parametrize(
    ("short", "long"), [("130503670401001", "130503196704010016"), ("450122780101103", "450122197801011033")]
)
def test_fifteen_digits_become_eighteen(short: str, long: str) -> None:
    read = read_id_number(RESIDENT, short, TODAY)
    assert read.number == to_eighteen(short) == long
    assert read.sex == "M"
    assert any("15位" in warning for warning in read.warnings)
    assert index_id(short) == index_id(long) == long


@pytest.mark.parametrize("sequence", ["996", "997", "998", "999"])
def test_centenarian_sequences_are_of_the_eighteen_hundreds(sequence: str) -> None:
    read = read_id_number(RESIDENT, f"450103980212{sequence}", TODAY)
    assert read.birth_on == date(1898, 2, 12)
    assert any("120岁" in warning for warning in read.warnings)


def test_sequence_995_is_of_the_nineteen_hundreds() -> None:
    assert read_id_number(RESIDENT, "450103980212995", TODAY).birth_on == date(1998, 2, 12)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("11010519491231002Y", "people.id_characters"),
        ("110105194912310021", "people.id_checksum"),
        ("450110198502300019", "people.id_birth_date"),
        ("45011019850230", "people.id_length"),
        ("4501101985031500188", "people.id_length"),
        ("4501101985O3150018", "people.id_characters"),
        ("٤50110198503150018", "people.id_characters"),
        ("45010378010110X", "people.id_characters"),
        ("450103781301103", "people.id_birth_date"),
        ("", "people.id_missing"),
        ("  \t", "people.id_missing"),
        (card("450103", date(2026, 5, 2), "001"), "people.id_future"),
        (card("450103", date(1799, 12, 31), "001"), "people.id_birth_date"),
    ],
)
def test_a_wrong_card_number_is_refused_with_its_reason(text: str, code: str) -> None:
    assert code_of(RESIDENT, text) == code


def test_a_child_born_today_may_be_read() -> None:
    assert read_id_number(RESIDENT, card("450103", TODAY, "001"), TODAY).birth_on == TODAY


@pytest.mark.parametrize(
    "text",
    [
        "11010519491231002x",
        " 110105 19491231 002x\r\n",
        "\u3000１１０１０５１９４９１２３１００２Ｘ",
        "1101051949123100\u200b2\ufeffｘ",
    ],
)
def test_small_letters_wide_characters_and_spaces_are_normalised(text: str) -> None:
    assert read_id_number(RESIDENT, text, TODAY).number == "11010519491231002X"
    assert index_id(text) == "11010519491231002X"
    assert index_last_four(text) == "002X"


def test_an_unknown_region_only_warns() -> None:
    foreign = read_id_number(FOREIGN, card("999124", date(1980, 1, 1), "001"), TODAY)
    assert foreign.kind is FOREIGN
    assert any("99" in warning for warning in foreign.warnings)
    odd = read_id_number(RESIDENT, card("660103", date(1980, 1, 1), "001"), TODAY)
    assert odd.kind is RESIDENT
    assert any("66" in warning for warning in odd.warnings)


@pytest.mark.parametrize("number", VALID[2:6])
def test_an_ordinary_number_has_no_warnings(number: str) -> None:
    assert read_id_number(RESIDENT, number, TODAY).warnings == ()


@pytest.mark.parametrize("prefix", ["81", "82", "83"])
def test_residence_prefixes_are_recognised_whatever_card_the_desk_chose(prefix: str) -> None:
    read = read_id_number(RESIDENT, card(f"{prefix}0000", date(1990, 1, 1), "002"), TODAY)
    assert read.kind is RESIDENCE
    assert any("港澳台居民居住证" in warning for warning in read.warnings)


def test_a_resident_number_typed_as_a_foreign_card_is_recognised() -> None:
    assert read_id_number(FOREIGN, "450110198503150018", TODAY).kind is RESIDENT


@pytest.mark.parametrize("number", VALID)
def test_every_single_wrong_digit_is_refused(number: str) -> None:
    kind = guess_kind(number)
    accepted = [
        (place, other)
        for place in range(18)
        for other in "0123456789X"
        if other != number[place] and _is_accepted(kind, number[:place] + other + number[place + 1 :])
    ]
    assert accepted == []


def _is_accepted(kind: IdKind | None, text: str) -> bool:
    try:
        read_id_number(kind, text, TODAY)
    except Refused:
        return False
    return True


@given(
    region=st.from_regex(r"[1-8][0-9]{5}", fullmatch=True),
    born=st.dates(date(1900, 1, 1), TODAY),
    sequence=st.integers(0, 995),
    place=st.integers(0, 16),
    step=st.integers(1, 9),
)
def test_any_card_number_reads_back_and_any_slip_is_refused(
    region: str, born: date, sequence: int, place: int, step: int
) -> None:
    number = card(region, born, f"{sequence:03d}")
    read = read_id_number(RESIDENT, number, TODAY)
    assert (read.number, read.birth_on, read.sex) == (number, born, "M" if sequence % 2 else "F")
    wrong = number[:place] + str((int(number[place]) + step) % 10) + number[place + 1 :]
    assert not _is_accepted(RESIDENT, wrong)


@given(
    region=st.from_regex(r"[1-8][0-9]{5}", fullmatch=True),
    born=st.dates(date(1900, 1, 1), date(1999, 12, 31)),
    sequence=st.integers(0, 995),
)
def test_both_lengths_of_one_person_share_an_index(region: str, born: date, sequence: int) -> None:
    assert index_id(f"{region}{born:%y%m%d}{sequence:03d}") == index_id(card(region, born, f"{sequence:03d}"))


@pytest.mark.parametrize(
    ("kind", "text", "number"),
    [
        (IdKind.HK_MACAO_PERMIT, "h12345678", "H12345678"),
        (IdKind.HK_MACAO_PERMIT, "M1234567801", "M1234567801"),
        (IdKind.TAIWAN_PERMIT, "12345678", "12345678"),
        (IdKind.TAIWAN_PERMIT, "0123456701", "0123456701"),
        (IdKind.PASSPORT, "e12345678", "E12345678"),
        (IdKind.PASSPORT, "123456789", "123456789"),
        (FOREIGN, "can110181080302", "CAN110181080302"),
    ],
)
def test_other_documents_are_normalised_and_tell_neither_sex_nor_birth(kind: IdKind, text: str, number: str) -> None:
    read = read_id_number(kind, text, TODAY)
    assert (read.kind, read.number, read.sex, read.birth_on) == (kind, number, None, None)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (IdKind.HK_MACAO_PERMIT, "H123456789"),
        (IdKind.HK_MACAO_PERMIT, "A12345678"),
        (IdKind.TAIWAN_PERMIT, "123456789"),
        (IdKind.PASSPORT, "E123"),
        (IdKind.PASSPORT, "E12345678901234567"),
        (IdKind.PASSPORT, "E1234-678"),
    ],
)
def test_a_malformed_permit_or_passport_is_refused(kind: IdKind, text: str) -> None:
    assert code_of(kind, text) == "people.id_form"


def test_no_document_wants_no_number() -> None:
    assert read_id_number(IdKind.NONE, " ", TODAY).number == ""
    assert code_of(IdKind.NONE, "450110198503150018") == "people.id_unexpected"


def test_a_permit_keeps_its_index_through_renewals() -> None:
    assert index_id("H1234567801") == index_id("H1234567802") == index_id("h12345678")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("130503670401001", RESIDENT),
        ("450110198503150019", RESIDENT),
        ("CAN110181080302", FOREIGN),
        ("h12345678", IdKind.HK_MACAO_PERMIT),
        ("12345678", IdKind.TAIWAN_PERMIT),
        ("E12345678", IdKind.PASSPORT),
        ("13812345678", None),
        ("0102260501000018", None),
        ("010226050100001801", None),
        ("张三", None),
        ("zhangsan", None),
        ("", None),
    ],
)
def test_the_kind_is_guessed_from_the_text(text: str, kind: IdKind | None) -> None:
    assert guess_kind(text) is kind


def test_a_mistyped_card_without_a_kind_still_gets_a_precise_refusal() -> None:
    assert code_of(None, "450110118503150018") == "people.id_birth_date"
    assert code_of(None, "13812345678") == "people.id_unknown_kind"


@given(st.text(max_size=30))
def test_no_text_breaks_reading_or_indexing(text: str) -> None:
    for kind in (None, *IdKind):
        try:
            read = read_id_number(kind, text, TODAY)
        except Refused as refusal:
            assert refusal.code.startswith("people.id_")
        else:
            assert index_id(read.number) == index_id(text)
