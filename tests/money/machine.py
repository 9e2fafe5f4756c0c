"""The whole money room as a Hypothesis state machine: every rule is an act of somebody, and the model says what it must come to.

Each program has a database of its own, copied in milliseconds, so that what Hypothesis shrinks is what went wrong. After every step the
ledger is compared with the model; after every program the money rooms' invariants of `exam verify` are asked.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from group_orders.settlement_facts import SettlementKind
from tests.money.company_rules import CompanyRules
from tests.money.counter_rules import CASHIERS, CounterRules
from tests.money.desk_rules import ANY, DeskRules
from tests.money.gateway_rules import GatewayRules
from tests.money.world import Ground

ACTS = (
    "walk_in", "enrol", "arrive", "add", "drop", "examine", "return_sheet", "cancel", "move", "withdraw", "replace", "new_offer", "price",
    "discount", "ask_discount", "decide", "undo_discount", "waive", "book_scheme", "pay", "pay_by_card", "refund", "void", "window_pay",
    "sell", "top_up", "replace_card", "cancel_card", "freeze", "report_loss", "close_drawer", "close_centre", "prepay", "transfer",
    "match_prepayment", "unmatch", "void_transfer", "refund_prepayment", "carry_over", "propose", "approve", "send_back", "pay_settlement",
    "void_settlement", "complete", "reopen", "ask_code", "cancel_code", "pay_by_code", "pay_too_late", "refund_arrived",
)  # fmt: skip
"""What must have come to pass at least once in a run that proves something."""


class MoneyMachine(DeskRules, CounterRules, GatewayRules, CompanyRules, RuleBasedStateMachine):
    """One program. `ground` is set by whoever runs it; `done` and `refused` count over all programs."""

    ground: Ground
    done: Counter[str]
    refused: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.world = self.stack.enter_context(self.ground.program())
        self.setup_desk()
        self.setup_counter()
        self.setup_company()
        self.setup_gateway()

    @initialize(extra=ANY, cohort=ANY)
    def begin(self, extra: int, cohort: int) -> None:
        """Somebody pays for themselves, two are sent by the company."""
        self.walk_in(0, extra)
        self.enrol(cohort // 2, cohort, 2)
        self.day(0, "chen", extra % 4)
        self.day(1, "lan", extra % 5)

    @rule(n=ANY, who=CASHIERS, until=st.integers(0, 5))
    def day(self, n: int, who: str, until: int) -> None:
        """Somebody's day in one step, so that programs come far: here, paid, checked in, partly examined, the sheet returned."""
        self.arrive(n)
        visit_id = self.visit(n)
        if until and visit_id and self.world.money.visits[visit_id].owes > 0:
            self.take(visit_id, who, ways=until % 4, card=n)
            self.arrive(n)
        for line in range(0, 6 * (until - 1), 2):
            self.examine(n, line)
        if until > 3:
            self.return_sheet(n)

    @rule(n=ANY, kind=st.sampled_from((SettlementKind.INTERIM, SettlementKind.INTERIM, SettlementKind.FINAL)))
    def settle(self, n: int, kind: SettlementKind) -> None:
        """Proposed by one and approved by another."""
        if kind is SettlementKind.FINAL:
            self.end_round(n, "complete")
        before = len(self.settlements)
        self.propose(n, kind, None)
        if len(self.settlements) > before:
            self.judge(0, True, "gan")

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            found = self.world.breaches()
            assert found == [], found[:5]
            self.done.update(self.world.done)
            self.refused.update(self.world.refused)
        finally:
            self.stack.close()


def machine_on(ground: Ground) -> type[MoneyMachine]:
    """The machine over one kind of database, with counts of its own."""
    return type("MoneyMachine", (MoneyMachine,), {"ground": ground, "done": Counter(), "refused": Counter()})
