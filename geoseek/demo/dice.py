"""Random choices of a scene: one stream of numbers per part, so that a change in one part leaves the others alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """A seeded stream of uniform numbers; equal keys give equal streams on every machine.

    >>> Dice("demo:1", 42, "sky").uniform(0, 1) == Dice("demo:1", 42, "sky").uniform(0, 1)
    True
    """

    def __init__(self, *key: str | int) -> None:
        digest = hashlib.sha256("\x1f".join(str(part) for part in key).encode()).digest()
        self._generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
        self._numbers: list[float] = []

    def _next(self) -> float:
        if not self._numbers:
            self._numbers = self._generator.random(64).tolist()
        return self._numbers.pop()

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self._next()

    def integer(self, low: int, high: int) -> int:
        """Return an integer in low..high, both included."""
        return low + int(self._next() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._next() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Return one item, all equally likely."""
        return items[int(self._next() * len(items))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """Return one key, likely in proportion to its weight."""
        left = self._next() * sum(weights.values())
        for item, weight in weights.items():
            left -= weight
            if left < 0:
                return item
        return list(weights)[-1]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order."""
        return [item for _, item in sorted(((self._next(), i), item) for i, item in enumerate(items))]

    def code(self, pattern: str) -> str:
        """Fill a pattern: `A` becomes a letter, `0` a digit, anything else stays."""
        letters = "ABCDEHKLMPRSTVX"
        return "".join(
            self.pick(letters) if sign == "A" else str(self.integer(0, 9)) if sign == "0" else sign for sign in pattern
        )
