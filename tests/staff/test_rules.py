"""Signing in and signing: passwords by profile, lock-out, sessions, one-time codes, signing windows, titles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.errors import BadInput
from exam.staff.rules import (
    ASVS5,
    DENGBAO3,
    PROFILES,
    TITLES,
    TOTP_STEP_SECONDS,
    PasswordAge,
    PasswordProfile,
    Track,
    check_password,
    count_classes,
    forbidden_words,
    is_common,
    is_senior,
    is_session_alive,
    is_signing_open,
    locked_until,
    matching_counter,
    normalise_login,
    parse_common,
    password_age,
    totp_address,
    totp_code,
    totp_counter,
    totp_secret,
)

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
COMMON = parse_common(resources.files("exam.staff").joinpath("common_passwords.txt").read_text(encoding="utf-8"))
WORDS = forbidden_words("liqiang", "李强", "13812345678", ("南宁", "武鸣", "zyyy", "liq"))


def reasons(password: str, profile: PasswordProfile = DENGBAO3, used: tuple[str, ...] = ()) -> str:
    """Why a password is refused, or nothing."""
    try:
        check_password(password, profile, words=WORDS, common=COMMON, is_recent=lambda text: text in used)
    except BadInput as refusal:
        assert refusal.code == "staff.password_refused"
        assert all(field == "password" for field, _ in refusal.problems)
        return refusal.text
    return ""


# --- logins


@pytest.mark.parametrize(("typed", "login"), [(" LiQiang ", "liqiang"), ("ＬＱ０１", "lq01"), ("李强", "李强")])
def test_logins_are_normalised(typed: str, login: str) -> None:
    assert normalise_login(typed) == login


@given(st.text(max_size=20))
def test_normalising_a_login_twice_changes_nothing(text: str) -> None:
    assert normalise_login(normalise_login(text)) == normalise_login(text)


# --- passwords

GOOD = ["Kf7#mZq2Lp", "correct-Horse-7", "Vx9 vQ2 rT5b", "绿树Blue44x#q9", "mZ8!mZ9?kLpq", "x" * 3 + "Jw4Tg8Np2" + "!" * 3]


@pytest.mark.parametrize("password", GOOD)
def test_a_good_password_passes(password: str) -> None:
    assert reasons(password) == ""


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Kf7#mZq2L", "至少10位"),
        ("", "至少10位"),
        ("Kf7#mZq2" * 17, "最多128位"),
        ("kfqmzqplwx", "至少3类"),
        ("kfqmzq47lw", "至少3类"),
        ("KFQMZQ47LW", "至少3类"),
        ("Kf7#mZq2Lp\n", "控制字符"),
        ("P@ssw0rd2026!", "过于常见"),
        ("Password123!", "过于常见"),
        ("Qwerty123456", "过于常见"),
        ("Admin@123456", "过于常见"),
        ("Tijian@2026", "过于常见"),
        ("Woaini1314!", "过于常见"),
        ("1qaz@WSX3edc", "过于常见"),
        ("Aa123456789", "过于常见"),
        ("Aa1!Aa1!Aa1!", "过于常见"),
        ("LiQiang#4711x", "不能包含"),
        ("Kf7#李强mZq2", "不能包含"),
        ("Kf#13812345678", "不能包含"),
        ("Kf#12345678xyQ", "不能包含"),
        ("zyyy#Kf7mZq2", "不能包含"),
        ("Kf7武鸣mZq2Lp", "不能包含"),
    ],
)
def test_a_bad_password_is_refused_with_its_reason(password: str, reason: str) -> None:
    assert reason in reasons(password)


def test_every_reason_is_given_at_once() -> None:
    assert reasons("aaa").count(";") == 2


DRESSED = [
    word.capitalize() + joint + tail
    for word, joint, tail in product(
        ("password", "admin", "hospital", "nanning", "welcome", "qwerty", "tijian", "yisheng", "zhangwei", "iloveyou"),
        ("@", "", "_", "#"),
        ("123456", "20261", "66666", "88888!", "00001"),
    )
]


def test_two_hundred_dressed_up_common_words_are_refused() -> None:
    assert len(DRESSED) == 200
    assert [password for password in DRESSED if not reasons(password)] == []


def test_the_list_of_common_passwords_is_plain() -> None:
    assert len(COMMON) > 400
    assert all(word == word.strip().casefold() and " " not in word for word in COMMON)
    assert {"password", "123456", "woaini"} <= COMMON
    assert all(is_common(word, COMMON) for word in COMMON)


def test_a_used_password_is_refused_and_only_a_good_one_asked_about() -> None:
    assert "最近5次" in reasons(GOOD[0], used=(GOOD[0],))
    asked: list[str] = []
    with pytest.raises(BadInput):
        check_password("short", DENGBAO3, is_recent=lambda text: bool(asked.append(text)))
    assert asked == []


def test_the_asvs_profile_wants_length_and_nothing_of_classes() -> None:
    assert reasons("tangerine bicycle", ASVS5) == ""
    assert "至少12位" in reasons("Kf7#mZq2Lp", ASVS5)
    assert "过于常见" in reasons("password123456", ASVS5)
    assert "不能包含" in reasons("liqiang and a bicycle", ASVS5)
    assert reasons(GOOD[1], ASVS5, used=(GOOD[1],)) == ""


def test_the_profiles_are_found_by_name() -> None:
    assert PROFILES == {"dengbao3": DENGBAO3, "asvs5": ASVS5}


@pytest.mark.parametrize(("password", "classes"), [("", 0), ("abc", 1), ("aB", 2), ("aB1", 3), ("aB1#", 4), ("中É", 1)])
def test_classes_are_counted(password: str, classes: int) -> None:
    assert count_classes(password) == classes


def test_words_too_short_to_mean_anything_are_not_forbidden() -> None:
    assert forbidden_words("lq", "强", "", ("zs", "", "医院")) == ("医院",)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), PasswordAge.OK),
        (timedelta(days=83) - timedelta(seconds=1), PasswordAge.OK),
        (timedelta(days=83), PasswordAge.WARN),
        (timedelta(days=90) - timedelta(seconds=1), PasswordAge.WARN),
        (timedelta(days=90), PasswordAge.EXPIRED),
        (timedelta(days=900), PasswordAge.EXPIRED),
    ],
)
def test_a_password_ages_under_dengbao_and_never_under_asvs(age: timedelta, expected: PasswordAge) -> None:
    assert password_age(NOW - age, NOW, DENGBAO3) is expected
    assert password_age(NOW - age, NOW, ASVS5) is PasswordAge.OK


# --- lock-out and sessions


def at(*minutes: float) -> list[datetime]:
    """Moments so many minutes after now."""
    return [NOW + timedelta(minutes=minute) for minute in minutes]


@pytest.mark.parametrize(
    ("failures", "minute", "end"),
    [
        ([], 0, None),
        ([0, 1, 2, 3], 4, None),
        ([0, 1, 2, 3, 4], 4, 19),
        ([4, 3, 2, 1, 0], 4, 19),
        ([0, 1, 2, 3, 4], 18.99, 19),
        ([0, 1, 2, 3, 4], 19, None),
        ([0, 4, 8, 12, 15], 15, None),
        ([0, 4, 8, 12, 14.99], 15, 29.99),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 18, 19),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], 19, None),
        ([0, 1, 2, 3, 4, 19, 20, 21, 22], 22, None),
        ([0, 1, 2, 3, 4, 19, 20, 21, 22, 23], 23, 38),
    ],
)
def test_five_failures_in_a_quarter_hour_lock_for_a_quarter_hour(
    failures: list[float], minute: float, end: float | None
) -> None:
    expected = None if end is None else at(end)[0]
    assert locked_until(at(*failures), at(minute)[0]) == expected


@given(st.lists(st.integers(0, 120), max_size=30), st.integers(0, 120))
def test_a_lock_never_lasts_longer_than_a_quarter_hour(minutes: list[int], minute: int) -> None:
    failures = [moment for moment in at(*minutes) if moment <= at(minute)[0]]
    end = locked_until(failures, at(minute)[0])
    assert end is None or (len(failures) >= 5 and timedelta(0) < end - at(minute)[0] <= timedelta(minutes=15))


@pytest.mark.parametrize(
    ("age", "idle", "is_alive"),
    [
        (timedelta(0), timedelta(0), True),
        (timedelta(hours=1), timedelta(minutes=14, seconds=59), True),
        (timedelta(hours=1), timedelta(minutes=15), False),
        (timedelta(hours=11, minutes=59), timedelta(0), True),
        (timedelta(hours=12), timedelta(0), False),
    ],
)
def test_a_session_ends_by_idling_and_by_age(age: timedelta, idle: timedelta, is_alive: bool) -> None:
    assert is_session_alive(NOW - age, NOW - idle, NOW) is is_alive


# --- one-time codes

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the key of RFC 6238 appendix B, "12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_vectors_of_rfc_6238_are_met(seconds: int, code: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert totp_code(SECRET, totp_counter(moment)) == code
    assert matching_counter(SECRET, code, moment, None) == seconds // TOTP_STEP_SECONDS


@pytest.mark.parametrize(("steps", "is_match"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_early_or_late_still_works(steps: int, is_match: bool) -> None:
    counter = totp_counter(NOW) + steps
    found = matching_counter(SECRET, totp_code(SECRET, counter), NOW, None)
    assert found == (counter if is_match else None)


def test_a_code_works_once() -> None:
    present = totp_counter(NOW)
    code = totp_code(SECRET, present)
    assert matching_counter(SECRET, code, NOW, present - 1) == present
    assert matching_counter(SECRET, code, NOW, present) is None
    assert matching_counter(SECRET, totp_code(SECRET, present - 1), NOW, present) is None
    assert matching_counter(SECRET, totp_code(SECRET, present + 1), NOW, present) == present + 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٠٠٠٠٠٠", "-12345"])
def test_what_is_no_code_never_matches(code: str) -> None:
    assert matching_counter(SECRET, code, NOW, None) is None


def test_a_code_may_be_typed_with_a_space_or_in_wide_digits() -> None:
    code = totp_code(SECRET, totp_counter(NOW))
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    assert matching_counter(SECRET, f" {code[:3]} {code[3:]}", NOW, None) == totp_counter(NOW)
    assert matching_counter(SECRET, wide, NOW, None) == totp_counter(NOW)


def test_a_secret_is_twenty_bytes_in_base_32() -> None:
    assert totp_secret(b"12345678901234567890") == SECRET
    with pytest.raises(ValueError, match="random bytes"):
        totp_secret(b"short")


def test_the_address_for_authenticator_apps_is_escaped() -> None:
    address = totp_address(SECRET, "li qiang", "体检中心")
    assert address.startswith("otpauth://totp/%E4%BD%93%E6%A3%80%E4%B8%AD%E5%BF%83:li%20qiang?secret=" + SECRET)


@pytest.mark.parametrize(
    ("until", "left", "is_open"), [(None, 5, False), (1, 1, True), (1, 0, False), (0, 5, False), (-1, 5, False), (1, -1, False)]
)
def test_a_signing_window_closes_by_time_and_by_count(until: int | None, left: int, is_open: bool) -> None:
    assert is_signing_open(None if until is None else at(until)[0], left, NOW) is is_open


# --- titles


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("主任医师", True),
        ("副主任医师", True),
        ("副主任中医师", True),
        ("主治医师", False),
        ("医师", False),
        ("副主任护师", False),
        ("主任技师", False),
        ("", False),
        ("院长", False),
    ],
)
def test_only_senior_physicians_are_senior_for_a_chief_report(title: str, expected: bool) -> None:
    assert is_senior(title) is expected


def test_a_senior_nurse_is_senior_among_nurses() -> None:
    assert is_senior("副主任护师", Track.NURSE)
    assert not is_senior("主管护师", Track.NURSE)


def test_titles_from_memory_are_not_approved() -> None:
    assert all(title.approved is (title.source != "memory") for title in TITLES.values())
    assert all(0 <= title.rank <= 4 for title in TITLES.values())
