"""A centre made ready for programs: a company with rounds, cards in stock, odd prices; copied in milliseconds for each program."""

from __future__ import annotations

import copy
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text

from billing import card_types, cards, discounting
from billing.card_facts import CardTypeDraft, RefundRule
from billing.facts import Payer
from billing.models import LedgerTransfer
from exam.catalog import service as catalog
from exam.kit.clock import day_of
from exam.kit.errors import Refused
from exam.kit.house import Actor, House
from exam.people import service as people
from exam.staff.demo import CAST
from exam.visits import orders
from exam.visits.facts import BEGUN, LineState
from group_orders import service
from group_orders.facts import NewCohort, NewContract, NewOrder, Offer, OfferMode, Reduction, ReductionKind
from registration import service as registration
from registration.facts import WalkIn
from tests.conftest import actor_named
from tests.fixtures import houses
from tests.group_orders.cases import CLOSES, OPENS
from tests.money.model import Deal, Line, Money, Visit

T = TypeVar("T")
ROOMS = ("billing", "group_orders", "registration")

OFFERS = (
    Offer(mode=OfferMode.ITEMS, package="P01", factor="0.88"),
    Offer(mode=OfferMode.ITEMS, package="P01", groups=("G018",), factor="0.8333", limit_fen=30001),
    Offer(mode=OfferMode.AMOUNT, package="P01", groups=("G026",), factor="1", limit_fen=25000, extras_factor="0.95"),
    Offer(
        mode=OfferMode.DISCOUNT,
        package="P01",
        factor="0.9",
        group_factors={"G012": "0.5"},
        extras_payer=Payer.ORGANIZATION,
        extras_factor="0.7777",
    ),
    Offer(mode=OfferMode.ITEMS, package="P01", package_fen=20003),
)
"""One of each mode, with limits, single factors and an agreed total that no division fits."""

EXTRAS = ("G018", "G026", "G023", "G039", "G061", "G046")
"""What people add: the first costs an odd price, the second takes no discount, the third has a least price."""

CONTRACTS = (
    ("checked_in", "item", ()),
    ("registered", "package", (Reduction(ReductionKind.OFF_FROM, 30000, 1111), Reduction(ReductionKind.CAP, 0, 150000))),
)


KEPT = ("rules", "catalogues", "whole_catalogues", "catalogue_days")
"""What a house keeps by revision and a copy need not read again: the rule book and the catalogue of the ground."""


class Ground:
    """A database with a company of two open rounds and cards in stock. `program` gives a copy of it."""

    def __init__(self, template: houses.Template, folder: Path) -> None:
        copies = template.copy(folder / "ground")
        house = next(copies)
        self.actors = {login: actor_named(house, login) for login, *_ in CAST}
        self.numbers: list[list[str]] = []
        self.organization_id = self._company(house)
        self._cards(house)
        self._catalogue(house)
        if house.is_sqlite:
            with house.engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # type: ignore[union-attr]
        (folder / "ground" / "keys").symlink_to(template.home / "keys")
        house.engine.dispose()
        self.template = copy.copy(template)
        self.template.home = folder / "ground"
        self.template.base = str(house.engine.url.database or "")
        self.folder, self._copies, self._made = folder, copies, 0
        self.cache: dict[str, dict[Any, Any]] = {}
        with self.program() as world:
            world.act("lin", lambda db: registration.walk_in(db, WalkIn(name="覃志一", id_no="450102198001010117", package="P01")))
            self.cache = {name: world.house.cache[name] for name in KEPT if name in world.house.cache}

    def close(self) -> None:
        self._copies.close()  # type: ignore[attr-defined]

    def _company(self, house: House) -> UUID:
        keeper, chief = self.actors["ning"], self.actors["gan"]
        self.orders: list[UUID] = []
        self.cohorts: list[list[UUID]] = []
        with house.unit(keeper) as db:
            organization_id = people.add_organization(db, "91450100MA5KA0001X", "桂林机械厂")
            discounting.load_starter(db)
            for code, stackable in (("STACK", True), ("LOWER", False)):
                discounting.put_scheme(
                    db, code, code, "0.9", stackable=stackable, valid_from=OPENS, valid_until=None, source="测试"
                )
        for name, (when, by, reductions) in zip("甲乙", CONTRACTS, strict=True):
            with house.unit(keeper) as db:
                contract_id = service.add_contract(
                    db,
                    NewContract(organization_id=organization_id, name=f"合同{name}", starts_on=OPENS, ends_on=date(2027, 11, 20),
                                billable_when=when, settled_by=by, reductions=reductions),
                )  # fmt: skip
                order_id = service.add_order(
                    db, NewOrder(contract_id=contract_id, name=f"{name}批", opens_on=OPENS, closes_on=CLOSES)
                )
            found = []
            for sex, offer in zip("MF", OFFERS[:2] if name == "甲" else OFFERS[2:4], strict=True):
                with house.unit(keeper) as db:
                    found.append(service.add_cohort(db, order_id, NewCohort(name=f"{name}{sex}", sex=sex)))
                    service.set_offer(db, found[-1], offer, "")
            with house.unit(chief) as db:
                service.approve(db, order_id)
            with house.unit(chief) as db:
                service.act(db, order_id, "open")
            self.orders.append(order_id)
            self.cohorts.append(found)
        return organization_id

    def _cards(self, house: House) -> None:
        for is_named, face, price in ((True, 80_000, 70_007), (False, 50_000, 50_000)):
            draft = CardTypeDraft(
                name="金卡" if is_named else "银卡", category="exam", is_named=is_named, face_fen=face, price_fen=price,
                valid_months=None if is_named else 36, is_reloadable=is_named, needs_pin=False,
                refund=RefundRule.PROPORTIONAL if is_named else RefundRule.FULL,
            )  # fmt: skip
            with house.unit(self.actors["fang"]) as db:
                code = card_types.add_type(db, draft)
                first, _ = cards.make(db, code, 4)
            with house.unit(self.actors["fang"]) as db:
                numbers = [
                    str(number)
                    for number in db.scalars(
                        text("select card_no from billing_card where card_no >= :first").bindparams(first=first)
                    )
                ]
                self.numbers.append(sorted(numbers))
                cards.stock(db, db.scalars(select(cards.CardRow.batch_id).where(cards.CardRow.card_no == first)).one())

    def _catalogue(self, house: House) -> None:
        """An odd price, a group that takes no discount, and one with a least price."""
        for code, change in (
            ("G018", {"price_fen": 11037}),
            ("G026", {"discountable": False}),
            ("G023", {"min_price_fen": 14_500}),
        ):
            with house.unit(self.actors["tan"]) as db:
                now = catalog.catalogue(db, OPENS)
                entry = msgspec.structs.replace(now.groups[code], **change)
                catalog.save(db, entry, valid_from=OPENS, reason="测试用价格", seen_revision=now.revision)

    @contextmanager
    def program(self) -> Iterator[World]:
        """A copy of its own for one program."""
        self._made += 1
        home = self.folder / f"program{self._made}"
        copies = self.template.copy(home)
        try:
            house = next(copies)
            house.cache.update({name: dict(kept) for name, kept in self.cache.items()})
            yield World(self, house)
        finally:
            copies.close()  # type: ignore[attr-defined]
            shutil.rmtree(home, ignore_errors=True)


class World:
    """One copy with the model beside it. `act` does something as somebody; a refusal is an answer, and must change nothing."""

    def __init__(self, ground: Ground, house: House) -> None:
        self.ground, self.house, self.money = ground, house, Money()
        house.clock.advance(minutes=1)  # type: ignore[attr-defined] # ids of the copy come after those of the ground
        self.offers: dict[UUID, Offer] = dict(zip([c for pair in ground.cohorts for c in pair], OFFERS, strict=False))
        self.prices: dict[UUID, dict[str, tuple[int, bool, int]]] = {}
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.heirs: dict[UUID, UUID] = {}
        """Which card took a card's place."""

    def act(self, login: str, what: Callable[[Any], T]) -> T | Refused:
        """Runs one unit of work."""
        try:
            with self.house.unit(self.actor(login)) as db:
                return what(db)
        except Refused as refused:
            self.refused[refused.code] += 1
            return refused

    def read(self, what: Callable[[Any], T]) -> T:
        with self.house.unit(self.actor("fang"), write=False) as db:
            return what(db)

    def actor(self, login: str) -> Actor:
        return self.ground.actors[login]

    @property
    def today(self) -> date:
        return day_of(self.house.clock.now())

    # --- the order, as the model needs it ---

    def price_list(self, db: Any, on: date) -> dict[str, tuple[int, bool, int]]:
        """Price, whether a discount may be given, and the least price, by group, on a day."""
        found = catalog.catalogue(db, on)
        return {code: (group.price_fen, group.discountable, group.min_price_fen) for code, group in found.groups.items()}

    def open(self, db: Any, visit_id: UUID, on: date, deal: Deal | None = None) -> Visit:
        """A new visit: from now on it keeps the prices of this moment (M8)."""
        self.prices[visit_id] = self.price_list(db, on)
        visit = self.money.visits[visit_id] = Visit(deal=deal)
        self.reread(db, visit_id)
        return visit

    def reread(self, db: Any, visit_id: UUID) -> Visit:
        """Takes the order's lines over: which groups, and what became of them. Prices are the model's own."""
        visit, prices = self.money.visits[visit_id], self.prices[visit_id]
        ordered: dict[Any, Line] = {}
        for each in orders.lines(db, visit_id):
            standard, discountable, least = prices[each.group_code]
            assert each.standard_fen == standard, (
                f"{each.group_code} costs {each.standard_fen}, its visit's price list says {standard} (M8)"
            )
            line = visit.lines.get(each.id) or Line(each.group_code, standard, standard, discountable, least, each.service_only)
            line.is_gone, line.is_begun = each.state is LineState.REMOVED, each.state in BEGUN
            ordered[each.id] = line
        visit.lines = ordered
        return visit

    def deal_of(self, cohort: UUID, covered: Any) -> Deal:
        """The cohort's newest offer as the model needs it."""
        offer = self.offers[cohort]
        order = self.ground.orders[next(n for n, pair in enumerate(self.ground.cohorts) if cohort in pair)]
        covered = frozenset(covered)
        return Deal(
            order, covered, Fraction(offer.factor), offer.package_fen, offer.limit_fen, Fraction(offer.extras_factor),
            offer.extras_payer is Payer.ORGANIZATION or offer.mode is OfferMode.AMOUNT,
            {code: Fraction(factor) for code, factor in offer.group_factors.items()},
        )  # fmt: skip

    # --- what must hold ---

    def check(self) -> None:
        """The ledger says of everybody just what the model says."""
        wanted, found = self.money.books(self.ground.orders), self.read(_books)
        for key in wanted.keys() | found.keys():
            assert found.get(key, 0) == wanted.get(key, 0), (
                f"{key[0]} {key[1]}: the ledger says {found.get(key, 0)} fen, the model {wanted.get(key, 0)}"
            )

    def breaches(self) -> list[str]:
        """What the money rooms' invariants of `exam verify` find."""
        with self.house.unit(None, write=False) as db:
            return [
                f"{invariant.name}: {breach}"
                for module in self.house.modules.all if module.name in ROOMS
                for invariant in module.invariants for breach in invariant.check(db)
            ]  # fmt: skip


KINDS = {
    "person",
    "organization",
    "prepayment",
    "card",
    "unmatched",
    "cash",
    "bank_card",
    "transfer",
    "window",
    "wechat",
    "gateway_held",
}


def _books(db: Any) -> dict[tuple[str, Any], int]:
    """Debits less credits of every account that somebody owns or that holds money."""
    found: dict[tuple[str, Any], int] = {}
    for kind, of, sign in (
        (LedgerTransfer.debit, LedgerTransfer.debit_of, 1),
        (LedgerTransfer.credit, LedgerTransfer.credit_of, -1),
    ):
        for name, owner, fen in db.execute(select(kind, of, func.sum(LedgerTransfer.amount_fen)).group_by(kind, of)):
            if name in KINDS:
                key = (name, owner if owner.int else "")
                found[key] = found.get(key, 0) + sign * int(fen)
    return {key: fen for key, fen in found.items() if fen}
