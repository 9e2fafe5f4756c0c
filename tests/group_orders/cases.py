"""A company, its contract and a round with two cohorts, for the tests of group orders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import UUID

import msgspec

from exam.kit.house import Actor, House
from exam.people import service as people
from exam.people.facts import IdKind
from exam.people.rules import check_character
from group_orders import members, service
from group_orders.facts import MemberDraft, NewCohort, NewContract, NewOrder, Offer, OfferMode

Acting = Callable[[str], Actor]
OPENS, CLOSES = date(2026, 11, 21), date(2026, 12, 31)


class Round(msgspec.Struct, frozen=True):
    """A round that takes members: its ids."""

    order_id: UUID
    contract_id: UUID
    organization_id: UUID
    cohorts: dict[str, UUID]


MEN = Offer(mode=OfferMode.ITEMS, package="P02", factor="0.88")
WOMEN = Offer(mode=OfferMode.ITEMS, package="P02", groups=("G015",), factor="0.8", limit_fen=60000)


def open_round(
    house: House, acting: Acting, *, men: Offer = MEN, women: Offer = WOMEN, code: str = "91450100MA5KA0001X", **contract: object
) -> Round:
    """A company with an approved, open round for men and women."""
    keeper, chief = acting("ning"), acting("gan")
    with house.unit(keeper) as db:
        organization_id = people.add_organization(db, code, f"桂林机械厂{code[-2:]}")
        new = NewContract(
            organization_id=organization_id, name="2026 年度体检", starts_on=OPENS, ends_on=date(2027, 11, 20), **contract
        )  # type: ignore[arg-type]
        contract_id = service.add_contract(db, new)
    with house.unit(keeper) as db:
        order_id = service.add_order(db, NewOrder(contract_id=contract_id, name="第一批", opens_on=OPENS, closes_on=CLOSES))
    cohorts = {}
    for name, sex, offer in (("男职工", "M", men), ("女职工", "F", women)):
        with house.unit(keeper) as db:
            cohorts[name] = service.add_cohort(db, order_id, NewCohort(name=name, sex=sex))
            service.set_offer(db, cohorts[name], offer, "")
    with house.unit(chief) as db:
        service.approve(db, order_id)
    with house.unit(chief) as db:
        service.act(db, order_id, "open")
    return Round(order_id, contract_id, organization_id, cohorts)


def draft(n: int, cohort_id: UUID, *, sex: str = "M", born: date = date(1985, 3, 15), **more: object) -> MemberDraft:
    """The n-th invented employee, with a sound ID number."""
    body = f"450110{born:%Y%m%d}{2 * n + (sex == 'M'):03d}"
    fields = {
        "row": n + 1, "person_id": None, "name": f"韦{'甲乙丙丁戊己庚辛壬癸'[n % 10]}{'一二三四五六七八九十'[n // 10 % 10]}",
        "id_kind": IdKind.RESIDENT, "id_no": body + check_character(body), "sex": sex, "birth_on": born, "phone": f"138{n:08d}",
        "marital": "", "department": "一车间", "job": "", "post": "", "employee_no": f"E{n:04d}", "cohort_id": cohort_id,
        "relation": "", "of_employee_no": "", "remark": "",
    }  # fmt: skip
    return MemberDraft(**(fields | more))  # type: ignore[arg-type]


def enrolled(house: House, acting: Acting, round_: Round, men: int = 2, women: int = 1) -> list[UUID]:
    """So many men and women on the list; the ids of the members."""
    drafts = [draft(n, round_.cohorts["男职工"]) for n in range(1, men + 1)]
    drafts += [draft(100 + n, round_.cohorts["女职工"], sex="F") for n in range(1, women + 1)]
    with house.unit(acting("ning")) as db:
        return members.enrol(db, round_.order_id, None, drafts)
