"""How far a model and the annotators agree; the coefficients are those of `geoseek annotate agreement`."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from geoseek.annotation import Coefficient, Distance, cohen_kappa, spearman
from geoseek.pipelines.tag.figures import (
    AgreementFigures,
    Disagreement,
    Figure,
    ReliabilityPoint,
    ScoreAgreement,
    TagAgreement,
)
from geoseek.pipelines.tag.people import SampleKey
from geoseek.schemas import LocatabilityBand, Rating, SceneTag, TagAnswer

_ORDER = {TagAnswer.NO: 0, TagAnswer.MAYBE: 1, TagAnswer.YES: 2}
_LISTED = 12


def compare_ratings(pairs: Mapping[SampleKey, tuple[Rating, Rating]]) -> AgreementFigures | None:
    """Compare two ratings of each sample; None if there are no such samples.

    Args:
        pairs: Sample -> annotators' and model's rating.
    """
    if not pairs:
        return None
    scored = {
        key: (people.locatability_score, model.locatability_score)
        for key, (people, model) in pairs.items()
        if people.locatability_score is not None and model.locatability_score is not None
    }
    return AgreementFigures(
        samples=len(pairs),
        people=dict(sorted(Counter(people.origin for people, _ in pairs.values()).items())),
        models=dict(sorted(Counter(model.origin for _, model in pairs.values()).items())),
        score=_scores(list(scored.values())),
        tags=tuple(_tag(tag, list(pairs.values())) for tag in SceneTag),
        disagreements=_disagreements(scored),
    )


def tag_answer(rating: Rating, tag: SceneTag) -> TagAnswer | None:
    """Return what a rating says about a tag; None if it was not asked."""
    if tag in rating.scene_tags:
        return TagAnswer.YES
    if tag in rating.scene_tags_maybe:
        return TagAnswer.MAYBE
    return TagAnswer.NO if tag in rating.scene_tags_no else None


def _scores(pairs: Sequence[tuple[float, float]]) -> ScoreAgreement:
    gaps = [model - people for people, model in pairs]
    bands = list(LocatabilityBand)
    banded = [(bands.index(LocatabilityBand.of(a)), bands.index(LocatabilityBand.of(b))) for a, b in pairs]
    return ScoreAgreement(
        samples=len(pairs),
        kappa=_figure(cohen_kappa(pairs, Distance.SQUARED)),
        band_kappa=_figure(cohen_kappa(banded, Distance.SQUARED)),
        spearman=_figure(spearman([{"people": a, "model": b} for a, b in pairs])),
        mean_difference=math.fsum(gaps) / len(gaps) if gaps else None,
        mean_absolute_difference=math.fsum(map(abs, gaps)) / len(gaps) if gaps else None,
        within_one=sum(abs(gap) <= 1 for gap in gaps) / len(gaps) if gaps else None,
        same_band=sum(a == b for a, b in banded) / len(banded) if banded else None,
        bands=_table(banded, len(bands)),
        reliability=reliability(pairs),
    )


def reliability(pairs: Sequence[tuple[float, float]]) -> tuple[ReliabilityPoint, ...]:
    """Return what annotators say where the model says about so much: one point for each whole number it rounds to.

    Args:
        pairs: Score of the annotators and of the model.

    >>> [(point.model, point.people, point.samples) for point in reliability([(5, 6), (7, 6.5), (1, 0)])]
    [(0.0, 1.0, 1), (6.25, 6.0, 2)]
    """
    bins: dict[int, list[tuple[float, float]]] = {}
    for people, model in pairs:
        bins.setdefault(math.ceil(model - 0.5), []).append((people, model))
    points = []
    for _, inside in sorted(bins.items()):
        said = sorted(people for people, _ in inside)
        points.append(
            ReliabilityPoint(
                model=statistics.fmean(model for _, model in inside),
                people=statistics.fmean(said),
                low=_quantile(said, 0.25),
                high=_quantile(said, 0.75),
                samples=len(inside),
            )
        )
    return tuple(points)


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _tag(tag: SceneTag, pairs: Sequence[tuple[Rating, Rating]]) -> TagAgreement:
    answers = [(tag_answer(people, tag), tag_answer(model, tag)) for people, model in pairs]
    both = [(a, b) for a, b in answers if a is not None and b is not None]
    ranks = [(_ORDER[a], _ORDER[b]) for a, b in both]
    return TagAgreement(
        tag=tag,
        samples=len(both),
        same=sum(a is b for a, b in both) / len(both) if both else None,
        kappa=_figure(cohen_kappa(both)),
        ordered=_figure(cohen_kappa(ranks, Distance.SQUARED)),
        answers=_table(ranks, len(_ORDER)),
    )


def _table(pairs: Sequence[tuple[int, int]], size: int) -> tuple[tuple[int, ...], ...]:
    """Count pairs: rows are the annotators, columns the model."""
    counts = Counter(pairs)
    return tuple(tuple(counts[row, column] for column in range(size)) for row in range(size))


def _disagreements(scored: Mapping[SampleKey, tuple[float, float]]) -> tuple[Disagreement, ...]:
    worst = sorted(scored.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0]))
    return tuple(
        Disagreement(split=split, sample_id=sample_id, people=people, model=model)
        for (split, sample_id), (people, model) in worst[:_LISTED]
        if people != model
    )


def _figure(found: Coefficient) -> Figure:
    return Figure(value=found.value, samples=found.items, reason=found.reason)
