"""A read-only hash table over flat arrays: name keys to numbers, small on disk and quick to map into memory."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

BUCKET_BITS = 20
_HASH_BITS = 64


def hash_key(key: str) -> int:
    """Return a 64-bit hash of a key, the same on every machine.

    With 1.5 million keys in the table, one unknown key in 10¹³ is taken for a known one.
    """
    return int.from_bytes(blake2b(key.encode("utf-8", "replace"), digest_size=8).digest(), "little")


class NameTable:
    """Finds the entities of a key, best first.

    Args:
        hashes: Sorted hashes of the rows, with repeats.
        entities: Per row, the number that the key stands for; best first within a key.
        buckets: Where the rows of each leading `BUCKET_BITS` bits begin; one entry more than there are buckets.
        ranks: Per row, the standing of the name (`MAIN` to `SHORTENED` of `kinds`).
    """

    def __init__(self, hashes: memoryview, entities: memoryview, buckets: memoryview, ranks: memoryview) -> None:
        self._hashes, self._entities, self._buckets, self._ranks = hashes, entities, buckets, ranks

    def find(self, key: str) -> list[int]:
        """Return the numbers of a key; empty if it is unknown. About 2 µs."""
        first, last = self._rows(key)
        numbers: list[int] = self._entities[first:last].tolist()
        return numbers

    def find_strict(self, key: str) -> list[int]:
        """Return only the numbers that have the key as a name of the best standing among its rows."""
        first, last = self._rows(key)
        best = min(self._ranks[first:last], default=0)
        return [self._entities[row] for row in range(first, last) if self._ranks[row] == best]

    def _rows(self, key: str) -> tuple[int, int]:
        wanted = hash_key(key)
        bucket = wanted >> (_HASH_BITS - BUCKET_BITS)
        hashes = self._hashes
        for row in range(self._buckets[bucket], self._buckets[bucket + 1]):
            if hashes[row] == wanted:
                last = row + 1
                while last < len(hashes) and hashes[last] == wanted:
                    last += 1
                return row, last
        return 0, 0


def table_arrays(
    keys: Sequence[str],
    entities: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float32],
    ranks: npt.NDArray[np.uint8],
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the arrays of a `NameTable`.

    Args:
        keys: Per row, the key.
        entities: Per row, the number it stands for.
        scores: Per row, the higher the better; ties go to the smaller number.
        ranks: Per row, the standing of the name.
    """
    hashes = np.fromiter((hash_key(key) for key in keys), dtype=np.uint64, count=len(keys))
    order = np.lexsort((entities, -scores, hashes))
    hashes = hashes[order]
    edges = np.arange(1, 1 << BUCKET_BITS, dtype=np.uint64) << np.uint64(_HASH_BITS - BUCKET_BITS)
    buckets = np.concatenate([[0], np.searchsorted(hashes, edges), [len(hashes)]]).astype(np.int32)
    return {
        "table_hash": hashes,
        "table_entity": entities[order],
        "table_bucket": buckets,
        "table_rank": ranks[order],
    }
