"""A paper invoice on its sheet (A5 across). Pure drawing from plain facts; data is text, never markup."""

from __future__ import annotations

from datetime import datetime

import msgspec

from billing.invoice_facts import Invoice
from exam.kit.clock import local
from exam.kit.money import yuan
from exam.kit.paper import A5, MM, Fonts, Paper, clean, fonts

INK, GREY, HAIR, RED = "#000000", "#555555", "#999999", "#B02020"
SHEET = (A5[1], A5[0])
_DIGITS, _PLACES = "零壹贰叁肆伍陆柒捌玖", ("", "拾", "佰", "仟")


class PrintedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the sheet says. `original` is the code and number that a red one takes back."""

    invoice: Invoice
    centre_name: str
    cashier: str
    original: str = ""
    copy_no: int = 1
    printed_at: datetime


def capital(fen: int) -> str:
    """An amount in the characters that cannot be altered (大写), as a cheque has it: 壹佰贰拾元整."""
    yuan_, jiao, small = fen // 100, fen // 10 % 10, fen % 10
    text = f"{_whole(yuan_)}元" if yuan_ else ""
    if not jiao and not small:
        return (text or "零元") + "整"
    if jiao:
        text += f"{_DIGITS[jiao]}角"
    elif text:
        text += "零"
    return text + (f"{_DIGITS[small]}分" if small else "整")


def _whole(number: int) -> str:
    groups: list[str] = []
    needs_zero = False
    for place in range(3, -1, -1):
        part = number // 10000**place % 10000
        if part:
            gap = "零" if groups and (needs_zero or part < 1000) else ""
            groups.append(gap + _four(part) + ("", "万", "亿", "兆")[place])
            needs_zero = False
        elif groups:
            needs_zero = True
    return "".join(groups)


def _four(number: int) -> str:
    text = ""
    for place in range(3, -1, -1):
        digit = number // 10**place % 10
        if digit:
            text += _DIGITS[digit] + _PLACES[place]
        elif text and not text.endswith("零"):
            text += "零"
    return text.removesuffix("零")


def invoice_pdf(printed: PrintedInvoice, faces: Fonts | None = None) -> bytes:
    """The invoice on one sheet; items that do not fit are summed up in the last line."""
    faces = faces or fonts()
    invoice = printed.invoice
    colour, sign = (RED, -1) if invoice.is_red else (INK, 1)
    paper = Paper(faces, SHEET, printed.printed_at, title=f"发票 {invoice.code} {invoice.number}", subject=printed.centre_name)
    paper.new_page()
    left, right = 16 * MM, SHEET[0] - 16 * MM
    paper.text(SHEET[0] / 2, 14 * MM, faces.shorten(clean(printed.centre_name), right - left, 11), 11, INK, True, "centre")
    paper.text(SHEET[0] / 2, 22 * MM, "医疗收费票据" + ("(红字)" if invoice.is_red else ""), 16, colour, True, "centre")
    paper.text(right, 14 * MM, f"代码 {invoice.code}", 9, INK, align="right")
    paper.text(right, 19 * MM, f"号码 {invoice.number}", 11, colour, True, "right")
    at = invoice.issued_at or invoice.opened_at
    facts = (
        ("抬头", invoice.title),
        ("税号", invoice.tax_no or "—"),
        ("依据", invoice.about),
        ("开票日期", f"{local(at):%Y-%m-%d}"),
    )
    y = 31 * MM
    for place, (label, value) in enumerate(facts):
        x = left + (place % 2) * (right - left) * 0.58
        paper.text(x, y, label, 9, GREY)
        paper.text(x + 17 * MM, y, faces.shorten(clean(value), (right - left) * 0.4, 10), 10, INK)
        y += 6 * MM if place % 2 else 0
    paper.rule(left, y - 2 * MM, right, y - 2 * MM, INK, 0.8)
    y += 3 * MM
    y = _items(paper, faces, printed, left, right, y, sign)
    paper.rule(left, y - 3 * MM, right, y - 3 * MM, INK, 0.8)
    paper.text(left, y + 3 * MM, f"合计(大写) {'负' if sign < 0 else ''}{capital(invoice.amount_fen)}", 11, colour, True)
    paper.text(right, y + 3 * MM, f"¥{yuan(sign * invoice.amount_fen)}", 13, colour, True, "right")
    y += 11 * MM
    notes = [f"红冲 {printed.original}:{invoice.reason}"] if invoice.is_red else []
    notes += [f"第 {printed.copy_no} 次打印"] if printed.copy_no > 1 else []
    for note in notes:
        paper.text(left, y, faces.shorten(clean(note), right - left, 9), 9, colour)
        y += 5 * MM
    paper.text(left, SHEET[1] - 12 * MM, f"收款人:{clean(printed.cashier)}", 9, INK)
    paper.text(right, SHEET[1] - 12 * MM, "收款单位(章)", 9, INK, align="right")
    return paper.finish()


def _items(paper: Paper, faces: Fonts, printed: PrintedInvoice, left: float, right: float, y: float, sign: int) -> float:
    rows_ = 16
    items = list(printed.invoice.items)
    shown, rest = (items, []) if len(items) <= 2 * rows_ else (items[: 2 * rows_ - 1], items[2 * rows_ - 1 :])
    lines = [(each.name, each.amount_fen) for each in shown]
    if rest:
        lines.append((f"其余 {len(rest)} 项", sum(each.amount_fen for each in rest)))
    half = (right - left) / 2
    column = -(-len(lines) // 2) if len(lines) > 6 else len(lines)
    width = half - 6 * MM if len(lines) > 6 else right - left
    for place, (name, fen) in enumerate(lines):
        x = left + (place // column) * (half + 3 * MM)
        at = y + place % column * 4.6 * MM
        paper.text(x, at, faces.shorten(clean(name), width - 24 * MM, 9), 9, INK)
        paper.text(x + width, at, yuan(sign * fen), 9, INK, align="right")
    return y + column * 4.6 * MM + 2 * MM
