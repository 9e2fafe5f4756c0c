"""Files that survive a power cut: when these functions return, what they wrote is on the disk, and so is its name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def store(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    """Writes a file so that it is there whole or not at all."""
    spare = path.with_name(f".{path.name}.partial")
    with spare.open("wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    spare.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Puts on the disk what was written to a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
