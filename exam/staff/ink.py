"""A photographed or scanned signature becomes ink on a transparent ground: pure, the same picture gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import threading
from typing import TYPE_CHECKING

import msgspec

from exam.kit.errors import Refused

if TYPE_CHECKING:  # opening and drawing pictures costs a server's start 0.1 s: imported where a picture comes
    from PIL.Image import Image

MOST_BYTES = 5 * 1024 * 1024
"""Of an uploaded file."""
MOST_PIXELS = 30_000_000
"""Of a JPEG that is decoded small at once; what a telephone's camera takes."""
MOST_WHOLE_PIXELS = 8_000_000
"""Of a picture that is decoded whole (PNG, or a JPEG in many passes): 100 MB in memory at most."""
WIDTH, HEIGHT = 600, 200
"""Pixels of the box that a kept signature fits into: the 30 × 10 mm of the report at 508 dpi."""
MOST_KEPT_BYTES = 64 * 1024
"""Of a kept picture."""
LEAST_WIDTH, LEAST_HEIGHT = 80, 32
"""Pixels of the written part; less is coarser than 100 dpi on paper."""
FLATTEST, TALLEST = 12.0, 0.5
"""Width by height of the written part: a long name in one line, a short one written downwards."""

INK = (24, 32, 58)
_WORKING = 1600
_LEAST_CONTRAST = 48
"""Steps of 255 between paper and ink; a pencil's stroke has more."""
_MOST_COVERED = 0.5
"""Share of the written part's box that ink may cover; a pen covers 5 to 20 %, a brush or bold print 35 %."""
_PAPER_STEP = 12
"""The paper's brightness is taken from pieces of a twelfth of the shorter side: a stroke is thinner, a shadow wider."""

FIELD = "file"


_one_at_a_time = threading.Lock()
"""Pictures are decoded one after the other: several at once would take the memory that the whole server needs."""


class Picture(msgspec.Struct, frozen=True):
    """A signature as it is kept: a PNG, its size in pixels, and the SHA-256 of the file in hex."""

    content: bytes
    width: int
    height: int
    sha256: str


def normalised(content: bytes) -> Picture:
    """The written part of an uploaded PNG or JPEG as dark ink on a transparent ground, trimmed, scaled, without metadata.

    Raises Refused with the reason and the remedy for whatever is not a clear signature on light paper.
    """
    if not content:
        raise Refused("staff.signature_empty", "签名图片文件是空的", "请重新选择文件", FIELD)
    if len(content) > MOST_BYTES:
        raise Refused("staff.signature_large", f"签名图片超过 {MOST_BYTES // 1024 // 1024} MB", "请裁剪或缩小后再上传", FIELD)
    with _one_at_a_time:
        inked = _ink(_grey(content))
    box = _written(inked)
    trimmed = inked.crop(box)
    _require_shape(trimmed)
    return _kept(trimmed)


def _grey(content: bytes) -> Image:
    """The first picture of the file, upright, in grey on white, not larger than the working size."""
    from PIL import Image, ImageOps

    try:
        image: Image.Image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        _require_one_of_a_sensible_size(image)
        image.draft("L", (_WORKING, _WORKING))  # a large JPEG is decoded small at once
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits a pixel
            image = image.convert("I").point(lambda level: level * (1 / 257)).convert("L")
        elif image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
        image = image.convert("L")
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels("") from error
    except Exception as error:  # what a decoder raises on a hostile file is not written down anywhere
        raise Refused("staff.signature_unreadable", "签名图片无法读取:不是完整的 PNG 或 JPEG 图片", "请换一张图片,或重新拍照、扫描", FIELD) from error
    image.thumbnail((_WORKING, _WORKING), Image.Resampling.LANCZOS)
    return image


def _require_one_of_a_sensible_size(image: Image) -> None:
    # Before a single pixel is decoded: a file of 100 kB can stand for gigabytes.
    is_whole = image.format == "PNG" or "progressive" in image.info
    most = MOST_WHOLE_PIXELS if is_whole else MOST_PIXELS
    if image.width * image.height > most:
        raise _too_many_pixels(f"有 {image.width} × {image.height} 像素,", most)
    # A telephone's JPEG may hold a second picture (depth, brightness); a PNG of several is a film.
    if image.format == "PNG" and getattr(image, "is_animated", False):
        raise Refused("staff.signature_animated", "签名图片是动画", "请上传静态的 PNG 或 JPEG 图片", FIELD)


def _too_many_pixels(how_many: str, most: int = MOST_PIXELS) -> Refused:
    text = f"签名图片{how_many}超过 {most // 10_000} 万像素"
    return Refused("staff.signature_pixels", text, "请裁剪或缩小后再上传", FIELD)


def _ink(grey: Image) -> Image:
    """How dark each pixel is against the paper around it, stretched to 0 … 255: shadows and yellowed paper vanish."""
    from PIL import Image, ImageChops, ImageFilter

    step = max(1, min(grey.size) // _PAPER_STEP)
    pieces = (max(1, grey.width // step), max(1, grey.height // step))
    paper = grey.resize(pieces, Image.Resampling.BOX).filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(1))
    darker = ImageChops.subtract(paper.resize(grey.size, Image.Resampling.BICUBIC), grey)
    strongest = _level(darker.filter(ImageFilter.MedianFilter(3)), 0.002)
    if strongest < _LEAST_CONTRAST:
        raise Refused("staff.signature_blank", "图片上没有清楚的签名", "请用黑色笔写在白纸上,重新拍照或扫描", FIELD)
    low, high = strongest * 0.3, strongest * 0.8
    return darker.point([min(255, max(0, round((level - low) / (high - low) * 255))) for level in range(256)])


def _level(image: Image, share: float) -> int:
    """The level that this share of the pixels reaches or passes."""
    left = image.width * image.height * share
    for level, count in reversed(list(enumerate(image.histogram()))):
        left -= count
        if left < 0:
            return level
    return 0


def _written(inked: Image) -> tuple[int, int, int, int]:
    """The box around the strokes; specks of dust do not widen it."""
    from PIL import ImageFilter

    strokes = inked.filter(ImageFilter.MedianFilter(5)).point([255 * (level > 127) for level in range(256)])
    box = strokes.getbbox() or (0, 0, 0, 0)
    width, height = box[2] - box[0], box[3] - box[1]
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        text = f"签名部分只有 {width} × {height} 像素,印出来不清楚"
        raise Refused("staff.signature_small", text, f"请靠近拍摄或提高扫描精度,签名至少 {LEAST_WIDTH} × {LEAST_HEIGHT} 像素", FIELD)
    margin = max(2, height // 40)
    return (
        max(0, box[0] - margin), max(0, box[1] - margin), min(inked.width, box[2] + margin), min(inked.height, box[3] + margin),
    )  # fmt: skip


def _require_shape(trimmed: Image) -> None:
    if not TALLEST <= trimmed.width / trimmed.height <= FLATTEST:
        text = f"签名部分 {trimmed.width} × {trimmed.height} 像素,过长或过窄"
        raise Refused("staff.signature_shape", text, "请把签名转正,裁去其他线条和边框", FIELD)
    covered = sum(trimmed.histogram()[128:]) / (trimmed.width * trimmed.height)
    if covered > _MOST_COVERED:
        raise Refused("staff.signature_dark", "图片大部分是深色,不像白纸上的签名", "请用黑色笔写在白纸上,只拍签名部分", FIELD)


def _kept(inked: Image) -> Picture:
    from PIL import Image

    inked.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    # Sixteen depths of ink: the eye sees no more, and the file cannot grow past its limit.
    alpha = inked.point([round(level / 17) * 17 for level in range(256)])
    picture = Image.new("RGBA", alpha.size, (*INK, 0))
    picture.putalpha(alpha)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    content = file.getvalue()
    if len(content) > MOST_KEPT_BYTES:
        raise Refused("staff.signature_noisy", "签名图片杂点过多", "请用白纸重新书写,在光线均匀处拍照", FIELD)
    return Picture(content, picture.width, picture.height, hashlib.sha256(content).hexdigest())
