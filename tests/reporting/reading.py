"""Reading printed paper back: its text with poppler, its barcodes with zxing, its pages as pictures."""

from __future__ import annotations

import re
import subprocess
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import zxingcpp
from PIL import Image


def text_of(pdf: bytes, is_raw: bool = True) -> str:
    """The text pdftotext finds, in drawing order."""
    flags = ["-raw"] if is_raw else ["-layout"]
    return subprocess.run(["pdftotext", *flags, "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()


def joined(text: str) -> str:
    """Text without white space: what wrapping must not change."""
    return re.sub(r"\s+", "", text)


def pages_of(pdf: bytes, dots_per_inch: float) -> list[Image.Image]:
    """Every page as a picture."""
    with TemporaryDirectory() as folder:
        command = ["pdftoppm", "-r", str(dots_per_inch), "-png", "-", f"{folder}/page"]
        subprocess.run(command, input=pdf, capture_output=True, check=True)
        return [Image.open(BytesIO(path.read_bytes())) for path in sorted(Path(folder).iterdir())]


def barcodes_of(picture: Image.Image) -> list[str]:
    """The Code 128 symbols on a picture."""
    return [found.text for found in zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.Code128)]
