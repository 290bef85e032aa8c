"""The evaluation itself: tables of truth and predictions in, figures out; no file is read or written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from geoseek.geo import CONTINENT_NAMES, EARTH_RADIUS_KM, CountryIndex, Gazetteer, haversine_km, load_countries
from geoseek.schemas import LocatabilityBand, SceneTag, UsageError
from geoseek.training.evaluate.chains import StepMatcher, compare_chains
from geoseek.training.evaluate.compare import compare_sets
from geoseek.training.evaluate.metrics import Columns, Rows, accuracy_curve, estimates, figure_columns
from geoseek.training.evaluate.names import check_names, check_positions, unknown_names
from geoseek.training.evaluate.result import (
    CurvePoint,
    EvaluateSettings,
    Evaluation,
    FileFigures,
    GroupFigures,
    SetFigures,
    TruthFigures,
    WorstRow,
)
from geoseek.training.evaluate.tables import PredictionSet, ScoredRows, TruthTable, count_rejects

NOT_RATED, UNKNOWN_COUNTRY = "not rated", "unknown"
"""Names of the groups of rows without a band, and without a country."""

_HALF_GLOBE_KM = round(EARTH_RADIUS_KM * math.pi, 1)
_CURVE_RADII_KM = (*(round(10 ** (step / 20), 4) for step in range(-20, 87)), _HALF_GLOBE_KM)
_LISTED = 25


@dataclass(frozen=True)
class Tools:
    """What an evaluation looks things up with.

    Attributes:
        gazetteer: Compares names.
        index: Finds the country of a position.
        matcher: Compares chains of thought; None leaves them out.
    """

    gazetteer: Gazetteer
    index: CountryIndex
    matcher: StepMatcher | None = None


@dataclass(frozen=True)
class Evaluated:
    """An evaluation with the rows behind it.

    Attributes:
        evaluation: The figures.
        truth: The truth.
        rows: One entry per set, aligned with the truth.
    """

    evaluation: Evaluation
    truth: TruthTable
    rows: tuple[ScoredRows, ...]


@dataclass(frozen=True)
class Group:
    """Rows that are looked at together.

    Attributes:
        kind: all, band, tag, continent or country.
        name: Which one.
        label: What tables call it.
        rows: The rows.
    """

    kind: str
    name: str
    label: str
    rows: Rows


def evaluate(
    predictions: Sequence[PredictionSet],
    truth: TruthTable,
    settings: EvaluateSettings,
    tools: Tools,
    notices: Sequence[str] = (),
) -> Evaluated:
    """Return the figures of one or several sets of predictions of the same rows.

    Equal tables, settings and versions give equal figures; a set's figures do not depend on the other sets.

    Args:
        predictions: The sets, with different names.
        truth: The rows that they are aligned with.
        settings: The choices.
        tools: Gazetteer, country index, and what compares chains.
        notices: What the user should know about the tools.

    Raises:
        UsageError: There is no set, no row, or a name is given twice.

    Cost: for each way of grouping 20 to 80 ns per row and resample (at most 8 million of these per group), 0.2 ms per
    distinct answer, and the embedding of the steps of chains.
    """
    names = [one.name for one in predictions]
    if not predictions or not len(truth) or len(set(names)) < len(names):
        raise UsageError("An evaluation needs rows, and sets of predictions with different names.")
    scored = tuple(score(one, truth, tools) for one in predictions)
    columns = {one.predictions.name: figure_columns(one, settings.denominator) for one in scored}
    groups = _groups(truth)
    evaluation = Evaluation(
        settings=settings,
        truth=TruthFigures(
            name=truth.name,
            rows=len(truth),
            rejected=count_rejects(truth.rejects),
            rated=sum(band is not None for band in truth.bands),
            with_chain=len(truth.chains),
        ),
        sets=tuple(_set_figures(one, columns[one.predictions.name], truth, groups, settings, tools) for one in scored),
        differences=compare_sets(columns, settings),
        notices=tuple(notices),
    )
    return Evaluated(evaluation, truth, scored)


def score(predictions: PredictionSet, truth: TruthTable, tools: Tools) -> ScoredRows:
    """Return how far off every row of a set is, and which names are right."""
    named = (
        check_names(tools.gazetteer, truth, predictions.answers) if predictions.has_answers else unknown_names(truth)
    )
    distance_km = haversine_km(truth.lat, truth.lng, predictions.lat, predictions.lng)
    return ScoredRows(predictions, distance_km, *named, check_positions(tools.index, truth, predictions))


def _groups(truth: TruthTable) -> list[Group]:
    table = load_countries()
    codes = [code if code in table else UNKNOWN_COUNTRY for code in truth.country_code]
    continents = [table[code].continent if code in table else UNKNOWN_COUNTRY for code in codes]
    by_country = _grouped("country", codes, lambda code: table[code].name if code in table else code)
    by_country.sort(key=lambda group: (group.name == UNKNOWN_COUNTRY, -len(group.rows), group.name))
    found = [Group("all", "all", "all rows", np.arange(len(truth)))]
    if any(band is not None for band in truth.bands):
        bands = _grouped("band", [NOT_RATED if band is None else band.value for band in truth.bands], str)
        order = [*(band.value for band in LocatabilityBand), NOT_RATED]
        found += sorted(bands, key=lambda group: order.index(group.name))
    found += _tagged(truth.tags)
    found += _grouped("continent", continents, lambda code: CONTINENT_NAMES.get(code, code))
    return found + by_country


def _grouped(kind: str, names: Iterable[str], label: Callable[[str], str]) -> list[Group]:
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return [Group(kind, name, label(name), np.array(rows[name])) for name in sorted(rows)]


def _tagged(tags: Sequence[Sequence[SceneTag]]) -> list[Group]:
    rows: dict[SceneTag, list[int]] = {}
    for row, held in enumerate(tags):
        for tag in held:
            rows.setdefault(tag, []).append(row)
    return [
        Group("tag", tag.value, tag.value.replace("_", " "), np.array(rows[tag])) for tag in SceneTag if tag in rows
    ]


def _set_figures(
    scored: ScoredRows,
    columns: Columns,
    truth: TruthTable,
    groups: Sequence[Group],
    settings: EvaluateSettings,
    tools: Tools,
) -> SetFigures:
    said = scored.predictions
    figures: dict[str, list[GroupFigures]] = {}
    for group in groups:
        figures.setdefault(group.kind, []).append(
            GroupFigures(
                name=group.name,
                label=group.label,
                rows=len(group.rows),
                outcomes=said.outcomes(group.rows),
                estimates=estimates(columns.at(group.rows), settings, group.kind, group.name),
            )
        )
    counting = int(np.count_nonzero(said.located)) if settings.denominator == "answered" else len(truth)
    return SetFigures(
        name=said.name,
        file=FileFigures(
            file=said.file,
            read=said.read,
            counted=said.counted,
            rejected=count_rejects(said.rejects),
            models=said.models,
            notices=said.notices,
        ),
        overall=figures["all"][0],
        bands=tuple(figures.get("band", ())),
        tags=tuple(figures.get("tag", ())),
        continents=tuple(figures["continent"]),
        countries=tuple(figures["country"]),
        levels=said.level_counts(),
        curve=tuple(
            CurvePoint(radius_km=radius, share=share)
            for radius, share in accuracy_curve(scored.distance_km, counting, _CURVE_RADII_KM)
        ),
        worst=_worst(scored, truth),
        chains=compare_chains(truth.chains, said.chains, tools.matcher, settings)
        if said.chains and tools.matcher is not None
        else None,
    )


def _worst(scored: ScoredRows, truth: TruthTable) -> tuple[WorstRow, ...]:
    said, distance_km = scored.predictions, scored.distance_km
    located = np.flatnonzero(said.located)
    order = located[np.argsort(-distance_km[located], kind="stable")][:_LISTED]
    return tuple(
        WorstRow(
            id=truth.ids[row],
            solution=truth.solution(row),
            answer=said.answers[row],
            lat=float(truth.lat[row]),
            lng=float(truth.lng[row]),
            predicted_lat=float(said.lat[row]),
            predicted_lng=float(said.lng[row]),
            distance_km=float(distance_km[row]),
        )
        for row in order.tolist()
    )
