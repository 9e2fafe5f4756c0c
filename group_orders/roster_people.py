"""The people of a roster against what the database knows: who has a file, under which name, who is on the list, who comes anyway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit.house import actor_of
from exam.people import bulk
from exam.people import rules as people
from exam.people.models import Person
from exam.visits.facts import AWAY
from exam.visits.models import Visit, VisitBoard
from group_orders.facts import MemberDraft
from group_orders.models import Member
from group_orders.roster_facts import OrderInfo
from group_orders.roster_rules import CheckedRow, Problem

PART = 500
"""Ids in one statement."""


def with_people(db: Session, order: OrderInfo, rows: Sequence[CheckedRow]) -> list[CheckedRow]:
    """The rows with what the database knows of their people: on file, on file under another name, already in the order."""
    drafts = [row.draft for row in rows if row.draft is not None]
    known = bulk.by_documents(db, [(each.id_kind, each.id_no) for each in drafts])
    files: dict[UUID, Any] = {}
    for part in _parts(set(known.values())):
        basics = select(Person.id, Person.file_no, Person.name, Person.sex, Person.birth_on)
        files |= {each.id: each for each in db.execute(basics.where(Person.id.in_(part)))}
    present = select(Member.person_id).where(Member.order_id == order.id, Member.left_at.is_(None))
    members = {each for part in _parts(files) for each in db.scalars(present.where(Member.person_id.in_(part)))}
    visits = _visits(db, order, set(files))
    found = []
    for row in rows:
        if row.draft is not None:
            person_id = known.get((row.draft.id_kind, row.draft.id_no))
            row = _with_file(row, row.draft, files[person_id] if person_id else None, members, visits)
        found.append(row)
    return found


def _with_file(row: CheckedRow, draft: MemberDraft, file: Any, members: set[UUID], visits: Mapping[UUID, str]) -> CheckedRow:
    replace = msgspec.structs.replace
    if file is None:
        return replace(row, standing="new", draft=replace(draft, person_id=None))
    on_file = people.Identity(file.name, draft.id_kind, draft.id_no, file.sex, file.birth_on)
    standing = "known" if people.same_person(on_file, draft) is people.Sameness.SAME else "conflict"
    warnings = row.warnings
    if file.id in members:
        standing = "member"
    elif file.id in visits:
        warnings = (
            *warnings,
            Problem("", f"第 {row.row} 行", f"该人员在本批次期间已有体检({visits[file.id]})", "请核对是否重复体检"),
        )
    differs = [
        label
        for label, here, there in (
            ("姓名", people.index_name(draft.name), people.index_name(file.name)), ("性别", draft.sex, file.sex),
            ("出生日期", draft.birth_on, file.birth_on),
        )
        if here != there
    ]  # fmt: skip
    told = (
        f"档案 {file.file_no}(姓名首字“{file.name[:1]}”),{'、'.join(differs)}不同"
        if standing == "conflict"
        else f"档案 {file.file_no}"
    )
    return replace(row, standing=standing, file=told, draft=replace(draft, person_id=file.id), warnings=warnings)


def _visits(db: Session, order: OrderInfo, persons: set[UUID]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for part in _parts(persons):
        rows = db.execute(
            select(Visit.person_id, Visit.exam_on, Visit.visit_no)
            .join(VisitBoard, VisitBoard.visit_id == Visit.id)
            .where(
                Visit.person_id.in_(part), Visit.site == actor_of(db).site, Visit.exam_on.between(order.opens_on, order.closes_on),
                VisitBoard.state.not_in(tuple(AWAY)),
            )
        )  # fmt: skip
        found |= {row.person_id: f"{row.exam_on},体检号 {row.visit_no}" for row in rows}
    return found


def _parts(ids: Iterable[UUID]) -> Iterator[list[UUID]]:
    every = list(ids)
    return (every[start : start + PART] for start in range(0, len(every), PART))
