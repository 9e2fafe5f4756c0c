"""One cell of a roster as a value, from whatever type the workbook gave it; or why not, and what to do."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from exam.kit.workbook_reader import Cell, DateCell
from exam.people import rules as people
from group_orders.roster_fields import RosterField
from group_orders.roster_sheet import text_of

EXACT_BELOW = 2**53
"""A double holds every whole number below this exactly; Excel itself keeps 15 digits."""
EXACT_DIGITS = 15

CODED = frozenset({"id_kind", "sex", "marital", "employee_no", "relation", "of_employee_no"})
"""Words that are compared: full-width letters and digits become half-width. The others stay as the company wrote them."""

_SCIENTIFIC = re.compile(r"[0-9]\.[0-9]+E\+?[0-9]+|[0-9]+E\+[0-9]+", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"([0-9]{4})(?:[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?|([0-9]{2})([0-9]{2}))(?:[ T]00?:00(?::00)?)?")
_RETYPE = "请把整列设为“文本”格式,再对照证件重新录入(只改格式不能找回末几位)"


class BadCell(Exception):
    """A cell that cannot be taken: the reason and the remedy, in Chinese."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def read_word(cell: Cell, field: RosterField) -> str:
    """A short text with single spaces, at most as long as its field. A whole number is its digits."""
    if isinstance(cell, DateCell):
        raise BadCell(f"{field.label}单元格是日期", "请把单元格设为“文本”格式后重新填写")
    if isinstance(cell, float) and not (cell.is_integer() and abs(cell) < EXACT_BELOW):
        raise BadCell(f"{field.label}单元格是小数或过大的数字", "请把单元格设为“文本”格式后重新填写")
    text = " ".join(text_of(cell).split())
    if field.name in CODED:
        text = unicodedata.normalize("NFKC", text)
    if not text.isprintable() and field.name != "name":  # a name has its own rule, and may have characters of its own
        raise BadCell(f"{field.label}中含有不可见的控制字符", "请删除后手工重新填写")
    if len(text) > field.longest:
        raise BadCell(f"{field.label}超过 {field.longest} 个字", "请缩短")
    return text


def read_id_text(cell: Cell) -> str:
    """A document number as text. A number is refused, never guessed: Excel keeps fifteen of the eighteen digits."""
    if isinstance(cell, (DateCell, bool)):
        raise BadCell("证件号码单元格是日期或是非值", _RETYPE)
    if isinstance(cell, float):
        digits = len(str(int(abs(cell)))) if abs(cell) < 1e300 else 300
        lost = f"Excel 只保留 {EXACT_DIGITS} 位,末几位已丢失" if digits > EXACT_DIGITS else "开头的 0 可能已丢失"
        raise BadCell(f"证件号码以数字形式存储,{lost}", _RETYPE)
    text = "".join(unicodedata.normalize("NFKC", cell).split()).strip("'`‘’")
    if _SCIENTIFIC.fullmatch(text):
        raise BadCell("证件号码是科学计数法,末几位已丢失", _RETYPE)
    if len(text) > 30:
        raise BadCell("证件号码过长", "请每个单元格只填写一个号码")
    return text


def read_phone(cell: Cell) -> str:
    """A phone, normalised. A whole number is taken: eleven digits fit into a number exactly."""
    if isinstance(cell, (DateCell, bool)):
        raise BadCell("手机号码单元格是日期或是非值", "请把单元格设为“文本”格式后重新填写")
    if isinstance(cell, float):
        if not (cell.is_integer() and 0 <= cell < EXACT_BELOW):
            raise BadCell("手机号码不是整数", "请把单元格设为“文本”格式后重新填写")
        return people.read_phone(str(int(cell)))
    text = unicodedata.normalize("NFKC", cell).strip().strip("'`‘’")
    if _SCIENTIFIC.fullmatch(text):
        raise BadCell("手机号码是科学计数法,末几位已丢失", "请把单元格设为“文本”格式后重新填写")
    if len(text) > 30:
        raise BadCell("手机号码过长", "请每个单元格只填写一个号码")
    return people.read_phone(text)


def read_birth(cell: Cell) -> date:
    """A birth date: a date cell, or a text with the year first. A bare serial number or a two-digit year is not guessed."""
    if isinstance(cell, DateCell):
        if len(cell.iso) < len("1985-03-15"):
            raise BadCell("出生日期单元格是时间", "请填写日期,例如 1985-03-15")
        return date.fromisoformat(cell.iso[:10])
    text = text_of(cell) if isinstance(cell, float) else unicodedata.normalize("NFKC", str(cell)).strip()
    found = _YEAR_FIRST.fullmatch("".join(text.split()) if "年" in text else text)
    if found is None:
        raise BadCell("出生日期的写法无法识别", "请填写年-月-日,例如 1985-03-15 或 19850315")
    try:
        return date(int(found[1]), int(found[2] or found[4]), int(found[3] or found[5]))
    except ValueError:
        raise BadCell("出生日期不存在", "请核对月和日") from None
