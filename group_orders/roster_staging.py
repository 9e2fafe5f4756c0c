"""A roster from its upload until somebody accepts it: stored sealed, judged, its conflicts decided. No person and no visit is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused, Stale
from exam.kit.house import House, actor_of, house_of, system_actor
from exam.kit.workbook_reader import Cell
from exam.people.models import Organization
from group_orders import roster_fields, roster_rules
from group_orders.facts import CohortRule, OrderState
from group_orders.models import Cohort, GroupOrder, Member
from group_orders.roster_facts import ROSTER, Batch, CohortCount, OrderInfo, RosterState, SheetInfo, Summary
from group_orders.roster_models import RosterBatch, RosterChunk, RosterMapping
from group_orders.roster_people import with_people
from group_orders.roster_rules import CheckedRow
from group_orders.roster_sheet import Sheet, text_of

CHUNK_ROWS = 500
KEPT_DAYS = 30
"""A roster that nobody accepts is discarded after so many days: it holds people's numbers."""

TAKING = frozenset({OrderState.DRAFT, OrderState.APPROVED, OrderState.OPEN})
"""States of an order that still takes members."""

DECISIONS = {"file": "按已有档案导入", "skip": "不导入此行", "": "待决定"}


# --- orders and batches ----------------------------------------------------------------------------------------------


def order_info(db: Session, order_id: UUID) -> OrderInfo:
    """The order of the actor's site that a roster is for."""
    row = db.execute(
        select(GroupOrder, Organization.name)
        .join(Organization, Organization.id == GroupOrder.organization_id)
        .where(GroupOrder.id == order_id, GroupOrder.site == actor_of(db).site)
    ).first()
    if row is None:
        raise NotFound("没有找到该团检批次", "请从团检列表重新进入")
    order, organization = row
    return OrderInfo(
        order.id, order.name, order.organization_id, organization, order.opens_on, order.closes_on, order.state in TAKING
    )


def _require_taking(order: OrderInfo) -> None:
    if not order.is_open:
        raise Refused("group_orders.roster_order_closed", "该批次已完成或结算,不能再导入名单", "请重新打开批次或新建一轮")


def cohort_rules(db: Session, order_id: UUID) -> tuple[CohortRule, ...]:
    """The active cohorts of an order, in their order."""
    rows = db.scalars(select(Cohort).where(Cohort.order_id == order_id, Cohort.active).order_by(Cohort.position, Cohort.name))
    return tuple(
        CohortRule(
            row.id, row.name, row.sex, row.age_from, row.age_to, row.marital,
            msgspec.json.decode(row.jobs, type=tuple[str, ...]), msgspec.json.decode(row.posts, type=tuple[str, ...]),
        )
        for row in rows
    )  # fmt: skip


def batch_row(db: Session, batch_id: UUID, *, lock: bool = False) -> RosterBatch:
    """A batch of the actor's site."""
    wanted = select(RosterBatch).where(RosterBatch.id == batch_id, RosterBatch.site == actor_of(db).site)
    row = db.scalar(wanted.with_for_update() if lock else wanted)
    if row is None:
        raise NotFound("没有找到该次导入", "请从批次的导入记录重新进入")
    return row


def batch(db: Session, batch_id: UUID) -> Batch:
    """A batch as screens show it."""
    row = batch_row(db, batch_id)
    return _batch(row, order_info(db, row.order_id))


def _batch(row: RosterBatch, order: OrderInfo) -> Batch:
    return Batch(
        id=row.id, order_id=row.order_id, order_name=order.name, organization_id=row.organization_id, organization=order.organization,
        opens_on=order.opens_on, closes_on=order.closes_on, file_name=row.file_name,
        sheets=msgspec.json.decode(row.sheets, type=tuple[SheetInfo, ...]), sheet=row.sheet, header_row=row.header_row,
        mapping=msgspec.json.decode(row.mapping, type=dict[str, int]), state=RosterState(row.state),
        summary=msgspec.json.decode(row.summary, type=Summary), done=row.done, fault=row.fault, uploaded_at=row.uploaded_at,
        uploaded_name=row.uploaded_name, accepted_at=row.accepted_at, accepted_name=row.accepted_name, ended_at=row.ended_at,
        ended_name=row.ended_name, ended_reason=row.ended_reason, ver=row.ver,
    )  # fmt: skip


def batches(db: Session, order: OrderInfo) -> list[Batch]:
    """The last uploads of an order, newest first."""
    rows = db.scalars(
        select(RosterBatch)
        .where(RosterBatch.order_id == order.id)
        .order_by(RosterBatch.uploaded_at.desc(), RosterBatch.id.desc())
        .limit(50)
    )
    return [_batch(row, order) for row in rows]


# --- sealed chunks ---------------------------------------------------------------------------------------------------


def _place(batch_id: UUID, kind: str, sheet: int, number: int) -> str:
    return f"group_orders_roster_chunk.{kind}:{batch_id}/{sheet}/{number}"


def _store(db: Session, batch_id: UUID, kind: str, sheet: int, rows: Sequence[Any]) -> None:
    cipher = house_of(db).cipher
    insert_rows(
        db, RosterChunk,
        [
            {"batch_id": batch_id, "kind": kind, "sheet": sheet, "number": number, "done_at": None,
             "content": cipher.seal(msgspec.json.encode(rows[start : start + CHUNK_ROWS]).decode(), _place(batch_id, kind, sheet, number))}
            for number, start in enumerate(range(0, len(rows), CHUNK_ROWS))
        ],
    )  # fmt: skip


def open_chunk(db: Session, chunk: RosterChunk, type_: Any) -> Any:
    """What a chunk holds."""
    place = _place(chunk.batch_id, chunk.kind, chunk.sheet, chunk.number)
    return msgspec.json.decode(house_of(db).cipher.open(chunk.content, place), type=type_)


def _cells(db: Session, batch_id: UUID, sheet: int, most: int | None = None) -> list[list[Cell]]:
    wanted = select(RosterChunk).where(RosterChunk.batch_id == batch_id, RosterChunk.kind == "cells", RosterChunk.sheet == sheet)
    if most is not None:
        wanted = wanted.where(RosterChunk.number <= most // CHUNK_ROWS)
    chunks = db.scalars(wanted.order_by(RosterChunk.number))
    return [row for chunk in chunks for row in open_chunk(db, chunk, list[list[Cell]])]


def _checked_chunks(db: Session, batch_id: UUID) -> Iterator[tuple[RosterChunk, list[CheckedRow]]]:
    wanted = select(RosterChunk).where(RosterChunk.batch_id == batch_id, RosterChunk.kind == "checked").order_by(RosterChunk.number)
    for chunk in db.scalars(wanted).all():
        yield chunk, open_chunk(db, chunk, list[CheckedRow])


def checked_rows(db: Session, batch_id: UUID) -> list[CheckedRow]:
    """Every judged row of a batch as the file has them; the reading is audited."""
    row = batch_row(db, batch_id)
    audit.read(db, "group_orders.read_roster", f"roster:{batch_id}")
    found = [each for _, rows in _checked_chunks(db, row.id) for each in rows]
    return sorted(found, key=lambda each: each.row)


def forget_chunks(db: Session, batch_id: UUID, kind: str = "") -> None:
    """Removes what a batch holds of people."""
    gone = delete(RosterChunk).where(RosterChunk.batch_id == batch_id)
    db.execute(gone.where(RosterChunk.kind == kind) if kind else gone)


# --- upload ----------------------------------------------------------------------------------------------------------


def store(db: Session, order_id: UUID, file_name: str, content: bytes, sheets: Sequence[Sheet]) -> UUID:
    """Keeps an uploaded file's cells, sealed, until somebody accepts or discards them. The same file twice is refused."""
    house, actor = house_of(db), actor_of(db)
    order = order_info(db, order_id)
    _require_taking(order)
    digest = house.cipher.blind_index("roster_file", hashlib.sha256(content).hexdigest())
    _refuse_same_file(db, order_id, digest)
    batch_id, now = house.ids.new(), house.clock.now()
    infos = [SheetInfo(each.name[:100], each.header_row, len(each.rows)) for each in sheets]
    db.add(
        RosterBatch(
            id=batch_id, order_id=order_id, organization_id=order.organization_id, site=actor.site, file_name=file_name[:200],
            file_digest=digest, sheets=_json(infos), sheet=0, header_row=infos[0].header_row, mapping="{}", state=RosterState.READ,
            summary=_json(Summary()), rows_digest=b"", done=0, fault="", uploaded_at=now, uploaded_by=actor.staff_id,
            uploaded_name=actor.name, accepted_at=None, accepted_by=None, accepted_login="", accepted_name="", ended_at=None,
            ended_name="", ended_reason="", ver=1,
        )
    )  # fmt: skip
    db.flush()
    for number, sheet in enumerate(sheets):
        _store(db, batch_id, "cells", number, sheet.rows)
    audit.note(db, "group_orders.upload_roster", subject=f"roster:{batch_id}")
    return batch_id


def _refuse_same_file(db: Session, order_id: UUID, digest: bytes) -> None:
    ended = (RosterState.DISCARDED, RosterState.UNDONE)
    same = db.scalar(
        select(RosterBatch)
        .where(RosterBatch.order_id == order_id, RosterBatch.file_digest == digest, RosterBatch.state.not_in(ended))
        .limit(1)
    )
    if same is not None:
        raise Refused(
            "group_orders.roster_same_file",
            f"同一文件已由 {same.uploaded_name} 上传到本批次(“{same.file_name}”,{ROSTER.titles[same.state]})",
            "请在下方“导入记录”中打开;确需重新导入,请先放弃或撤销那一次",
            "file",
        )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# --- columns ---------------------------------------------------------------------------------------------------------


def remembered(db: Session, organization_id: UUID) -> dict[str, str]:
    """What an organisation's headers meant the last time."""
    row = db.get(RosterMapping, organization_id)
    return msgspec.json.decode(row.mapping, type=dict[str, str]) if row is not None else {}


def sample(db: Session, batch: Batch, sheet: int, header_row: int, rows: int = 8) -> tuple[list[str], list[tuple[int, list[Cell]]]]:
    """The header of a sheet and its first rows with their numbers; the reading is audited."""
    audit.read(db, "group_orders.read_roster", f"roster:{batch.id}")
    if not (0 <= sheet < len(batch.sheets) and 1 <= header_row <= batch.sheets[sheet].rows):
        raise Refused("group_orders.roster_header", "表头行超出工作表的范围", "请填写表头所在的行号", "header_row")
    cells = _cells(db, batch.id, sheet, header_row + 3 * rows)
    header = [text_of(cell) for cell in cells[header_row - 1]]
    found = [(number, row) for number, row in enumerate(cells[header_row:], header_row + 1) if any(row)]
    return header, found[:rows]


# --- checking --------------------------------------------------------------------------------------------------------


class Judged(msgspec.Struct, frozen=True):
    """What checking a batch gave, before it is stored."""

    sheet: int
    header_row: int
    header: list[str]
    mapping: dict[str, int]
    rows: list[CheckedRow]
    summary: Summary


def judge(db: Session, batch_id: UUID, sheet: int, header_row: int, mapping: Mapping[str, int]) -> Judged:
    """Checks every row of a sheet against the rules, the cohorts and the people on file. Reads only."""
    house, row = house_of(db), batch_row(db, batch_id)
    ROSTER.move(row.state, "check", "检查")
    order = order_info(db, row.order_id)
    missing = roster_rules.required_columns(mapping)
    if missing:
        raise Refused("group_orders.roster_columns", f"还没有指定这些列:{'、'.join(missing)}", "请在“对应列”中选择", "columns")
    cells = _cells(db, batch_id, sheet)
    if not 1 <= header_row < len(cells) + 1 or any(not 0 <= place < len(cells[0]) for place in mapping.values()):
        raise Refused("group_orders.roster_header", "表头行或列超出工作表的范围", "请重新选择", "header_row")
    cohorts = cohort_rules(db, order.id)
    if not cohorts:
        raise Refused("group_orders.roster_no_cohorts", "本批次还没有分组", "请先建立分组再检查名单")
    numbers = frozenset(db.scalars(select(Member.employee_no).where(Member.order_id == order.id, Member.left_at.is_(None))))
    roster = roster_rules.Roster(cohorts, order.opens_on, day_of(house.clock.now()), numbers)
    data = list(enumerate(cells[header_row:], header_row + 1))
    checked = with_people(db, order, roster_rules.check(data, mapping, roster))
    if not checked:
        raise Refused("group_orders.roster_no_rows", "表头之下没有名单", "请检查表头行的选择", "header_row")
    # An employee comes before the family that names them, also across chunks.
    checked.sort(key=lambda each: each.draft is not None and bool(each.draft.relation))
    header = [text_of(cell) for cell in cells[header_row - 1]]
    return Judged(sheet, header_row, header, dict(mapping), checked, summarize(checked, cohorts))


def keep(db: Session, batch_id: UUID, judged: Judged, ver: int) -> None:
    """Stores what checking gave, and what the headers meant for this organisation."""
    house, row = house_of(db), batch_row(db, batch_id, lock=True)
    if row.ver != ver:
        raise Stale("该次导入已被他人处理")
    row.state = ROSTER.move(row.state, "check", "检查")
    row.sheet, row.header_row, row.mapping = judged.sheet, judged.header_row, _json(judged.mapping)
    forget_chunks(db, batch_id, "checked")
    _store(db, batch_id, "checked", judged.sheet, judged.rows)
    _summed(db, row, judged.rows, judged.summary)
    lesson = roster_fields.lesson(judged.header, judged.mapping)
    known = db.get(RosterMapping, row.organization_id)
    if known is None:
        known = RosterMapping(organization_id=row.organization_id, mapping="{}", ver=1)
        db.add(known)
    known.mapping = _json({**msgspec.json.decode(known.mapping, type=dict[str, str]), **lesson})
    known.changed_at, known.changed_by = house.clock.now(), actor_of(db).staff_id
    audit.note(db, "group_orders.check_roster", subject=f"roster:{batch_id}")


def _summed(db: Session, row: RosterBatch, rows: Sequence[CheckedRow], summary: Summary) -> None:
    row.summary = _json(summary)
    row.rows_digest = house_of(db).cipher.blind_index("roster_rows", hashlib.sha256(msgspec.json.encode(rows)).hexdigest())


def is_taken(row: CheckedRow) -> bool:
    """Whether a row becomes a member when the batch is accepted."""
    return row.draft is not None and (row.standing in ("new", "known") or (row.standing == "conflict" and row.decision == "file"))


def summarize(rows: Sequence[CheckedRow], cohorts: Sequence[CohortRule]) -> Summary:
    """The counts of a batch."""
    names = {each.cohort_id: each.name for each in cohorts}
    new, known = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    standings: dict[str, int] = {}
    for row in rows:
        key = "bad" if row.draft is None else row.decision or "open" if row.standing == "conflict" else row.standing
        standings[key] = standings.get(key, 0) + 1
        if row.draft is not None and is_taken(row):
            (new if row.standing == "new" else known)[row.draft.cohort_id] += 1
    return Summary(
        rows=len(rows), bad=standings.get("bad", 0), problems=sum(len(row.problems) for row in rows),
        warnings=sum(len(row.warnings) for row in rows), new=standings.get("new", 0), known=standings.get("known", 0),
        conflicts=standings.get("open", 0), by_file=standings.get("file", 0), skipped=standings.get("skip", 0),
        members=standings.get("member", 0),
        cohorts=tuple(CohortCount(name, new[key], known[key]) for key, name in names.items() if new[key] or known[key]),
    )  # fmt: skip


# --- decisions, and giving up ----------------------------------------------------------------------------------------


def decide(db: Session, batch_id: UUID, row_number: int | None, decision: str, ver: int) -> None:
    """What is to be done with a row whose number stands under another name (None: with all that are still open)."""
    if decision not in DECISIONS:
        raise Refused("group_orders.roster_decision", "没有这种处理方式", "请选择按档案导入或不导入", "decision")
    row = batch_row(db, batch_id, lock=True)
    if row.ver != ver:
        raise Stale("该次导入已被他人处理")
    if row.state != RosterState.CHECKED:
        raise Refused("group_orders.roster_not_checked", "该次导入不在待确认状态", "请刷新页面查看最新状态")
    cipher, every, changed = house_of(db).cipher, [], 0
    for chunk, rows in _checked_chunks(db, batch_id):
        after = [
            msgspec.structs.replace(each, decision=decision)
            if each.standing == "conflict" and (each.row == row_number if row_number is not None else not each.decision)
            else each
            for each in rows
        ]
        if after != rows:
            changed += sum(a != b for a, b in zip(after, rows, strict=True))
            chunk.content = cipher.seal(msgspec.json.encode(after).decode(), _place(batch_id, "checked", chunk.sheet, chunk.number))
        every += after
    if not changed and row_number is not None and all(each.row != row_number or each.standing != "conflict" for each in every):
        raise NotFound("该行没有待决定的冲突", "请刷新页面")
    _summed(db, row, every, summarize(every, cohort_rules(db, row.order_id)))
    audit.note(
        db, "group_orders.decide_roster", subject=f"roster:{batch_id}", reason=f"第 {row_number or '全部'} 行:{DECISIONS[decision]}"
    )


def discard(db: Session, batch_id: UUID) -> None:
    """Gives a roster up that was not accepted; what it holds of people is removed."""
    row = batch_row(db, batch_id, lock=True)
    row.state = ROSTER.move(row.state, "discard", "放弃")
    row.ended_at, row.ended_name = house_of(db).clock.now(), actor_of(db).name
    forget_chunks(db, batch_id)
    audit.note(db, "group_orders.discard_roster", subject=f"roster:{batch_id}")


def discard_old(house: House) -> None:
    """Discards what nobody accepted within a month."""
    before = house.clock.now() - timedelta(days=KEPT_DAYS)
    with house.unit(system_actor(house.site), write=False) as db:
        waiting = (RosterState.READ, RosterState.CHECKED)
        old = db.execute(
            select(RosterBatch.id, RosterBatch.site).where(RosterBatch.state.in_(waiting), RosterBatch.uploaded_at < before)
        ).all()
    for each in old:
        with house.unit(system_actor(each.site)) as db:
            discard(db, each.id)
