"""`python -m bench.verify --visits 20000`: time and peak memory of `exam verify` over so many visits of 60 results each.

The visits are copies (`bench/fill.py`), and every row of theirs gets its audit row here as well, because comparing those is the
longest part. They have no reports: what checking a seal costs is measured apart, on one report that is checked again and again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from bench import ground
from exam.kit import audit
from exam.kit.db import Model, row_digest, row_key
from exam.kit.house import House, system_actor
from exam.visits.spans import Span, visit_spans

LINES = 25
"""Rows that one audited act changes: so many does saving twenty results write."""


def audit_copies(house: House) -> int:
    """Tells the audit of every row as it is now, visit by visit in acts of 25 rows; returns how many rows that were."""
    told = 0
    with house.unit(None, write=False) as reading:
        for span in (*visit_spans(reading), None):
            lines = sorted(_lines(reading, span))
            told += len(lines)
            with house.unit(system_actor(house.site)) as db:
                at = range(0, len(lines), LINES)
                acts = [audit.Entry(act="bench", rows="\n".join(line for _, line in lines[n : n + LINES])) for n in at]
                audit.append_all(db, [(db.info, act) for act in acts])
    return told


def _lines(db: Session, span: Span | None) -> Iterator[tuple[str, str]]:
    """A line for each row of a span with its visit's id; without a span, for each row of the tables that name no visit."""
    for mapper in Model.registry.mappers:
        table = mapper.class_.__table__
        column = table.columns.get("id" if table.name == "exam_visit" else "visit_id")
        if not getattr(mapper.class_, "__audited__", True) or (column is None) != (span is None):
            continue
        keys = [each.key for each in table.primary_key.columns]
        wanted = select(table) if span is None or column is None else select(table).where(span.holds(column))
        for row in db.execute(wanted, execution_options={"yield_per": 5000}).mappings():
            values = dict(row)
            visit = "" if column is None else str(values[column.key])
            yield visit, f"{table.name} {row_key(values, keys)} {row_digest(table, values)}"


def measure(environment: dict[str, str]) -> tuple[float, float, str]:
    """Runs `exam verify` in a process of its own: seconds, peak memory in MB, and what it printed, each line with its second."""
    base = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ground.ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "exam.cli", "verify"], env={**base, **environment}, cwd=ground.ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    printed = "".join(f"{time.perf_counter() - began:7.1f} s  {line}" for line in process.stdout)
    _, _, used = os.wait4(process.pid, 0)
    return time.perf_counter() - began, used.ru_maxrss / 1024, printed


def main(arguments: list[str] | None = None) -> int:
    """Fills a database in a folder of its own, measures, and removes it."""
    parser = argparse.ArgumentParser(prog="bench.verify", description=__doc__)
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where the database is made, removed afterwards (the system's own)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="exam-bench-", dir=chosen.folder) as folder:
        on = ground.Ground("sqlite", Path(folder), None)
        on.grow(chosen.visits)
        with on.house() as house:
            told = audit_copies(house)
        size = (on.settings.data / "exam.db").stat().st_size / 1e6
        seconds, megabytes, printed = measure(on.environment)
    print(printed)
    print(f"{chosen.visits:,} visits, {told:,} audited rows, {size:,.0f} MB: {seconds:.0f} s, at most {megabytes:,.0f} MB of memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
