"""The money room run as a state machine on both databases: the quick part of `make prove-money`, and what the machine is good for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from billing import balances, charging, ledger
from exam.visits.facts import LineState
from tests.fixtures import houses, postgresql
from tests.money.machine import machine_on
from tests.money.model import half_up, package_prices, split
from tests.money.world import Ground

PROGRAMS = {"sqlite": 14, "postgresql": 8}
SEEN = {"walk_in", "enrol", "arrive", "examine", "pay", "add"}


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    if request.param == "postgresql" and postgresql.ENVIRONMENT not in os.environ:
        pytest.skip("PostgreSQL is not installed")
    ground = Ground(houses.template(request.param, tmp_path_factory), tmp_path)
    yield ground
    ground.close()


def quick(programs: int, *, shrinks: bool = True) -> settings:
    return settings(
        max_examples=programs, stateful_step_count=25, deadline=None, derandomize=True, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
    )  # fmt: skip


def test_programs_of_the_money_room_keep_every_sum(ground: Ground) -> None:
    machine = machine_on(ground)
    run_state_machine_as_test(machine, settings=quick(PROGRAMS[ground.template.kind]))
    assert machine.done.keys() >= SEEN, machine.done


def _charges_what_was_removed(lines: Any, *rest: Any) -> Any:
    return REAL([line if line.state is not LineState.REMOVED else _pending(line) for line in lines], *rest)


def _pending(line: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(line, state=LineState.PENDING)


REAL = charging.wanted_shares

MUTANTS = {
    "what was removed stays charged": (charging, "wanted_shares", _charges_what_was_removed),
    "the board is not told": (balances, "show_due", lambda db, visit_id, site: None),
    "a balance does not move": (ledger, "_move_balance", lambda db, account, change_fen: None),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_machine_finds_a_planted_mistake(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ground = Ground(houses.template("sqlite", tmp_path_factory), tmp_path)
    place, attribute, instead = MUTANTS[name]
    with monkeypatch.context() as patched:
        patched.setattr(place, attribute, instead)
        if name == "the board is not told":
            from billing import cashier, service

            patched.setattr(service, "show_due", instead)
            assert cashier.balances is balances
        with pytest.raises(BaseException, match=r"ledger says|board|balance|stand charged"):
            run_state_machine_as_test(machine_on(ground), settings=quick(20, shrinks=False))
    ground.close()


@pytest.mark.parametrize(
    ("standards", "factor", "total", "parts"),
    [((1200, 2000, 6750, 13333), "0.85", 19791, (1020, 1700, 5738, 11333)), ((5, 5, 5), "0.9", 14, (5, 5, 4)),
     ((3333, 3333, 3334), "0.9999", 9999, (3333, 3333, 3333)), ((67400,), "0.88", 59312, (59312,))],
)  # fmt: skip
def test_the_model_knows_the_vectors_of_the_domain(
    standards: tuple[int, ...], factor: str, total: int, parts: tuple[int, ...]
) -> None:
    """§8.3."""
    lines = {n: (amount, f"G{n}") for n, amount in enumerate(standards)}
    assert half_up(sum(standards) * Fraction(factor)) == total
    assert tuple(split(lines, total).values()) == parts
    assert sum(package_prices(lines, Fraction(factor)).values()) == total
