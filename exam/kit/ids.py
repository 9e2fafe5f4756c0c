"""Identifiers: time-ordered UUIDs made anywhere, and printed numbers with a check digit that finds every slip of a digit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from uuid import UUID

from exam.kit.clock import Clock
from exam.kit.errors import Refused
from exam.kit.random import Randomness

RANDOM_BYTES = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_COUNT = 0xFFF

VISIT_NO_LENGTH = 16
TUBE_LENGTH = 18
LAST_SEQUENCE = 99_999
LAST_TUBE = 99

# H. M. Damm (2004): a quasigroup with zero diagonal; it finds every wrong digit and every swap of two neighbours.
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)
_DIGITS = re.compile("[0-9]+")
_TWO_DIGITS = re.compile("[0-9]{2}")


# --- time-ordered ids


def new_id(random_bytes: bytes, now_ms: int, count: int | None = None) -> UUID:
    """A UUID version 7 (RFC 9562 §5.7) of ten random bytes and milliseconds since 1970.

    `count` (0–4095) takes the place of the first random field, to keep ids of one millisecond in order.
    """
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a UUIDv7 wants {RANDOM_BYTES} random bytes")
    first = int.from_bytes(random_bytes[:2], "big") & _LAST_COUNT if count is None else count
    rest = int.from_bytes(random_bytes[2:], "big") & (1 << 62) - 1
    return UUID(int=(now_ms & (1 << 48) - 1) << 80 | 7 << 76 | first << 64 | 2 << 62 | rest)


class IdMaker:
    """Makes ids that only ever ascend within this process, even when the clock stands still or is set back. Thread safe."""

    def __init__(self, clock: Clock, random: Randomness) -> None:
        self._clock = clock
        self._random = random
        self._lock = Lock()
        self._last_ms = -1
        self._count = 0

    def follow(self, last: UUID) -> None:
        """Makes the next ids come after `last`, also where the clock was set back while the server was down: facts are read in
        the order of their ids.
        """
        with self._lock:
            if last.int >> 80 > self._last_ms:
                self._last_ms, self._count = last.int >> 80, _LAST_COUNT

    def new(self) -> UUID:
        """The next id."""
        return self._next(self._random.token_bytes(RANDOM_BYTES), (self._clock.now() - _EPOCH) // _MILLISECOND)

    def _next(self, chance: bytes, now_ms: int) -> UUID:
        with self._lock:
            if now_ms > self._last_ms:
                self._last_ms = now_ms
                # Starting in the lower half leaves at least 2048 ids a millisecond before time must be borrowed.
                self._count = int.from_bytes(chance[:2], "big") & _LAST_COUNT >> 1
            elif self._count < _LAST_COUNT:
                self._count += 1
            else:
                self._last_ms += 1
                self._count = 0
            return new_id(chance, self._last_ms, self._count)

    def many(self, count: int) -> Iterator[UUID]:
        """The next `count` ids, for rows that are written together: one draw of randomness for all of them."""
        chance = self._random.token_bytes(RANDOM_BYTES * count)
        now_ms = (self._clock.now() - _EPOCH) // _MILLISECOND
        for start in range(0, len(chance), RANDOM_BYTES):
            yield self._next(chance[start : start + RANDOM_BYTES], now_ms)


# --- printed numbers


def check_digit(digits: str) -> str:
    """The Damm check digit of a text of digits."""
    if not _DIGITS.fullmatch(digits):
        raise ValueError("a check digit wants digits")
    state = 0
    for digit in digits:
        state = _DAMM[state][ord(digit) - 48]
    return str(state)


def is_valid_number(text: str) -> bool:
    """Whether a text is digits of which the last is the check digit of the others."""
    return len(text) > 1 and _DIGITS.fullmatch(text) is not None and check_digit(text) == "0"


def visit_no(site: str, device: str, day: date, sequence: int) -> str:
    """A visit number of 16 digits: site 2, device 2, yyMMdd, sequence 5, check 1 (decision 12)."""
    if not _TWO_DIGITS.fullmatch(site) or not _TWO_DIGITS.fullmatch(device):
        raise Refused("ids.prefix", "院区和设备编号必须各为两位数字", "请在系统设置中修改院区和设备编号")
    if not 1 <= sequence <= LAST_SEQUENCE:
        raise Refused("ids.series_full", f"当日流水号超出范围(1至{LAST_SEQUENCE})", "请使用另一台设备的编号登记")
    body = f"{site}{device}{day:%y%m%d}{sequence:05d}"
    return body + check_digit(body)


def tube_barcode(visit: str, n: int) -> str:
    """A tube's barcode: the visit number and two digits, 1 to 99. The even count suits Code 128 subset C."""
    if not 1 <= n <= LAST_TUBE:
        raise Refused("ids.too_many_tubes", f"试管序号超出范围(1至{LAST_TUBE})", "请核对采集项目")
    return f"{read_visit_no(visit)}{n:02d}"


def read_barcode(text: str, field: str = "barcode") -> tuple[str, int | None]:
    """The visit number of a scanned or typed code, and the tube's index where it is a tube's barcode.

    Takes what scanners add (CR, LF, TAB, spaces) and full-width digits of an input method; refuses everything else.
    """
    code = unicodedata.normalize("NFKC", text).strip().replace(" ", "")
    if not code:
        raise Refused("ids.empty", "没有读到条码", "请重新扫描或手工输入", field)
    if any(unicodedata.category(c)[0] == "C" for c in code):
        raise Refused("ids.control_characters", "条码中夹有控制字符", "请检查扫码枪设置后重新扫描", field)
    if not _DIGITS.fullmatch(code):
        raise Refused("ids.not_digits", "体检号只能是数字", "请重新扫描或手工输入", field)
    if len(code) not in (VISIT_NO_LENGTH, TUBE_LENGTH):
        wanted = f"体检号应为{VISIT_NO_LENGTH}位,试管条码应为{TUBE_LENGTH}位,现为{len(code)}位"
        raise Refused("ids.length", wanted, "请重新扫描完整的条码", field)
    visit = code[:VISIT_NO_LENGTH]
    if not is_valid_number(visit):
        raise Refused("ids.check_digit", "体检号校验位不正确", "号码中有数字输错,请重新扫描或核对", field)
    try:
        date(2000 + int(visit[4:6]), int(visit[6:8]), int(visit[8:10]))
    except ValueError:
        raise Refused("ids.day", "体检号中的日期不存在", "请重新扫描或核对号码", field) from None
    if len(code) == VISIT_NO_LENGTH:
        return visit, None
    if code.endswith("00"):
        raise Refused("ids.tube", "试管条码的序号不能为00", "请重新打印试管条码", field)
    return visit, int(code[VISIT_NO_LENGTH:])


def read_visit_no(text: str, field: str = "visit_no") -> str:
    """The visit number of a scanned or typed code; a tube's barcode leads to its visit."""
    return read_barcode(text, field)[0]
