"""The form of an alert policy: the clocks of one class, who is told when they run out, and the days of calling back."""

from __future__ import annotations

import itertools
import re
from datetime import date
from typing import Any

from exam.knowledge import words
from exam.knowledge.book import AlertPolicy, Entry, Escalation
from exam.knowledge.entry_form import Draft, EntryForm, Items, Problems, Shown, common_of, common_texts, refuse, whole_number
from exam.knowledge.facts import ALERT_CLASS_NAMES
from exam.knowledge.rule_reading import days_of

UNITS = {"minute": "分钟", "hour": "小时", "day": "天"}
CLOCKS = {"confirm": "复核确认", "notify": "通知", "receive": "接收确认", "handle": "处理"}
CLOCK_HINTS = {
    "confirm": "从查出起", "notify": "从确认起", "receive": "从通知到起", "handle": "从接收起",
}  # fmt: skip
LONGEST_MINUTES = 90 * 24 * 60
MOST_STEPS = 5
MOST_DAYS = 730
MOST_WORKING_DAYS = 30

_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_BEGINS = 9 * 60  # the example is found at nine


def draft_of(entry: Entry, items: Items) -> Draft:
    """The draft that shows a policy as it is."""
    assert isinstance(entry, AlertPolicy)
    texts = common_texts(entry) | {
        "working_days": str(entry.working_days or ""), "follow_up_days": "、".join(map(str, entry.follow_up_days)),
        "blocks_release": "yes" if entry.blocks_release else "",
    }  # fmt: skip
    for clock in CLOCKS:
        texts[clock], texts[f"{clock}_unit"] = _split(getattr(entry, f"{clock}_minutes"))
    rows = []
    for step in entry.escalation:
        after, unit = _split(step.after_minutes)
        rows.append({"after": after, "unit": unit, "to": step.to})
    return Draft(texts, {"escalation": rows})


def _split(minutes: int) -> tuple[str, str]:
    """Minutes as a person would say them: 120 are two hours."""
    unit = next((name for name in ("day", "hour") if minutes and minutes % _MINUTES[name] == 0), "minute")
    return str(minutes // _MINUTES[unit]), unit


def read(draft: Draft, items: Items, present: Entry | None) -> Entry:
    """The policy that a draft says. Raises BadInput."""
    assert isinstance(present, AlertPolicy)  # there is one for each class, and no other can be made
    problems: Problems = []
    common = common_of(draft, present, problems)
    clocks: dict[str, Any] = {}
    for clock, label in CLOCKS.items():
        clocks[f"{clock}_minutes"] = _minutes(draft.text(clock), draft.text(f"{clock}_unit"), clock, f"{label}时限", 1, problems)
    working_days = 0
    if draft.text("working_days") not in ("", "0"):
        working_days = whole_number(draft.text("working_days"), "working_days", "通知时限(工作日)", 1, MOST_WORKING_DAYS, problems)
    steps = []
    for number, row in enumerate(draft.tables.get("escalation", [])):
        name = f"r.escalation.{number}"
        after = _minutes(row["after"].strip(), row["unit"], f"{name}.after", f"第 {number + 1} 级上报", 0, problems)
        if row["to"] not in words.ESCALATED_TO:
            problems.append((f"{name}.to", f"第 {number + 1} 级上报:请选择通知谁"))
        steps.append(Escalation(after, row["to"]))
    policy = AlertPolicy(
        alert_class=present.alert_class, **clocks, follow_up_days=days_of(draft.text("follow_up_days"), "follow_up_days", "回访", problems),
        working_days=working_days, escalation=tuple(steps), blocks_release=draft.text("blocks_release") == "yes", **common,
    )  # fmt: skip
    problems += policy_problems(policy) if not problems else []
    refuse(problems)
    return policy


def _minutes(text: str, unit: str, field: str, label: str, low: int, problems: Problems) -> int:
    factor = _MINUTES.get(unit, 1)
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not low <= int(text) * factor <= LONGEST_MINUTES:
        shown = f"“{text[:20]}”不对," if text else "不能为空,"
        problems.append((field, f"{label}:{shown}请填写 {low} 或以上的整数,最长 90 天"))
        return low
    return int(text) * factor


def policy_problems(policy: AlertPolicy) -> Problems:
    """What keeps a policy from being used, however it was written."""
    found: Problems = []
    for clock, label in CLOCKS.items():
        if not 0 < getattr(policy, f"{clock}_minutes") <= LONGEST_MINUTES:
            found.append((clock, f"{label}时限:应为 1 分钟到 90 天"))
    if not 0 <= policy.working_days <= MOST_WORKING_DAYS:
        found.append(("working_days", f"通知时限(工作日):应为 0 到 {MOST_WORKING_DAYS}"))
    days = policy.follow_up_days
    if not days:
        found.append(("follow_up_days", "回访(天):不能为空,至少回访一次"))
    elif list(days) != sorted(set(days)) or not 0 < days[0] <= days[-1] <= MOST_DAYS:
        found.append(("follow_up_days", f"回访(天):请从早到晚填写,不重复,最晚 {MOST_DAYS} 天,例如 1、7"))
    found += _escalation_problems(policy)
    if not policy.blocks_release and policy.alert_class in ("critical", "a"):
        name = ALERT_CLASS_NAMES[policy.alert_class]
        found.append(("blocks_release", f"{name}:尚无通知记录时必须阻止发布报告,不能取消"))
    return found


def _escalation_problems(policy: AlertPolicy) -> Problems:
    steps = policy.escalation
    if not steps:
        return [("escalation", "超时上报:至少要有一级,否则超时后无人知道")]
    found: Problems = []
    if len(steps) > MOST_STEPS:
        found.append(("escalation", f"超时上报:最多 {MOST_STEPS} 级"))
    for number, (before, after) in enumerate(itertools.pairwise(steps), 1):
        if after.after_minutes <= before.after_minutes:
            told = f"第 {number + 1} 级({duration(after.after_minutes)})应晚于第 {number} 级({duration(before.after_minutes)})"
            found.append((f"r.escalation.{number}.after", f"超时上报:{told}"))
    for number, step in enumerate(steps):
        if not 0 <= step.after_minutes <= LONGEST_MINUTES:
            found.append((f"r.escalation.{number}.after", f"第 {number + 1} 级上报:应为 0 分钟到 90 天"))
        if step.to not in words.ESCALATED_TO:
            found.append((f"r.escalation.{number}.to", f"第 {number + 1} 级上报:没有“{step.to[:40]}”这一上报对象"))
    return found


def duration(minutes: int) -> str:
    """`2 小时`, `90 分钟`."""
    number, unit = _split(minutes)
    return f"{number} {UNITS[unit]}"


# --- the living example ----------------------------------------------------------------------------------------------


def shown(entry: Entry, items: Items, today: date) -> Shown:
    """One invented case on the clock, every step taken at the last moment."""
    assert isinstance(entry, AlertPolicy)
    name = ALERT_CLASS_NAMES[entry.alert_class]
    lines = [(_at(_BEGINS), "查出")]
    at = _BEGINS + entry.confirm_minutes
    first = entry.escalation[0].after_minutes if entry.escalation else 0
    if not entry.working_days:
        for number, step in enumerate(entry.escalation, 1):
            lines.append(
                (_at(_BEGINS + step.after_minutes), f"仍未确认:第 {number} 级上报,通知{words.ESCALATED_TO.get(step.to, step.to)}")
            )
    lines.append((f"{_at(at)} 前", "复核确认"))
    if entry.working_days:
        lines.append((f"{entry.working_days} 个工作日内", "通知"))
        for number, step in enumerate(entry.escalation, 1):
            after = "到期即" if step.after_minutes == first else f"再过 {duration(step.after_minutes - first)},"
            lines.append((f"第 {number} 级上报", f"{after}通知{words.ESCALATED_TO.get(step.to, step.to)}"))
    else:
        for number, step in enumerate(entry.escalation, 1):
            lines.append(
                (_at(at + step.after_minutes), f"仍未通知:第 {number} 级上报,通知{words.ESCALATED_TO.get(step.to, step.to)}")
            )
        at += entry.notify_minutes
        lines.append((f"{_at(at)} 前", "通知"))
    tail = [(entry.receive_minutes, "接收确认"), (entry.handle_minutes, "处理")]
    for minutes, label in tail:
        at += minutes
        lines.append((f"{_at(at)} 前" if not entry.working_days else f"再 {duration(minutes)}内", label))
    lines += [(f"通知后 {day} 天", "回访") for day in entry.follow_up_days]
    told = f"{name}:{'尚无通知记录时阻止发布报告' if entry.blocks_release else '不阻止发布报告'}"
    titled = f"例:{_at(_BEGINS)} 查出一项{name}{'' if entry.working_days else ',每一步都在最后一刻完成'}"
    ordered = lines if entry.working_days else sorted(lines, key=_moment)
    return Shown(told, tuple(ordered), titled)


def _at(minutes: int) -> str:
    day, rest = divmod(minutes, 1440)
    clock = f"{rest // 60:02}:{rest % 60:02}"
    return clock if day == 0 else f"次日 {clock}" if day == 1 else f"第 {day + 1} 天 {clock}"


def _moment(line: tuple[str, str]) -> int:
    """The minute of a line; what has none comes last, in its order."""
    match = re.match(r"(?:(次日) |第 (\d+) 天 )?(\d\d):(\d\d)", line[0])
    if match is None:
        return 10**9
    day = 1 if match[1] else int(match[2]) - 1 if match[2] else 0
    return day * 1440 + int(match[3]) * 60 + int(match[4])


def _options(items: Items) -> dict[str, Any]:
    return {"units": list(UNITS.items()), "clocks": CLOCKS, "clock_hints": CLOCK_HINTS, "told_to": list(words.ESCALATED_TO.items()),
            "most_steps": MOST_STEPS}  # fmt: skip


FORM = EntryForm(
    kind="policy", parts="exam/knowledge_policy_parts.html", draft_of=draft_of, read=read, shown=shown, options=_options,
    fields=(
        *(field for clock in CLOCKS for field in (clock, f"{clock}_unit")), "working_days", "follow_up_days", "blocks_release",
    ),
    tables={"escalation": ("after", "unit", "to")}, fresh={"escalation": {"after": "", "unit": "minute", "to": ""}},
)  # fmt: skip
