"""The whole book as one readable file, and back: read with every bad field named, compared line by line, accepted as proposals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.catalog.facts import Item
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, Refused
from exam.kit.house import house_of
from exam.kit.json_body import chinese_problem
from exam.knowledge import forms, proposals, service, soundness, starter, words
from exam.knowledge.book import KINDS, Entry

FORMAT = "exam-knowledge"
FORMAT_VERSION = 1
MOST_BYTES = 4 * 1024 * 1024
MOST_DEPTH = 30
MOST_ENTRIES = 5000
MOST_PROBLEMS = 200

_LISTS = {
    "rules": "rule", "merges": "merge", "policies": "policy", "grades": "grade", "checks": "check", "templates": "template",
    "summaries": "summary",
}  # fmt: skip
"""What the lists of the file are called, by kind of entry."""

_CONDITION_LABELS = {
    "item": "项目", "op": "比较符", "value": "数值", "unit": "单位", "low": "下限", "high": "上限", "any_of": "选项", "times": "倍数",
    "percent": "变化百分比", "at_least": "年龄下限", "below": "年龄上限", "sex": "性别", "of": "分组", "n": "至少几项", "condition": "被否定的条件",
}  # fmt: skip
_EXAMPLE_LABELS = {
    "fires": "是否触发", "values": "结果", "sex": "性别", "age": "年龄", "history": "病史", "earlier": "上次结果", "groups": "复查项目",
    "after_days": "几天后", "departments": "科室", "follow_up_days": "回访(天)", "item": "项目", "any_of": "标志", "to": "通知权限",
}  # fmt: skip

ACT_NAMES = {"new": "新增", "changed": "修改", "same": "相同", "ended": "停用"}


class Difference(msgspec.Struct, frozen=True):
    """One line of a comparison: an entry that the file has anew, says otherwise, says alike, or no longer has.

    `problems` keep it from being accepted; `changes` are `(label, before, after)` in words.
    """

    act: str
    kind: str
    code: str
    title: str
    base_version: int
    entry: Entry
    changes: tuple[tuple[str, str, str], ...] = ()
    problems: tuple[str, ...] = ()


class FileProblem(msgspec.Struct, frozen=True):
    """What is wrong in a file: where, and why in Chinese."""

    place: str
    text: str


class Read(msgspec.Struct, frozen=True):
    """What a file says, or everything that is wrong with it."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[FileProblem, ...] = ()


# --- writing ---------------------------------------------------------------------------------------------------------


def export(db: Session) -> bytes:
    """The newest version of every entry as one JSON file: sorted by code, indented, with its format and version."""
    return _written(db, [each.version.entry for each in _signed(proposals.newest(db))])


def export_shipped(db: Session) -> bytes:
    """The book that this version of the program ships, as such a file: compared and imported like any other, it shows what an
    older store has not taken over of it."""
    return _written(db, starter.load_rule_book().entries)


def _written(db: Session, entries: Sequence[Entry]) -> bytes:
    today = day_of(house_of(db).clock.now())
    content: dict[str, Any] = {
        "format": FORMAT, "format_version": FORMAT_VERSION, "exported_on": today.isoformat(), "revision": service.revision(db),
    }  # fmt: skip
    for name, kind in _LISTS.items():
        if kind in KINDS:
            content[name] = sorted((each for each in entries if isinstance(each, KINDS[kind])), key=lambda each: each.code)
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _signed(found: Iterable[proposals.Standing]) -> Iterator[proposals.Standing]:
    for each in found:
        version = each.version
        entry = msgspec.structs.replace(version.entry, approved=version.approved, version=version.version)
        yield msgspec.structs.replace(each, version=msgspec.structs.replace(version, entry=entry))


# --- reading ---------------------------------------------------------------------------------------------------------


def read(content: bytes) -> Read:
    """The entries of a file, or every problem in it. What the file says of versions, days and approvals is not taken over:
    another house's approval is not ours.
    """
    raw, wrong = _raw(content)
    if wrong:
        return Read(problems=(FileProblem("文件", wrong),))
    problems: list[FileProblem] = []
    if raw.get("format", FORMAT) != FORMAT:
        problems.append(FileProblem("format", "不是规则库文件,请使用本系统导出的文件"))
    if raw.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        problems.append(FileProblem("format_version", f"文件格式版本不是 {FORMAT_VERSION},请用同一版本的程序导出"))
    known = {"format", "format_version", "exported_on", "revision", *(name for name, kind in _LISTS.items() if kind in KINDS)}
    problems += [FileProblem(_shown(name), "含有未知字段") for name in raw if name not in known]
    entries: list[Entry] = []
    for name, kind in _LISTS.items():
        listed = raw.get(name, [])
        if kind not in KINDS:
            continue
        if not isinstance(listed, list):
            problems.append(FileProblem(name, "应为列表"))
            continue
        for number, each in enumerate(listed, 1):
            entry, found = read_entry(kind, each)
            place = f"{words.KIND_NAMES[kind]} 第 {number} 条"
            code = each.get("code") if isinstance(each, dict) else None
            place += f" {_shown(code)}" if isinstance(code, str) else ""
            problems += [FileProblem(f"{place}:{way}" if way else place, text) for way, text in found]
            if entry is not None:
                entries.append(entry)
    if len(entries) > MOST_ENTRIES:
        problems.append(FileProblem("文件", f"规则过多,最多 {MOST_ENTRIES} 条"))
    codes = [entry.code for entry in entries]
    problems += [FileProblem("文件", f"编号 {_shown(code)} 重复") for code in _repeated(codes)]
    if not entries and not problems:
        problems.append(FileProblem("文件", "文件中没有规则"))
    return Read(tuple(entries), tuple(problems[:MOST_PROBLEMS]))


def read_entry(kind: str, raw: Any) -> tuple[Entry | None, list[tuple[str, str]]]:
    """One entry from plain JSON values, or every field of it that is wrong as `(way, reason)`."""
    if kind not in KINDS:
        return None, [("", "没有这种规则")]
    if isinstance(raw, dict):
        raw = {"version": 1, **{name: value for name, value in raw.items() if name not in ("approved", "valid_from", "version")}}
    problems = list(_wrong(raw, KINDS[kind], ""))
    if problems:
        return None, problems
    try:
        entry: Entry = msgspec.convert(raw, KINDS[kind])
    except (msgspec.ValidationError, ValueError, ArithmeticError) as error:
        return None, [("", chinese_problem(str(error)))]
    # A number such as NaN cannot even be compared with what is stored.
    limits = [("", text) for text in soundness.limit_problems(entry)]
    return (None, limits) if limits else (entry, [])


def decoded(text: str) -> Any:
    """Plain values from JSON that somebody typed. Raises BadInput with the reason."""
    raw, wrong = _raw(text.encode())
    if wrong:
        raise BadInput([("body", f"内容:{wrong}")])
    return raw


def _raw(content: bytes) -> tuple[dict[str, Any], str]:
    if len(content) > MOST_BYTES:
        return {}, f"文件过大,最多 {MOST_BYTES // 1024 // 1024} MB"
    if _depth(content) > MOST_DEPTH:
        return {}, f"嵌套过深,最多 {MOST_DEPTH} 层"
    try:
        raw = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        place = re.search(r"byte (\d+)", str(error))
        line = content[: int(place[1])].count(b"\n") + 1 if place else 0
        return {}, f"不是有效的 JSON 文件{f'(第 {line} 行附近)' if line else ''},请核对后重新上传"
    if not isinstance(raw, dict):
        return {}, "应为 JSON 对象,请使用本系统导出的文件"
    if any("\x00" in text for text in _texts(raw)):
        return {}, "含有不可见的空字符(NUL)"
    return raw, ""


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def _depth(content: bytes) -> int:
    """How deep brackets nest, counted before anything is parsed; what stands in texts does not count."""
    deepest = level = 0
    for sign in re.findall(rb"[\[\]{}]", _STRING.sub(b"", content)):
        level += 1 if sign in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _texts(each)


def _wrong(value: Any, wanted: Any, way: str) -> Iterator[tuple[str, str]]:
    """Every place where plain values are not what a type wants; msgspec itself tells only the first."""
    try:
        msgspec.convert(value, wanted)
        return
    except (msgspec.ValidationError, ValueError, ArithmeticError) as error:
        message = str(error)
    found = list(_inside(value, wanted, way))
    if found:
        yield from found
    else:
        yield way, _reason_of(message, value)


_OWN_WORDS = re.compile("[A-Za-z0-9_.-]*:(?=[\u4e00-\u9fff])")
"""An entry that refuses to be made says why by itself, behind its code."""


def _reason_of(message: str, value: Any) -> str:
    message = re.sub(r" - at `.*`$", "", message)
    own = _OWN_WORDS.match(message)
    if own is not None:
        return message[own.end() :]
    told = chinese_problem(message)
    shown = "" if isinstance(value, dict | list) else f"“{_shown(value)}”"
    return f"{shown}{told}"


def _inside(value: Any, wanted: Any, way: str) -> Iterator[tuple[str, str]]:
    types = [each for each in (get_args(wanted) if _is_union(wanted) else (wanted,)) if each is not type(None)]
    structs = [each for each in types if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    if isinstance(value, dict) and structs:
        yield from _inside_struct(value, structs, way)
    elif isinstance(value, list):
        inner = next((each for each in types if get_origin(each) in (tuple, list)), None)
        arguments = get_args(inner) if inner is not None else ()
        if arguments:
            for number, each in enumerate(value, 1):
                yield from _wrong(each, arguments[0], f"{way} 第 {number} 项".strip())


def _inside_struct(value: dict[str, Any], structs: Sequence[type[msgspec.Struct]], way: str) -> Iterator[tuple[str, str]]:
    tagged = {str(each.__struct_config__.tag): each for each in structs if each.__struct_config__.tag is not None}
    if tagged:
        kind = value.get("kind")
        if not isinstance(kind, str) or kind not in tagged:
            yield _joined(way, "kind"), f"没有“{_shown(kind)}”这种条件" if kind is not None else "缺少条件的种类 kind"
            return
        struct = tagged[kind]
        value = {name: each for name, each in value.items() if name != "kind"}
    else:
        struct = structs[0]
    labels = _CONDITION_LABELS if tagged else {**words.FIELD_LABELS, **_EXAMPLE_LABELS}
    hints = get_type_hints(struct, include_extras=True)
    fields = {each.encode_name: each for each in msgspec.structs.fields(struct)}
    for name in value:
        if name not in fields:
            yield _joined(way, _shown(name)), "含有未知字段"
    for name, each in fields.items():
        if name in value:
            yield from _wrong(value[name], hints[each.name], _joined(way, labels.get(name, name)))
        elif each.required:
            yield _joined(way, labels.get(name, name)), "缺少必填字段"


def _is_union(wanted: Any) -> bool:
    return get_origin(wanted) in (Union, UnionType)


def _joined(way: str, name: str) -> str:
    return f"{way}.{name}" if way else name


def _shown(value: Any) -> str:
    return str(value).replace("\x00", "␀")[:40]


def _repeated(codes: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return list(dict.fromkeys(code for code in codes if code in seen or seen.add(code)))  # type: ignore[func-returns-value]


# --- comparing and accepting -----------------------------------------------------------------------------------------


def compare(db: Session, entries: Sequence[Entry]) -> list[Difference]:
    """A file against the store, line by line, in the order of the book and then of the file."""
    today = day_of(house_of(db).clock.now())
    items = catalog.catalogue(db, today).items
    held = {each.version.code: each.version for each in proposals.newest(db)}
    given = {entry.code: entry for entry in entries}
    codes = set(held) | set(given)
    found = []
    for code in (*held, *(code for code in given if code not in held)):
        found.append(_difference(held.get(code), given.get(code), items, codes, today))
    return [each for each in found if each is not None]


def _difference(
    held: service.RuleVersion | None, given: Entry | None, items: Mapping[str, Item], codes: set[str], today: date
) -> Difference | None:
    if given is None:
        assert held is not None
        if held.entry.valid_to is not None:
            return None
        return Difference("ended", service.kind_of(held.entry), held.code, words.title_of(held.entry), held.version, held.entry)
    kind, title = service.kind_of(given), words.title_of(given)
    if held is not None and words.same_content(held.entry, given):
        return Difference("same", kind, given.code, title, held.version, given)
    problems = [text for _, text in soundness.entry_problems(given, items, codes, today) or forms.kind_problems(given, items)]
    if held is not None and type(held.entry) is not type(given):
        problems.insert(0, f"编号 {given.code} 在本库中是{words.KIND_NAMES[service.kind_of(held.entry)]}")
    changes = words.differences(held.entry if held is not None else None, given, items)
    return Difference(
        "new" if held is None else "changed", kind, given.code, title, held.version if held is not None else 0, given,
        tuple(changes), tuple(problems),
    )  # fmt: skip


def accept(db: Session, chosen: Sequence[Difference], *, valid_from: date, reason: str) -> list[UUID]:
    """Makes proposals of the chosen lines; another person decides on each. All or nothing."""
    if not chosen:
        raise BadInput([("chosen", "请至少选择一条差别")], code="knowledge.nothing_chosen")
    problems = [("chosen", f"{each.code}:{each.problems[0]}") for each in chosen if each.problems]
    if problems:
        raise BadInput(problems[:20], code="knowledge.unsound")
    found = []
    for each in chosen:
        if each.act == "same":
            raise Refused("knowledge.nothing_changed", f"规则 {each.code} 与现有内容相同", "请去掉该条后再提交")
        if each.act == "ended":
            found.append(proposals.propose_end(db, each.code, base_version=each.base_version, valid_from=valid_from, reason=reason))
        else:
            found.append(proposals.propose(db, each.entry, base_version=each.base_version, valid_from=valid_from, reason=reason))
    return found
