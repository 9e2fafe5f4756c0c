"""Drawing on paper: pages in points from the top left, literal text, whole-module barcodes, same bytes each time."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from exam.kit.clock import local
from exam.kit.paper_literal import clean
from exam.kit.paper_text import BOX, Fonts, fonts

if TYPE_CHECKING:  # a server draws only after its first answers, so what draws is loaded where it is used
    from reportlab.pdfgen.canvas import Canvas

__all__ = [
    "A4",
    "A5",
    "BOX",
    "MM",
    "POINTS_OF_MODULE",
    "Fonts",
    "Paper",
    "clean",
    "code128_bars",
    "code128_width",
    "fonts",
]

MM = 72 / 25.4
A4 = (210 * MM, 297 * MM)
A5 = (148 * MM, 210 * MM)

POINTS_OF_MODULE = 0.25 * MM
"""A barcode module of 0.25 mm is two whole dots of a 203 dpi label printer (8 dots a millimetre)."""

PRODUCER = "exam-centre"

Align = Literal["left", "right", "centre"]
Operation = Callable[["Canvas", float], None]

_saving = threading.Lock()
"""reportlab reads a font file through one shared position while it writes subsets: two threads must take turns."""


@lru_cache(maxsize=4096)
def code128_bars(content: str) -> tuple[int, ...]:
    """The widths of bars and spaces in modules, beginning with a bar. An even count of digits is all subset C."""
    import zxingcpp

    picture = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.Code128).to_image(scale=1, add_quiet_zones=False)
    view: Any = memoryview(picture)
    row = [view[0, column] < 128 for column in range(view.shape[1])]
    widths: list[int] = []
    for column, is_dark in enumerate(row):
        if column == 0 or is_dark != row[column - 1]:
            widths.append(0)
        widths[-1] += 1
    return tuple(widths)


def code128_width(content: str, module: float = POINTS_OF_MODULE) -> float:
    """The width of the bars in points, without the quiet zone of ten modules a side that belongs around them."""
    return sum(code128_bars(content)) * module


@lru_cache(maxsize=64)
def _colour(code: str) -> tuple[float, float, float]:
    return int(code[1:3], 16) / 255, int(code[3:5], 16) / 255, int(code[5:7], 16) / 255


class _Moment:
    """The time stamp reportlab writes into the file: the one handed in, on the centre's wall clock."""

    def __init__(self, moment: datetime) -> None:
        wall = local(moment)
        offset = wall.utcoffset()
        minutes = int(offset.total_seconds() // 60) if offset else 0
        self.t = moment.timestamp()
        self.lt = wall.timetuple()
        self.YMDhms = tuple(self.lt)[:6]
        self.dhh, self.dmm = divmod(minutes, 60)
        self.tzname = "CST"


class Paper:
    """A document being drawn. Coordinates are points from the top left; `y` of text is its baseline.

    What is drawn is kept until `finish`, so that headers and footers may know the number of pages."""

    def __init__(
        self, fonts: Fonts, size: tuple[float, float], drawn_at: datetime, title: str = "", subject: str = ""
    ) -> None:
        self.fonts = fonts
        self.width, self.height = size
        self.missing: dict[str, None] = {}
        self._drawn_at = drawn_at
        self._title = title
        self._subject = subject
        self._pages: list[list[Operation]] = []
        self._page: list[Operation] = []
        self._forms: dict[tuple[str, float, float], str] = {}

    @property
    def page_count(self) -> int:
        """Pages begun so far."""
        return len(self._pages)

    def new_page(self) -> None:
        """Begins the next page."""
        self._page = []
        self._pages.append(self._page)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 9,
        colour: str = "#000000",
        is_bold: bool = False,
        align: Align = "left",
    ) -> None:
        """One line of text, literally: what looks like markup is text too."""
        text = clean(text).replace("\n", " ")
        if not text:
            return
        if align != "left":
            width = self.fonts.width(text, size, is_bold)
            x -= width if align == "right" else width / 2
        runs = self.fonts.runs(text, is_bold)
        if not self.fonts.face(is_bold).characters.issuperset(text):
            self.missing.update(dict.fromkeys(self.fonts.missing(text)))
        red, green, blue = _colour(colour)

        def draw(canvas: Canvas, height: float) -> None:
            canvas.setFillColorRGB(red, green, blue)
            at = x
            for run in runs:
                canvas.setFont(run.face.name, size * run.scale)
                canvas.drawString(at, height - y + run.rise * size, run.text)
                if len(runs) > 1:
                    at += self.fonts.width(run.text, size, is_bold)

        self._page.append(draw)

    def paragraph(
        self,
        x: float,
        y: float,
        text: str,
        width: float,
        size: float = 9,
        leading: float = 0,
        colour: str = "#000000",
        is_bold: bool = False,
    ) -> float:
        """Wrapped text whose first line has its baseline at `y`; returns the baseline of the line that would follow."""
        step = leading or size * 1.6
        for line in self.fonts.wrap(text, width, size, is_bold):
            self.text(x, y, line, size, colour, is_bold)
            y += step
        return y

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str = "",
        stroke: str = "",
        line: float = 0.5,
        radius: float = 0,
        dash: tuple[float, float] | None = None,
    ) -> None:
        """A rectangle whose top left corner is at `x`, `y`."""

        def draw(canvas: Canvas, page_height: float) -> None:
            canvas.saveState()
            if fill:
                canvas.setFillColorRGB(*_colour(fill))
            if stroke:
                canvas.setStrokeColorRGB(*_colour(stroke))
                canvas.setLineWidth(line)
                if dash:
                    canvas.setDash(*dash)
            bottom = page_height - y - height
            if radius:
                canvas.roundRect(x, bottom, width, height, radius, stroke=int(bool(stroke)), fill=int(bool(fill)))
            else:
                canvas.rect(x, bottom, width, height, stroke=int(bool(stroke)), fill=int(bool(fill)))
            canvas.restoreState()

        self._page.append(draw)

    def rule(self, x1: float, y1: float, x2: float, y2: float, colour: str = "#000000", line: float = 0.5) -> None:
        """A straight line."""

        def draw(canvas: Canvas, height: float) -> None:
            canvas.setStrokeColorRGB(*_colour(colour))
            canvas.setLineWidth(line)
            canvas.line(x1, height - y1, x2, height - y2)

        self._page.append(draw)

    def polygon(self, points: list[tuple[float, float]], fill: str) -> None:
        """A filled shape with straight sides."""

        def draw(canvas: Canvas, height: float) -> None:
            path = canvas.beginPath()
            path.moveTo(points[0][0], height - points[0][1])
            for x, y in points[1:]:
                path.lineTo(x, height - y)
            path.close()
            canvas.setFillColorRGB(*_colour(fill))
            canvas.drawPath(path, stroke=0, fill=1)

        self._page.append(draw)

    def barcode(self, x: float, y: float, content: str, height: float, module: float = POINTS_OF_MODULE) -> float:
        """Code 128 as rectangles of whole modules, left top corner at `x`, `y`; returns its width. Leave ten modules
        of white on both sides."""
        widths = code128_bars(content)
        # The same bars on every page are written once and placed.
        form = self._forms.setdefault((content, height, module), f"bars{len(self._forms)}")

        def draw(canvas: Canvas, page_height: float) -> None:
            if not canvas.hasForm(form):
                canvas.beginForm(form, 0, 0, sum(widths) * module, height)
                canvas.setFillColorRGB(0, 0, 0)
                path = canvas.beginPath()
                at = 0
                for number, width in enumerate(widths):
                    if number % 2 == 0:
                        path.rect(at * module, 0, width * module, height)
                    at += width
                canvas.drawPath(path, stroke=0, fill=1)
                canvas.endForm()
            canvas.saveState()
            canvas.translate(x, page_height - y - height)
            canvas.doForm(form)
            canvas.restoreState()

        self._page.append(draw)
        return sum(widths) * module

    def picture(self, x: float, y: float, width: float, height: float, content: bytes) -> None:
        """A PNG or JPEG picture, fitted into the box with its proportions kept."""
        from reportlab.lib.utils import ImageReader

        reader = ImageReader(io.BytesIO(content))
        across, down = reader.getSize()
        scale = min(width / across, height / down)
        drawn_width, drawn_height = across * scale, down * scale

        def draw(canvas: Canvas, page_height: float) -> None:
            left = x + (width - drawn_width) / 2
            bottom = page_height - y - height + (height - drawn_height) / 2
            canvas.drawImage(reader, left, bottom, drawn_width, drawn_height, mask="auto")

        self._page.append(draw)

    def finish(self, stamp: Callable[[int, int], None] | None = None) -> bytes:
        """Calls `stamp(number, count)` for every page (from 1), lets it draw on that page, and returns the file."""
        from reportlab import rl_config
        from reportlab.pdfgen.canvas import Canvas

        for number, page in enumerate(self._pages, start=1):
            self._page = page
            if stamp:
                stamp(number, len(self._pages))
        out = io.BytesIO()
        with _saving:
            rl_config.useA85 = 0  # plain streams: a fifth smaller than in ASCII, and faster
            canvas: Any = Canvas(
                out,
                pagesize=(self.width, self.height),
                invariant=1,
                initialFontName=self.fonts.regular.name,
                pageCompression=1,
            )
            canvas._doc._timeStamp = _Moment(self._drawn_at)
            canvas.setTitle(clean(self._title))
            canvas.setSubject(clean(self._subject))
            canvas.setAuthor(PRODUCER)
            canvas.setCreator(PRODUCER)
            canvas.setProducer(PRODUCER)
            for page in self._pages:
                for operation in page:
                    operation(canvas, self.height)
                canvas.showPage()
            canvas.save()
        return out.getvalue()
