"""Runs of different lengths, laid end to end in one array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def ragged(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return the run, and the position in it, of each element of runs of the given lengths.

    >>> [a.tolist() for a in ragged(np.array([2, 0, 1]))]
    [[0, 0, 2], [0, 1, 0]]
    """
    run = np.repeat(np.arange(len(counts)), counts)
    return run, np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
