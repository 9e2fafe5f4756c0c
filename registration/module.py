"""What registration brings: the desk's pages and API, rights, the board's invariants and the site's settings."""

from __future__ import annotations

from exam.kit.module import Job, MenuEntry, Module
from exam.visits.facts import VISIT_STRIPS, MilestoneReached
from registration import (
    api,
    board_pages,
    booking_pages,
    drawing_pages,
    recheck_pages,
    rechecks,
    return_pages,
    service,
    telling,
    verify,
    visit_pages,
)

_DESK = (
    "registration.read", "registration.board", "registration.book", "registration.register", "registration.check_in",
    "registration.change_order", "registration.refuse", "registration.return_sheet", "registration.print", "registration.cancel",
    "registration.undo_own_return",
)  # fmt: skip

module = Module(
    name="registration",
    title="登记",
    needs=("exam", "billing"),
    routes=(
        *board_pages.routes,
        *booking_pages.routes,
        *recheck_pages.routes,
        *visit_pages.routes,
        *drawing_pages.routes,
        *return_pages.routes,
        *api.routes,
    ),
    permissions={
        "registration.read": "查看体检单与查询",
        "registration.board": "查看今日看板",
        "registration.book": "预约与改期",
        "registration.register": "登记",
        "registration.check_in": "报到",
        "registration.change_order": "增减项目与延期",
        "registration.refuse": "拒检与恢复",
        "registration.draw": "采血",
        "registration.return_sheet": "交单",
        "registration.print": "打印导检单、标签与申请单",
        "registration.cancel": "取消登记",
        "registration.undo": "取消报到与撤销交单",
        "registration.undo_own_return": "撤销本人当日交单",
        "registration.capacity": "设置每日名额",
        "registration.consent_text": "发布知情同意书",
        "registration.export": "导出名单",
    },
    roles={
        "reception": ("前台", _DESK),
        "desk_chief": ("前台主管", (*_DESK, "registration.undo", "registration.capacity", "registration.consent_text", "registration.export")),
        "phlebotomist": ("采血护士", ("registration.read", "registration.draw")),
        "doctor": ("科室医生", ("registration.read",)),
        "chief": ("主检医师", ("registration.read",)),
    },
    menu=(
        MenuEntry("前台", "/registration/today", "registration.board", "layout-dashboard", 10),
        MenuEntry("预约", "/registration/bookings", "registration.book", "calendar", 11),
        MenuEntry("复查", "/registration/rechecks", "registration.book", "repeat", 15, home=66),
        MenuEntry("采血", "/registration/drawing", "registration.draw", "droplet", 12),
        MenuEntry("交单", "/registration/return", "registration.return_sheet", "clipboard-check", 13),
        MenuEntry("查询", "/registration/find", "registration.read", "search", 14, home=65),
    ),
    listeners=((MilestoneReached, rechecks.on_milestone_reached),),
    fills=((VISIT_STRIPS, recheck_pages.visit_strip),),
    invariants=verify.INVARIANTS,
    jobs=(Job("forget_keys", 86_400, service.forget_keys), Job("remind_rechecks", 3600, telling.remind_due)),
    set_up=service.set_up,
)
