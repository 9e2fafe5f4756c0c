"""Text on paper: fonts loaded once, widths, runs of one font, and lines that break as Chinese and Latin text should."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from exam.kit.paper_literal import clean

FONT_FOLDER = Path(__file__).parent / "fonts"
REGULAR_FILE = "NotoSansSC-Regular.ttf"
BOLD_FILE = "NotoSansSC-Bold.ttf"
SPARE_FILES = "Spare*.ttf"
"""Further fonts a site may put beside the two: each is asked in turn for characters the first lacks."""

BOX = "□"
"""What a character without a glyph in any font looks like. The text behind it stays true: it copies as itself."""

NO_START = frozenset("，。、；：？！…”’）》】〉」』〕］｝％‰℃·—～,.;:?!)]}%°")
"""A line never begins with one of these (GB/T 15834 leaves closing marks with the word before them)."""

NO_END = frozenset("（《【〈「『〔［｛“‘([{￥¥＄$")
"""A line never ends with one of these."""

_TOKEN = re.compile("[\x21-\x7e\u00a1-\u024f\u0370-\u03ff\u2070-\u209f]+| +|.", re.DOTALL)

_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
_RAISED_SCALE = 0.62
_RAISED_BY = 0.36


def _mend_reportlab() -> None:
    """reportlab writes characters beyond U+FFFF as five hex digits into ToUnicode, where UTF-16BE belongs; without
    this a rare name looks right and copies wrong. (Its line-breaking table is mended too, should anybody use it.)"""
    from reportlab.lib import textsplit
    from reportlab.pdfbase import ttfonts

    if getattr(ttfonts.makeToUnicodeCMap, "is_mended", False):
        return
    original = ttfonts.makeToUnicodeCMap
    five_digits = re.compile(r"(<[0-9A-F]{2,4}> )<([0-9A-F]{5,6})>", re.IGNORECASE)

    def mended(font_name: str, subset: list[int]) -> str:
        def as_utf16(found: re.Match[str]) -> str:
            return f"{found[1]}<{chr(int(found[2], 16)).encode('utf-16-be').hex().upper()}>"

        return five_digits.sub(as_utf16, original(font_name, subset))

    mended.is_mended = True  # type: ignore[attr-defined]
    ttfonts.makeToUnicodeCMap = mended
    # Whoever imports platypus later takes the table from textsplit; whoever did already has a copy of its own.
    modules: list[Any] = [textsplit, sys.modules.get("reportlab.platypus.paragraph")]
    for module in modules:
        if module is not None:
            module.ALL_CANNOT_START += "，；：？！…”’》】〉·—～"


class Face:
    """One registered font: its name for reportlab, the characters it really has, and widths in ems."""

    def __init__(self, name: str, path: Path) -> None:
        from reportlab.pdfbase import pdfmetrics, ttfonts

        self.name = name
        self.font: Any = ttfonts.TTFont(name, str(path), shapable=False)
        pdfmetrics.registerFont(self.font)
        self._glyphs: dict[int, int] = self.font.face.charToGlyph
        self._widths: dict[int, float] = self.font.face.charWidths
        self.characters = frozenset(chr(code) for code in self._glyphs if code < 0x110000)
        self.ems: dict[str, float] = {}

    def em(self, character: str) -> float:
        """The character's width in ems; one it lacks is as wide as the box that stands for it."""
        width = self.ems.get(character)
        if width is None:
            if character in self.characters:
                width = self._widths.get(ord(character), self.font.face.defaultWidth) / 1000
            elif character in _RAISED:
                width = self.em(_RAISED[character]) * _RAISED_SCALE
            else:
                width = self.em(BOX)
            self.ems[character] = width
        return width

    def borrow(self, character: str, glyph_of: str) -> None:
        """Lets `character` be drawn with another character's glyph while the PDF's text keeps `character` itself."""
        code, source = ord(character), ord(glyph_of)
        self._widths.setdefault(code, self._widths.get(source, self.font.face.defaultWidth))
        self._glyphs.setdefault(code, self._glyphs[source])


@dataclass(frozen=True)
class Run:
    """A stretch of text in one face. `scale` and `rise` (ems) are 1 and 0 but for raised figures."""

    face: Face
    text: str
    scale: float = 1.0
    rise: float = 0.0


class Fonts:
    """The regular and the bold face and their spares. Make it with `fonts()`: loading takes a fifth of a second."""

    def __init__(self, folder: Path) -> None:
        from reportlab.pdfbase import pdfmetrics

        _mend_reportlab()
        for name in (REGULAR_FILE, BOLD_FILE):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{name} is missing in {folder}: the front end's vendor step puts it there")
        stem = f"Paper{len(pdfmetrics.getRegisteredFontNames())}"
        self.regular = Face(f"{stem}Regular", folder / REGULAR_FILE)
        self.bold = Face(f"{stem}Bold", folder / BOLD_FILE)
        self.spares = tuple(Face(f"{stem}Spare{n}", path) for n, path in enumerate(sorted(folder.glob(SPARE_FILES))))

    def face(self, is_bold: bool) -> Face:
        """The bold or the regular face."""
        return self.bold if is_bold else self.regular

    def has(self, character: str) -> bool:
        """Is there a glyph for this character in any of the fonts?"""
        return character in self.regular.characters or any(character in spare.characters for spare in self.spares)

    def missing(self, text: str) -> str:
        """The distinct characters of `text` that would be drawn as a box, in order of appearance."""
        return "".join(dict.fromkeys(c for c in clean(text) if c != "\n" and c not in _RAISED and not self.has(c)))

    def width(self, text: str, size: float, is_bold: bool = False) -> float:
        """The width of one line of cleaned text, in points."""
        face = self.bold if is_bold else self.regular
        ems = face.ems
        try:
            return sum([ems[character] for character in text]) * size
        except KeyError:
            return sum(self._em(face, character) for character in text) * size

    def _em(self, face: Face, character: str) -> float:
        if character not in face.ems and character not in face.characters and character not in _RAISED:
            for spare in self.spares:
                if character in spare.characters:
                    face.ems[character] = spare.em(character)
        return face.em(character)

    def runs(self, text: str, is_bold: bool = False) -> list[Run]:
        """Cuts cleaned text into runs of one face each. What no font has is drawn as a box in the main face."""
        main = self.face(is_bold)
        if main.characters.issuperset(text):
            return [Run(main, text)] if text else []
        runs: list[Run] = []
        for character in text:
            face, scale, rise = main, 1.0, 0.0
            if character not in main.characters:
                spare = next((spare for spare in self.spares if character in spare.characters), None)
                if spare:
                    face = spare
                elif character in _RAISED:
                    main.borrow(character, _RAISED[character])
                    scale, rise = _RAISED_SCALE, _RAISED_BY
                else:
                    main.borrow(character, BOX)
            last = runs[-1] if runs else None
            if last and last.face is face and last.scale == scale:
                runs[-1] = Run(face, last.text + character, scale, rise)
            else:
                runs.append(Run(face, character, scale, rise))
        return runs

    def wrap(self, text: str, width: float, size: float, is_bold: bool = False) -> list[str]:
        """Breaks text into lines of at most `width` points. Chinese may break anywhere but before a closing mark or
        after an opening one; Latin words and numbers stay whole unless one alone is wider than the line."""
        lines: list[str] = []
        for paragraph in clean(text).split("\n"):
            if self.width(paragraph, size, is_bold) <= width:
                lines.append(paragraph.rstrip(" "))
            else:
                lines.extend(self._broken(paragraph, width, size, is_bold))
        return lines

    def _broken(self, paragraph: str, width: float, size: float, is_bold: bool) -> Iterator[str]:
        line: list[str] = []
        widths: list[float] = []
        used = 0.0
        for token, token_width in self._tokens(paragraph, width, size, is_bold):
            if line and used + token_width > width + 0.01 and token.startswith(" "):
                continue
            while line and used + token_width > width + 0.01:  # what a break carries down may itself be too much
                keep = _break_at(line, token)
                yield "".join(line[:keep]).rstrip(" ")
                line, widths = line[keep:], widths[keep:]
                if line and line[0].startswith(" "):
                    line, widths = line[1:], widths[1:]
                used = sum(widths)
            line.append(token)
            widths.append(token_width)
            used += token_width
        if line:
            yield "".join(line).rstrip(" ")

    def _tokens(self, paragraph: str, width: float, size: float, is_bold: bool) -> Iterator[tuple[str, float]]:
        for token in _TOKEN.findall(paragraph):
            token_width = self.width(token, size, is_bold)
            if token_width <= width:
                yield token, token_width
            else:
                for character in token:
                    yield character, self.width(character, size, is_bold)

    def size_to_fit(self, text: str, width: float, size: float, smallest: float, is_bold: bool = False) -> float:
        """The largest size not above `size` and not below `smallest` (points) at which one line fits `width`."""
        needed = self.width(text, size, is_bold)
        return size if needed <= width else max(smallest, int(size * width / needed * 20) / 20)

    def shorten(self, text: str, width: float, size: float, is_bold: bool = False) -> str:
        """One line that fits, ended with `…` when something was cut. Never for results: those wrap."""
        if self.width(text, size, is_bold) <= width:
            return text
        while text and self.width(text + "…", size, is_bold) > width:
            text = text[:-1]
        return text + "…"


def _break_at(line: list[str], following: str) -> int:
    """How many tokens stay on the line before `following`: closing marks take the token before them along, opening
    marks go down with what they open. A line that is nothing but marks breaks where it is full."""
    keep = len(line)
    head = following
    while keep > 1 and (head[0] in NO_START or line[keep - 1][-1] in NO_END):
        keep -= 1
        head = line[keep]
    if head[0] in NO_START or (keep and line[keep - 1][-1] in NO_END):
        return len(line)
    return keep


@lru_cache(maxsize=4)
def fonts(folder: Path = FONT_FOLDER) -> Fonts:
    """The fonts of a folder, loaded and registered once per process."""
    return Fonts(folder)
