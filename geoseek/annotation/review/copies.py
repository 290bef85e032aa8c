"""Reasoning that was written before: near-copies among many texts, in time linear in their number."""

from __future__ import annotations

import unicodedata
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz

_SHINGLE = 9
"""Characters per shingle: texts on the same subject share few so long runs, copies with some words changed most."""
_SKETCH = 24
"""Shingles by which a text is filed: those with the smallest hashes, which near-copies have in common."""
_SHARED = 3
"""Shingles that two texts must be filed under together to be compared; a phrase in common makes one or two."""
_PER_SHINGLE = 8
"""How many of the latest texts a shingle leads to; it bounds the work where a phrase is in everybody's mouth."""
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, with mixed bits: arithmetic modulo 2^64 spreads the characters of a run
_MIXER = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True)
class Text:
    """A text that is compared with the others.

    Attributes:
        key: Which one it is.
        words: What it says.
    """

    key: str
    words: str


@dataclass(frozen=True)
class Copy:
    """Two texts that are nearly equal.

    Attributes:
        key: The later one.
        original: The earlier one.
        similarity: 1 - edits / (sum of lengths), as rapidfuzz's `ratio`, 0..1.
    """

    key: str
    original: str
    similarity: float


def near_copies(texts: Iterable[Text], *, similarity: float, least_letters: int) -> Iterator[Copy]:
    """Find, for each text, the earlier text that it resembles most, if any comes near enough.

    Only letters and digits count, in lower case without accents. Texts are compared if they share some of the runs
    of nine characters by which they are filed; per run the latest eight texts are looked at. So the work grows with the
    number of texts, not with its square.

    Args:
        texts: From the earliest to the latest.
        similarity: From which on two texts are near-copies, 0..1.
        least_letters: Shorter texts are left out.

    >>> old, new = "The yellow centre line and bollards point to it.", "The yellow centre line and poles point to it."
    >>> texts = [Text("a", old), Text("b", "Nothing of the kind, really nothing at all."), Text("c", new)]
    >>> [(copy.key, copy.original) for copy in near_copies(texts, similarity=0.8, least_letters=20)]
    [('c', 'a')]
    """
    shelves: dict[int, deque[int]] = {}
    seen: list[tuple[str, str]] = []
    for text in texts:
        letters = bare_letters(text.words)
        if len(letters) < least_letters:
            continue
        sketch = _sketch(letters)
        shared = Counter(number for shingle in sketch for number in shelves.get(shingle, ()))
        candidates = [number for number, count in shared.items() if count >= _SHARED]
        best = max(
            ((fuzz.ratio(letters, seen[number][1], score_cutoff=100 * similarity), -number) for number in candidates),
            default=(0.0, 0),
        )
        if best[0]:
            yield Copy(text.key, seen[-best[1]][0], best[0] / 100)
        for shingle in sketch:
            shelves.setdefault(shingle, deque(maxlen=_PER_SHINGLE)).append(len(seen))
        seen.append((text.key, letters))


def bare_letters(text: str) -> str:
    """Return the letters and digits of a text, in lower case and without accents.

    >>> bare_letters("  Señal: «PARE», 2 km ")
    'senalpare2km'
    """
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text.casefold())))


def _sketch(letters: str) -> list[int]:
    codes = np.frombuffer(letters.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    hashes: npt.NDArray[np.uint64] = np.zeros(len(codes) - _SHINGLE + 1, dtype=np.uint64)
    for at in range(_SHINGLE):
        hashes = hashes * _BASE + codes[at : at + len(hashes)]
    hashes = np.unique((hashes ^ (hashes >> np.uint64(29))) * _MIXER)
    smallest: list[int] = hashes[:_SKETCH].tolist()
    return smallest
