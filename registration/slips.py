"""What the desk prints for a visit: the guide sheet, tube labels and request forms. Pure drawing from plain facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from exam.kit.clock import local
from exam.kit.errors import Refused
from exam.kit.paper import A4, A5, MM, POINTS_OF_MODULE, Fonts, Paper, clean, code128_width, fonts

INK = "#1C2B33"
GREY = "#5E6E76"
TEAL = "#0F6068"
TEAL_SOFT = "#EDF5F4"
TEAL_LINE = "#A9CCCA"
HAIR = "#D5E0E1"
WHITE = "#FFFFFF"

LABEL = (50 * MM, 30 * MM)
DOT = MM / 8
"""One dot of a 203 dpi label printer, which has eight to the millimetre."""
QUIET_MODULES = 10
"""White on both sides of a Code 128 symbol (ISO/IEC 15417)."""


ROOMY, TIGHT = 3.4 * MM, 1.9 * MM
"""White in each row of the guide sheet; the tight one where all stops then fit on one page."""


class GuideStop(msgspec.Struct, frozen=True):
    """One department on the way: where it is, what is done there, what to mind before."""

    department: str
    location: str
    group_names: tuple[str, ...]
    advice: str = ""
    needs_fasting: bool = False
    needs_full_bladder: bool = False


class GuideSheet(msgspec.Struct, frozen=True):
    """The sheet an examinee carries from room to room (导检单). Stops come in the order they should be walked."""

    visit_no: str
    name: str
    sex: str
    age_text: str
    masked_id_number: str
    package: str
    exam_on: date
    organization: str
    stops: tuple[GuideStop, ...]
    printed_at: datetime
    centre_name: str = ""
    hints: tuple[str, ...] = ()
    phone: str = ""
    copy_no: int = 1


class TubeLabel(msgspec.Struct, frozen=True):
    """The label of one tube. `barcode` is the visit's 16 digits and two more for the tube."""

    barcode: str
    name: str
    sex: str
    age_text: str
    tube_name: str
    colour: str
    group_names: tuple[str, ...]
    visit_no: str
    printed_at: datetime
    copy_no: int = 1


class RequestForm(msgspec.Struct, frozen=True):
    """A request for imaging, ultrasound, ECG and the like (检查申请单)."""

    title: str
    request_no: str
    visit_no: str
    name: str
    sex: str
    age_text: str
    department: str
    location: str
    group_names: tuple[str, ...]
    requested_by: str
    requested_at: datetime
    centre_name: str = ""
    organization: str = ""
    purpose: str = "健康体检"
    cautions: tuple[str, ...] = ()
    copy_no: int = 1


def guide_sheet_pdf(sheet: GuideSheet, faces: Fonts | None = None) -> bytes:
    """The guide sheet on A4; stops that do not fit go on to a second page with the same head.

    Only the last page keeps room for the signatures at its foot, and never stands without a stop.
    """
    return guide_sheets_pdf([sheet], f"导检单 {sheet.name} {sheet.visit_no}", faces)


def guide_sheets_pdf(sheets: Sequence[GuideSheet], title: str, faces: Fonts | None = None) -> bytes:
    """Guide sheets one after another in one file, each with page numbers of its own."""
    faces = faces or fonts()
    paper = Paper(faces, A4, sheets[0].printed_at, title=title, subject=sheets[0].centre_name)
    owners: list[tuple[GuideSheet, int, int]] = []
    for sheet in sheets:
        before = paper.page_count
        _guide_sheet(paper, sheet)
        count = paper.page_count - before
        owners += [(sheet, number, count) for number in range(1, count + 1)]

    def stamp(number: int, _: int) -> None:
        sheet, own_number, count = owners[number - 1]
        left, right = 14 * MM, paper.width - 14 * MM
        reprint = f"    第 {sheet.copy_no} 次打印" if sheet.copy_no > 1 else ""
        paper.text(left, paper.height - 8 * MM, f"打印时间 {_minute(sheet.printed_at)}{reprint}", 7.5, GREY)
        paper.text(right, paper.height - 8 * MM, f"第 {own_number} / {count} 页", 7.5, GREY, align="right")

    return paper.finish(stamp)


def _guide_sheet(paper: Paper, sheet: GuideSheet) -> None:
    faces = paper.fonts
    left, right = 14 * MM, paper.width - 14 * MM
    columns = _GuideColumns(left, right)
    bottom, full = paper.height - 40 * MM, paper.height - 13 * MM
    y = _guide_page(paper, sheet, columns)
    rows = [_GuideRow(faces, stop, columns) for stop in sheet.stops]
    tight = [_GuideRow(faces, stop, columns, TIGHT) for stop in sheet.stops]
    if y + sum(row.height for row in rows) > bottom >= y + sum(row.height for row in tight):
        rows = tight  # one sheet is lost less easily than two
    for number, row in enumerate(rows, start=1):
        left_over = sum(each.height for each in rows[number - 1 :])
        is_last = number == len(rows)
        if y + left_over > bottom and y + row.height > (bottom if is_last else full) and y > 80 * MM:
            y = _guide_page(paper, sheet, columns)
        y = row.draw(paper, number, columns, y)
    _guide_foot(paper, sheet, left, right)


class _GuideColumns:
    """Left edges and widths of the guide sheet's columns."""

    def __init__(self, left: float, right: float) -> None:
        self.left, self.right = left, right
        self.department = left + 9 * MM
        self.groups = left + 44 * MM
        self.sign = right - 41 * MM
        self.refuse = right - 20 * MM
        self.groups_width = self.sign - self.groups - 4 * MM
        self.department_width = self.groups - self.department - 3 * MM


class _GuideRow:
    """One stop, measured before it is drawn."""

    def __init__(self, faces: Fonts, stop: GuideStop, columns: _GuideColumns, space: float = ROOMY) -> None:
        self.department = faces.wrap(stop.department, columns.department_width, 10.5, True)
        self.location = faces.wrap(stop.location, columns.department_width, 8) if stop.location else []
        self.groups = faces.wrap("、".join(stop.group_names), columns.groups_width, 9.5)
        self.advice = faces.wrap(stop.advice, columns.groups_width, 8) if stop.advice else []
        marks = (("空腹", stop.needs_fasting), ("憋尿", stop.needs_full_bladder))
        self.marks = [text for text, is_needed in marks if is_needed]
        marks_height = 5.4 * MM if self.marks else 0
        beside = max(len(self.department) * 14 + len(self.location) * 11.5, 0)
        self.height = max(beside, len(self.groups) * 13.5 + len(self.advice) * 11.5 + marks_height, 20) + space

    def draw(self, paper: Paper, number: int, columns: _GuideColumns, top: float) -> float:
        """Draws the row; returns its lower edge."""
        first = top + 1.4 * MM + 10
        paper.box(columns.left + 1 * MM, top + 1.9 * MM, 5.2 * MM, 5.2 * MM, fill=TEAL, radius=2.6 * MM)
        paper.text(columns.left + 3.6 * MM, top + 5.6 * MM, str(number), 8.5, WHITE, True, "centre")
        y = first
        for line in self.department:
            paper.text(columns.department, y, line, 10.5, INK, is_bold=True)
            y += 14
        for line in self.location:
            paper.text(columns.department, y - 0.5, line, 8, GREY)
            y += 11.5
        y = first
        for line in self.groups:
            paper.text(columns.groups, y, line, 9.5, INK)
            y += 13.5
        for line in self.advice:
            paper.text(columns.groups, y - 0.8, line, 8, TEAL)
            y += 11.5
        x = columns.groups
        for mark in self.marks:
            width = paper.fonts.width(mark, 7.5, True) + 3.2 * MM
            paper.box(x, y - 8.2, width, 4.2 * MM, fill=TEAL_SOFT, stroke=TEAL_LINE, radius=1 * MM)
            paper.text(x + width / 2, y, mark, 7.5, TEAL, True, "centre")
            x += width + 1.6 * MM
        bottom = top + self.height
        for edge in (columns.sign, columns.refuse):
            paper.rule(edge, top, edge, bottom, HAIR, 0.5)
        paper.rule(columns.left, bottom, columns.right, bottom, HAIR, 0.6)
        return bottom


def _guide_page(paper: Paper, sheet: GuideSheet, columns: _GuideColumns) -> float:
    """A page's head: centre, title, barcode, who it is, hints, and the table's head."""
    paper.new_page()
    left, right = columns.left, columns.right
    faces = paper.fonts
    width = code128_width(sheet.visit_no)
    if sheet.centre_name:
        paper.text(left, 17 * MM, faces.shorten(clean(sheet.centre_name), 110 * MM, 10), 10, TEAL, is_bold=True)
    paper.text(left, 27 * MM, "体 检 导 检 单", 20, INK, is_bold=True)
    paper.barcode(right - width, 12 * MM, sheet.visit_no, 12 * MM)
    paper.text(right - width / 2, 27.6 * MM, sheet.visit_no, 9, INK, align="centre")
    top = 31 * MM
    paper.box(left, top, right - left, 20 * MM, fill=TEAL_SOFT, radius=1.5 * MM)
    name = clean(sheet.name)
    size = faces.size_to_fit(name, 52 * MM, 16, 7, True)
    paper.text(left + 4 * MM, top + 8.2 * MM, faces.shorten(name, 52 * MM, size, True), size, INK, is_bold=True)
    after = left + 4 * MM + min(faces.width(name, size, True), 52 * MM) + 4 * MM
    paper.text(after, top + 8 * MM, f"{sheet.sex}   {sheet.age_text}", 11, INK)
    pairs = (
        (left + 4 * MM, 15.4, "证件", sheet.masked_id_number, 50),
        (left + 68 * MM, 15.4, "单位", sheet.organization or "个人", 104),
        (left + 112 * MM, 7.8, "日期", sheet.exam_on.isoformat(), 30),
    )
    for x, down, label, value, room in pairs:
        paper.text(x, top + down * MM, label, 8, GREY)
        paper.text(x + 9 * MM, top + down * MM, faces.shorten(clean(value), room * MM, 9.5), 9.5, INK)
    y = top + 26 * MM
    paper.text(left, y, "套餐", 8, GREY)
    y = paper.paragraph(left + 9 * MM, y, sheet.package, right - left - 9 * MM, 9.5, 14, INK)
    for hint in sheet.hints:
        paper.text(left, y, "提示", 8, GREY)
        y = paper.paragraph(left + 9 * MM, y, hint, right - left - 9 * MM, 9, 13.5, TEAL)
    y -= 1.6 * MM
    paper.box(left, y, right - left, 7.4 * MM, fill=TEAL)
    heads = (
        (columns.department, "科室 / 位置"),
        (columns.groups, "检查项目"),
        (columns.sign + 2 * MM, "检查签字"),
        (columns.refuse + 2 * MM, "拒检人签字"),
    )
    for x, head in heads:
        paper.text(x, y + 5 * MM, head, 8 if x > columns.sign else 9, WHITE, is_bold=True)
    return y + 7.4 * MM


def _guide_foot(paper: Paper, sheet: GuideSheet, left: float, right: float) -> None:
    y = paper.height - 37 * MM
    paper.box(left, y, right - left, 23 * MM, stroke=TEAL_LINE, line=0.8, radius=1.5 * MM)
    words = (
        "请按顺序完成检查，每完成一项由检查医生签字；放弃检查的项目请本人在“拒检人签字”栏签字。"
        "全部完成后请将本单交回前台。"
    )
    phone = f" 咨询电话 {sheet.phone}" if sheet.phone else ""
    paper.paragraph(left + 4 * MM, y + 6 * MM, words + phone, right - left - 8 * MM, 8.5, 13, INK)
    labels = ("受检者签字", "交单时间", "收单人")
    for place, label in enumerate(labels):
        x = left + 4 * MM + place * 60 * MM
        paper.text(x, y + 19 * MM, label, 8.5, GREY)
        paper.rule(x + 17 * MM, y + 19.6 * MM, x + 54 * MM, y + 19.6 * MM, GREY, 0.5)


def tube_labels_pdf(labels: Sequence[TubeLabel], faces: Fonts | None = None) -> bytes:
    """Tube labels of 50 × 30 mm, one a page, black only (thermal). Bars stand on whole dots of a 203 dpi printer."""
    if not labels:
        raise Refused("registration.no_labels", "没有需要打印的试管标签", "请先确认该体检单包含采样项目")
    faces = faces or fonts()
    paper = Paper(faces, LABEL, labels[0].printed_at, title=f"试管标签 {labels[0].visit_no}")
    for label in labels:
        _tube_label(paper, label)
    return paper.finish()


def _tube_label(paper: Paper, label: TubeLabel) -> None:
    bars = code128_width(label.barcode)
    if bars + 2 * QUIET_MODULES * POINTS_OF_MODULE > paper.width:
        raise Refused(
            "registration.barcode_too_long",
            f"条码“{label.barcode}”过长，50 mm 标签放不下",
            "请检查试管条码是否为 18 位数字",
            "barcode",
        )
    paper.new_page()
    black = "#000000"
    faces = paper.fonts
    left, right = 2.5 * MM, paper.width - 2.5 * MM
    who = clean(f"{label.sex} {label.age_text}")
    who_width = faces.width(who, 8)
    says_more = label.colour not in ("", "无") and label.colour not in label.tube_name
    tube = clean(f"{label.tube_name}·{label.colour}" if says_more else label.tube_name)
    tube_width = min(faces.width(tube, 7, True), 21 * MM)
    name = clean(label.name)
    room = right - left - who_width - tube_width - 5.2 * MM
    size = faces.size_to_fit(name, room, 11, 7, True)
    names = [name]
    if faces.width(name, size, True) > room:
        # A long name goes on two small lines: cut names are how tubes get mixed up.
        size = next((smaller for smaller in (6.5, 6, 5.5, 5) if len(faces.wrap(name, room, smaller, True)) <= 2), 4.5)
        names = faces.wrap(name, room, size, True)
        if len(names) > 2:
            names = [names[0], faces.shorten("".join(names[1:]), room, size, True)]
    y = 5.2 * MM - (len(names) - 1) * size * 0.62
    for line in names:
        paper.text(left, y, line, size, black, is_bold=True)
        y += size * 1.15
    paper.text(left + max(faces.width(line, size, True) for line in names) + 1.4 * MM, 5.2 * MM, who, 8, black)
    paper.box(right - tube_width - 1.8 * MM, 1.7 * MM, tube_width + 1.8 * MM, 4.4 * MM, fill=black)
    size = faces.size_to_fit(tube, 21 * MM, 7, 4, True)
    paper.text(right - 0.9 * MM, 4.8 * MM, faces.shorten(tube, 21 * MM, size, True), size, WHITE, True, "right")
    x = round((paper.width - bars) / 2 / DOT) * DOT
    paper.barcode(x, 7.5 * MM, label.barcode, 10 * MM)
    spaced = " ".join(label.barcode[at : at + 4] for at in range(0, len(label.barcode), 4))
    paper.text(paper.width / 2, 20.4 * MM, spaced, 7.5, black, align="centre")
    groups = clean("、".join(label.group_names)).replace("\n", " ")
    lines = faces.wrap(groups, right - left, 6.5)
    if len(lines) > 2:
        lines = [lines[0], faces.shorten(lines[1] + "".join(lines[2:]), right - left, 6.5)]
    y = 23.6 * MM
    for line in lines:
        paper.text(left, y, line, 6.5, black)
        y += 2.6 * MM
    paper.text(left, 29 * MM, f"体检号 {label.visit_no}", 5, black)
    reprint = f" 补{label.copy_no - 1}" if label.copy_no > 1 else ""
    paper.text(right, 29 * MM, f"{local(label.printed_at):%m-%d %H:%M}{reprint}", 5, black, align="right")


def request_forms_pdf(forms: Sequence[RequestForm], faces: Fonts | None = None) -> bytes:
    """Request forms on A5, one a page."""
    if not forms:
        raise Refused("registration.no_requests", "没有需要打印的检查申请单", "请先确认该体检单包含影像或功能检查项目")
    faces = faces or fonts()
    paper = Paper(faces, A5, forms[0].requested_at, title=f"检查申请单 {forms[0].visit_no}")
    for form in forms:
        _request_form(paper, form)
    return paper.finish()


def _request_head(paper: Paper, form: RequestForm) -> float:
    paper.new_page()
    faces = paper.fonts
    left, right = 12 * MM, paper.width - 12 * MM
    width = code128_width(form.request_no)
    if form.centre_name:
        paper.text(left, 16 * MM, faces.shorten(clean(form.centre_name), 74 * MM, 9.5, True), 9.5, TEAL, is_bold=True)
    size = faces.size_to_fit(clean(form.title), 74 * MM, 17, 9, True)
    paper.text(left, 25 * MM, form.title, size, INK, is_bold=True)
    paper.barcode(right - width, 11 * MM, form.request_no, 11 * MM)
    paper.text(right - width / 2, 25.4 * MM, form.request_no, 8, INK, align="centre")
    paper.rule(left, 29.5 * MM, right, 29.5 * MM, TEAL, 1.2)
    middle = left + 64 * MM
    pairs = (
        (left, 38, "姓名", form.name, 46, 12.0),
        (middle, 38, "性别 / 年龄", f"{form.sex}  {form.age_text}", 34, 11.0),
        (left, 47, "体检号", form.visit_no, 46, 10.0),
        (middle, 47, "检查目的", form.purpose, 34, 10.0),
        (left, 56, "单位", form.organization or "个人", 104, 10.0),
        (left, 65, "检查科室", f"{form.department}    {form.location}", 104, 10.0),
    )
    for x, down, label, value, room, size in pairs:
        paper.text(x, down * MM, label, 8.5, GREY)
        start = x + (18 if x == left else 22) * MM
        fitted = faces.size_to_fit(clean(value), room * MM, size, 6, size > 11)
        text = faces.shorten(clean(value), room * MM, fitted, size > 11)
        paper.text(start, down * MM, text, fitted, INK, is_bold=size > 11)
    return 71 * MM


def _request_form(paper: Paper, form: RequestForm) -> None:
    left, right = 12 * MM, paper.width - 12 * MM
    sections = (
        ("申请项目", [(f"{number}.", group) for number, group in enumerate(form.group_names, start=1)], 10.5),
        ("注意事项", [("·", caution) for caution in form.cautions], 9.5),
    )
    y = _request_head(paper, form)
    for title, lines, size in sections:
        if not lines:
            continue
        paper.box(left, y, right - left, 7 * MM, fill=TEAL_SOFT)
        paper.text(left + 3 * MM, y + 4.9 * MM, title, 9, TEAL, is_bold=True)
        y += 12.5 * MM
        for label, text in lines:
            wrapped = paper.fonts.wrap(text, right - left - 12 * MM, size)
            for place, line in enumerate(wrapped):
                if y > paper.height - 36 * MM:
                    _request_foot(paper, form)
                    y = _request_head(paper, form) + 4 * MM
                if place == 0:
                    paper.text(left + 3 * MM, y, label, size, TEAL, is_bold=True)
                paper.text(left + 10 * MM, y, line, size, INK)
                y += size * 1.6
        y -= 2 * MM
        if y > paper.height - 60 * MM and title == "申请项目" and form.cautions:
            _request_foot(paper, form)
            y = _request_head(paper, form)
    _request_foot(paper, form)


def _request_foot(paper: Paper, form: RequestForm) -> None:
    faces = paper.fonts
    left, right = 12 * MM, paper.width - 12 * MM
    middle = left + 64 * MM
    foot = paper.height - 24 * MM
    paper.rule(left, foot - 6 * MM, right, foot - 6 * MM, HAIR, 0.6)
    paper.text(left, foot, "申请人", 8.5, GREY)
    paper.text(left + 13 * MM, foot, faces.shorten(clean(form.requested_by), 36 * MM, 10), 10, INK)
    reprint = f"    第 {form.copy_no} 次打印" if form.copy_no > 1 else ""
    paper.text(right, foot, f"申请时间 {_minute(form.requested_at)}{reprint}", 8.5, GREY, align="right")
    paper.text(left, foot + 10 * MM, "检查者", 8.5, GREY)
    paper.rule(left + 13 * MM, foot + 10.6 * MM, left + 50 * MM, foot + 10.6 * MM, GREY, 0.5)
    paper.text(middle, foot + 10 * MM, "检查时间", 8.5, GREY)
    paper.rule(middle + 16 * MM, foot + 10.6 * MM, right, foot + 10.6 * MM, GREY, 0.5)


def _minute(moment: datetime) -> str:
    return f"{local(moment):%Y-%m-%d %H:%M}"
