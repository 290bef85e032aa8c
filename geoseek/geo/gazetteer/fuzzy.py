"""Names with typing errors: bounded edit distance inside one region."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

ONE_EDIT_FROM = 5
TWO_EDITS_FROM = 10
MAX_KEYS_IN_MEMORY = 120_000


def allowed_edits(key: str) -> int:
    """Return how many typing errors a key may hold: one from 5 letters on, two from 10; none outside Latin script.

    More would match places that the gazetteer does not know to others that it knows.

    >>> allowed_edits("hefei"), allowed_edits("rome"), allowed_edits("montpellier"), allowed_edits("合肥")
    (1, 0, 2, 0)
    """
    if not key.isascii() or len(key) < ONE_EDIT_FROM:
        return 0
    return 2 if len(key) >= TWO_EDITS_FROM else 1


@dataclass(frozen=True, slots=True)
class Keys:
    """Known keys, sorted by length, and the entity of each."""

    names: list[str]
    entities: list[int]

    def near(self, key: str) -> tuple[int, list[int]]:
        """Return the smallest number of edits that leads from a key to known ones, and the entities of those.

        Edits are insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).

        Returns:
            (0, []) if no known key is near enough.

        >>> Keys(["bonn", "hefei", "munich"], [7, 8, 9]).near("munihc")
        (1, [9])
        """
        edits = allowed_edits(key)
        if not edits:
            return 0, []
        # An edit changes the length by one at most.
        first = bisect_left(self.names, len(key) - edits, key=len)
        last = bisect_right(self.names, len(key) + edits, lo=first, key=len)
        best: list[int] = []
        hits = process.extract(key, self.names[first:last], scorer=OSA.distance, score_cutoff=edits, limit=None)
        for _, distance, at in hits:
            if not best:
                edits = int(distance)
            if distance == edits:
                best.append(self.entities[first + at])
        return (edits, list(dict.fromkeys(best))) if best else (0, [])


class KeyCache:
    """Keeps the keys of recently used regions, up to `MAX_KEYS_IN_MEMORY` keys."""

    def __init__(self, load: Callable[[int], Keys]) -> None:
        self._load = load
        self._kept: OrderedDict[int, Keys] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, unit: int) -> Keys:
        """Return the keys of a unit."""
        kept = self._kept.get(unit)
        if kept is not None:
            with suppress(KeyError):  # another thread may drop it at this moment
                self._kept.move_to_end(unit)
            return kept
        keys = self._load(unit)
        with self._lock:
            if unit not in self._kept:
                self._kept[unit] = keys
                self._size += len(keys.names)
            while self._size > MAX_KEYS_IN_MEMORY and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped.names)
        return keys
