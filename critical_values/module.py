"""What critical values bring: the board, the loop with its clocks, the register, and what must hold of all alerts."""

from __future__ import annotations

from critical_values import api, loop_pages, pages, report_pages, screens, service, telling, verify
from critical_values.facts import CriticalAlertOverdue, CriticalAlertRaised
from exam.calendar.facts import CalendarChanged
from exam.kit.module import Job, MenuEntry, Module
from exam.messages.facts import MessageSettled
from exam.visits.facts import VISIT_STRIPS
from results.facts import ResultStored

module = Module(
    name="critical_values",
    title="危急值",
    needs=("exam", "results"),
    routes=(*pages.routes, *report_pages.routes, *loop_pages.routes, *api.routes),
    permissions={
        "critical_values.read": "查看危急值看板",
        "critical_values.confirm": "复核、排除危急值",
        "critical_values.notify": "通知与接收确认",
        "critical_values.handle": "处理、回访与结案",
        "critical_values.export": "导出危急值登记本",
        "critical_values.head": "接收科主任级超时提醒",
        "critical_values.direct": "接收中心主任级超时提醒",
    },
    roles={
        "doctor": ("科室医生", ("critical_values.read", "critical_values.confirm", "critical_values.notify")),
        "chief": (
            "主检医师",
            (
                "critical_values.read", "critical_values.confirm", "critical_values.notify", "critical_values.handle",
                "critical_values.head", "people.reveal",
            ),
        ),
        "critical_keeper": (
            "危急值管理员",
            (
                "critical_values.read", "critical_values.confirm", "critical_values.notify", "critical_values.handle",
                "critical_values.export", "critical_values.direct", "people.read", "people.reveal", "results.read",
                "results.read_privacy", "messages.read", "messages.send", "calendar.read", "calendar.keep",
            ),
        ),
        "desk_chief": ("前台主管", ("critical_values.read", "critical_values.notify")),
    },
    fills=((VISIT_STRIPS, screens.visit_strip),),
    menu=(MenuEntry("危急值", "/alerts", "critical_values.read", "urgent", 35, home=45),),
    listeners=(
        (ResultStored, service.on_result_stored),
        (CalendarChanged, service.on_calendar_changed),
        (MessageSettled, telling.on_message_settled),
    ),
    deliveries=(
        (CriticalAlertRaised, "critical_values.tell_raised", telling.tell_raised),
        (CriticalAlertOverdue, "critical_values.tell_overdue", telling.tell_overdue),
    ),
    invariants=verify.INVARIANTS,
    jobs=(Job("clocks", 10, service.escalate_due),),
)  # fmt: skip
