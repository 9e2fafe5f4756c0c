"""A settlement's statement on A4, for the company. Pure drawing from a statement; every amount on it adds up to its total."""

from __future__ import annotations

from exam.kit.clock import local
from exam.kit.money import yuan
from exam.kit.paper import A4, MM, Fonts, Paper, clean, fonts
from group_orders.settlement_facts import SettledMember
from group_orders.statement import Statement, facts_of, line_text, totals_of, what_of

INK, GREY, HAIR, TEAL, SOFT = "#1b2733", "#5b6b79", "#c9d3da", "#0b6b75", "#eef4f5"
LEFT, RIGHT, TOP, BOTTOM = 16 * MM, A4[0] - 16 * MM, 18 * MM, A4[1] - 20 * MM
ROW = 6.2 * MM
COLUMNS = ((LEFT, "序号"), (LEFT + 11 * MM, "姓名"), (LEFT + 36 * MM, "工号"), (LEFT + 62 * MM, "体检号"), (LEFT + 98 * MM, "体检日期"),
           (LEFT + 121 * MM, "结算内容"))  # fmt: skip


def statement_pdf(statement: Statement, faces: Fonts | None = None) -> bytes:
    """The statement with its sums first, then every member, and under each member every line with its amount."""
    made = statement.settlement
    paper = Paper(faces or fonts(), A4, statement.printed_at, title=f"团检结算单 {made.settlement_no}", subject=made.organization)
    paper.new_page()
    y = _head(paper, statement)
    y = _sums(paper, statement, y)
    y = _members(paper, statement, y + 8 * MM)
    _signatures(paper, y)

    def stamp(number: int, count: int) -> None:
        paper.rule(LEFT, BOTTOM + 5 * MM, RIGHT, BOTTOM + 5 * MM, HAIR)
        paper.text(LEFT, BOTTOM + 10 * MM, f"结算单 {made.settlement_no}    本单只列单位承担的费用,个人自费项目不在其内", 8, GREY)
        printed = f"打印 {local(statement.printed_at):%Y-%m-%d %H:%M}    第 {number} / {count} 页"
        paper.text(RIGHT, BOTTOM + 10 * MM, printed, 8, GREY, align="right")

    return paper.finish(stamp)


def _head(paper: Paper, statement: Statement) -> float:
    if statement.centre_name:
        paper.text(LEFT, TOP, clean(statement.centre_name), 10, TEAL, is_bold=True)
    paper.text(LEFT, TOP + 10 * MM, "团检结算单", 19, INK, is_bold=True)
    y = TOP + 19 * MM
    for place, (label, text) in enumerate(facts_of(statement)):
        x = LEFT + (place % 2) * (RIGHT - LEFT) / 2
        paper.text(x, y, label, 9, GREY)
        shown = paper.fonts.shorten(clean(text), (RIGHT - LEFT) / 2 - 22 * MM, 9.5)
        paper.text(x + 18 * MM, y, shown, 9.5, INK)
        y += 6 * MM if place % 2 else 0
    return y + (12 if len(facts_of(statement)) % 2 else 6) * MM


def _sums(paper: Paper, statement: Statement, y: float) -> float:
    amount, lines, people = RIGHT - 2 * MM, RIGHT - 38 * MM, RIGHT - 66 * MM
    paper.box(LEFT, y - 4.4 * MM, RIGHT - LEFT, ROW, fill=SOFT)
    paper.text(LEFT + 2 * MM, y, "分组", 9, GREY)
    for x, text in ((people, "人数"), (lines, "项目数"), (amount, "金额(元)")):
        paper.text(x, y, text, 9, GREY, align="right")
    for part in statement.cohorts:
        y = _next(paper, y)
        paper.text(LEFT + 2 * MM, y, paper.fonts.shorten(clean(part.name), 90 * MM, 9.5), 9.5, INK)
        for x, text in ((people, str(len(part.members))), (lines, str(part.line_count)), (amount, yuan(part.amount_fen))):
            paper.text(x, y, text, 9.5, INK, align="right")
    y = _next(paper, y)
    paper.rule(LEFT, y - 4.4 * MM, RIGHT, y - 4.4 * MM, INK, 0.6)
    rows = totals_of(statement)
    for place, (label, fen) in enumerate(rows):
        is_strong = place in (0, len(rows) - 1) or label == "应结金额"
        paper.text(LEFT + 2 * MM, y, paper.fonts.shorten(clean(label), 120 * MM, 9.5, is_strong), 9.5, INK, is_bold=is_strong)
        if place == 0:
            paper.text(people, y, str(statement.settlement.member_count), 9.5, INK, is_bold=True, align="right")
            paper.text(lines, y, str(statement.settlement.line_count), 9.5, INK, is_bold=True, align="right")
        paper.text(amount, y, yuan(fen), 11 if place == len(rows) - 1 else 9.5, INK, is_bold=is_strong, align="right")
        y = _next(paper, y)
    return y


def _next(paper: Paper, y: float, needs: float = ROW) -> float:
    """The next row's baseline, on a new page where this one has no room for it."""
    if y + ROW + needs > BOTTOM:
        paper.new_page()
        return TOP
    return y + ROW


def _columns(paper: Paper, y: float) -> None:
    paper.box(LEFT, y - 4.4 * MM, RIGHT - LEFT, ROW, fill=SOFT)
    for x, text in COLUMNS:
        paper.text(x + 1 * MM, y, text, 9, GREY)
    paper.text(RIGHT - 2 * MM, y, "单位承担(元)", 9, GREY, align="right")


def _members(paper: Paper, statement: Statement, y: float) -> float:
    number = 0
    for part in statement.cohorts:
        if y + 4 * ROW > BOTTOM:
            paper.new_page()
            y = TOP
        paper.text(LEFT, y, clean(part.name), 11, TEAL, is_bold=True)
        y = _next(paper, y)
        _columns(paper, y)
        for member in part.members:
            number += 1
            y = _member(paper, statement, member, number, y)
        y = _row(paper, y, 0)
        paper.rule(LEFT, y - 4.4 * MM, RIGHT, y - 4.4 * MM, INK, 0.6)
        paper.text(LEFT + 1 * MM, y, f"小计 {clean(part.name)} {len(part.members)} 人", 9.5, INK, is_bold=True)
        paper.text(RIGHT - 2 * MM, y, yuan(part.amount_fen), 9.5, INK, is_bold=True, align="right")
        y += 2 * ROW
    paper.text(LEFT + 1 * MM, y - 0.5 * ROW, f"合计 {statement.settlement.member_count} 人", 10.5, INK, is_bold=True)
    paper.text(RIGHT - 2 * MM, y - 0.5 * ROW, yuan(statement.settlement.sums.lines_fen), 10.5, INK, is_bold=True, align="right")
    return y + ROW


def _row(paper: Paper, y: float, needs: float) -> float:
    """As `_next`; a new page begins with the columns' names."""
    after = _next(paper, y, needs)
    if after == TOP:
        _columns(paper, after)
        return after + ROW
    return after


def _member(paper: Paper, statement: Statement, member: SettledMember, number: int, y: float) -> float:
    told = [] if statement.is_by_package else [f"{line_text(line)} {yuan(line.amount_fen)}" for line in member.lines]
    rows = paper.fonts.wrap(clean(";".join(told)), RIGHT - LEFT - 14 * MM, 8) if told else []
    y = _row(paper, y, min(len(rows), 3) * 4.2 * MM)
    paper.rule(LEFT, y - 4.4 * MM, RIGHT, y - 4.4 * MM, HAIR)
    what = what_of(statement, member)
    cells = (str(number), member.name, member.employee_no, member.visit_no, member.exam_on.isoformat(), what)
    edges = [*(x for x, _ in COLUMNS[1:]), RIGHT - 24 * MM]
    for (x, _), cell, edge in zip(COLUMNS, cells, edges, strict=True):
        paper.text(x + 1 * MM, y, paper.fonts.shorten(clean(cell), edge - x - 2 * MM, 9), 9, INK)
    paper.text(RIGHT - 2 * MM, y, yuan(member.amount_fen), 9.5, INK, is_bold=True, align="right")
    for row in rows:
        if y + 2 * 4.2 * MM > BOTTOM:
            paper.new_page()
            _columns(paper, TOP)
            y = TOP + 1.5 * MM
        y += 4.2 * MM
        paper.text(LEFT + 12 * MM, y, row, 8, GREY)
    return y


def _signatures(paper: Paper, y: float) -> None:
    if y + 22 * MM > BOTTOM:
        paper.new_page()
        y = TOP
    for place, label in enumerate(("体检中心(盖章)", "单位确认(盖章)", "日期")):
        x = LEFT + place * 60 * MM
        paper.text(x, y + 14 * MM, label, 9.5, GREY)
        width = paper.fonts.width(label, 9.5) + 2 * MM
        paper.rule(x + width, y + 14.6 * MM, x + 56 * MM, y + 14.6 * MM, GREY)
