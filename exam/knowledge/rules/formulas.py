"""Computed items: evaluate the catalogue's prefix-list formulas in decimal arithmetic, or say why there is no value.

Operators: `+ - * / min max` on two or more arguments from left to right, `^` on two; `["if", "<", a, b, yes, no]`
chooses by a comparison, where `["if", "=", "sex", "F", yes, no]` asks for the sex; `["require", ["<", "TG", 4.5],
"why not", a]` is `a` while the comparison holds. Names are item codes and `age` (full years at collection).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from exam.catalog.facts import Formula, Item, ValueType
from exam.knowledge.facts import Amount, Computed, Reading, Subject
from exam.knowledge.rules.amounts import read_amount
from exam.knowledge.rules.units import rounded

Value = str | Amount | Decimal | Reading

FRIEDEWALD: Formula = [
    "require",
    ["<", "TG", 4.5],
    "甘油三酯达到或超过 4.5 mmol/L 时不能推算低密度脂蛋白胆固醇",
    ["-", ["-", "TC", "HDL"], ["/", "TG", 2.2]],
]
"""LDL cholesterol in mmol/L after Friedewald, only while TG is under 4.5 mmol/L (domain.md §2.4, from memory)."""

# An own context: the result may not depend on what another thread set for its arithmetic.
_CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}


class _NoValue(Exception):
    """The formula has no value; the text says why."""


def formula_items(formula: Formula | None) -> tuple[str, ...]:
    """The item codes a formula reads, in order of appearance and once each."""
    found: dict[str, None] = {}
    _collect(formula, found)
    return tuple(found)


def _collect(formula: Formula | None, found: dict[str, None]) -> None:
    if isinstance(formula, str):
        if formula not in ("age", "sex") and _constant(formula) is None:
            found[formula] = None
        return
    if not isinstance(formula, list) or not formula:
        return
    operator, *arguments = formula
    parts = arguments
    if operator == "if":
        parts = arguments[3:] if arguments[1:2] == ["sex"] else arguments[1:]
    elif operator == "require":
        condition = arguments[0]
        parts = [*(condition[1:] if isinstance(condition, list) else ()), *arguments[2:]]
    for part in parts:
        _collect(part, found)


def evaluate(formula: Formula, values: Mapping[str, Decimal], subject: Subject) -> Decimal:
    """The unrounded value. Raises ValueError with a Chinese reason where there is none."""
    try:
        return _evaluate(formula, values, {}, subject)
    except _NoValue as problem:
        raise ValueError(str(problem)) from None


def friedewald(total: Value, hdl: Value, triglycerides: Value) -> Computed:
    """LDL cholesterol in mmol/L from total and HDL cholesterol and triglycerides in mmol/L, rounded to 2 decimals."""
    values: dict[str, Value] = {"TC": total, "HDL": hdl, "TG": triglycerides}
    names = {"TC": "总胆固醇", "HDL": "高密度脂蛋白胆固醇", "TG": "甘油三酯"}
    return _compute("LDL", FRIEDEWALD, 2, values, {}, names, Subject(sex="M", age=0))


def compute(item: Item, values: Mapping[str, Value], subject: Subject, names: Mapping[str, str] | None = None) -> Computed:
    """One computed item from its inputs in the dictionary's units, rounded half up to the item's decimals."""
    if item.formula is None:
        return Computed(item=item.code, why=f"{item.name}没有计算公式")
    return _compute(item.code, item.formula, item.decimals, values, {}, names or {}, subject)


def compute_all(
    items: Mapping[str, Item] | Iterable[Item], readings_raw: Mapping[str, Value], subject: Subject
) -> dict[str, Computed]:
    """Every computed item of `items`, those that read other computed items included.

    `readings_raw` holds texts in the dictionary's unit, amounts or judged readings by item code. A value handed in for
    a computed item itself is ignored: computed items are always made anew (domain.md §2.4).
    """
    by_code = dict(items) if isinstance(items, Mapping) else {item.code: item for item in items}
    names = {code: item.name for code, item in by_code.items()}
    waiting = {code: item for code, item in by_code.items() if item.value_type is ValueType.CALCULATED and item.formula}
    values: dict[str, Value] = dict(readings_raw)
    reasons: dict[str, str] = {}
    done: dict[str, Computed] = {}
    while waiting:
        ready = [code for code, item in waiting.items() if not waiting.keys() & set(formula_items(item.formula))]
        if not ready:
            for code, item in waiting.items():
                done[code] = Computed(code, None, f"{item.name}的公式循环引用", formula_items(item.formula))
            break
        for code in ready:
            item = waiting.pop(code)
            if item.formula is None:
                continue
            computed = _compute(code, item.formula, item.decimals, values, reasons, names, subject)
            done[code] = computed
            if computed.number is None:
                reasons[code] = computed.why
            else:
                values[code] = computed.number
    return {code: done[code] for code in by_code if code in done}


def _compute(
    code: str,
    formula: Formula,
    decimals: int,
    values: Mapping[str, Value],
    reasons: Mapping[str, str],
    names: Mapping[str, str],
    subject: Subject,
) -> Computed:
    inputs = formula_items(formula)
    exact: dict[str, Decimal] = {}
    for name in inputs:
        why = reasons.get(name) or _why_not_exact(names.get(name, name), values.get(name))
        if why:
            return Computed(code, None, why, inputs)
        number = _amount(values[name])[1]
        if number is not None:
            exact[name] = number
    try:
        number = _evaluate(formula, exact, names, subject)
        return Computed(code, rounded(number, decimals), "", inputs)
    except _NoValue as problem:
        return Computed(code, None, str(problem), inputs)
    except InvalidOperation:
        return Computed(code, None, "计算结果超出范围", inputs)


def _amount(value: Value) -> tuple[str, Decimal | None]:
    if isinstance(value, Decimal):
        return "", value
    if isinstance(value, str):
        value = read_amount(value)
    return value.comparator, value.number


def _why_not_exact(name: str, value: Value | None) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        return f"缺少{name}"
    comparator, number = _amount(value)
    if number is None:
        return f"{name}不是可计算的数值"
    return f"{name}不是确切数值({comparator}{number})" if comparator else ""


def _constant(text: str) -> Decimal | None:
    amount = read_amount(text)
    return None if amount.comparator else amount.number


def _evaluate(formula: Formula, values: Mapping[str, Decimal], names: Mapping[str, str], subject: Subject) -> Decimal:
    if isinstance(formula, int | float):
        return Decimal(str(formula))
    if isinstance(formula, str):
        if formula == "age":
            return Decimal(subject.age)
        if formula in values:
            return values[formula]
        constant = _constant(formula)
        if constant is None:
            raise _NoValue(f"缺少{names.get(formula, formula)}")
        return constant
    operator, *arguments = formula
    if operator == "if" and len(arguments) == 5:
        relation, left, right, yes, no = arguments
        is_met = subject.sex == right if left == "sex" else _is_met([relation, left, right], values, names, subject)
        return _evaluate(yes if is_met else no, values, names, subject)
    if operator == "require" and len(arguments) == 3:
        condition, why, inner = arguments
        if not _is_met(condition, values, names, subject):
            raise _NoValue(str(why))
        return _evaluate(inner, values, names, subject)
    if len(arguments) < 2 or (operator == "^" and len(arguments) > 2):
        raise _NoValue(f"公式中的“{operator}”参数个数不对")
    result, *others = (_evaluate(part, values, names, subject) for part in arguments)
    for other in others:
        result = _apply(operator, result, other)
    return result


def _is_met(condition: Formula, values: Mapping[str, Decimal], names: Mapping[str, str], subject: Subject) -> bool:
    if not isinstance(condition, list) or len(condition) != 3 or str(condition[0]) not in _COMPARISONS:
        raise _NoValue("公式中的条件无法识别")
    left, right = (_evaluate(part, values, names, subject) for part in condition[1:])
    return _COMPARISONS[str(condition[0])](left, right)


def _apply(operator: object, left: Decimal, right: Decimal) -> Decimal:
    try:
        match operator:
            case "+":
                return _CONTEXT.add(left, right)
            case "-":
                return _CONTEXT.subtract(left, right)
            case "*":
                return _CONTEXT.multiply(left, right)
            case "/":
                if right == 0:
                    raise _NoValue("除数为零,无法计算")
                return _CONTEXT.divide(left, right)
            case "^":
                return _CONTEXT.power(left, right)
            case "min":
                return min(left, right)
            case "max":
                return max(left, right)
    except (InvalidOperation, DivisionByZero, Overflow):
        raise _NoValue("数值超出可计算的范围") from None
    raise _NoValue(f"公式中的运算“{operator}”无法识别")
