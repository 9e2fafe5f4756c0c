"""A roster accepted: the worker enrols its rows chunk by chunk, each in a transaction of its own, and goes on where it was stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from exam.kit import audit
from exam.kit.errors import Refused, Stale, trace_of
from exam.kit.house import Actor, House, actor_of, house_of, system_actor
from exam.people.models import Person
from group_orders import members, roster_staging, rules
from group_orders.facts import MemberDraft
from group_orders.roster_facts import ROSTER, RosterState, Summary
from group_orders.roster_models import RosterBatch, RosterChunk
from group_orders.roster_people import with_people
from group_orders.roster_rules import CheckedRow
from group_orders.roster_staging import batch_row, forget_chunks, is_taken, open_chunk, order_info

log = logging.getLogger("group_orders.rosters")

MOST_IN_ROUND = 4
"""Chunks that the worker enrols before it looks after its other tasks."""

PASSING = (StaleDataError, OperationalError, InterfaceError, NoConnectionFree, OSError)
"""The database or the disk was in trouble: the next round tries again."""


def accept(db: Session, batch_id: UUID, ver: int, *, skips_bad: bool) -> None:
    """Lets the worker enrol every sound row. With faulty rows the operator must say that they are left out."""
    row = batch_row(db, batch_id, lock=True)
    if row.ver != ver:
        raise Stale("该次导入已被他人处理")
    state = ROSTER.move(row.state, "accept", "导入")
    batch = roster_staging.batch(db, batch_id)
    rules.require_takes_members(members.order_row(db, row.order_id).state)
    _require_decided(batch.summary, skips_bad)
    _require_terms(db, row.order_id, batch.summary)
    actor = actor_of(db)
    row.state, row.fault = state, ""
    row.accepted_at, row.accepted_by, row.accepted_login, row.accepted_name = (
        house_of(db).clock.now(), actor.staff_id, actor.login, actor.name,
    )  # fmt: skip
    forget_chunks(db, batch_id, "cells")
    audit.note(db, "group_orders.accept_roster", subject=f"roster:{batch_id}", reason=f"{batch.summary.ready} 人")


def _require_decided(summary: Summary, skips_bad: bool) -> None:
    if summary.conflicts:
        told = f"还有 {summary.conflicts} 行的证件号码已登记在其他姓名的档案下,尚未决定"
        raise Refused("group_orders.roster_undecided", told, "请在“冲突”中逐行选择按档案导入或不导入")
    if not summary.ready:
        raise Refused("group_orders.roster_nobody", "没有可以导入的人员", "请修改文件后重新上传")
    if summary.bad and not skips_bad:
        told = f"有 {summary.bad} 行存在错误"
        raise Refused("group_orders.roster_bad_rows", told, "请修改文件后重新上传,或勾选“跳过错误行”", "skips_bad")


def _require_terms(db: Session, order_id: UUID, summary: Summary) -> None:
    """Refuses cohorts whose members would come for nothing."""
    rules_of = {each.name: each.cohort_id for each in roster_staging.cohort_rules(db, order_id)}
    terms = members.current_terms(db, rules_of.values())
    bare = [each.name for each in summary.cohorts if rules_of.get(each.name) not in terms]
    if bare:
        raise Refused(
            "group_orders.roster_no_terms", f"这些分组还没有体检方案:{'、'.join(bare)}", "请先为分组设置套餐或项目,再导入"
        )


def undo(db: Session, batch_id: UUID, reason: str) -> None:
    """Takes a whole batch off the order again while nobody of it has come; whoever came is named by the refusal."""
    if len(reason.strip()) < 2:
        raise Refused("group_orders.roster_reason", "撤销导入必须填写原因", "请填写撤销原因", "reason")
    row = batch_row(db, batch_id, lock=True)
    row.state = ROSTER.move(row.state, "undo", "撤销")
    row.ended_at, row.ended_name, row.ended_reason = house_of(db).clock.now(), actor_of(db).name, reason.strip()[:200]
    forget_chunks(db, batch_id)
    members.withdraw_batch(db, batch_id, reason.strip()[:200])
    audit.note(db, "group_orders.undo_roster", subject=f"roster:{batch_id}", reason=reason.strip()[:200])


# --- the worker's part -----------------------------------------------------------------------------------------------


def accept_waiting(house: House) -> None:
    """Enrols the next chunks of every accepted batch. Whatever ends this process leaves a chunk enrolled or waiting, never between."""
    with house.unit(system_actor(house.site), write=False) as db:
        waiting = db.execute(
            select(RosterBatch.__table__).where(RosterBatch.state == RosterState.ACCEPTING).order_by(RosterBatch.accepted_at)
        ).all()
    for batch in waiting:
        actor = Actor(staff_id=batch.accepted_by, login=batch.accepted_login, name=batch.accepted_name, site=batch.site)
        for _ in range(MOST_IN_ROUND):
            if not _enrol_next(house, actor, batch.id):
                break


def _enrol_next(house: House, actor: Actor, batch_id: UUID) -> bool:
    """Enrols one chunk; returns whether the batch goes on."""
    try:
        with house.unit(actor) as db:
            return _enrol_chunk(db, batch_id)
    except PASSING as passing:
        log.info("a roster waits for the next round: %s", type(passing).__name__)
    except Refused as refused:
        log.warning("a roster was stopped: %s", refused.code)
        _stop(house, actor, batch_id, f"{refused.text}。{refused.hint}")
    except Exception as error:
        log.error("a roster could not be enrolled\n%s", trace_of(error))
        _stop(house, actor, batch_id, "导入时系统出错,已导入的部分保留。请联系系统管理员,排除后继续")
    return False


def _enrol_chunk(db: Session, batch_id: UUID) -> bool:
    row = batch_row(db, batch_id, lock=True)
    if row.state != RosterState.ACCEPTING:
        return False
    now = house_of(db).clock.now()
    waiting = select(RosterChunk).where(
        RosterChunk.batch_id == batch_id, RosterChunk.kind == "checked", RosterChunk.done_at.is_(None)
    )
    chunks = db.scalars(waiting.order_by(RosterChunk.number).limit(2)).all()
    if chunks:
        rows: list[CheckedRow] = open_chunk(db, chunks[0], list[CheckedRow])
        taken = [each for each in rows if is_taken(each)]
        drafts = _still_sound(db, with_people(db, order_info(db, row.order_id), taken), taken)
        if drafts:
            members.enrol(db, row.order_id, batch_id, drafts)
        chunks[0].done_at = now
        row.done += len(taken)
    if len(chunks) < 2:
        row.state = ROSTER.move(row.state, "finish")
        row.ended_at = now
        forget_chunks(db, batch_id)
    audit.note(db, "group_orders.enrol_roster", subject=f"roster:{batch_id}", reason=f"{row.done} 人")
    return len(chunks) == 2


def _still_sound(db: Session, now: Sequence[CheckedRow], before: Sequence[CheckedRow]) -> list[MemberDraft]:
    """The drafts as people stand at this moment: whoever got a file or joined the order since the check is taken as such.

    A conflict that nobody decided stops the batch: the number was registered under another name after the check.
    """
    drafts: list[MemberDraft] = []
    by_file: set[UUID | None] = set()
    for row, old in zip(now, before, strict=True):
        if row.standing == "member":
            continue
        if row.standing == "conflict" and old.decision != "file":
            told = f"第 {row.row} 行的证件号码在检查之后登记到了另一姓名的{row.file}"
            raise Refused("group_orders.roster_new_conflict", told, "请核对证件后更正档案,再继续导入")
        if row.draft is not None:
            drafts.append(row.draft)
            by_file |= {row.draft.person_id} if row.standing == "conflict" else set()
    return _as_on_file(db, drafts, by_file)


def _as_on_file(db: Session, drafts: Sequence[MemberDraft], person_ids: set[UUID | None]) -> list[MemberDraft]:
    """Whoever was decided to be the person on file goes by the name, sex and birth date that stand there."""
    if not person_ids:
        return list(drafts)
    wanted = select(Person.id, Person.name, Person.sex, Person.birth_on).where(Person.id.in_(person_ids))
    files = {row.id: row for row in db.execute(wanted)}
    return [
        msgspec.structs.replace(each, name=file.name, sex=file.sex, birth_on=file.birth_on)
        if each.person_id in person_ids and (file := files[each.person_id])
        else each
        for each in drafts
    ]


def _stop(house: House, actor: Actor, batch_id: UUID, fault: str) -> None:
    with house.unit(actor) as db:
        row = batch_row(db, batch_id, lock=True)
        if row.state == RosterState.ACCEPTING:
            row.state, row.fault = ROSTER.move(row.state, "stop"), fault[:500]
            audit.note(db, "group_orders.stop_roster", subject=f"roster:{batch_id}")
