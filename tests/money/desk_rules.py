"""What happens to visits: people come, members are listed and moved, orders and prices change, discounts are given and taken back."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from billing import discounting
from billing import service as billing
from exam.catalog import service as catalog
from exam.kit.errors import Refused
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import Progress
from group_orders import members, service
from group_orders.models import Member
from registration import service as registration
from registration.facts import WalkIn
from tests.group_orders.cases import draft
from tests.money.model import Discount, Visit, package_prices
from tests.money.world import EXTRAS, OFFERS, World

ANY = st.integers(0, 60)
"""Picks one of what there is: small numbers are what a failing program shrinks to."""

FACTORS = st.sampled_from(("0.97", "0.95", "0.9", "0.85", "0.3333", "0"))
PACKAGES = ("P01", "")


class DeskRules:
    """Rules of the reception, the company's desk and the departments."""

    world: World

    def setup_desk(self) -> None:
        self.people = 0
        self.members: dict[UUID, UUID] = {}
        self.drafts: dict[UUID, Any] = {}
        self.requests: list[tuple[UUID, UUID, Discount]] = []

    def visit(self, n: int, when: Callable[[Visit], bool] | None = None) -> UUID | None:
        """One of the visits, or none while there is none; mostly one of those that a rule is about."""
        found = list(self.world.money.visits)
        if when is not None and n % 8:
            found = [key for key in found if when(self.world.money.visits[key])] or found
        return found[n % len(found)] if found else None

    def line(self, visit_id: UUID, n: int) -> Any:
        found = [key for key, line in self.world.money.visits[visit_id].lines.items() if not line.is_gone]
        return found[n % len(found)] if found else None

    def succeeded(self, name: str, outcome: Any) -> bool:
        """Counts what came to pass, so that a run may tell that no rule only ever was refused."""
        if isinstance(outcome, Refused):
            return False
        self.world.done[name] += 1
        return True

    # --- people come ---

    @rule(n=st.integers(0, 1), extra=ANY)
    def walk_in(self, n: int, extra: int) -> None:
        self.people += 1
        who = draft(200 + self.people, self.world.ground.organization_id)
        package = PACKAGES[n]
        groups = (EXTRAS[extra % len(EXTRAS)],) if extra % 2 or not package else ()

        def come(db: Any) -> None:
            opened = registration.walk_in(
                db, WalkIn(name=who.name, id_no=who.id_no, phone=who.phone, package=package, groups=groups)
            )
            visit = self.world.open(db, opened.visit_id, self.world.today)
            whole = catalog.catalogue(db, self.world.today).packages.get(package)
            if whole is not None:
                listed = {key: (line.standard, line.code) for key, line in visit.lines.items() if line.code in whole.groups}
                for key, fen in package_prices(listed, Fraction(whole.factor)).items():
                    visit.lines[key].own = fen

        self.succeeded("walk_in", self.world.act("lin", come))

    @rule(order=ANY, cohort=ANY, count=st.integers(1, 3))
    def enrol(self, order: int, cohort: int, count: int) -> None:
        order_id, pair = self.world.ground.orders[order % 2], self.world.ground.cohorts[order % 2]
        cohort_id, sex = pair[cohort % 2], "MF"[cohort % 2]
        drafts = []
        for _ in range(count):
            self.people += 1
            drafts.append(draft(self.people, cohort_id, sex=sex))

        def enlist(db: Any) -> None:
            for each, member_id in zip(drafts, members.enrol(db, order_id, None, drafts), strict=True):
                self._joined(db, member_id, cohort_id, each)

        self.succeeded("enrol", self.world.act("ning", enlist))

    def _joined(self, db: Any, member_id: UUID, cohort_id: UUID, who: Any) -> None:
        visit_id = db.get_one(Member, member_id).visit_id
        visit = self.world.open(db, visit_id, self.world.today)
        visit.deal = self.world.deal_of(cohort_id, {line.code for line in visit.lines.values()})
        self.members[visit_id], self.drafts[visit_id] = member_id, who

    @rule(n=ANY)
    def arrive(self, n: int) -> None:
        visit_id = self.visit(n)
        if visit_id is None:
            return
        if visit_id in self.drafts:
            who = self.drafts[visit_id]
            self.world.act("lin", lambda db: registration.walk_in(db, WalkIn(name=who.name, id_no=who.id_no)))
        if self.succeeded("arrive", self.world.act("lin", lambda db: registration.check_in(db, visit_id))):
            assert self.world.money.visits[visit_id].owes <= 0, "somebody was checked in who still owes"

    # --- the order ---

    @rule(n=ANY, code=ANY)
    def add(self, n: int, code: int) -> None:
        self._order("add", n, lambda db, visit_id: registration.add_groups(db, visit_id, [EXTRAS[code % len(EXTRAS)]]))

    @rule(n=ANY, line=ANY)
    def drop(self, n: int, line: int) -> None:
        self._order("drop", n, lambda db, visit_id: registration.remove_line(db, visit_id, self.line(visit_id, line), "不做了"))

    @rule(n=ANY, line=ANY)
    def examine(self, n: int, line: int) -> None:
        def begin(db: Any, visit_id: UUID) -> None:
            orders.progress(db, visit_id, [self.line(visit_id, line), self.line(visit_id, line + 1)], Progress.RESULTED)

        self._order("examine", n, begin, lambda db, visit_id: visits.card(db, visit_id).checked_in_at is not None)

    @rule(n=ANY)
    def return_sheet(self, n: int) -> None:
        self._order("return_sheet", n, registration.return_sheet)

    @rule(n=ANY)
    def cancel(self, n: int) -> None:
        self._order("cancel", n, lambda db, visit_id: registration.cancel(db, visit_id, "不来了"))

    def _order(self, name: str, n: int, what: Any, when: Any = None) -> None:
        visit_id = self.visit(n)
        if visit_id is None:
            return

        def change(db: Any) -> bool:
            if when is not None and not when(db, visit_id):
                return False
            what(db, visit_id)
            self.world.reread(db, visit_id)
            return True

        outcome = self.world.act("qin", change)
        if outcome is True:
            self.succeeded(name, outcome)

    # --- the company's list ---

    @rule(n=ANY, to=st.integers(0, 3))
    def move(self, n: int, to: int) -> None:
        """§8.4 and F35: what was done stays under the terms that it was done by, with the services rendered to whoever has begun."""
        visit_id = self.member(n)
        if visit_id is None:
            return
        world = self.world
        cohort_id = world.ground.cohorts[to // 2][to % 2]

        def change(db: Any) -> None:
            visit = world.money.visits[visit_id]
            begun = any(line.is_begun for line in visit.lines.values() if not line.is_gone)
            settled = frozenset(
                key for key, line in visit.lines.items() if not line.is_gone and (line.is_begun or (begun and line.is_service))
            ) - frozenset().union(*(keys for keys, _ in visit.kept))
            members.move_to_cohort(db, self.members[visit_id], cohort_id)
            if settled:
                visit.kept.append((settled, visit.deal))
            covered = msgspec.json.decode(db.get_one(Member, self.members[visit_id]).covered, type=list[str])
            visit.deal = world.deal_of(cohort_id, covered)
            world.reread(db, visit_id)

        self.succeeded("move", world.act("ning", change))

    def member(self, n: int) -> UUID | None:
        found = list(self.members)
        return found[n % len(found)] if found else None

    @rule(n=ANY)
    def withdraw(self, n: int) -> None:
        visit_id = self.member(n)
        if visit_id is None:
            return

        def leave(db: Any) -> bool:
            gone = members.withdraw(db, [db.get_one(Member, self.members[visit_id])], "离职")
            db.flush()
            self.world.reread(db, visit_id)
            return gone == 1

        if self.world.act("ning", leave) is True:
            self.succeeded("withdraw", True)
            del self.members[visit_id]

    @rule(n=ANY)
    def replace(self, n: int) -> None:
        visit_id = self.member(n)
        if visit_id is None:
            return
        self.people += 1

        def change(db: Any) -> None:
            before = db.get_one(Member, self.members[visit_id])
            sex = visits.get_row(db, visit_id).sex
            who = draft(self.people, before.cohort_id, sex=sex)
            new_id = members.replace(db, before.id, who, "换人")
            db.flush()
            self.world.reread(db, visit_id)
            self._joined(db, new_id, before.cohort_id, who)

        if self.succeeded("replace", self.world.act("ning", change)):
            del self.members[visit_id]

    @rule(cohort=st.integers(0, 3), offer=st.integers(0, len(OFFERS) - 1))
    def new_offer(self, cohort: int, offer: int) -> None:
        """Another version of the terms: who is on the list keeps the version they came with."""
        cohort_id = self.world.ground.cohorts[cohort // 2][cohort % 2]
        if self.succeeded(
            "new_offer", self.world.act("ning", lambda db: service.set_offer(db, cohort_id, OFFERS[offer], "改方案"))
        ):
            self.world.offers[cohort_id] = OFFERS[offer]

    # --- prices ---

    @rule(n=ANY, code=ANY, price=st.integers(1, 30000))
    def price(self, n: int, code: int, price: int) -> None:
        """A new price list (M8): visits that are open keep theirs, and a visit priced anew is priced by its own."""

        def change(db: Any) -> None:
            now = catalog.catalogue(db, self.world.today)
            group = (*EXTRAS, "G001", "G012")[code % 8]
            new = msgspec.structs.replace(now.groups[group], price_fen=price, min_price_fen=0)
            catalog.save(db, new, valid_from=self.world.today, reason="调价", seen_revision=now.revision)

        self.succeeded("price", self.world.act("tan", change))
        visit_id = self.visit(n)
        if visit_id is not None:
            assert not self.world.act("qin", lambda db: billing.reprice(db, visit_id, "repriced")), (
                "a new price list changed an old visit"
            )

    # --- discounts ---

    @rule(n=ANY, line=ANY, whole=st.booleans(), factor=FACTORS, who=st.sampled_from(("chen", "fang")))
    def discount(self, n: int, line: int, whole: bool, factor: str, who: str) -> None:
        visit_id = self.visit(n, lambda visit: visit.owes > 0)
        if visit_id is None:
            return
        world, visit = self.world, self.world.money.visits[visit_id]
        line_id = None if whole else self.line(visit_id, line)
        given = world.act(who, lambda db: discounting.give(db, visit_id, "老客户", line_id=line_id, factor=factor))
        if isinstance(given, Refused):
            return
        new = Discount("manual", line_id, Fraction(factor))
        if given.discount_id is None:
            self.requests.append((given.request_id, visit_id, new))  # type: ignore[arg-type]
            self.succeeded("ask_discount", given)
            return
        manual = {key: each for key, each in visit.discounts.items() if each.kind == "manual"}
        visit.discounts = {key: each for key, each in visit.discounts.items() if key not in manual}
        before = sum(person for person, _, _ in visit.shares().values())
        visit.discounts |= manual | {given.discount_id: new}
        after = sum(person for person, _, _ in visit.shares().values())
        least = Fraction("0.95" if who == "chen" else "0.85")
        assert after + 1 > before * least - Fraction(1, 2), f"{who} took {before} down to {after} alone (AT-26)"
        self.succeeded("discount", given)

    @precondition(lambda self: self.requests)
    @rule(n=ANY, is_approved=st.sampled_from((True, True, False)), who=st.sampled_from(("fang", "fang", "chen", "lan")))
    def decide(self, n: int, is_approved: bool, who: str) -> None:
        request_id, visit_id, new = self.requests[n % len(self.requests)]
        outcome = self.world.act(who, lambda db: discounting.decide(db, request_id, is_approved=is_approved, reason="看过"))
        if isinstance(outcome, Refused):
            return
        if is_approved:
            [given] = [
                each
                for each in self.world.read(lambda db: discounting.standing(db, visit_id))
                if each.id not in self.world.money.visits[visit_id].discounts
            ]
            assert given.actor_id != given.approved_by, "somebody approved their own discount"
            self.world.money.visits[visit_id].discounts[given.id] = new
        self.requests.remove((request_id, visit_id, new))
        self.succeeded("decide", outcome)

    @rule(n=ANY, which=ANY)
    def undo_discount(self, n: int, which: int) -> None:
        visit_id = self.visit(n)
        visit = self.world.money.visits.get(visit_id)
        if visit is None or not visit.discounts:
            return
        discount_id: Any = list(visit.discounts)[which % len(visit.discounts)]
        if self.succeeded(
            "undo_discount", self.world.act("fang", lambda db: discounting.undo(db, visit_id, discount_id, "给错了"))
        ):
            del visit.discounts[discount_id]

    @rule(n=ANY, line=ANY, fen=st.integers(1, 9000))
    def waive(self, n: int, line: int, fen: int) -> None:
        """Money back for what was done already: one asks, another says yes (§8.5)."""
        visit_id = self.visit(n)
        if visit_id is None:
            return
        visit, line_id = self.world.money.visits[visit_id], self.line(visit_id, line)
        if line_id is None:
            return
        now = visit.shares()[line_id][0]
        asked = self.world.act("chen", lambda db: discounting.ask_waiver(db, visit_id, line_id, fen, "家属投诉"))
        if isinstance(asked, Refused):
            return
        assert fen <= now, "more was waived than the line costs"
        self.requests.append((asked, visit_id, Discount("waiver", line_id, total=now - fen)))
        self.succeeded("waive", asked)

    @rule(n=ANY, scheme=st.sampled_from(("", "STACK", "LOWER")))
    def book_scheme(self, n: int, scheme: str) -> None:
        """A booking coefficient in place of the one before it (§8.2 step 3)."""
        visit_id = self.visit(n)
        if visit_id is None:
            return
        visit = self.world.money.visits[visit_id]
        if isinstance(self.world.act("chen", lambda db: discounting.apply_scheme(db, visit_id, scheme)), Refused):
            return
        visit.discounts = {key: each for key, each in visit.discounts.items() if each.kind != "booking"}
        for each in self.world.read(lambda db: discounting.standing(db, visit_id)):
            if each.kind == "booking":
                visit.discounts[each.id] = Discount("booking", factor=Fraction("0.9"), stackable=scheme == "STACK")
        assert any(each.kind == "booking" for each in visit.discounts.values()) == bool(scheme)
        self.succeeded("book_scheme", True)
