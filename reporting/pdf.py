"""Draws a report document on A4: the cover, the chapters, page headers with barcode, and the place for the seal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from exam.kit.paper import MM, Fonts, Paper, clean
from reporting.document import (
    AbnormalSummary,
    Block,
    ConclusionList,
    Cover,
    Document,
    GradeTable,
    Heading,
    NotDoneTable,
    Notice,
    NumberedConclusion,
    Paragraphs,
    ResultTable,
    Signatures,
)
from reporting.pdf_grades import draw_grades
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
    WHITE,
    Flow,
    draw_cover,
    stamp_page,
)
from reporting.pdf_table import Column, draw_results, draw_table, results_beginning, table_beginning

SEAL_SIDE = 42 * MM
SEAL_WORDS = 7 * MM
SIGNATURE_ROW = 17 * MM
HEADING_GAP = 7 * MM
HEADING_HEIGHT = 14 * MM
CONCLUSION_INDENT = 12 * MM
CONCLUSION_GAP = 5.4 * MM
TITLE_LEADING = 18.5
ADVICE_INDENT = 18 * MM
ADVICE_LEADING = 15.0
ADVICE_GAP = 0.7 * MM
HEAVY = 4
"""From this weight on (class B, class A) a conclusion is marked red."""

NOT_DONE_COLUMNS = (
    Column("项目", 62 * MM),
    Column("科室", 34 * MM),
    Column("状态", 20 * MM),
    Column("原因", CONTENT_WIDTH - 116 * MM),
)


@dataclass(frozen=True)
class Drawn:
    """The finished file, and where the centre's seal belongs: page from 0, box in PDF points from the lower left."""

    pdf: bytes
    seal_page: int
    seal_box: tuple[float, float, float, float]
    page_count: int
    missing_characters: str
    """Characters no font has: they show as a box and should be reported to the person who typed them."""


def draw(document: Document, drawn_at: datetime, fonts: Fonts, pictures: Mapping[str, bytes] | None = None) -> Drawn:
    """Draws the document; the same document, moment and fonts give the same bytes. `pictures` holds the pictures of
    hand-written signatures by the id the document names."""
    header = document.header
    title = f"{header.title} {header.person.name} {header.visit_no}"
    paper = Paper(fonts, (210 * MM, 297 * MM), drawn_at, title=title, subject=header.centre_name)
    flow = Flow(paper)
    seal_page, seal_box = 0, (0.0, 0.0, 0.0, 0.0)
    has_cover = False
    for place, block in enumerate(document.blocks):
        after = document.blocks[place + 1 : place + 3]
        match block:
            case Cover():
                draw_cover(flow, document, block)
                has_cover = True
            case Heading():
                _heading(flow, block, after[0] if after else None)
            case Paragraphs():
                _paragraphs(flow, block)
            case Notice():
                _notice(flow, block)
            case AbnormalSummary():
                _summary(flow, block)
            case ConclusionList():
                _conclusions(flow, block)
            case ResultTable():
                is_first = isinstance(document.blocks[place - 1], Heading)
                draw_results(flow, block, 0 if is_first else _signing(flow, after))
            case NotDoneTable():
                _not_done(flow, block)
            case GradeTable():
                draw_grades(flow, block)
            case Signatures():
                seal_page, seal_box = _signatures(flow, block, pictures or {})

    def stamp(number: int, count: int) -> None:
        stamp_page(paper, document, number, count, is_cover=has_cover and number == 1)

    pdf = paper.finish(stamp)
    return Drawn(pdf, seal_page, seal_box, paper.page_count, "".join(paper.missing))


def _heading(flow: Flow, block: Heading, after: Block | None) -> None:
    """A chapter's title, kept on one page with the beginning of what follows."""
    if block.starts_page:
        flow.fresh_page()
    else:
        flow.space(HEADING_GAP)
        flow.need(HEADING_HEIGHT + _beginning(flow, after))
    paper, top = flow.paper, flow.y
    paper.box(LEFT, top, 7.5 * MM, 7.5 * MM, fill=TEAL, radius=1.2 * MM)
    paper.text(LEFT + 3.75 * MM, top + 5.4 * MM, block.number, 12, WHITE, is_bold=True, align="centre")
    paper.text(LEFT + 11 * MM, top + 5.8 * MM, block.text, 15, INK, is_bold=True)
    if block.note:
        paper.text(RIGHT, top + 5.6 * MM, block.note, 8.5, GREY, align="right")
    paper.rule(LEFT, top + 10 * MM, RIGHT, top + 10 * MM, TEAL_LINE, 0.8)
    flow.y = top + HEADING_HEIGHT


def _beginning(flow: Flow, block: Block | None) -> float:
    """The points that a block needs on the page it begins on: its title never stands at a page's foot without it."""
    match block:
        case ConclusionList():
            return min(_Conclusion(flow, block.conclusions[0]).height, 90 * MM) if block.conclusions else 0
        case ResultTable():
            return results_beginning(flow, block)
        case NotDoneTable():
            return table_beginning(flow, NOT_DONE_COLUMNS, block.lines)
        case Signatures():
            return _signature_room(flow, block)
    return 37 * MM


def _signing(flow: Flow, after: Sequence[Block]) -> float:
    """The points of the signatures with their title when they come next: a page never says nothing but who signed."""
    match after:
        case (Heading(), Signatures() as block):
            return HEADING_GAP + HEADING_HEIGHT + _signature_room(flow, block)
    return 0


def _paragraphs(flow: Flow, block: Paragraphs) -> None:
    for number, line in enumerate(block.lines, start=1):
        label = f"{number}." if block.is_numbered else ""
        flow.labelled(LEFT, label, 6 * MM if block.is_numbered else 0, line, size=9.5, leading=16)
        flow.space(1.2 * MM)


def _notice(flow: Flow, block: Notice) -> None:
    flow.space(3 * MM)
    lines = [part for line in block.lines for part in flow.fonts.wrap(line, CONTENT_WIDTH - 14 * MM, 9.5)]
    flow.framed(block.title, lines, fill=RED_SOFT, bar=RED, size=9.5, leading=16, title_colour=RED)


def _summary(flow: Flow, block: AbnormalSummary) -> None:
    paper = flow.paper
    cells = (("检查项目", block.item_count), ("异常项目", block.abnormal_count), ("主检结论", block.conclusion_count))
    units = ("项", "项", "条")
    flow.need(24 * MM)
    width = (CONTENT_WIDTH - 8 * MM) / 3
    for place, ((label, count), unit) in enumerate(zip(cells, units, strict=True)):
        left = LEFT + place * (width + 4 * MM)
        paper.box(left, flow.y, width, 16 * MM, fill=TEAL_SOFT, radius=1.5 * MM)
        paper.text(left + 5 * MM, flow.y + 9.6 * MM, label, 9, GREY)
        colour = RED if place == 1 and count else TEAL
        paper.text(left + width - 9.5 * MM, flow.y + 11 * MM, str(count), 20, colour, True, "right")
        paper.text(left + width - 8 * MM, flow.y + 11 * MM, unit, 9, GREY)
    flow.y += 22 * MM
    if block.text:
        flow.labelled(LEFT, "", 0, block.text, size=10, leading=17)
    for group in block.groups:
        is_heavy = group.severity >= HEAVY
        colour = RED if is_heavy else TEAL
        flow.need(16 * MM)
        flow.chip(LEFT, flow.y, group.label, colour, is_filled=is_heavy)
        flow.paper.text(RIGHT, flow.y + 3.6 * MM, f"{len(group.lines)} 条", 8.5, GREY, align="right")
        flow.y += 8.4 * MM
        for line in group.lines:
            flow.labelled(LEFT + 2 * MM, str(line.number), 8 * MM, line.text, 10, 16.5, label_colour=colour)
        flow.space(1 * MM)
        flow.rule(HAIR)
        flow.space(3.4 * MM)


def _conclusions(flow: Flow, block: ConclusionList) -> None:
    for place, one in enumerate(block.conclusions):
        shown = _Conclusion(flow, one)
        gap = CONCLUSION_GAP if place else 0
        # The first stays with its chapter's title, and runs over if it must.
        if place and gap + shown.height > flow.room and shown.height <= BOTTOM - TOP:
            flow.break_page()
        elif place:
            flow.space(1.4 * MM)
            flow.rule(HAIR)
            flow.space(CONCLUSION_GAP - 1.4 * MM)
        shown.draw(flow)


class _Conclusion:
    """A conclusion with its advice, wrapped and measured before it is drawn: it stays whole unless it is longer than a page."""

    def __init__(self, flow: Flow, one: NumberedConclusion) -> None:
        self.one = one
        self.is_heavy = one.severity >= HEAVY
        self.colour = RED if self.is_heavy else TEAL
        self.chip_width = flow.chip_width(one.label)
        width = CONTENT_WIDTH - CONCLUSION_INDENT - self.chip_width - 6 * MM
        self.title = flow.fonts.wrap(one.text, width, 12, True)
        parts = (
            ("依据", "；".join(one.because), GREY),
            ("医学建议", one.advice, INK),
            ("生活指导", one.lifestyle, INK),
            ("复查就诊", one.recheck_text, INK),
        )
        self.parts = [part for part in parts if part[1]]
        lines = sum(
            len(flow.fonts.wrap(text, CONTENT_WIDTH - CONCLUSION_INDENT - ADVICE_INDENT, 9.5)) for _, text, _ in self.parts
        )
        self.height = (
            len(self.title) * TITLE_LEADING + 1.2 * MM + lines * ADVICE_LEADING + len(self.parts) * ADVICE_GAP
        )

    def draw(self, flow: Flow) -> None:
        """Draws it from here on, over pages where it must."""
        flow.need(min(len(self.title), 3) * TITLE_LEADING + 34)
        flow.paper.box(LEFT, flow.y - 0.6 * MM, 7.2 * MM, 7.2 * MM, fill=self.colour, radius=3.6 * MM)
        flow.paper.text(LEFT + 3.6 * MM, flow.y + 4.3 * MM, str(self.one.number), 10, WHITE, True, "centre")
        flow.chip(RIGHT - self.chip_width, flow.y + 0.2 * MM, self.one.label, self.colour, is_filled=self.is_heavy)
        for line in self.title:
            flow.need(TITLE_LEADING)
            flow.paper.text(LEFT + CONCLUSION_INDENT, flow.y + 12.4, line, 12, INK, is_bold=True)
            flow.y += TITLE_LEADING
        flow.space(1.2 * MM)
        for label, text, colour in self.parts:
            flow.labelled(LEFT + CONCLUSION_INDENT, label, ADVICE_INDENT, text, 9.5, ADVICE_LEADING, colour=colour)
            flow.space(ADVICE_GAP)


def _not_done(flow: Flow, block: NotDoneTable) -> None:
    draw_table(flow, NOT_DONE_COLUMNS, block.lines)


def _signature_room(flow: Flow, block: Signatures) -> float:
    closing = len(flow.fonts.wrap(block.closing, CONTENT_WIDTH, 9.5)) * 16 + 3 * MM if block.closing else 0
    return min(closing, 60 * MM) + max(SEAL_SIDE + SEAL_WORDS, min(len(block.signatures), 12) * SIGNATURE_ROW)


def _signatures(
    flow: Flow, block: Signatures, pictures: Mapping[str, bytes]
) -> tuple[int, tuple[float, float, float, float]]:
    paper = flow.paper
    if block.closing:
        flow.labelled(LEFT, "", 0, block.closing, size=9.5, leading=16)
        flow.space(3 * MM)
    width = CONTENT_WIDTH - SEAL_SIDE - 10 * MM
    row = SIGNATURE_ROW
    # The seal stands beside the last signatures, never on a page without any.
    flow.need(_signature_room(flow, msgspec.structs.replace(block, closing="")))
    top_of_page, first_top = paper.page_count, flow.y
    for signature in block.signatures:
        flow.need(row)
        if paper.page_count != top_of_page:
            top_of_page, first_top = paper.page_count, flow.y
        top = flow.y
        paper.text(LEFT, top + 7 * MM, signature.role, 9, GREY)
        picture = pictures.get(signature.picture_id) if signature.picture_id else None
        name_left = LEFT + 30 * MM
        if picture:
            paper.picture(name_left, top + 0.5 * MM, 30 * MM, 10 * MM, picture)
            paper.text(name_left + 33 * MM, top + 7 * MM, signature.name, 9, INK)
        else:
            size = flow.fonts.size_to_fit(clean(signature.name), 44 * MM, 13, 6, True)
            paper.text(name_left, top + 7.2 * MM, signature.name, size, INK, is_bold=True)
        title = flow.fonts.shorten(clean(signature.title), 34 * MM, 9)
        paper.text(LEFT + width - 2 * MM, top + 5 * MM, title, 9, INK, align="right")
        paper.text(LEFT + width - 2 * MM, top + 10 * MM, signature.signed_text, 8, GREY, align="right")
        paper.rule(LEFT, top + 13 * MM, LEFT + width, top + 13 * MM, HAIR, 0.6)
        flow.y = top + row
    left = RIGHT - SEAL_SIDE
    # Below the seal and not under it: nothing shines through what was stamped.
    paper.text(left + SEAL_SIDE / 2, first_top + SEAL_SIDE + 4 * MM, "体检机构电子签章", 8, GREY, align="centre")
    flow.y = max(flow.y, first_top + SEAL_SIDE + SEAL_WORDS)
    box = (left, paper.height - first_top - SEAL_SIDE, left + SEAL_SIDE, paper.height - first_top)
    return paper.page_count - 1, tuple(round(edge, 2) for edge in box)  # type: ignore[return-value]
