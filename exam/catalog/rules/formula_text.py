"""Formulas as people read and write them: `体重 ÷ (身高 ÷ 100) ^ 2` for `["/", "WT", ["^", ["/", "HT", 100], 2]]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from exam.catalog.facts import Formula

MOST_DEPTH = 20

_AGE = "年龄"
_SEX = "性别"
_SEX_WORDS = {"M": "男", "F": "女"}
_FUNCTIONS = {"min": "较小值", "max": "较大值", "if": "如果", "require": "仅当"}
_BY_WORD = {**{word: name for name, word in _FUNCTIONS.items()}, **{name: name for name in _FUNCTIONS}}
_SIGNS = {"+": "+", "-": "−", "*": "×", "/": "÷"}
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}
_RELATIONS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "=": "="}
_RESERVED = {_AGE, _SEX, "age", "sex", *_BY_WORD}
_PLAIN = re.compile(r"[^\W\d][\w]*")
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)(?!\w)
    |[\[【](?P<quoted>[^\[\]【】]*)[\]】]
    |["“”](?P<reason>[^"“”]*)["“”]
    |(?P<sign><=|>=|[-−–+＋*×·＊/÷／^(（)）,，、<＜≤>＞≥=＝])
    |(?P<word>[^\W\d]\w*)
    |(?P<end>$))""",
    re.VERBOSE,
)
_PLAIN_SIGN = str.maketrans("−–＋×·＊÷／（），、＜＞＝", "--+***//(),,<>=") | {ord("≤"): "<=", ord("≥"): ">="}


class FormulaProblem(Exception):
    """A formula text that cannot be read: why, and what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


# --- writing ---------------------------------------------------------------------------------------------------------


def write_formula(formula: Formula, names: Mapping[str, str]) -> str:
    """A formula as text. `names` are the items' names by code; an item without one, or with a shared one, keeps its code."""
    shared = {name for name in names.values() if sum(each == name for each in names.values()) > 1} if names else set()
    return _written(formula, {code: name for code, name in names.items() if name not in shared and name not in names})


def _written(formula: Formula, names: Mapping[str, str]) -> str:
    if isinstance(formula, list):
        return _call(formula, names)
    if isinstance(formula, int | float):
        return format(Decimal(str(formula)), "f")
    if formula == "age":
        return _AGE
    word = names.get(formula, formula)
    return word if _PLAIN.fullmatch(word) and word not in _RESERVED else f"[{word}]"


def _call(formula: list[Formula], names: Mapping[str, str]) -> str:
    match formula:
        case ["if", relation, "sex", str(sex), yes, no]:
            condition = f"{_SEX} {_RELATIONS.get(str(relation), relation)} {_SEX_WORDS.get(sex, sex)}"
            return f"如果({condition}, {_written(yes, names)}, {_written(no, names)})"
        case ["if", relation, left, right, yes, no]:
            return f"如果({_compared([relation, left, right], names)}, {_written(yes, names)}, {_written(no, names)})"
        case ["require", [_, _, _] as condition, reason, inner]:
            return f"仅当({_compared(condition, names)}, “{reason}”, {_written(inner, names)})"
        case ["^", base, exponent]:
            return f"{_operand(base, names, 4)} ^ {_operand(exponent, names, 4)}"
        case [str(operator), *operands] if operator in _SIGNS:
            strength = _STRENGTH[operator]
            first = _operand(operands[0], names, strength, operator) if operands else ""
            return f" {_SIGNS[operator]} ".join([first, *(_operand(each, names, strength + 1) for each in operands[1:])])
        case _:
            function = _FUNCTIONS.get(str(formula[0]), str(formula[0])) if formula else ""
            return f"{function}({', '.join(_written(each, names) for each in formula[1:])})"


def _compared(condition: list[Formula], names: Mapping[str, str]) -> str:
    relation, left, right = condition
    return f"{_written(left, names)} {_RELATIONS.get(str(relation), relation)} {_written(right, names)}"


def _operand(part: Formula, names: Mapping[str, str], strength: int, operator: str = "") -> str:
    """An operand, in brackets where reading it back would otherwise give another formula."""
    text = _written(part, names)
    if isinstance(part, list) and part and _STRENGTH.get(str(part[0]), 9) < strength:
        return f"({text})"
    # Read back without brackets, `(a − b) − c` would become one subtraction of three.
    return f"({text})" if operator and isinstance(part, list) and part[:1] == [operator] else text


# --- reading ---------------------------------------------------------------------------------------------------------


def read_formula(text: str, names: Mapping[str, str]) -> Formula:
    """The formula a text says. An item is given by name or code; without any `names` every word is taken for a code.

    Raises FormulaProblem with the place and the reason.
    """
    return _Reader(text, names).whole()


class _Reader:
    """Reads one formula text from left to right."""

    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self.names = names
        self.by_name: dict[str, list[str]] = {}
        for code, name in names.items():
            self.by_name.setdefault(name, []).append(code)
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0

    def whole(self) -> Formula:
        found = self.chain(1)
        if self.kind != "end":
            raise self.unexpected()
        return found

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def word(self) -> str:
        return self.tokens[self.at][1]

    def unexpected(self, wanted: str = "") -> FormulaProblem:
        kind, word, place = self.tokens[self.at]
        found = "公式到此结束" if kind == "end" else f"出现“{word[:20]}”"
        needs = f",此处应为{wanted}" if wanted else ",位置不对"
        return FormulaProblem(f"第 {place + 1} 个字符处{found}{needs}", "请检查括号、运算符号和逗号")

    def take(self, sign: str) -> bool:
        if self.kind == "sign" and self.word == sign:
            self.at += 1
            return True
        return False

    def expect(self, sign: str, wanted: str) -> None:
        if not self.take(sign):
            raise self.unexpected(wanted)

    def chain(self, strength: int) -> Formula:
        """Operands of one strength joined from left to right; the same operator twice makes one call of three."""
        if strength == 3:
            return self.power()
        signs = ("+", "-") if strength == 1 else ("*", "/")
        found = self.chain(strength + 1)
        joined = ""
        while self.kind == "sign" and self.word in signs:
            operator = self.word
            self.at += 1
            right = self.chain(strength + 1)
            if operator == joined and isinstance(found, list):
                found.append(right)
            else:
                found, joined = [operator, found, right], operator
        return found

    def power(self) -> Formula:
        base = self.operand()
        return ["^", base, self.operand()] if self.take("^") else base

    def operand(self) -> Formula:
        kind, word, _ = self.tokens[self.at]
        if self.take("("):
            self.enter()
            inner = self.chain(1)
            self.expect(")", "右括号")
            self.depth -= 1
            return inner
        if self.take("-"):
            if self.kind != "number":
                raise self.unexpected("数字(负号只用在数字前)")
            return self.number(-1)
        if kind == "number":
            return self.number(1)
        if kind == "quoted":
            self.at += 1
            return self.item(word)
        if kind != "word":
            raise self.unexpected("项目名称、数字或左括号")
        self.at += 1
        if word in (_AGE, "age"):
            return "age"
        if word in _BY_WORD:
            return self.function(_BY_WORD[word])
        if word in (_SEX, "sex"):
            raise FormulaProblem("“性别”只能用在条件中", "请写成 如果(性别 = 女, 值一, 值二)")
        return self.item(word)

    def number(self, sign: int) -> int | float:
        text = self.word
        if len(text) > 20:
            raise FormulaProblem(f"公式中的数字“{text[:20]}…”过长", "请减少位数")
        self.at += 1
        return sign * (float(text) if "." in text else int(text))

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise FormulaProblem(f"公式的括号超过 {MOST_DEPTH} 层", "请拆成几个计算项目")

    def function(self, name: str) -> Formula:
        self.expect("(", "左括号")
        self.enter()
        parts: list[Formula] = []
        if name in ("if", "require"):
            condition = self.condition()
            parts = list(condition) if name == "if" else [list(condition)]
            self.expect(",", "逗号")
        if name == "require":
            if self.kind != "reason":
                raise self.unexpected("引号中的原因")
            parts.append(self.word)
            self.at += 1
            self.expect(",", "逗号")
        parts.append(self.chain(1))
        while self.take(","):
            parts.append(self.chain(1))
        self.expect(")", "逗号或右括号")
        self.depth -= 1
        if name == "if" and len(parts) != 5:
            raise FormulaProblem("“如果”需要条件和两个值", "请写成 如果(条件, 成立时的值, 不成立时的值)")
        if name in ("min", "max") and len(parts) < 2:
            raise FormulaProblem(f"“{_FUNCTIONS[name]}”至少需要两个值", f"请写成 {_FUNCTIONS[name]}(a, b)")
        if name == "require" and len(parts) != 3:
            raise FormulaProblem("“仅当”需要条件、原因和一个值", "请写成 仅当(条件, “原因”, 值)")
        return [name, *parts]

    def condition(self) -> Sequence[Formula]:
        if self.kind == "word" and self.word in (_SEX, "sex"):
            self.at += 1
            self.expect("=", "等号")
            sex = {"男": "M", "女": "F"}.get(self.word, self.word)
            if sex not in _SEX_WORDS:
                raise self.unexpected("男 或 女")
            self.at += 1
            return ["=", "sex", sex]
        left = self.chain(1)
        relation = self.word
        if self.kind != "sign" or relation not in _RELATIONS:
            raise self.unexpected("比较符号(< ≤ > ≥ =)")
        self.at += 1
        return [relation, left, self.chain(1)]

    def item(self, word: str) -> str:
        word = word.strip()
        if not self.names or word in self.names:
            return word
        codes = self.by_name.get(word, [])
        if not codes and word.upper() in self.names:
            return word.upper()
        if not codes:
            raise FormulaProblem(f"公式中的“{word[:30]}”不是目录中的项目", "请写项目的名称或编码;含符号的名称放在 [ ] 中")
        if len(codes) > 1:
            raise FormulaProblem(f"有 {len(codes)} 个项目叫“{word[:30]}”", f"请改写编码:{'、'.join(codes[:5])}")
        return codes[0]


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """The tokens of a text as `(kind, word, place)`, closed by one of kind `end`."""
    found: list[tuple[str, str, int]] = []
    at, text = 0, text.rstrip()
    while True:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise FormulaProblem(f"第 {place + 1} 个字符“{text[place : place + 1]}”无法识别", "含符号的名称请放在 [ ] 中")
        kind, place = match.lastgroup, match.start(match.lastgroup)
        word = match[kind]
        found.append((kind, word.translate(_PLAIN_SIGN) if kind == "sign" else word, place))
        if kind == "end":
            return found
        at = match.end()
