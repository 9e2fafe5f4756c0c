"""Rules about people: document numbers (GB 11643 and others), the basics of a person, age, and whether two are one."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from exam.kit.errors import BadInput, Refused
from exam.people.facts import ID_KIND_NAMES, IdKind, IdNumber, NewPerson
from exam.people.regions import PROVINCES

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"
CENTENARIAN_SEQUENCES = ("996", "997", "998", "999")
EARLIEST_BIRTH_ON = date(1800, 1, 1)
UNLIKELY_AGE = 120
NAME_LENGTH = 50
ADDRESS_LENGTH = 200
WORD_LENGTH = 20

CARD_KINDS = (IdKind.RESIDENT, IdKind.HK_MACAO_TAIWAN_RESIDENCE, IdKind.FOREIGN_PERMANENT)
RESIDENCE_PREFIXES = ("81", "82", "83")
SEX_WORDS = {"M": "M", "F": "F", "男": "M", "女": "F"}

_CARD_18 = re.compile(r"[0-9]{17}[0-9X]")
_CARD_15 = re.compile(r"[0-9]{15}")
_OLD_FOREIGN = re.compile(r"[A-Z]{3}[0-9]{12}")
_HK_MACAO = re.compile(r"[HM](?:[0-9]{8}|[0-9]{10})")
_TAIWAN = re.compile(r"[0-9]{8}|[0-9]{10}")
_PASSPORT = re.compile(r"[A-Z0-9]{5,17}")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_AREA = r"(0(?:10|2[0-9]|[3-9][0-9]{2}))"
_LANDLINE = re.compile(rf"(?:{_AREA}([1-9][0-9]{{6,7}})|([2-9][0-9]{{6,7}}|[48]00[0-9]{{7}}))(?:#([0-9]{{1,6}}))?")
_FOREIGN_PHONE = re.compile(r"\+[0-9]{7,15}")
_SAME_DOT = re.compile("[\u2022\u2027\u2219\u22c5\u30fb\uff0e]")
_HAN = "[\u3007\u3400-\u9fff\uf900-\ufaff\ue000-\uf8ff\U00020000-\U000323af]"
_DOT_BETWEEN_HAN = re.compile(rf"(?<={_HAN})\s*[.\u00b7]\s*(?={_HAN})")
_SPACE_BETWEEN_HAN = re.compile(rf"(?<={_HAN})\s+(?={_HAN})")
_INVISIBLE = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))

_FORMS = {
    IdKind.HK_MACAO_PERMIT: (_HK_MACAO, "应为字母H或M加8位或10位数字"),
    IdKind.TAIWAN_PERMIT: (_TAIWAN, "应为8位或10位数字"),
    IdKind.PASSPORT: (_PASSPORT, "应为5至17位字母或数字"),
}


# --- document numbers


def _plain(text: str) -> str:
    """Full-width to half-width, upper case, without any space or invisible character."""
    wide = unicodedata.normalize("NFKC", text).translate(_INVISIBLE)
    return "".join(wide.split()).upper()


def check_character(first_seventeen: str) -> str:
    """The check character of 17 digits (GB 11643, mod 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(first_seventeen, WEIGHTS, strict=True))
    return CHECK_CHARACTERS[total % 11]


def to_eighteen(fifteen: str) -> str:
    """The 18-digit form of a 15-digit number: century 19, or 18 for the centenarian sequences 996 to 999 (domain.md §6.1)."""
    century = "18" if fifteen[12:] in CENTENARIAN_SEQUENCES else "19"
    longer = fifteen[:6] + century + fifteen[6:]
    return longer + check_character(longer)


def _card_kind(eighteen: str) -> IdKind:
    """Which of the three 18-digit cards a number belongs to, by its prefix (domain.md §6.1)."""
    if eighteen[0] == "9":
        return IdKind.FOREIGN_PERMANENT
    return IdKind.HK_MACAO_TAIWAN_RESIDENCE if eighteen[:2] in RESIDENCE_PREFIXES else IdKind.RESIDENT


def guess_kind(text: str) -> IdKind | None:
    """The kind of document a scanned or typed number looks like, or None.

    Phone numbers, visit numbers and tube barcodes give None: an 18-digit barcode has a month where a card has its century.
    A passport of digits only is not guessed.
    """
    number = _plain(text)
    if _CARD_18.fullmatch(number):
        return _card_kind(number) if number[6:8] in ("18", "19", "20") else None
    if _CARD_15.fullmatch(number):
        return IdKind.RESIDENT
    if _OLD_FOREIGN.fullmatch(number):
        return IdKind.FOREIGN_PERMANENT
    for kind in (IdKind.HK_MACAO_PERMIT, IdKind.TAIWAN_PERMIT):
        if _FORMS[kind][0].fullmatch(number):
            return kind
    has_both = any(c.isdigit() for c in number) and any(c.isalpha() for c in number)
    return IdKind.PASSPORT if has_both and _PASSPORT.fullmatch(number) and len(number) < 15 else None


def read_id_number(kind: IdKind | None, text: str, today: date) -> IdNumber:
    """Checks and normalises a document number (GB 11643, S18; domain.md §6.1); `kind` None means: recognise it.

    Resident, residence and foreign cards share one numbering, so their kind follows the number, with a warning where the
    desk chose another of the three. A 15-digit number comes back as 18 digits. An unknown region only warns.
    """
    number = _plain(text)
    if kind is IdKind.NONE:
        if number:
            raise _refuse_id("unexpected", "已选“无证件”,但填写了证件号码", "请选择正确的证件类型,或清空证件号码")
        return IdNumber(IdKind.NONE, "")
    if not number:
        raise _refuse_id("missing", "证件号码未填写", "请刷卡或输入证件号码;没有证件请选择“无证件”")
    if kind is None:
        kind = guess_kind(number) or (IdKind.RESIDENT if len(number) == 18 else None)
    if kind is None:
        raise _refuse_id("unknown_kind", "无法识别证件号码的类型", "请核对号码,或手工选择证件类型")
    if kind in CARD_KINDS:
        return _read_card(kind, number, today)
    form, wanted = _FORMS[kind]
    if not form.fullmatch(number):
        raise _refuse_id("form", f"{ID_KIND_NAMES[kind]}号码格式不正确,{wanted}", "请对照证件重新输入")
    return IdNumber(kind, number)


def _refuse_id(reason: str, text: str, hint: str) -> Refused:
    return Refused(f"people.id_{reason}", text, hint, "id_no")


def _read_card(wanted: IdKind, number: str, today: date) -> IdNumber:
    warnings: list[str] = []
    if wanted is IdKind.FOREIGN_PERMANENT and _OLD_FOREIGN.fullmatch(number):
        return IdNumber(wanted, number)
    if len(number) not in (15, 18):
        raise _refuse_id("length", f"证件号码应为18位(旧证15位),现为{len(number)}位", "请对照证件重新输入")
    if len(number) == 15:
        if not _CARD_15.fullmatch(number):
            raise _refuse_id("characters", "15位证件号码只能是数字", "请对照证件重新输入")
        number = to_eighteen(number)
        warnings.append("15位旧号码已转换为18位,请核对")
    elif not _CARD_18.fullmatch(number):
        raise _refuse_id("characters", "证件号码前17位只能是数字,末位只能是数字或X", "请对照证件重新输入")
    birth_on = _birth_of(number, today)
    if check_character(number[:17]) != number[17]:
        raise _refuse_id("checksum", "证件号码校验位不正确", "号码中有一位或多位输错,请对照证件重新输入")
    kind = _card_kind(number)
    if kind is not wanted:
        warnings.append(f"按号码识别为{ID_KIND_NAMES[kind]}")
    # A foreign number carries the place of application in its second and third digit (domain.md §6.1, from memory).
    region = number[1:3] if kind is IdKind.FOREIGN_PERMANENT else number[:2]
    if region not in PROVINCES:
        warnings.append(f"证件号码的地区代码 {region} 不在目录中,请核对")
    if age_on(birth_on, today) > UNLIKELY_AGE:
        warnings.append(f"按证件号码计算年龄超过{UNLIKELY_AGE}岁,请核对")
    return IdNumber(kind, number, "M" if int(number[16]) % 2 else "F", birth_on, tuple(warnings))


def _birth_of(eighteen: str, today: date) -> date:
    try:
        birth_on = date(int(eighteen[6:10]), int(eighteen[10:12]), int(eighteen[12:14]))
    except ValueError:
        raise _refuse_id("birth_date", "证件号码中的出生日期不存在", "请对照证件重新输入第7至14位") from None
    if birth_on > today:
        raise _refuse_id("future", "证件号码中的出生日期晚于今天", "请对照证件重新输入第7至14位")
    if birth_on < EARLIEST_BIRTH_ON:
        raise _refuse_id("birth_date", "证件号码中的出生日期过早", "请对照证件重新输入第7至14位")
    return birth_on


def index_id(number: str) -> str:
    """What a document number is indexed and compared by: the 15 and 18 digits of one person give the same text.

    A Hong Kong or Macao permit counts without its two renewal digits. Different kinds may share a text (a passport can look
    like a permit), so compare the kind too. Never refuses: a half-typed number simply matches nothing.
    """
    plain = _plain(number)
    if _CARD_15.fullmatch(plain):
        return to_eighteen(plain)
    return plain[:9] if _HK_MACAO.fullmatch(plain) else plain


def index_last_four(number: str) -> str:
    """The last four characters of a normalised number for searching, or nothing when there are fewer."""
    plain = index_id(number)
    return plain[-4:] if len(plain) >= 4 else ""


# --- phone, name, age


def index_phone(text: str) -> str:
    """What a phone is indexed and compared by: its digits without +86, separators or extension."""
    number = _phone_digits(text)
    return number.partition("#")[0]


def _phone_digits(text: str) -> str:
    """A phone as digits, `+` kept for other countries, `#` before an extension."""
    plain = _plain(text)
    plain = re.sub("转|EXT\\.?", "#", plain)
    plain = re.sub("^(?:\\+|00)86-?", "", plain)
    if _MOBILE.fullmatch(re.sub("[^0-9]", "", plain)[2:]) and plain.startswith("86"):
        plain = plain[2:]
    # 0771-5321234-801: a third part after a whole number is an extension.
    plain = re.sub("^(\\(?0[0-9]{2,3}\\)?-?[0-9]{7,8})-([0-9]{1,6})$", "\\1#\\2", plain)
    return re.sub("[-()]", "", plain)


def read_phone(text: str) -> str:
    """A normalised phone: an 11-digit mobile, a landline (`0771-5321234`), or `+` and country code. Empty stays empty."""
    number = _phone_digits(text)
    if not number or _MOBILE.fullmatch(number) or _FOREIGN_PHONE.fullmatch(number):
        return number
    landline = _LANDLINE.fullmatch(number)
    if not landline:
        raise Refused("people.phone", "联系电话格式不正确", "请输入11位手机号,或带区号的固定电话,如 0771-5321234", "phone")
    return "-".join(part for part in landline.groups() if part)


def read_name(text: str) -> str:
    """A normalised name of 1 to 50 characters: NFKC, one kind of middle dot (U+00B7), no spaces between Han characters."""
    name = unicodedata.normalize("NFKC", text).translate(_INVISIBLE).strip()
    if not name:
        raise Refused("people.name_missing", "姓名未填写", "请输入姓名", "name")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp") for c in name):
        raise Refused("people.name_characters", "姓名中含有不可见的控制字符", "请删除后手工重新输入姓名", "name")
    name = _SAME_DOT.sub("\u00b7", name)
    name = _DOT_BETWEEN_HAN.sub("\u00b7", name)
    name = " ".join(_SPACE_BETWEEN_HAN.sub("", name).split())
    if len(name) > NAME_LENGTH:
        raise Refused("people.name_length", f"姓名超过{NAME_LENGTH}个字", "请核对姓名", "name")
    if not any(unicodedata.category(c) in ("Lo", "Lu", "Ll", "Lt", "Lm", "Nl", "Co") for c in name):
        raise Refused("people.name_characters", "姓名中没有文字", "请输入证件上的姓名", "name")
    return name


def age_on(birth_on: date, day: date) -> int:
    """Age in full years on a day. Born on 29 February, one turns older on 1 March of a common year."""
    if day < birth_on:
        raise Refused("people.birth_after_day", "出生日期晚于计算年龄的日期", "请核对出生日期", "birth_on")
    return day.year - birth_on.year - ((day.month, day.day) < (birth_on.month, birth_on.day))


# --- the basics of a person


class CheckedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person's basics, every field checked and normalised; `warnings` are for the desk to confirm."""

    name: str
    id_kind: IdKind
    id_no: str
    sex: str
    birth_on: date
    phone: str = ""
    address: str = ""
    nation: str = ""
    marital: str = ""
    organization_id: UUID | None = None
    warnings: tuple[str, ...] = ()


class _Problems:
    """Collects refusals field by field, so that the desk sees all of them at once."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, field: str, text: str) -> None:
        self.found.append((field, text))

    def add_refusal(self, refusal: Refused) -> None:
        self.add(refusal.field, f"{refusal.text},{refusal.hint}" if refusal.hint else refusal.text)


def check_person(new: NewPerson, today: date) -> CheckedPerson:
    """Checks and normalises what the desk typed; raises `BadInput` with every problem.

    Sex and birth come from the document number where it tells them; typing something else is refused, never overwritten.
    """
    problems = _Problems()
    name, phone = "", ""
    try:
        name = read_name(new.name)
    except Refused as refusal:
        problems.add_refusal(refusal)
    try:
        phone = read_phone(new.phone)
    except Refused as refusal:
        problems.add_refusal(refusal)
    document = None
    try:
        document = read_id_number(new.id_kind, new.id_no, today)
    except Refused as refusal:
        problems.add_refusal(refusal)
    sex = _check_sex(new.sex, document, problems)
    birth_on = _check_birth(new.birth_on, document, today, problems)
    address = _check_words(new.address, "address", "地址", ADDRESS_LENGTH, problems)
    nation = _check_words(new.nation, "nation", "民族", WORD_LENGTH, problems)
    marital = _check_words(new.marital, "marital", "婚姻状况", WORD_LENGTH, problems)
    if problems.found or document is None or birth_on is None:
        raise BadInput(problems.found)
    warnings = list(document.warnings)
    if any(unicodedata.category(c) == "Co" for c in name):
        warnings.append("姓名含有造字区的生僻字,打印前请核对")
    if document.birth_on is None and age_on(birth_on, today) > UNLIKELY_AGE:
        warnings.append(f"年龄超过{UNLIKELY_AGE}岁,请核对出生日期")
    return CheckedPerson(
        name=name, id_kind=document.kind, id_no=document.number, sex=sex, birth_on=birth_on, phone=phone, address=address,
        nation=nation, marital=marital, organization_id=new.organization_id, warnings=tuple(warnings),
    )  # fmt: skip


def _check_sex(typed: str, document: IdNumber | None, problems: _Problems) -> str:
    known = document.sex if document else None
    word = unicodedata.normalize("NFKC", typed).strip().upper()
    sex = SEX_WORDS.get(word, "")
    if word and not sex:
        problems.add("sex", "性别只能是男或女")
    elif sex and known and sex != known:
        problems.add("sex", "性别与证件号码不一致,请核对")
    elif not sex and not known and document is not None:
        problems.add("sex", "性别未填写,该证件不能得出性别,请选择")
    return known or sex


def _check_birth(typed: date | None, document: IdNumber | None, today: date, problems: _Problems) -> date | None:
    known = document.birth_on if document else None
    if typed is None:
        if known is None and document is not None:
            problems.add("birth_on", "出生日期未填写,该证件不能得出出生日期,请输入")
    elif typed > today:
        problems.add("birth_on", "出生日期晚于今天,请核对")
    elif typed < EARLIEST_BIRTH_ON:
        problems.add("birth_on", "出生日期过早,请核对")
    elif known and typed != known:
        problems.add("birth_on", "出生日期与证件号码不一致,请核对")
    return known or typed


def _check_words(text: str, field: str, label: str, longest: int, problems: _Problems) -> str:
    words = text.translate(_INVISIBLE).strip()
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in words):
        problems.add(field, f"{label}中含有不可见的控制字符,请重新输入")
    if len(words) > longest:
        problems.add(field, f"{label}超过{longest}个字")
    return words


# --- is it the same person?


class Sameness(StrEnum):
    """What comparing two persons says. CONFLICT: one number, two identities: block and send to the identity desk."""

    SAME = "same"
    CONFLICT = "conflict"
    MAYBE = "maybe"
    DIFFERENT = "different"


class Identified(Protocol):
    """What is needed to compare two persons; `CheckedPerson` and `Identity` both have it."""

    @property
    def name(self) -> str: ...
    @property
    def id_kind(self) -> IdKind: ...
    @property
    def id_no(self) -> str: ...
    @property
    def sex(self) -> str: ...
    @property
    def birth_on(self) -> date: ...
    @property
    def phone(self) -> str: ...


class Identity(msgspec.Struct, frozen=True):
    """A person already on file, as far as comparing needs it."""

    name: str
    id_kind: IdKind
    id_no: str
    sex: str
    birth_on: date
    phone: str = ""


def index_name(name: str) -> str:
    """What names are compared by: NFKC, lower case, letters only, so that dots and spaces make no difference."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "ZP")


def same_person(a: Identified, b: Identified) -> Sameness:
    """Whether two persons are one (domain.md §6.1: one number with another name, sex or birth blocks)."""
    is_same_name = index_name(a.name) == index_name(b.name)
    is_same_rest = a.sex == b.sex and a.birth_on == b.birth_on
    if a.id_kind is b.id_kind and a.id_no and index_id(a.id_no) == index_id(b.id_no):
        return Sameness.SAME if is_same_name and is_same_rest else Sameness.CONFLICT
    has_same_phone = bool(a.phone) and index_phone(a.phone) == index_phone(b.phone)
    return Sameness.MAYBE if is_same_name and (is_same_rest or has_same_phone) else Sameness.DIFFERENT
