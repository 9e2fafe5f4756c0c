"""The bench itself: its arithmetic, its report, its visits, and one small run in which all three servers answer alike."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import takewhile
from pathlib import Path

import msgspec
import pytest

from bench import fill, ground, load, report, workloads
from bench.__main__ import main
from exam.commands import breaches_of
from exam.kit import ids
from exam.kit.house import House
from exam.visits.facts import VisitState

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(("part", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100)])
def test_a_percentile_is_the_nearest_rank(part: float, expected: int) -> None:
    assert load.percentile([float(n) for n in range(1, 101)], part) == expected
    assert load.percentile([], part) == 0


def test_arrivals_keep_the_rate_and_are_the_same_for_the_same_seed() -> None:
    plan = load.Plan(port=1, seconds=1, rate=500)
    first = list(takewhile(lambda at: at < 20, load.arrivals(plan)))
    assert 9_500 < len(first) < 10_500
    assert first == sorted(first)
    assert first[:50] == [at for at, _ in zip(load.arrivals(plan), range(50), strict=False)]


def test_every_visit_is_one_of_its_own_and_nobody_comes_twice_a_day(sqlite_house: House) -> None:
    every = [fill.numbered(sqlite_house, n, TODAY) for n in range(3_000)]
    assert len({each.visit_no for each in every}) == len({each.id_start for each in every}) == 3_000
    assert all(ids.is_valid_number(each.visit_no) for each in every)
    assert len({(each.person_id, each.on) for each in every}) == 3_000
    assert sum(each.on == TODAY for each in every) == fill.TODAY
    who: dict[object, set[object]] = {}
    for each in every:
        who.setdefault(each.person_id, set()).add((each.name, each.sex, each.birth_on))
    assert all(len(found) == 1 for found in who.values())
    assert sum(each.state == VisitState.IN_EXAM for each in every) == fill.IN_EXAM + fill.TODAY // 2


def _run(*, ours: float, lost: int = 0) -> report.Run:
    rates = zip(workloads.CONTESTANTS, (ours, 100, 1000), strict=True)
    bouts = [workloads.Bout(name, rate, 1, 2, 100, (rate,)) for name, rate in rates]
    pages = [workloads.Page("board", 20, 10, 11), workloads.Page("board", 100_000, 30, 31)]
    tail = workloads.Tail(workloads.OURS, 1000, 990, 2, 25, 40, 0, 0.1)
    kind = report.Kind(
        kind="sqlite", p6=bouts, p7=bouts, p8=[tail], growth=pages, p12=workloads.Restart(500, lost, (0.5, 0.7)),
        fill_seconds={20: 1},
    )  # fmt: skip
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return report.Run(at=at, is_quick=False, machine="a machine", load_average=0, flush_us=100, kinds=[kind])


def test_the_table_says_by_how_much_a_goal_was_missed_and_why() -> None:
    verdicts = {row[0] + row[3]: row[4] for row in report.rows(_run(ours=400))}
    assert verdicts["P6 visit + 20 items by barcode>= 5x"].startswith("missed, 80% of it: 100 us of processor")
    assert verdicts["P6 visit + 20 items by barcode>= 0.35x"] == "met"
    assert "p99 2.5 times the goal" in verdicts["P8 1000/s, 90/10, 0 visitsp99 <= 10, p99.9 <= 30 ms"]
    assert verdicts["growth: board<= 1.5x"].startswith("not flat, 3.0 times")
    assert verdicts["P12 kill -90 lost, <= 1 s"] == "met"
    assert [row[4] for row in report.rows(_run(ours=400, lost=1))][-1] == "WRITES WERE LOST"


def test_the_page_keeps_its_words_and_shows_the_last_run_once(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        report.write_page(_run(ours=600), page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count(report.BEGIN) == text.count("| P6 ours") == 1
    assert "old" not in text


NOT_COPIED = ("A5", "S3")
"""Copies have no audit rows, and the digest of a signature names the visit that was signed."""


def test_copies_keep_every_invariant_but_the_audit(tmp_path: Path) -> None:
    on = ground.Ground("sqlite", tmp_path / "home", None)
    on.grow(20)
    on.grow(450)
    with on.house() as house:
        found = {name: breaches for name, breaches in breaches_of(house) if breaches}
    assert [name for name in found if not any(code in name for code in NOT_COPIED)] == []


@pytest.mark.slow
def test_a_quick_run_compares_the_outputs_and_prints_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--quick", "--database", "sqlite", "--only", "P6,P12", "--json", str(tmp_path / "bench.json")])
    assert status == 0
    run = msgspec.json.decode((tmp_path / "bench.json").read_bytes(), type=report.Run)
    assert run.kinds[0].outputs_compared >= 60
    assert {bout.contestant for bout in run.kinds[0].p6} == set(workloads.CONTESTANTS)
    assert run.kinds[0].p12 is not None
    assert run.kinds[0].p12.lost == 0
    assert "P12 kill -9" in capsys.readouterr().out
