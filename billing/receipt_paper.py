"""A receipt on paper: a strip of 80 mm for the receipt printer, and A5. Pure drawing from plain facts; data is text, never markup."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from exam.kit.clock import local
from exam.kit.money import yuan
from exam.kit.paper import A5, MM, Fonts, Paper, clean, fonts

INK, GREY, HAIR = "#000000", "#555555", "#999999"
ROLL_WIDTH = 80 * MM
ROLL_MARGIN = 4 * MM
"""A receipt printer of 80 mm prints on 72 of them."""


class PaperKind(StrEnum):
    """What a receipt is printed on."""

    ROLL = "roll"
    A5 = "a5"


PAPER_NAMES = {PaperKind.ROLL: "80 mm 小票", PaperKind.A5: "A5"}


class PrintedLine(msgspec.Struct, frozen=True):
    """One item with what this receipt paid of it, in fen."""

    name: str
    amount_fen: int


class PrintedPart(msgspec.Struct, frozen=True):
    """One way with its amount in fen, and what was handed over and handed back where it was cash."""

    name: str
    amount_fen: int
    reference: str = ""
    tendered_fen: int | None = None
    change_fen: int = 0


class PrintedReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a receipt says. `about` names what it is for; `note` says what it takes back or replaces."""

    title: str
    receipt_no: str
    centre_name: str
    about: str
    person: str
    visit_no: str
    at: datetime
    cashier: str
    sign: int
    total_fen: int
    lines: tuple[PrintedLine, ...]
    parts: tuple[PrintedPart, ...]
    note: str = ""
    copy_no: int = 1
    is_voided: bool = False


def receipt_pdf(receipt: PrintedReceipt, kind: PaperKind, faces: Fonts | None = None) -> bytes:
    """The receipt on its paper; the strip is as long as it needs to be, A5 goes on to further pages."""
    faces = faces or fonts()
    return _roll(receipt, faces) if kind is PaperKind.ROLL else _a5(receipt, faces)


def _rows(receipt: PrintedReceipt) -> list[tuple[str, str]]:
    found = [("收据号", receipt.receipt_no), ("时间", f"{local(receipt.at):%Y-%m-%d %H:%M:%S}")]
    found += [("受检者", receipt.person)] if receipt.person else []
    found += [("体检号", receipt.visit_no)] if receipt.visit_no else []
    found += [("事由", receipt.about), ("收费员", receipt.cashier)]
    return found


def _payments(receipt: PrintedReceipt) -> list[tuple[str, str]]:
    """Each way with its amount; of cash also what was tendered and the change."""
    found: list[tuple[str, str]] = []
    for part in receipt.parts:
        found.append((f"{part.name} {part.reference}".strip(), yuan(receipt.sign * part.amount_fen)))
        if part.tendered_fen is not None and part.tendered_fen != part.amount_fen:
            found += [("  实收", yuan(part.tendered_fen)), ("  找零", yuan(part.change_fen))]
    return found


def _foot(receipt: PrintedReceipt) -> list[str]:
    found = [receipt.note] if receipt.note else []
    found += ["本收据已作废"] if receipt.is_voided else []
    found += [f"第 {receipt.copy_no} 次打印"] if receipt.copy_no > 1 else []
    return [*found, "请妥善保管,退费时请出示本收据。本收据不作为报销凭证。"]


def _roll(receipt: PrintedReceipt, faces: Fonts) -> bytes:
    left, right = ROLL_MARGIN, ROLL_WIDTH - ROLL_MARGIN
    room = right - left - 20 * MM
    names = [(faces.wrap(clean(line.name), room, 9), yuan(line.amount_fen)) for line in receipt.lines]
    ways = [(faces.wrap(clean(name), room, 9), amount) for name, amount in _payments(receipt)]
    facts = [(label, faces.wrap(clean(value), right - left - 15 * MM, 9)) for label, value in _rows(receipt)]
    foot = [line for text in _foot(receipt) for line in faces.wrap(clean(text), right - left, 8)]
    count = sum(len(lines) for lines, _ in (*names, *ways)) + sum(len(lines) for _, lines in facts)
    height = 34 * MM + count * 4.6 * MM + len(foot) * 4 * MM + 10 * MM
    paper = Paper(faces, (ROLL_WIDTH, height), receipt.at, title=f"{receipt.title} {receipt.receipt_no}")
    paper.new_page()
    y = 7 * MM
    paper.text(ROLL_WIDTH / 2, y, faces.shorten(clean(receipt.centre_name), right - left, 10), 10, INK, True, "centre")
    y += 6.5 * MM
    paper.text(ROLL_WIDTH / 2, y, receipt.title, 13, INK, True, "centre")
    y += 6.5 * MM
    for label, lines in facts:
        paper.text(left, y, label, 9, GREY)
        for line in lines:
            paper.text(left + 15 * MM, y, line, 9, INK)
            y += 4.6 * MM
    for block in (names, ways):
        paper.rule(left, y - 3 * MM, right, y - 3 * MM, HAIR)
        y += 1.4 * MM
        for lines, amount in block:
            paper.text(right, y, amount, 9, INK, align="right")
            for line in lines:
                paper.text(left, y, line, 9, INK)
                y += 4.6 * MM
        if block is names:
            paper.text(left, y + 1.5 * MM, "合计", 11, INK, True)
            paper.text(right, y + 1.5 * MM, f"¥{yuan(receipt.sign * receipt.total_fen)}", 13, INK, True, "right")
            y += 7.5 * MM
    paper.rule(left, y - 3 * MM, right, y - 3 * MM, HAIR)
    y += 1.2 * MM
    for line in foot:
        paper.text(left, y, line, 8, INK)
        y += 4 * MM
    return paper.finish()


def _a5(receipt: PrintedReceipt, faces: Fonts) -> bytes:
    paper = Paper(faces, A5, receipt.at, title=f"{receipt.title} {receipt.receipt_no}")
    left, right, bottom = 13 * MM, A5[0] - 13 * MM, A5[1] - 16 * MM

    def head() -> float:
        paper.new_page()
        paper.text(left, 14 * MM, faces.shorten(clean(receipt.centre_name), right - left, 10), 10, GREY)
        paper.text(left, 23 * MM, receipt.title, 17, INK, True)
        paper.text(right, 23 * MM, receipt.receipt_no, 11, INK, align="right")
        paper.rule(left, 26 * MM, right, 26 * MM, INK, 0.8)
        return 33 * MM

    y = head()
    for place, (label, value) in enumerate(_rows(receipt)[1:]):
        x = left + (place % 2) * (right - left) / 2
        paper.text(x, y, label, 8.5, GREY)
        paper.text(x + 13 * MM, y, faces.shorten(clean(value), (right - left) / 2 - 15 * MM, 9.5), 9.5, INK)
        y += 6 * MM if place % 2 else 0
    y += 8 * MM
    paper.text(left, y, "项目", 8.5, GREY)
    paper.text(right, y, "金额(元)", 8.5, GREY, align="right")
    paper.rule(left, y + 1.6 * MM, right, y + 1.6 * MM, HAIR)
    y += 6.4 * MM
    for line in receipt.lines:
        wrapped = faces.wrap(clean(line.name), right - left - 28 * MM, 9.5)
        if y + len(wrapped) * 5.2 * MM > bottom:
            y = head()
        paper.text(right, y, yuan(line.amount_fen), 9.5, INK, align="right")
        for text in wrapped:
            paper.text(left, y, text, 9.5, INK)
            y += 5.2 * MM
    payments, foot = _payments(receipt), _foot(receipt)
    if y + (13 + 5.2 * len(payments) + 4.4 * len(foot)) * MM > bottom:
        y = head()
    paper.rule(left, y - 2.6 * MM, right, y - 2.6 * MM, INK, 0.8)
    paper.text(left, y + 3.4 * MM, "合计", 12, INK, True)
    paper.text(right, y + 3.4 * MM, f"¥{yuan(receipt.sign * receipt.total_fen)}", 15, INK, True, "right")
    y += 11 * MM
    for name, amount in payments:
        paper.text(left, y, faces.shorten(clean(name), right - left - 30 * MM, 9.5), 9.5, INK)
        paper.text(right, y, amount, 9.5, INK, align="right")
        y += 5.2 * MM
    y += 2 * MM
    for each in foot:
        y = paper.paragraph(left, y, each, right - left, 8.5, 12, GREY)

    def stamp(number: int, count: int) -> None:
        paper.text(right, A5[1] - 8 * MM, f"第 {number} / {count} 页", 7.5, GREY, align="right")

    return paper.finish(stamp)
