"""Registration as frozen structs: what is asked of the desk, the board's five counts, and what can be printed."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from exam.messages.facts import ConsentKind
from exam.people.facts import IdKind
from exam.visits.facts import VisitCard

AUTO_REFUSAL_REASON = "交单时未检"
"""What an automatic refusal at sheet return is recorded with; undoing the return takes these back."""

REFUSAL_REASONS = ("受检者拒绝", "身体原因不宜检查", "女性生理期", "妊娠或备孕", "未空腹", "时间来不及")
POSTPONE_REASONS = ("女性生理期", "标本未留取", "身体不适", "设备原因", "时间来不及")
WOMENS_REASONS = frozenset({"女性生理期", "妊娠或备孕"})
"""Reasons that are offered to women only."""

MARITAL_WORDS = ("未婚", "已婚", "离婚", "丧偶")
"""Marital states as the desk offers them (GB/T 2261.2)."""

REMOVE_REASONS = ("开错项目", "受检者要求退项", "更换套餐")
UNDO_REASONS = ("操作错误", "扫错人", "受检者要求")
WITHDRAWAL_REASON = "撤回知情同意"
"""What private items are refused with when the person takes the consent back."""

WITHDRAWAL_REASONS = ("受检者要求", "监护人要求", "登记错误")
PAYMENT_UNDO_REASONS = ("登记错误", "金额或收据号有误", "收款已作废")
CANCEL_REASONS = ("受检者要求取消", "登记错误", "重复登记")


class Tile(StrEnum):
    """The board's counts. They are no partition: each is a predicate of its own (domain.md §1.4)."""

    BOOKED = "booked"
    TO_PAY = "to_pay"
    CHECKED_IN = "checked_in"
    BLOOD_DRAWN = "blood_drawn"
    EXAMINED = "examined"


TILE_NAMES = {
    Tile.BOOKED: "已预约",
    Tile.TO_PAY: "待交费",
    Tile.CHECKED_IN: "已报到",
    Tile.BLOOD_DRAWN: "已抽血",
    Tile.EXAMINED: "已检查",
}


class SheetTab(StrEnum):
    """Sheets that are still out: of today's visits, or of those of earlier days."""

    TODAY = "today"
    EARLIER = "earlier"


class BoardRow(msgspec.Struct, frozen=True):
    """What the board's predicates need to know of one visit."""

    exam_on: date
    state: str
    registered_at: datetime | None = None
    checked_in_at: datetime | None = None
    blood_drawn_at: datetime | None = None
    sheet_returned_at: datetime | None = None
    amount_due_fen: int = 0


class Board(msgspec.Struct, frozen=True):
    """The five counts of one day, and how many places the day has and how many are taken."""

    day: date
    booked: int
    to_pay: int
    checked_in: int
    blood_drawn: int
    examined: int
    capacity: int
    taken: int


class DayPlaces(msgspec.Struct, frozen=True):
    """One day's places: how many it has, how many are taken, and whether the number is the day's own."""

    day: date
    capacity: int
    taken: int
    is_own: bool = False

    @property
    def left(self) -> int:
        """How many more bookings the day takes."""
        return max(self.capacity - self.taken, 0)


class NewBooking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A visit for a known person on a day; `organization_id` is the employer that sends them, if any.

    An empty category means the package's own.
    """

    person_id: UUID
    exam_on: date
    package: str = ""
    groups: tuple[str, ...] = ()
    category: str = ""
    organization_id: UUID | None = None
    urgent: bool = False


class WalkIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person at the desk with what is ordered. `exam_on` absent means today; another day makes it a booking.

    `address`, `nation` and `marital` go into a new file; those of a file that is there are corrected on its own page.
    `takes_sms`: they agree to SMS. False says nothing: a consent is taken back only on its own page.
    """

    name: str = ""
    id_kind: IdKind | None = None
    id_no: str = ""
    sex: str = ""
    birth_on: date | None = None
    phone: str = ""
    package: str = ""
    groups: tuple[str, ...] = ()
    category: str = ""
    organization_id: UUID | None = None
    urgent: bool = False
    exam_on: date | None = None
    address: str = ""
    nation: str = ""
    marital: str = ""
    takes_sms: bool = False


class Opened(msgspec.Struct, frozen=True):
    """A visit that was opened or found: its number, whether a booking became a registration, and what to look at."""

    visit_id: UUID
    visit_no: str
    was_booked: bool = False
    warnings: tuple[str, ...] = ()


class OpenLineChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens at manual sheet return to one line that was not examined."""

    line_id: UUID
    choice: str
    reason: str = ""
    due_on: date | None = None


class SlipKind(StrEnum):
    """What the desk prints."""

    GUIDE_SHEET = "guide_sheet"
    LABEL = "label"
    REQUEST_FORM = "request_form"


SLIP_NAMES = {SlipKind.GUIDE_SHEET: "导检单", SlipKind.LABEL: "试管标签", SlipKind.REQUEST_FORM: "检查申请单"}


class Printable(msgspec.Struct, frozen=True):
    """One slip that may be printed: `subject` is a tube's barcode or a department's code, empty for the guide sheet."""

    kind: SlipKind
    subject: str
    title: str
    detail: str = ""
    copies: int = 0


class Recognised(msgspec.Struct, frozen=True):
    """What a document number tells before anything is saved: the person's basics and the file that exists already."""

    id_kind: IdKind
    id_masked: str
    sex: str = ""
    birth_on: date | None = None
    age: int | None = None
    person_id: UUID | None = None
    name: str = ""
    phone_masked: str = ""
    visits: tuple[VisitCard, ...] = ()
    today: VisitCard | None = None
    package: str = ""
    warnings: tuple[str, ...] = ()
    sms_consent: ConsentKind | None = None


class GroupChoice(msgspec.Struct, frozen=True):
    """One group that may be added to an order, with what speaks against it."""

    code: str
    name: str
    department: str
    price_fen: int
    is_ordered: bool = False
    blocked: str = ""
    warnings: tuple[str, ...] = ()
    is_private: bool = False


class PackageChoice(msgspec.Struct, frozen=True):
    """One package as offered to a person; `blocked` says why it does not fit."""

    code: str
    name: str
    price_fen: int
    category: str
    group_count: int
    blocked: str = ""
    warnings: tuple[str, ...] = ()


class Quote(msgspec.Struct, frozen=True):
    """What an order would cost and what contradicts it, before anything is saved."""

    total_fen: int
    group_names: tuple[str, ...]
    blocked: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class ConsentGiver(StrEnum):
    """Who signs a consent: the person, or for a child under fourteen the guardian (PIPL art. 31)."""

    PERSON = "person"
    GUARDIAN = "guardian"


CONSENT_GIVER_NAMES = {ConsentGiver.PERSON: "受检者", ConsentGiver.GUARDIAN: "监护人"}


class ConsentText(msgspec.Struct, frozen=True):
    """One version of a site's consent text. It is asked of whoever has private items, or of everyone."""

    id: UUID
    version: int
    issued_on: date
    source: str
    body: str
    asks_everyone: bool = False


class Consent(msgspec.Struct, frozen=True):
    """A consent that stands: the version that was signed, by whom, where and when."""

    id: UUID
    text: ConsentText
    giver: ConsentGiver
    channel: str
    at: datetime


class ConsentAsked(msgspec.Struct, frozen=True):
    """What a visit's person has to sign: the text, the private items it is about, the consent that stands, and what it lacks.

    `missing` are the private items that no signed paper names: nothing stands, or they were ordered after it was signed.
    """

    text: ConsentText
    names: tuple[str, ...]
    giver: ConsentGiver
    given: Consent | None = None
    missing: tuple[str, ...] = ()

    @property
    def is_signed(self) -> bool:
        """Whether a consent stands and names every private item."""
        return self.given is not None and not self.missing


class SlipsPrinted(msgspec.Struct, frozen=True):
    """Slips of a visit were printed: `slips` are `kind:subject`."""

    visit_id: UUID
    site: str
    slips: tuple[str, ...]


class VisitMoved(msgspec.Struct, frozen=True):
    """A visit was moved to another day."""

    visit_id: UUID
    site: str
    from_day: date
    to_day: date
