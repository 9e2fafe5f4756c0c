"""What chief review brings: the queue, the reviewer's desk, two signatures, and what must hold of all reviews."""

from __future__ import annotations

from chief_review import api, as_of_pages, pages, push_pages, pushes, recheck_pages, recheck_plan, service, verify
from chief_review.facts import ReviewFinalized, ReviewReopened
from exam.kit.module import MenuEntry, Module
from exam.messages.facts import MessageSettled
from exam.staff.facts import DEPARTMENTS
from results.facts import RecordReopened, ResultStored

module = Module(
    name="chief_review",
    title="主检",
    needs=("exam", "registration", "results", "critical_values"),
    # One router: Litestar 2.25 prepares a handler once more when a second method joins its path later, and breaks it.
    routes=(*pages.routes, *as_of_pages.routes, *recheck_pages.routes, *push_pages.routes, *api.routes),
    permissions={
        "chief_review.queue": "查看主检队列与主检内容",
        "chief_review.write": "书写主检结论",
        "chief_review.sign_first": "初审签名",
        "chief_review.sign_final": "终审签名",
        "chief_review.undo": "撤销初审、终审",
        "chief_review.return": "退回科室",
        "chief_review.specialist": "查看专科推送、登记就诊结果",
    },
    roles={
        "chief": (
            "主检医师",
            (
                "chief_review.queue", "chief_review.write", "chief_review.sign_first", "chief_review.sign_final",
                "chief_review.undo", "chief_review.return", "chief_review.specialist",
            ),
        ),
        "specialist": ("专科医师", ("chief_review.specialist",)),
    },
    listeners=(
        (RecordReopened, service.on_record_reopened),
        (ResultStored, service.on_result_stored),
        (ReviewFinalized, recheck_plan.on_review_finalized),
        (ReviewReopened, recheck_plan.on_review_reopened),
        (MessageSettled, pushes.on_message_settled),
    ),
    menu=(
        MenuEntry("主检", "/chief", "chief_review.queue", "clipboard-check", 40, home=5),
        MenuEntry("专科", "/specialists", "chief_review.specialist", "stethoscope", 45, home=68),
    ),
    fills=((DEPARTMENTS, pushes.specialist_departments),),
    invariants=verify.INVARIANTS,
)  # fmt: skip
