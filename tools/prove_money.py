"""Proves the money room by programs: `make prove-money` (issue 4, section 3).

A Hypothesis state machine sells, adds, drops, discounts, takes, gives back, voids, settles, closes and prices anew, on both databases;
after every step the ledger is compared with a plain model of the money, after every program the invariants of `exam verify` are asked.
Each program has a database of its own. A run ends at the first difference with the shortest program that shows it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hypothesis import HealthCheck, Phase, seed, settings  # noqa: E402 - the checkout is not installed
from hypothesis.stateful import run_state_machine_as_test  # noqa: E402

from tests.fixtures import houses, postgresql  # noqa: E402
from tests.money.machine import ACTS, machine_on  # noqa: E402
from tests.money.world import Ground  # noqa: E402

PROGRAMS, QUICK = 20_000, 600
BATCH = 100
STEPS = 30
DATABASES = ("sqlite", "postgresql")


class Folders:
    """Where databases are made: what the tests ask of pytest."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def mktemp(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=name, dir=self.folder))


def run(database: str, programs: int, first_seed: int) -> int:
    """So many programs on one database; 1 at the first difference or where an act never once came to pass."""
    began, done = time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="money", dir=postgresql.fastest()) as folder:
        if database == "postgresql":
            Path(folder).chmod(0o711)
        factory: Any = Folders(folder)
        ground = Ground(houses.template(database, factory), factory.mktemp("ground"))
        for batch in range(-(-programs // BATCH)):
            machine = machine_on(ground)
            count = min(BATCH, programs - batch * BATCH)
            run_state_machine_as_test(
                seed(first_seed + batch)(machine),
                settings=settings(
                    max_examples=count, stateful_step_count=STEPS, deadline=None, database=None, print_blob=False,
                    suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
                ),
            )  # fmt: skip
            done.update(machine.done)
            took = time.monotonic() - began
            print(
                f"{database}: {batch * BATCH + count} programs, {sum(done.values())} acts, {took:.0f} s, 0 differences", flush=True
            )
        ground.close()
    never = sorted(set(ACTS) - done.keys())
    for name, times in done.most_common():
        print(f"  {name:20} {times:8}")
    if never:
        print(f"{database}: never came to pass: {', '.join(never)}")
    return 1 if never else 0


def main() -> int:
    """Both databases side by side, a process for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} programs instead of {PROGRAMS}")
    parser.add_argument("--programs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--database", choices=DATABASES, default="", help="one of them only, in this process")
    arguments = parser.parse_args()
    programs = arguments.programs or (QUICK if arguments.quick else PROGRAMS)
    houses.plugins = ("rehearsal",)
    if arguments.database:
        return run(arguments.database, programs, arguments.seed)
    cluster = postgresql.start()
    databases = DATABASES if cluster is not None else DATABASES[:1]
    if cluster is None:
        print("PostgreSQL is not installed: SQLite only")
    command = [sys.executable, __file__, "--programs", str(programs // len(databases)), "--seed", str(arguments.seed)]
    environment = {**os.environ, postgresql.ENVIRONMENT: str(cluster or "")}  # noqa: TID251
    try:
        running = [subprocess.Popen([*command, "--database", each], env=environment) for each in databases]  # noqa: S603
        return max(each.wait() for each in running)
    finally:
        if cluster is not None:
            postgresql.stop(cluster)


if __name__ == "__main__":
    raise SystemExit(main())
