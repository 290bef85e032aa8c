"""Overlap of clues."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation.agreement.clues import (
    embedded_overlap,
    fuzzy_jaccard,
    jaccard,
    mean_of_pairs,
    meaning_overlap,
    normalise_clue,
)

clue_lists = st.lists(st.text(max_size=12), max_size=6)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Ｆｕｌｌ-ｗｉｄｔｈ", "full width"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ป้ายภาษาไทย!", "ป้ายภาษาไทย"),
        ("  ", ""),
        ("«Kiosk», 24h", "kiosk 24h"),
    ],
)
def test_normalised_clues(written: str, plain: str) -> None:
    assert normalise_clue(written) == normalise_clue(plain) == plain or plain in normalise_clue(written)


def test_no_clues_have_no_overlap_and_one_side_has_none() -> None:
    for overlap in (jaccard, fuzzy_jaccard):
        assert overlap([], []) is None
        assert overlap(["..."], [" "]) is None
        assert overlap(["palm"], []) == 0.0


@given(clue_lists, clue_lists)
def test_overlap_is_symmetric_within_bounds_and_fuzzy_finds_no_less(a: list[str], b: list[str]) -> None:
    exact, fuzzy = jaccard(a, b), fuzzy_jaccard(a, b)
    assert jaccard(b, a) == exact
    assert fuzzy_jaccard(b, a) == fuzzy
    if exact is None:
        assert fuzzy is None
    else:
        assert fuzzy is not None
        assert 0 <= exact <= fuzzy <= 1


@given(clue_lists)
def test_equal_clues_overlap_fully(clues: list[str]) -> None:
    assert jaccard(clues, reversed(clues)) in (1.0, None)
    assert fuzzy_jaccard(clues, reversed(clues)) in (1.0, None)


def test_each_clue_has_one_partner_at_most() -> None:
    assert fuzzy_jaccard(["red soil", "red soils"], ["red soil"]) == 0.5


def _letters(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Embed a text by its first letter."""
    table = np.eye(26, dtype=np.float32)
    return table[[ord(text[0].lower()) - ord("a") for text in texts]]


def test_overlap_by_meaning() -> None:
    found = embedded_overlap([[["palm", "road"], ["plants"]], [["sign"], ["bus"]], [["a"], []], [[], []]], _letters)
    # Photo 1: of two clues one is met, of the other's one all: 2 * (1/2 * 1) / (1/2 + 1).
    assert found == [pytest.approx(2 / 3), 0.0, 0.0, None]


def test_each_clue_is_embedded_once() -> None:
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        asked.extend(texts)
        return _letters(texts)

    embedded_overlap([[["palm"], ["palm", "road"]], [["palm"], ["road"]]], encode)
    assert asked == ["palm", "road"]


def test_opposite_meanings_count_nothing() -> None:
    one = np.array([[1.0, 0.0]], dtype=np.float32)
    assert meaning_overlap(one, -one) == 0.0


def test_mean_over_pairs_leaves_out_pairs_without_clues() -> None:
    assert mean_of_pairs([["a"], ["a"], []], jaccard) == pytest.approx(1 / 3)
    assert mean_of_pairs([[], []], jaccard) is None
