"""Guide sheets or tube labels of a whole company in one PDF, in order; made by the worker, kept sealed for some days."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.errors import Refused, trace_of
from exam.kit.house import Actor, House, house_of, system_actor
from exam.kit.sealed_files import SealedFiles
from exam.visits.models import Visit
from group_orders import member_lists, members, tasks
from group_orders.member_lists import MemberFilters
from group_orders.models import GroupOrder, Member
from group_orders.progress import MemberTab
from group_orders.task_models import GroupTask, GroupTaskRow
from group_orders.tasks import DONE, PASSING, PRINT, REFUSED, RUNNING, WAITING, Chosen
from registration import printing, slips
from registration.facts import SLIP_NAMES, SlipKind

log = logging.getLogger("group_orders.prints")

MOST_PRINTED = 2_000
"""People in one file: it is drawn in memory."""
KEPT = timedelta(days=3)
"""How long a file may be fetched again: it is full of names, and made anew in a minute."""

Order = Literal["department", "name", "employee"]
ORDERS: dict[str, str] = {"department": "部门、工号", "name": "姓名", "employee": "工号"}


class CompanyPrints(SealedFiles):
    """The files of prints. They are not backed up: they can be made anew."""

    NAME, SUFFIX, PLACE = "prints", ".sealed", "group_orders_task.file"
    ROOM, TITLE = "group_orders", "打印文件"


def start(db: Session, order_id: UUID, kind: SlipKind, filters: MemberFilters, order: str) -> UUID:
    """Asks for one file of everybody chosen who has a day and has not returned the sheet: by day, then as `order` says."""
    if kind not in (SlipKind.GUIDE_SHEET, SlipKind.LABEL):
        raise Refused("group_orders.unknown_slip", "只能批量打印导检单或试管标签", "请重新选择", "kind")
    filters = msgspec.structs.replace(filters, tab=MemberTab.BOOKED)
    listed = [line for line in member_lists.member_list(db, order_id, filters, size=tasks.MOST_MEMBERS).lines if not line.card.sheet_returned_at]
    if len(listed) > MOST_PRINTED:
        raise Refused("group_orders.too_many", f"一次最多打印 {MOST_PRINTED} 人", "请按日期或部门分批打印")
    keys: dict[str, Any] = {
        "department": lambda line: (line.card.exam_on,),  # the list is in this order already
        "name": lambda line: (line.card.exam_on, line.card.person_name, line.card.visit_no),
        "employee": lambda line: (line.card.exam_on, line.employee_no == "", line.employee_no, line.card.visit_no),
    }
    ordered = sorted(listed, key=keys.get(order, keys["department"]))
    return tasks.start(db, order_id, PRINT, [Chosen(line.id, line.card.id, line.card.exam_on) for line in ordered], kind.value)


def file_of(db: Session, task_id: UUID) -> tuple[bytes, str]:
    """A finished file and its name; fetching it is audited, because names and numbers of a whole company leave with it."""
    row = tasks.task_row(db, task_id)
    if not row.file_digest:
        raise Refused("group_orders.no_file", "打印文件尚未生成,或已超过保留期", "请等待完成,或重新打印")
    order = members.order_row(db, row.order_id)
    audit.read(db, "group_orders.fetch_print", f"group_task:{task_id}", f"{row.done} 人")
    return CompanyPrints(house_of(db)).get(row.file_digest), f"{SLIP_NAMES[SlipKind(row.what)]} {order.name} {row.done}人.pdf"


# --- the worker's part -----------------------------------------------------------------------------------------------


def print_in_background(house: House) -> None:
    """The job: draws in a thread of its own, because a thousand sheets must not keep the worker from its other tasks."""
    before = house.cache.get("group_orders.prints")
    if before is not None and before.is_alive():
        return
    if not tasks.waiting_tasks(house, PRINT):
        return
    thread = threading.Thread(target=print_waiting, args=(house,), name="company-prints", daemon=True)
    house.cache["group_orders.prints"] = thread
    thread.start()


def print_waiting(house: House) -> None:
    """Makes the file of every print that was asked for. One that was interrupted is drawn from its beginning; nobody's print is
    logged twice for that.
    """
    for row in tasks.waiting_tasks(house, PRINT):
        actor = tasks.asker(row)
        try:
            _print(house, actor, row)
        except PASSING as passing:
            log.info("a print waits for the next round: %s", type(passing).__name__)
        except Exception as error:
            log.error("a company's print could not be made\n%s", trace_of(error))
            told = f"{error.text}。{error.hint}" if isinstance(error, Refused) else "生成打印文件时系统出错。请联系系统管理员,排除后继续"
            tasks.stop(house, actor, row.id, told)


def _print(house: House, actor: Actor, task: Any) -> None:
    kind = SlipKind(task.what)
    with house.unit(actor, write=False) as db:
        rows = db.execute(
            select(GroupTaskRow.number, GroupTaskRow.visit_id)
            .where(GroupTaskRow.task_id == task.id, GroupTaskRow.state != REFUSED)
            .order_by(GroupTaskRow.number)
        ).all()
        name = db.scalars(select(GroupOrder.name).where(GroupOrder.id == task.order_id)).one()
    drawn: list[Any] = []
    for at in range(0, len(rows), tasks.PART):
        part = rows[at : at + tasks.PART]
        if not _record(house, actor, task.id, kind, part):
            return  # somebody stopped it
        with house.unit(actor, write=False) as db:
            drawn += _contents(db, task.id, kind, [number for number, _ in part])
    content = b""
    if drawn:
        title = f"{SLIP_NAMES[kind]} {name}"
        content = slips.guide_sheets_pdf(drawn, title) if kind is SlipKind.GUIDE_SHEET else slips.tube_labels_pdf(drawn)
    digest = CompanyPrints(house).put(content) if content else ""
    with house.unit(actor) as db:
        row = tasks.task_row(db, task.id, lock=True)
        if row.state == RUNNING:
            row.file_digest = digest
            tasks.finish(db, row)


def _record(house: House, actor: Actor, task_id: UUID, kind: SlipKind, part: Sequence[Any]) -> bool:
    """Logs the prints of a part, once; whether the task goes on. Whoever cannot be printed is left out with the reason."""
    refused: dict[int, str] = {}
    while True:
        try:
            with house.unit(actor) as db:
                row = tasks.task_row(db, task_id, lock=True)
                if row.state != RUNNING:
                    return False
                if refused:
                    tasks.settle(db, row, refused)
                waiting = db.scalars(
                    select(GroupTaskRow)
                    .where(GroupTaskRow.task_id == task_id, GroupTaskRow.state == WAITING, GroupTaskRow.number.in_([each.number for each in part]))
                    .order_by(GroupTaskRow.number)
                ).all()
                for each in waiting:
                    _record_one(db, each, kind)
                row.done += len(waiting)
                audit.note(db, "group_orders.print_part", subject=f"group_task:{task_id}")
            return True
        except _NotPrinted as missed:
            refused[missed.number] = missed.text


class _NotPrinted(Exception):
    def __init__(self, number: int, text: str) -> None:
        super().__init__(number)
        self.number, self.text = number, text


def _record_one(db: Session, row: GroupTaskRow, kind: SlipKind) -> None:
    try:
        if db.scalars(select(Member.left_at).where(Member.id == row.member_id)).one() is not None:
            raise Refused("group_orders.member_left", "该成员已移出名单", "无需打印")
        printing.record_ahead(db, row.visit_id, kind)
    except Refused as refused:
        raise _NotPrinted(row.number, f"{refused.text}。{refused.hint}") from None
    row.state = DONE


def _contents(db: Session, task_id: UUID, kind: SlipKind, numbers: Sequence[int]) -> list[Any]:
    visit_ids = db.scalars(
        select(GroupTaskRow.visit_id)
        .join(Visit, Visit.id == GroupTaskRow.visit_id)
        .where(GroupTaskRow.task_id == task_id, GroupTaskRow.number.in_(numbers), GroupTaskRow.state == DONE)
        .order_by(GroupTaskRow.number)
    ).all()
    if kind is SlipKind.GUIDE_SHEET:
        return [printing.guide_sheet_of(db, visit_id) for visit_id in visit_ids]
    return [label for visit_id in visit_ids for label in printing.labels_of(db, visit_id)]


def forget_files(house: House) -> None:
    """The job: files that were kept long enough go."""
    with house.unit(system_actor(house.site), write=False) as db:
        old = db.execute(
            select(GroupTask.id, GroupTask.file_digest, GroupTask.site).where(
                GroupTask.file_digest != "", GroupTask.ended_at < house.clock.now() - KEPT
            )
        ).all()
    for row in old:
        with house.unit(system_actor(row.site)) as db:
            tasks.task_row(db, row.id, lock=True).file_digest = ""
            audit.note(db, "group_orders.forget_print", subject=f"group_task:{row.id}")
        with contextlib.suppress(FileNotFoundError):
            CompanyPrints(house).path_of(row.file_digest).unlink()
