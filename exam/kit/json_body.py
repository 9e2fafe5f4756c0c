"""The JSON body of a request: read before its handler, and every refusal of it in words that name field, reason and remedy."""

from __future__ import annotations

import re
from typing import Any

from litestar import Request
from litestar.exceptions import SerializationException

from exam.kit.errors import BadInput, Refused

MOST_BYTES = 1024 * 1024
"""No JSON that a program sends is larger; files do not come as JSON."""

BODY = "body"
"""The `field` of a refusal that concerns the whole body."""

_KEPT = "exam.json_body"

_REASONS = (
    ("truncated", "内容不完整"),
    ("surrogate", "含有不成对的代理字符(\\uD800–\\uDFFF)"),
    ("escape", "含有无效的转义符"),
    ("trailing comma", "多了一个逗号"),
    ("trailing characters", "结尾有多余内容"),
    ("keys must be strings", "键必须用双引号括起来"),
    ("Integer value out of range", "含有过大的整数"),
    ("out of range", "含有超出范围的数"),
)
_TYPES = {
    "int": "请填写整数",
    "float": "请填写数字",
    "str": "请填写文字",
    "bool": "请选择是或否",
    "array": "请填写列表",
    "object": "请填写对象",
    "date": "请填写日期,例如 1990-03-07",
    "datetime": "请填写时间,例如 2026-11-21T08:00:00+08:00",
    "uuid": "编号无效",
}
_OTHERS = (
    ("unknown field", "含有未知字段"),
    ("missing required", "缺少必填字段"),
    ("Invalid RFC3339 encoded datetime", _TYPES["datetime"]),
    ("Invalid RFC3339", _TYPES["date"]),
    ("Invalid enum", "不在可选范围内"),
    ("Invalid UUID", _TYPES["uuid"]),
    ("matching regex", "格式不正确"),
)
_EXPECTED = re.compile(r"Expected `([^`]+)`(?: of length)?(?: (<=|>=|<|>) (-?[\d.]+))?(?:, got `([^`]+)`)?")
_NAMED = re.compile(r"(unknown|missing required) field `([^`]*)`")
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|([^.\[\]]+)")
_JSON_TYPES: dict[type, str] = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object"}


async def read(request: Request[Any, Any, Any]) -> None:
    """Reads the body before a handler that takes one. Raises 415 for another kind of content, 400 for what is no JSON.

    The framework takes what was read here; it is kept besides, so that a refusal can name the entry that is wrong.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        refused = Refused(
            "http.415", f"请求体的类型是 {kind[:60]},本接口只接收 JSON", "请以 application/json 提交,并设置请求头 Content-Type", "content-type"
        )
        refused.status = 415
        raise refused
    if not await request.body():
        raise unreadable("请求体为空,请提交 JSON 对象")
    try:
        request.scope[_KEPT] = await request.json()  # type: ignore[literal-required]
    except SerializationException as error:
        raise unreadable(f"不是有效的 JSON:{_reason(str(error))};请提交 UTF-8 编码(不带 BOM)的 JSON 对象") from None
    except UnicodeDecodeError:
        raise unreadable("不是有效的 JSON:不是 UTF-8 文本;请提交 UTF-8 编码(不带 BOM)的 JSON 对象") from None
    except RecursionError:
        raise unreadable("不是有效的 JSON:嵌套过深;请减少嵌套层数") from None


def unreadable(text: str) -> BadInput:
    """The refusal of a body that cannot be read at all: 400, not 422."""
    refused = BadInput([(BODY, text)])
    refused.status = 400
    return refused


def _reason(message: str) -> str:
    found = re.search(r"\(byte (\d+)\)", message)
    place = f"第 {int(found[1]) + 1} 个字节处" if found else ""
    return place + next((text for part, text in _REASONS if part in message), "有无效字符")


def problem(request: Request[Any, Any, Any], key: str, message: str) -> tuple[str, str]:
    """`(field, text)` of one of the framework's messages about a parameter or the body.

    `key` is `data` for the body itself, or the way to a value in it as msgspec writes it: `values[...]`, `lines[1].group`.
    """
    way = "" if key == "data" else _whole_way(key, request.scope.get(_KEPT), message)
    if named := _NAMED.search(message):
        field = f"{way}.{named[2]}" if way else named[2]
        return field, f"{'含有未知字段' if named[1] == 'unknown' else '缺少必填字段'}“{field}”"
    if not way:
        return BODY, "请求体应为 JSON 对象" if "Expected `object`" in message else chinese_problem(message)
    return way, f"“{way}”{chinese_problem(message)}"


def _whole_way(key: str, body: Any, message: str) -> str:
    """The way with the names that msgspec leaves out: `values[...]` is `values.HT` if the entry HT is of the kind it refuses."""
    expected = _EXPECTED.search(message)
    candidates = [("", body)]
    for index, name in _STEP.findall(key):
        found: list[tuple[str, Any]] = []
        for way, value in candidates:
            if name:
                if isinstance(value, dict) and name in value:
                    found.append((f"{way}.{name}" if way else name, value[name]))
            elif index == "..." and isinstance(value, dict):
                found += [(f"{way}.{each}", inner) for each, inner in value.items()]
            elif index == "..." and isinstance(value, list):
                found += [(f"{way}[{at}]", inner) for at, inner in enumerate(value)]
            elif index != "..." and isinstance(value, list) and int(index) < len(value):
                found.append((f"{way}[{index}]", value[int(index)]))
        candidates = found
    wrong = [way for way, value in candidates if expected is None or _is_refused(value, expected)]
    return wrong[0] if wrong else key


def _is_refused(value: Any, expected: re.Match[str]) -> bool:
    sign, bound, got = expected[2], expected[3], expected[4]
    if got:
        return _JSON_TYPES.get(type(value)) == got
    if not sign or isinstance(value, bool):
        return True
    size = value if isinstance(value, int | float) else len(value) if isinstance(value, str | list | dict) else None
    if size is None:
        return False
    most = float(bound)
    is_kept = {"<=": size <= most, "<": size < most, ">=": size >= most, ">": size > most}[sign]
    return not is_kept


def chinese_problem(message: str) -> str:
    """msgspec's message about one value, in Chinese."""
    for part, text in _OTHERS:
        if part in message:
            return text
    found = _EXPECTED.search(message)
    if found is None:
        return "填写有误"
    kinds, sign, bound, got = found[1].split(" | "), found[2], found[3], found[4]
    if sign and kinds[0] in ("int", "float"):
        return f"数值过大,不能大于 {bound}" if sign.startswith("<") else f"数值过小,不能小于 {bound}"
    if sign:
        return f"内容过长,最多 {bound}" if sign.startswith("<") else "不能为空"
    text = next((_TYPES[kind] for kind in kinds if kind in _TYPES), "填写有误")
    return f"不能为 null,{text}" if got == "null" else text


def nul_at(name: str, value: Any) -> str | None:
    """The way to a text of a request's value that holds the NUL character, which PostgreSQL cannot store; None without one."""
    if isinstance(value, str):
        return name if "\x00" in value else None
    inner: Any = ()
    if hasattr(value, "__struct_fields__"):
        inner = ((each, each, getattr(value, each)) for each in value.__struct_fields__)
    elif isinstance(value, dict):
        inner = ((str(key), key, each) for key, each in value.items())
    elif isinstance(value, list | tuple):
        inner = ((f"[{at}]", "", each) for at, each in enumerate(value))
    for step, key, each in inner:
        way = f"{name}{step}" if step.startswith("[") or not name else f"{name}.{step}"
        if isinstance(key, str) and "\x00" in key:
            return way.replace("\x00", "␀")
        if (found := nul_at(way, each)) is not None:
            return found
    return None
