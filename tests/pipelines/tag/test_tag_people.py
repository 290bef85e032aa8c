from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation import AnnotationState, Verdict
from geoseek.pipelines.tag.people import LONGEST_CLUE, majority, median_in_halves, tidy_clues
from geoseek.schemas import Split, TagAnswer
from tests.pipelines.tag.world import HUMAN, TAGS, TagWorld

_SCORES = st.lists(st.integers(0, 20).map(lambda step: step / 2), min_size=1, max_size=7)


@given(_SCORES)
def test_median_is_a_half_and_next_to_the_median(scores: list[float]) -> None:
    found = median_in_halves(scores)
    assert found is not None
    assert found * 2 == int(found * 2)
    assert min(scores) <= found <= max(scores)
    assert 0 <= statistics.median(scores) - found <= 0.25 + 1e-9


@given(st.lists(st.sampled_from(list(TagAnswer)), max_size=9))
def test_majority_needs_more_than_any_other_answer(answers: list[TagAnswer]) -> None:
    found = majority(answers)
    counts = {answer: answers.count(answer) for answer in TagAnswer}
    if not answers:
        assert found is None
    elif found is not TagAnswer.MAYBE:
        assert found is not None
        assert all(counts[found] > count for answer, count in counts.items() if answer is not found)
    assert majority(answers[::-1]) is found


@given(st.lists(st.text(max_size=12)))
def test_clues_are_tidy(clues: list[str]) -> None:
    found = tidy_clues(clues)
    assert tidy_clues(found) == found
    assert all(clue and "\x00" not in clue for clue in found)


def test_several_annotators_make_one_rating(world: TagWorld) -> None:
    world.rate(0, 6, annotator="ana", sub_scores={"text_amount": 2.0}, main_clues=("palms", "a sign"))
    world.rate(0, 6.5, annotator="ben", sub_scores={"text_amount": 4.0}, main_clues=("Palms",))
    world.rate(0, 9, annotator="cem", scene_tags={**TAGS, "sign": "yes", "weather": "yes"})
    world.rate(1, 6, annotator="ana")
    world.rate(1, 6.5, annotator="ben", scene_tags={**TAGS, "plants": "no"})
    result = world.tag()
    first, second = world.tagged()["pool:val-0"], world.tagged()["pool:val-1"]
    assert (first["locatability_score"], first["locatability_band"]) == (6.5, "moderate")
    assert first["scene_tags"] == ["plants"]
    assert first["sub_scores"]["text_amount"] == 3.0
    assert first["main_clues"] == ["palms", "a sign"]
    assert first["ratings"][0]["raters"] == 3
    assert second["locatability_score"] == 6.0, "a quarter goes to the lower half"
    assert (second["scene_tags"], second["scene_tags_maybe"]) == ([], ["plants"]), "a tie is a maybe"
    assert (result.figures.annotations, result.figures.used) == (5, 5)


def test_what_does_not_count_is_listed_with_its_reason(world: TagWorld) -> None:
    world.rate(0, 5, annotator="ana", updated_at="2026-01-01T00:00:00Z")
    last = world.rate(0, 8, annotator="ana", updated_at="2026-01-02T00:00:00Z")
    world.rate(1, 5, verdict=Verdict.REJECTED)
    world.rate(2, None, state=AnnotationState.SKIPPED, scene_tags={})
    world.rate(3, None, scene_tags={})
    world.rate(77, 5)
    result = world.tag()
    assert last
    assert [row["locatability_score"] for row in world.tagged().values()] == [8.0]
    assert world.left_out() == [
        ("pool:val-0", "later_chosen"),
        ("pool:val-1", "rejected"),
        ("pool:val-2", "not_submitted"),
        ("pool:val-3", "no_rating"),
        ("pool:val-77", "no_sample"),
    ]
    assert result.figures.annotations == 6 == result.figures.used + len(world.left_out())


def test_only_accepted_ones_where_the_settings_ask_for_that(world: TagWorld) -> None:
    (world.folder / "geoseek.yaml").write_text("tag: {require_accepted: true}\n")
    world.rate(0, 5, verdict=Verdict.ACCEPTED)
    world.rate(1, 5)
    world.tag()
    assert list(world.tagged()) == ["pool:val-0"]
    assert world.left_out() == [("pool:val-1", "not_accepted")]


@pytest.mark.parametrize(
    ("provenance", "origin"),
    [
        (HUMAN, "human"),
        ({**HUMAN, "scene_tags": "model m, edited"}, "model m, edited"),
        ({**HUMAN, "scene_tags": "model m"}, "model m"),
        ({**HUMAN, "locatability_score": "synthetic"}, "synthetic"),
        ({}, "synthetic"),
    ],
)
def test_a_rating_is_as_human_as_its_least_human_part(world: TagWorld, provenance: dict[str, str], origin: str) -> None:
    world.rate(0, 5, provenance=provenance)
    world.tag()
    assert world.tagged()["pool:val-0"]["origin"] == origin


def test_origins_are_never_mixed_and_people_go_first(world: TagWorld) -> None:
    world.rate(0, 2, annotator="demo", provenance={"locatability_score": "synthetic", "scene_tags": "synthetic"})
    world.rate(0, 8, annotator="ana")
    world.tag()
    row = world.tagged()["pool:val-0"]
    assert (row["origin"], row["locatability_score"]) == ("human", 8.0)
    assert [rating["origin"] for rating in row["ratings"]] == ["human", "synthetic"]


def test_hostile_texts_do_no_harm(world: TagWorld) -> None:
    world.rate(0, 5, main_clues=("x" * (LONGEST_CLUE + 1), "a\x00b", "<script>alert(1)</script>", "שלום 你好 🌴"))
    result = world.tag()
    assert world.tagged()["pool:val-0"]["main_clues"] == ["ab", "<script>alert(1)</script>", "שלום 你好 🌴"]
    assert any("1 main clues" in notice for notice in result.figures.notices)


def test_a_score_without_tags_says_nothing_about_tags(world: TagWorld) -> None:
    world.rate(0, 5, split=Split.COT, scene_tags={})
    world.tag(splits=(Split.COT,))
    rating = world.tagged()["pool:cot-0"]["ratings"][0]
    assert rating["scene_tags_no"] == []
    assert math.isclose(rating["locatability_score"], 5)
