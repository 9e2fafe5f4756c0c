"""The limit: a bare ASGI application over the raw driver, every statement written by hand; no sign-in, no audit, no framework."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid1  # noqa: TID251 - a peer makes ids its own way

import msgspec
import uvicorn

from bench.peers.items import Item, flag_of, read_items

VISIT = "v.visit_no, v.person_name, v.sex, v.birth_on, v.exam_on, r.department, r.state, r.version, r.summary"
RECORD = "r.id, r.visit_id, r.version_id"
VALUE = ("item_code", "raw", "number_text", "unit", "flag", "range_text", "low", "high")
VALUES = ", ".join(VALUE)
FROM = "from exam_visit v join results_record r on r.visit_id = v.id"


class Entry(msgspec.Struct):
    """Values handed in."""

    base_version: int
    values: dict[str, str]


class Store(Protocol):
    """The database of either kind; `write` gives None where the version is not the expected one."""

    async def open(self) -> None: ...

    async def read(self, visit_no: str, department: str) -> tuple[Any, list[Any]] | None: ...

    async def write(self, visit_no: str, department: str, entry: Entry) -> tuple[Any, list[Any]] | None: ...


class Sqlite:
    """One connection, used inline on the event loop."""

    def __init__(self, address: str, key_file: str, items: dict[str, Item]) -> None:
        self._address, self._key, self._items = address, Path(key_file).read_text().strip(), items

    async def open(self) -> None:
        from sqlcipher3 import dbapi2

        self._db = dbapi2.connect(self._address, isolation_level=None, cached_statements=64)
        for pragma in (
            f"key = \"x'{self._key}'\"", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000",
            "cache_size = -16000",
        ):  # fmt: skip
            self._db.execute(f"PRAGMA {pragma}")

    async def read(self, visit_no: str, department: str) -> tuple[Any, list[Any]] | None:
        row = self._db.execute(
            f"select {VISIT}, r.values_id {FROM} where v.visit_no = ? and r.department = ?", (visit_no, department)
        ).fetchone()
        if row is None:
            return None
        return row, self._db.execute(f"select {VALUES} from results_value where version_id = ?", (row[9],)).fetchall()

    async def write(self, visit_no: str, department: str, entry: Entry) -> tuple[Any, list[Any]] | None:
        db = self._db
        db.execute("begin immediate")
        try:
            row = db.execute(
                f"select {VISIT}, {RECORD} {FROM} where v.visit_no = ? and r.department = ?", (visit_no, department)
            ).fetchone()
            if row is None or row[7] != entry.base_version:
                db.execute("rollback")
                return None
            record_id, visit_id, parent = row[9:12]
            version_id = uuid1().hex
            values = judged(self._items, row[2], entry)
            db.execute(
                "insert into results_version (id, record_id, visit_id, number, parent, base, values_id, summary, at, actor_id, "
                "actor, reason, kind) values (?, ?, ?, ?, ?, ?, ?, ?, ?, null, 'bench', '', 'entered')",
                (version_id, record_id, visit_id, row[7] + 1, parent, row[7], version_id, row[8],
                 datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")),  # noqa: TID251
            )  # fmt: skip
            db.executemany(
                f"insert into results_value (version_id, visit_id, {VALUES}, raw_unit, choices, comparator, judged_by, why) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '', 'catalog', '')",
                [(version_id, visit_id, *value) for value in values],
            )
            db.execute(
                "update results_record set state = 'saved', version = version + 1, ver = ver + 1, version_id = ?, values_id = ? "
                "where id = ?",
                (version_id, version_id, record_id),
            )
            db.execute("commit")
        except BaseException:
            db.execute("rollback")
            raise
        return (*row[:6], "saved", row[7] + 1, row[8]), values


class Postgresql:
    """A few asynchronous connections in autocommit: one statement a request."""

    CONNECTIONS = 8

    def __init__(self, address: str, items: dict[str, Item]) -> None:
        self._address, self._items = address.replace("postgresql+psycopg", "postgresql"), items

    async def open(self) -> None:
        import psycopg

        self._free: asyncio.Queue[Any] = asyncio.Queue()
        for _ in range(self.CONNECTIONS):
            connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True, prepare_threshold=1)
            self._free.put_nowait(connection)

    async def _all(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        connection = await self._free.get()
        try:
            rows: list[Any] = await (await connection.execute(statement, values)).fetchall()
            return rows
        finally:
            self._free.put_nowait(connection)

    async def read(self, visit_no: str, department: str) -> tuple[Any, list[Any]] | None:
        columns = ", ".join(f"x.{name}" for name in VALUE)
        rows = await self._all(
            f"select {VISIT}, {columns} {FROM} join results_value x on x.version_id = r.values_id "
            "where v.visit_no = %s and r.department = %s",
            (visit_no, department),
        )
        return (rows[0][:9], [row[9:] for row in rows]) if rows else None

    async def write(self, visit_no: str, department: str, entry: Entry) -> tuple[Any, list[Any]] | None:
        # The sex decides the ranges, so both sexes' judgements are sent and the statement picks: still one round trip.
        both = {sex: judged(self._items, sex, entry) for sex in ("M", "F")}
        version_id: UUID = uuid1()
        columns = ", ".join(f"x.{name}" for name in VALUE)
        rows = await self._all(
            f"""
            with locked as (
                select {VISIT}, {RECORD} {FROM} where v.visit_no = %s and r.department = %s and r.version = %s for update of r
            ), version as (
                insert into results_version (id, record_id, visit_id, number, parent, base, values_id, summary, at, actor_id,
                    actor, reason, kind)
                select %s, id, visit_id, version + 1, version_id, version, %s, summary, now(), null, 'bench', '', 'entered'
                from locked
            ), value as (
                insert into results_value (version_id, visit_id, {VALUES}, raw_unit, choices, comparator, judged_by, why)
                select %s, l.visit_id, {columns}, '', '', '', 'catalog', '' from locked l, lateral (
                    select * from unnest({', '.join(['%s::text[]'] * len(VALUE))}) as m({VALUES}) where l.sex = 'M'
                    union all
                    select * from unnest({', '.join(['%s::text[]'] * len(VALUE))}) as f({VALUES}) where l.sex = 'F'
                ) x
            ), record as (
                update results_record r set state = 'saved', version = r.version + 1, ver = r.ver + 1, version_id = %s,
                    values_id = %s
                from locked l where r.id = l.id
            )
            select visit_no, person_name, sex, birth_on, exam_on, department, state, version, summary from locked
            """,
            (visit_no, department, entry.base_version, version_id, version_id, version_id,
             *(list(column) for sex in ("M", "F") for column in zip(*both[sex], strict=True)), version_id, version_id),
        )  # fmt: skip
        if not rows:
            return None
        row = rows[0]
        return (*row[:6], "saved", row[7] + 1, row[8]), both[row[2]]


def judged(items: dict[str, Item], sex: str, entry: Entry) -> list[tuple[str, ...]]:
    """The values as rows."""
    rows: list[tuple[str, ...]] = []
    for code, raw in entry.values.items():
        item = items[code]
        bounds = item.bounds[sex]
        rows.append((code, raw, raw, item.unit, flag_of(raw, bounds), bounds.range_text, bounds.low, bounds.high))
    return rows


class App:
    """ASGI by hand: `GET` and `POST /visits/{barcode}/{department}`."""

    def __init__(self, store: Store, items: dict[str, Item]) -> None:
        self._store, self._items = store, items
        self._decoder = msgspec.json.Decoder(Entry)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self._store.open()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        _, _, barcode, department = scope["path"].split("/")
        if scope["method"] == "GET":
            found = await self._store.read(barcode[:16], department)
        else:
            body = b""
            while (message := await receive()).get("more_body"):
                body += message["body"]
            found = await self._store.write(barcode[:16], department, self._decoder.decode(body + message["body"]))
        answer = b"{}" if found is None else msgspec.json.encode(self._shape(*found))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200 if found else 409, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _shape(self, row: Any, values: list[Any]) -> dict[str, Any]:
        visit_no, name, sex, born, on, department, state, version, summary = row[:9]
        born, on = (date.fromisoformat(each) if isinstance(each, str) else each for each in (born, on))
        by_code = {value[0]: value for value in values}
        return {
            "visit_no": visit_no, "person_name": name, "sex": sex, "department": department, "state": state, "version": version,
            "age": on.year - born.year - ((on.month, on.day) < (born.month, born.day)), "summary": summary,
            "readings": [
                {"item": code, "name": item.name, "raw": value[1], "number": value[2], "unit": value[3], "flag": value[4],
                 "range_text": value[5], "low": value[6], "high": value[7]}
                for code, item in self._items.items() if (value := by_code.get(code)) is not None
            ],
        }  # fmt: skip


def main() -> None:
    """`python -m bench.peers.bare_asgi PORT DATABASE KEY_FILE ITEMS_FILE`."""
    port, address, key_file, items_file = sys.argv[1:]
    items = read_items(Path(items_file))
    store: Store = Sqlite(address, key_file, items) if key_file else Postgresql(address, items)
    uvicorn.run(App(store, items), host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
