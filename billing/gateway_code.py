"""The code that a customer scans, as a drawing for a page."""

from __future__ import annotations

import dataclasses

QUIET_ZONE = 4
"""Modules of white around a QR code (ISO/IEC 18004, 9.1)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """A square of `size` modules and an SVG path over the dark ones: numbers only, for a template's own `<svg>` to draw."""

    size: int
    dark: str


def draw_code(text: str) -> Drawing:
    """A QR code with its quiet zone. The text is data, never markup."""
    import zxingcpp  # only a page that shows a code waits for it

    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    modules = memoryview(zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False))
    height, width = modules.shape or (0, 0)
    dark = "".join(f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h1v1h-1z" for y in range(height) for x in range(width) if not modules[y, x])
    return Drawing(size=height + 2 * QUIET_ZONE, dark=dark)
