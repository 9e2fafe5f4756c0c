"""Work on many members of a round: asked for once, done by the worker member by member, stopped and gone on with at will."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused, trace_of
from exam.kit.house import Actor, House, actor_of, house_of, system_actor
from exam.messages import service as messages
from exam.messages.facts import REASONS, DeliveryState, Occasion
from exam.messages.models import Message
from exam.visits import service as visits
from exam.visits.facts import VisitState
from exam.visits.models import Visit
from group_orders import members, rules
from group_orders.models import CohortTerms, Member
from group_orders.task_models import GroupTask, GroupTaskRow
from registration import service as registration

log = logging.getLogger("group_orders.tasks")

BOOK, UNBOOK, REMIND, PRINT = "book", "unbook", "remind", "print"
TASK_NAMES = {BOOK: "批量预约", UNBOOK: "批量取消预约", REMIND: "短信提醒", PRINT: "批量打印"}
RUNNING, WAITING, DONE, REFUSED = "running", "waiting", "done", "refused"

PART = 20
"""Members in one transaction."""
MOST_PARTS = 5
"""Parts that the worker does before it looks after its other tasks."""
MOST_MEMBERS = 20_000

PASSING = (StaleDataError, OperationalError, InterfaceError, NoConnectionFree, OSError)
"""The database or the disk was in trouble: the next round tries again."""


class Chosen(msgspec.Struct, frozen=True):
    """A member that something is to be done for, and the day that it is about."""

    member_id: UUID
    visit_id: UUID
    day: date | None = None


class TaskLine(msgspec.Struct, frozen=True):
    """One member of a task for whom something could not be done, with the reason."""

    member_id: UUID
    visit_no: str
    person_name: str
    department: str
    day: date | None
    text: str


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task with its progress."""

    id: UUID
    order_id: UUID
    kind: str
    what: str
    state: str
    total: int
    done: int
    refused: int
    fault: str
    has_file: bool
    asked_at: datetime
    asked_name: str
    ended_at: datetime | None
    refusals: tuple[TaskLine, ...] = ()

    @property
    def percent(self) -> int:
        """How much is dealt with, in percent."""
        return 100 * (self.done + self.refused) // max(self.total, 1)


def start(db: Session, order_id: UUID, kind: str, chosen: Sequence[Chosen], what: str = "") -> UUID:
    """Asks for a task; the worker does it. Refuses an empty one, and a second one of its kind while the first goes on."""
    order = members.order_row(db, order_id, lock=True)
    if not chosen:
        raise Refused("group_orders.nobody_chosen", f"没有符合条件的人员,未开始{TASK_NAMES[kind]}", "请调整筛选条件后重试")
    if len(chosen) > MOST_MEMBERS:
        raise Refused("group_orders.too_many", f"一次最多处理 {MOST_MEMBERS} 人", "请按分组或部门分批进行")
    going = select(GroupTask.id).where(GroupTask.order_id == order_id, GroupTask.kind == kind, GroupTask.state == RUNNING)
    if db.scalar(going.limit(1)):
        raise Refused("group_orders.task_going_on", f"该批次的{TASK_NAMES[kind]}正在进行", "请等待完成,或先停止正在进行的任务")
    house, actor = house_of(db), actor_of(db)
    task_id = house.ids.new()
    db.add(
        GroupTask(
            id=task_id, order_id=order_id, site=order.site, kind=kind, what=what[:200], state=RUNNING, total=len(chosen), done=0, refused=0,
            file_digest="", fault="", asked_at=house.clock.now(), asked_by=actor.staff_id, asked_login=actor.login, asked_name=actor.name,
            ended_at=None, ver=1,
        )
    )  # fmt: skip
    db.flush()
    insert_rows(
        db, GroupTaskRow,
        [{"task_id": task_id, "number": number, "member_id": each.member_id, "visit_id": each.visit_id, "day": each.day,
          "state": WAITING, "text": ""} for number, each in enumerate(chosen, 1)],
    )  # fmt: skip
    audit.note(db, f"group_orders.{kind}", subject=f"group_order:{order.order_no}", reason=f"{len(chosen)} 人 {what}".strip())
    db.info["has_deliveries"] = True  # the worker looks at once
    return task_id


def task_row(db: Session, task_id: UUID, *, lock: bool = False) -> GroupTask:
    """A task of the actor's own site."""
    statement = select(GroupTask).where(GroupTask.id == task_id, GroupTask.site == actor_of(db).site)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    row = db.scalar(statement)
    if row is None:
        raise NotFound("没有找到该任务", "请从批次页面重新进入")
    return row


def task(db: Session, task_id: UUID) -> Task:
    """A task with everybody for whom it could not be done."""
    row = task_row(db, task_id)
    refusals = db.execute(
        select(GroupTaskRow.member_id, Visit.visit_no, Visit.person_name, Member.department, GroupTaskRow.day, GroupTaskRow.text)
        .join(Visit, Visit.id == GroupTaskRow.visit_id)
        .join(Member, Member.id == GroupTaskRow.member_id)
        .where(GroupTaskRow.task_id == task_id, GroupTaskRow.state == REFUSED)
        .order_by(GroupTaskRow.number)
        .limit(500)
    ).all()
    return msgspec.structs.replace(_task(row), refusals=tuple(TaskLine(*each) for each in refusals))


def tasks_of(db: Session, order_id: UUID, most: int = 10) -> tuple[Task, ...]:
    """A round's last tasks, the newest first."""
    wanted = select(GroupTask).where(GroupTask.order_id == order_id, GroupTask.site == actor_of(db).site)
    return tuple(_task(row) for row in db.scalars(wanted.order_by(GroupTask.asked_at.desc(), GroupTask.id.desc()).limit(most)))


def _task(row: GroupTask) -> Task:
    return Task(
        id=row.id, order_id=row.order_id, kind=row.kind, what=row.what, state=row.state, total=row.total, done=row.done,
        refused=row.refused, fault=row.fault, has_file=bool(row.file_digest), asked_at=row.asked_at, asked_name=row.asked_name,
        ended_at=row.ended_at,
    )  # fmt: skip


def act(db: Session, task_id: UUID, action: str) -> None:
    """Stops a task for good, or goes on with one that a fault has stopped. What was done stays done."""
    if action not in ("cancel", "resume"):
        raise Refused("group_orders.unknown_action", "没有该操作", "请从页面按钮操作", "action")
    row = task_row(db, task_id, lock=True)
    row.state = rules.TASK.move(row.state, action, {"cancel": "停止", "resume": "继续"}[action])
    row.fault = ""
    row.ended_at = house_of(db).clock.now() if action == "cancel" else None
    audit.note(db, f"group_orders.{action}_task", subject=f"group_task:{task_id}")
    db.info["has_deliveries"] = True


# --- the worker's part -----------------------------------------------------------------------------------------------


class _RowRefused(Exception):
    """One member could not be dealt with: the part is rolled back, and done again without them."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(number)
        self.number = number
        self.text = text


def waiting_tasks(house: House, *kinds: str) -> Sequence[Any]:
    """Tasks of these kinds that go on, the oldest first."""
    table = GroupTask.__table__
    with house.unit(system_actor(house.site), write=False) as db:
        return db.execute(
            select(table).where(table.c.state == RUNNING, table.c.kind.in_(kinds)).order_by(table.c.asked_at)
        ).all()


def asker(row: Any) -> Actor:
    """Who asked for a task: what is done for it is theirs."""
    if row.asked_by is None:
        return system_actor(row.site)
    return Actor(staff_id=row.asked_by, login=row.asked_login, name=row.asked_name, site=row.site)


def work_waiting(house: House) -> None:
    """The job: the next parts of every task but prints. Whatever ends this process leaves a member done or waiting, never between."""
    for row in waiting_tasks(house, BOOK, UNBOOK, REMIND):
        for _ in range(MOST_PARTS):
            if not _work_next(house, asker(row), row.id):
                break


def _work_next(house: House, actor: Actor, task_id: UUID) -> bool:
    try:
        with house.unit(actor) as db:
            return _work_part(db, task_id)
    except _RowRefused as refused:
        with house.unit(actor) as db:
            settle(db, task_row(db, task_id, lock=True), {refused.number: refused.text})
        return True
    except PASSING as passing:
        log.info("a task waits for the next round: %s", type(passing).__name__)
    except Refused as refused:
        stop(house, actor, task_id, f"{refused.text}。{refused.hint}")
    except Exception as error:
        log.error("a group task could not go on\n%s", trace_of(error))
        stop(house, actor, task_id, "处理时系统出错,已处理的部分保留。请联系系统管理员,排除后继续")
    return False


def _work_part(db: Session, task_id: UUID) -> bool:
    row = task_row(db, task_id, lock=True)
    if row.state != RUNNING:
        return False
    wanted = select(GroupTaskRow).where(GroupTaskRow.task_id == task_id, GroupTaskRow.state == WAITING)
    part = db.scalars(wanted.order_by(GroupTaskRow.number).limit(PART)).all()
    for each in part:
        try:
            each.text = _ACTS[row.kind](db, row, each)
        except Refused as refused:
            raise _RowRefused(each.number, f"{refused.text}。{refused.hint}") from None
        each.state = DONE
    row.done += len(part)
    audit.note(db, f"group_orders.{row.kind}_part", subject=f"group_task:{task_id}", reason=f"{row.done} 人")
    if len(part) < PART:
        finish(db, row)
    return len(part) == PART


def settle(db: Session, row: GroupTask, refused: dict[int, str]) -> None:
    """Writes down who could not be dealt with, and why."""
    if row.state != RUNNING:
        return
    for number, text in refused.items():
        changed = db.execute(
            update(GroupTaskRow)
            .where(GroupTaskRow.task_id == row.id, GroupTaskRow.number == number, GroupTaskRow.state == WAITING)
            .values(state=REFUSED, text=text[:300])
        )
        row.refused += changed.rowcount  # type: ignore[attr-defined]
    audit.note(db, f"group_orders.{row.kind}_refused", subject=f"group_task:{row.id}")


def finish(db: Session, row: GroupTask) -> None:
    """The task is over."""
    row.state = rules.TASK.move(row.state, "finish")
    row.ended_at = house_of(db).clock.now()
    audit.note(db, f"group_orders.{row.kind}_done", subject=f"group_task:{row.id}", reason=f"完成 {row.done} 人,未完成 {row.refused} 人")


def stop(house: House, actor: Actor, task_id: UUID, fault: str) -> None:
    """A fault stops the task; somebody may go on with it afterwards."""
    with house.unit(actor) as db:
        row = task_row(db, task_id, lock=True)
        if row.state == RUNNING:
            row.state, row.fault = rules.TASK.move(row.state, "stop"), fault[:500]
            audit.note(db, "group_orders.stop_task", subject=f"group_task:{task_id}")


def _require_present(db: Session, row: GroupTaskRow) -> Member:
    member = members.member_row(db, row.member_id)
    if member.left_at is not None:
        raise Refused("group_orders.member_left", "该成员已移出名单", "无需处理")
    return member


def _book(db: Session, task: GroupTask, row: GroupTaskRow) -> str:
    member = _require_present(db, row)
    if row.day is None or row.day <= registration.today_of(db):
        raise Refused("group_orders.day_past", "预约日期已过", "请重新选择日期")
    book(db, member, row.day)
    return ""


def book(db: Session, member: Member, day: date) -> None:
    """Gives a member a day of the round, or another one. Refuses a day on which the member's offer does not hold."""
    order = members.order_row(db, member.order_id)
    rules.require_takes_members(order.state)
    offer = members.offer_of(db.get_one(CohortTerms, member.terms_id))
    first, last = max(order.opens_on, offer.valid_from or order.opens_on), min(order.closes_on, offer.valid_until or order.closes_on)
    if not first <= day <= last:
        told = f"{day.isoformat()} 不在该成员可体检的日期({first.isoformat()} 至 {last.isoformat()})之内"
        raise Refused("group_orders.outside_round", told, "请选择批次和方案有效期内的日期", "exam_on")
    registration.rebook(db, member.visit_id, day)


def _unbook(db: Session, task: GroupTask, row: GroupTaskRow) -> str:
    member = _require_present(db, row)
    unbook(db, member, task.what)
    return ""


def unbook(db: Session, member: Member, reason: str) -> None:
    """Takes a member's day back; the member stays on the list. Refuses who is registered or has come."""
    if not reason.strip():
        raise Refused("group_orders.reason_missing", "取消预约必须填写原因", "请填写原因", "reason")
    if visits.state_of(db, member.visit_id) is not VisitState.BOOKED:
        raise Refused("group_orders.not_booked", "该成员没有可取消的预约", "已登记的请先在体检单中处理")
    order = members.order_row(db, member.order_id)
    visits.give_day_back(db, member.visit_id, order.closes_on, reason.strip())
    messages.withdraw(db, member.visit_id, Occasion.BOOKED, "moved")
    audit.note(db, "group_orders.unbook_member", subject=f"member:{member.id}", reason=reason.strip())


def _remind(db: Session, task: GroupTask, row: GroupTaskRow) -> str:
    member = _require_present(db, row)
    visits.lock(db, row.visit_id)  # two tasks must not both find that nobody was written to today
    card = visits.card(db, row.visit_id)
    if card.checked_in_at is not None:
        raise Refused("group_orders.already_came", "已到检", "无需提醒")
    if card.state is VisitState.CANCELLED:
        raise Refused("group_orders.visit_cancelled", "体检单已取消", "无需提醒")
    now = house_of(db).clock.now()
    told = db.scalars(
        select(Message.queued_at).where(
            Message.person_id == member.person_id, Message.occasion == Occasion.GROUP_EXAM.value, Message.queued_at > now - timedelta(days=1)
        )
    )
    if any(day_of(each) == day_of(now) for each in told):
        raise Refused("group_orders.reminded_today", "今天已提醒过", "同一人每天最多提醒一次")
    order = members.order_row(db, member.order_id)
    about = messages.About(visit_id=card.id, visit_no=card.visit_no, exam_on=order.closes_on)
    queued = messages.queue(db, Occasion.GROUP_EXAM, member.person_id, about)
    if queued.state is DeliveryState.HELD:
        return f"短信暂缓:{REASONS.get(queued.why, queued.why)}"
    return ""


def held_back(db: Session, task_id: UUID) -> list[tuple[str, int]]:
    """For a reminding: why messages wait, each reason with its number."""
    rows = db.execute(
        select(GroupTaskRow.text, func.count())
        .where(GroupTaskRow.task_id == task_id, GroupTaskRow.state == DONE, GroupTaskRow.text != "")
        .group_by(GroupTaskRow.text)
        .order_by(func.count().desc())
    )
    return [(row[0], row[1]) for row in rows]


_ACTS: dict[str, Callable[[Session, GroupTask, GroupTaskRow], str]] = {BOOK: _book, UNBOOK: _unbook, REMIND: _remind}
