"""A visit whose departments are done, and doctors who may sign."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from chief_review import service as reviews
from chief_review.facts import Review
from exam import commands
from exam.kit.house import Actor, House
from exam.people import service as people
from exam.people.facts import NewPerson
from exam.staff.service import signing_limits
from exam.visits import service as visits
from exam.visits.facts import Milestone
from results import service as results
from results.facts import Entry
from tests.conftest import actor_named
from tests.critical_values.cases import tell_all

TODAY = date(2026, 11, 21)
MAN = NewPerson(name="韦小明", id_no="450110198503150018", phone="13800138000")
OTHER = NewPerson(name="黄秋燕", id_no="450103199006150026", phone="13800138001")

DOCTORS = {"GEN": "wu", "MED": "wu", "LAB": "nong", "ECG": "lu", "USG": "lu"}

LIPIDS: dict[str, str | list[str]] = {"TC": "6.50", "TG": "2.80", "HDL": "1.20", "LDL": "3.00"}
HEALTHY_LIPIDS: dict[str, str | list[str]] = {"TC": "4.50", "TG": "1.20", "HDL": "1.30", "LDL": "2.50"}
GLUCOSE: dict[str, str | list[str]] = {"GLU": "7.40"}
ULTRASOUND: dict[str, str | list[str]] = {"US_ABD": ["脂肪肝(轻度)", "胆囊结石"]}

Entries = dict[str, dict[str, str | list[str]]]
DEFAULT: Entries = {"LAB": {**LIPIDS, **GLUCOSE}, "USG": ULTRASOUND}
GROUPS = ("G038", "G036", "G013")


def examined(
    house: House, entries: Entries = DEFAULT, groups: tuple[str, ...] = GROUPS, person: NewPerson = MAN, on: date = TODAY,
    *, urgent: bool = False,
) -> UUID:  # fmt: skip
    """Registers, examines and returns the sheet of one person, so that the chief may begin."""
    lin = actor_named(house, "lin")
    with house.unit(lin) as db:
        person_id = people.register(db, person).person_id
        new = visits.NewVisit(person_id=person_id, exam_on=on, groups=groups, urgent=urgent)
        visit_id = visits.open_visit(db, new)
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
    for department, values in entries.items():
        enter(house, visit_id, department, values)
    with house.unit(lin) as db:
        visits.reach(db, visit_id, Milestone.SHEET_RETURNED)
    return visit_id


def enter(house: House, visit_id: UUID, department: str, values: dict[str, str | list[str]]) -> None:
    """A department enters its values and signs."""
    with house.unit(actor_named(house, DOCTORS[department])) as db:
        version = results.department_result(db, visit_id, department).version
        results.finish(db, visit_id, department, Entry(base_version=version, values=values))


def signer(house: House, login: str) -> Actor:
    """A doctor whose signing window is open."""
    from sqlalchemy import update

    from exam.staff.models import SignIn

    actor = actor_named(house, login)
    minutes, count = signing_limits(house)
    with house.unit(None) as db:
        from datetime import timedelta

        until = house.clock.now() + timedelta(minutes=minutes)
        db.execute(update(SignIn).where(SignIn.token_hash == actor.session_id).values(signing_until=until, signing_left=count))
    return actor


def started(house: House, login: str = "he", visit_id: UUID | None = None) -> UUID:
    """A visit whose review has been opened."""
    visit_id = visit_id or examined(house)
    with house.unit(actor_named(house, login)) as db:
        reviews.start(db, visit_id)
    return visit_id


def shown(house: House, visit_id: UUID, login: str = "he") -> Review:
    """The review as its screen shows it."""
    with house.unit(actor_named(house, login), write=False) as db:
        return reviews.review(db, visit_id)


def first_signed(house: House, visit_id: UUID | None = None, login: str = "he") -> UUID:
    """A visit with its first signature; who has an important finding has been told of it."""
    visit_id = started(house, login, visit_id)
    tell_all(house, visit_id)
    with house.unit(signer(house, login)) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)
    return visit_id


def finalized(house: House, visit_id: UUID | None = None, login: str = "liang") -> UUID:
    """A visit with both signatures."""
    visit_id = first_signed(house, visit_id)
    with house.unit(signer(house, login)) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    return visit_id


def breaches(house: House) -> list[tuple[str, list[str]]]:
    """Every invariant that does not hold, with its breaches."""
    return [(name, found) for name, found in commands.breaches_of(house) if found]
