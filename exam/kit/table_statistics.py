"""What the embedded database knows of its own contents, by which it chooses an index: looked at again as tables grow.

Not `PRAGMA optimize`: that waits until a table has grown tenfold, and lists that were chosen for a small table became thirty
times slower meanwhile (measured at 100,000 visits).
"""

from __future__ import annotations

from exam.kit.clock import local
from exam.kit.house import House

GROWN = 1.5
"""How much larger than when it was last looked at a table is looked at again."""

LARGE_ROWS = 200_000
"""To look at a larger table takes seconds, in which nobody can write: that waits for the night …"""

FAR_GROWN = 4.0
"""… unless the table has outgrown what is known of it by this much."""

NIGHT = frozenset({20, 21, 22, 23, 0, 1, 2, 3, 4, 5})
"""Hours of the centre's day in which nobody is examined."""


def is_due(known: int, rows: int, hour: int) -> bool:
    """Whether a table of `rows` rows, which had `known` (0: never) when it was last looked at, is looked at in this hour."""
    if rows == 0 or (known and known / GROWN < rows < known * GROWN):
        return False
    return rows <= LARGE_ROWS or hour in NIGHT or rows >= known * FAR_GROWN


def refresh(house: House) -> None:
    """Looks again at every table that is due, each with a turn of its own. PostgreSQL does so by itself."""
    if not house.is_sqlite:
        return
    hour = local(house.clock.now()).hour
    with house.engine.connect() as connection:
        names = connection.exec_driver_sql("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
        # Facts are only ever added, so the last row's number tells a table's size without counting.
        rows = {name: connection.exec_driver_sql(f'select max(rowid) from "{name}"').scalar() or 0 for name in sorted(names.scalars())}
        known: dict[str, int] = {}
        if connection.exec_driver_sql("select 1 from sqlite_master where name = 'sqlite_stat1'").first():
            for name, stat in connection.exec_driver_sql("select tbl, stat from sqlite_stat1"):
                known[name] = max(known.get(name, 0), int(str(stat).split()[0]))
    for name, count in rows.items():
        if is_due(known.get(name, 0), count, hour):
            _analyze(house, name)


def _analyze(house: House, name: str) -> None:
    try:
        with house.engine.execution_options(write=True).begin() as connection:
            connection.exec_driver_sql("PRAGMA analysis_limit = 1000")
            connection.exec_driver_sql(f'ANALYZE "{name}"')
    finally:
        house.turn.give()
