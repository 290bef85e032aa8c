"""What the runs, their folders and their weights have in common."""

from __future__ import annotations

import doctest

from geoseek.training import checkpoints


def test_examples() -> None:
    result = doctest.testmod(checkpoints)
    assert (result.failed, result.attempted) == (0, 1)
