"""Randomness: injected, so that a rehearsal with one seed is the same day every time."""

from __future__ import annotations

import hashlib
import secrets
from typing import Protocol


class Randomness(Protocol):
    """A source of random bytes."""

    def token_bytes(self, n: int) -> bytes:
        """`n` random bytes."""
        ...


class SystemRandom:
    """The operating system's randomness; the only one fit for keys and tokens."""

    def token_bytes(self, n: int) -> bytes:
        return secrets.token_bytes(n)


class SeededRandom:
    """The same bytes for the same seed; for tests and rehearsals, never for secrets."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def token_bytes(self, n: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "big")).digest(n)
