"""What becomes of an uploaded picture of a signature: ink on a transparent ground, or a refusal that names the remedy."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from exam.kit.errors import Refused
from exam.staff import ink
from tests.staff.handwriting import jpeg, photographed, png, written


def alpha_of(picture: ink.Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.content)).getchannel("A")


def ruled(*box: int, size: tuple[int, int] = (900, 400)) -> Image.Image:
    """White paper with one black rectangle."""
    sheet = Image.new("L", size, 255)
    ImageDraw.Draw(sheet).rectangle(box, fill=0)
    return sheet


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(side: int) -> bytes:
    """A small file that says it is a very large picture."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


GOOD: dict[str, bytes] = {
    "scan": png(written()),
    "blue ink": png(written(ink=(30, 60, 200))),
    "pencil": jpeg(written(ink=(150, 150, 150))),
    "transparent ground": png(written(ink=(0, 0, 0, 255), paper=(0, 0, 0, 0), mode="RGBA")),
    "grey with transparency": png(written().convert("LA")),
    "palette": png(written().convert("P")),
    "one bit": png(written().convert("1", dither=Image.Dither.NONE)),
    "16 bits": png(written().convert("L").convert("I").point(lambda level: level * 257).convert("I;16")),
    "CMYK": jpeg(written().convert("CMYK")),
    "photograph with a shadow": jpeg(photographed()),
    "large photograph": jpeg(written(4800, 3600, stroke=40)),
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_a_signature_becomes_dark_ink_on_a_transparent_ground(content: bytes) -> None:
    picture = ink.normalised(content)
    image = Image.open(io.BytesIO(picture.content))
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (picture.width, picture.height))
    assert picture.width <= ink.WIDTH and picture.height <= ink.HEIGHT and ink.HEIGHT - picture.height < 20
    alpha = alpha_of(picture)
    bare, inked = sum(alpha.histogram()[:16]), sum(alpha.histogram()[200:])
    assert bare > 0.7 * alpha.width * alpha.height, "the paper is gone"
    assert 0.04 * alpha.width * alpha.height < inked, "the strokes are there"
    assert {image.getpixel(place)[:3] for place in ((0, 0), (picture.width // 2, picture.height // 2))} == {ink.INK}
    box = alpha.point([255 * (level > 127) for level in range(256)]).getbbox()
    assert box is not None and max(box[0], box[1], picture.width - box[2], picture.height - box[3]) < 16, "trimmed to the ink"


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_the_same_file_gives_the_same_small_bytes_with_their_digest(content: bytes) -> None:
    picture = ink.normalised(content)
    assert ink.normalised(content) == picture
    assert hashlib.sha256(picture.content).hexdigest() == picture.sha256
    assert len(picture.content) <= ink.MOST_KEPT_BYTES
    assert ink.normalised(png(written(phase=1.0))).sha256 != picture.sha256


def test_what_a_camera_writes_into_the_file_is_gone() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8825] = "相机", {1: "N", 2: (22.0, 49.0, 0.0)}
    told = PngInfo()
    told.add_text("Author", "secret-author")
    for content in (jpeg(written(), exif=exif, comment=b"secret-author"), png(written(), pnginfo=told, exif=exif)):
        kept = ink.normalised(content)
        image = Image.open(io.BytesIO(kept.content))
        image.load()
        assert image.info == {} and not image.getexif() and b"secret" not in kept.content
    assert {kind for kind in (b"tEXt", b"eXIf", b"iTXt", b"tIME", b"pHYs") if kind in kept.content} == set()


def test_a_picture_taken_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    sideways = written().transpose(Image.Transpose.ROTATE_90)
    assert ink.normalised(png(sideways, exif=exif)) == ink.normalised(png(written()))
    with pytest.raises(Refused, match=r"staff\.signature_shape") as refused:
        ink.normalised(png(sideways))
    assert "转正" in refused.value.hint


def test_specks_of_dust_do_not_widen_the_picture() -> None:
    dusty = written()
    for place in ((5, 5), (890, 12), (870, 390), (300, 8)):
        dusty.putpixel(place, (0, 0, 0))
    clean, kept = ink.normalised(png(written())), ink.normalised(png(dusty))
    assert (kept.width, kept.height) == (clean.width, clean.height)


FILM: dict[str, Any] = {"save_all": True, "append_images": [written(phase=1.0), written(phase=2.0)]}
GIF = io.BytesIO()
written().save(GIF, "GIF")

BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "text": (b"not a picture at all", "unreadable"),
    "a page": (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "unreadable"),
    "another format": (GIF.getvalue(), "unreadable"),
    "half a file": (png(written())[:900], "unreadable"),
    "half a photograph": (jpeg(written())[:3000], "unreadable"),
    "only a header": (b"\x89PNG\r\n\x1a\n", "unreadable"),
    "a broken chunk": (png(written()).replace(b"IDAT", b"IDAX", 1), "unreadable"),
    "a file too large": (png(written()) + bytes(ink.MOST_BYTES), "large"),
    "a bomb": (bomb(12_000), "pixels"),
    "a picture that is only decoded whole": (bomb(3_000), "pixels"),
    "a photograph in many passes": (jpeg(written().resize((4500, 2000)), progressive=True), "pixels"),
    "a bigger bomb": (bomb(60_000), "pixels"),
    "a bomb of text": (
        bomb(100).replace(b"IEND", b"IEND", 1)[:33] + chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200_000_000), 9)), "unreadable",
    ),
    "a film": (png(written(), **FILM), "animated"),
    "white paper": (png(Image.new("RGB", (800, 400), "white")), "blank"),
    "grey paper": (png(Image.effect_noise((800, 400), 3)), "blank"),
    "nothing on a transparent ground": (png(Image.new("RGBA", (800, 400), (0, 0, 0, 0))), "blank"),
    "white ink on a transparent ground": (png(written(ink=(255, 255, 255, 255), paper=(0, 0, 0, 0), mode="RGBA")), "blank"),
    "a black page": (png(Image.new("RGB", (800, 400), "black")), "blank"),
    "one pixel": (png(Image.new("L", (1, 1), 0)), "blank"),
    "white on black": (png(written(ink=(255, 255, 255), paper=(0, 0, 0))), "dark"),
    "grains": (png(Image.effect_noise((900, 400), 120)), "noisy|dark"),
    "too small": (png(written(90, 40)), "small"),
    "a dot": (png(ruled(400, 190, 430, 210)), "blank|small"),
    "a long line": (png(ruled(10, 190, 890, 225)), "shape|dark"),
    "a pillar": (png(ruled(400, 10, 485, 390)), "shape|dark"),
    "a black box": (png(ruled(100, 100, 400, 300)), "dark"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("content", "code"), BAD.values(), ids=BAD)
def test_what_is_no_clear_signature_is_refused_with_reason_and_remedy(content: bytes, code: str) -> None:
    with pytest.raises(Refused, match=rf"staff\.signature_({code})") as caught:
        ink.normalised(content)
    refused = caught.value
    assert refused.field == "file" and refused.hint.startswith(("请", "如"))
    assert "图片" in refused.text or "签名" in refused.text
