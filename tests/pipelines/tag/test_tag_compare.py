from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation import Distance, cohen_kappa
from geoseek.pipelines.tag.combine import combine_ratings
from geoseek.pipelines.tag.compare import compare_ratings, reliability, tag_answer
from geoseek.pipelines.tag.report import median_score
from geoseek.pipelines.tag.settings import Preference
from geoseek.schemas import Rating, SceneTag, Split, SubScores, TagAnswer

_SCORE = st.integers(0, 20).map(lambda step: step / 2)
_PAIRS = st.lists(st.tuples(_SCORE, _SCORE), min_size=1, max_size=40)


def _rating(score: float | None, origin: str = "human", **tags: TagAnswer) -> Rating:
    said = {answer: tuple(tag for tag in SceneTag if tags.get(tag.value) is answer) for answer in TagAnswer}
    return Rating(
        origin=origin,
        raters=1,
        locatability_score=score,
        scene_tags=said[TagAnswer.YES],
        scene_tags_maybe=said[TagAnswer.MAYBE],
        scene_tags_no=said[TagAnswer.NO],
        sub_scores=SubScores(),
        main_clues=(),
    )


@given(_PAIRS)
def test_every_pair_is_counted_once(pairs: list[tuple[float, float]]) -> None:
    keyed = {(Split.VAL, f"{at:03}"): (_rating(a), _rating(b, "model m")) for at, (a, b) in enumerate(pairs)}
    found = compare_ratings(keyed)
    assert found is not None
    score = found.score
    assert (
        score.samples == len(pairs) == sum(map(sum, score.bands)) == sum(point.samples for point in score.reliability)
    )
    assert score.kappa.value == cohen_kappa(pairs, Distance.SQUARED).value
    assert score.mean_difference == pytest.approx(sum(b - a for a, b in pairs) / len(pairs))
    assert all(point.low <= point.high for point in score.reliability)
    assert all(one.people != one.model for one in found.disagreements)


@given(_PAIRS)
def test_reliability_does_not_depend_on_the_order(pairs: list[tuple[float, float]]) -> None:
    assert reliability(pairs) == reliability(pairs[::-1])


def test_perfect_agreement() -> None:
    pairs = {(Split.VAL, str(n)): (_rating(n, sign=TagAnswer.YES if n % 2 else TagAnswer.NO),) * 2 for n in range(6)}
    found = compare_ratings(pairs)
    assert found is not None
    assert found.score.kappa.value == found.score.band_kappa.value == 1
    assert found.score.spearman.value == pytest.approx(1)
    sign = next(one for one in found.tags if one.tag is SceneTag.SIGN)
    assert (sign.kappa.value, sign.ordered.value, sign.same) == (1, 1, 1)
    plants = next(one for one in found.tags if one.tag is SceneTag.PLANTS)
    assert (plants.samples, plants.same, plants.kappa.value) == (0, None, None)
    assert not found.disagreements


def test_maybe_is_half_way_in_the_ordered_kappa_only() -> None:
    said = [(TagAnswer.YES, TagAnswer.MAYBE), (TagAnswer.NO, TagAnswer.NO), (TagAnswer.YES, TagAnswer.YES)]
    found = compare_ratings(
        {(Split.VAL, str(at)): (_rating(5, sign=a), _rating(5, sign=b)) for at, (a, b) in enumerate(said)}
    )
    assert found is not None
    sign = next(one for one in found.tags if one.tag is SceneTag.SIGN)
    assert sign.answers == ((1, 0, 0), (0, 0, 0), (0, 1, 1))
    assert sign.kappa.value == pytest.approx(0.5)
    assert sign.ordered.value == pytest.approx(0.8)


def test_nothing_to_compare() -> None:
    assert compare_ratings({}) is None
    found = compare_ratings({(Split.VAL, "a"): (_rating(None), _rating(3))})
    assert found is not None
    assert found.score.samples == 0
    assert found.score.mean_difference is None


def test_what_was_not_asked_has_no_answer() -> None:
    rating = _rating(1, sign=TagAnswer.NO)
    assert tag_answer(rating, SceneTag.SIGN) is TagAnswer.NO
    assert tag_answer(rating, SceneTag.PLANTS) is None


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.one_of(st.none(), _SCORE)),
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.one_of(st.none(), _SCORE)),
    st.sampled_from(list(Preference)),
    st.tuples(_SCORE, _SCORE).map(lambda ends: (min(ends), max(ends))),
)
def test_every_rated_sample_is_kept_or_rejected(
    people: dict[str, float | None],
    model: dict[str, float | None],
    use: Preference,
    score_range: tuple[float, float],
) -> None:
    found = combine_ratings(
        {(Split.VAL, key): [_rating(score)] for key, score in people.items()},
        {(Split.VAL, key): _rating(score, "model m") for key, score in model.items()},
        use=use,
        score_range=score_range,
    )
    keys = [row.sample_id for row in found.kept] + [row.sample_id for row in found.rejects]
    assert sorted(keys) == sorted(people.keys() | model.keys())
    for row in found.kept:
        assert row.locatability_score is None or score_range[0] <= row.locatability_score <= score_range[1]
        there = [rating.origin for rating in row.ratings]
        wanted = "human" if use is Preference.HUMAN else "model m"
        assert row.origin == (wanted if wanted in there else there[0])


def test_median_score_of_a_histogram() -> None:
    from geoseek.pipelines.tag.combine import split_figures

    found = combine_ratings(
        {(Split.VAL, str(at)): [_rating(score)] for at, score in enumerate((1, 2, 9))},
        {},
        use=Preference.HUMAN,
        score_range=None,
    )
    assert median_score(split_figures(Split.VAL, 5, found.kept, found.rejects)) == 2
    assert median_score(split_figures(Split.LOC, 5, found.kept, found.rejects)) is None
