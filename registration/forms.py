"""What the desk's screens send, as structs with Chinese field names, and the reading that refuses control characters."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import Body

from exam.kit.errors import BadInput
from exam.kit.forms import read_form
from exam.people.facts import IdKind
from registration.facts import WalkIn

F = TypeVar("F", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

Text = Annotated[str, msgspec.Meta(max_length=200)]

LABELS = {
    "id_no": "证件号码", "id_kind": "证件类型", "name": "姓名", "sex": "性别", "birth_on": "出生日期", "phone": "联系电话",
    "package": "套餐", "groups": "加项", "category": "体检类别", "organization_id": "单位", "urgent": "加急", "exam_on": "体检日期",
    "key": "提交标识", "page": "页码", "q": "查询内容", "reason": "原因", "due_on": "延期日期", "amount": "金额", "receipt_no": "收据号",
    "slips": "单据", "code": "条码", "visit_no": "体检号", "barcode": "试管条码", "capacity": "名额",
    "day": "日期", "mode": "交单方式", "consent": "知情同意书版本", "body": "正文", "source": "来源", "asks_everyone": "适用范围",
    "differs": "实退金额不同", "address": "地址", "nation": "民族", "marital": "婚姻状况", "basics": "性别或出生日期有改动",
    "tab": "名单", "takes_sms": "同意接收短信", "group": "复查项目", "since": "日期从", "until": "到",
}  # fmt: skip


class RecogniseForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document number or a scanned code; with a day it is for a booking."""

    id_no: Text
    exam_on: date | None = None


class FindForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is searched for, and which page of what was found."""

    q: Text = ""
    page: int = 1


class OrderForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form of a walk-in or booking; `q` is what is being looked for among the groups.

    `basics` comes where sex or birth date was changed just now.
    """

    key: Text = ""
    id_no: Text = ""
    id_kind: IdKind | None = None
    name: Text = ""
    sex: Text = ""
    birth_on: date | None = None
    phone: Text = ""
    package: Text = ""
    groups: tuple[str, ...] = ()
    category: Text = ""
    organization_id: UUID | None = None
    urgent: Text = ""
    exam_on: date | None = None
    address: Text = ""
    nation: Text = ""
    marital: Text = ""
    takes_sms: Text = ""
    q: Text = ""
    basics: Text = ""

    def walk_in(self) -> WalkIn:
        """What is to be registered or booked."""
        return WalkIn(
            name=self.name, id_kind=self.id_kind, id_no=self.id_no, sex=self.sex, birth_on=self.birth_on, phone=self.phone,
            package=self.package, groups=tuple(dict.fromkeys(self.groups)), category=self.category,
            organization_id=self.organization_id, urgent=bool(self.urgent), exam_on=self.exam_on, address=self.address,
            nation=self.nation, marital=self.marital, takes_sms=bool(self.takes_sms),
        )  # fmt: skip


class ReasonForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is taken back or refused; a chosen reason, or one typed beside it that goes before it."""

    reason: Text = ""
    other: Text = ""
    due_on: date | None = None

    @property
    def text(self) -> str:
        """The reason that counts."""
        return self.other.strip() or self.reason


class PaymentForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was paid at the window, in yuan, with the window's receipt number."""

    amount: Text
    receipt_no: Text
    key: Text


class RefundForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the window gave back, in yuan; `differs` where the desk says that it is not the amount that was shown."""

    amount: Text
    key: Text
    receipt_no: Text = ""
    differs: Text = ""


class GroupsForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups to be added; `consent` is the version of the consent text that was signed for private ones."""

    groups: tuple[str, ...] = ()
    q: Text = ""
    consent: int | None = None


class SlipsForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Slips to be printed: `kind` for all of a kind, or `kind:subject` for one; at check-in with the signed `consent`."""

    slips: tuple[str, ...] = ()
    consent: int | None = None


class SignedForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version of the consent text that was ticked as signed."""

    consent: int | None = None


class ConsentTextForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new version of the consent text."""

    body: Annotated[str, msgspec.Meta(max_length=8000)] = ""
    source: Text = ""
    asks_everyone: Text = ""


class DayForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another day."""

    exam_on: date


class CapacityForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many places a day has; without a day it is every day's usual number."""

    capacity: int
    day: date | None = None


class ScanForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scan, and the visit that is open."""

    code: Text
    visit_no: Text = ""


class UndoDrawForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A collected tube to be taken back."""

    visit_no: Text
    barcode: Text
    reason: Text = ""
    other: Text = ""


def read(data: dict[str, Any], struct: type[F]) -> F:
    """A form as its struct, every problem at once. No field may hold control characters."""
    refuse_control_characters(data)
    return read_form(data, struct, LABELS)


def refuse_control_characters(data: Any, field: str = "") -> None:
    """Refuses NUL and its like anywhere in a form or body: one database stores them, the other does not."""
    if isinstance(data, str):
        if any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\r\n\t" for character in data):
            raise BadInput([(field, f"{LABELS.get(field, field or '内容')}:含有不可见的控制字符")])
    elif isinstance(data, dict):
        for name, value in data.items():
            refuse_control_characters(value, str(name))
    elif isinstance(data, (list, tuple)):
        for value in data:
            refuse_control_characters(value, field)
    elif isinstance(data, msgspec.Struct):
        for each in msgspec.structs.fields(data):
            refuse_control_characters(getattr(data, each.name), each.name)
