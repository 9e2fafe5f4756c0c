"""Room on the disk: a ballast file, and read-only before zero, because on a full disk even a DELETE fails (reliability §0.15)."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from exam.kit.errors import Refused

BALLAST_BYTES = 64 * 1024 * 1024
"""Held back in a file; given up when nearly nothing else is left."""

PEOPLE_NEED_BYTES = 128 * 1024 * 1024
"""With less room than this (free bytes and ballast), people's writes are refused: 64 MB before the ballast is touched."""

HOUSE_NEEDS_BYTES = 8 * 1024 * 1024
"""The house's own work (the audit of reads, the worker, folding the log) goes on until this little is left."""


class Space:
    """Watches the file system of the data folder; asks it at most once a second."""

    def __init__(self, folder: Path) -> None:
        self.ballast = folder / "ballast"
        self._folder = folder
        self._look_again_at = 0.0
        self._room = 0

    def free_bytes(self) -> int:
        """Bytes that this process may still write there."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def keep(self) -> None:
        """Makes the ballast where it is missing and there is plenty; gives it up where nothing else is left."""
        free = self.free_bytes()
        if free < HOUSE_NEEDS_BYTES:
            self.ballast.unlink(missing_ok=True)
        elif free > PEOPLE_NEED_BYTES + BALLAST_BYTES and not self.ballast.exists():
            handle = os.open(self.ballast, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, BALLAST_BYTES)
            finally:
                os.close(handle)

    def require(self, *, is_own: bool) -> None:
        """Refuses a write while the disk is nearly full; `is_own` is the house's own work. Reads never ask."""
        now = time.monotonic()
        if now >= self._look_again_at:
            self._room = self._look()  # before the time: another thread must never see the one without the other
            self._look_again_at = now + 1.0
        if self._room < (HOUSE_NEEDS_BYTES if is_own else PEOPLE_NEED_BYTES):
            raise Refused("space.full", "磁盘空间不足,系统已转为只读,本次操作未保存", "请联系系统管理员清理磁盘,之后自动恢复")

    def _look(self) -> int:
        free = self.free_bytes()
        held = 0
        with contextlib.suppress(FileNotFoundError):
            held = self.ballast.stat().st_size
        if held and free < HOUSE_NEEDS_BYTES:
            self.ballast.unlink(missing_ok=True)
        return free + held
