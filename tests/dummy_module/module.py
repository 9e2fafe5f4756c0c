"""What the dummy plug-in brings: one of everything."""

from __future__ import annotations

import msgspec
from litestar import Request
from sqlalchemy.orm import Session

from exam.kit import web
from exam.kit.events import announce
from exam.kit.module import Invariant, Job, MenuEntry, Module, Port, Slot
from exam.visits.facts import VisitOpened


class Heard(msgspec.Struct, frozen=True):
    """The dummy heard that a visit was opened."""

    visit_id: object = None


GREETING: Slot = Slot("a word of greeting")
VOICE: Port = Port("how the dummy speaks")
delivered: list[object] = []
jobs_run: list[str] = []


def on_visit_opened(db: Session, event: VisitOpened) -> None:
    """Vetoes a visit of the forbidden site, otherwise tells that it heard."""
    if db.info.get("dummy_vetoes"):
        raise RuntimeError("the dummy says no")
    announce(db, Heard(event.visit_id))


def deliver(db: Session, event: VisitOpened) -> None:
    """Delivers after the commit; fails as long as it is told to."""
    if delivered and delivered[0] == "fail":
        raise ConnectionError("the partner is away")
    delivered.append(event.visit_id)


@web.get("/dummy", may="dummy.see")
def see(request: Request, db: web.Db) -> web.Page:
    """A page of the plug-in."""
    return web.page(db, "exam/refused.html", refused=None, problems=[], text="你好", hint="", code="dummy")


module = Module(
    name="tests.dummy_module",
    title="测试",
    needs=("exam", "billing"),
    routes=(see,),
    permissions={"dummy.see": "看"},
    listeners=((VisitOpened, on_visit_opened),),
    deliveries=((VisitOpened, "dummy.deliver", deliver),),
    fills=((GREETING, lambda: "你好"),),
    provides=((VOICE, "voice"),),
    menu=(MenuEntry("测试", "/dummy", "dummy.see"),),
    invariants=(Invariant("the dummy is fine", lambda db: []),),
    jobs=(Job("tick", 60, lambda house: jobs_run.append("tick")),),
)
