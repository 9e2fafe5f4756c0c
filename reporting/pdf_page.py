"""The page of a report: colours, margins, cover, header and footer, and text that flows from page to page."""

from __future__ import annotations

from collections.abc import Callable

from exam.kit.paper import MM, POINTS_OF_MODULE, Paper, clean, code128_width
from reporting.document import Cover, Document, chinese_date

INK = "#1C2B33"
GREY = "#65757D"
TEAL = "#0F6068"
TEAL_DEEP = "#0B4A52"
TEAL_LIGHT = "#2A7F86"
TEAL_PALE = "#BFDCDA"
TEAL_SOFT = "#EDF5F4"
TEAL_LINE = "#A9CCCA"
HAIR = "#DDE6E7"
RED = "#C4262E"
RED_SOFT = "#FCF1F0"
WHITE = "#FFFFFF"

PAGE_WIDTH, PAGE_HEIGHT = 210 * MM, 297 * MM
LEFT = 18 * MM
RIGHT = PAGE_WIDTH - 18 * MM
CONTENT_WIDTH = RIGHT - LEFT
TOP = 27.5 * MM
BOTTOM = PAGE_HEIGHT - 18.5 * MM
FRAME_PADDING = 2.2 * MM


class Flow:
    """Where the next thing goes. `on_new_page` is called after a page break (a table draws its head again)."""

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.fonts = paper.fonts
        self.y = BOTTOM
        self.on_new_page: Callable[[], None] | None = None

    @property
    def room(self) -> float:
        """Points left on this page."""
        return BOTTOM - self.y

    def break_page(self) -> None:
        """Goes on at the top of a new page."""
        self.paper.new_page()
        self.y = TOP
        if self.on_new_page:
            self.on_new_page()

    def fresh_page(self) -> None:
        """A page with nothing on it: the current one if it is still empty."""
        if self.paper.page_count == 0 or self.y > TOP:
            self.break_page()

    def need(self, height: float) -> None:
        """Breaks the page unless `height` points are left."""
        if self.paper.page_count == 0 or self.y + height > BOTTOM:
            self.break_page()

    def space(self, height: float) -> None:
        """Leaves white, but never at the top of a page."""
        if self.y > TOP:
            self.y += height

    def rule(self, colour: str) -> None:
        """A hairline across the text."""
        if self.y > TOP and self.y < BOTTOM:
            self.paper.rule(LEFT, self.y, RIGHT, self.y, colour, 0.6)

    def labelled(
        self,
        x: float,
        label: str,
        indent: float,
        text: str,
        size: float,
        leading: float,
        colour: str = INK,
        label_colour: str = TEAL,
    ) -> None:
        """A short label and wrapped text beside it that may run over pages."""
        for number, line in enumerate(self.fonts.wrap(text, RIGHT - x - indent, size)):
            self.need(leading)
            if number == 0 and label:
                self.paper.text(x, self.y + size * 1.1, label, size - 0.5, label_colour, is_bold=True)
            self.paper.text(x + indent, self.y + size * 1.1, line, size, colour)
            self.y += leading

    def framed(
        self,
        title: str,
        lines: list[str],
        fill: str,
        bar: str,
        size: float,
        leading: float,
        title_colour: str = TEAL,
        title_width: float = 0,
    ) -> None:
        """Wrapped lines on a tinted ground with a bar at the left; goes on over pages, tinted there too.

        With `title_width` the title stands beside the first line, otherwise above the lines; without a title nothing does."""
        padding = FRAME_PADDING
        left_over = lines
        is_first = True
        while left_over or is_first:
            head = leading + 1 * MM if is_first and title and not title_width else 0
            self.need(head + padding * 2 + leading * min(2, max(len(left_over), 1)))
            count = max(1, int((self.room - head - padding * 2) / leading))
            part, left_over = left_over[:count], left_over[count:]
            height = head + padding * 2 + leading * max(len(part), 1 if title_width else 0)
            self.paper.box(LEFT, self.y, CONTENT_WIDTH, height, fill=fill)
            self.paper.box(LEFT, self.y, 0.9 * MM, height, fill=bar)
            baseline = self.y + padding + size * 1.1
            if is_first and title:
                self.paper.text(LEFT + 4 * MM, baseline, title, size, title_colour, is_bold=True)
                baseline += head
            for line in part:
                self.paper.text(LEFT + 4 * MM + title_width, baseline, line, size, INK)
                baseline += leading
            self.y += height
            is_first = False

    def chip_width(self, label: str) -> float:
        """The width of a label in a rounded frame."""
        return self.fonts.width(label, 8, True) + 5 * MM

    def chip(self, x: float, y: float, label: str, colour: str, is_filled: bool) -> None:
        """A label in a rounded frame, top left corner at `x`, `y`."""
        width = self.chip_width(label)
        height = 5.4 * MM
        ground = colour if is_filled else WHITE
        self.paper.box(x, y, width, height, fill=ground, stroke=colour, line=0.7, radius=height / 2)
        self.paper.text(x + width / 2, y + 3.75 * MM, label, 8, WHITE if is_filled else colour, True, "centre")


def draw_cover(flow: Flow, document: Document, cover: Cover) -> None:
    """The first page: a calm teal field with the title, and the examinee below."""
    paper, header = flow.paper, document.header
    paper.new_page()
    field = 122 * MM
    paper.box(0, 0, PAGE_WIDTH, field, fill=TEAL)
    paper.polygon([(PAGE_WIDTH, 0), (PAGE_WIDTH, field), (112 * MM, field), (168 * MM, 0)], TEAL_DEEP)
    paper.polygon([(PAGE_WIDTH, 62 * MM), (PAGE_WIDTH, field), (168 * MM, field)], TEAL_LIGHT)
    paper.box(0, field, PAGE_WIDTH, 1.6 * MM, fill=TEAL_PALE)
    centre = clean(header.centre_name)
    size = flow.fonts.size_to_fit(centre, 140 * MM, 15, 9, True)
    paper.text(24 * MM, 30 * MM, flow.fonts.shorten(centre, 140 * MM, size, True), size, WHITE, is_bold=True)
    paper.rule(24 * MM, 37 * MM, 44 * MM, 37 * MM, TEAL_PALE, 1.2)
    size = flow.fonts.size_to_fit(clean(header.title), 150 * MM, 38, 16, True)
    paper.text(24 * MM, 82 * MM, header.title, size, WHITE, is_bold=True)
    if cover.notice:
        paper.text(24 * MM, 96 * MM, cover.notice, 12, TEAL_PALE, is_bold=True)
    else:
        paper.text(24 * MM, 95.5 * MM, chinese_date(header.exam_on), 11, TEAL_PALE)

    top = 143 * MM
    left, value_left = 24 * MM, 52 * MM
    for label, value in cover.lines:
        is_name = label == "姓名"
        size = 17 if is_name else 11.5
        lines = flow.fonts.wrap(value, 106 * MM, size, is_name)
        if len(lines) > 3:
            size = 8
            lines = flow.fonts.wrap(value, 106 * MM, size, is_name)
            if len(lines) > 6:
                lines = [*lines[:5], flow.fonts.shorten(lines[5] + "……", 104 * MM, size)]
        paper.text(left, top, label, 10, GREY)
        for line in lines:
            paper.text(value_left, top, line, size, INK, is_bold=is_name)
            top += size * 1.35
        top += 10.4 * MM - size * 1.35 + (1.4 * MM if is_name else 0)
        paper.rule(left, top - 6.6 * MM, 160 * MM, top - 6.6 * MM, HAIR, 0.6)

    foot = 262 * MM
    width = code128_width(header.visit_no, POINTS_OF_MODULE)
    paper.barcode(left, foot - 8 * MM, header.visit_no, 14 * MM)
    paper.text(left + width / 2, foot + 10 * MM, header.visit_no, 9, INK, align="centre")
    y = foot - 4 * MM
    for line in header.centre_lines[:4]:
        paper.text(PAGE_WIDTH - 24 * MM, y, flow.fonts.shorten(clean(line), 100 * MM, 9), 9, GREY, align="right")
        y += 5.4 * MM
    flow.y = BOTTOM


def stamp_page(paper: Paper, document: Document, number: int, count: int, is_cover: bool) -> None:
    """Header and footer: whose page this is, the barcode, and which page of how many."""
    header = document.header
    person = header.person
    fonts = paper.fonts
    if not is_cover:
        width = code128_width(header.visit_no)
        paper.barcode(RIGHT - width, 8.5 * MM, header.visit_no, 7 * MM)
        paper.text(RIGHT - width / 2, 18.6 * MM, header.visit_no, 7, INK, align="centre")
        centre = fonts.shorten(clean(header.centre_name), 110 * MM, 9.5, True)
        paper.text(LEFT, 13 * MM, centre, 9.5, TEAL, is_bold=True)
        name = fonts.shorten(clean(person.name), 60 * MM, 9, True)
        paper.text(LEFT, 18.4 * MM, name, 9, INK, is_bold=True)
        after = LEFT + fonts.width(name, 9, True) + 3 * MM
        title = f"{header.title}{' · 隐私项目补充' if document.is_supplement else ''}"
        rest = f"{person.sex}  {person.age_text}    {title}"
        paper.text(after, 18.4 * MM, fonts.shorten(clean(rest), RIGHT - width - after - 6 * MM, 8.5), 8.5, GREY)
        paper.rule(LEFT, 22 * MM, RIGHT, 22 * MM, TEAL_LINE, 0.6)
    y = PAGE_HEIGHT - 11 * MM
    if not is_cover:
        paper.rule(LEFT, y - 4.6 * MM, RIGHT, y - 4.6 * MM, HAIR, 0.6)
    name = fonts.shorten(clean(person.name), 50 * MM, 8)
    edge = 24 * MM if is_cover else LEFT
    paper.text(edge, y, f"{name}    体检号 {header.visit_no}    第 {header.version_no} 版", 8, GREY)
    paper.text(PAGE_WIDTH - edge, y, f"第 {number} / {count} 页", 8, GREY, align="right")
