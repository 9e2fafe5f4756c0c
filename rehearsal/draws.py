"""Many random numbers at once from an injected source: even chances and normal deviates."""

from __future__ import annotations

import struct
from bisect import bisect_right
from statistics import NormalDist

from exam.kit.random import Randomness

_STEP = 2.0**-32
_LEVELS = 2**14
_DEVIATES = tuple(NormalDist().inv_cdf((level + 0.5) / _LEVELS) for level in range(_LEVELS))
"""Equally likely deviates, looked up instead of computed. They end at ±4: a rehearsal wants rare people, not impossible ones."""


def chances(source: Randomness, count: int) -> tuple[float, ...]:
    """So many numbers between 0 and 1, both excluded."""
    numbers = struct.unpack(f"<{count}I", source.token_bytes(4 * count))
    return tuple([(number + 0.5) * _STEP for number in numbers])


def deviates(source: Randomness, count: int) -> tuple[float, ...]:
    """So many standard normal deviates."""
    return tuple([_DEVIATES[number >> 2] for number in struct.unpack(f"<{count}H", source.token_bytes(2 * count))])


class Curve:
    """A straight-edged curve over age: the value at each corner, level before the first and after the last."""

    __slots__ = ("_ages", "_values")

    def __init__(self, *corners: tuple[float, float]) -> None:
        self._ages = [age for age, _ in corners]
        self._values = [value for _, value in corners]

    def at(self, age: float) -> float:
        """The value at an age in years."""
        place = bisect_right(self._ages, age)
        if place == 0:
            return self._values[0]
        if place == len(self._ages):
            return self._values[-1]
        left, right = self._ages[place - 1], self._ages[place]
        low, high = self._values[place - 1], self._values[place]
        return low + (high - low) * (age - left) / (right - left)
