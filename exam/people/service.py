"""People: register, find, correct and show. What identifies a person is sealed; showing it plainly is a logged act."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, Uuid, column, exists, or_, select, table
from sqlalchemy.orm import Session

from exam.kit import audit, masks
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.series import next_number
from exam.people import pinyin, rules
from exam.people.facts import IdKind, NewPerson, Person, PersonCorrected, PersonRegistered
from exam.people.models import IdDocument, Organization, PersonSpelling
from exam.people.models import Person as PersonRow

MOST_FOUND = 50

REVEALABLE = {"id_no": "证件号码", "phone": "联系电话", "address": "地址"}


class Registration(msgspec.Struct, frozen=True):
    """The outcome of registering: the person, whether the file is new, and what the desk should look at."""

    person_id: UUID
    is_new: bool
    warnings: tuple[str, ...] = ()


def register(db: Session, new: NewPerson) -> Registration:
    """Opens a file for a person, or finds the file that this document already has.

    The same number with another name, sex or birth date is refused: somebody has to look (domain.md §6.1).
    """
    house, actor = house_of(db), actor_of(db)
    today = day_of(house.clock.now())
    checked = rules.check_person(new, today)
    known = find_by_document(db, checked.id_kind, checked.id_no)
    if known is not None:
        row = db.get_one(PersonRow, known)
        refuse_other_person(row, checked)
        return Registration(known, False, (*checked.warnings, *_refresh_contact(db, row, checked)))
    warnings = list(checked.warnings)
    alike = db.scalars(
        select(PersonRow.file_no).where(
            PersonRow.name == checked.name, PersonRow.birth_on == checked.birth_on, PersonRow.sex == checked.sex,
            _is_known_here(actor.site),
        )
    ).first()  # fmt: skip
    if alike:
        warnings.append(f"已有同名、同性别、同出生日期的档案 {alike},请核对是否为同一人")
    person_id = house.ids.new()
    place = str(person_id)
    db.add(
        PersonRow(
            id=person_id, file_no=f"{actor.site}{next_number(db, f'file:{actor.site}'):08d}", site=actor.site, name=checked.name,
            sex=checked.sex, birth_on=checked.birth_on, nation=checked.nation, marital=checked.marital,
            phone=house.cipher.seal(checked.phone, f"exam_person.phone:{place}"),
            phone_index=house.cipher.blind_index("phone", rules.index_phone(checked.phone)),
            phone_tail=house.cipher.blind_index("tail", rules.index_phone(checked.phone)[-4:]),
            address=house.cipher.seal(checked.address, f"exam_person.address:{place}"),
            organization_id=checked.organization_id, merged_into=None, created_at=house.clock.now(), ver=1,
        )
    )  # fmt: skip
    db.flush()
    if checked.id_no:
        document_id = house.ids.new()
        db.add(
            IdDocument(
                id=document_id, person_id=person_id, kind=checked.id_kind,
                number=house.cipher.seal(checked.id_no, f"exam_id_document.number:{document_id}"),
                number_index=document_index(db, checked.id_kind, checked.id_no),
                number_tail=house.cipher.blind_index("tail", rules.index_last_four(checked.id_no)), added_at=house.clock.now(),
            )
        )  # fmt: skip
    spellings = dict.fromkeys(pinyin.readings(checked.name))
    insert_rows(db, PersonSpelling, [{"person_id": person_id, "spelling": spelling} for spelling in spellings])
    announce(db, PersonRegistered(person_id, actor.site))
    return Registration(person_id, True, tuple(warnings))


def document_index(db: Session, kind: IdKind | str, number: str) -> bytes:
    """The blind index of a document number, under which the same number has one file."""
    return house_of(db).cipher.blind_index(f"id:{_index_kind(kind)}", rules.index_id(number))


def _index_kind(kind: IdKind | str) -> str:
    """Numbers of GB 11643's shape are one space of numbers, whatever card they are printed on."""
    return "gb11643" if kind in (IdKind.RESIDENT, IdKind.HK_MACAO_TAIWAN_RESIDENCE, IdKind.FOREIGN_PERMANENT) else str(kind)


def find_by_document(db: Session, kind: IdKind, number: str) -> UUID | None:
    """The person whose document this is, whatever site opened the file; None when it is unknown."""
    if not number:
        return None
    found = db.scalar(select(IdDocument.person_id).where(IdDocument.number_index == document_index(db, kind, number)))
    if found is not None:
        db.info.setdefault("documented_persons", set()).add(found)
    return found


def refuse_other_person(row: PersonRow, checked: rules.CheckedPerson) -> None:
    """Refuses a person whose document belongs to a file with another name, sex or birth date."""
    on_file = rules.Identity(row.name, checked.id_kind, checked.id_no, row.sex, row.birth_on)
    if rules.same_person(on_file, checked) is not rules.Sameness.SAME:
        raise Refused(
            "people.document_conflict",
            f"该证件号码已登记在档案 {row.file_no}(姓名首字“{row.name[:1]}”)名下,与本次填写的姓名、性别或出生日期不一致",
            "请核对证件原件;如档案有误,请由身份核对岗更正档案",
            "name",
        )


def _refresh_contact(db: Session, row: PersonRow, checked: rules.CheckedPerson) -> tuple[str, ...]:
    changed = _change_contact(db, row, checked)
    if changed:
        announce(db, PersonCorrected(row.id, row.site, tuple(changed)))
        return ("已更新档案中的联系方式或单位",)
    return ()


def _change_contact(db: Session, row: PersonRow, checked: rules.CheckedPerson) -> list[str]:
    """Takes over phone and organisation where they were typed and differ; what was left empty stays."""
    house = house_of(db)
    changed = []
    if checked.phone and row.phone_index != house.cipher.blind_index("phone", rules.index_phone(checked.phone)):
        row.phone = house.cipher.seal(checked.phone, f"exam_person.phone:{row.id}")
        row.phone_index = house.cipher.blind_index("phone", rules.index_phone(checked.phone))
        row.phone_tail = house.cipher.blind_index("tail", rules.index_phone(checked.phone)[-4:])
        changed.append("phone")
    if checked.organization_id and row.organization_id != checked.organization_id:
        row.organization_id = checked.organization_id
        changed.append("organization")
    return changed


# --- reading ---------------------------------------------------------------------------------------------------------


# The table of visits, which lies above this room: only its person and site are asked.
_VISIT = table("exam_visit", column("person_id", Uuid()), column("site"))


def _is_known_here(site: str) -> ColumnElement[bool]:
    """Whether a file was opened at this site, or its person has had a visit here (AT-04)."""
    return or_(PersonRow.site == site, exists().where(_VISIT.c.person_id == PersonRow.id, _VISIT.c.site == site))


def get_row(db: Session, person_id: UUID) -> PersonRow:
    """The person's row, whatever site opened the file; for a room that already knows whom it serves."""
    row = db.get(PersonRow, person_id)
    if row is None:
        raise NotFound("没有找到该受检者", "请核对姓名或证件号")
    return row


def _own_row(db: Session, person_id: UUID) -> PersonRow:
    """The row of a person whom the actor's site knows, or whose document was presented just now; else it is not found."""
    row = get_row(db, person_id)
    site = actor_of(db).site
    if row.site == site or person_id in db.info.get("documented_persons", ()):
        return row
    if db.scalar(select(PersonRow.id).where(PersonRow.id == person_id, _is_known_here(site))) is None:
        raise NotFound("没有找到该受检者", "请核对姓名或证件号")
    return row


def person(db: Session, person_id: UUID) -> Person:
    """A person as screens show one, masked; the reading is audited."""
    row = _own_row(db, person_id)
    audit.read(db, "people.read", f"person:{row.file_no}")
    return _masked(db, [row])[0]


def _masked(db: Session, rows: Sequence[PersonRow]) -> list[Person]:
    house = house_of(db)
    ids = [row.id for row in rows]
    documents: dict[UUID, IdDocument] = {}
    for document in db.scalars(select(IdDocument).where(IdDocument.person_id.in_(ids)).order_by(IdDocument.id)):
        documents.setdefault(document.person_id, document)
    names = organization_names(db, {row.organization_id for row in rows if row.organization_id})
    found = []
    for row in rows:
        held = documents.get(row.id)
        number = house.cipher.open(held.number, f"exam_id_document.number:{held.id}") if held else ""
        found.append(
            Person(
                id=row.id, file_no=row.file_no, name=row.name, sex=row.sex, birth_on=row.birth_on,
                id_kind=IdKind(held.kind) if held else IdKind.NONE, id_masked=masks.mask_id(number),
                phone_masked=masks.mask_phone(house.cipher.open(row.phone, f"exam_person.phone:{row.id}")),
                address_masked=masks.mask_address(house.cipher.open(row.address, f"exam_person.address:{row.id}")),
                organization=names.get(row.organization_id, "") if row.organization_id else "",
            )
        )  # fmt: skip
    return found


def reveal(db: Session, person_id: UUID, field: str, reason: str) -> str:
    """One field in plain text. Needs a reason, and is audited before the answer leaves."""
    if field not in REVEALABLE:
        raise NotFound
    if len(reason.strip()) < 2:
        raise Refused("people.reason_missing", f"查看完整{REVEALABLE[field]}必须填写原因", "请填写查看原因", "reason")
    row = _own_row(db, person_id)
    audit.read(db, f"people.reveal_{field}", f"person:{row.file_no}", reason.strip()[:200])
    house = house_of(db)
    if field == "id_no":
        held = _document_of(db, row.id)
        return house.cipher.open(held.number, f"exam_id_document.number:{held.id}") if held else ""
    sealed = row.phone if field == "phone" else row.address
    return house.cipher.open(sealed, f"exam_person.{field}:{row.id}")


def search(db: Session, text: str) -> list[Person]:
    """People whom this site knows, by what the desk typed: whole document number or phone, last four of either, name or
    pinyin by prefix."""
    statement = search_statement(db, text)
    if statement is None:
        return []
    found = select(PersonRow).where(PersonRow.id.in_(statement), _is_known_here(actor_of(db).site))
    return _masked(db, db.scalars(found.order_by(PersonRow.name, PersonRow.id).limit(MOST_FOUND)).all())


def search_statement(db: Session, text: str) -> Select[UUID] | None:
    """The ids that `search` looks for, as a statement other rooms may join; None for a text that is too short."""
    plain = "".join(text.split())
    cipher = house_of(db).cipher
    if not plain or len(plain) > 60:
        return None
    if plain.upper().replace("X", "").isdigit() and len(plain) == 4:
        tail = cipher.blind_index("tail", plain.upper())
        by_number = select(IdDocument.person_id).where(IdDocument.number_tail == tail)
        return by_number.union(select(PersonRow.id).where(PersonRow.phone_tail == tail))  # type: ignore[return-value]
    if any(character.isdigit() for character in plain):
        kinds = {document_index(db, kind, plain) for kind in IdKind}
        phone = cipher.blind_index("phone", rules.index_phone(plain))
        by_number = select(IdDocument.person_id).where(IdDocument.number_index.in_(kinds))
        return by_number.union(  # type: ignore[return-value]
            select(PersonRow.id).where(PersonRow.phone_index == phone), select(PersonRow.id).where(PersonRow.file_no == plain)
        )
    if plain.isascii():
        if len(plain) < 2:
            return None
        low, high = prefix_bounds(plain.lower())
        return select(PersonSpelling.person_id).where(PersonSpelling.spelling >= low, PersonSpelling.spelling < high)
    low, high = prefix_bounds(plain)
    return select(PersonRow.id).where(PersonRow.name >= low, PersonRow.name < high)


def prefix_bounds(prefix: str) -> tuple[str, str]:
    """The half-open interval of texts that begin with `prefix`: an index range on either database, with no wildcard."""
    return prefix, prefix + "\U0010ffff"


def correct(db: Session, person_id: UUID, new: NewPerson, ver: int, reason: str) -> None:
    """Corrects a person's basics. `ver` is the version the desk saw; somebody else's change in between is not lost."""
    house = house_of(db)
    if not reason.strip():
        raise Refused("people.reason_missing", "更正档案必须填写原因", "请填写更正原因", "reason")
    row = _own_row(db, person_id)
    if row.ver != ver:
        raise Refused("people.stale", "该档案已被他人修改", "请刷新后核对最新内容再更正")
    document = _document_of(db, person_id)
    if not new.id_no and document is not None:
        # The desk did not retype the number: what is stored goes on judging sex and birth date.
        number = house.cipher.open(document.number, f"exam_id_document.number:{document.id}")
        new = msgspec.structs.replace(new, id_kind=IdKind(document.kind), id_no=number)
    checked = rules.check_person(new, day_of(house.clock.now()))
    holder = find_by_document(db, checked.id_kind, checked.id_no)
    if holder is not None and holder != person_id:
        raise Refused("people.document_conflict", "该证件号码已属于另一份档案", "请核对证件号码", "id_no")
    documented = _correct_document(db, row, document, checked)
    fields = [name for name in ("name", "sex", "birth_on", "nation", "marital") if getattr(row, name) != getattr(checked, name)]
    for name in fields:
        setattr(row, name, getattr(checked, name))
    if "name" in fields:
        for spelling in db.scalars(select(PersonSpelling).where(PersonSpelling.person_id == person_id)):
            db.delete(spelling)
        db.flush()
        readings = dict.fromkeys(pinyin.readings(checked.name))
        insert_rows(db, PersonSpelling, [{"person_id": person_id, "spelling": spelling} for spelling in readings])
    fields += [*documented, *_change_contact(db, row, checked)]
    if checked.address:
        row.address = house.cipher.seal(checked.address, f"exam_person.address:{person_id}")
        fields.append("address")
    audit.note(db, "people.correct", subject=f"person:{row.file_no}", reason=reason)
    announce(db, PersonCorrected(person_id, row.site, tuple(fields)))


def _document_of(db: Session, person_id: UUID) -> IdDocument | None:
    return db.scalar(select(IdDocument).where(IdDocument.person_id == person_id).order_by(IdDocument.id))


def _correct_document(db: Session, row: PersonRow, document: IdDocument | None, checked: rules.CheckedPerson) -> list[str]:
    """Puts the number that was typed in the place of a wrong one, or adds the first; returns the names of what changed."""
    house = house_of(db)
    if not checked.id_no:
        return []
    index = document_index(db, checked.id_kind, checked.id_no)
    if document is not None and document.number_index == index and document.kind == checked.id_kind:
        return []
    if document is None:
        document = IdDocument(id=house.ids.new(), person_id=row.id, added_at=house.clock.now())
        db.add(document)
    document.kind = checked.id_kind
    document.number = house.cipher.seal(checked.id_no, f"exam_id_document.number:{document.id}")
    document.number_index = index
    document.number_tail = house.cipher.blind_index("tail", rules.index_last_four(checked.id_no))
    return ["id_no"]


def masked_phones(db: Session, person_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The masked phones of people whom the caller's own list names already; one statement, whose reading the caller audits."""
    cipher = house_of(db).cipher
    sealed = select(PersonRow.id, PersonRow.phone).where(PersonRow.id.in_(list(person_ids)))
    return {row.id: masks.mask_phone(cipher.open(row.phone, f"exam_person.phone:{row.id}")) for row in db.execute(sealed)}


class Basics(msgspec.Struct, frozen=True):
    """What the form of a correction shows: the plain basics with their version, nothing that is masked."""

    id: UUID
    file_no: str
    name: str
    sex: str
    birth_on: date
    nation: str
    marital: str
    organization_id: UUID | None
    ver: int


def basics(db: Session, person_id: UUID) -> Basics:
    """A person's basics for correcting; the reading is audited."""
    row = _own_row(db, person_id)
    audit.read(db, "people.read", f"person:{row.file_no}", "更正")
    return Basics(row.id, row.file_no, row.name, row.sex, row.birth_on, row.nation, row.marital, row.organization_id, row.ver)


# --- organisations ---------------------------------------------------------------------------------------------------


def add_organization(db: Session, code: str, name: str) -> UUID:
    """Adds an organisation (单位). The code is its own, for example the unified social credit code."""
    code, name = code.strip(), rules.read_name(name) if len(name.strip()) <= rules.NAME_LENGTH else name.strip()[:100]
    if not code or len(code) > 40:
        raise Refused("people.organization_code", "单位编号不能为空且不超过 40 字", "请填写单位编号", "code")
    if db.scalar(select(Organization.id).where(Organization.code == code)):
        raise Refused("people.organization_exists", f"单位编号 {code} 已存在", "请查询已有单位", "code")
    organization_id = house_of(db).ids.new()
    db.add(Organization(id=organization_id, code=code, name=name, pinyin=pinyin.initials(name), active=True, ver=1))
    audit.note(db, "people.add_organization", subject=f"organization:{code}")
    return organization_id


def organizations(db: Session, text: str = "", limit: int = 50) -> list[tuple[UUID, str, str]]:
    """`(id, code, name)` of organisations by name, code or pinyin initials, each by prefix."""
    statement = select(Organization.id, Organization.code, Organization.name).where(Organization.active)
    if text.strip():
        low, high = prefix_bounds(text.strip())
        small, big = prefix_bounds(text.strip().lower())
        statement = statement.where(
            ((Organization.name >= low) & (Organization.name < high))
            | ((Organization.code >= low) & (Organization.code < high))
            | ((Organization.pinyin >= small) & (Organization.pinyin < big))
        )
    return [tuple(row) for row in db.execute(statement.order_by(Organization.name).limit(limit))]  # type: ignore[misc]


def organization_name(db: Session, organization_id: UUID | None) -> str:
    """An organisation's name, empty for none."""
    return organization_names(db, {organization_id}).get(organization_id, "") if organization_id else ""


def organization_names(db: Session, ids: set[UUID | None] | set[UUID]) -> dict[UUID, str]:
    """Names of several organisations."""
    if not ids:
        return {}
    return {row.id: row.name for row in db.execute(select(Organization.id, Organization.name).where(Organization.id.in_(ids)))}


