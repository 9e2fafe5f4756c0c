"""Statements of hot paths: compiled once for each kind of database, then handed to the driver without SQLAlchemy's way there.

They are written as Core statements and keep their types, so both databases get the same values. What they save is the
work that SQLAlchemy does anew for each execution (measured: 60–150 µs of a statement's 80–170).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Dialect, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from exam.kit.direct import DirectRead

T = TypeVar("T")
Processor = Callable[[Any], Any] | None


class _Plan:
    """A statement's text for one kind of database, with what turns values into the driver's and back."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled, required = _compiled(statement, dialect)
        self.text: str = compiled.string
        self.is_positional: bool = bool(compiled.positional)
        self.names: list[str] = list(compiled.positiontup if compiled.positional else compiled.binds)
        self.fixed = {name: bind.effective_value for name, bind in compiled.binds.items() if name not in required}
        self.binders: list[tuple[str, Processor]] = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in self.names
        ]
        columns = _result_columns(compiled)
        self.row: Any = namedtuple("Row", [name for name, _ in columns], rename=True) if columns else None
        self.readers = [
            (place, reader)
            for place, (_, type_) in enumerate(columns)
            if (reader := type_.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]

    def values(self, given: Mapping[str, Any]) -> Any:
        """The driver's parameters, in its own style."""
        fixed = self.fixed
        found = [
            (value if binder is None else binder(value))
            for name, binder in self.binders
            for value in (given[name] if name in given else fixed[name],)
        ]
        return found if self.is_positional else dict(zip(self.names, found, strict=True))

    def many(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """As `values` for many rows, column by column: rows of one act share most of their values, which are turned once."""
        columns: list[list[Any]] = []
        for name, binder in self.binders:
            column = [row[name] if name in row else self.fixed[name] for row in rows]
            columns.append(column if binder is None else _turned(column, binder))
        found = zip(*columns, strict=True)
        return list(found) if self.is_positional else [dict(zip(self.names, values, strict=True)) for values in found]

    def read(self, rows: Iterable[Sequence[Any]]) -> list[Any]:
        """The driver's rows as named tuples of Python values."""
        make, readers = self.row._make, self.readers
        if not readers:
            return [make(row) for row in rows]
        found = []
        for row in rows:
            values = list(row)
            for place, reader in readers:
                values[place] = reader(values[place])
            found.append(make(values))
        return found


def _turned(values: list[Any], binder: Callable[[Any], Any]) -> list[Any]:
    last: Any = values  # no value is the list itself
    bound: Any = None
    found = []
    for value in values:
        if value is not last:
            last, bound = value, binder(value)
        found.append(bound)
    return found


def _compiled(statement: Any, dialect: Dialect) -> tuple[Any, frozenset[str]]:
    """The statement for this kind of database, and the parameters that each execution must give.

    Some literals SQLAlchemy puts into the text only when it executes; here they are put in once.
    """
    compiled: Any = statement.compile(dialect=dialect)
    if compiled.post_compile_params - compiled.literal_execute_params:
        raise TypeError("a prepared statement has a fixed text: no IN with a list")
    required = frozenset(name for name, bind in compiled.binds.items() if bind.required)
    if compiled.literal_execute_params:
        filled = statement.params(dict.fromkeys(required))
        compiled = filled.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return compiled, required


def _result_columns(compiled: Any) -> list[tuple[str, Any]]:
    return [(str(entry[0]), entry[3]) for entry in compiled._result_columns]


class PreparedStatement:
    """One Core statement with named parameters (`bindparam`), without a list for IN. What the session holds is written first."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._plans: dict[str, _Plan] = {}

    def all(self, db: Session | DirectRead, **values: Any) -> list[Any]:
        """Every row, as named tuples."""

        def work(plan: _Plan, cursor: Any) -> list[Any]:
            cursor.execute(plan.text, plan.values(values))
            return plan.read(cursor.fetchall())

        return self._do(db, work)

    def first(self, db: Session | DirectRead, **values: Any) -> Any | None:
        """The first row, or None."""

        def work(plan: _Plan, cursor: Any) -> Any | None:
            cursor.execute(plan.text, plan.values(values))
            row = cursor.fetchone()
            return None if row is None else plan.read([row])[0]

        return self._do(db, work)

    def run(self, db: Session, **values: Any) -> int:
        """Changes rows; returns how many."""

        def work(plan: _Plan, cursor: Any) -> int:
            cursor.execute(plan.text, plan.values(values))
            return int(cursor.rowcount)

        return self._do(db, work)

    def run_many(self, db: Session, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs once for each row, in one round trip where the driver can."""

        def work(plan: _Plan, cursor: Any) -> None:
            if len(rows) == 1:
                cursor.execute(plan.text, plan.values(rows[0]))
            else:
                cursor.executemany(plan.text, plan.many(rows))

        self._do(db, work)

    def _do(self, db: Session | DirectRead, work: Callable[[_Plan, Any], T]) -> T:
        if isinstance(db, DirectRead):
            connection, engine = None, db.engine
        else:
            if db.new or db.dirty or db.deleted:
                db.flush()
            connection = _connection_of(db)
            engine = connection.engine
        dialect: Any = engine.dialect
        plan = self._plans.get(dialect.name)
        if plan is None:
            plan = self._plans[dialect.name] = _Plan(self._statement, dialect)
        try:
            driver: Any = db.begun() if isinstance(db, DirectRead) else connection.connection.driver_connection  # type: ignore[union-attr]
            cursor = driver.cursor()
            try:
                for listener in engine.dispatch.before_cursor_execute:  # whoever counts statements hears of these as well
                    listener(None, cursor, plan.text, (), None, False)
                return work(plan, cursor)
            finally:
                cursor.close()
        except dialect.dbapi.Error as error:
            if connection is not None:
                # SQLAlchemy's own way with it: the rest of the house knows what it raises, and when the server went away, it
                # empties the pool of connections that are as dead as this one.
                connection._handle_dbapi_exception(error, plan.text, None, None, None)
            raise DBAPIError.instance(plan.text, None, error, dialect.dbapi.Error, hide_parameters=True) from error


def _connection_of(db: Session) -> Any:
    """The session's connection. To ask the session for it costs as much as a small statement, so the answer is kept while it holds."""
    kept: Any = db.info.get("connection")
    if kept is None or kept.closed or not kept.in_transaction():
        kept = db.info["connection"] = db.connection()
    return kept
