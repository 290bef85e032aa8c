"""How far the clues of several annotators overlap: by equal words, by similar words, by meaning."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process
from scipy.optimize import linear_sum_assignment

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts -> unit vectors, shape (texts, dimensions)."""

FUZZY_FROM = 80.0
"""Similarity from which two clues count as the same, 0..100: `token_sort_ratio` of rapidfuzz, blind to word order."""


def normalise_clue(clue: str) -> str:
    """Return a clue without what does not change its meaning: case, width, punctuation, spacing.

    >>> normalise_clue("  Yellow-centre LINE. ")
    'yellow centre line'
    """
    text = unicodedata.normalize("NFKC", clue).casefold()
    # Marks are accents and vowel signs, parts of words in many scripts.
    plain = "".join(c if c.isalnum() or unicodedata.category(c).startswith("M") else " " for c in text)
    return " ".join(plain.split())


def jaccard(a: Iterable[str], b: Iterable[str]) -> float | None:
    """Return shared / all clues of two annotators, compared as `normalise_clue` leaves them; None without clues.

    >>> jaccard(["Red soil", "bollards"], ["red soil.", "palms"])
    0.3333333333333333
    """
    first, second = _distinct(a), _distinct(b)
    everything = first | second
    return len(first & second) / len(everything) if everything else None


def fuzzy_jaccard(a: Iterable[str], b: Iterable[str], *, similar_from: float = FUZZY_FROM) -> float | None:
    """Return the same where similar clues count as shared, each with one partner at most (the best assignment).

    >>> fuzzy_jaccard(["yellow centre line", "red soil"], ["centre line, yellow", "reddish soil", "palms"])
    0.6666666666666666
    """
    first, second = sorted(_distinct(a)), sorted(_distinct(b))
    if not first or not second:
        return 0.0 if first or second else None
    similar = process.cdist(first, second, scorer=fuzz.token_sort_ratio) >= similar_from
    rows, columns = linear_sum_assignment(similar, maximize=True)
    shared = int(similar[rows, columns].sum())
    return shared / (len(first) + len(second) - shared)


def meaning_overlap(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Return how well two sets of clues mean the same: each clue's best cosine, averaged per side, then harmonically.

    The F1 of BERTScore (T. Zhang et al., ICLR 2020) with clues in place of words. Negative cosines count 0.

    Args:
        a: Unit vectors, one row per clue, at least one.
        b: Those of the other annotator.

    >>> meaning_overlap(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[:1])
    0.6666666666666666
    """
    cosines = np.clip(a.astype(np.float64) @ b.astype(np.float64).T, 0.0, 1.0)
    one, two = float(cosines.max(axis=1).mean()), float(cosines.max(axis=0).mean())
    return 2 * one * two / (one + two) if one + two else 0.0


def mean_of_pairs(
    sets: Sequence[Sequence[str]], overlap: Callable[[Sequence[str], Sequence[str]], float | None]
) -> float | None:
    """Return the mean overlap of all pairs of annotators of one photo; pairs without any clue do not count."""
    found = [value for a, b in combinations(sets, 2) if (value := overlap(a, b)) is not None]
    return math.fsum(found) / len(found) if found else None


def embedded_overlap(samples: Sequence[Sequence[Sequence[str]]], encode: Encode) -> list[float | None]:
    """Return the mean overlap by meaning of the annotators of each photo.

    Args:
        samples: Photos -> annotators -> clues.
        encode: Called once, with every distinct clue.
    """
    words = sorted({clue for sets in samples for clues in sets for clue in clues if normalise_clue(clue)})
    vectors = dict(zip(words, encode(words), strict=True)) if words else {}

    def overlap(a: Sequence[str], b: Sequence[str]) -> float | None:
        first, second = ([vectors[clue] for clue in clues if clue in vectors] for clues in (a, b))
        if not first or not second:
            return 0.0 if first or second else None
        return meaning_overlap(np.stack(first), np.stack(second))

    return [mean_of_pairs(sets, overlap) for sets in samples]


def _distinct(clues: Iterable[str]) -> set[str]:
    return {plain for clue in clues if (plain := normalise_clue(clue))}
