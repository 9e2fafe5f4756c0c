"""A settlement's statement for the company: what adds up to it, cohort by cohort, member by member, line by line; and as a workbook.

Only the company's part is in it. What members pay themselves is a list of its own, for the centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from billing import billable
from exam.kit.clock import local
from exam.kit.house import house_of
from exam.kit.sheets import workbook
from group_orders import settlement_lists as lists
from group_orders.facts import BILLABLE_WHEN_NAMES, SETTLED_BY_NAMES
from group_orders.settlement_facts import (
    SETTLEMENT_KIND_NAMES,
    SETTLEMENT_STATE_NAMES,
    LineKind,
    SettledLine,
    SettledMember,
    Settlement,
)

EVERYBODY = 1_000_000


class CohortPart(msgspec.Struct, frozen=True):
    """The members of one cohort on a statement, with what they come to, in fen."""

    name: str
    members: tuple[SettledMember, ...]
    amount_fen: int

    @property
    def line_count(self) -> int:
        """How many lines they have in all."""
        return sum(len(each.lines) for each in self.members)


class Statement(msgspec.Struct, frozen=True):
    """A settlement with everything it is made of."""

    settlement: Settlement
    cohorts: tuple[CohortPart, ...]
    centre_name: str
    printed_at: datetime

    @property
    def is_by_package(self) -> bool:
        """Whether packages are billed, so that paper names these and not each item."""
        return self.settlement.basis.settled_by == "package"


def statement_of(db: Session, settlement: Settlement) -> Statement:
    """The statement of a settlement, as it was when it was made. Raises what does not add up: it must never leave the house."""
    cohorts: dict[str, list[SettledMember]] = {}
    for member in lists.members_of(db, settlement.id, size=EVERYBODY).members:
        if sum(line.amount_fen for line in member.lines) != member.amount_fen:
            raise RuntimeError(f"settlement {settlement.settlement_no}: visit {member.visit_no} does not add up")
        cohorts.setdefault(member.cohort, []).append(member)
    parts = tuple(CohortPart(name, tuple(found), sum(each.amount_fen for each in found)) for name, found in cohorts.items())
    sums = settlement.sums
    if sum(part.amount_fen for part in parts) != sums.lines_fen or sums.lines_fen + sums.adjusted_fen != sums.due_fen:
        raise RuntimeError(f"settlement {settlement.settlement_no} does not add up")
    house = house_of(db)
    return Statement(settlement, parts, getattr(house.settings, "centre_name", "") or "", house.clock.now())


def what_of(statement: Statement, member: SettledMember) -> str:
    """What a member had, in one line: the package, or how many items."""
    firsts = sum(line.kind is LineKind.FIRST for line in member.lines)
    told = [member.package_name or "所订项目"] if statement.is_by_package and firsts else [f"{firsts} 项"] if firsts else []
    corrected = len(member.lines) - firsts
    return "、".join([*told, *([f"更正 {corrected} 项"] if corrected else [])])


def line_text(line: SettledLine) -> str:
    """A line's name, marked where it corrects an earlier settlement."""
    return f"{line.name}(更正)" if line.kind is LineKind.CORRECTION else line.name


def facts_of(statement: Statement) -> list[tuple[str, str]]:
    """What stands at the head of a statement."""
    made = statement.settlement
    basis = f"{BILLABLE_WHEN_NAMES[made.basis.billable_when]},{SETTLED_BY_NAMES[made.basis.settled_by]}"
    found = [
        ("单位", made.organization), ("批次", f"{made.order_no} {made.order_name}"), ("结算单号", made.settlement_no),
        ("类型", SETTLEMENT_KIND_NAMES[made.kind]), ("计费口径", basis), ("状态", SETTLEMENT_STATE_NAMES[made.state]),
        ("提交", f"{made.proposed_name} {local(made.proposed_at):%Y-%m-%d}"),
    ]  # fmt: skip
    if made.until_on:
        found.append(("到检截止", made.until_on.isoformat()))
    if made.approved_at:
        found.append(("审核", f"{made.approved_name} {local(made.approved_at):%Y-%m-%d}"))
    return found


def totals_of(statement: Statement) -> list[tuple[str, int]]:
    """What stands under the lines, in fen: the adjustments by name, what is due, what was paid ahead, what is left to pay."""
    made = statement.settlement
    rows = [
        ("项目合计", made.sums.lines_fen),
        *((each.text, each.amount_fen) for each in made.adjustments),
        ("应结金额", made.sums.due_fen),
    ]
    if made.sums.prepaid_fen:
        rows.append(("使用预缴", -made.sums.prepaid_fen))
    if made.sums.credited_fen:
        rows.append(("转入预缴(多结退回)", made.sums.credited_fen))
    return [*rows, ("应付金额", made.sums.receivable_fen)]


# --- as a workbook -----------------------------------------------------------------------------------------------------

MEMBER_HEADER = ("分组", "序号", "姓名", "工号", "部门", "体检号", "体检日期", "结算内容", "单位承担(元)")
LINE_HEADER = ("分组", "序号", "姓名", "工号", "体检号", "体检日期", "项目", "标准价(元)", "单位承担(元)")


def statement_workbook(statement: Statement) -> bytes:
    """The statement as an xlsx file of three sheets: its sums, its members, its lines; each adds up to the same total."""
    import xlsxwriter  # only who downloads waits for it

    content = BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(content, options) as book:
        pen = _Pen(book)
        _write_sums(pen, book.add_worksheet("结算单"), statement)
        _write_members(pen, book.add_worksheet("人员明细"), statement)
        _write_lines(pen, book.add_worksheet("项目明细"), statement)
    return content.getvalue()


class _Pen:
    """Writes rows: texts stay texts, fen become yuan with two decimals."""

    def __init__(self, book: Any) -> None:
        money = {"num_format": "#,##0.00"}
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.head = book.add_format({"bold": True, "bg_color": "#F0F3F6", "bottom": 1})
        self.plain = {False: book.add_format({}), True: book.add_format({"bold": True, "top": 1, "bg_color": "#F7F9FA"})}
        self.money = {
            False: book.add_format(money),
            True: book.add_format({**money, "bold": True, "top": 1, "bg_color": "#F7F9FA"}),
        }

    def row(self, sheet: Any, number: int, cells: Sequence[Any], *, is_sum: bool = False) -> None:
        for column, cell in enumerate(cells):
            if isinstance(cell, Yuan):
                sheet.write_number(number, column, cell.fen / 100, self.money[is_sum])
            elif isinstance(cell, int):
                sheet.write_number(number, column, cell, self.plain[is_sum])
            else:
                sheet.write_string(number, column, str(cell), self.plain[is_sum])

    def header(self, sheet: Any, number: int, texts: Sequence[str], widths: Sequence[int]) -> None:
        for column, (text, width) in enumerate(zip(texts, widths, strict=True)):
            sheet.write_string(number, column, text, self.head)
            sheet.set_column(column, column, width)


class Yuan(msgspec.Struct, frozen=True):
    """An amount in fen that is shown in yuan."""

    fen: int


def _write_sums(pen: _Pen, sheet: Any, statement: Statement) -> None:
    sheet.write_string(0, 0, f"{statement.centre_name} 团检结算单".strip(), pen.title)
    row = 2
    for label, text in facts_of(statement):
        pen.row(sheet, row, (label, text))
        row += 1
    row += 1
    pen.header(sheet, row, ("分组", "人数", "项目数", "金额(元)"), (36, 28, 12, 16))
    for part in statement.cohorts:
        row += 1
        pen.row(sheet, row, (part.name, len(part.members), part.line_count, Yuan(part.amount_fen)))
    made = statement.settlement
    for place, (label, fen) in enumerate(totals_of(statement)):
        row += 1
        counts = (made.member_count, made.line_count) if place == 0 else ("", "")
        pen.row(sheet, row, (label, *counts, Yuan(fen)), is_sum=True)


def _write_members(pen: _Pen, sheet: Any, statement: Statement) -> None:
    pen.header(sheet, 0, MEMBER_HEADER, (16, 8, 12, 14, 18, 20, 13, 26, 15))
    row = number = 0
    for part in statement.cohorts:
        for member in part.members:
            row, number = row + 1, number + 1
            pen.row(
                sheet, row,
                (part.name, number, member.name, member.employee_no, member.department, member.visit_no, member.exam_on.isoformat(),
                 what_of(statement, member), Yuan(member.amount_fen)),
            )  # fmt: skip
        row += 1
        pen.row(sheet, row, (f"小计:{part.name}", len(part.members), "", "", "", "", "", "", Yuan(part.amount_fen)), is_sum=True)
    made = statement.settlement
    pen.row(sheet, row + 1, ("合计", made.member_count, "", "", "", "", "", "", Yuan(made.sums.lines_fen)), is_sum=True)
    sheet.freeze_panes(1, 0)


def _write_lines(pen: _Pen, sheet: Any, statement: Statement) -> None:
    pen.header(sheet, 0, LINE_HEADER, (16, 8, 12, 14, 20, 13, 30, 13, 15))
    row = 0
    for part in statement.cohorts:
        for member in part.members:
            for line in member.lines:
                row += 1
                pen.row(
                    sheet, row,
                    (part.name, row, member.name, member.employee_no, member.visit_no, member.exam_on.isoformat(), line_text(line),
                     Yuan(line.standard_fen), Yuan(line.amount_fen)),
                )  # fmt: skip
    pen.row(sheet, row + 1, ("合计", row, "", "", "", "", "", "", Yuan(statement.settlement.sums.lines_fen)), is_sum=True)
    sheet.freeze_panes(1, 0)


# --- what is not on it -------------------------------------------------------------------------------------------------


def own_parts_workbook(db: Session, settlement: Settlement) -> bytes:
    """What the members of a settlement pay themselves, line by line: for the centre, never for the company."""
    found = lists.members_of(db, settlement.id, size=EVERYBODY).members
    by_visit = {each.visit_id: each for each in found}
    rows: list[Sequence[Any]] = []
    total = 0
    for part in billable.own_parts(db, sorted(by_visit)):
        member = by_visit[part.visit_id]
        total += part.amount_fen
        rows.append(
            (
                member.cohort,
                member.name,
                member.employee_no,
                member.visit_no,
                member.exam_on.isoformat(),
                part.name,
                part.amount_fen / 100,
            )
        )
    rows.append(("合计", "", "", "", "", "", total / 100))
    header = ("分组", "姓名", "工号", "体检号", "体检日期", "项目", "个人承担(元)")
    return workbook([("个人自付(不计入单位)", header, rows)])


def settlements_workbook(settlements: Iterable[Settlement]) -> bytes:
    """A list of settlements as a workbook."""
    header = (
        "结算单号", "单位", "批次号", "批次", "类型", "状态", "人数", "项目数", "项目合计(元)", "合同调整(元)", "应结(元)",
        "使用预缴(元)", "应付(元)", "已收(元)", "未收(元)", "提交人", "提交时间", "审核人", "审核时间", "结清时间", "退回或作废原因",
    )  # fmt: skip
    rows = [
        (each.settlement_no, each.organization, each.order_no, each.order_name, SETTLEMENT_KIND_NAMES[each.kind],
         SETTLEMENT_STATE_NAMES[each.state], each.member_count, each.line_count, each.sums.lines_fen / 100, each.sums.adjusted_fen / 100,
         each.sums.due_fen / 100, each.sums.prepaid_fen / 100, each.sums.receivable_fen / 100, each.paid_fen / 100, each.rest_fen / 100,
         each.proposed_name, _moment(each.proposed_at), each.approved_name, _moment(each.approved_at), _moment(each.paid_at),
         each.ended_reason)
        for each in settlements
    ]  # fmt: skip
    return workbook([("结算记录", header, rows)])


def _moment(at: datetime | None) -> str:
    return f"{local(at):%Y-%m-%d %H:%M}" if at else ""
