"""What the ground floor itself brings: sign-in, staff, catalogue and people pages, its commands and invariants."""

from __future__ import annotations

from sqlalchemy.orm import Session

from exam import catalog_commands, commands, knowledge_commands
from exam.calendar import pages as calendar_pages
from exam.calendar import service as calendar
from exam.catalog import api as catalog_api
from exam.catalog import pages as catalog_pages
from exam.catalog import service as catalog
from exam.kit import audit, auth, table_statistics
from exam.kit.module import Invariant, Job, MenuEntry, Module
from exam.knowledge import deciding_pages as knowledge_deciding_pages
from exam.knowledge import edit_pages as knowledge_edit_pages
from exam.knowledge import exchange_pages as knowledge_exchange_pages
from exam.knowledge import form_pages as knowledge_form_pages
from exam.knowledge import pages as knowledge_pages
from exam.knowledge import service as knowledge
from exam.messages import delivery as message_delivery
from exam.messages import pages as message_pages
from exam.messages import verify as message_verify
from exam.people import pages as people_pages
from exam.staff import account_pages, audit_pages, signature_pages, signatures, upkeep
from exam.staff import api as staff_api
from exam.staff import pages as staff_pages
from exam.staff import service as staff
from exam.staff.facts import DEPARTMENTS
from exam.visits import pages as visit_pages
from exam.visits import verify


def _set_up(db: Session) -> None:
    knowledge.set_up(db)
    calendar.load_starter(db)


module = Module(
    name="exam",
    title="体检中心",
    routes=(
        *staff_pages.routes,
        *staff_api.routes,
        *account_pages.routes,
        *signature_pages.routes,
        *audit_pages.routes,
        *catalog_api.routes,
        *catalog_pages.routes,
        *calendar_pages.routes,
        *knowledge_exchange_pages.routes,
        *knowledge_edit_pages.routes,
        *knowledge_form_pages.routes,
        *knowledge_deciding_pages.routes,
        *knowledge_pages.routes,
        *people_pages.routes,
        *visit_pages.routes,
        *message_pages.routes,
    ),
    fills=((DEPARTMENTS, catalog.department_list),),
    permissions={
        "staff.accounts": "管理账号",
        "staff.rights": "管理角色与授权",
        "audit.read": "查看审计日志",
        "catalog.read": "查看目录",
        "catalog.change": "修改目录",
        "calendar.read": "查看工作日历",
        "calendar.keep": "维护与审核工作日历",
        "knowledge.read": "查看知识库",
        "knowledge.propose": "提交规则修改",
        "knowledge.approve": "审批规则",
        "people.read": "查看受检者档案",
        "people.register": "建立受检者档案",
        "people.correct": "更正受检者档案",
        "people.organizations": "维护单位",
        "people.reveal": "查看完整证件号与联系方式",
        "messages.read": "查看短信",
        "messages.send": "重发短信",
        "messages.consent": "登记短信同意",
    },
    roles={
        "system": ("系统管理员", ("staff.accounts",)),
        "security": ("安全管理员", ("staff.rights",)),
        "audit": ("审计管理员", ("audit.read",)),
        "catalog_keeper": ("目录管理员", ("catalog.read", "catalog.change", "calendar.read", "calendar.keep")),
        "reception": ("前台", ("people.read", "people.register", "people.reveal", "catalog.read", "messages.consent")),
        "desk_chief": (
            "前台主管",
            (
                "people.read", "people.register", "people.correct", "people.organizations", "people.reveal", "catalog.read",
                "messages.read", "messages.send", "messages.consent",
            ),
        ),
        "doctor": ("科室医生", ("people.read", "catalog.read")),
        "chief": (
            "主检医师",
            (
                "people.read", "catalog.read", "messages.read", "messages.send", "knowledge.read", "knowledge.propose",
                "knowledge.approve", "calendar.read", "calendar.keep",
            ),
        ),
    },
    provides=((auth.AUTHENTICATE, staff.authenticate),),
    menu=(
        MenuEntry("档案", "/people", "people.read", "users", 70),
        MenuEntry("单位", "/organizations", "people.organizations", "building", 71),
        MenuEntry("短信", "/messages", "messages.read", "message", 72),
        MenuEntry("目录", "/catalog", "catalog.read", "book", 80),
        MenuEntry("工作日历", "/calendar", "calendar.read", "calendar", 82),
        MenuEntry("知识库", "/knowledge", "knowledge.read", "bulb", 81),
        MenuEntry("账号", "/staff", "staff.accounts", "id", 90),
        MenuEntry("授权", "/staff/rights", "staff.rights", "shield-check", 91),
        MenuEntry("审计", "/audit", "audit.read", "eye", 92),
    ),
    commands=(*commands.COMMANDS, *catalog_commands.COMMANDS, *knowledge_commands.COMMANDS),
    invariants=(
        Invariant("A2 audit chains are unbroken", audit.breaches),
        Invariant("A5 rows are what the audit recorded", audit.row_breaches),
        Invariant("A2 anchored heads are still there", lambda db: db.info["house"].anchor.breaches(db)),
        Invariant("signature pictures are what was put", signatures.breaches),
        *verify.INVARIANTS,
        *message_verify.INVARIANTS,
    ),
    jobs=(
        Job("anchor", 60, commands.anchor),
        Job("checkpoint", 5, commands.checkpoint, early=commands.is_log_long),
        Job("optimize", 3600, table_statistics.refresh),
        Job("send_messages", 1.0, message_delivery.send_in_background),
        Job("look_after_messages", 60, message_delivery.look_after),
        *upkeep.JOBS,
    ),
    set_up=_set_up,
)
