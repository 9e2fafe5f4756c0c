"""Ids ascend; printed numbers show every slip of a digit and every swap of neighbours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from threading import Thread
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.clock import FrozenClock
from exam.kit.errors import Refused
from exam.kit.ids import (
    IdMaker,
    check_digit,
    is_valid_number,
    new_id,
    read_barcode,
    read_visit_no,
    tube_barcode,
    visit_no,
)
from exam.kit.random import SeededRandom

START = datetime(2026, 5, 1, 0, 0, tzinfo=UTC)
DAY = date(2026, 5, 1)
NUMBER = visit_no("01", "02", DAY, 1)


# --- time-ordered ids


def test_an_id_has_the_layout_of_rfc_9562() -> None:
    # RFC 9562 appendix A.6: 2022-02-22 14:22:22 -05:00, rand_a CC3, rand_b 18C4DC0C0C07398F
    chance = bytes.fromhex("0CC3" + "18C4DC0C0C07398F")
    assert new_id(chance, 0x017F22E279B0) == UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


def test_an_id_wants_ten_random_bytes() -> None:
    with pytest.raises(ValueError, match="random bytes"):
        new_id(b"123", 0)


def test_ids_ascend_while_the_clock_stands_still() -> None:
    maker = IdMaker(FrozenClock(START), SeededRandom("still"))
    made = [maker.new() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert all(each.version == 7 and each.variant == "specified in RFC 4122" for each in made)


def test_ids_ascend_when_the_clock_is_set_back() -> None:
    clock = FrozenClock(START)
    maker = IdMaker(clock, SeededRandom("back"))
    made = []
    for step in (0, 5, -3_600, 1, 3_700):
        clock.advance(seconds=step)
        made += [maker.new() for _ in range(50)]
    assert made == sorted(set(made))


def test_an_id_carries_the_clock_in_milliseconds() -> None:
    maker = IdMaker(FrozenClock(START + timedelta(milliseconds=7)), SeededRandom("time"))
    assert maker.new().int >> 80 == int(START.timestamp()) * 1000 + 7


def test_threads_never_get_the_same_id() -> None:
    maker = IdMaker(FrozenClock(START), SeededRandom("threads"))
    per_thread: list[list[UUID]] = [[] for _ in range(4)]
    threads = [Thread(target=lambda made=made: made.extend(maker.new() for _ in range(1_000))) for made in per_thread]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each for made in per_thread for each in made}) == 4_000
    assert all(made == sorted(made) for made in per_thread)


# --- check digits


def test_the_check_digit_of_the_thesis_is_met() -> None:
    assert check_digit("572") == "4"
    assert is_valid_number("5724")


@pytest.mark.parametrize("text", ["", "0", "5723", "57a4", "５７２４", " 5724", "5724\n"])
def test_a_text_that_is_no_checked_number_is_told(text: str) -> None:
    assert not is_valid_number(text)


def test_a_check_digit_wants_digits() -> None:
    with pytest.raises(ValueError, match="digits"):
        check_digit("12a")


NUMBERS = [visit_no(f"{n % 7:02d}", f"{n % 13:02d}", DAY + timedelta(days=n), n * 97 % 99_999 + 1) for n in range(200)]


def test_every_single_wrong_digit_is_found() -> None:
    missed = [
        (number, place, other)
        for number in NUMBERS
        for place in range(16)
        for other in "0123456789"
        if other != number[place] and is_valid_number(number[:place] + other + number[place + 1 :])
    ]
    assert missed == []


def test_every_swap_of_neighbours_is_found() -> None:
    missed = []
    for number in NUMBERS:
        for place in range(15):
            swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            if swapped != number and is_valid_number(swapped):
                missed.append((number, place))
    assert missed == []


def test_every_slip_in_every_state_is_found() -> None:
    # All pairs of digits after all ten states of the check, which three digits before them reach.
    prefixes = {check_digit(f"{n:03d}"): f"{n:03d}" for n in range(1_000)}
    assert len(prefixes) == 10
    for prefix in prefixes.values():
        for pair in range(100):
            first, second = f"{pair:02d}"
            good = check_digit(prefix + first + second)
            if first != second:
                assert check_digit(prefix + second + first) != good
            assert all(check_digit(prefix + first + other) != good for other in "0123456789" if other != second)
            assert all(check_digit(prefix + other + second) != good for other in "0123456789" if other != first)
            # The check digit itself swapped with the digit before it.
            if good != second:
                assert not is_valid_number(prefix + first + good + second)


@given(st.text("0123456789", min_size=1, max_size=40))
def test_a_number_with_its_check_digit_is_valid(digits: str) -> None:
    assert is_valid_number(digits + check_digit(digits))


# --- visit numbers and barcodes


def test_a_visit_number_is_site_device_day_sequence_and_check() -> None:
    assert NUMBER[:15] == "010226050100001"
    assert len(NUMBER) == 16
    assert is_valid_number(NUMBER)


@pytest.mark.parametrize(("site", "device"), [("1", "02"), ("01", "2"), ("ab", "01"), ("01", "０1"), ("001", "01"), ("01", "01\n")])
def test_a_prefix_must_be_two_digits(site: str, device: str) -> None:
    with pytest.raises(Refused, match=r"ids\.prefix"):
        visit_no(site, device, DAY, 1)


@pytest.mark.parametrize("sequence", [-1, 0, 100_000])
def test_a_full_series_is_refused(sequence: int) -> None:
    with pytest.raises(Refused, match=r"ids\.series_full"):
        visit_no("01", "02", DAY, sequence)


@pytest.mark.parametrize("n", [-1, 0, 100])
def test_a_tube_beyond_two_digits_is_refused(n: int) -> None:
    with pytest.raises(Refused, match=r"ids\.too_many_tubes"):
        tube_barcode(NUMBER, n)


@given(
    site=st.integers(0, 99),
    device=st.integers(0, 99),
    day=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    sequence=st.integers(1, 99_999),
    n=st.integers(1, 99),
)
def test_whatever_is_printed_is_read_back(site: int, device: int, day: date, sequence: int, n: int) -> None:
    number = visit_no(f"{site:02d}", f"{device:02d}", day, sequence)
    tube = tube_barcode(number, n)
    assert len(tube) == 18
    assert read_barcode(number) == (number, None)
    assert read_barcode(tube) == (number, n)
    assert read_visit_no(tube) == number


@pytest.mark.parametrize("text", ["{}\r", "{}\r\n", "{}\t", "  {} ", "\u3000{}"])
def test_what_a_scanner_adds_is_stripped(text: str) -> None:
    assert read_visit_no(text.format(NUMBER)) == NUMBER


def test_a_number_typed_in_groups_or_wide_digits_is_read() -> None:
    assert read_visit_no(f"{NUMBER[:4]} {NUMBER[4:10]} {NUMBER[10:]}") == NUMBER
    assert read_visit_no("".join(chr(ord(digit) + 0xFEE0) for digit in NUMBER)) == NUMBER


_BAD_DAY = "010226133100001"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "ids.empty"),
        (" \r\n", "ids.empty"),
        (NUMBER[:8] + "\x1d" + NUMBER[8:], "ids.control_characters"),
        (NUMBER[:8] + "\r" + NUMBER[8:], "ids.control_characters"),
        (NUMBER[:8] + "\u200b" + NUMBER[8:], "ids.control_characters"),
        (NUMBER[:-1] + "X", "ids.not_digits"),
        ("٠" + NUMBER[1:], "ids.not_digits"),
        (NUMBER[:-1], "ids.length"),
        (NUMBER + "1", "ids.length"),
        (NUMBER + "001", "ids.length"),
        (NUMBER[:-1] + str((int(NUMBER[-1]) + 1) % 10), "ids.check_digit"),
        (_BAD_DAY + check_digit(_BAD_DAY), "ids.day"),
        (NUMBER + "00", "ids.tube"),
        ("0" * 16, "ids.day"),
    ],
)
def test_a_wrong_code_is_refused_with_its_reason(text: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_visit_no(text)
    assert refusal.value.code == code
    assert refusal.value.hint
    assert refusal.value.field == "visit_no"


@given(st.text(max_size=24))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        number, tube = read_barcode(text)
    except Refused as refusal:
        assert refusal.code.startswith("ids.")
    else:
        assert is_valid_number(number)
        assert tube is None or 1 <= tube <= 99


def test_ids_follow_the_last_one_kept_although_the_clock_was_set_back() -> None:
    clock = FrozenClock(datetime(2026, 11, 21, 8, tzinfo=UTC))
    last = IdMaker(clock, SeededRandom("before")).new()
    clock.at = datetime(2026, 11, 21, 7, tzinfo=UTC)
    after_restart = IdMaker(clock, SeededRandom("after"))
    after_restart.follow(last)
    made = [after_restart.new() for _ in range(5000)]
    assert made == sorted(made) and made[0] > last
