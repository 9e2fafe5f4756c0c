"""Pictures of signatures as people send them: written strokes on paper, photographed with a shadow, and what is none."""

from __future__ import annotations

import io
import math
from typing import Any

from PIL import Image, ImageDraw, ImageFilter


def written(
    width: int = 900, height: int = 400, ink: Any = (20, 20, 30), paper: Any = (250, 250, 248), mode: str = "RGB",
    phase: float = 0.0, stroke: int = 9,
) -> Image.Image:  # fmt: skip
    """Three looping strokes in the middle of a sheet; another `phase` is another hand."""
    sheet = Image.new(mode, (width, height), paper)
    pen = ImageDraw.Draw(sheet)
    for letter in range(3):
        left = width * (0.25 + 0.18 * letter)
        loop = [
            (left + width * 0.07 * math.sin(turn / 6 + phase + letter), height * (0.5 + 0.22 * math.cos(turn / 9 - letter + phase)))
            for turn in range(60)
        ]
        pen.line(loop, fill=ink, width=stroke, joint="curve")
    return sheet


def photographed(**options: Any) -> Image.Image:
    """The same on yellowed paper under a lamp: one corner at half the light, soft strokes, a little grain."""
    sheet = written(1800, 1000, (40, 42, 70), (228, 220, 196), stroke=16, **options).convert("L")
    shade = Image.linear_gradient("L").rotate(90).resize(sheet.size).point([128 + level // 2 for level in range(256)])
    dark = Image.new("L", sheet.size, 0)
    lit = Image.composite(sheet, dark, shade).filter(ImageFilter.GaussianBlur(1.5))
    return Image.blend(lit, Image.effect_noise(sheet.size, 24), 0.06)


def png(image: Image.Image, **options: Any) -> bytes:
    """The picture as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """The picture as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()
