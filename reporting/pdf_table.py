"""Tables of a report: heads that return on every page, cells that wrap, rows that may run over a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exam.kit.paper import MM, clean
from reporting.document import Reading, ResultTable
from reporting.pdf_page import (
    BOTTOM,
    CONTENT_WIDTH,
    FRAME_PADDING,
    GREY,
    HAIR,
    INK,
    LEFT,
    RED,
    RED_SOFT,
    RIGHT,
    TEAL,
    TEAL_LINE,
    TEAL_SOFT,
    TOP,
    Flow,
)

SIZE = 9.0
LEADING = 13.5
PADDING = 1.05 * MM
CELL_GAP = 2 * MM
TITLE_HEIGHT = 7.6 * MM
HEAD_HEIGHT = 6.4 * MM
SUMMARY_SIZE = 9.5
SUMMARY_LEADING = 15.0
SUMMARY_GAP = 1.6 * MM
SIGNED_SIZE = 8.5
SIGNED_HEIGHT = 5.6 * MM
BEHIND = 5.4 * MM
"""The white behind a table."""

MOST_KEPT = 70 * MM
"""More than this is never kept together: the page before it would stay too empty."""


@dataclass(frozen=True)
class Column:
    """A column's head and its width in points."""

    head: str
    width: float


_NARRATIVE = (Column("项目", 36 * MM), Column("所见", CONTENT_WIDTH - 36 * MM))


@dataclass(frozen=True)
class Cell:
    """A text in a row, `span` columns wide."""

    text: str
    colour: str = INK
    is_bold: bool = False
    span: int = 1


def draw_table(flow: Flow, columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> None:
    """A plain table of texts."""
    rows = _plain_rows(flow, columns, texts)
    flow.need(HEAD_HEIGHT + _beginning(rows))
    _head(flow, columns)
    flow.on_new_page = lambda: _head(flow, columns)
    _draw_rows(flow, rows)
    flow.on_new_page = None
    flow.space(BEHIND)


def table_beginning(flow: Flow, columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> float:
    """The points that `draw_table` needs on the page it begins on."""
    return HEAD_HEIGHT + _beginning(_plain_rows(flow, columns, texts))


def _plain_rows(flow: Flow, columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> list[_Row]:
    return [_Row(flow, columns, [Cell(text) for text in row]) for row in texts]


def draw_results(flow: Flow, table: ResultTable, with_it: float = 0) -> None:
    """One department: its name, the readings (abnormal ones red, with their arrow), the summary, doctor and time.

    A short one stays on the page of what follows it, which takes `with_it` points."""
    part = _Part(flow, table)
    is_kept = with_it and part.whole <= MOST_KEPT and part.whole + with_it <= BOTTOM - TOP
    flow.need(part.whole + with_it if is_kept else part.beginning)
    _title(flow, table)
    if part.rows:
        part.draw_head(flow)

    def go_on() -> None:
        _title(flow, table, is_continued=True)
        part.draw_head(flow)

    flow.on_new_page = go_on
    _draw_rows(flow, part.rows, below=part.tail)
    flow.on_new_page = lambda: _title(flow, table, is_continued=True)
    if part.summary:
        if part.rows:
            flow.space(SUMMARY_GAP)
        label, width = ("小结", 13 * MM) if part.rows else ("", 0)  # a summary's own part is named so by its title
        flow.framed(label, part.summary, TEAL_SOFT, TEAL, SUMMARY_SIZE, SUMMARY_LEADING, title_width=width)
    if part.is_signed_beside:
        baseline = flow.y - FRAME_PADDING - SUMMARY_LEADING + SUMMARY_SIZE * 1.1
        flow.paper.text(RIGHT - 2 * MM, baseline, table.signed_text, SIGNED_SIZE, GREY, align="right")
    elif table.signed_text:
        flow.need(SIGNED_HEIGHT)
        flow.paper.text(RIGHT, flow.y + 4.4 * MM, table.signed_text, SIGNED_SIZE, GREY, align="right")
        flow.y += SIGNED_HEIGHT
    flow.on_new_page = None
    flow.space(BEHIND)


def results_beginning(flow: Flow, table: ResultTable) -> float:
    """The points that `draw_results` needs on the page it begins on."""
    return _Part(flow, table).beginning


class _Part:
    """A department's part, wrapped and measured before it is drawn."""

    def __init__(self, flow: Flow, table: ResultTable) -> None:
        readings = table.readings
        self.is_narrative = all(_is_only_words(reading) for reading in readings) and any(
            flow.fonts.width(clean(reading.value), SIZE) > 60 * MM for reading in readings
        )
        self.columns = _NARRATIVE if self.is_narrative else _columns(table.has_previous)
        self.rows = [self._row(flow, one, table.has_previous) for one in readings]
        width = CONTENT_WIDTH - (22 * MM if readings else 9 * MM)
        self.summary = flow.fonts.wrap(table.summary, width, SUMMARY_SIZE) if table.summary else []
        frame = SUMMARY_GAP + FRAME_PADDING * 2 + len(self.summary) * SUMMARY_LEADING if self.summary else 0
        signed = flow.fonts.width(clean(table.signed_text), SIGNED_SIZE) + 8 * MM
        # A doctor who said little signs on the same line.
        self.is_signed_beside = bool(table.signed_text) and (
            len(self.summary) == 1 and flow.fonts.width(self.summary[0], SUMMARY_SIZE) + signed <= width
        )
        below = SIGNED_HEIGHT if table.signed_text and not self.is_signed_beside else 0
        # A short summary and the doctor's line stay with the last rows.
        self.tail = frame + below if len(self.summary) <= 6 else 0
        head = TITLE_HEIGHT + (HEAD_HEIGHT if readings and not self.is_narrative else 0)
        # A long summary without rows before it begins with a few lines.
        self.beginning = head + _beginning(self.rows, self.tail if self.rows or self.tail else 20 * MM)
        self.whole = head + sum(row.height for row in self.rows) + frame + below + BEHIND

    def _row(self, flow: Flow, reading: Reading, has_previous: bool) -> _Row:
        if self.is_narrative:
            return _Row(flow, self.columns, _words(reading))
        return _Row(flow, self.columns, _cells(flow, self.columns, reading, has_previous), reading.is_abnormal)

    def draw_head(self, flow: Flow) -> None:
        """The names of the columns; findings in words have none."""
        if self.is_narrative:
            flow.paper.rule(LEFT, flow.y, RIGHT, flow.y, TEAL_LINE, 0.8)
        else:
            _head(flow, self.columns)


def _beginning(rows: Sequence[_Row], tail: float = 0) -> float:
    """What must stand on one page with a table's head: two rows, or all where the last would be left alone behind them."""
    heights = [row.height for row in rows]
    wanted = sum(heights) + tail if len(rows) <= 3 else sum(heights[:2])
    return min(wanted, MOST_KEPT)


def _draw_rows(flow: Flow, rows: Sequence[_Row], below: float = 0) -> None:
    """The rows, broken between pages so that none stands alone under a repeated head; `below` follows the last one."""
    for left, row in zip(range(len(rows) - 1, -1, -1), rows, strict=True):
        row.draw(flow, keep=below if left == 0 else rows[-1].height + below if left == 1 else 0)


def _title(flow: Flow, table: ResultTable, is_continued: bool = False) -> None:
    paper, y = flow.paper, flow.y
    paper.box(LEFT, y + 0.7 * MM, 1.1 * MM, 4.6 * MM, fill=TEAL)
    department = flow.fonts.shorten(clean(table.department), 70 * MM, 11.5, True)
    paper.text(LEFT + 3.6 * MM, y + 4.6 * MM, department, 11.5, INK, is_bold=True)
    after = LEFT + 3.6 * MM + flow.fonts.width(department, 11.5, True) + 4 * MM
    note = "　".join(part for part in (table.group_name, "（续）" if is_continued else "") if part)
    if note:
        paper.text(after, y + 4.6 * MM, flow.fonts.shorten(clean(note), RIGHT - after - 26 * MM, 9.5), 9.5, GREY)
    if table.abnormal_count and not is_continued:
        paper.text(RIGHT, y + 4.6 * MM, f"异常 {table.abnormal_count} 项", 9, RED, align="right")
    flow.y = y + TITLE_HEIGHT


def _columns(has_previous: bool) -> tuple[Column, ...]:
    widths: tuple[tuple[str, int], ...]
    if has_previous:
        widths = (("项目", 50), ("结果", 31), ("提示", 11), ("单位", 26), ("参考范围", 32), ("上次结果", 24))
    else:
        widths = (("项目", 58), ("结果", 40), ("提示", 12), ("单位", 28), ("参考范围", 36))
    return tuple(Column(head, width * MM) for head, width in widths)


def _is_only_words(reading: Reading) -> bool:
    """Nothing but a name and words: no unit, no range, no earlier value."""
    return not (reading.unit or reading.range_text or reading.previous_value)


def _words(reading: Reading) -> list[Cell]:
    text = f"{reading.value} {reading.flag_sign}".rstrip() if reading.is_abnormal else reading.value
    return [Cell(reading.name, GREY), Cell(text, RED if reading.is_abnormal else INK)]


def _cells(flow: Flow, columns: Sequence[Column], reading: Reading, has_previous: bool) -> list[Cell]:
    colour = RED if reading.is_abnormal else INK
    if _is_only_words(reading) and flow.fonts.width(clean(reading.value), SIZE) > columns[1].width - 3 * MM:
        return [Cell(reading.name), Cell(_words(reading)[1].text, colour, span=len(columns) - 1)]
    cells = [
        Cell(reading.name),
        Cell(reading.value, colour, reading.is_abnormal),
        Cell(reading.flag_sign, colour, reading.is_abnormal),
        Cell(reading.unit, GREY),
        Cell(reading.range_text, GREY),
    ]
    return [*cells, Cell(reading.previous_value, GREY)] if has_previous else cells


def _head(flow: Flow, columns: Sequence[Column]) -> None:
    paper, y = flow.paper, flow.y
    paper.box(LEFT, y, CONTENT_WIDTH, HEAD_HEIGHT, fill=TEAL_SOFT)
    x = LEFT + CELL_GAP
    for column in columns:
        paper.text(x, y + 4.35 * MM, column.head, 8.5, TEAL, is_bold=True)
        x += column.width
    paper.rule(LEFT, y + HEAD_HEIGHT, RIGHT, y + HEAD_HEIGHT, TEAL_LINE, 0.8)
    flow.y = y + HEAD_HEIGHT


class _Row:
    """One row, wrapped and measured before it is drawn."""

    def __init__(self, flow: Flow, columns: Sequence[Column], cells: Sequence[Cell], is_tinted: bool = False) -> None:
        self.is_tinted = is_tinted
        self.placed: list[tuple[float, Cell, list[str]]] = []
        x, place = LEFT, 0
        for cell in cells:
            width = sum(column.width for column in columns[place : place + cell.span])
            lines = flow.fonts.wrap(cell.text, width - CELL_GAP - 1 * MM, SIZE, cell.is_bold) if cell.text else []
            self.placed.append((x + CELL_GAP, cell, lines))
            x += width
            place += cell.span
        self.line_count = max(1, *(len(lines) for _, _, lines in self.placed), 1)
        self.height = self.line_count * LEADING + PADDING * 2

    def draw(self, flow: Flow, keep: float = 0) -> None:
        """Draws the row, over pages if it is long. `keep` points after its last line should stay on the same page."""
        done = 0
        while done < self.line_count:
            wanted = (self.line_count - done) * LEADING + PADDING * 2 + keep
            if wanted > flow.room and (flow.room < LEADING * 4 + PADDING * 2 or wanted < (BOTTOM - TOP) / 3):
                flow.break_page()
            count = min(self.line_count - done, max(1, int((flow.room - PADDING * 2) / LEADING)))
            height = count * LEADING + PADDING * 2
            if self.is_tinted:
                flow.paper.box(LEFT, flow.y + 0.35, CONTENT_WIDTH, height - 0.35, fill=RED_SOFT)
            for left, cell, lines in self.placed:
                y = flow.y + PADDING + SIZE * 1.05
                for line in lines[done : done + count]:
                    flow.paper.text(left, y, line, SIZE, cell.colour, cell.is_bold)
                    y += LEADING
            done += count
            flow.y += height
            flow.paper.rule(LEFT, flow.y, RIGHT, flow.y, HAIR, 0.5)
