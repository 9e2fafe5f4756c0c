"""What reporting brings: the report's pages and API, its permissions, its watch over later results, and its invariants."""

from __future__ import annotations

from chief_review.facts import ABNORMAL_COUNTS, REVIEW_PANEL, ReviewFinalized
from exam.kit.module import Job, MenuEntry, Module
from exam.visits.facts import MilestoneReached
from reporting import api, batches, indicator_pages, pages, queries, sealing, service, verify
from results.facts import ResultStored

module = Module(
    name="reporting",
    title="体检报告",
    needs=("exam", "results", "chief_review"),
    routes=(*indicator_pages.routes, *pages.routes, *api.routes),
    permissions={
        "reporting.read": "查看体检报告",
        "reporting.read_private": "查看隐私补充报告",
        "reporting.issue": "发布体检报告",
        "reporting.recall": "撤回体检报告",
        "reporting.deliver": "登记报告领取",
        "reporting.see_indicators": "查看质控指标及名单",
        "reporting.export_indicators": "导出质控指标及名单",
        "reporting.tell_figures": "登记质控指标的岗位与部位数",
    },
    roles={
        "chief": (
            "主检医师",
            (
                "reporting.read", "reporting.read_private", "reporting.issue", "reporting.recall", "reporting.see_indicators",
                "reporting.export_indicators", "reporting.tell_figures",
            ),
        ),
        "desk_chief": ("前台主管", ("reporting.read", "reporting.read_private", "reporting.deliver", "reporting.see_indicators")),
        "critical_keeper": ("危急值管理员", ("reporting.see_indicators", "reporting.export_indicators")),
        "reception": ("前台", ("reporting.read", "reporting.deliver")),
    },
    listeners=((MilestoneReached, service.on_milestone), (ResultStored, service.on_result_stored)),
    deliveries=((ReviewFinalized, "reporting.issue_automatically", batches.on_review_finalized),),
    # A job and not a delivery: a delivery runs inside its write unit, and drawing there would keep every writer waiting.
    jobs=(Job("issue", 1.0, batches.issue_waiting),),
    fills=((REVIEW_PANEL, pages.review_panel), (ABNORMAL_COUNTS, queries.abnormal_counts)),
    menu=(
        MenuEntry("报告", "/reports", "reporting.read", "report-medical", 60),
        MenuEntry("指标", "/indicators", "reporting.see_indicators", "chart-bar", 62),
    ),
    invariants=verify.INVARIANTS,
    set_up=sealing.make_material,
    warm=sealing.warm,
)  # fmt: skip
