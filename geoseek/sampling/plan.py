"""From settings to numbers: the target of eq. 11 per country, who is in scope, and the allocation of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseek.geo import CountryTable, impute_missing
from geoseek.sampling.allocation import allocate, lost_shares, split_caps, target_shares
from geoseek.schemas import Split, UsageError, unknown_name
from geoseek.workspace import SampleSettings

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """What eq. 11 asks for, aligned with the codes of the country index.

    Attributes:
        codes: ISO alpha-2 codes.
        share: Target share per country; sums to 1; shape (countries,).
        in_scope: Countries that the design draws from; shape (countries,).
        coefficients: Coefficients of eq. 11, summing to 1.
        missing: One entry per missing figure: country, figure, and the share it lost.
        imputed: One entry per figure that was filled in on request.
        folded: Territories without a polygon, and the country that carries their figures.
    """

    codes: tuple[str, ...]
    share: FloatArray
    in_scope: npt.NDArray[np.bool_]
    coefficients: dict[str, float]
    missing: tuple[dict[str, Any], ...]
    imputed: tuple[dict[str, Any], ...]
    folded: tuple[dict[str, Any], ...]


def make_target(settings: SampleSettings, countries: CountryTable, codes: Sequence[str]) -> Target:
    """Apply eq. 11 to the countries in scope.

    Raises:
        UsageError: Unknown country, figure or imputation method; nothing left in scope.
    """
    in_scope = scope(settings, countries, codes)
    table, imputed = impute_missing(countries, settings.impute_missing)
    figures = {name: np.where(in_scope, table.folded_figures(name, codes), 0.0) for name in settings.weights}
    medians = {name: table.figures_at_median_density(name, codes) for name in settings.weights}
    coefficients = _normalised(settings.weights)
    share = target_shares(figures, coefficients)
    lost = lost_shares(figures, coefficients, medians)
    missing = [
        {"code": codes[i], "name": countries[codes[i]].name, "figure": name, "share_lost": float(values[i])}
        for name, values in lost.items()
        for i in np.flatnonzero(np.isnan(figures[name])).tolist()
    ]
    folded = [{"code": c.code, "name": c.name, "into": c.folded_into} for c in countries if c.folded_into in set(codes)]
    return Target(tuple(codes), share, in_scope, coefficients, tuple(missing), tuple(imputed), tuple(folded))


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: value / total for name, value in sorted(weights.items())}


def scope(settings: SampleSettings, countries: CountryTable, codes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which countries the options --countries and --exclude leave."""
    only = {_country_code(text, countries) for text in settings.countries}
    never = {_country_code(text, countries) for text in settings.exclude}
    flags = np.array([(not only or code in only) and code not in never for code in codes])
    if not flags.any():
        raise UsageError(
            "No country is left to draw from.", hint="Check --countries and --exclude; they cancel each other out."
        )
    return flags


def _country_code(text: str, countries: CountryTable) -> str:
    wanted = text.strip().upper()
    by_alpha3 = {country.alpha3: country.code for country in countries}
    code = by_alpha3.get(wanted, wanted)
    if code not in countries:
        raise unknown_name("country", text, [*countries.codes, *by_alpha3])
    return countries[code].folded_into or code


@dataclass(frozen=True)
class Allocation:
    """Numbers per country for one split (or for one pool's share of it); all arrays have shape (countries,).

    Attributes:
        size: Rows asked for.
        supply: Available candidates.
        cap: Most rows that a country may give.
        optimum: Rows per country: the nearest to the target that supply and options allow.
        take: Rows still to draw; `optimum` less the rows that are frozen.
        reserve: Further ranked rows.
    """

    size: int
    supply: IntArray
    cap: IntArray
    optimum: IntArray
    take: IntArray
    reserve: IntArray


def allocate_split(
    target: Target,
    settings: SampleSettings,
    supply: IntArray,
    shared: IntArray,
    sizes: Mapping[Split, int],
    split: Split,
    frozen: IntArray,
) -> Allocation:
    """Allocate one split to countries, leaving the splits that come after it their share of the supply.

    Args:
        target: What eq. 11 asks for.
        settings: Reserve, least number and largest share.
        supply: Candidates per country that this split may take.
        shared: Candidates per country that this split or a later one may take; caps are shares of these.
        sizes: Rows still to draw for this split and for those that come after it.
        split: The split.
        frozen: Rows per country that this split has already; they are kept.
    """
    size = sizes[split] + int(frozen.sum())
    splits = list(sizes)
    caps = np.minimum(split_caps(shared, [sizes[s] for s in splits])[splits.index(split)], supply)
    caps = _relax(caps, supply, sizes[split], target.share > 0)
    largest = int(np.floor(settings.max_share * size))
    upper = np.where(target.in_scope, np.minimum(caps + frozen, np.maximum(largest, frozen)), frozen)
    least = np.minimum(settings.min_per_country, upper)
    lower = np.where(target.in_scope, np.maximum(least, frozen), frozen)
    optimum = allocate(target.share, size, upper, lower)
    take = optimum - frozen
    reserve = np.minimum(np.ceil(settings.reserve * take - 1e-9).astype(np.int64), caps - take)
    return Allocation(size, supply, upper, optimum, take, np.maximum(reserve, 0))


def _relax(caps: IntArray, supply: IntArray, size: int, usable: npt.NDArray[np.bool_]) -> IntArray:
    """Raise caps by what rounding took away, where the supply is larger, so that the split can still be filled."""
    lacking = size - int(caps[usable].sum())
    room = np.where(usable, supply - caps, 0)
    while lacking > 0 and room.any():
        order = np.argsort(-room, kind="stable")[: min(lacking, int((room > 0).sum()))]
        caps = caps.copy()
        caps[order] += 1
        room[order] -= 1
        lacking -= len(order)
    return caps


def avoid_files(settings: SampleSettings) -> list[tuple[Path, float]]:
    """Split FILE[:KM] into the file and the distance, which defaults to the separation distance.

    Raises:
        UsageError: KM is not a number, or is negative.
    """
    found = []
    for text in settings.avoid:
        path, _, tail = text.rpartition(":")
        if not path or (not Path(path).exists() and Path(text).exists()):
            path, tail = text, str(settings.separation_km)
        try:
            distance_km = float(tail)
        except ValueError:
            path, distance_km = text, settings.separation_km
        if not 0 <= distance_km < 20_000:
            raise UsageError(
                f"--avoid {text}: {tail} is not a distance.", hint="Use FILE or FILE:KM with 0 <= KM < 20000."
            )
        found.append((Path(path), distance_km))
    return found
