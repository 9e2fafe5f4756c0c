"""The quick part of `make prove-payments`: simulated orders whose callbacks are lost, doubled, late, reordered and lying."""

from __future__ import annotations

from pathlib import Path

from exam.kit.house import House
from tests.billing.gateway_cases import breaches
from tools import prove_payments


def test_each_simulated_order_is_settled_or_listed(house: House, tmp_path: Path) -> None:
    with prove_payments.running(house, tmp_path / "payments", seed=7) as run:
        run.batch(0, 120)
        run.compare()
    assert run.wrong == []
    states = {name for name in run.counts if name.startswith("state ")}
    assert {"state paid", "state late", "state closed"} <= states
    assert run.counts["callbacks refused"] > 0
    assert run.counts["callbacks known"] > 0
    assert run.counts["signatures checked"] > 0
    assert breaches(house) == []


def test_the_proof_sees_a_payment_that_is_told_twice_or_not_at_all(house: House, tmp_path: Path) -> None:
    with prove_payments.running(house, tmp_path / "payments", seed=8) as run:
        run.batch(0, 30)
        paid = next(each for each in run.books.orders.values() if each.state == "paid")
        unpaid = next((each for each in run.books.orders.values() if each.state != "paid"), None)
        paid.state = "closed"
        run.compare()
    assert any(paid.order_no in text for text in run.wrong)
    assert unpaid is None or not any(unpaid.order_no in text for text in run.wrong)
