"""Rules of signing in and signing: passwords, lock-out, sessions, one-time codes, signing windows, titles."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

import msgspec

from exam.kit.errors import BadInput

# --- logins


def normalise_login(text: str) -> str:
    """A login as it is stored and compared: NFKC, case folded, without surrounding spaces."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


# --- passwords


class PasswordProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A password policy. Lengths in characters; `max_age_days` None means passwords do not age.

    An account that nobody signed in to for `unused_days` is disabled; None means never.
    """

    name: str
    min_length: int
    max_length: int
    min_classes: int
    remembered: int
    max_age_days: int | None
    warn_days: int
    unused_days: int | None
    source: str


DENGBAO3 = PasswordProfile(
    name="dengbao3", min_length=10, max_length=128, min_classes=3, remembered=5, max_age_days=90, warn_days=7,
    unused_days=90, source="GB/T 22239-2019 8.1.4.1a, 8.1.4.2c; figures: reliability.md ID-02, ID-03, AC-02",
)  # fmt: skip
ASVS5 = PasswordProfile(
    name="asvs5", min_length=12, max_length=128, min_classes=1, remembered=0, max_age_days=None, warn_days=0,
    unused_days=None, source="OWASP ASVS 5.0 6.2.5, 6.2.10",
)  # fmt: skip
PROFILES = {profile.name: profile for profile in (DENGBAO3, ASVS5)}

MIN_DISTINCT_CHARACTERS = 5
_KEYBOARD_SUBSTITUTES = str.maketrans("@4301!$57", "aaeoiisst")
_EDGES = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def parse_common(text: str) -> frozenset[str]:
    """The set of common passwords in the text of `common_passwords.txt`: one a line, `#` begins a remark."""
    lines = (line.strip().casefold() for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def is_common(password: str, common: Collection[str]) -> bool:
    """Whether a password is a very common one, or one dressed up: `P@ssw0rd2026!` is `password`."""
    folded = unicodedata.normalize("NFKC", password).casefold()
    if len(set(folded)) < MIN_DISTINCT_CHARACTERS:
        return True
    bare = _EDGES.sub("", folded)
    spelt = folded.translate(_KEYBOARD_SUBSTITUTES)
    if any(core in common for core in (folded, bare, spelt, _EDGES.sub("", spelt), bare.translate(_KEYBOARD_SUBSTITUTES))):
        return True
    # The letters and the digits alone: `qwerty123456` and `Aa-123456789` are two common words in one.
    letters, digits = "".join(re.findall("[a-z]", folded)), "".join(re.findall("[0-9]", folded))
    has_little_else = len(letters) + len(digits) >= len(folded) - 2
    return has_little_else and all(len(set(part)) <= 2 or part in common for part in (letters, digits))


def count_classes(password: str) -> int:
    """How many of the four classes a password uses: lower case, upper case, digits, everything else."""
    return len({_class_of(character) for character in password})


def _class_of(character: str) -> str:
    if "a" <= character <= "z":
        return "lower"
    if "A" <= character <= "Z":
        return "upper"
    return "digit" if "0" <= character <= "9" else "other"


def forbidden_words(login: str, name: str, phone: str, more: Iterable[str] = ()) -> tuple[str, ...]:
    """What a password must not contain: login, name, phone and its last eight digits, and words of the hospital.

    Words too short to mean anything (under three characters, under two for Chinese) are left out.
    """
    words = [login, name, phone, phone[-8:] if len(phone) >= 8 else "", *more]
    folded = (normalise_login(word) for word in words)
    return tuple(dict.fromkeys(word for word in folded if len(word) >= (3 if word.isascii() else 2)))


def check_password(
    password: str,
    profile: PasswordProfile,
    *,
    words: Iterable[str] = (),
    common: Collection[str] = (),
    is_recent: Callable[[str], bool] = lambda password: False,
) -> None:
    """Refuses a new password that the profile does not allow; raises `BadInput` with every reason.

    `words` come from `forbidden_words`, `common` from `parse_common`; `is_recent` answers for the remembered ones and is
    only asked about a password that passes everything else, because asking costs a hash each.
    """
    reasons: list[str] = []
    if len(password) < profile.min_length:
        reasons.append(f"密码至少{profile.min_length}位")
    if len(password) > profile.max_length:
        reasons.append(f"密码最多{profile.max_length}位")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        reasons.append("密码中含有控制字符")
    if count_classes(password) < profile.min_classes:
        reasons.append(f"密码须包含大写字母、小写字母、数字、符号中的至少{profile.min_classes}类")
    if is_common(password, common):
        reasons.append("密码过于常见或重复字符过多")
    folded = unicodedata.normalize("NFKC", password).casefold()
    if any(word in folded for word in words):
        reasons.append("密码不能包含工号、姓名、手机号或医院名称")
    if not reasons and profile.remembered and is_recent(password):
        reasons.append(f"密码不能与最近{profile.remembered}次使用过的相同")
    if reasons:
        raise BadInput([("password", reason) for reason in reasons], code="staff.password_refused")


class PasswordAge(StrEnum):
    """How old a password is: fine, soon to be changed, to be changed before anything else."""

    OK = "ok"
    WARN = "warn"
    EXPIRED = "expired"


def password_age(changed_at: datetime, now: datetime, profile: PasswordProfile) -> PasswordAge:
    """Whether a password must be changed (reliability.md ID-03: 90 days, warning 7 days before)."""
    if profile.max_age_days is None:
        return PasswordAge.OK
    left = changed_at + timedelta(days=profile.max_age_days) - now
    if left <= timedelta(0):
        return PasswordAge.EXPIRED
    return PasswordAge.WARN if left <= timedelta(days=profile.warn_days) else PasswordAge.OK


def password_days_left(changed_at: datetime, now: datetime, profile: PasswordProfile) -> int | None:
    """In how many days, begun ones counted, a password expires; None while there is no need to warn."""
    if profile.max_age_days is None or password_age(changed_at, now, profile) is not PasswordAge.WARN:
        return None
    return -((now - changed_at - timedelta(days=profile.max_age_days)) // timedelta(days=1))


# --- lock-out and sessions


class LockLimits(msgspec.Struct, frozen=True):
    """How many failures within which time lock an account, and for how long."""

    failures: int = 5
    within: timedelta = timedelta(minutes=15)
    locked_for: timedelta = timedelta(minutes=15)


class SessionLimits(msgspec.Struct, frozen=True):
    """How long a session may idle, and how long it may last at all."""

    idle: timedelta = timedelta(minutes=15)
    absolute: timedelta = timedelta(hours=12)


LOCK_LIMITS = LockLimits()
SESSION_LIMITS = SessionLimits()


def locked_until(failed_at: Sequence[datetime], now: datetime, limits: LockLimits = LOCK_LIMITS) -> datetime | None:
    """Until when an account is locked, or None. `failed_at` are the failures since the last success, in any order.

    Attempts while locked neither prolong the lock nor count afterwards, or a stranger could lock a doctor out for good.
    """
    end: datetime | None = None
    recent: list[datetime] = []
    for moment in sorted(failed_at):
        if end is not None and moment < end:
            continue
        recent = [earlier for earlier in recent if moment - earlier < limits.within] + [moment]
        if len(recent) >= limits.failures:
            end = moment + limits.locked_for
            recent = []
    return end if end is not None and now < end else None


def is_session_alive(
    created_at: datetime, last_seen_at: datetime, now: datetime, limits: SessionLimits = SESSION_LIMITS
) -> bool:
    """Whether a session still counts: seen within the idle time and not older than the absolute time."""
    return now - last_seen_at < limits.idle and now - created_at < limits.absolute


# --- disabled accounts, and the recovery that takes two administrators


class Closed(StrEnum):
    """Why an account was disabled."""

    UNUSED = "unused"
    LEFT = "left"
    SUSPENDED = "suspended"


CLOSED_NAMES = {Closed.UNUSED: "长期未登录", Closed.LEFT: "离职", Closed.SUSPENDED: "暂停使用"}
RECOVERY_LIFE = timedelta(hours=24)


class RecoveryState(StrEnum):
    """What became of a request for recovery."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


RECOVERY_NAMES = {
    RecoveryState.OPEN: "待批准", RecoveryState.APPROVED: "已批准", RecoveryState.REFUSED: "未批准",
    RecoveryState.WITHDRAWN: "已撤回", RecoveryState.EXPIRED: "已过期",
}  # fmt: skip


def recovery_state(outcome: str | None, expires_at: datetime, now: datetime) -> RecoveryState:
    """The state of a request: what was decided, or open until it expires."""
    if outcome:
        return RecoveryState(outcome)
    return RecoveryState.OPEN if now < expires_at else RecoveryState.EXPIRED


# --- one-time codes (RFC 6238: SHA-1, 30 seconds, 6 digits)

TOTP_STEP_SECONDS = 30
TOTP_DIGITS = 6
TOTP_WINDOW = 1
TOTP_SECRET_BYTES = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def totp_secret(random_bytes: bytes) -> str:
    """A secret in base 32, as authenticator apps take it, of 20 random bytes (RFC 4226 §4 R6)."""
    if len(random_bytes) != TOTP_SECRET_BYTES:
        raise ValueError(f"a secret wants {TOTP_SECRET_BYTES} random bytes")
    return base64.b32encode(random_bytes).decode()


def totp_counter(now: datetime) -> int:
    """The number of the 30-second step a moment lies in."""
    return int((now - _EPOCH) // timedelta(seconds=TOTP_STEP_SECONDS))


def totp_code(secret: str, counter: int) -> str:
    """The six digits of one step (RFC 4226 §5.3)."""
    plain = secret.replace(" ", "").upper()
    key = base64.b32decode(plain + "=" * (-len(plain) % 8))
    digest = hmac.new(key, counter.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**TOTP_DIGITS:0{TOTP_DIGITS}d}"


def matching_counter(secret: str, code: str, now: datetime, last_used_counter: int | None) -> int | None:
    """The step whose code was typed, one step early or late allowed, or None. A code works once.

    The caller stores the counter and hands it back next time: steps up to it no longer match (RFC 6238 §5.2).
    """
    typed = "".join(unicodedata.normalize("NFKC", code).split())
    if not re.fullmatch(f"[0-9]{{{TOTP_DIGITS}}}", typed):
        return None
    present = totp_counter(now)
    match: int | None = None
    # All steps are compared, whichever matches, so that the time taken tells nothing.
    for counter in range(max(present - TOTP_WINDOW, 0), present + TOTP_WINDOW + 1):
        is_equal = hmac.compare_digest(totp_code(secret, counter), typed)
        is_fresh = last_used_counter is None or counter > last_used_counter
        if is_equal and is_fresh and match is None:
            match = counter
    return match


def totp_address(secret: str, login: str, issuer: str) -> str:
    """The `otpauth:` address that a QR code carries into an authenticator app."""
    label = f"{quote(issuer, safe='')}:{quote(login, safe='')}"
    settings = f"issuer={quote(issuer, safe='')}&digits={TOTP_DIGITS}&period={TOTP_STEP_SECONDS}"
    return f"otpauth://totp/{label}?secret={secret}&{settings}"


def is_signing_open(opened_until: datetime | None, left: int, now: datetime) -> bool:
    """Whether a signing window (decision 18) still allows a signature: not over, and signatures left."""
    return opened_until is not None and now < opened_until and left > 0


# --- titles


class Track(StrEnum):
    """The professions that carry titles."""

    PHYSICIAN = "physician"
    NURSE = "nurse"
    TECHNICIAN = "technician"
    PHARMACIST = "pharmacist"


class Title(msgspec.Struct, frozen=True):
    """A professional title (职称). Ranks: 4 正高, 3 副高, 2 中级, 1 初级(师), 0 初级(士)."""

    name: str
    track: Track
    rank: int
    source: str = "memory"
    approved: bool = False


SENIOR_RANK = 3
_REGULATION = "健康体检管理暂行规定 第十六条"

TITLES = {
    title.name: title
    for title in (
        Title("主任医师", Track.PHYSICIAN, 4, _REGULATION, True),
        Title("副主任医师", Track.PHYSICIAN, 3, _REGULATION, True),
        Title("主治医师", Track.PHYSICIAN, 2),
        Title("医师", Track.PHYSICIAN, 1),
        Title("住院医师", Track.PHYSICIAN, 1),
        Title("助理医师", Track.PHYSICIAN, 0),
        Title("医士", Track.PHYSICIAN, 0),
        Title("主任中医师", Track.PHYSICIAN, 4),
        Title("副主任中医师", Track.PHYSICIAN, 3),
        Title("主治中医师", Track.PHYSICIAN, 2),
        Title("中医师", Track.PHYSICIAN, 1),
        Title("主任护师", Track.NURSE, 4),
        Title("副主任护师", Track.NURSE, 3),
        Title("主管护师", Track.NURSE, 2),
        Title("护师", Track.NURSE, 1),
        Title("护士", Track.NURSE, 0),
        Title("主任技师", Track.TECHNICIAN, 4),
        Title("副主任技师", Track.TECHNICIAN, 3),
        Title("主管技师", Track.TECHNICIAN, 2),
        Title("技师", Track.TECHNICIAN, 1),
        Title("技士", Track.TECHNICIAN, 0),
        Title("主任药师", Track.PHARMACIST, 4),
        Title("副主任药师", Track.PHARMACIST, 3),
        Title("主管药师", Track.PHARMACIST, 2),
        Title("药师", Track.PHARMACIST, 1),
        Title("药士", Track.PHARMACIST, 0),
    )
}


def is_senior(title: str, track: Track = Track.PHYSICIAN) -> bool:
    """Whether a title is 副高 or above in a track; by default whether its holder may sign a chief report (第十六条).

    A 副主任护师 is senior, yet not as a physician.
    """
    known = TITLES.get(title.strip())
    return known is not None and known.track is track and known.rank >= SENIOR_RANK


SPECIALTIES = (
    "内科专业", "外科专业", "妇产科专业", "儿科专业", "眼耳鼻咽喉科专业", "皮肤病与性病专业", "精神卫生专业", "职业病专业",
    "医学影像和放射治疗专业", "医学检验、病理专业", "全科医学专业", "急救医学专业", "康复医学专业", "预防保健专业",
    "计划生育技术服务专业", "口腔专业", "公共卫生类别专业", "中医专业", "中西医结合专业", "民族医专业",
)  # fmt: skip
"""The fields of practice on a physician's licence, after 卫医发〔2001〕169号 《关于医师执业注册中执业范围的暂行规定》 [memory, unapproved]."""

CHIEF_SPECIALTIES = ("内科专业", "外科专业")
"""Whose 副主任医师 and above sign chief reports (健康体检管理暂行规定 第十六条)."""
