"""Many persons at once: the files of a whole roster in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.series import next_number
from exam.people import pinyin, rules
from exam.people.facts import Holder, IdKind, NewPerson, PersonsRegistered
from exam.people.models import IdDocument, PersonSpelling
from exam.people.models import Person as PersonRow
from exam.people.service import document_index, refuse_other_person


def by_documents(db: Session, documents: Sequence[tuple[IdKind, str]]) -> dict[tuple[IdKind, str], UUID]:
    """Which of these documents, as `(kind, normalised number)`, have a file already; a statement for each five hundred."""
    indexes = {document_index(db, kind, number): (kind, number) for kind, number in documents if number}
    wanted = list(indexes)
    found: dict[tuple[IdKind, str], UUID] = {}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        rows = db.execute(select(IdDocument.number_index, IdDocument.person_id).where(IdDocument.number_index.in_(part)))
        found |= {indexes[bytes(row.number_index)]: row.person_id for row in rows}
    return found


def register_many(db: Session, new: Sequence[NewPerson]) -> list[Holder]:
    """The file of each of these persons, opened where a document has none yet; in their order.

    Refuses, as the desk does, a document that belongs to somebody of another name, sex or birth date; everything is rolled
    back then. A file that is there already is left as it is: a company's list does not correct what a person said.
    """
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    checked = [rules.check_person(each, day_of(now)) for each in new]
    known = by_documents(db, [(each.id_kind, each.id_no) for each in checked])
    files = {row.id: row for row in db.scalars(select(PersonRow).where(PersonRow.id.in_(set(known.values()))))}
    persons: list[dict[str, Any]] = []
    documents: list[dict[str, Any]] = []
    spellings: list[dict[str, Any]] = []
    found: list[Holder] = []
    opened: dict[UUID, rules.CheckedPerson] = {}
    missing = sum(1 for each in checked if not each.id_no or (each.id_kind, each.id_no) not in known)
    number = next_number(db, f"file:{actor.site}", missing) if missing else 0
    for each in checked:
        person_id = known.get((each.id_kind, each.id_no)) if each.id_no else None
        if person_id is not None:
            if person_id in opened:
                _refuse_two_of_one_document(opened[person_id], each)
                found.append(Holder(person_id, each.name, each.sex, each.birth_on))
            else:
                row = files[person_id]
                refuse_other_person(row, each)
                found.append(Holder(person_id, row.name, row.sex, row.birth_on))
            continue
        person_id = house.ids.new()
        tail = rules.index_phone(each.phone)
        persons.append(
            {"id": person_id, "file_no": f"{actor.site}{number:08d}", "site": actor.site, "name": each.name, "sex": each.sex,
             "birth_on": each.birth_on, "nation": each.nation, "marital": each.marital,
             "phone": house.cipher.seal(each.phone, f"exam_person.phone:{person_id}"),
             "phone_index": house.cipher.blind_index("phone", tail), "phone_tail": house.cipher.blind_index("tail", tail[-4:]),
             "address": house.cipher.seal(each.address, f"exam_person.address:{person_id}"),
             "organization_id": each.organization_id, "merged_into": None, "created_at": now, "ver": 1}
        )  # fmt: skip
        number += 1
        if each.id_no:
            document_id = house.ids.new()
            documents.append(
                {"id": document_id, "person_id": person_id, "kind": each.id_kind.value,
                 "number": house.cipher.seal(each.id_no, f"exam_id_document.number:{document_id}"),
                 "number_index": document_index(db, each.id_kind, each.id_no),
                 "number_tail": house.cipher.blind_index("tail", rules.index_last_four(each.id_no)), "added_at": now}
            )  # fmt: skip
            known[each.id_kind, each.id_no] = person_id
            opened[person_id] = each
        spellings += [{"person_id": person_id, "spelling": spelling} for spelling in dict.fromkeys(pinyin.readings(each.name))]
        found.append(Holder(person_id, each.name, each.sex, each.birth_on))
    insert_rows(db, PersonRow, persons)
    insert_rows(db, IdDocument, documents)
    insert_rows(db, PersonSpelling, spellings)
    audit.note(db, "people.register_many", reason=f"{len(persons)} 份新档案")
    announce(db, PersonsRegistered(tuple(row["id"] for row in persons), actor.site))
    return found


def _refuse_two_of_one_document(first: rules.CheckedPerson, second: rules.CheckedPerson) -> None:
    if (first.name, first.sex, first.birth_on) != (second.name, second.sex, second.birth_on):
        raise Refused("people.document_twice", "同一证件号码在名单中对应两个不同的人", "请核对名单后重新导入", "id_no")
