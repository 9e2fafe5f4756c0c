"""People in the database: one file per document, sealed fields, searching, correcting, organisations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from exam.kit import audit
from exam.kit.audit import Audit
from exam.kit.errors import BadInput, Refused
from exam.kit.house import Actor, House
from exam.people import service
from exam.people.facts import IdKind, NewPerson
from exam.people.models import IdDocument
from exam.people.models import Person as PersonRow
from exam.people.rules import check_character

Acting = Callable[[str], Actor]
PHONE, ADDRESS = "13877581234", "广西壮族自治区桂平市西山镇人民路1号"


def number_of(born: str = "19800307", sequence: str = "002") -> str:
    first = f"450881{born}{sequence}"
    return first + check_character(first)


WANG = NewPerson(name="王秀英", id_no=number_of(), phone=PHONE, address=ADDRESS)
"""A woman: the last digit of the sequence is even."""


def register(house: House, actor: Actor, new: NewPerson = WANG) -> service.Registration:
    with house.unit(actor) as db:
        return service.register(db, new)


def found(house: House, actor: Actor, words: str) -> list[str]:
    with house.unit(actor, write=False) as db:
        return [each.name for each in service.search(db, words)]


def sound(house: House) -> bool:
    with house.unit(None, write=False) as db:
        return [*audit.breaches(db), *audit.row_breaches(db)] == []


def test_the_same_document_finds_the_same_file_and_another_name_is_refused(house: House, acting: Acting) -> None:
    lin = acting("lin")
    first = register(house, lin)
    again = register(house, lin)
    assert (first.is_new, again.is_new, first.person_id == again.person_id) == (True, False, True)
    with pytest.raises(Refused, match="不一致"):
        register(house, lin, NewPerson(name="王秀芳", id_no=WANG.id_no))


def test_what_identifies_a_person_is_nowhere_in_plain_text(house: House, acting: Acting) -> None:
    register(house, acting("lin"))
    with house.unit(None, write=False) as db:
        for table in ("exam_person", "exam_id_document", "exam_audit"):
            for row in db.execute(text(f"select * from {table}")):
                seen = b" ".join(bytes(each) if isinstance(each, (bytes, memoryview)) else str(each).encode() for each in row)
                for secret in (WANG.id_no, PHONE, "人民路"):
                    assert secret.encode() not in seen


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        (WANG.id_no, True), (WANG.id_no[-4:], True), (PHONE, True), (PHONE[-4:], True), ("138 7758 1234", True), ("王秀", True),
        ("wangxiu", True), ("wxy", True), ("WXY", True), ("秀英", False), ("xiuying", False), ("w", False), ("", False),
        (WANG.id_no[:10], False), (PHONE[:7], False), ("%", False), ("王%", False), ("wang_", False),
        ("'; drop table exam_person", False),
    ],
)  # fmt: skip
def test_people_are_found_by_whole_numbers_last_four_and_the_beginning_of_a_name(
    house: House, acting: Acting, words: str, is_found: bool
) -> None:
    lin = acting("lin")
    register(house, lin)
    register(house, lin, NewPerson(name="李明", id_no=number_of("19750101", "011"), phone="13900001111"))
    assert found(house, lin, words) == (["王秀英"] if is_found else [])


def test_a_person_is_shown_masked_and_the_reading_is_in_the_audit(house: House, acting: Acting) -> None:
    lin = acting("lin")
    person_id = register(house, lin).person_id
    with house.unit(lin, write=False) as db:
        person = service.person(db, person_id)
    assert (person.id_masked, person.phone_masked) == (f"450****{WANG.id_no[-4:]}", "138****1234")
    assert "人民路" not in person.address_masked
    with house.unit(None, write=False) as db:
        assert db.scalars(select(Audit.subject).where(Audit.act == "people.read")).all() == [f"person:{person.file_no}"]


def basics(house: House, actor: Actor, person_id: UUID) -> service.Basics:
    with house.unit(actor, write=False) as db:
        return service.basics(db, person_id)


def correct(house: House, actor: Actor, person_id: UUID, ver: int, reason: str = "证件核对", **fields: Any) -> None:
    base = {"name": "王秀英", "id_kind": IdKind.NONE, "sex": "F", "birth_on": date(1980, 3, 7)}
    with house.unit(actor) as db:
        service.correct(db, person_id, NewPerson(**{**base, **fields}), ver, reason)


def test_a_corrected_name_is_found_under_its_new_spelling_only(house: House, acting: Acting) -> None:
    qin = acting("qin")
    person_id = register(house, qin).person_id
    correct(house, qin, person_id, 1, name="覃秀英")
    for words, is_found in (("wxy", False), ("qxy", True), ("txy", True), ("王秀", False), (WANG.id_no, True)):
        assert found(house, qin, words) == (["覃秀英"] if is_found else [])
    assert sound(house)


def test_a_correction_needs_a_reason_and_the_version_that_was_seen(house: House, acting: Acting) -> None:
    qin = acting("qin")
    person_id = register(house, qin).person_id
    with pytest.raises(Refused, match="必须填写原因"):
        correct(house, qin, person_id, 1, reason="  ")
    correct(house, qin, person_id, 1, nation="壮族")
    with pytest.raises(Refused, match="已被他人修改"):
        correct(house, qin, person_id, 1, nation="汉族")
    assert basics(house, qin, person_id).nation == "壮族"


def test_the_stored_number_goes_on_judging_sex_and_birth_date(house: House, acting: Acting) -> None:
    qin = acting("qin")
    person_id = register(house, qin).person_id
    with pytest.raises(BadInput) as refused:
        correct(house, qin, person_id, 1, sex="M", birth_on=date(1981, 3, 7))
    assert {field for field, _ in refused.value.problems} == {"sex", "birth_on"}


def test_a_wrong_number_is_replaced_and_another_persons_number_is_refused(house: House, acting: Acting) -> None:
    qin = acting("qin")
    person_id = register(house, qin).person_id
    other = number_of("19750101", "011")
    register(house, qin, NewPerson(name="李明", id_no=other))
    with pytest.raises(Refused, match="另一份档案"):
        correct(house, qin, person_id, 1, id_kind=IdKind.RESIDENT, id_no=other, sex="M", birth_on=date(1975, 1, 1))
    right = number_of("19800308", "002")
    correct(house, qin, person_id, 1, id_kind=IdKind.RESIDENT, id_no=right, birth_on=date(1980, 3, 8))
    assert (found(house, qin, WANG.id_no), found(house, qin, right), found(house, qin, right[-4:])) == ([], ["王秀英"], ["王秀英"])
    with house.unit(qin) as db:
        assert service.reveal(db, person_id, "id_no", "核对证件") == right
        assert len(db.scalars(select(IdDocument).where(IdDocument.person_id == person_id)).all()) == 1
    assert sound(house)


def test_a_person_without_document_gets_one_later(house: House, acting: Acting) -> None:
    qin = acting("qin")
    without = NewPerson(name="王秀英", id_kind=IdKind.NONE, sex="F", birth_on=date(1980, 3, 7))
    person_id = register(house, qin, without).person_id
    correct(house, qin, person_id, 1, id_kind=IdKind.RESIDENT, id_no=WANG.id_no)
    assert register(house, qin).person_id == person_id


def test_a_new_phone_is_found_and_the_old_one_is_not(house: House, acting: Acting) -> None:
    qin = acting("qin")
    person_id = register(house, qin).person_id
    correct(house, qin, person_id, 1, phone="13900005678")
    assert [found(house, qin, words) for words in ("13900005678", "5678", PHONE)] == [["王秀英"], ["王秀英"], []]
    with house.unit(qin, write=False) as db:
        assert service.person(db, person_id).address_masked.startswith("广西")


def test_organisations_are_found_by_name_code_and_initials_and_a_code_is_taken_once(house: House, acting: Acting) -> None:
    qin = acting("qin")
    with house.unit(qin) as db:
        service.add_organization(db, "914508", "桂平糖厂")
        service.add_organization(db, "X2", "西山茶场")
    with house.unit(qin, write=False) as db:
        expectations = {"桂平": "桂平糖厂", "9145": "桂平糖厂", "gptc": "桂平糖厂", "XSC": "西山茶场", "糖": "", "%": ""}
        for words, expected in expectations.items():
            assert [name for _, _, name in service.organizations(db, words)] == ([expected] if expected else [])
    with house.unit(qin) as db, pytest.raises(Refused, match="已存在"):
        service.add_organization(db, "914508 ", "另一家")


def test_a_file_number_is_given_once(house: House, acting: Acting) -> None:
    lin = acting("lin")
    for sequence in range(5):
        register(house, lin, NewPerson(name="王秀英", id_no=number_of("19800307", f"{sequence * 2:02d}2")))
    with house.unit(None, write=False) as db:
        numbers = db.scalars(select(PersonRow.file_no)).all()
    assert len(set(numbers)) == len(numbers) == 5
