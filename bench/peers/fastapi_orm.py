"""The peer: FastAPI with pydantic and the SQLAlchemy ORM, handlers in the thread pool, on our own tables; no sign-in, no audit."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid1  # noqa: TID251

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import DateTime, Engine, ForeignKey, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship, selectinload, sessionmaker
from sqlalchemy.pool import QueuePool

from bench.peers.items import Item, flag_of, read_items

ACTOR = "bench"


class Base(DeclarativeBase):
    """The peer's own mapping of our tables."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012


class Visit(Base):
    """A visit."""

    __tablename__ = "exam_visit"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_no: Mapped[str]
    person_name: Mapped[str]
    sex: Mapped[str]
    birth_on: Mapped[date]
    exam_on: Mapped[date]


class Record(Base):
    """A department's record; `values_id` names the version whose values hold."""

    __tablename__ = "results_record"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    department: Mapped[str]
    state: Mapped[str]
    version: Mapped[int]
    version_id: Mapped[UUID | None]
    values_id: Mapped[UUID | None] = mapped_column(ForeignKey("results_version.id"))
    summary: Mapped[str]
    ver: Mapped[int] = mapped_column()

    visit: Mapped[Visit] = relationship()
    current: Mapped[Version | None] = relationship(foreign_keys=[values_id])

    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class Version(Base):
    """One version of a record."""

    __tablename__ = "results_version"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    record_id: Mapped[UUID]
    visit_id: Mapped[UUID]
    number: Mapped[int]
    parent: Mapped[UUID | None]
    base: Mapped[int]
    values_id: Mapped[UUID]
    summary: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]
    reason: Mapped[str]
    kind: Mapped[str]

    values: Mapped[list[Value]] = relationship(order_by="Value.item_code")


class Value(Base):
    """One value of a version."""

    __tablename__ = "results_value"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("results_version.id"), primary_key=True)
    item_code: Mapped[str] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID]
    raw: Mapped[str]
    raw_unit: Mapped[str]
    choices: Mapped[str]
    comparator: Mapped[str]
    number_text: Mapped[str]
    unit: Mapped[str]
    flag: Mapped[str]
    range_text: Mapped[str]
    low: Mapped[str]
    high: Mapped[str]
    judged_by: Mapped[str]
    why: Mapped[str]


class Reading(BaseModel):
    """One value, as answered."""

    item: str
    name: str
    raw: str
    number: str
    unit: str
    flag: str
    range_text: str
    low: str
    high: str


class Answer(BaseModel):
    """A visit with one department's values."""

    visit_no: str
    person_name: str
    sex: str
    age: int
    department: str
    state: str
    version: int
    summary: str
    readings: list[Reading]


class Entry(BaseModel):
    """Values handed in."""

    base_version: int
    values: dict[str, str]


def make_engine(address: str, key_file: str) -> Engine:
    """The same database with the same durability as ours."""
    if not key_file:
        return create_engine(address, pool_size=24, max_overflow=16)
    from sqlcipher3 import dbapi2

    key = Path(key_file).read_text().strip()

    def connect() -> Any:
        connection = dbapi2.connect(address, isolation_level=None, check_same_thread=False, timeout=10, cached_statements=512)
        for pragma in (
            f"key = \"x'{key}'\"", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000",
            "cache_size = -16000",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine(
        "sqlite+pysqlite://", module=dbapi2, creator=connect, poolclass=QueuePool, pool_size=24, max_overflow=40
    )  # fmt: skip

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")

    return engine


def make_app(engine: Engine, items: dict[str, Item]) -> FastAPI:
    """The application."""
    app = FastAPI()
    reading = sessionmaker(engine, expire_on_commit=False)
    writing = sessionmaker(engine.execution_options(write=True), expire_on_commit=False)
    # SQLite has one writer. Waiting in the process is kinder to the peer than SQLite's polling.
    turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    def for_reading() -> Iterator[Session]:
        with reading() as db:
            yield db

    def find(db: Session, barcode: str, department: str, *, lock: bool = False) -> Record:
        statement = (
            select(Record)
            .join(Record.visit)
            .where(Visit.visit_no == barcode[:16], Record.department == department)
            .options(joinedload(Record.visit), joinedload(Record.current).selectinload(Version.values))
        )
        if lock:
            statement = select(Record).join(Record.visit).where(Visit.visit_no == barcode[:16], Record.department == department)
            statement = statement.with_for_update(of=Record).options(selectinload(Record.visit))
        record = db.scalars(statement).one_or_none()
        if record is None:
            raise HTTPException(404)
        return record

    def to_answer(record: Record, values: list[Value]) -> Answer:
        visit = record.visit
        born, on = visit.birth_on, visit.exam_on
        age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
        by_code = {value.item_code: value for value in values}
        return Answer(
            visit_no=visit.visit_no, person_name=visit.person_name, sex=visit.sex, age=age, department=record.department,
            state=record.state, version=record.version, summary=record.summary,
            readings=[
                Reading(
                    item=code, name=item.name, raw=value.raw, number=value.number_text, unit=value.unit, flag=value.flag,
                    range_text=value.range_text, low=value.low, high=value.high,
                )
                for code, item in items.items() if (value := by_code.get(code)) is not None
            ],
        )  # fmt: skip

    @app.get("/visits/{barcode}/{department}")
    def read(barcode: str, department: str, db: Session = Depends(for_reading)) -> Answer:  # noqa: B008
        record = find(db, barcode, department)
        return to_answer(record, record.current.values if record.current else [])

    @app.post("/visits/{barcode}/{department}")
    def write(barcode: str, department: str, entry: Entry) -> Answer:
        with turn, writing() as db:
            record = find(db, barcode, department, lock=True)
            if record.version != entry.base_version:
                raise HTTPException(409)
            if not entry.values.keys() <= items.keys():
                raise HTTPException(422)
            values = store(db, record, entry)
            db.commit()
            return to_answer(record, values)

    def store(db: Session, record: Record, entry: Entry) -> list[Value]:
        version_id, sex = uuid1(), record.visit.sex
        version = Version(
            id=version_id, record_id=record.id, visit_id=record.visit_id, number=record.version + 1, parent=record.version_id,
            base=entry.base_version, values_id=version_id, summary=record.summary, at=datetime.now(UTC),  # noqa: TID251
            actor_id=None, actor=ACTOR, reason="", kind="entered",
        )  # fmt: skip
        values = []
        for code, raw in entry.values.items():
            item = items[code]
            bounds = item.bounds[sex]
            values.append(
                Value(
                    version_id=version_id, item_code=code, visit_id=record.visit_id, raw=raw, raw_unit="", choices="",
                    comparator="", number_text=raw, unit=item.unit, flag=flag_of(raw, bounds), range_text=bounds.range_text,
                    low=bounds.low, high=bounds.high, judged_by="catalog", why="",
                )
            )  # fmt: skip
        db.add_all([version, *values])
        record.state, record.version, record.version_id, record.values_id = "saved", version.number, version_id, version_id
        return values

    return app


def main() -> None:
    """`python -m bench.peers.fastapi_orm PORT DATABASE KEY_FILE ITEMS_FILE`."""
    port, address, key_file, items_file = sys.argv[1:]
    app = make_app(make_engine(address, key_file), read_items(Path(items_file)))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
