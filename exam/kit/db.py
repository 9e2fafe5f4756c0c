"""The database: one code base on encrypted SQLite and on PostgreSQL; models, types, engines and bulk inserts."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
    Uuid,
    bindparam,
    create_engine,
    event,
    insert,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import QueuePool

from exam.kit.prepared import PreparedStatement

OLDEST_SQLITE = (3, 51, 3)
"""The first release without the WAL-reset bug (reliability.md §0.1)."""


_last_told: tuple[datetime | None, str] = (None, "")
"""The rows of one act carry one and the same moment: it is written out once for thousands of them."""


class UtcTime(TypeDecorator[datetime]):
    """A moment. Always aware and in UTC in Python; naive UTC in SQLite, `timestamptz` in PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Model(DeclarativeBase):
    """The base of all tables. `__append_only__` rows are facts: the database itself refuses to change or delete them."""

    __append_only__: ClassVar[bool] = False
    __audited__: ClassVar[bool] = True

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcTime(), UUID: Uuid(), bytes: LargeBinary()}


def append_only_tables() -> list[str]:
    """Names of the tables whose rows are facts."""
    return sorted(
        str(mapper.class_.__tablename__) for mapper in Model.registry.mappers if getattr(mapper.class_, "__append_only__", False)
    )


def canonical(value: Any) -> Any:
    """A column value in the one form that digests use, the same from Python and from either database."""
    if isinstance(value, datetime):
        global _last_told
        known, told = _last_told
        if known is not value:
            told = value.astimezone(UTC).isoformat(timespec="microseconds")
            _last_told = (value, told)
        return told
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float, str)) or value is None:
        return value
    return str(value)


_PLAIN = frozenset({str, int, float, type(None), UUID})
"""Types whose values digests take as they are; asked first, because nearly all are."""


ADDED: dict[str, Any] = {"added": True}
"""`mapped_column(info=ADDED)`: a nullable column that came after rows were already recorded in the audit."""


@functools.cache
def _names_of(table: Table) -> tuple[str, ...]:
    return tuple(column.key for column in table.columns)


@functools.cache
def _digested(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns that were there from the beginning, and those that were added to the table."""
    added = tuple(column.key for column in table.columns if column.info.get("added"))
    return tuple(name for name in _names_of(table) if name not in added), added


def in_order(values: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """The values of these columns as a digest takes them. The encoder writes an id as `canonical` would, only faster."""
    return [value if type(value) in _PLAIN else canonical(value) for value in map(values.get, names)]


def row_digest(table: Table, values: dict[str, Any]) -> str:
    """64 bits of SHA-256 over all columns of a row, in column order.

    An added column counts, by name, only where it holds something: a row from before it keeps the digest that the audit knows.
    """
    names, added = _digested(table)
    digested = in_order(values, names)
    digested += [[name, canonical(values[name])] for name in added if values.get(name) is not None]
    return hashlib.sha256(msgspec.json.encode(digested)).hexdigest()[:16]


def row_key(row: Mapping[str, Any], keys: Sequence[str]) -> str:
    """A row's primary key in the one form that the audit uses."""
    return "/".join([value if type(value) is str else str(value) for value in map(row.__getitem__, keys)])


@functools.cache
def _prebuilt_insert(table: Table) -> PreparedStatement:
    return PreparedStatement(insert(table))


def insert_rows(db: Session, model: type[Model], rows: Sequence[dict[str, Any]]) -> None:
    """Inserts many rows in one Core statement, and tells the audit about each. Values must name every column."""
    if not rows:
        return
    table: Table = model.__table__  # type: ignore[assignment]
    names = _names_of(table)
    complete = [row if len(row) == len(names) else {name: row.get(name) for name in names} for row in rows]
    _prebuilt_insert(table).run_many(db, complete)
    if model.__audited__:
        changed: list[tuple[str, str, str]] = db.info.setdefault("changed_rows", [])
        keys = [column.key for column in table.primary_key.columns]
        changed.extend((table.name, row_key(row, keys), row_digest(table, row)) for row in complete)


@functools.cache
def _prebuilt_update(table: Table) -> PreparedStatement:
    keys = [column.key for column in table.primary_key.columns]
    is_it = [table.c[key] == bindparam(f"of_{key}") for key in keys]
    changed: dict[str, Any] = {name: bindparam(name) for name in _names_of(table) if name not in keys}
    return PreparedStatement(update(table).where(*is_it, table.c.ver == bindparam("seen_ver")).values(changed))


def update_row(db: Session, model: type[Model], row: dict[str, Any]) -> dict[str, Any]:
    """Writes one row whole, in one prebuilt statement, and tells the audit. Returns it with its `ver` raised by one.

    Raises StaleDataError when somebody else changed it since it was read.
    """
    table: Table = model.__table__  # type: ignore[assignment]
    after = {**row, "ver": row["ver"] + 1}
    keys = [column.key for column in table.primary_key.columns]
    if _prebuilt_update(table).run(db, seen_ver=row["ver"], **{f"of_{key}": row[key] for key in keys}, **after) != 1:
        raise StaleDataError(f"a row of {table.name} was changed by somebody else")
    changed: list[tuple[str, str, str]] = db.info.setdefault("changed_rows", [])
    changed.append((table.name, row_key(row, keys), row_digest(table, after)))
    return after


class Turn:
    """One writer at a time in this process: SQLite has one anyway, and a fair lock beats its polling."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def take(self) -> None:
        """Waits for the turn, at most 30 s."""
        me = threading.get_ident()
        if self._owner == me:
            return
        if not self._lock.acquire(timeout=30):
            raise TimeoutError("the database writer did not get its turn within 30 s")
        self._owner = me

    def give(self) -> None:
        """Gives the turn back, if this thread has it."""
        if self._owner == threading.get_ident():
            self._owner = None
            self._lock.release()


def sqlite_engine(path: Path, key: bytes, turn: Turn) -> Engine:
    """The embedded database: SQLCipher with a raw key, WAL, `synchronous=FULL`, foreign keys on (decision 10)."""
    from sqlcipher3 import dbapi2

    if dbapi2.sqlite_version_info < OLDEST_SQLITE:
        raise RuntimeError(f"SQLite {dbapi2.sqlite_version} has the WAL-reset bug; 3.51.3 or newer is needed")

    def connect() -> Any:
        connection = dbapi2.connect(str(path), isolation_level=None, check_same_thread=False, timeout=10, cached_statements=512)
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "busy_timeout = 10000",
            "mmap_size = 0",
            "secure_delete = ON",
            "wal_autocheckpoint = 0",
            "cache_size = -16000",
            "temp_store = MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        return connection

    engine = create_engine(
        "sqlite+pysqlite://", module=dbapi2, creator=connect, poolclass=QueuePool, pool_size=24, max_overflow=40,
        pool_use_lifo=True, query_cache_size=2000, hide_parameters=True,
    )  # fmt: skip

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("write"):
            turn.take()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def postgresql_engine(url: str) -> Engine:
    """The server database, through psycopg 3."""
    return create_engine(
        url, pool_size=24, max_overflow=16, pool_pre_ping=False, pool_use_lifo=True, query_cache_size=2000, hide_parameters=True
    )  # fmt: skip
