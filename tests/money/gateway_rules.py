"""What happens through a payment gateway: codes are asked for, callbacks come right, twice, late, with another amount, or never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from billing import gateway_notices, gateway_service, receipts
from billing.ports import PAYMENT_GATEWAYS, CallbackRefused, Method, Notice, RefundWord, Trade
from exam.kit.errors import Refused
from exam.visits import service as visits
from tests.billing.gateway_cases import Scripted
from tests.money.counter_rules import CASHIERS, Paid
from tests.money.desk_rules import ANY
from tests.money.world import World


@dataclass
class Code:
    """An order at the gateway: for which visit, how much, and what became of it."""

    number: str
    visit: UUID
    fen: int
    who: str
    is_cancelled: bool = False
    is_told: bool = False


class GatewayRules:
    """Rules of WeChat Pay; the gateway itself stands still, its callbacks are what comes."""

    world: World
    paid: dict[UUID, Paid]

    def setup_gateway(self) -> None:
        self.codes: dict[UUID, Code] = {}
        self.events = 0
        self.world.house.modules._ports[id(PAYMENT_GATEWAYS)] = {Method.WECHAT: Scripted()}

    @rule(n=ANY, who=CASHIERS, percent=st.sampled_from((100, 100, 50)))
    def ask_code(self, n: int, who: str, percent: int) -> None:
        """The customer scans; the gateway has taken the order."""
        visit_id = self.visit(n, lambda visit: visit.owes > 0)  # type: ignore[attr-defined]
        if visit_id is None:
            return
        fen = max(self.world.money.visits[visit_id].owes * percent // 100, 1)

        def ask(db: Any) -> Any:
            made = gateway_service.open_order(db, Method.WECHAT, f"visit:{visit_id}", fen)
            row = gateway_service.get_row(db, made.id, lock=True)
            gateway_service.move(db, row, "submit")
            gateway_service.move(db, row, "take")
            return made

        made = self.world.act(who, ask)
        if not isinstance(made, Refused):
            self.codes[made.id] = Code(made.order_no, visit_id, fen, who)
            self.succeeded("ask_code", made)  # type: ignore[attr-defined]

    @precondition(lambda self: self.codes)
    @rule(n=ANY)
    def cancel_code(self, n: int) -> None:
        order_id = list(self.codes)[n % len(self.codes)]
        code = self.codes[order_id]
        if self.succeeded("cancel_code", self.world.act(code.who, lambda db: gateway_service.cancel_order(db, order_id))):  # type: ignore[attr-defined]
            code.is_cancelled = True

    @precondition(lambda self: self.codes)
    @rule(n=ANY, times=st.integers(1, 3), lie=st.sampled_from((0, 0, 0, -1)))
    def call_back(self, n: int, times: int, lie: int) -> None:
        """Told any number of times, it counts once (§8.8.8); another amount is refused; what nobody owes any more goes back."""
        order_id = list(self.codes)[-1 - n % len(self.codes)]
        code = self.codes[order_id]
        visit = self.world.money.visits[code.visit]
        state = self.world.read(lambda db: visits.state_of(db, code.visit))
        is_due = visit.owes >= code.fen and state not in ("listed", "cancelled") and not code.is_cancelled
        self.events += 1
        notice = Notice(Method.WECHAT, f"EV{self.events}", code.number, Trade("paid", code.fen + lie, "CNY", f"T{code.number}"))
        for _ in range(times):
            try:
                gateway_notices.receive_notice(self.world.house, notice)
            except CallbackRefused:
                assert lie, "a true callback was refused"
                return
        assert not lie, "a callback over another amount was taken"
        if not code.is_told:
            code.is_told = True
            self._came(order_id, code, is_due)

    def _came(self, order_id: UUID, code: Code, is_due: bool) -> None:
        world = self.world
        found = [
            (receipt, part)
            for receipt in world.read(lambda db: receipts.of_visit(db, code.visit))
            for part in receipt.parts if part.gateway_order_id == order_id and part.part_of is None
        ]  # fmt: skip
        assert len(found) == is_due, f"{code.fen} fen came, due: {is_due}, booked {len(found)} times (M5)"
        world.money.taken["wechat"] += code.fen
        if not found:
            world.money.held[order_id] += code.fen
            self.succeeded("pay_too_late", True)  # type: ignore[attr-defined]
            return
        [(receipt, part)] = found
        self.paid[receipt.id] = Paid(code.visit, code.who, world.today, {part.id: ("wechat", code.fen, order_id)})
        world.money.visits[code.visit].receipts_fen += code.fen
        self.succeeded("pay_by_code", True)  # type: ignore[attr-defined]

    @precondition(lambda self: any(self.world.money.held.values()))
    @rule(n=ANY, is_success=st.sampled_from((True, True, False)))
    def refund_notice(self, n: int, is_success: bool) -> None:
        """The gateway says what became of a refund: only then its account moves; one that failed is owed again."""
        held = [key for key, fen in self.world.money.held.items() if fen]
        order_id = held[n % len(held)]
        code = self.codes[order_id]
        waiting = [
            each for each in self.world.read(lambda db: list(gateway_service.refunds_of(db, order_id)))
            if each.state in ("requested", "unknown", "processing")
        ]  # fmt: skip
        if not waiting:
            return
        refund = waiting[0]
        self.events += 1
        word = RefundWord("success" if is_success else "failed", refund.amount_fen, f"B{self.events}")
        notice = Notice(Method.WECHAT, f"EV{self.events}", code.number, None, refund.refund_no, word)
        try:
            gateway_notices.receive_notice(self.world.house, notice)
        except CallbackRefused:
            return
        if is_success:
            self.world.money.held[order_id] -= refund.amount_fen
            self.world.money.taken["wechat"] -= refund.amount_fen
        elif not refund.is_automatic:
            self._owed_again(order_id, code, refund.amount_fen)
        self.succeeded("refund_arrived" if is_success else "refund_failed", True)  # type: ignore[attr-defined]

    def _owed_again(self, order_id: UUID, code: Code, fen: int) -> None:
        self.world.money.held[order_id] -= fen
        self.world.money.visits[code.visit].receipts_fen += fen
        for each in self.paid.values():
            for part_id, (way, _, of) in each.parts.items():
                if way == "wechat" and of == order_id:
                    each.returned[part_id] -= fen
