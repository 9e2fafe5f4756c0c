"""What results bring: department work lists, entry, signature and its undoing, and what must hold of all values."""

from __future__ import annotations

from exam.kit.module import MenuEntry, Module
from exam.knowledge.facts import PAST_CASES
from exam.visits.facts import LineProgressed, MilestoneReached, OrderChanged
from results import api, hot, pages, past_cases, service, verify

module = Module(
    name="results",
    title="分科录入",
    needs=("exam",),
    routes=(*pages.routes, *api.routes, *hot.routes),
    permissions={
        "results.work_list": "查看科室工作列表",
        "results.read": "查看检查结果",
        "results.read_privacy": "查看其他科室的隐私项目结果",
        "results.enter": "录入检查结果",
        "results.verify": "审核科室结果",
        "results.reopen": "撤销科室审核",
    },
    roles={
        "doctor": (
            "科室医生",
            ("results.work_list", "results.read", "results.enter", "results.verify", "results.reopen"),
        ),
        "chief": ("主检医师", ("results.read", "results.read_privacy")),
    },
    listeners=(
        (MilestoneReached, service.on_milestone_reached),
        (OrderChanged, service.on_order_changed),
        (LineProgressed, service.on_line_progressed),
    ),
    menu=(MenuEntry("分科", "/results", "results.work_list", "stethoscope", 30),),
    fills=((PAST_CASES, past_cases.past_cases),),
    invariants=verify.INVARIANTS,
)
