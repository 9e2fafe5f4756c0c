"""How a department's drafted summary (科室小结) is worded, as data: texts with a fixed small set of placeholders, never evaluated."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

import msgspec

NUMBER_PLACES = {"name": "项目", "value": "结果", "sign": "箭头", "word": "偏高/偏低/异常"}
CHOICE_PLACES = {"name": "项目", "value": "结果"}
UNJUDGED_PLACES = {"finding": "按上面写出的结果", "why": "不能判定的原因"}
NOTHING_PLACES = {"department": "科室"}
"""What each text may name in braces."""

LONGEST_TEXT = 100

_BRACES = re.compile(r"\{([a-z_]+)\}")
_JOINTS = re.compile(r"[;\uff1b。\n\r\u2028\u2029]")
"""What stands between two findings or ends them; inside a wording it would tear one finding into two."""


class SummaryExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A department's values as somebody writes them, and the summary that must come of them."""

    department: str
    values: dict[str, str | tuple[str, ...]]
    text: str
    is_complete: bool = True
    sex: Literal["M", "F"] = "M"
    age: int = 45


class SummaryWording(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the findings of some departments are phrased, and how it is said that there are none; versioned like every rule.

    `departments` are codes; a wording without any holds for every department that has none of its own. `number` phrases a
    value out of its range, `choice` an abnormal answer, `unjudged` either of these when it could not be judged, `nothing` a
    department where everything is done and nothing is abnormal. Each phrase begins with the item's name and holds its value:
    by these a summary is compared with the values before it is signed. A wording that does not cannot be made, so none can
    be stored, and none can leave a finding out (decision 22): which findings are named, and when there are none, is no
    matter of wording.
    """

    code: str
    version: int
    name: str
    number: str
    choice: str
    unjudged: str
    nothing: str
    departments: tuple[str, ...] = ()
    source: str = ""
    approved: bool = False
    valid_from: date | None = None
    valid_to: date | None = None
    examples: tuple[SummaryExample, ...] = ()

    def __post_init__(self) -> None:
        for _, problem in text_problems({name: getattr(self, name) for name in TEXTS}):
            raise ValueError(f"{self.code}:{problem}")


TEXTS: dict[str, tuple[str, dict[str, str], str, tuple[str, ...]]] = {
    "number": ("数值异常写法", NUMBER_PLACES, "{name}", ("value",)),
    "choice": ("选项异常写法", CHOICE_PLACES, "{name}", ("value",)),
    "unjudged": ("不能判定写法", UNJUDGED_PLACES, "{finding}", ("why",)),
    "nothing": ("无异常写法", NOTHING_PLACES, "", ()),
}
"""The texts of a wording: what each is called, may name, begins with, and must name."""


def text_problems(texts: dict[str, str]) -> list[tuple[str, str]]:
    """What is wrong with a wording's texts, as `(field, Chinese sentence)`."""
    found = []
    for name, (label, places, begins, needs) in TEXTS.items():
        problem = _text_problem(texts[name], places, begins, needs)
        if not problem and name == "number" and not {"sign", "word"}.intersection(_BRACES.findall(texts[name])):
            problem = "要有 {sign} 或 {word},否则看不出偏高还是偏低"
        if problem:
            found.append((name, f"{label}:{problem}"))
    return found


def _text_problem(text: str, places: dict[str, str], begins: str, needs: tuple[str, ...]) -> str:
    named = _BRACES.findall(text)
    if not text.strip():
        return "不能为空"
    if len(text) > LONGEST_TEXT:
        return f"超过 {LONGEST_TEXT} 字"
    if _JOINTS.search(text):
        return "不能有分号、句号和换行,各项之间由系统用分号隔开"
    unknown = sorted(set(named) - set(places))
    if unknown:
        return f"没有占位符 {{{unknown[0]}}},可用:{'、'.join(places)}"
    if len(named) != len(set(named)):
        return "同一占位符只能写一次"
    if re.search(r"[{}]", _BRACES.sub("", text)):
        return "花括号只能用于占位符,例如 {name}"
    if not text.startswith(begins):
        return f"要以 {begins} 开头"
    missing = [each for each in needs if each not in named]
    return f"缺少 {{{missing[0]}}}" if missing else ""


def filled(text: str, words: dict[str, str]) -> str:
    """A text with its placeholders filled in; what is filled in is not looked at again."""
    return _BRACES.sub(lambda found: words[found[1]], text)


STANDARD = SummaryWording(
    code="STANDARD", version=1, name="科室小结", number="{name} {value} {sign}", choice="{name}:{value}", unjudged="{finding}({why})",
    nothing="{department}未见明显异常",
)  # fmt: skip
"""What is said where the book has no wording: a summary never waits for one."""
