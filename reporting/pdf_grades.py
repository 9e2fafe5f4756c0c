"""Draws the grades A to E: a ladder of five steps for each domain, the reached one filled."""

from __future__ import annotations

from exam.kit.paper import MM
from reporting.document import GRADE_LABELS, GradeTable
from reporting.pdf_page import GREY, HAIR, INK, LEFT, RED, RIGHT, TEAL, WHITE, Flow

ROW = 9.2 * MM
STEP = 8 * MM
LADDER = LEFT + 42 * MM
WORDS = LADDER + 5 * STEP + 5 * MM


def draw_grades(flow: Flow, block: GradeTable) -> None:
    """One row for each domain: its name, the ladder, what the grade means, and the values it follows from."""
    for line in block.lines:
        flow.need(ROW)
        top, paper = flow.y, flow.paper
        paper.text(LEFT, top + 5 * MM, flow.fonts.shorten(line.name, 40 * MM, 10, True), 10, INK, is_bold=True)
        for place, grade in enumerate(GRADE_LABELS):
            is_reached = grade == line.grade
            colour = (RED if grade == "D" else TEAL) if is_reached else HAIR
            left = LADDER + place * STEP
            paper.box(left, top + 1 * MM, STEP - 1.2 * MM, 5.6 * MM, fill=colour if is_reached else WHITE, stroke=colour, line=0.7, radius=1 * MM)
            paper.text(left + (STEP - 1.2 * MM) / 2, top + 5 * MM, grade, 9, WHITE if is_reached else GREY, is_reached, "centre")
        meaning = GRADE_LABELS[line.grade]
        paper.text(WORDS, top + 5 * MM, meaning, 9.5, INK)
        left = WORDS + flow.fonts.width(meaning, 9.5) + 4 * MM
        paper.text(RIGHT, top + 5 * MM, flow.fonts.shorten(line.values, RIGHT - left, 8.5), 8.5, GREY, align="right")
        flow.y = top + ROW
        flow.rule(HAIR)
    flow.space(2 * MM)
