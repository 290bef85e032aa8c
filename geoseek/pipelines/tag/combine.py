"""One row per rated sample out of all its ratings, and which of them are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from geoseek.pipelines.tag.figures import SplitFigures
from geoseek.pipelines.tag.people import SampleKey
from geoseek.pipelines.tag.settings import Preference
from geoseek.schemas import LocatabilityBand, Rating, SceneTag, Split, TaggedSample, TagReject, TagRejectReason

ScoreRange = tuple[float, float]


@dataclass(frozen=True)
class Combined:
    """The outcome: every rated sample is in one of the two lists."""

    kept: tuple[TaggedSample, ...]
    rejects: tuple[TagReject, ...]


def combine_ratings(
    people: Mapping[SampleKey, Sequence[Rating]],
    model: Mapping[SampleKey, Rating],
    *,
    use: Preference,
    score_range: ScoreRange | None,
) -> Combined:
    """Choose the rating of each sample, and leave out those whose score lies outside of the range.

    A rating is taken whole, so that a row has one origin. A rating without a score lies in no range and is kept.

    Args:
        people: Annotators' ratings, the most human one first.
        model: The model's ratings.
        use: Which of them goes before the other.
        score_range: Lowest and highest score that is kept; None for all.
    """
    kept, rejects = [], []
    order = list(Split)
    for key in sorted(people.keys() | model.keys(), key=lambda key: (order.index(key[0]), key[1])):
        ratings = [*people.get(key, ()), *([model[key]] if key in model else [])]
        preferred = model[key] if use is Preference.MODEL and key in model else ratings[0]
        score = preferred.locatability_score
        if score_range is not None and score is not None and not score_range[0] <= score <= score_range[1]:
            rejects.append(_out_of_range(key, preferred, score_range))
        else:
            kept.append(_tagged(key, preferred, ratings))
    return Combined(tuple(kept), tuple(rejects))


def split_figures(
    split: Split, members: int, kept: Iterable[TaggedSample], rejects: Iterable[TagReject]
) -> SplitFigures:
    """Count one split."""
    mine = [row for row in kept if row.split is split]
    out = sum(row.split is split for row in rejects)
    scores = Counter(row.locatability_score for row in mine)
    yes = Counter(tag for row in mine for tag in row.scene_tags)
    maybe = Counter(tag for row in mine for tag in row.scene_tags_maybe)
    return SplitFigures(
        split=split,
        samples=members,
        rated=len(mine) + out,
        kept=len(mine),
        out_of_range=out,
        scored=len(mine) - scores[None],
        origins=dict(sorted(Counter(row.origin for row in mine).items())),
        bands={band: sum(row.locatability_band is band for row in mine) for band in LocatabilityBand},
        scores=tuple(scores[step / 2] for step in range(21)),
        yes={tag: yes[tag] for tag in SceneTag},
        maybe={tag: maybe[tag] for tag in SceneTag},
    )


def _tagged(key: SampleKey, preferred: Rating, ratings: Sequence[Rating]) -> TaggedSample:
    score = preferred.locatability_score
    return TaggedSample(
        sample_id=key[1],
        split=key[0],
        origin=preferred.origin,
        locatability_score=score,
        locatability_band=None if score is None else LocatabilityBand.of(score),
        scene_tags=preferred.scene_tags,
        scene_tags_maybe=preferred.scene_tags_maybe,
        sub_scores=preferred.sub_scores,
        main_clues=preferred.main_clues,
        ratings=tuple(ratings),
    )


def _out_of_range(key: SampleKey, rating: Rating, score_range: ScoreRange) -> TagReject:
    low, high = score_range
    return TagReject(
        sample_id=key[1],
        split=key[0],
        origin=rating.origin,
        annotation_id=None,
        reason=TagRejectReason.OUT_OF_RANGE,
        fault=None,
        detail=f"score {rating.locatability_score:g}, range {low:g}..{high:g}",
    )
