"""Proves that the medical rules judge as a slow second reading of domain.md does: `make prove-rules` (issue 3, section 3).

Values of every item, a million visits' worth of them; both sides of every bound of every range, at every edge of every age band,
in every unit; random conditions, on whole visits and on parts of them; random visits by the shipped rule book and by random books.
No difference may be left. One that is found is printed as small as it gets, with the seed that makes it again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.rule_oracle import trials  # noqa: E402 - the checkout is not installed
from tools.rule_oracle.trials import Found  # noqa: E402

Job = tuple[str, int, int]
"""A trial's name, its seed and its size."""

SLICES = 16
SHOWN = 20

FULL = {"values": (8, 125_000), "conditions": (24, 3_000), "lab_ranges": (4, 25_000), "other_books": (24, 500), "shipped": (40, 1_250)}
QUICK = {"values": (2, 500), "conditions": (2, 1_000), "lab_ranges": (1, 5_000), "other_books": (2, 100), "shipped": (2, 200)}
"""How many jobs of which size."""


def jobs(seed: int, *, is_quick: bool) -> list[Job]:
    """All the work, the longest pieces first."""
    found: list[Job] = [("factors", 0, 0)]
    for name, (many, size) in (QUICK if is_quick else FULL).items():
        found += [(name, seed + number, size) for number in range(many)]
    return found + [("boundaries", place, SLICES) for place in range(0, SLICES, 8 if is_quick else 1)]


def run(job: Job) -> tuple[Job, Found, float]:
    """One job, in a process of its own."""
    name, seed, size = job
    began = time.perf_counter()
    found: Found = getattr(trials, name)(seed, size)
    return job, found, time.perf_counter() - began


def main(arguments: list[str] | None = None) -> int:
    """Runs the proof; status 1 where anything differed."""
    parser = argparse.ArgumentParser(prog="prove_rules", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--only", help="trials, separated by commas")
    chosen = parser.parse_args(arguments)
    work = [job for job in jobs(chosen.seed, is_quick=chosen.quick) if not chosen.only or job[0] in chosen.only.split(",")]
    print(f"seed {chosen.seed}, {len(work)} jobs on {chosen.processes} processes", flush=True)
    began, spent, every = time.perf_counter(), Counter[str](), Found()
    with multiprocessing.Pool(chosen.processes) as pool:
        for done, (job, found, seconds) in enumerate(pool.imap_unordered(run, work), 1):
            every.join(found)
            spent[job[0]] += round(seconds * 1000)
            for each in found.differences[:SHOWN]:
                print(f"\nDIFFERENCE ({job[0]}, seed {job[1]}): {each}", flush=True)
            if sys.stderr.isatty() or done == len(work) or done % 20 == 0:
                line = f"{done}/{len(work)} jobs, {every.counts.total():,} comparisons, {len(every.differences)} differences"
                print(f"\r{line}, {time.perf_counter() - began:.0f} s", end="", file=sys.stderr, flush=True)
    print("", file=sys.stderr)
    for kind, count in every.counts.items():
        print(f"{count:>14,}  {kind}")
    print("processor time: " + ", ".join(f"{name} {spent[name] / 1000:.0f} s" for name in spent))
    print(f"{len(every.differences)} differences after {time.perf_counter() - began:.0f} s")
    return 1 if every.differences else 0


if __name__ == "__main__":
    sys.exit(main())
