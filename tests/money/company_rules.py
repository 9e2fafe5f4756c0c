"""What happens with a company's money: paid ahead, transferred, settled, taken back, carried to the next round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from billing import transfers
from billing.facts import AccountKind
from billing.receipt_facts import Part
from billing.transfer_facts import NewTransfer
from exam.kit.errors import Refused
from exam.visits import service as visits
from group_orders import prepaying, service, settlement_rules, settling
from group_orders.settlement_facts import SettlementKind
from tests.money.desk_rules import ANY
from tests.money.world import CONTRACTS, World


@dataclass
class Settled:
    """A settlement of the model: what it bills of each line, and where it stands."""

    order: Any
    kind: SettlementKind
    lines: dict[Any, int]
    due: int
    prepaid: int
    receivable: int
    credited: int
    state: str = "proposed"
    paid: int = 0

    @property
    def is_live(self) -> bool:
        return self.state in ("proposed", "approved")


class CompanyRules:
    """Rules of group orders' money."""

    world: World

    def setup_company(self) -> None:
        self.settlements: dict[UUID, Settled] = {}
        self.transfers: dict[UUID, int] = {}
        self.matches: dict[UUID, tuple[str, UUID, Any, int]] = {}

    def order(self, n: int) -> UUID:
        return self.world.ground.orders[n % 2]

    # --- paid ahead ---

    @rule(n=ANY, fen=st.integers(1, 60_000))
    def prepay(self, n: int, fen: int) -> None:
        order_id = self.order(n)
        if self.succeeded(
            "prepay", self.world.act("chen", lambda db: prepaying.take(db, order_id, Part(method=AccountKind.CASH, amount_fen=fen)))
        ):  # type: ignore[attr-defined]
            self.world.money.prepaid[order_id] += fen
            self.world.money.come("cash", fen, cashier="chen")

    @rule(fen=st.integers(1, 90_000))
    def transfer(self, fen: int) -> None:
        new = NewTransfer(amount_fen=fen, payer_name="桂林机械厂", received_on=self.world.today)
        transfer_id = self.world.act("deng", lambda db: transfers.record(db, new))
        if not isinstance(transfer_id, Refused):
            self.transfers[transfer_id] = fen
            self.world.money.come("transfer", fen)
            self.world.money.unmatched += fen
            self.succeeded("transfer", transfer_id)  # type: ignore[attr-defined]

    @precondition(lambda self: self.transfers)
    @rule(t=ANY, n=ANY, percent=st.sampled_from((100, 30, 101)))
    def match_prepayment(self, t: int, n: int, percent: int) -> None:
        order_id, transfer_id = self.order(n), list(self.transfers)[t % len(self.transfers)]
        left = self.transfers[transfer_id]
        fen = left + 1 if percent > 100 else max(left * percent // 100, 1)
        match_id = self.world.act("deng", lambda db: prepaying.take_from_transfer(db, order_id, transfer_id, fen))
        if isinstance(match_id, Refused):
            return
        assert fen <= left, "more of a transfer was assigned than came"
        self._matched(match_id, "prepayment", transfer_id, order_id, fen)
        self.world.money.prepaid[order_id] += fen
        self.succeeded("match_prepayment", match_id)  # type: ignore[attr-defined]

    def _matched(self, match_id: UUID, kind: str, transfer_id: UUID, target: Any, fen: int) -> None:
        self.matches[match_id] = (kind, transfer_id, target, fen)
        self.transfers[transfer_id] -= fen
        self.world.money.unmatched -= fen

    @precondition(lambda self: self.matches)
    @rule(n=ANY)
    def unmatch(self, n: int) -> None:
        match_id = list(self.matches)[n % len(self.matches)]
        kind, transfer_id, target, fen = self.matches[match_id]
        if isinstance(self.world.act("deng", lambda db: settling.unmatch(db, match_id, "认错了")), Refused):
            return
        del self.matches[match_id]
        self.transfers[transfer_id] += fen
        self.world.money.unmatched += fen
        if kind == "prepayment":
            self.world.money.prepaid[target] -= fen
            assert self.world.money.prepaid[target] >= 0, "a prepayment fell below its used part (M4)"
        else:
            self.settlements[target].paid -= fen
            self.world.money.settled_in[self.settlements[target].order] -= fen
        self.succeeded("unmatch", True)  # type: ignore[attr-defined]

    @precondition(lambda self: self.transfers)
    @rule(t=ANY)
    def void_transfer(self, t: int) -> None:
        transfer_id = list(self.transfers)[t % len(self.transfers)]
        if self.succeeded("void_transfer", self.world.act("deng", lambda db: transfers.void(db, transfer_id, "登错了"))):  # type: ignore[attr-defined]
            fen = self.transfers.pop(transfer_id)
            self.world.money.come("transfer", -fen)
            self.world.money.unmatched -= fen

    @precondition(lambda self: any(self.world.money.prepaid.values()))
    @rule(n=ANY, percent=st.sampled_from((100, 50, 101)))
    def refund_prepayment(self, n: int, percent: int) -> None:
        order_id = self.order(n)
        left = self.world.money.prepaid[order_id]
        fen = left + 1 if percent > 100 else max(left * percent // 100, 1)
        if self.succeeded(
            "refund_prepayment", self.world.act("deng", lambda db: prepaying.refund(db, order_id, fen, "B1", "多付"))
        ):  # type: ignore[attr-defined]
            assert fen <= left, "more of a prepayment went back than was left"
            self.world.money.prepaid[order_id] -= fen
            self.world.money.come("transfer", -fen)

    @precondition(lambda self: any(self.world.money.prepaid.values()))
    @rule(n=ANY, percent=st.sampled_from((100, 50, 101)))
    def carry_over(self, n: int, percent: int) -> None:
        order_id, to = self.order(n), self.order(n + 1)
        left = self.world.money.prepaid[order_id]
        fen = left + 1 if percent > 100 else max(left * percent // 100, 1)
        if self.succeeded("carry_over", self.world.act("deng", lambda db: prepaying.carry_over(db, order_id, to, fen, "结转"))):  # type: ignore[attr-defined]
            assert fen <= left
            self.world.money.prepaid[order_id] -= fen
            self.world.money.prepaid[to] += fen

    # --- settled ---

    def billable(self, db: Any, n: int) -> dict[Any, int]:
        """§8.4: what the next settlement bills of each line, by the contract; what was settled before is taken off."""
        order_id, (when, by, _) = self.order(n), CONTRACTS[n % 2]
        before: dict[Any, int] = {}
        for each in self.settlements.values():
            if each.is_live and each.order == order_id:
                for key, fen in each.lines.items():
                    before[key] = before.get(key, 0) + fen
        found: dict[Any, int] = {}
        for visit_id, visit in self.world.money.visits.items():
            card, shares = visits.card(db, visit_id), visit.shares()
            counts = card.state in settlement_rules.REACHED[when]
            covered = visit.deal.covered if visit.deal else frozenset()
            kept = frozenset().union(*(keys for keys, _ in visit.kept))
            for key, line in visit.lines.items():
                _, fen, payer = shares.get(key, (0, 0, None))
                fen = fen if payer == order_id else 0
                if line.is_service or (by == "package" and (line.code in covered or key in kept)):
                    is_due = card.checked_in_at is not None or when == "registered"
                else:
                    is_due = line.is_begun
                wanted = fen if is_due else 0
                if key in before or (counts and wanted):
                    found[key] = wanted - before.get(key, 0)
        return {key: fen for key, fen in found.items() if fen}

    @rule(n=ANY, kind=st.sampled_from((SettlementKind.INTERIM, *SettlementKind)), percent=st.sampled_from((None, None, 0, 50)))
    def propose(self, n: int, kind: SettlementKind, percent: int | None) -> None:
        order_id = self.order(n)

        def propose(db: Any) -> Any:
            seen = settling.preview(db, order_id, kind)
            prepaid = None if percent is None else seen.sums.prepaid_fen * percent // 100
            return settling.propose(db, order_id, kind, None, seen.digest, prepaid), settling.preview(
                db, order_id, kind, None, prepaid
            ) and seen

        outcome = self.world.act("ning", propose)
        if isinstance(outcome, Refused):
            return
        settlement_id, seen = outcome
        lines = self.world.read(lambda db: self.billable(db, n))
        told = {line.line_id: line.amount_fen for member in seen.members for line in member.lines}
        assert told == lines, f"the settlement bills {sum(told.values())} fen, {sum(lines.values())} are billable"
        row = self.world.read(lambda db: _figures(settling.get_row(db, settlement_id)))
        made = self.settlements[settlement_id] = Settled(order_id, kind, lines, *row)
        assert made.due == sum(lines.values()) + seen.sums.adjusted_fen == made.prepaid + made.receivable - made.credited
        assert made.prepaid <= self.world.money.prepaid[order_id]
        self._reduced(order_id, n)
        self.succeeded("propose", outcome)  # type: ignore[attr-defined]

    def _reduced(self, order_id: UUID, n: int) -> None:
        """满额减 and 封顶 hold for the round as a whole, however many settlements it has."""
        live = [each for each in self.settlements.values() if each.order == order_id and each.is_live]
        billed, due = sum(sum(each.lines.values()) for each in live), sum(each.due for each in live)
        wanted = billed
        for each in CONTRACTS[n % 2][2]:
            if each.kind == "off_from" and billed >= each.from_fen:
                wanted -= each.amount_fen
            elif each.kind == "cap":
                wanted = min(wanted, each.amount_fen)
        assert due == max(wanted, 0) or billed < 0, f"the round's settlements come to {due} fen, its contract says {wanted}"

    def settlement(self, n: int) -> UUID:
        return list(self.settlements)[-1 - n % len(self.settlements)]

    @precondition(lambda self: self.settlements)
    @rule(n=ANY, is_approved=st.sampled_from((True, True, False)), who=st.sampled_from(("gan", "gan", "ning")))
    def judge(self, n: int, is_approved: bool, who: str) -> None:
        settlement_id = self.settlement(n)
        each = self.settlements[settlement_id]
        if not is_approved:
            if self.succeeded("send_back", self.world.act(who, lambda db: settling.send_back(db, settlement_id, "再核对"))):  # type: ignore[attr-defined]
                each.state = "returned"
            return
        if self.succeeded("approve", self.world.act(who, lambda db: settling.approve(db, settlement_id))):  # type: ignore[attr-defined]
            assert who != "ning", "somebody approved their own settlement"
            each.state = "approved"
            self._moved(each, 1)

    def _moved(self, each: Settled, sign: int) -> None:
        """What an approval moves and a void moves back: the contract's reduction, the prepayment used or credited."""
        adjusted = each.due - sum(each.lines.values())
        self.world.money.settled_in[each.order] += sign * (each.prepaid - each.credited - adjusted)
        self.world.money.prepaid[each.order] += sign * (each.credited - each.prepaid)
        assert self.world.money.prepaid[each.order] >= 0, "a prepayment fell below nothing"

    @precondition(lambda self: self.settlements)
    @rule(n=ANY, t=ANY, by_transfer=st.booleans(), percent=st.sampled_from((100, 100, 40, 101)))
    def pay_settlement(self, n: int, t: int, by_transfer: bool, percent: int) -> None:
        settlement_id, by_transfer = self.settlement(n), by_transfer and bool(self.transfers)
        each = self.settlements[settlement_id]
        rest = each.receivable - each.paid
        fen = rest + 1 if percent > 100 else max(rest * percent // 100, 1)
        transfer_id = list(self.transfers)[t % len(self.transfers)] if by_transfer else None
        if by_transfer:
            fen = min(fen, max(self.transfers[transfer_id], 1))  # type: ignore[index]
            done = self.world.act("deng", lambda db: settling.pay_by_transfer(db, settlement_id, transfer_id, fen))  # type: ignore[arg-type]
        else:
            done = self.world.act(
                "chen", lambda db: settling.pay_at_desk(db, settlement_id, Part(method=AccountKind.CASH, amount_fen=fen))
            )
        if isinstance(done, Refused):
            return
        assert each.state == "approved" and fen <= rest, "more was paid of a settlement than is left of it"
        each.paid += fen
        self.world.money.settled_in[each.order] += fen
        if by_transfer:
            self._matched(done, "settlement", transfer_id, settlement_id, fen)  # type: ignore[arg-type]
        else:
            self.world.money.come("cash", fen, cashier="chen")
        self.succeeded("pay_settlement", done)  # type: ignore[attr-defined]

    @precondition(lambda self: self.settlements)
    @rule(n=ANY)
    def void_settlement(self, n: int) -> None:
        """§8.4: releases its lines and restores the prepayment exactly."""
        settlement_id = self.settlement(n)
        each = self.settlements[settlement_id]
        if self.succeeded("void_settlement", self.world.act("gan", lambda db: settling.void(db, settlement_id, "金额有误"))):  # type: ignore[attr-defined]
            assert each.state == "approved" and not each.paid
            each.state = "void"
            self._moved(each, -1)

    @rule(n=ANY, what=st.sampled_from(("complete", "reopen")))
    def end_round(self, n: int, what: str) -> None:
        """A completed round takes off who never came (T19)."""
        order_id = self.order(n)

        def end(db: Any) -> None:
            if what == "complete":
                service.complete(db, order_id, "年度结束")
            else:
                service.act(db, order_id, "reopen", "还有人来")
            db.flush()
            for visit_id in self.world.money.visits:
                self.world.reread(db, visit_id)

        self.succeeded(what, self.world.act("gan", end))  # type: ignore[attr-defined]


def _figures(row: Any) -> tuple[int, int, int, int]:
    return row.due_fen, row.prepaid_fen, row.receivable_fen, row.credited_fen
