"""A roster on its way: stored sealed, judged against people, accepted chunk by chunk, resumed after a kill, taken back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import func, select

from exam import commands
from exam.kit.errors import NotFound, Refused, Stale
from exam.kit.house import Actor, House, house_of
from exam.people import service as people
from exam.people.facts import IdKind, NewPerson
from exam.people.models import Person
from group_orders import roster_accepting, roster_fields, roster_sheet, roster_staging, roster_template
from group_orders.facts import MemberDraft, Offer, OfferMode
from group_orders.models import Cohort, CohortTerms, Contract, GroupOrder, Member
from group_orders.roster_facts import RosterState
from group_orders.roster_models import RosterBatch, RosterChunk
from tests.conftest import actor_named
from tests.group_orders.roster_cases import HEADER, id_number, person, xlsx


@pytest.fixture
def qin(house: House) -> Actor:
    return actor_named(house, "qin")


def make_order(db: Any, site: str, state: str = "open", has_terms: bool = True) -> UUID:
    """An order of a new company from today on, with three cohorts."""
    house = house_of(db)
    organization = people.add_organization(db, f"9145{house.ids.new().hex[-10:]}", "南宁某机械厂")
    db.flush()
    contract_id, order_id, now = house.ids.new(), house.ids.new(), house.clock.now()
    opens_on = date(2026, 12, 1)
    db.add(
        Contract(
            id=contract_id, contract_no=contract_id.hex[-8:], organization_id=organization, site=site, name="年度体检", starts_on=opens_on,
            ends_on=date(2027, 11, 30), billable_when="checked_in", settled_by="package", reductions="[]", remark="", created_at=now,
            created_by=None, ver=1,
        )
    )  # fmt: skip
    db.flush()
    db.add(
        GroupOrder(
            id=order_id, order_no=order_id.hex[-8:], contract_id=contract_id, organization_id=organization, site=site, name="2026 年第一批",
            category="health", round_no=1, opens_on=opens_on, closes_on=date(2026, 12, 31), state=state, previous_id=None, created_at=now,
            created_by=None, approved_by=None, approved_at=None, completed_at=None, ver=1,
        )
    )  # fmt: skip
    db.flush()
    for position, (name, sex, marital) in enumerate(
        (("男职工", "M", None), ("女职工(未婚)", "F", "未婚"), ("女职工(已婚)", "F", "已婚"))
    ):
        cohort_id = house.ids.new()
        db.add(
            Cohort(
                id=cohort_id, order_id=order_id, name=name, position=position, sex=sex, age_from=0, age_to=150, marital=marital,
                jobs="[]", posts="[]", active=True, ver=1,
            )
        )  # fmt: skip
        db.flush()
        if has_terms:
            offer = msgspec.json.encode(Offer(mode=OfferMode.ITEMS, package="P02")).decode()
            db.add(CohortTerms(id=house.ids.new(), cohort_id=cohort_id, revision=1, offer=offer, reason="", at=now, actor_id=None))
    return order_id


@pytest.fixture
def order(house: House, qin: Actor) -> UUID:
    with house.unit(qin) as db:
        return make_order(db, qin.site)


class Enrolled:
    """Takes the place of the room's own enrolling: who was handed over, by chunk."""

    def __init__(self) -> None:
        self.chunks: list[list[MemberDraft]] = []
        self.withdrawn: list[tuple[UUID, str]] = []
        self.fault: Callable[[], None] = lambda: None

    def enrol(self, db: Any, order_id: UUID, batch_id: UUID, drafts: Sequence[MemberDraft]) -> Sequence[UUID]:
        self.fault()
        for each in drafts:
            if each.person_id is None:
                people.register(
                    db, NewPerson(name=each.name, id_kind=each.id_kind, id_no=each.id_no, sex=each.sex, birth_on=each.birth_on)
                )
        db.flush()
        self.chunks.append(list(drafts))
        return []

    def withdraw_batch(self, db: Any, batch_id: UUID, reason: str) -> None:
        self.withdrawn.append((batch_id, reason))


@pytest.fixture
def enrolled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Enrolled]:
    fake = Enrolled()
    monkeypatch.setattr(roster_accepting.members, "enrol", fake.enrol)
    monkeypatch.setattr(roster_accepting.members, "withdraw_batch", fake.withdraw_batch)
    yield fake


def uploaded(house: House, actor: Actor, order_id: UUID, rows: Sequence[Sequence[Any]]) -> UUID:
    content = xlsx(rows)
    sheets = roster_sheet.read(content, "名单.xlsx", roster_fields.KNOWN_HEADERS)
    with house.unit(actor) as db:
        return roster_staging.store(db, order_id, "名单.xlsx", content, sheets)


def checked(house: House, actor: Actor, order_id: UUID, rows: Sequence[Sequence[Any]]) -> UUID:
    batch_id = uploaded(house, actor, order_id, rows)
    with house.unit(actor) as db:
        batch = roster_staging.batch(db, batch_id)
        header, _ = roster_staging.sample(db, batch, 0, batch.header_row)
        judged = roster_staging.judge(db, batch_id, 0, batch.header_row, roster_fields.guess(header, {}))
        roster_staging.keep(db, batch_id, judged, batch.ver)
    return batch_id


def batch_of(house: House, actor: Actor, batch_id: UUID) -> Any:
    with house.unit(actor, write=False) as db:
        return roster_staging.batch(db, batch_id)


def accept(house: House, actor: Actor, batch_id: UUID, **more: Any) -> None:
    with house.unit(actor) as db:
        roster_accepting.accept(db, batch_id, roster_staging.batch(db, batch_id).ver, skips_bad=more.get("skips_bad", False))


def persons(house: House) -> int:
    with house.unit(None, write=False) as db:
        return db.scalar(select(func.count()).select_from(Person)) or 0


def chunks(house: House) -> list[Any]:
    with house.unit(None, write=False) as db:
        return list(
            db.execute(
                select(RosterChunk.kind, RosterChunk.number, RosterChunk.done_at, RosterChunk.content).order_by(RosterChunk.number)
            )
        )


ROWS = [HEADER, person(1), person(2), person(3), person(4, 身份证号="450110198502300019"), person(6, 婚姻="未婚")]


def test_nothing_is_registered_before_somebody_accepts(house: House, qin: Actor, order: UUID, enrolled: Enrolled) -> None:
    before = persons(house)
    batch_id = checked(house, qin, order, ROWS)
    roster_accepting.accept_waiting(house)
    assert (persons(house), enrolled.chunks) == (before, [])
    summary = batch_of(house, qin, batch_id).summary
    assert (summary.rows, summary.bad, summary.new, summary.ready) == (5, 1, 4, 4)
    assert [(each.name, each.new) for each in summary.cohorts] == [("男职工", 2), ("女职工(未婚)", 1), ("女职工(已婚)", 1)]


def test_what_the_file_says_of_people_is_stored_sealed(house: House, qin: Actor, order: UUID) -> None:
    checked(house, qin, order, ROWS)
    found = chunks(house)
    assert {each.kind for each in found} == {"cells", "checked"}
    for each in found:
        assert all(word.encode() not in bytes(each.content) for word in (id_number(1), "韦小明", "13800130001"))


def test_accepting_enrols_the_sound_rows_and_leaves_nothing_behind(
    house: House, qin: Actor, order: UUID, enrolled: Enrolled
) -> None:
    batch_id = checked(house, qin, order, ROWS)
    with pytest.raises(Refused, match="roster_bad_rows"):
        accept(house, qin, batch_id)
    accept(house, qin, batch_id, skips_bad=True)
    roster_accepting.accept_waiting(house)
    assert [each.id_no for each in enrolled.chunks[0]] == [id_number(n) for n in (1, 2, 3, 6)]
    batch = batch_of(house, qin, batch_id)
    assert (batch.state, batch.done, batch.percent, batch.accepted_name) == (RosterState.ACCEPTED, 4, 100, qin.name)
    assert chunks(house) == []
    roster_accepting.accept_waiting(house)
    assert len(enrolled.chunks) == 1


def test_the_same_file_twice_for_one_order_is_told(house: House, qin: Actor, order: UUID) -> None:
    batch_id = checked(house, qin, order, ROWS)
    with pytest.raises(Refused, match="roster_same_file") as refused:
        uploaded(house, qin, order, ROWS)
    assert qin.name in refused.value.text
    with house.unit(qin) as db:
        other = make_order(db, qin.site)
    assert uploaded(house, qin, other, ROWS)
    with house.unit(qin) as db:
        roster_staging.discard(db, batch_id)
    assert chunks(house) and batch_of(house, qin, batch_id).state == RosterState.DISCARDED
    assert uploaded(house, qin, order, ROWS)


def test_a_company_s_columns_are_remembered(house: House, qin: Actor, order: UUID) -> None:
    rows = [["人员", "号码", "婚否"], ["韦小明", id_number(1), "已婚"]]
    batch_id = uploaded(house, qin, order, rows)
    with house.unit(qin) as db:
        batch = roster_staging.batch(db, batch_id)
        roster_staging.keep(db, batch_id, roster_staging.judge(db, batch_id, 0, 1, {"name": 0, "id_no": 1}), batch.ver)
    with house.unit(qin, write=False) as db:
        learnt = roster_staging.remembered(db, batch.organization_id)
    assert roster_fields.guess(["号码", "婚否", "人员"], learnt) == {"id_no": 0, "name": 2}


# --- people who are known already


def known(house: House, actor: Actor, n: int, name: str = "") -> UUID:
    number = id_number(n)
    with house.unit(actor) as db:
        return people.register(db, NewPerson(name=name or person(n)[0], id_kind=IdKind.RESIDENT, id_no=number)).person_id


def test_a_known_person_is_taken_and_another_name_is_a_conflict_to_decide(
    house: House, qin: Actor, order: UUID, enrolled: Enrolled
) -> None:
    same, other, third = known(house, qin, 1), known(house, qin, 2, "黄某"), known(house, qin, 3, "覃某")
    batch_id = checked(house, qin, order, [HEADER, person(1), person(2), person(3), person(5)])
    summary = batch_of(house, qin, batch_id).summary
    assert (summary.new, summary.known, summary.conflicts, summary.ready) == (1, 1, 2, 2)
    with house.unit(qin) as db:
        conflict = next(row for row in roster_staging.checked_rows(db, batch_id) if row.standing == "conflict")
    assert "姓名首字“黄”" in conflict.file and "黄某" not in conflict.file and "姓名不同" in conflict.file
    with pytest.raises(Refused, match="roster_undecided"):
        accept(house, qin, batch_id)
    for row, decision in ((3, "file"), (None, "skip")):
        with house.unit(qin) as db:
            roster_staging.decide(db, batch_id, row, decision, roster_staging.batch(db, batch_id).ver)
    summary = batch_of(house, qin, batch_id).summary
    assert (summary.conflicts, summary.by_file, summary.skipped, summary.ready) == (0, 1, 1, 3)
    accept(house, qin, batch_id)
    roster_accepting.accept_waiting(house)
    assert [each.person_id for each in enrolled.chunks[0]] == [same, other, None]
    assert [each.name for each in enrolled.chunks[0]] == [person(1)[0], "黄某", person(5)[0]]
    assert third not in {each.person_id for each in enrolled.chunks[0]}


def test_who_got_a_file_after_the_check_is_taken_as_known(house: House, qin: Actor, order: UUID, enrolled: Enrolled) -> None:
    batch_id = checked(house, qin, order, [HEADER, person(1)])
    accept(house, qin, batch_id)
    same = known(house, qin, 1)
    roster_accepting.accept_waiting(house)
    assert [each.person_id for each in enrolled.chunks[0]] == [same]


def test_a_conflict_that_came_after_the_check_stops_the_batch_and_it_goes_on_when_solved(
    house: House, qin: Actor, order: UUID, enrolled: Enrolled
) -> None:
    batch_id = checked(house, qin, order, [HEADER, person(1)])
    accept(house, qin, batch_id)
    other = known(house, qin, 1, "黄某")
    roster_accepting.accept_waiting(house)
    batch = batch_of(house, qin, batch_id)
    assert batch.state == RosterState.STOPPED and "第 2 行" in batch.fault
    with house.unit(qin) as db:
        row = db.get_one(Person, other)
        people.correct(db, other, NewPerson(name=person(1)[0]), row.ver, "录入错误")
    accept(house, qin, batch_id)
    roster_accepting.accept_waiting(house)
    assert batch_of(house, qin, batch_id).state == RosterState.ACCEPTED
    assert [each.person_id for each in enrolled.chunks[0]] == [other]


# --- chunks


def many(count: int) -> list[list[Any]]:
    rows = [["姓名", "身份证号", "分组"]]
    rows += [
        [f"韦{'甲乙丙丁戊己庚辛壬癸'[n % 10]}", id_number(1, date(1970, 1, 1) + timedelta(days=n)), "男职工"] for n in range(count)
    ]
    return rows


def test_an_acceptance_that_is_cut_off_goes_on_where_it_was(house: House, qin: Actor, order: UUID, enrolled: Enrolled) -> None:
    batch_id = checked(house, qin, order, many(3 * roster_staging.CHUNK_ROWS - 7))
    accept(house, qin, batch_id)

    def die() -> None:
        if len(enrolled.chunks) == 1:
            raise KeyboardInterrupt

    enrolled.fault = die
    with pytest.raises(KeyboardInterrupt):
        roster_accepting.accept_waiting(house)
    batch = batch_of(house, qin, batch_id)
    assert (batch.state, batch.done, persons(house) >= 500) == (RosterState.ACCEPTING, 500, True)
    enrolled.fault = lambda: None
    roster_accepting.accept_waiting(house)
    assert [len(each) for each in enrolled.chunks] == [500, 500, 493]
    assert [each.row for chunk in enrolled.chunks for each in chunk] == list(range(2, 1495))
    assert batch_of(house, qin, batch_id).state == RosterState.ACCEPTED


def test_a_fault_stops_the_batch_with_a_word_and_keeps_what_is_done(
    house: House, qin: Actor, order: UUID, enrolled: Enrolled
) -> None:
    batch_id = checked(house, qin, order, many(600))
    accept(house, qin, batch_id)

    def refuse() -> None:
        if enrolled.chunks:
            raise Refused("group_orders.closed", "该批次已完成", "请重新打开批次")

    enrolled.fault = refuse
    roster_accepting.accept_waiting(house)
    batch = batch_of(house, qin, batch_id)
    assert (batch.state, batch.done, batch.fault) == (RosterState.STOPPED, 500, "该批次已完成。请重新打开批次")
    enrolled.fault = lambda: None
    accept(house, qin, batch_id)
    roster_accepting.accept_waiting(house)
    assert (batch_of(house, qin, batch_id).done, len(enrolled.chunks[1])) == (600, 100)


def test_employees_come_before_their_families(house: House, qin: Actor, order: UUID, enrolled: Enrolled) -> None:
    header = ["姓名", "身份证号", "工号", "与员工关系", "员工工号", "分组"]
    rows = [header, ["韦小乙", id_number(2), "", "配偶", "E1", "女职工(已婚)"], ["韦小甲", id_number(1), "E1", "", "", "男职工"]]
    batch_id = checked(house, qin, order, rows)
    accept(house, qin, batch_id)
    roster_accepting.accept_waiting(house)
    assert [(each.row, each.relation) for each in enrolled.chunks[0]] == [(3, ""), (2, "配偶")]


# --- giving up, taking back, other hands


def test_a_whole_batch_is_taken_back_with_a_reason(house: House, qin: Actor, order: UUID, enrolled: Enrolled) -> None:
    batch_id = checked(house, qin, order, [HEADER, person(1)])
    with house.unit(qin) as db, pytest.raises(Refused, match="not_possible"):
        roster_accepting.undo(db, batch_id, "名单有误")
    accept(house, qin, batch_id)
    roster_accepting.accept_waiting(house)
    with house.unit(qin) as db, pytest.raises(Refused, match="roster_reason"):
        roster_accepting.undo(db, batch_id, " ")
    with house.unit(qin) as db:
        roster_accepting.undo(db, batch_id, "名单有误")
    assert enrolled.withdrawn == [(batch_id, "名单有误")]
    assert batch_of(house, qin, batch_id).state == RosterState.UNDONE


def test_two_desks_cannot_work_on_one_batch_at_once(house: House, qin: Actor, order: UUID) -> None:
    batch_id = checked(house, qin, order, [HEADER, person(1)])
    with house.unit(qin) as db:
        judged = roster_staging.judge(db, batch_id, 0, 1, {"name": 0, "id_no": 1})
        seen = roster_staging.batch(db, batch_id).ver
        roster_staging.keep(db, batch_id, judged, seen)
    with house.unit(qin) as db, pytest.raises(Stale):
        roster_staging.keep(db, batch_id, judged, seen)
    with house.unit(qin) as db, pytest.raises(Stale):
        roster_accepting.accept(db, batch_id, seen, skips_bad=False)
    with house.unit(qin) as db, pytest.raises(Stale):
        roster_staging.decide(db, batch_id, None, "skip", seen)


def test_another_site_does_not_see_a_batch(house: House, qin: Actor, order: UUID) -> None:
    batch_id = checked(house, qin, order, [HEADER, person(1)])
    stranger = msgspec.structs.replace(qin, site="02")
    for look in (lambda db: roster_staging.batch(db, batch_id), lambda db: roster_staging.order_info(db, order)):
        with house.unit(stranger, write=False) as db, pytest.raises(NotFound):
            look(db)


def test_an_order_that_is_over_takes_nobody(house: House, qin: Actor) -> None:
    with house.unit(qin) as db:
        order_id = make_order(db, qin.site, "completed")
    with pytest.raises(Refused, match="roster_order_closed"):
        uploaded(house, qin, order_id, ROWS)


def test_a_roster_may_wait_for_the_order_but_is_accepted_only_into_one_that_is_approved_and_has_terms(
    house: House, qin: Actor, enrolled: Enrolled
) -> None:
    with house.unit(qin) as db:
        draft, bare = make_order(db, qin.site, "draft"), make_order(db, qin.site, has_terms=False)
    with pytest.raises(Refused, match="not_open"):
        accept(house, qin, checked(house, qin, draft, [HEADER, person(1)]))
    with pytest.raises(Refused, match="roster_no_terms") as refused:
        accept(house, qin, checked(house, qin, bare, [HEADER, person(1)]))
    assert "男职工" in refused.value.text and "女职工" not in refused.value.text


def test_what_nobody_accepts_is_discarded_after_a_month(house: House, qin: Actor, order: UUID) -> None:
    batch_id = checked(house, qin, order, [HEADER, person(1)])
    roster_staging.discard_old(house)
    assert batch_of(house, qin, batch_id).state == RosterState.CHECKED
    house.clock.advance(days=roster_staging.KEPT_DAYS + 1)  # type: ignore[attr-defined]
    roster_staging.discard_old(house)
    assert (batch_of(house, qin, batch_id).state, chunks(house)) == (RosterState.DISCARDED, [])


def test_the_audit_knows_the_batch_by_the_digest_of_its_rows(house: House, qin: Actor, order: UUID) -> None:
    batch_id = checked(house, qin, order, ROWS)
    with house.unit(None, write=False) as db:
        first = db.scalar(select(RosterBatch.rows_digest).where(RosterBatch.id == batch_id))
    assert first and len(first) == 16


# --- with the room's own enrolling


def test_a_company_comes_onto_the_list_and_off_it_again(house: House, qin: Actor, order: UUID) -> None:
    other = known(house, qin, 2, "黄某")
    batch_id = checked(house, qin, order, [HEADER, person(1), person(2), *[person(n) for n in range(3, 9)]])
    with house.unit(qin) as db:
        roster_staging.decide(db, batch_id, 3, "file", roster_staging.batch(db, batch_id).ver)
    accept(house, qin, batch_id)
    roster_accepting.accept_waiting(house)
    batch = batch_of(house, qin, batch_id)
    assert (batch.state, batch.fault, batch.done) == (RosterState.ACCEPTED, "", 8)
    with house.unit(qin, write=False) as db:
        present = select(Member.person_id, Member.batch_id).where(Member.order_id == order, Member.left_at.is_(None))
        members = db.execute(present).all()
    assert len(members) == 8 and other in {each.person_id for each in members} and {each.batch_id for each in members} == {batch_id}
    again = checked(house, qin, order, [HEADER, person(1), person(9)])
    summary = batch_of(house, qin, again).summary
    assert (summary.members, summary.new) == (1, 1)
    with house.unit(qin) as db:
        roster_accepting.undo(db, batch_id, "名单有误")
    with house.unit(qin, write=False) as db:
        assert not db.scalar(select(func.count()).select_from(Member).where(Member.left_at.is_(None)))
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []


# --- workbooks that go out


def test_the_template_can_be_filled_in_and_read_again() -> None:
    content = roster_template.template(["男职工", "女职工", *(f"很长的分组名称第{n}号" for n in range(40))])
    (sheet,) = [each for each in roster_sheet.read(content, "模板.xlsx", roster_fields.KNOWN_HEADERS) if each.name == "名单"]
    assert roster_fields.guess(sheet.header, {}) == {each.name: place for place, each in enumerate(roster_fields.FIELDS)}
    assert len(sheet.rows) == 1


def test_the_list_of_faults_names_cells(house: House, qin: Actor, order: UUID) -> None:
    batch_id = checked(house, qin, order, [HEADER, person(1, 姓名="@cmd", 性别="女")])
    with house.unit(qin) as db:
        content = roster_template.faults(roster_staging.checked_rows(db, batch_id))
    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert rows[1][:5] == [2.0, "C2", "@cmd", "错误", "性别与证件号码不一致"]
