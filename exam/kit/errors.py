"""Refusals: a rule said no. They know nothing of HTTP; `exam.kit.web` shows them."""

from __future__ import annotations

import traceback


class Refused(Exception):
    """A rule refused something. `code` is `room.reason`, `text` names field and reason and `hint` the remedy, both Chinese."""

    status = 409

    def __init__(self, code: str, text: str, hint: str = "", field: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.hint = hint
        self.field = field


class BadInput(Refused):
    """One or more fields of a form or body are wrong; `problems` holds every one of them, field by field."""

    status = 422

    def __init__(self, problems: list[tuple[str, str]], code: str = "input.invalid") -> None:
        first_field = problems[0][0] if problems else ""
        super().__init__(code, ";".join(text for _, text in problems), "请按提示修改后重试", first_field)
        self.problems = problems


class NotFound(Refused):
    """There is no such row for this actor; a row of another site looks exactly the same."""

    status = 404

    def __init__(self, text: str = "没有找到该记录", hint: str = "请核对编号后重新查询") -> None:
        super().__init__("kit.not_found", text, hint)


class NotSignedIn(Refused):
    """The request carries no live session."""

    status = 401

    def __init__(self) -> None:
        super().__init__("auth.signed_out", "登录已失效", "请重新登录")


class Forbidden(Refused):
    """The actor lacks a permission, or the request did not come from our own pages."""

    status = 403


class Stale(Refused):
    """Somebody else changed the same thing in between."""

    def __init__(self, text: str = "该内容已被他人修改", hint: str = "请核对最新内容后再保存") -> None:
        super().__init__("kit.stale", text, hint)


def trace_of(error: BaseException) -> str:
    """Where a fault happened and of which kinds it is, without any message: a message may quote a patient's name or number.

    Python's own messages quote what was given (`invalid literal … '4501…'`), and PostgreSQL's quote whole rows.
    """
    told: list[str] = []
    each: BaseException | None = error
    while each is not None and len(told) < 10:
        frames = (f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(each.__traceback__))
        told.append("\n".join((f"{type(each).__module__}.{type(each).__qualname__}", *frames)))
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "\n".join(told)
