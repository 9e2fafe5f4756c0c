"""What the screens of alerts show: words for every step, who may read and do what, the strip under a visit's card."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.orm import Session

from critical_values import board, rules
from critical_values.facts import (
    ALERT_STATE_NAMES,
    CALL_BACK_OUTCOMES,
    CONFIRM_WAYS,
    NOTICE_CHANNELS,
    NOTICE_OUTCOMES,
    NOTICE_RECIPIENTS,
    STEP_NAMES,
    AlertState,
    CalledBack,
    Changed,
    Closed,
    Confirmed,
    CriticalAlert,
    Dismissed,
    Escalated,
    HandedOver,
    Handled,
    Notice,
    Received,
    Reopened,
    StepTaken,
    Superseded,
)
from critical_values.models import AlertBoard, AlertPulse, AlertRow
from critical_values.service import Act
from exam.calendar import service as calendar
from exam.catalog import service as catalog
from exam.kit.clock import day_of
from exam.kit.errors import Forbidden
from exam.kit.house import Actor, actor_of, house_of
from exam.kit.money import yuan
from exam.kit.prepared import PreparedStatement
from exam.knowledge import service as rule_store
from exam.knowledge.facts import AlertClass
from exam.staff.models import Grant, RolePermission, Staff
from exam.visits import service as visits
from exam.visits.facts import VisitCard, VisitStrip
from results.queries import may_read_private

CLASS_NAMES = {AlertClass.CRITICAL: "危急值", AlertClass.A: "A 类", AlertClass.B: "B 类"}
CLASS_WORDS = {AlertClass.CRITICAL: "危急值", AlertClass.A: "A 类重要异常", AlertClass.B: "B 类重要异常"}
HIDDEN_NAME = "重要异常(隐私项目)"
HIDDEN_TEXT = "隐私内容不显示"
EXPLAINED = {
    "confirm": "复测或由医师判定,确认结果属实", "notify": "联系受检者或家属,请对方复述", "receive": "确认对方已收到",
    "handle": "给出处理意见,安排就诊", "call_back": "了解是否已就诊", "close": "核对后结案", "tell_correction": "此前已通知,结果更正后需告知",
}  # fmt: skip


class Shown(msgspec.Struct, frozen=True):
    """An alert as the actor may read it. `is_hidden`: a private finding, of which no word is told."""

    alert: CriticalAlert
    name: str
    evidence: tuple[str, ...]
    is_hidden: bool
    is_late: bool
    clock: str


def shown(db: Session, alert: CriticalAlert) -> Shown:
    """An alert as the actor may read it."""
    actor, now = actor_of(db), house_of(db).clock.now()
    is_hidden = alert.is_private and not may_read_private(actor, alert.department)
    return Shown(
        alert=alert,
        name=HIDDEN_NAME if is_hidden else alert.name,
        evidence=() if is_hidden else alert.evidence,
        is_hidden=is_hidden,
        is_late=alert.due_at is not None and alert.due_at < now,
        clock=clock_words(alert.due_at, now),
    )


def clock_words(due_at: datetime | None, now: datetime) -> str:
    """How long is left, or how long a clock has been over: 剩 12 分, 超时 8 分. The pages' script counts on in the same words."""
    if due_at is None:
        return ""
    seconds = int((due_at - now).total_seconds())
    return f"{'超时' if seconds < 0 else '剩'} {duration_words(abs(seconds))}"


def duration_words(seconds: int) -> str:
    """A length of time in the two largest units that matter."""
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 10:
        return f"{minutes} 分 {seconds % 60:02d} 秒" if minutes else f"{seconds} 秒"
    if hours < 1:
        return f"{minutes} 分"
    if hours < 24:
        return f"{hours} 时 {minutes % 60:02d} 分"
    return f"{hours // 24} 天 {hours % 24} 时"


def department_names(db: Session) -> dict[str, str]:
    """Names of the departments of today by code."""
    return dict(catalog.department_list(db))


# --- the calendar that is missing --------------------------------------------------------------------------------------


def missing_years(db: Session, alert: CriticalAlert) -> tuple[int, ...]:
    """The years without holidays that a deadline in working days runs through; none where minutes are counted."""
    if alert.next_step not in ("notify", "tell_correction") or alert.due_at is None:
        return ()
    if not board.policy_in_force(db, alert.alert_class).working_days:
        return ()
    return calendar.missing_years(db, last=max(alert.due_at, house_of(db).clock.now()))


LOOK_AHEAD = timedelta(days=30)


def missing_of_board(db: Session) -> tuple[int, ...]:
    """The years without holidays that deadlines in working days of these weeks may run through."""
    now = house_of(db).clock.now()
    years = calendar.missing_years(db, last=now + LOOK_AHEAD)
    if not years:
        return ()
    policies = rule_store.rules_in_force(db, day_of(now)).book.policies
    return years if any(rules.policy_of(each, policies).working_days for each in AlertClass) else ()


# --- steps in words --------------------------------------------------------------------------------------------------


class StepLine(msgspec.Struct, frozen=True):
    """One step on the timeline: its name, in a few words what came of it, and its facts by label."""

    number: int
    kind: str
    name: str
    at: datetime
    actor: str
    told: str
    facts: tuple[tuple[str, str], ...]


def timeline(steps: Iterable[StepTaken], is_hidden: bool) -> tuple[StepLine, ...]:
    """Every step in words; of a private finding only that it happened."""
    found = []
    for taken in steps:
        kind = board.kind_of(taken.step)
        told, facts = ("", ()) if is_hidden else _words(taken)
        found.append(StepLine(taken.number, kind, STEP_NAMES[kind], taken.at, taken.actor, told, _filled(facts)))
    return tuple(found)


def _filled(facts: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((label, text) for label, text in facts if text)


def _words(taken: StepTaken) -> tuple[str, tuple[tuple[str, str], ...]]:
    match taken.step:
        case Confirmed(way=way, note=note):
            return CONFIRM_WAYS[way], (("备注", note),)
        case Dismissed(reason=reason) | Reopened(reason=reason):
            return "", (("原因", reason),)
        case Notice() as step:
            whom = f"{NOTICE_RECIPIENTS[step.recipient]} {step.recipient_name}"
            return NOTICE_OUTCOMES[step.outcome], (
                ("方式", NOTICE_CHANNELS[step.channel]), ("被通知人", whom), ("复述内容", step.read_back), ("备注", step.note),
            )  # fmt: skip
        case Received(by=by, note=note):
            return "", (("接收人", by), ("备注", note))
        case Handled() as step:
            green = "已开通" if step.is_green_channel else ""
            return "", (
                ("处理意见", step.advice), ("转诊科室", step.department), ("挂号单号", step.appointment_no), ("绿色通道", green),
            )  # fmt: skip
        case CalledBack() as step:
            fee = f"¥{yuan(step.fee_fen)}" if step.fee_fen is not None else ""
            return f"第 {step.round} 次 {CALL_BACK_OUTCOMES[step.outcome]}", (
                ("方式", NOTICE_CHANNELS[step.channel]), ("诊断", step.diagnosis), ("就诊费用", fee), ("备注", step.note),
            )  # fmt: skip
        case Closed(note=note):
            return "", (("备注", note),)
        case HandedOver(name=name, note=note):
            return f"交给 {name}", (("备注", note),)
        case Escalated() as step:
            return f"第 {step.level} 级", (("等待", rules.NEXT_STEP_NAMES.get(step.waited_for, step.waited_for)),)
        case Changed() as step:
            return "更正后仍达到标准", (("结果", ";".join(step.evidence)), ("规则", f"第 {step.rule_version} 版"))
        case Superseded() as step:
            return "更正后不再达到标准", (("结果", ";".join(step.evidence)),)
    return "", ()


# --- who may ---------------------------------------------------------------------------------------------------------

_MAY: dict[type, str] = {
    Confirmed: "critical_values.confirm", Dismissed: "critical_values.confirm", Notice: "critical_values.notify",
    Received: "critical_values.notify", Handled: "critical_values.handle", CalledBack: "critical_values.handle",
    Closed: "critical_values.handle", Reopened: "critical_values.confirm",
}  # fmt: skip
NEXT_MAY = {
    "confirm": Confirmed, "notify": Notice, "tell_correction": Notice, "receive": Received, "handle": Handled,
    "call_back": CalledBack, "close": Closed,
}  # fmt: skip
_BY_DEPARTMENT = (Confirmed, Dismissed, Reopened)


def may_take(actor: Actor, alert: CriticalAlert, kind: type) -> bool:
    """Whether the actor may take a step of this kind: a finding is judged by its own department, or by who serves them all."""
    permission = _MAY[kind]
    if alert.is_private and not may_read_private(actor, alert.department):
        return False
    return actor.serves(permission, alert.department) if kind in _BY_DEPARTMENT else actor.may(permission)


def require_may_take(db: Session, alert: CriticalAlert, step: Act) -> None:
    """Refuses who may not, and says who may."""
    actor = actor_of(db)
    if may_take(actor, alert, type(step)):
        return
    name = STEP_NAMES[board.kind_of(step)]
    if alert.is_private and not may_read_private(actor, alert.department):
        raise Forbidden("critical_values.private", f"这是隐私项目,您不能{name}", "由可查看隐私项目的人员处理")
    if not actor.may(_MAY[type(step)]):
        raise Forbidden("auth.not_permitted", f"您没有“{name}”的权限", "如需使用,请联系安全管理员授权")
    department = department_names(db).get(alert.department, alert.department)
    raise Forbidden(
        "critical_values.other_department", f"该结果由{department}发现,您不能{name}", f"请{department}的医师,或不限科室的主检医师、危急值管理员操作"
    )


class Colleague(msgspec.Struct, frozen=True):
    """Somebody of the site who can take a task over."""

    id: UUID
    name: str
    title: str


def colleagues(db: Session) -> tuple[Colleague, ...]:
    """Active staff of the site who may notify, in order of their names."""
    holders = select(Grant.staff_id).join(RolePermission, RolePermission.role == Grant.role)
    may = holders.where(RolePermission.permission == "critical_values.notify", Grant.site == Staff.site)
    found = select(Staff.id, Staff.name, Staff.title).where(
        Staff.site == actor_of(db).site, Staff.active.is_(True), Staff.kind == "staff", Staff.id.in_(may)
    )
    return tuple(Colleague(*row) for row in db.execute(found.order_by(Staff.name, Staff.login)))


# --- the strip -------------------------------------------------------------------------------------------------------


class StripLine(msgspec.Struct, frozen=True):
    """One alert on the strip."""

    id: UUID
    alert_class: AlertClass
    class_name: str
    name: str
    state: AlertState
    state_name: str
    is_open: bool


class Strip(msgspec.Struct, frozen=True):
    """A visit's alerts, and the number of the site's changes that they include."""

    url: str
    pulse: int
    lines: tuple[StripLine, ...]


_STRIP = PreparedStatement(
    select(
        AlertPulse.number.label("pulse"), AlertBoard.alert_id, AlertBoard.alert_class, AlertBoard.state, AlertBoard.next_step,
        AlertBoard.duty,
        AlertRow.name, AlertRow.department, AlertRow.is_private,
    )
    .select_from(AlertPulse)
    .outerjoin(AlertBoard, and_(AlertBoard.visit_id == bindparam("of_visit"), AlertBoard.site == AlertPulse.site))
    .outerjoin(AlertRow, AlertRow.id == AlertBoard.alert_id)
    .where(AlertPulse.site == bindparam("of_site"))
)  # fmt: skip
"""One statement, because every screen of a visit asks it."""


def strip(db: Session, card: VisitCard) -> Strip:
    """A visit's alerts for the strip under its card, the open and urgent ones first."""
    actor = actor_of(db)
    rows = _STRIP.all(db, of_visit=card.id, of_site=card.site)
    lines = [
        StripLine(
            id=row.alert_id,
            alert_class=AlertClass(row.alert_class),
            class_name=CLASS_NAMES[AlertClass(row.alert_class)],
            name=HIDDEN_NAME if row.is_private and not may_read_private(actor, row.department) else row.name,
            state=AlertState(row.state),
            state_name=ALERT_STATE_NAMES[AlertState(row.state)],
            is_open=bool(row.next_step),
        )
        for row in rows
        if row.alert_id is not None
    ]
    lines.sort(key=lambda line: (not line.is_open, board.CLASS_ORDER[line.alert_class], line.name))
    return Strip(f"/alerts/visits/{card.visit_no}/strip", rows[0].pulse if rows else 0, tuple(lines))


class HoldStrip(msgspec.Struct, frozen=True):
    """That somebody is to stay, and whom to call: the department, or whoever has the task. Not a word of what was found."""

    call: str


def visit_strip(db: Session, card: VisitCard) -> VisitStrip | None:
    """Fills `VISIT_STRIPS`: the alerts, and for who may not read them only that the person is to stay."""
    if actor_of(db).may("critical_values.read"):
        return VisitStrip("critical_values/_strip.html", strip(db, card))
    held = hold_strip(db, card)
    return VisitStrip("critical_values/_hold_strip.html", held) if held else None


_TO_TELL = frozenset({"confirm", "notify", "tell_correction"})


def hold_strip(db: Session, card: VisitCard) -> HoldStrip | None:
    """Whether a person is wanted: while the loop of an urgent finding is open, and while somebody has still to be told of a B one.

    The department is named for an ordinary finding only; one that found something private is not.
    """
    rows = [
        row for row in _STRIP.all(db, of_visit=card.id, of_site=card.site)
        if row.alert_id is not None and (row.next_step in _TO_TELL or (row.next_step and row.alert_class != AlertClass.B.value))
    ]  # fmt: skip
    if not rows:
        return None
    rows.sort(key=lambda row: board.CLASS_ORDER[AlertClass(row.alert_class)])
    departments = visits.catalogue_of(db, card).departments
    named = [departments[row.department].name for row in rows if not row.is_private and row.department in departments]
    calls = dict.fromkeys([row.duty for row in rows if row.duty] or named)
    return HoldStrip("、".join([*calls, "危急值管理员"][:3]))


# --- counts ----------------------------------------------------------------------------------------------------------


def ended_count(db: Session) -> int:
    """How many alerts of the site have come to their end."""
    ended = select(func.count()).where(AlertBoard.site == actor_of(db).site, AlertBoard.next_step == "")
    return db.scalar(ended) or 0
