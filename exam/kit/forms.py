"""Forms: a browser's fields to a struct, with every field's problem at once and in Chinese."""

from __future__ import annotations

from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from exam.kit.errors import BadInput
from exam.kit.json_body import chinese_problem

T = TypeVar("T", bound=msgspec.Struct)


def read_form(data: dict[str, Any], struct: type[T], labels: dict[str, str] | None = None) -> T:
    """Converts field by field. An empty text means the field's default; unknown fields are refused.

    `labels` names the fields in Chinese for the problems.
    """
    labels = labels or {}
    hints = get_type_hints(struct, include_extras=True)
    values: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for name in data:
        if name not in hints:
            problems.append((name, f"含有未知字段“{name[:30]}”"))
    for each in msgspec.structs.fields(struct):
        label = labels.get(each.name, each.name)
        raw = data.get(each.name, "")
        wants_many = _wants_many(hints[each.name])
        if wants_many:
            raw = raw if isinstance(raw, list) else [raw] if raw not in ("", None) else []
        elif isinstance(raw, list):
            problems.append((each.name, f"{label}:重复填写"))
            continue
        elif isinstance(raw, str):
            raw = raw.strip()
        if raw in ("", None, []) and not (wants_many and each.required):
            if each.required:
                problems.append((each.name, f"{label}:不能为空"))
            continue
        try:
            values[each.name] = msgspec.convert(raw, hints[each.name], strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            problems.append((each.name, f"{label}:{chinese_problem(str(error))}"))
    if problems:
        raise BadInput(problems)
    return struct(**values)


def _wants_many(hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (list, tuple, set, frozenset):
        return True
    return any(_wants_many(each) for each in get_args(hint)) if origin is not None and origin is not dict else False
