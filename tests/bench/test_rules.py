"""The workload "rules": its people are realistic enough to fire rules, and a database gives the same cases to judge again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import ground, report, rules


def test_a_visit_of_150_items_fires_some_rules_and_is_reported_against_its_goal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ROUND_SECONDS", 0.02)
    speed = rules.measure(visits=30, rounds=1)
    assert speed.items == rules.ITEMS
    assert 1 < speed.fired < 20
    assert speed.judged_per_second > speed.concluded_per_second > 0
    run = report.Run(
        at=datetime(2026, 11, 21, tzinfo=UTC), is_quick=True, machine="a machine", load_average=0, flush_us=100, rules=speed
    )
    assert [row[4] for row in report.rows(run)] == ["met" if speed.hundred_us <= report.RULES_GOAL else "missed", "-", "-"]


def test_the_past_is_read_from_the_database_and_judged(tmp_path: Path) -> None:
    on = ground.Ground("sqlite", tmp_path / "home", None)
    on.grow(30)
    past = rules.past(on, 12)
    assert 0 < past.visits <= 12
    assert past.values == past.visits * 60
