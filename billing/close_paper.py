"""A day close on paper, A4 or a strip of 80 mm, with the heads of the audit chains at that moment. Pure drawing; data is text, never markup."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from exam.kit.clock import local
from exam.kit.paper import A4, MM, Fonts, Paper, clean, fonts

INK, GREY, HAIR = "#000000", "#555555", "#999999"
ROLL_WIDTH, ROLL_MARGIN = 80 * MM, 4 * MM


class Table(msgspec.Struct, frozen=True):
    """A table: its title, header and rows. All columns but the first stand to the right; `total` is its last row, printed bold."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] = ()


class PrintedClose(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the print says. `heads` are the audit's anchored heads, one line each; `signers` who puts their name under it."""

    title: str
    number: str
    centre_name: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    heads: tuple[str, ...]
    signers: tuple[str, ...]
    printed_at: datetime


def close_pdf(close: PrintedClose, paper: str, faces: Fonts | None = None) -> bytes:
    """The close on `a4`, or on a `roll` as long as it needs to be."""
    faces = faces or fonts()
    return _roll(close, faces) if paper == "roll" else _a4(close, faces)


def _foot(close: PrintedClose) -> list[str]:
    return [*close.notes, "审计锚点:", *close.heads, f"打印时间 {local(close.printed_at):%Y-%m-%d %H:%M:%S}"]


def _a4(close: PrintedClose, faces: Fonts) -> bytes:
    paper = Paper(faces, A4, close.printed_at, title=f"{close.title} {close.number}", subject=close.centre_name)
    left, right, bottom = 18 * MM, A4[0] - 18 * MM, A4[1] - 20 * MM

    def head() -> float:
        paper.new_page()
        paper.text(left, 16 * MM, faces.shorten(clean(close.centre_name), right - left, 10), 10, GREY)
        paper.text(left, 26 * MM, close.title, 18, INK, True)
        paper.text(right, 26 * MM, close.number, 11, INK, align="right")
        paper.rule(left, 29.5 * MM, right, 29.5 * MM, INK, 0.8)
        return 37 * MM

    y = head()
    half = (right - left) / 2
    for place, (label, value) in enumerate(close.facts):
        x = left + (place % 2) * half
        paper.text(x, y, label, 9, GREY)
        paper.text(x + 24 * MM, y, faces.shorten(clean(value), half - 26 * MM, 10), 10, INK)
        y += 6.4 * MM if place % 2 or place == len(close.facts) - 1 else 0
    for table in close.tables:
        y += 5 * MM
        if y + 22 * MM > bottom:
            y = head()
        paper.text(left, y, table.title, 11, INK, True)
        y += 6 * MM
        y = _row(paper, faces, left, right, y, table.header, GREY, 8.5)
        paper.rule(left, y - 4 * MM, right, y - 4 * MM, HAIR)
        y += 1.2 * MM
        for row in table.rows:
            if y > bottom:
                y = head()
            y = _row(paper, faces, left, right, y, row, INK, 9.5)
        if table.total:
            paper.rule(left, y - 4 * MM, right, y - 4 * MM, INK, 0.6)
            y = _row(paper, faces, left, right, y + 1.2 * MM, table.total, INK, 10, is_bold=True)
    lines = [line for text in _foot(close) for line in faces.wrap(clean(text), right - left, 8)]
    if y + (len(lines) + 5) * 4.2 * MM > bottom:
        y = head()
    y += 4 * MM
    for line in lines:
        paper.text(left, y, line, 8, GREY)
        y += 4.2 * MM
    y += 9 * MM
    for place, signer in enumerate(close.signers):
        paper.text(left + place * (right - left) / len(close.signers), y, f"{signer}:", 10, INK)

    def stamp(number: int, count: int) -> None:
        paper.text(right, A4[1] - 10 * MM, f"第 {number} / {count} 页", 7.5, GREY, align="right")

    return paper.finish(stamp)


def _row(
    paper: Paper, faces: Fonts, left: float, right: float, y: float, cells: Sequence[str], colour: str, size: float, is_bold: bool = False
) -> float:  # fmt: skip
    first = (right - left) * (0.34 if len(cells) > 2 else 0.6)
    paper.text(left, y, faces.shorten(clean(cells[0]), first - 2 * MM, size), size, colour, is_bold)
    step = (right - left - first) / max(len(cells) - 1, 1)
    for place, cell in enumerate(cells[1:], 1):
        paper.text(
            left + first + place * step, y, faces.shorten(clean(cell), step - 1.5 * MM, size), size, colour, is_bold, "right"
        )
    return y + 5.6 * MM


def _roll(close: PrintedClose, faces: Fonts) -> bytes:
    left, right = ROLL_MARGIN, ROLL_WIDTH - ROLL_MARGIN
    facts = [(label, faces.wrap(clean(value), right - left - 22 * MM, 9) or [""]) for label, value in close.facts]
    foot = [line for text in _foot(close) for line in faces.wrap(clean(text), right - left, 7.5)]
    rows = sum(2 + len(table.rows) + bool(table.total) for table in close.tables)
    height = 30 * MM + (sum(len(lines) for _, lines in facts) + rows) * 4.8 * MM + len(close.tables) * 3 * MM + len(foot) * 3.8 * MM
    paper = Paper(
        faces, (ROLL_WIDTH, height + 14 * MM * bool(close.signers)), close.printed_at, title=f"{close.title} {close.number}"
    )
    paper.new_page()
    y = 7 * MM
    paper.text(ROLL_WIDTH / 2, y, faces.shorten(clean(close.centre_name), right - left, 10), 10, INK, True, "centre")
    y += 6.5 * MM
    paper.text(ROLL_WIDTH / 2, y, close.title, 13, INK, True, "centre")
    y += 7 * MM
    for label, lines in facts:
        paper.text(left, y, label, 9, GREY)
        for line in lines:
            paper.text(right, y, line, 9, INK, align="right")
            y += 4.8 * MM
    for table in close.tables:
        paper.rule(left, y - 3.2 * MM, right, y - 3.2 * MM, HAIR)
        paper.text(left, y + 1 * MM, table.title, 9.5, INK, True)
        paper.text(right, y + 1 * MM, table.header[-1], 8, GREY, align="right")
        y += 6 * MM
        for row in (*table.rows, *((table.total,) if table.total else ())):
            is_total = row is table.total
            paper.text(left, y, faces.shorten(clean(row[0]), right - left - 26 * MM, 9), 9, INK, is_total)
            paper.text(right, y, row[-1], 9, INK, is_total, "right")
            y += 4.8 * MM
        y += 1.5 * MM
    paper.rule(left, y - 3.2 * MM, right, y - 3.2 * MM, HAIR)
    y += 1 * MM
    for line in foot:
        paper.text(left, y, line, 7.5, GREY)
        y += 3.8 * MM
    y += 5 * MM
    for place, signer in enumerate(close.signers):
        paper.text(left + place * (right - left) / len(close.signers), y, f"{signer}:", 9, INK)
    return paper.finish()
