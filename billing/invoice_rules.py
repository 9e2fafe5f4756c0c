"""What holds of invoices: their states, titles and tax numbers, runs of numbers, and when one may still be voided. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from billing.invoice_facts import STATE_NAMES, Medium
from exam.kit.errors import BadInput, Refused
from exam.kit.states import StateTable

INVOICE = StateTable(
    "billing.invoice",
    {
        ("requested", "submit"): "unknown",
        ("unknown", "not_taken"): "requested",
        ("unknown", "issue"): "issued",
        ("unknown", "decline"): "failed",
        ("issued", "void"): "voided",
        ("issued", "redden"): "reddened",
    },
    {state.value: name for state, name in STATE_NAMES.items()},
)
"""A paper invoice begins issued; an electronic one is unknown on disk before its platform hears of it."""

_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WIDEST_NUMBER = 10
MOST_NUMBERS = 100_000
"""Of one segment: a slip of the hand in the last number must not make a million sheets."""


def read_tax_number(text: str) -> str:
    """A company's tax number: its unified social credit code of 18 characters (GB 32100: no I, O, S, V, Z; weights 3^i mod 31)."""
    code = text.strip().upper().replace(" ", "")
    if len(code) != 18 or any(character not in _CHARACTERS for character in code):
        raise BadInput([("tax_no", "税号应为 18 位统一社会信用代码(数字或大写字母,不含 I、O、S、V、Z),请核对营业执照")])
    total = sum(_CHARACTERS.index(character) * pow(3, place, 31) for place, character in enumerate(code[:-1]))
    if _CHARACTERS[-total % 31] != code[-1]:
        raise BadInput([("tax_no", "税号校验位不符,请逐位核对营业执照上的统一社会信用代码")])
    return code


def read_buyer(is_company: bool, title: str, tax_no: str) -> tuple[str, str]:
    """The title and tax number that go on the invoice. A company needs both; a person needs no tax number."""
    title = title.strip()
    if not title or len(title) > 100:
        raise BadInput([("title", "发票抬头不能为空,且不超过 100 字")])
    if not is_company and tax_no.strip():
        raise BadInput([("tax_no", "个人发票不填税号;单位发票请选择“单位”")])
    return title, read_tax_number(tax_no) if is_company else ""


def read_segment(code: str, first: str, last: str) -> tuple[str, int, int, int]:
    """A segment as it is typed: its code, first and last number, and how many digits a number has."""
    code, first, last = code.strip(), first.strip(), last.strip()
    problems = []
    if not (code.isascii() and code.isalnum() and 1 <= len(code) <= 12):
        problems.append(("code", "票据代码应为 1–12 位数字或字母"))
    for field, name, text in (("first", "起始号", first), ("last", "终止号", last)):
        if not (text.isascii() and text.isdigit() and len(text) <= WIDEST_NUMBER):
            problems.append((field, f"{name}应为 1–{WIDEST_NUMBER} 位数字"))
    if problems:
        raise BadInput(problems)
    if len(first) != len(last) or int(first) > int(last) or int(first) == 0:
        raise BadInput([("last", "起始号与终止号位数须相同,起始号从 1 开始,终止号不小于起始号")])
    if int(last) - int(first) >= MOST_NUMBERS:
        raise BadInput([("last", f"一个号段不超过 {MOST_NUMBERS} 张,请核对终止号")])
    return code, int(first), int(last), len(first)


def ranges(numbers: Iterable[int], width: int) -> tuple[str, ...]:
    """Numbers as runs, `00000001–00000007` or a single `00000009`, ascending."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return tuple(f"{a:0{width}d}" if a == b else f"{a:0{width}d}–{b:0{width}d}" for a, b in runs)


def require_voidable(medium: str, state: str, is_red: bool, issued_on: date, today: date, *, is_drawer_open: bool) -> None:
    """A sheet of paper may be voided on its day before the cashier closes it; everything else is reddened."""
    if medium != Medium.PAPER or is_red:
        what = "红字发票" if is_red else "电子票据"
        raise Refused("billing.invoice_not_voidable", f"{what}不能作废", "请办理红冲" if not is_red else "如需更正,请重新开具")
    INVOICE.move(state, "void", "作废")
    if issued_on != today or not is_drawer_open:
        raise Refused("billing.invoice_day_closed", "该发票已跨日或所在班次已日结,不能作废", "请办理红冲,红字发票记入当前班次")


def require_reddenable(state: str, is_red: bool) -> None:
    """Only a blue invoice that stands may be taken back by a red one."""
    if is_red:
        raise Refused("billing.invoice_is_red", "红字发票不能再红冲", "如需更正,请重新开具蓝字发票")
    INVOICE.move(state, "redden", "红冲")
