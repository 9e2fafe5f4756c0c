"""Tables of a report: heads that return on every page, cells that wrap, rows that may run over a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exam.kit.paper import MM, clean
from reporting.document import Reading, ResultTable
from reporting.pdf_page import (
    BOTTOM,
    CONTENT_WIDTH,
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
PADDING = 1.55 * MM
CELL_GAP = 2 * MM
HEAD_HEIGHT = 7 * MM


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


def draw_table(flow: Flow, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """A plain table of texts."""
    _head(flow, columns)
    flow.on_new_page = lambda: _head(flow, columns)
    for row in rows:
        _Row(flow, columns, [Cell(text) for text in row]).draw(flow)
    flow.on_new_page = None


def draw_results(flow: Flow, table: ResultTable) -> None:
    """One department: its name, the readings (abnormal ones red, with their arrow), the summary, doctor and time."""
    readings = table.readings
    is_narrative = all(_is_only_words(reading) for reading in readings) and any(
        flow.fonts.width(clean(reading.value), SIZE) > 60 * MM for reading in readings
    )
    columns = _NARRATIVE if is_narrative else _columns(table.has_previous)
    cells = [_words(one) if is_narrative else _cells(flow, columns, one, table.has_previous) for one in readings]
    rows = [
        _Row(flow, columns, row, one.is_abnormal and not is_narrative) for row, one in zip(cells, readings, strict=True)
    ]
    summary = flow.fonts.wrap(table.summary, CONTENT_WIDTH - 22 * MM, 9.5) if table.summary else []
    # A short summary and the doctor's line stay with the last row; a short table stays whole.
    tail = (2 * MM + 4.8 * MM + len(summary) * 15.5 if summary else 0) + 6 * MM
    whole = 8 * MM + HEAD_HEIGHT + sum(row.height for row in rows) + tail
    flow.need(whole if whole < (BOTTOM - TOP) * 0.4 else 34 * MM)
    _title(flow, table)
    _table_head(flow, columns, is_narrative)

    def go_on() -> None:
        _title(flow, table, is_continued=True)
        _table_head(flow, columns, is_narrative)

    flow.on_new_page = go_on
    below = tail if len(summary) <= 6 else 0
    for left, row in zip(range(len(rows) - 1, -1, -1), rows, strict=True):
        # The last row takes the one before it along, so that none stands alone under a repeated head.
        row.draw(flow, keep=below if left == 0 else rows[-1].height + below if left == 1 else 0)
    flow.on_new_page = lambda: _title(flow, table, is_continued=True)
    if summary:
        flow.space(2 * MM)
        flow.framed("小结", summary, fill=TEAL_SOFT, bar=TEAL, size=9.5, leading=15.5, title_width=13 * MM)
    if table.signed_text:
        flow.need(6 * MM)
        flow.paper.text(RIGHT, flow.y + 5 * MM, table.signed_text, 8.5, GREY, align="right")
        flow.y += 6 * MM
    flow.on_new_page = None
    flow.space(8 * MM)


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
    flow.y = y + 8 * MM


def _table_head(flow: Flow, columns: Sequence[Column], is_narrative: bool) -> None:
    if is_narrative:
        flow.paper.rule(LEFT, flow.y, RIGHT, flow.y, TEAL_LINE, 0.8)
    else:
        _head(flow, columns)


def _columns(has_previous: bool) -> tuple[Column, ...]:
    widths: tuple[tuple[str, int], ...]
    if has_previous:
        widths = (("项目", 50), ("结果", 34), ("提示", 12), ("单位", 22), ("参考范围", 32), ("上次结果", 24))
    else:
        widths = (("项目", 58), ("结果", 42), ("提示", 14), ("单位", 24), ("参考范围", 36))
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
        paper.text(x, y + 4.7 * MM, column.head, 8.5, TEAL, is_bold=True)
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
