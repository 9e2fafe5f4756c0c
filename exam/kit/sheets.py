"""Workbooks to send out: plain cells only, so that no text from the database can become a formula or a link."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def workbook(sheets: Iterable[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]) -> bytes:
    """An xlsx file with one sheet for each `(title, header, rows)`. Texts stay texts, numbers numbers."""
    import xlsxwriter  # only who exports waits for it, not the start of the server

    content = BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(content, options) as book:
        head = book.add_format({"bold": True, "bg_color": "#F0F3F6", "bottom": 1})
        for title, header, rows in sheets:
            sheet = book.add_worksheet(title)
            widths = [_width(text) for text in header]
            for column, text in enumerate(header):
                sheet.write_string(0, column, text, head)
            for number, row in enumerate(rows, 1):
                for column, value in enumerate(row):
                    if isinstance(value, bool):
                        sheet.write_boolean(number, column, value)
                    elif isinstance(value, (int, float)):
                        sheet.write_number(number, column, value)
                    elif value not in (None, ""):
                        sheet.write_string(number, column, str(value))
                    widths[column] = max(widths[column], min(_width(str(value if value is not None else "")), 60))
            for column, width in enumerate(widths):
                sheet.set_column(column, column, width + 2)
            sheet.freeze_panes(1, 0)
    return content.getvalue()


def _width(text: str) -> int:
    """About how wide a text is in columns: a Han character takes two."""
    return len(text) if text.isascii() else sum(2 if character > "\u2e7f" else 1 for character in text)
