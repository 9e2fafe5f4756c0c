"""Files that people hand in: what they are is told by their content, never by their name (reliability.md IN-04)."""

from __future__ import annotations

import io
import unicodedata
from pathlib import PurePosixPath

import msgspec

from exam.kit.errors import BadInput

MEDIA_TYPES = {"pdf": "application/pdf", "jpeg": "image/jpeg", "png": "image/png"}
MOST_PIXELS = 60_000_000
"""Of a picture: what a telephone's camera takes. It is opened, never decoded here."""
LONGEST_NAME = 80
_PDF_END = 2048


class Upload(msgspec.Struct, frozen=True):
    """A file that was handed in: its name as people may read it, its kind by its content (`MEDIA_TYPES`), its bytes."""

    name: str
    kind: str
    content: bytes


def checked(name: str, content: bytes, most_bytes: int, field: str) -> Upload:
    """A PDF, JPEG or PNG not larger than allowed; raises BadInput with the file's name, the reason and the remedy."""
    shown = _shown(name)
    if not content:
        raise BadInput([(field, f"“{shown}”是空文件,请重新选择")])
    if len(content) > most_bytes:
        raise BadInput([(field, f"“{shown}”超过 {most_bytes // 1024 // 1024} MB,请压缩或拆分后再上传")])
    kind = _kind_of(content)
    if kind is None:
        raise BadInput([(field, f"“{shown}”不是完整的 PDF、JPEG 或 PNG 文件(按内容判断,与文件名无关),请重新扫描或导出后上传")])
    return Upload(f"{PurePosixPath(shown).stem or '附件'}.{'jpg' if kind == 'jpeg' else kind}", kind, content)


def _shown(name: str) -> str:
    """The last part of a name without what a screen or a header could be led astray by."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(each for each in unicodedata.normalize("NFC", last) if unicodedata.category(each)[0] != "C").strip(" .")
    return plain[-LONGEST_NAME:] or "附件"


def _kind_of(content: bytes) -> str | None:
    if content.startswith(b"%PDF-") and b"%%EOF" in content[-_PDF_END:]:
        return "pdf"
    if content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return _picture(content)
    return None


def _picture(content: bytes) -> str | None:
    from PIL import Image  # opening pictures costs a server's start 0.1 s: imported where a picture comes

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            kind = str(image.format).lower()
            if image.width * image.height > MOST_PIXELS:
                return None
            image.verify()
    except Exception:  # what a decoder raises on a hostile file is not written down anywhere
        return None
    is_whole = b"\xff\xd9" in content[-_PDF_END:] if kind == "jpeg" else b"IEND" in content[-_PDF_END:]
    return kind if is_whole else None
