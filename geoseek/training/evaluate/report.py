"""The report page of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseek import __version__
from geoseek.reporting import LIGHT, render_page
from geoseek.training.evaluate.core import Evaluated
from geoseek.training.evaluate.error_map import FAR_KM, class_labels, draw_error_map
from geoseek.training.evaluate.result import (
    FIGURES,
    RADII_KM,
    CurvePoint,
    Difference,
    Estimate,
    EvaluateRejectReason,
    Evaluation,
    GroupFigures,
    Outcome,
    SetFigures,
    Unit,
)
from geoseek.training.evaluate.words import DENOMINATORS, difference_text, figure_text

_TEMPLATES = Path(__file__).parents[1] / "templates"

_HEADLINE = {
    "accuracy_25km": "Share of the rows whose answer is at most 25 km off: about the right city.",
    "accuracy_750km": "Share of the rows whose answer is at most 750 km off: about the right country.",
    "median_km": "Half of the answers with coordinates are nearer to the truth than this.",
    "geoscore_geoagent": "Mean points of 5,000. The two GeoScores have different scales: compare like with like.",
}
"""Figures at the top, and in the columns of groups."""
_KINDS = {
    "bands": "Locatability band",
    "tags": "Scene tag",
    "continents": "Continent",
    "countries": "Country",
}
_SHOWN_GROUPS = 20
_POINTS = 5000.0
_NEAREST_KM, _FARTHEST_KM = 0.1, 20_015.1
"""Ends of the logarithmic axis of distances; the farthest is half of a great circle."""


@dataclass(frozen=True)
class GroupRow:
    """A group of rows, with the figures of each set."""

    label: str
    rows: int
    sets: tuple[GroupFigures, ...]


@dataclass(frozen=True)
class GroupTable:
    """The groups of one kind.

    Attributes:
        anchor: Name within the page.
        title: What the kind is called.
        groups: All of them.
        shown: How many of them the first table shows.
    """

    anchor: str
    title: str
    groups: tuple[GroupRow, ...]
    shown: int


@dataclass(frozen=True)
class Pair:
    """Two sets, by their places in the evaluation, and all differences between them."""

    first: int
    second: int
    differences: tuple[Difference, ...]

    def reach(self, difference: Difference) -> float:
        """Return how far the axis of a difference reaches to both sides: as far as any of its unit does."""
        unit = FIGURES[difference.figure].unit
        ends = [
            abs(end)
            for one in self.differences
            if FIGURES[one.figure].unit is unit
            for end in (one.difference.low, one.difference.value, one.difference.high)
            if end is not None
        ]
        return max(ends, default=0.0) or 1.0


@dataclass(frozen=True)
class CurveAxes:
    """Where things are in the drawing of the accuracy curve, in its own units."""

    width: int = 1100
    height: int = 400
    left: int = 52
    right: int = 1084
    top: int = 40
    bottom: int = 350

    def x(self, km: float) -> float:
        """Return the place of a distance.

        >>> CurveAxes().x(0.1), CurveAxes().x(20015.1)
        (52.0, 1084.0)
        """
        return round(self.left + along_km(km) * (self.right - self.left), 1)

    def y(self, share: float) -> float:
        """Return the place of a share.

        >>> CurveAxes().y(0.0), CurveAxes().y(1.0)
        (350.0, 40.0)
        """
        return round(self.bottom - share * (self.bottom - self.top), 1)

    def path(self, points: Sequence[CurvePoint]) -> str:
        """Return the path through the points of a curve."""
        return " ".join(
            f"{'L' if at else 'M'}{self.x(one.radius_km)} {self.y(one.share)}" for at, one in enumerate(points)
        )


def along_km(km: float) -> float:
    """Return where a distance lies on the logarithmic axis, 0 to 1.

    >>> along_km(0), along_km(0.1), round(along_km(44.738), 3), along_km(30_000)
    (0.0, 0.0, 0.5, 1.0)
    """
    if km <= _NEAREST_KM:
        return 0.0
    return min(1.0, math.log(km / _NEAREST_KM) / math.log(_FARTHEST_KM / _NEAREST_KM))


def along(value: float, unit: Unit) -> float:
    """Return where a figure lies on the axis of its unit, 0 to 1: distances on a logarithmic one.

    >>> along(0.25, Unit.SHARE), along(1250, Unit.POINTS)
    (0.25, 0.25)
    """
    if unit is Unit.KM:
        return along_km(value)
    return min(1.0, max(0.0, value / _POINTS if unit is Unit.POINTS else value))


def render_report(found: Evaluated) -> str:
    """Return the report as one self-contained HTML page; equal figures give equal bytes.

    Cost: about 3 s, most of them for the maps; 1 s more for every further set.
    """
    evaluation = found.evaluation
    return render_page(
        "evaluate.html.j2",
        _TEMPLATES,
        evaluation=evaluation,
        truth=evaluation.truth,
        settings=evaluation.settings,
        sets=evaluation.sets,
        colours=[at % len(LIGHT.series) for at in range(len(evaluation.sets))],
        is_comparison=len(evaluation.sets) > 1,
        summary=summary(evaluation),
        denominator=DENOMINATORS[evaluation.settings.denominator],
        figures=FIGURES,
        headline=_HEADLINE,
        shares=[key for key, figure in FIGURES.items() if figure.unit is Unit.SHARE],
        scales=[key for key, figure in FIGURES.items() if figure.unit is not Unit.SHARE],
        groups=group_tables(evaluation.sets),
        pairs=pairs(evaluation),
        outcomes=list(Outcome),
        reject_words={reason.value: reason.description for reason in EvaluateRejectReason},
        map=draw_error_map(found),
        map_classes=class_labels(),
        far_km=FAR_KM,
        axes=CurveAxes(),
        radii=RADII_KM,
        decades=(0.1, 1, 10, 100, 1000, 10_000),
        along=along,
        parts_of=parts_of,
        share_parts=share_parts,
        change=change,
        clear_below=round(1 - evaluation.settings.confidence, 6),
        second_is_better=second_is_better,
        p_text=p_text,
        too_few=too_few_permutations(evaluation),
        version=__version__,
    )


def summary(evaluation: Evaluation) -> str:
    """Return the first sentences of the page."""
    rows = f"{evaluation.truth.rows:,} rows of {evaluation.truth.name}"
    if len(evaluation.sets) > 1:
        return f"{len(evaluation.sets)} files of predictions, held against the same {rows}."
    (one,) = evaluation.sets
    located = one.overall.outcomes[Outcome.LOCATED]
    sentence = f"{one.name}: {located:,} of {rows} have an answer with coordinates."
    if not located:
        return sentence
    return (
        f"{sentence} Half of these lie within {parts_of(one.overall.estimates['median_km'], Unit.KM)[0]} of the truth."
    )


def group_tables(sets: Sequence[SetFigures]) -> list[GroupTable]:
    """Return the groups of all kinds that there are; sets have the same groups, since the truth makes them."""
    tables = []
    for kind, title in _KINDS.items():
        of_sets: list[tuple[GroupFigures, ...]] = [getattr(one, kind) for one in sets]
        rows = tuple(GroupRow(same[0].label, same[0].rows, same) for same in zip(*of_sets, strict=True))
        if rows:
            tables.append(GroupTable(kind, title, rows, min(len(rows), _SHOWN_GROUPS)))
    return tables


def pairs(evaluation: Evaluation) -> list[Pair]:
    """Return the differences of each pair of sets."""
    place = {one.name: at for at, one in enumerate(evaluation.sets)}
    found: dict[tuple[int, int], list[Difference]] = {}
    for one in evaluation.differences:
        found.setdefault((place[one.first], place[one.second]), []).append(one)
    return [Pair(first, second, tuple(differences)) for (first, second), differences in found.items()]


def parts_of(estimate: Estimate, unit: Unit) -> tuple[str, str]:
    """Return a figure and its interval in words.

    >>> parts_of(Estimate(value=0.25, low=0.2, high=0.31, rows=100, method="bootstrap"), Unit.SHARE)
    ('25.0 %', '20.0 to 31.0')
    """
    value, _, interval = figure_text(estimate, unit).partition(" (")
    return value, interval.removesuffix(")")


def share_parts(estimate: Estimate) -> tuple[str, str]:
    """Return a share and its interval in words."""
    return parts_of(estimate, Unit.SHARE)


def change(difference: Difference) -> tuple[str, str]:
    """Return a difference and its interval in words, without its p-value."""
    value, _, interval = difference_text(difference.model_copy(update={"p_holm": None})).partition(" (")
    return value, interval.removesuffix(")")


def p_text(p_value: float | None) -> str:
    """Return a p-value in words.

    >>> p_text(0.01234), p_text(1e-300), p_text(None)
    ('0.0123', '<0.0001', '–')
    """
    if p_value is None:
        return "–"
    return "<0.0001" if p_value < 0.0001 else f"{p_value:.3g}"


def too_few_permutations(evaluation: Evaluation) -> bool:
    """Whether not even the smallest p-value that permutations can give is clear after correction for all tests."""
    tests = sum(one.test is not None for one in evaluation.differences)
    settings = evaluation.settings
    return tests / (1 + settings.resamples) > 1 - settings.confidence


def second_is_better(difference: Difference) -> bool:
    """Whether the second set of a difference is the better one."""
    return ((difference.difference.value or 0.0) > 0) == FIGURES[difference.figure].more_is_better
