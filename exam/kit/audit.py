"""The audit: one row for each unit of work, in its transaction, hash-chained per writer (decision 14).

A row says who did what to whom, when, from where and with which result, and lists every audited row that the unit
changed with its digest, so that `exam verify` finds an edit by raw SQL, a deletion, a gap and a cut tail.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Index, Table, Text, bindparam, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from exam.kit import recorded_rows
from exam.kit.db import Model, canonical, in_order
from exam.kit.durable import store, sync
from exam.kit.prepared import PreparedStatement

WRITERS = 8
GENESIS = b"\x00" * 32

CLOCK_STEP = timedelta(minutes=1)
"""How far a clock may be set back (by NTP, or between two servers) without `exam verify` naming it. No edit hides in it.

Where one row is changed by two chains (PostgreSQL only), it is `CLOCK_DOUBT` that counts.
"""

CLOCK_DOUBT = timedelta(seconds=5)
"""How far the times of two chains (PostgreSQL only) may be wrong against each other when they order the changes of one row."""


class Audit(Model):
    """One audited act. `rows` is one line `table key digest` for each row changed, `digest` being `-` for a deletion."""

    __tablename__ = "exam_audit"
    __append_only__ = True
    __audited__ = False

    writer: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    site: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]
    terminal: Mapped[str]
    correlation: Mapped[str]
    act: Mapped[str]
    result: Mapped[str]
    subject: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    rows: Mapped[str] = mapped_column(Text)
    hash: Mapped[bytes]

    __table_args__ = (Index("ix_exam_audit_at", "at"), Index("ix_exam_audit_subject", "subject"))


class AuditWriter(Model):
    """The head of one writer's chain; locked while a unit of work appends to it."""

    __tablename__ = "exam_audit_writer"
    __audited__ = False

    writer: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    head: Mapped[bytes]


class Entry(msgspec.Struct, frozen=True):
    """An act to be audited, before it has its place in a chain."""

    act: str
    result: str = "ok"
    subject: str = ""
    reason: str = ""
    rows: str = ""


_AUDIT: Table = Audit.__table__  # type: ignore[assignment]
_WRITER: Table = AuditWriter.__table__  # type: ignore[assignment]
_COLUMNS = [column.key for column in _AUDIT.columns if column.key != "hash"]
_INSERT = PreparedStatement(insert(_AUDIT))
_FREE_WRITER = PreparedStatement(select(_WRITER).order_by(_WRITER.c.writer).limit(1).with_for_update(skip_locked=True))
_FIRST_WRITER = PreparedStatement(select(_WRITER).where(_WRITER.c.writer == 1).with_for_update())
_ADVANCE = PreparedStatement(
    update(_WRITER).where(_WRITER.c.writer == bindparam("at_writer")).values(seq=bindparam("new_seq"), head=bindparam("new_head"))
)


def note(db: Session, act: str, *, subject: str = "", reason: str = "", result: str = "ok") -> None:
    """Names what this unit of work does, whom it concerns (`visit:…`, `person:…`, `staff:…`) and why."""
    db.info["audit_entry"] = Entry(act=act, subject=subject, reason=reason, result=result)


def read(db: Session, act: str, subject: str, reason: str = "") -> None:
    """Records that a person's detail was read. It is on disk before the answer leaves."""
    db.info.setdefault("audit_reads", []).append(Entry(act=act, subject=subject, reason=reason))


def chain_hash(head: bytes, values: dict[str, Any]) -> bytes:
    """The hash of a row: SHA-256 over the hash before it and all its columns in order."""
    return hashlib.sha256(head + msgspec.json.encode(in_order(values, _COLUMNS))).digest()


def append(db: Session, entries: list[Entry]) -> None:
    """Appends entries of this unit of work to a free writer's chain, in this transaction."""
    append_all(db, [(db.info, entry) for entry in entries])


def append_all(db: Session, entries: list[tuple[Mapping[str, Any], Entry]]) -> None:
    """Appends entries, each with the `info` of its own unit of work (who, where, which request): three statements for all."""
    if not entries:
        return
    head = _FREE_WRITER.first(db) or _FIRST_WRITER.all(db)[0]
    now = db.info["house"].clock.now
    seq, chain = head.seq, bytes(head.head)
    rows = []
    for info, entry in entries:
        actor = info.get("actor")
        seq += 1
        values = {
            "writer": head.writer,
            "seq": seq,
            "at": now(),
            "site": actor.site if actor else "",
            "actor_id": actor.staff_id if actor else None,
            "actor": actor.login if actor else "-",
            "terminal": info.get("terminal", ""),
            "correlation": info.get("correlation", ""),
            "act": entry.act,
            "result": entry.result,
            "subject": entry.subject,
            "reason": entry.reason,
            "rows": entry.rows,
        }
        chain = chain_hash(chain, values)
        rows.append({**values, "hash": chain})
    _INSERT.run_many(db, rows)
    _ADVANCE.run(db, at_writer=head.writer, new_seq=seq, new_head=chain)


def make_writers(db: Session) -> None:
    """Makes the fixed set of writers; done once, with the database."""
    if db.execute(select(_WRITER.c.writer).limit(1)).first() is None:
        db.execute(insert(_WRITER), [{"writer": n, "seq": 0, "head": GENESIS} for n in range(1, WRITERS + 1)])


def breaches(db: Session) -> Iterator[str]:
    """Walks every chain from its beginning and yields each edit, gap and disagreement with the writer's head."""
    heads = {row.writer: (row.seq, bytes(row.head)) for row in db.execute(select(_WRITER))}
    at: dict[int, tuple[int, bytes, datetime]] = {}
    broken: set[int] = set()
    for row in db.execute(select(_AUDIT).order_by(_AUDIT.c.writer, _AUDIT.c.seq).execution_options(yield_per=5000)):
        seq, chain, latest = at.get(row.writer, (0, GENESIS, row.at))
        if row.seq != seq + 1 and row.writer not in broken:
            yield f"audit writer {row.writer}: rows {seq + 1} to {row.seq - 1} are missing"
            broken.add(row.writer)
        expected = chain_hash(chain, dict(row._mapping))
        if expected != bytes(row.hash) and row.writer not in broken:
            yield f"audit writer {row.writer}: row {row.seq} was changed"
            broken.add(row.writer)
        if row.at < latest - CLOCK_STEP:
            yield f"audit writer {row.writer}: the clock goes back at row {row.seq}, from {latest} to {row.at}"
            latest = row.at
        at[row.writer] = (row.seq, bytes(row.hash), max(latest, row.at))
    for writer, (seq, head) in sorted(heads.items()):
        found = at[writer][:2] if writer in at else (0, GENESIS)
        if found != (seq, head) and writer not in broken:
            yield f"audit writer {writer}: the head says {seq} rows, the chain has {found[0]}"


def row_breaches(db: Session) -> Iterator[str]:
    """Compares every audited row with the last digest that the audit holds for it: an edit by raw SQL shows here."""
    told = select(_AUDIT.c.at, _AUDIT.c.writer, _AUDIT.c.seq, _AUDIT.c.rows).where(_AUDIT.c.rows != "")
    return recorded_rows.breaches(db, told, CLOCK_DOUBT)


class Anchor:
    """The heads of all chains, signed with a key and written outside the database, so that a cut tail shows.

    One signed line each time that a head moved. The last one may be torn by a crash while it was written: that is told apart
    from damage, and the next line takes its place. With the first line of a month the older ones are kept as `audit-YYYY-MM.log`
    beside it; the anchor itself is never without a whole line again.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._key = key

    def write(self, db: Session, now: datetime) -> None:
        """Appends one signed line with every writer's sequence and head, unless the last one says the same; it is on the disk
        when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as file:
            tail = _last_line(file)
            told = msgspec.json.decode(tail.rpartition(b" ")[0]) if self._is_signed(tail) else None
            heads = {str(row.writer): [row.seq, bytes(row.head).hex()] for row in db.execute(select(_WRITER))}
            if told is not None and told["heads"] == heads:
                return
            at = canonical(now)
            body = msgspec.json.encode({"at": at, "heads": heads})
            line = body + b" " + self._sign(body).encode() + b"\n"
            if told is not None and told["at"][:_MONTH] < at[:_MONTH] and self._is_kept(told["at"][:_MONTH]):
                store(self.path, [line])
                return
            if self._is_torn(tail):
                file.truncate(file.seek(0, os.SEEK_END) - len(tail))
            elif not tail.endswith(b"\n"):
                line = b"\n" + line if tail else line  # whatever it is, it stays, on a line of its own
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        sync(self.path.parent)

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """The anchor, open and locked: the worker and a stopping server may both come, and one may put the file aside."""
        while True:
            with self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    yield file
                    return

    def _is_kept(self, month: str) -> bool:
        """Gives the lines so far a second name, that of their month; the anchor's own name then goes to the next line."""
        kept = self.path.with_name(f"audit-{month}.log")
        try:
            os.link(self.path, kept)
        except OSError:  # a crash came between the two steps; or the name is taken, and the month goes on in the same file
            return kept.exists() and kept.samefile(self.path)
        sync(self.path.parent)
        return True

    def kept(self) -> list[Path]:
        """The files of earlier months, oldest first."""
        return sorted(self.path.parent.glob("audit-*.log"))

    def breaches(self, db: Session) -> Iterator[str]:
        """Checks every line's signature, and the last good line against the chains: its rows must still be there, unchanged."""
        good = b""
        kept = self.kept()
        for path in (*kept, self.path) if kept or self.path.exists() else ():
            if not path.exists():
                yield "audit anchor: the file of this month is missing"
                return
            good = b""
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if self._is_signed(line):
                        good = line
                    elif path != self.path or not (self._is_torn(line) and not file.peek(1)):
                        yield f"audit anchor line {number}{f' of {path.name}' if path != self.path else ''}: the signature is wrong"
                        return
            if kept and not good:
                yield f"audit anchor: no line of {path.name} is whole"
                return
        if not good:
            return
        heads = msgspec.json.decode(good.rpartition(b" ")[0])["heads"]
        for writer, (seq, head) in sorted(heads.items()):
            if seq == 0:
                continue
            found = db.execute(
                select(_AUDIT.c.hash).where(_AUDIT.c.writer == int(writer), _AUDIT.c.seq == seq)
            ).scalar_one_or_none()
            if found is None:
                yield f"audit writer {writer}: anchored row {seq} is gone (the tail was cut)"
            elif bytes(found).hex() != head:
                yield f"audit writer {writer}: anchored row {seq} was recomputed"

    def last(self) -> tuple[str, dict[str, list[Any]]]:
        """The moment and the heads of the last line: each writer's sequence and head. Empty before there is a whole one."""
        tail = b""
        if self.path.exists():
            with self.path.open("rb") as file:
                tail = _last_line(file)
        if not self._is_signed(tail):
            return "", {}
        told = msgspec.json.decode(tail.rpartition(b" ")[0])
        return str(told["at"]), dict(told["heads"])

    def notes(self) -> Iterator[str]:
        """What is worth saying though nothing is wrong: a last line torn by a crash, which the next one replaces."""
        if self.path.exists():
            with self.path.open("rb") as file:
                if self._is_torn(_last_line(file)):
                    yield "the last line of the audit anchor is torn (a crash while it was written); the next one replaces it"

    def _is_signed(self, line: bytes) -> bool:
        body, _, signature = line.rstrip(b"\n").rpartition(b" ")
        return hmac.compare_digest(self._sign(body).encode(), signature)

    def _is_torn(self, line: bytes) -> bool:
        """Whether a crash while it was written left the line so: cut short, or with blocks (NUL) that never reached the disk."""
        written, hole, _ = line.partition(b"\0")
        if not (hole or line) or not (_OPENING.startswith(written) or written.startswith(_OPENING)):
            return False
        body, space, signature = written.partition(b" ")
        if hole or not space:
            return bool(hole) or not line.endswith(b"\n")
        whole = self._sign(body).encode()
        return len(signature) < len(whole) and whole.startswith(signature)

    def _sign(self, body: bytes) -> str:
        return hmac.new(self._key, body, hashlib.sha256).hexdigest()


_OPENING = b'{"at":"'
_MONTH = len("2026-11")
_LINE_BYTES = 64 * 1024
"""More than any line of the anchor is long."""


def _last_line(file: IO[bytes]) -> bytes:
    """The last line of the anchor, with its line end if it has one."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LINE_BYTES))
    content = file.read()
    return content[content.rfind(b"\n", 0, max(0, len(content) - 1)) + 1 :]
