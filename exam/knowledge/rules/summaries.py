"""Draft a department's summary (科室小结) from its judged readings."""

from __future__ import annotations

from collections.abc import Iterable

from exam.knowledge.facts import DepartmentSummary, Flag, Reading
from exam.knowledge.rules.wording import OUTSTANDING, finding_text

NOTHING_ABNORMAL = "未见明显异常"


def summarize(department_name: str, readings: Iterable[Reading], is_complete: bool) -> DepartmentSummary:
    """The findings in the order handed in, which is the dictionary's (domain.md §4.3 M15).

    “未见明显异常” is written only when every item of the department is done and none is abnormal; before that a
    department without findings has an empty summary.
    """
    outstanding = [reading for reading in readings if reading.flag in OUTSTANDING]
    if outstanding:
        texts = [
            f"{finding_text(reading)}({reading.why})" if reading.flag is Flag.UNKNOWN and reading.why else finding_text(reading)
            for reading in outstanding
        ]
        return DepartmentSummary(text=";".join(texts), abnormal_items=tuple(reading.item for reading in outstanding))
    return DepartmentSummary(text=f"{department_name}{NOTHING_ABNORMAL}" if is_complete else "")
