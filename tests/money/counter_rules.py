"""What happens at the counter: money comes by several ways, goes back, is voided; cards are sold and used; drawers and days are closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from billing import card_money, cards, cashier, centre_close, day_close, receipts
from billing import service as billing
from billing.card_models import CardRow
from billing.cashier_facts import Way
from billing.day_close import Count
from billing.facts import AccountKind
from billing.receipt_facts import Part, ReceiptKind
from exam.kit.errors import Refused
from exam.visits.models import Visit
from tests.money.desk_rules import ANY
from tests.money.world import World

CASHIERS = st.sampled_from(("chen", "lan"))
CASH, BANK = AccountKind.CASH, AccountKind.BANK_CARD


@dataclass
class Paid:
    """A receipt of the model: for which visit, by whom, what came by each part and what of it went back."""

    visit: Any
    cashier: str
    day: Any
    parts: dict[Any, tuple[str, int, Any]]
    returned: dict[Any, int] = field(default_factory=dict)
    is_void: bool = False
    is_closed: bool = False


class CounterRules:
    """Rules of cashiers. `sold` are cards by number with what their sale brought, `paid` receipts by id."""

    world: World

    def setup_counter(self) -> None:
        self.paid: dict[UUID, Paid] = {}
        self.window: dict[UUID, tuple[str, UUID, int]] = {}
        self.sold: list[UUID] = []
        self.stock = [list(numbers) for numbers in self.world.ground.numbers]
        self.left: dict[str, int] = {"chen": 0, "lan": 0}
        self.closes: list[tuple[UUID, str, int, int, int]] = []

    # --- receipts ---

    @rule(n=ANY, who=CASHIERS, percent=st.sampled_from((100, 100, 50, 1, 101)), ways=st.integers(0, 3), card=ANY)
    def pay(self, n: int, who: str, percent: int, ways: int, card: int) -> None:
        """By cash, by bank card, by both, or first by an exam card as far as it goes. One fen too much is refused."""
        visit_id = self.visit(n, lambda visit: visit.owes > 0)  # type: ignore[attr-defined]
        if visit_id is not None:
            self.take(visit_id, who, percent, ways, card)

    def take(self, visit_id: UUID, who: str, percent: int = 100, ways: int = 0, card: int = 0) -> None:
        owes = self.world.money.visits[visit_id].owes
        wanted = owes + 1 if percent > 100 else max(owes * percent // 100, 1)
        given: list[Way] = []
        card_id: UUID | None = None
        if ways == 3 and self.sold:
            card_id = self.sold[card % len(self.sold)]
            number = self.world.read(lambda db: db.get_one(CardRow, card_id).card_no)
            given.append(
                Way(method=AccountKind.CARD, amount_fen=max(min(self.world.money.cards[card_id], wanted), 1), card_no=number)
            )
        rest = wanted - sum(way.amount_fen for way in given)
        if ways == 1 and rest > 1:
            given.append(Way(method=BANK, amount_fen=rest // 2, reference="POS1"))
            rest -= rest // 2
        if rest > 0:
            given.append(Way(method=CASH if ways != 2 else BANK, amount_fen=rest, reference="POS2" if ways == 2 else ""))
        taken = self.world.act(who, lambda db: cashier.take(db, visit_id, given))
        if isinstance(taken, Refused):
            return
        assert wanted <= owes, "more was taken than is owed"
        self._took(taken, visit_id, who)
        self.succeeded("pay_by_card" if card_id else "pay", taken)  # type: ignore[attr-defined]

    def _took(self, taken: Any, visit_id: Any, who: str) -> None:
        self.paid[taken.id] = Paid(
            visit_id, who, self.world.today, {part.id: (part.method.value, part.amount_fen, part.card_id) for part in taken.parts}
        )
        for part in taken.parts:
            self.world.money.come(part.method.value, part.amount_fen, card=part.card_id, cashier=who)
        if visit_id is not None:
            self.world.money.visits[visit_id].receipts_fen += taken.total_fen

    @rule(n=ANY, who=CASHIERS, line=ANY, takes_off=st.booleans())
    def refund(self, n: int, who: str, line: int, takes_off: bool) -> None:
        """What is paid too much, or would be without a line, goes back the way it came (§8.5)."""
        visit_id = self.visit(n, lambda visit: visit.receipts_fen > 0)  # type: ignore[attr-defined]
        if visit_id is None:
            return
        visit = self.world.money.visits[visit_id]
        lines = [self.line(visit_id, line)] if takes_off else []  # type: ignore[attr-defined]
        if lines == [None]:
            return
        expected = max(min(visit.paid - sum(person for person, _, _ in visit.shares(lines).values()), visit.receipts_fen), 0)

        def give(db: Any) -> Any:
            seen = cashier.plan_refund(db, visit_id, lines).amount_fen
            found = cashier.refund(db, visit_id, lines, seen, "不做了")
            self.world.reread(db, visit_id)
            return found

        given = self.world.act(who, give)
        if isinstance(given, Refused):
            self.world.read(lambda db: self.world.reread(db, visit_id))
            return
        assert sum(each.total_fen for each in given) == expected, (
            f"{expected} fen are to go back, {[each.total_fen for each in given]} did"
        )
        for each in given:
            self._gave_back(each, who)
        self.succeeded("refund" if given else "drop_by_refund", given)  # type: ignore[attr-defined]

    def _gave_back(self, refund: Any, who: str) -> None:
        before = self.paid[refund.refund_of]
        assert not before.is_void
        for part in refund.parts:
            way, fen, card = before.parts[part.part_of]
            assert part.method.value == way, "money went back another way than it came"
            before.returned[part.part_of] = before.returned.get(part.part_of, 0) + part.amount_fen
            assert before.returned[part.part_of] <= fen, "more went back than came (M4)"
            if way == "wechat":  # the gateway's own account moves when the gateway has moved its money
                self.world.money.held[card] += part.amount_fen
            else:
                self.world.money.come(way, -part.amount_fen, card=self.heir(card), cashier=who)
        if before.visit is not None:
            self.world.money.visits[before.visit].receipts_fen -= refund.total_fen

    def heir(self, card: Any) -> Any:
        """The card that took a card's place."""
        while card in self.world.heirs:
            card = self.world.heirs[card]
        return card

    @precondition(lambda self: any(each.visit is not None for each in self.paid.values()))
    @rule(n=ANY, who=st.sampled_from(("chen", "lan", "fang")))
    def void(self, n: int, who: str) -> None:
        found = [key for key, each in self.paid.items() if each.visit is not None]
        receipt_id = found[n % len(found)]
        before = self.paid[receipt_id]
        done = self.world.act(who, lambda db: cashier.void(db, receipt_id, "打错了"))
        if isinstance(done, Refused):
            return
        assert not before.is_void and not before.returned and not before.is_closed and before.day == self.world.today
        before.is_void = True
        for way, fen, card in before.parts.values():
            self.world.money.come(way, -fen, card=self.heir(card), cashier=before.cashier)
        self.world.money.visits[before.visit].receipts_fen -= done.total_fen
        self.succeeded("void", done)  # type: ignore[attr-defined]

    # --- the hospital's own window ---

    @rule(n=ANY, percent=st.sampled_from((100, 40, 101)))
    def window_pay(self, n: int, percent: int) -> None:
        self._at_window("window_pay", n, percent, 1)

    @rule(n=ANY, percent=st.sampled_from((100, 40, 101)))
    def window_refund(self, n: int, percent: int) -> None:
        """The window never gives back what it did not take."""
        self._at_window("window_refund", n, percent, -1)

    def _at_window(self, name: str, n: int, percent: int, sign: int) -> None:
        visit_id = self.visit(n, lambda visit: sign * visit.owes > 0)  # type: ignore[attr-defined]
        if visit_id is None:
            return
        visit = self.world.money.visits[visit_id]
        whole = sign * visit.owes
        fen = whole + 1 if percent > 100 else max(whole * percent // 100, 1)
        if sign > 0:
            done = self.world.act("qin", lambda db: billing.pay_at_window(db, visit_id, fen, "A1"))
        else:
            done = self.world.act("qin", lambda db: billing.refund_at_window(db, visit_id, fen, "T1", may_differ=percent != 100))
        if isinstance(done, Refused):
            return
        assert sign < 0 or fen <= whole, "the window took more than is owed"
        assert sign > 0 or fen <= visit.window_fen, "the window gave back what it did not take"
        self.window[done] = (name, visit_id, fen)
        visit.window_fen += sign * fen
        self.world.money.come("window", sign * fen)
        self.succeeded(name, done)  # type: ignore[attr-defined]

    @precondition(lambda self: self.window)
    @rule(n=ANY)
    def undo_at_window(self, n: int) -> None:
        found = list(self.window)
        fact_id = found[n % len(found)]
        name, visit_id, fen = self.window[fact_id]
        undo = billing.undo_payment if name == "window_pay" else billing.undo_refund
        if isinstance(self.world.act("qin", lambda db: undo(db, visit_id, fact_id, "登错了")), Refused):
            return
        sign = -1 if name == "window_pay" else 1
        self.world.money.visits[visit_id].window_fen += sign * fen
        self.world.money.come("window", sign * fen)
        del self.window[fact_id]
        self.succeeded("undo_" + name, True)  # type: ignore[attr-defined]

    # --- cards ---

    @rule(kind=st.integers(0, 1), who=CASHIERS, n=ANY)
    def sell(self, kind: int, who: str, n: int) -> None:
        """A card is loaded with its face value and paid for with its price (§8.7); a named one is somebody's."""
        visit_id = self.visit(n)  # type: ignore[attr-defined]
        if not self.stock[kind] or visit_id is None:
            return
        number, (face, price) = self.stock[kind][0], ((80_000, 70_007), (50_000, 50_000))[kind]

        def sell(db: Any) -> Any:
            person_id = db.get_one(Visit, visit_id).person_id if kind == 0 else None
            found = card_money.sell(db, [number], [Part(method=CASH, amount_fen=price)], person_id=person_id)
            return found.card_ids[0], receipts.get(db, found.receipt_id)

        sold = self.world.act(who, sell)
        if isinstance(sold, Refused):
            return
        self.stock[kind].pop(0)
        card_id, receipt = sold
        self._took(receipt, None, who)
        self.world.money.cards[card_id] += face
        self.sold.append(card_id)
        self.succeeded("sell", sold)  # type: ignore[attr-defined]

    def card(self, n: int) -> UUID:
        return self.sold[n % len(self.sold)]

    @precondition(lambda self: self.sold)
    @rule(n=ANY, who=CASHIERS, fen=st.sampled_from((1, 12_345, 420_001)))
    def top_up(self, n: int, who: str, fen: int) -> None:
        card_id = self.card(n)
        taken = self.world.act(who, lambda db: card_money.top_up(db, card_id, fen, [Part(method=CASH, amount_fen=fen)]))
        if isinstance(taken, Refused):
            return
        self.world.money.cards[card_id] += fen
        assert self.world.money.cards[card_id] <= 500_000, "a card holds more than the law allows"
        self._took(taken, None, who)
        self.succeeded("top_up", taken)  # type: ignore[attr-defined]

    @precondition(lambda self: self.sold)
    @rule(n=ANY, what=st.sampled_from(("report_loss", "find_again", "freeze", "unfreeze")))
    def keep_card(self, n: int, what: str) -> None:
        """Nothing of a card's money moves while it is lost, found or frozen."""
        card_id = self.card(n)
        self.succeeded(what, self.world.act("fang", lambda db: getattr(cards, what)(db, card_id, "持卡人说明")))  # type: ignore[attr-defined]

    @precondition(lambda self: self.sold)
    @rule(n=ANY, kind=st.integers(0, 1))
    def replace_card(self, n: int, kind: int) -> None:
        card_id = self.card(n)
        if not self.stock[kind]:
            return
        number = self.stock[kind][-1]
        new_id = self.world.act("chen", lambda db: card_money.replace(db, card_id, number, "", "遗失"))
        if isinstance(new_id, Refused):
            return
        self.stock[kind].pop()
        self.world.money.cards[new_id] += self.world.money.cards.pop(card_id, 0)
        self.world.heirs[card_id] = new_id
        self.sold.append(new_id)
        self.succeeded("replace_card", new_id)  # type: ignore[attr-defined]

    @precondition(lambda self: self.sold)
    @rule(n=ANY, who=CASHIERS)
    def cancel_card(self, n: int, who: str) -> None:
        """What was really paid for goes back, never more than came in for it."""
        card_id = self.card(n)

        def end(db: Any) -> Any:
            known = {each.id for each in self._card_refunds(db)}
            offered = card_money.cancel_offer(db, card_id)
            card_money.cancel(db, card_id, offered.back_fen, "不用了")
            return offered, [each for each in self._card_refunds(db) if each.id not in known]

        ended = self.world.act(who, end)
        if isinstance(ended, Refused):
            return
        offered, refunds = ended
        assert sum(each.total_fen for each in refunds) == offered.back_fen <= offered.balance_fen == self.world.money.cards[card_id]
        for each in refunds:
            self._gave_back(each, who)
        del self.world.money.cards[card_id]
        self.succeeded("cancel_card", ended)  # type: ignore[attr-defined]

    @staticmethod
    def _card_refunds(db: Any) -> list[Any]:
        rows = receipts.ReceiptRow.target_kind.in_(("card_sale", "card_top_up"))
        return [each for each in receipts._receipts(db, rows) if each.kind is ReceiptKind.REFUND]

    # --- closing ---

    @rule(who=CASHIERS, over=st.sampled_from((0, 0, 100, -100)), hands_in=st.booleans())
    def close_drawer(self, who: str, over: int, hands_in: bool) -> None:
        """§8.7: the cash of the drawer's receipts is what the close expects; a difference is booked with its reason."""
        waiting = self.world.read(lambda db: day_close.to_close(db, self.world.actor(who).staff_id))
        if not waiting:
            return
        [drawer] = waiting
        cash = self.world.money.drawers[who]
        assert (drawer.cash_fen, drawer.opening_fen) == (cash, self.left[who]), f"the close says {drawer.cash_fen}, came in: {cash}"
        received = max(-(self.left[who] + cash), 0)
        expected = self.left[who] + cash + received
        counted = max(expected + over, 0) // 10 * 10
        count = Count(pieces=_pieces(counted), received_fen=received, handed_fen=counted if hands_in else 0, reason="找零")
        close_id = self.world.act(who, lambda db: day_close.close(db, drawer.drawer_id, count))
        if isinstance(close_id, Refused):
            return
        self.closes.append((close_id, who, cash, self.left[who], counted - expected))
        self.world.money.taken["cash"] += counted - expected
        self.world.money.drawers[who], self.left[who] = 0, counted - count.handed_fen
        for each in self.paid.values():
            each.is_closed = each.is_closed or each.cashier == who
        self.succeeded("close_drawer", close_id)  # type: ignore[attr-defined]

    @precondition(lambda self: self.closes)
    @rule()
    def close_centre(self) -> None:
        day = self.world.read(centre_close.next_day_to_close)
        self.succeeded("close_centre", self.world.act("deng", lambda db: centre_close.close(db, day)))  # type: ignore[attr-defined]

    @precondition(lambda self: self.world.today.day < 29)
    @rule(hours=st.sampled_from((1, 24)))
    def wait(self, hours: int) -> None:
        self.world.house.clock.advance(hours=hours)  # type: ignore[attr-defined]


def _pieces(fen: int) -> dict[int, int]:
    """So much in notes and coins."""
    found = {}
    for value in day_close.rules.DENOMINATIONS:
        found[value], fen = divmod(fen, value)
    return found
