"""Near-copies are found, other texts are not compared in vain."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from geoseek.annotation.review.copies import Text, bare_letters, near_copies


def found(texts: list[str], *, similarity: float = 0.9, least: int = 40) -> list[tuple[str, str]]:
    rows = [Text(str(number), text) for number, text in enumerate(texts)]
    return [(copy.key, copy.original) for copy in near_copies(rows, similarity=similarity, least_letters=least)]


ENGLISH = (
    "The yellow centre line, the concrete poles and the red soil point to the interior of the country, not the coast."
)
JAPANESE = (
    "電柱に巻かれた黄色と黒の縞模様の保護板と、青い案内標識の書体から日本だと分かる。"
    "背景の山並みは中部地方を思わせ、道路の左側を車が走っている。"
)


def test_changed_word_is_a_copy() -> None:
    assert found([ENGLISH, ENGLISH.replace("concrete", "wooden")]) == [("1", "0")]
    assert found([JAPANESE, JAPANESE.replace("中部", "関東")]) == [("1", "0")]


def test_case_accents_and_punctuation_do_not_count() -> None:
    assert found([ENGLISH, ENGLISH.upper().replace(",", " —")], similarity=1.0) == [("1", "0")]
    assert bare_letters("Ção é!") == "caoe"


def test_other_text_and_short_text_are_none() -> None:
    other = (
        "A shop sign in Cyrillic and a plate with a blue edge leave Bulgaria and Serbia, and the hills favour Serbia."
    )
    assert found([ENGLISH, other, JAPANESE]) == []
    assert found(["Same words.", "Same words."]) == []


def test_same_opening_is_no_copy() -> None:
    opening = (
        "The distance sign names towns in Spanish and the plates are white with green edges, which leaves Mexico. "
    )
    ends = [
        "The agaves on dry hills grow at the height of the central plateau, so I go for Guanajuato or its neighbours.",
        "Mangroves and flat water behind the road leave the coast of the Gulf, and the name of the shop Veracruz.",
    ]
    assert found([opening + end for end in ends]) == []


def test_most_similar_earlier_text_is_named() -> None:
    near = ENGLISH.replace("red", "reddish")
    assert found([ENGLISH, near, ENGLISH.replace("red", "reddish brown")])[-1] == ("2", "1")


@given(st.lists(st.text(max_size=60), max_size=8))
def test_only_earlier_texts_are_named(texts: list[str]) -> None:
    assert all(int(original) < int(key) for key, original in found(texts, similarity=0.5, least=20))


def test_work_grows_with_the_number_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts made of everybody's phrases: the number of comparisons per text stays bounded."""
    ratio, compared = fuzz.ratio, [0]

    def counted(one: str, two: str, *, score_cutoff: float) -> float:
        compared[0] += 1
        return float(ratio(one, two, score_cutoff=score_cutoff))

    monkeypatch.setattr(fuzz, "ratio", counted)
    rng = random.Random(7)  # noqa: S311 - equal seeds, equal texts
    phrases = [" ".join(rng.choices(ENGLISH.split(), k=6)) for _ in range(40)]
    per_text = []
    for size in (200, 800):
        compared[0] = 0
        found([". ".join(rng.choices(phrases, k=6)) for _ in range(size)])
        per_text.append(compared[0] / size)
    assert 0 < per_text[1] <= 1.5 * per_text[0] + 8
