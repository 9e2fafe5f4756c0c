"""`python -m bench [--quick]`: every workload on both databases; prints a table, writes bench.json and docs/performance.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench import ground, report, roster, rules, workloads
from exam.kit.clock import SystemClock


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured. P6 and P7 run on the second size, P8 on the last."""

    sizes: tuple[int, ...] = (20, 1_000, 10_000, 100_000)
    rounds: int = 5
    seconds: float = 4
    tail_seconds: float = 20
    looks: int = 15
    kills: int = 3
    kill_after: float = 10
    wanted: int = 10_000
    year: int = 30_000
    members: int = 10_000


QUICK = Size(sizes=(20, 1_000), rounds=1, seconds=1, tail_seconds=2, looks=3, kills=1, kill_after=1, wanted=0, year=300, members=100)


def measure(kind: str, home: Path, cluster: Path | None, size: Size, only: str, say: Callable[[str], None]) -> report.Kind:
    """Every workload on one kind of database; the database grows on the way."""
    on = ground.Ground(kind, home / kind, cluster)
    found = report.Kind(kind=kind)
    middle = size.sizes[min(1, len(size.sizes) - 1)]
    # The rules read visits span by span: ten thousand tell as much as a hundred thousand.
    for visits in size.sizes if only != "rules" else [each for each in size.sizes if each <= 10_000]:
        found.fill_seconds[visits] = on.grow(visits)
        say(f"{kind}: {visits:,} visits after {found.fill_seconds[visits]:.0f} s")
        stand = workloads.Stand(on)
        if "growth" in only:
            found.growth += workloads.look(stand, size.looks)
        if visits == middle:
            _compete(stand, found, size, only, say)
    if "rules" in only:
        found.past = rules.past(on, size.year)
    if "P8" in only:
        found.p8_size = on.size
        found.p8 = workloads.tails(stand, workloads.CONTESTANTS, size.tail_seconds, say)
    if "P10" in only:
        found.p10 = roster.measure(on, size.members, say)
    return found


def _compete(stand: workloads.Stand, found: report.Kind, size: Size, only: str, say: Callable[[str], None]) -> None:
    servers = {name: stand.start(name) for name in workloads.CONTESTANTS}
    try:
        found.outputs_compared = workloads.verify_outputs(stand, servers)
    finally:
        for server in servers.values():
            server.stop()
    if "P6" in only:
        found.p6 = workloads.compete(stand, is_write=False, rounds=size.rounds, seconds=size.seconds, say=say)
    if "P7" in only:
        found.p7 = workloads.compete(stand, is_write=True, rounds=size.rounds, seconds=size.seconds, say=say)
    if "P12" in only:
        found.p12 = workloads.restart(stand, size.kills, size.kill_after, size.wanted, say)


def flush_us(folder: Path) -> float:
    """What one 4 KiB write with a flush to disk costs here, the mean of a hundred."""
    path = folder / "flush"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        began = time.perf_counter()
        for number in range(100):
            os.pwrite(handle, b"x" * 4096, number * 4096)
            os.fdatasync(handle)
        return (time.perf_counter() - began) * 10_000
    finally:
        os.close(handle)
        path.unlink()


def main(arguments: list[str] | None = None) -> int:
    """Runs the bench; status 1 only where an output was wrong or a write was lost, not where a goal was missed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds on a small database: a smoke test, no figures to quote")
    parser.add_argument("--database", action="append", choices=ground.KINDS, help="only this database")
    parser.add_argument("--only", default="P6,P7,P8,P10,P12,growth,rules", help="workloads, separated by commas")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures go")
    parser.add_argument("--page", type=Path, help="the page that shows the run (docs/performance.md after a full run)")
    parser.add_argument("--folder", type=Path, help="where the databases are made, removed afterwards (the system's own)")
    chosen = parser.parse_args(arguments)
    size = QUICK if chosen.quick else Size()
    is_whole = not chosen.quick and not chosen.database and chosen.only == parser.get_default("only")
    page = chosen.page or (ground.ROOT / "docs" / "performance.md" if is_whole else None)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="exam-bench-", dir=chosen.folder) as folder:
        home = Path(folder)
        run = report.Run(
            at=SystemClock().now(), is_quick=chosen.quick, machine=report.machine(), load_average=os.getloadavg()[0],
            flush_us=flush_us(home),
        )  # fmt: skip
        if "rules" in chosen.only:
            run.rules = rules.measure(size.year, size.rounds)
        with ground.postgresql(home) as cluster:
            for kind in chosen.database or ground.KINDS:
                if kind == "postgresql" and cluster is None:
                    say("PostgreSQL is not installed: left out")
                    continue
                run.kinds.append(measure(kind, home, cluster, size, chosen.only, say))
    print(report.table(run))
    report.write_json(run, chosen.json)
    if page is not None:
        report.write_page(run, page)
    return 1 if any(kind.p12 is not None and kind.p12.lost for kind in run.kinds) else 0


if __name__ == "__main__":
    sys.exit(main())
