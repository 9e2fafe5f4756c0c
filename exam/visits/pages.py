"""The page of one person: the masked file and the visits of all years."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromPath

from exam.kit import web
from exam.kit.clock import day_of
from exam.kit.house import actor_of, house_of
from exam.people import service as people
from exam.people.facts import ID_KIND_NAMES, SEX_NAMES
from exam.people.rules import age_on
from exam.visits import service as visits


@web.get("/people/{person_id:str}", may="people.read")
def show_person(request: Request[Any, Any, Any], db: web.Db, person_id: FromPath[str]) -> web.Page:
    """A person's file, masked, with the visits at this site, newest first."""
    person = people.person(db, web.uuid_of(person_id))
    today = day_of(house_of(db).clock.now())
    return web.page(
        db, "exam/people_person.html", person=person, age=age_on(person.birth_on, today), kinds=ID_KIND_NAMES, sexes=SEX_NAMES,
        visits=visits.of_person(db, person.id), fields=list(people.REVEALABLE.items()), actor_may=actor_of(db).may,
    )  # fmt: skip


routes = (show_person,)
