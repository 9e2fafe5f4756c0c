"""The code that a customer scans, as a drawing for a page."""

from __future__ import annotations

QUIET_ZONE = 4
"""Modules of white around a QR code (ISO/IEC 18004, 9.1)."""


def code_svg(text: str) -> str:
    """A QR code as an `<svg>` element in black on white, to be scaled by the page's own style. The text is data, never markup."""
    import zxingcpp  # only a page that shows a code waits for it

    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    modules = memoryview(zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False))
    height, width = modules.shape or (0, 0)
    size = height + 2 * QUIET_ZONE
    dark = "".join(f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h1v1h-1z" for y in range(height) for x in range(width) if not modules[y, x])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" role="img" aria-label="付款二维码" shape-rendering="crispEdges">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{dark}" fill="#000"/></svg>'
    )
