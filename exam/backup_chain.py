"""One generation of copies: a full snapshot, the pieces of the write-ahead log shipped after it, and the chain that seals both.

A folder `full-<utc>-<nn>` holds `exam.db` (the snapshot), `manifest.json`, `wal/` (the pieces) and `chain.jsonl`: one line for
each step, sealed with the line before it by a key, so that a missing, changed or foreign piece shows. Every page in it is
encrypted as in the live database; no key is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from exam.kit.errors import Refused

DATABASE = "exam.db"
GENESIS = ""

Signature = tuple[int, int, int]
"""Inode, size and time of change (ns) of the main database file: it changes only when the log is folded into it."""


class Line(msgspec.Struct, frozen=True):
    """One step: `base` (the snapshot was taken), `wal` (a piece was shipped) or `fold` (the log was folded back)."""

    kind: str
    at: datetime
    main: Signature | None = None
    file: str = ""
    epoch: int = 0
    salts: str = ""
    frames: int = 0
    sha256: str = ""


class Sealed(msgspec.Struct, frozen=True):
    """A line as it is stored, with its seal."""

    line: Line
    seal: str


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot holds. `heads` are the audit chains' `[seq, hash]` by writer, `files` SHA-256 by name."""

    at: datetime
    app_version: str
    schema_revision: str
    files: dict[str, str]
    counts: dict[str, int]
    heads: dict[str, tuple[int, str]]
    reports: int


class Generation:
    """A snapshot with its chain. `lines` are the steps so far; `append` adds one durably."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self._key = key
        self._path = folder / "chain.jsonl"
        self.lines: list[Line] = []
        self._seal = GENESIS
        self._good_bytes = 0
        if self._path.exists():
            self._read()

    def _read(self) -> None:
        """A torn last line was never acknowledged by anybody and is forgotten; anything else that is wrong is refused."""
        for number, raw in enumerate(self._path.read_bytes().splitlines(keepends=True), 1):
            if not raw.endswith(b"\n"):
                return
            try:
                stored = msgspec.json.decode(raw, type=Sealed)
            except msgspec.DecodeError:
                raise self._damaged(number) from None
            if not hmac.compare_digest(stored.seal, self._sealed(stored.line)):
                raise self._damaged(number)
            self.lines.append(stored.line)
            self._seal = stored.seal
            self._good_bytes += len(raw)

    def _damaged(self, number: int) -> Refused:
        return Refused(
            "backup.chain_broken",
            f"备份 {self.folder.name} 的增量记录第 {number} 行已损坏或不属于本套密钥",
            "请改用异地副本,或选用更早的一份完整备份",
        )

    def _sealed(self, line: Line) -> str:
        return hmac.new(self._key, self._seal.encode() + msgspec.json.encode(line), hashlib.sha256).hexdigest()

    def append(self, line: Line) -> None:
        """Adds a step; it is on disk when this returns."""
        seal = self._sealed(line)
        with self._path.open("r+b" if self._path.exists() else "xb") as file:
            file.seek(self._good_bytes)
            file.truncate()
            self._good_bytes += file.write(msgspec.json.encode(Sealed(line, seal)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)
        self._seal = seal

    @property
    def is_current(self) -> bool:
        """Whether what was read is still all that is stored."""
        return self._path.exists() and self._path.stat().st_size == self._good_bytes

    @property
    def at(self) -> datetime:
        """When the snapshot was taken."""
        return self.lines[0].at

    @property
    def main(self) -> Signature | None:
        """The main file as our last step left it."""
        return next((line.main for line in reversed(self.lines) if line.main is not None), None)

    @property
    def last_piece(self) -> Line | None:
        """The piece shipped last."""
        return next((line for line in reversed(self.lines) if line.kind == "wal"), None)

    def pieces(self, until: datetime | None = None) -> list[Line]:
        """The pieces in order, up to a moment."""
        return [line for line in self.lines if line.kind == "wal" and (until is None or line.at <= until)]

    @property
    def manifest(self) -> Manifest:
        """What the snapshot holds."""
        return msgspec.json.decode((self.folder / "manifest.json").read_bytes(), type=Manifest)


def folders(copies: Path) -> list[Path]:
    """The finished generations in a folder of copies, oldest first."""
    return sorted(path for path in copies.glob("full-*") if (path / "manifest.json").exists())


def newest(copies: Path, key: bytes, until: datetime | None = None) -> Generation | None:
    """The newest generation whose snapshot was taken at `until` or before."""
    for folder in reversed(folders(copies)):
        generation = Generation(folder, key)
        if generation.lines and (until is None or generation.at <= until):
            return generation
    return None


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def raw_connection(path: Path, key: bytes, salt: str = "") -> Any:
    """A connection of its own to an encrypted database file, outside every pool. It never folds the log by itself while open.

    `salt` makes a new file take the page authentication of another, so that pieces of the other's log fit onto it.
    """
    from sqlcipher3 import dbapi2

    connection = dbapi2.connect(str(path), isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute(f"PRAGMA key = \"x'{key.hex()}{salt}'\"")
    for pragma in ("wal_autocheckpoint = 0", "synchronous = FULL", "mmap_size = 0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection
