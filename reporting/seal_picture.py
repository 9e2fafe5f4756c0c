"""Draws the centre's round red seal, and a hand-written look for a doctor without a picture of a signature."""

from __future__ import annotations

import hashlib
import io
import math
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from exam.kit.paper_text import BOLD_FILE, FONT_FOLDER, REGULAR_FILE

SEAL_PURPOSE = "体检专用章"
DEMO_MARK = "演示无效"
RED = (210, 24, 30)
INK = (24, 32, 58)
SIDE = 440
"""Pixels of a side: 42 mm at 266 dpi."""
OVERSAMPLE = 3
RING_SHARE = 1.2 / 42
"""A 42 mm seal has a rim of 1.2 mm and a star of 14 mm across (usual practice of round official seals; memory)."""
STAR_SHARE = 14 / 42
SIGNATURE_HEIGHT = 200


@lru_cache(maxsize=32)
def seal_picture(centre_name: str, *, is_demo: bool = False, purpose: str = SEAL_PURPOSE) -> bytes:
    """The seal as a square PNG with a transparent ground: the name around the upper arc, the star, the purpose below.

    The same name gives the same bytes. `is_demo` adds a mark along the lower rim, where a real seal has its number.
    """
    side = SIDE * OVERSAMPLE
    ink = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(ink)
    centre, outer = side / 2, side / 2 - 2 * OVERSAMPLE
    ring = side * RING_SHARE
    pen.ellipse((centre - outer, centre - outer, centre + outer, centre + outer), fill=255)
    inner = outer - ring
    pen.ellipse((centre - inner, centre - inner, centre + inner, centre + inner), fill=0)
    pen.polygon(_star(centre, centre - side * 0.012, side * STAR_SHARE / 2), fill=255)
    _name_around(ink, centre_name.strip() or "体检中心", inner)
    _straight(ink, purpose, top=side * 0.672, height=side * 0.088, width=side * 0.42)
    if is_demo:
        _below(ink, DEMO_MARK, inner)
    ink = ink.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    # A little of the paper shows through, as with ink; text under the seal stays readable.
    return _coloured(ink.point([round(level * 0.9) for level in range(256)]), RED)


@lru_cache(maxsize=256)
def signature_picture(name: str) -> bytes:
    """The doctor's name as if written with a pen: a PNG with a transparent ground, the same for the same name.

    It stands in for a picture in demonstrations, and in reports from before pictures could be put; it says who signed and is
    not an image of anybody's hand.
    """
    text = name.strip() or "未署名"
    seed = hashlib.sha256(text.encode()).digest()
    height = SIGNATURE_HEIGHT * OVERSAMPLE
    size = int(height * 0.52)
    font = _font(REGULAR_FILE, size)
    advance = size * 0.9
    sheet = Image.new("L", (int(advance * len(text) + size * 1.3), height), 0)
    for place, character in enumerate(text):
        tilt, rise, growth = (seed[(place * 3 + offset) % 32] / 255 - 0.5 for offset in range(3))
        glyph = _glyph(font, character, size)
        scale = (1.12 if place == 0 else 1.0) + growth * 0.16
        glyph = glyph.resize((int(glyph.width * scale * 0.94), int(glyph.height * scale)), Image.Resampling.BICUBIC)
        # A writing hand leans to the right and climbs a little.
        lean = 0.22 + tilt * 0.10
        glyph = glyph.transform(
            (glyph.width + int(glyph.height * 0.4), glyph.height),
            Image.Transform.AFFINE,
            (1, lean, -lean * glyph.height, 0, 1, 0),
            Image.Resampling.BICUBIC,
        ).rotate(3 + tilt * 7, Image.Resampling.BICUBIC, expand=True)
        left = int(size * 0.15 + place * advance)
        top = int((height - glyph.height) / 2 + rise * size * 0.14 - place * size * 0.035)
        sheet.paste(255, (left, max(0, top)), glyph)
    written = _wavering(sheet, seed, size)
    box = written.getbbox() or (0, 0, *written.size)
    margin = 8 * OVERSAMPLE
    written = written.crop((max(0, box[0] - margin), max(0, box[1] - margin), box[2] + margin, box[3] + margin))
    return _coloured(
        written.resize((written.width // OVERSAMPLE, written.height // OVERSAMPLE), Image.Resampling.LANCZOS), INK
    )


def _wavering(sheet: Image.Image, seed: bytes, size: int) -> Image.Image:
    # Bends every straight stroke by slow waves: print has rulers, a hand has none.
    step = max(8, size // 14)
    phase_across, phase_down = seed[30] / 40, seed[31] / 40

    def bent(x: float, y: float) -> tuple[float, float]:
        across = math.sin(y / size * 5.1 + phase_across) * 0.030 + math.sin(x / size * 7.3 + y / size * 2.2) * 0.014
        down = math.sin(x / size * 4.3 + phase_down) * 0.034 + math.sin(y / size * 8.1 + x / size * 1.7) * 0.012
        return x + across * size, y + down * size

    mesh = []
    for top in range(0, sheet.height, step):
        for left in range(0, sheet.width, step):
            right, bottom = min(left + step, sheet.width), min(top + step, sheet.height)
            corners = (*bent(left, top), *bent(left, bottom), *bent(right, bottom), *bent(right, top))
            mesh.append(((left, top, right, bottom), corners))
    return sheet.transform(sheet.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)


def _star(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    points = []
    for corner in range(10):
        # The inner radius of a regular five-pointed star whose edges run on straight.
        reach = radius if corner % 2 == 0 else radius * 0.381966
        angle = -math.pi / 2 + corner * math.pi / 5
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return points


def _name_around(ink: Image.Image, name: str, inner: float) -> None:
    # Few characters are drawn large on a short arc, many narrow on a long one; never past 4 and 8 o'clock.
    count = len(name)
    height = inner * (0.300 if count <= 12 else 0.255 if count <= 18 else 0.21)
    radius = inner - height * 0.62
    sweep = math.radians(min(248.0, 40 + 16 * (count - 1)) if count > 1 else 0.0)
    step = sweep / (count - 1) if count > 1 else 0.0
    room = radius * step * 0.9 if step else height
    width = max(height * 0.34, min(height * 0.80, room))
    if count > 1 and width > room:
        width = room
    centre = ink.width / 2
    for place, character in enumerate(name):
        angle = -sweep / 2 + place * step
        _place(
            ink, character, width, height, centre + radius * math.sin(angle), centre - radius * math.cos(angle), angle
        )


def _below(ink: Image.Image, text: str, inner: float) -> None:
    # Read from left to right along the bottom, feet outward.
    height = inner * 0.125
    radius = inner - height * 0.85
    step = height * 1.35 / radius
    centre = ink.width / 2
    for place, character in enumerate(text):
        angle = (len(text) - 1) * step / 2 - place * step
        _place(
            ink,
            character,
            height * 0.95,
            height,
            centre - radius * math.sin(angle),
            centre + radius * math.cos(angle),
            angle,
        )


def _straight(ink: Image.Image, text: str, top: float, height: float, width: float) -> None:
    each = width / max(len(text), 1)
    glyph_width = min(each * 0.9, height * 0.86)
    left = (ink.width - each * len(text)) / 2
    for place, character in enumerate(text):
        _place(ink, character, glyph_width, height, left + (place + 0.5) * each, top + height / 2, 0.0)


def _place(
    ink: Image.Image, character: str, width: float, height: float, x: float, y: float, angle: float
) -> None:
    # `angle` in radians, clockwise from upright; `x`, `y` the middle of the character.
    size = int(height * 1.15)
    glyph = _glyph(_font(BOLD_FILE, size), character, size)
    glyph = glyph.resize((max(1, int(width)), max(1, int(height))), Image.Resampling.LANCZOS)
    glyph = glyph.rotate(-math.degrees(angle), Image.Resampling.BICUBIC, expand=True)
    ink.paste(255, (round(x - glyph.width / 2), round(y - glyph.height / 2)), glyph)


def _glyph(font: ImageFont.FreeTypeFont, character: str, size: int) -> Image.Image:
    # One em square, so that 一 stays a low stroke and is not blown up to the height of its neighbours.
    glyph = Image.new("L", (size, size), 0)
    ImageDraw.Draw(glyph).text((size / 2, size / 2 + size * 0.38), character, fill=255, font=font, anchor="ms")
    return glyph


@lru_cache(maxsize=16)
def _font(file_name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT_FOLDER / file_name, size, layout_engine=ImageFont.Layout.BASIC)


def _coloured(alpha: Image.Image, colour: tuple[int, int, int]) -> bytes:
    picture = Image.new("RGBA", alpha.size, (*colour, 0))
    picture.putalpha(alpha)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
