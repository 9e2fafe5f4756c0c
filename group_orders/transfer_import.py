"""A bank's statement as a workbook: the columns found by their headers, every fault told at once, what is recorded already left out."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from billing import transfers
from billing.transfer_facts import NewTransfer
from exam.kit.errors import BadInput, Refused
from exam.kit.money import fen_from_yuan
from exam.kit.workbook_guard import address
from exam.kit.workbook_reader import Cell, DateCell
from group_orders import roster_sheet

HEADERS = {
    "amount": ("贷方发生额", "收入金额", "贷方金额", "收入", "到账金额", "交易金额", "金额", "贷方"),
    "payer_name": ("对方户名", "对方账户名称", "付款人名称", "付款方户名", "对方名称", "付款人", "汇款人", "汇款方户名", "户名"),
    "received_on": ("交易日期", "到账日期", "记账日期", "入账日期", "交易时间", "日期"),
    "bank_reference": ("交易流水号", "银行流水号", "流水号", "交易参考号", "凭证号", "业务编号"),
    "payer_account": ("对方账号", "付款人账号", "对方账户", "汇款账号", "账号"),
    "remark": ("摘要", "附言", "用途", "备注", "交易附言"),
}
"""The words by which banks name the columns that matter, the most telling first."""

LABELS = {
    "amount": "金额(贷方、收入)", "payer_name": "对方户名", "received_on": "交易日期", "bank_reference": "流水号", "payer_account": "对方账号",
    "remark": "摘要",
}  # fmt: skip
NEEDED = ("amount", "payer_name", "received_on", "bank_reference")
MOST_PROBLEMS = 50
_KNOWN = frozenset(roster_sheet.header_key(text) for texts in HEADERS.values() for text in texts)
_DAY = re.compile(r"(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})(?:日|\b|T|$)")


class Imported(msgspec.Struct, frozen=True):
    """What became of a file: recorded, left out because it is recorded already, left out because nothing came in on the row."""

    recorded: int
    known: int
    passed: int


def read(content: bytes, file_name: str) -> tuple[list[NewTransfer], int]:
    """The rows on which money came in, and how many others there are. Refuses a file with faults, each with its cell and reason."""
    sheet = roster_sheet.read(content, file_name, _KNOWN)[0]
    places = _places(sheet.header)
    missing = [LABELS[name] for name in NEEDED if name not in places]
    if missing:
        raise Refused(
            "group_orders.bank_columns", f"没有找到列:{'、'.join(missing)}", "请核对第一行表头,或改为示例中的列名后再上传", "file"
        )
    found, problems, passed = [], [], 0
    for number, row in enumerate(sheet.rows[sheet.header_row :], sheet.header_row + 1):
        cells = {name: row[place] if place < len(row) else "" for name, place in places.items()}
        if cells["amount"] in ("", 0, 0.0, "0", "0.00") or not any(str(cell).strip() for cell in row):
            passed += 1
            continue
        try:
            new = _transfer(cells)
        except Refused as refused:
            field = refused.field if refused.field in places else "amount"
            problems.append(("file", f"{address(number, places[field] + 1)} {refused.text}"))
            continue
        if new.amount_fen < 0:
            passed += 1
        else:
            found.append(new)
    if problems:
        more = [("file", f"……共 {len(problems)} 处错误")] if len(problems) > MOST_PROBLEMS else []
        raise BadInput([*problems[:MOST_PROBLEMS], *more], code="group_orders.bank_rows")
    return found, passed


def _places(header: list[str]) -> dict[str, int]:
    keys = [roster_sheet.header_key(text) for text in header]
    found: dict[str, int] = {}
    for name, texts in HEADERS.items():
        for key in map(roster_sheet.header_key, texts):
            if name not in found and key in keys and keys.index(key) not in found.values():
                found[name] = keys.index(key)
    return found


def _transfer(cells: dict[str, Any]) -> NewTransfer:
    return NewTransfer(
        amount_fen=_amount(cells["amount"]), payer_name=_text(cells["payer_name"], "payer_name"), received_on=_day(cells["received_on"]),
        bank_reference=_text(cells["bank_reference"], "bank_reference"), payer_account=_text(cells.get("payer_account", ""), "payer_account"),
        remark=_text(cells.get("remark", ""), "remark")[:200],
    )  # fmt: skip


def _amount(cell: Cell) -> int:
    if isinstance(cell, float):
        return fen_from_yuan(f"{cell:.2f}" if abs(cell * 100 - round(cell * 100)) < 1e-6 else repr(cell))
    return fen_from_yuan(str(cell).replace("¥", "").replace("+", ""))


def _text(cell: Cell, field: str) -> str:
    """A cell as text. A long number that Excel kept as a number has lost its last digits: it is refused, not guessed."""
    if isinstance(cell, float):
        if abs(cell) >= 10**15:
            raise Refused(
                "group_orders.bank_number", f"{LABELS[field]}以数字形式存储,末几位已丢失", "请将该列设为文本后重新导出", field
            )
        return str(int(cell)) if cell == int(cell) else str(cell)
    return roster_sheet.text_of(cell).strip()


def _day(cell: Cell) -> date:
    if isinstance(cell, DateCell):
        return date.fromisoformat(cell.iso[:10])
    if isinstance(cell, float) and 20_000 < cell < 80_000:
        return date(1899, 12, 30) + timedelta(days=int(cell))
    found = _DAY.match(str(int(cell)) if isinstance(cell, float) else str(cell).strip())
    try:
        if found:
            return date(*(int(part) for part in found.groups()))
    except ValueError:
        pass
    raise Refused("group_orders.bank_day", f"交易日期“{str(cell)[:20]}”无法识别", "请改为 2026-11-21 的形式", "received_on")


def record(db: Session, rows: list[NewTransfer], passed: int) -> Imported:
    """Records what is not recorded yet."""
    known = transfers.known_references(db, [row.bank_reference for row in rows])
    fresh = [row for row in rows if row.bank_reference not in known]
    transfers.record_many(db, fresh)
    return Imported(len(fresh), len(rows) - len(fresh), passed)
