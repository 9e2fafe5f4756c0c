"""kill -9 at every writing statement of every act that moves money, and around its commit: nothing half is there after the restart (F01)."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, text

from billing import card_money, cashier, day_close, discounting, receipts
from billing import service as billing
from billing.cashier_facts import Way
from billing.facts import AccountKind
from billing.receipt_facts import Part
from exam.app import make_house
from exam.kit.db import Model
from exam.kit.house import House
from exam.kit.random import SystemRandom
from exam.visits import orders
from exam.visits.facts import Progress
from group_orders import members, prepaying, settling
from group_orders.models import Member
from group_orders.settlement_facts import SettlementKind
from registration import service as registration
from registration.facts import WalkIn
from tests.fixtures import houses, postgresql
from tests.group_orders.cases import draft
from tests.money.world import Ground, World

CASH, BANK = AccountKind.CASH, AccountKind.BANK_CARD
WRITES = ("INSERT", "UPDATE", "DELETE")
MOST = 200


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    if request.param == "postgresql" and postgresql.ENVIRONMENT not in os.environ:
        pytest.skip("PostgreSQL is not installed")
    ground = Ground(houses.template(request.param, tmp_path_factory), Path(tmp_path_factory.mktemp("kills")))
    yield ground
    ground.close()


class Scene:
    """A day in full swing: somebody who owes, somebody who paid, a sold card, a member who was examined, money paid ahead."""

    def __init__(self, world: World) -> None:
        self.world, self.house = world, world.house
        self.owing, self.paid = (self._walk_in(n) for n in (301, 302))
        self.receipt = self.do(
            "chen", lambda db: cashier.take(db, self.paid, [Way(method=CASH, amount_fen=billing.amount_due(db, self.paid))])
        )
        self.line = self.do("lin", lambda db: [line.id for line in orders.lines(db, self.paid) if line.price_fen][-1])
        self.plain = world.ground.numbers[1]
        self.card_no, self.spare = self.plain[0], self.plain[1]
        self.card_id = self.do(
            "chen", lambda db: card_money.sell(db, [self.card_no], [Part(method=CASH, amount_fen=50_000)]).card_ids[0]
        )
        self.order_id, cohort_id = world.ground.orders[0], world.ground.cohorts[0][0]
        self.drafts = [draft(n, cohort_id) for n in (1, 2, 3)]
        first = draft(9, cohort_id)
        [member_id] = self.do("ning", lambda db: members.enrol(db, self.order_id, None, [first]))
        self.member = self.do("ning", lambda db: db.get_one(Member, member_id).visit_id)
        self.do("chen", lambda db: prepaying.take(db, self.order_id, Part(method=CASH, amount_fen=5_000)))
        self.do("lin", lambda db: registration.walk_in(db, WalkIn(name=first.name, id_no=first.id_no)))
        self.do("lin", lambda db: registration.check_in(db, self.member))
        self.do(
            "qin",
            lambda db: orders.progress(db, self.member, [line.id for line in orders.lines(db, self.member)], Progress.RESULTED),
        )
        self.settlement: Any = None

    def _walk_in(self, n: int) -> Any:
        who = draft(n, self.world.ground.organization_id)
        come = WalkIn(name=who.name, id_no=who.id_no, phone=who.phone, package="P01")
        return self.do("lin", lambda db: registration.walk_in(db, come).visit_id)

    def do(self, login: str, what: Callable[[Any], Any]) -> Any:
        with self.house.unit(self.world.actor(login)) as db:
            return what(db)

    def propose(self, db: Any) -> Any:
        seen = settling.preview(db, self.order_id, SettlementKind.INTERIM)
        return settling.propose(db, self.order_id, SettlementKind.INTERIM, None, seen.digest)

    def proposed(self) -> Any:
        self.settlement = self.do("ning", self.propose)
        return self.settlement

    def approved(self) -> Any:
        self.do("gan", lambda db: settling.approve(db, self.proposed()))
        return self.settlement

    def close(self, db: Any) -> Any:
        [drawer] = day_close.to_close(db)
        counted = (drawer.opening_fen + drawer.cash_fen) // 100 * 100
        return day_close.close(db, drawer.drawer_id, day_close.Count(pieces={100: counted // 100}, reason="零头"))


Before = Callable[[Scene], Any]
ACTS: dict[str, tuple[str, Callable[[Scene, Any], Any], Before | None]] = {
    "charge": ("qin", lambda s, db: registration.add_groups(db, s.owing, ["G018"]), None),
    "discount": ("chen", lambda s, db: discounting.give(db, s.owing, "老客户", factor="0.97"), None),
    "pay by two ways": (
        "chen", lambda s, db: cashier.take(db, s.owing, [Way(method=CASH, amount_fen=500), Way(method=BANK, amount_fen=700, reference="P")]), None,
    ),
    "pay by card": ("chen", lambda s, db: cashier.take(db, s.owing, [Way(method=AccountKind.CARD, amount_fen=900, card_no=s.card_no)]), None),
    "pay at the window": ("lin", lambda s, db: billing.pay_at_window(db, s.owing, 500, "A1"), None),
    "refund": ("chen", lambda s, db: cashier.refund(db, s.paid, [s.line], cashier.plan_refund(db, s.paid, [s.line]).amount_fen, "不做"), None),
    "void": ("chen", lambda s, db: cashier.void(db, s.receipt.id, "打错"), None),
    "sell a card": ("chen", lambda s, db: card_money.sell(db, [s.spare], [Part(method=CASH, amount_fen=50_000)]), None),
    "replace a card": ("chen", lambda s, db: card_money.replace(db, s.card_id, s.spare, "", "损坏"), None),
    "cancel a card": ("chen", lambda s, db: card_money.cancel(db, s.card_id, 50_000, "不用了"), None),
    "prepay": ("chen", lambda s, db: prepaying.take(db, s.order_id, Part(method=CASH, amount_fen=700)), None),
    "propose a settlement": ("ning", lambda s, db: s.propose(db), None),
    "approve a settlement": ("gan", lambda s, db: settling.approve(db, s.settlement), Scene.proposed),
    "pay a settlement": ("chen", lambda s, db: settling.pay_at_desk(db, s.settlement, Part(method=CASH, amount_fen=300)), Scene.approved),
    "void a settlement": ("gan", lambda s, db: settling.void(db, s.settlement, "有误"), Scene.approved),
    "close a drawer": ("chen", lambda s, db: s.close(db), None),
    "enrol a chunk": ("ning", lambda s, db: members.enrol(db, s.order_id, None, s.drafts), None),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTS)
def test_whenever_an_act_is_killed_nothing_of_it_is_there(ground: Ground, name: str) -> None:
    login, act, before = ACTS[name]
    with ground.program() as world:
        scene = Scene(world)
        if before is not None:
            before(scene)
        stood = digest(scene.house)
        scene.house.engine.dispose()
        step = 1 if scene.house.is_sqlite else 5
        for at in range(1, MOST, step):
            ended = killed(scene, lambda house: _run(house, world, login, act, scene), at_write=at)
            if ended == 0:
                break
            assert ended == signal.SIGKILL, f"the act ended by itself at statement {at}: {ended}"
            assert digest(scene.house) == stood, f"killed at writing statement {at}, something of it is there"
        else:
            raise AssertionError("the act never ends")
        assert at > 3, "an act that moves money writes more than that"
        assert digest(scene.house) != stood
        assert world.breaches() == []


@pytest.mark.parametrize("name", ["pay by card", "approve a settlement", "close a drawer"])
@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_around_the_commit_it_is_all_or_nothing(ground: Ground, name: str, point: str) -> None:
    login, act, before = ACTS[name]
    with ground.program() as world:
        scene = Scene(world)
        if before is not None:
            before(scene)
        stood = digest(scene.house)
        scene.house.engine.dispose()
        assert killed(scene, lambda house: _run(house, world, login, act, scene), crash_at=point) == signal.SIGKILL
        assert (digest(scene.house) == stood) == (point == "before_commit")
        assert world.breaches() == []
        with scene.house.unit(None, write=False) as db:
            assert receipts.of_visit(db, scene.paid)


def _run(house: House, world: World, login: str, act: Callable[[Scene, Any], Any], scene: Scene) -> None:
    with house.unit(world.actor(login)) as db:
        act(scene, db)


def killed(scene: Scene, what: Callable[[House], None], *, at_write: int = 0, crash_at: str = "") -> int:
    """Runs `what` in a process of its own that dies at its n-th writing statement or named point; the signal, 0 when it came through."""
    child = os.fork()
    if child == 0:
        status = 3
        try:
            import msgspec

            settings: Any = msgspec.structs.replace(scene.house.settings, crash_at=crash_at)  # type: ignore[type-var]
            house = make_house(settings, clock=scene.house.clock, random=SystemRandom())
            house.ids = scene.house.ids
            if at_write:
                _arm(house, at_write)
            what(house)
            status = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def _arm(house: House, at_write: int) -> None:
    seen = 0

    @event.listens_for(house.engine, "before_cursor_execute")
    def kill(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        nonlocal seen
        if statement.lstrip().upper().startswith(WRITES):
            seen += 1
            if seen == at_write:
                os.kill(os.getpid(), signal.SIGKILL)


STABLE = (
    "billing_",
    "group_orders_",
    "registration_",
    "exam_visit",
    "exam_order",
    "exam_line",
    "exam_series",
    "exam_event",
    "exam_outbox",
    "exam_audit",
    "exam_person",
)


def digest(house: House) -> str:
    """Every row of the tables that money and its papers live in."""
    told = hashlib.sha256()
    with house.unit(None, write=False) as db:
        for table in sorted(Model.metadata.tables.values(), key=lambda table: table.name):
            if table.name.startswith(STABLE):
                rows = sorted(str(tuple(row)) for row in db.execute(select(text("*")).select_from(table)))
                told.update(f"{table.name}{rows}".encode())
    return told.hexdigest()
