"""The countries and territories of ISO 3166-1: names, continents, and the figures that a design allocates by."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseek.schemas import InputError, unknown_name

CONTINENT_NAMES = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}
FIGURES = {"population": "population", "area": "land_area_km2", "roads": "road_km"}
"""Figure names as in `--weights`, and the column of the table that holds each."""
IMPUTATION_METHODS = ("median-density",)

_DATA = Path(__file__).parent / "data" / "countries.csv"
_NUMBERS: dict[str, type[int] | type[float]] = {
    "land_area_km2": float,
    "land_area_year": int,
    "population": float,
    "population_year": int,
    "road_km": float,
    "road_year": int,
}
# What a figure can be estimated from: by the square kilometre, by the person.
_BASES = {"roads": ("area", "population"), "area": ("population",), "population": ("area",)}

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Country:
    """One territory; a figure that its source does not give is None.

    Attributes:
        code: ISO 3166-1 alpha-2 (XK for Kosovo, which is user-assigned).
        alpha3: ISO 3166-1 alpha-3.
        numeric: ISO 3166-1 numeric, three digits; empty for Kosovo.
        name: Short English name.
        continent: Key of `CONTINENT_NAMES`.
        land_area_km2: Land area without inland water.
        land_area_year: Year of that figure; None where the source gives none.
        land_area_source: Where it comes from.
        population: People.
        population_year: Year of that figure; None where the source gives none.
        population_source: Where it comes from.
        road_km: Length of all roads.
        road_year: Year of that figure; None where the source gives none.
        road_source: Where it comes from.
        folded_into: The country on whose polygon this one lies, if it has none of its own.
        included_in: The country whose land area and road length count this one's in.
        note: What a reader must know about the figures.
    """

    code: str
    alpha3: str
    numeric: str
    name: str
    continent: str
    land_area_km2: float | None
    land_area_year: int | None
    land_area_source: str
    population: float | None
    population_year: int | None
    population_source: str
    road_km: float | None
    road_year: int | None
    road_source: str
    folded_into: str | None
    included_in: str | None
    note: str

    def figure(self, name: str) -> float:
        """Return the figure of that name (see `FIGURES`), or NaN if it is missing."""
        value = getattr(self, FIGURES[name])
        return float("nan") if value is None else float(value)


class CountryTable:
    """All territories, by code.

    >>> table = load_countries()
    >>> table["LS"].name, table["LS"].continent, "ZZ" in table
    ('Lesotho', 'AF', False)
    """

    def __init__(self, countries: Sequence[Country]) -> None:
        self._by_code = {country.code: country for country in sorted(countries, key=lambda c: c.code)}
        self.codes: tuple[str, ...] = tuple(self._by_code)

    def __getitem__(self, code: str) -> Country:
        return self._by_code[code]

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __iter__(self) -> Iterator[Country]:
        return iter(self._by_code.values())

    def __len__(self) -> int:
        return len(self._by_code)

    def figures(self, name: str) -> FloatArray:
        """Return a figure of every territory, aligned with `codes`; NaN where it is missing.

        Args:
            name: "population" (people), "area" (km² of land) or "roads" (km).

        Raises:
            UsageError: No such figure.
        """
        if name not in FIGURES:
            raise unknown_name("figure", name, FIGURES)
        return np.array([country.figure(name) for country in self])

    def folds(self) -> tuple[Country, ...]:
        """Return the territories without a polygon of their own; `folded_into` says who carries their figures."""
        return tuple(country for country in self if country.folded_into)

    def sovereign(self, code: str) -> str:
        """Return the code whose polygon holds the territory: the code itself, unless the territory is folded.

        >>> load_countries().sovereign("GP")
        'FR'
        """
        return self._by_code[code].folded_into or code

    def folded_figures(self, name: str, codes: Sequence[str] | None = None) -> FloatArray:
        """Return a figure with the folded territories added to the country that carries them.

        Args:
            name: Name of the figure.
            codes: Countries to return, in that order; default: all of `codes`. A folded territory that is asked for
                holds 0, as its figure has moved.

        Returns:
            Shape (len(codes),); NaN where neither the country nor a territory folded into it has the figure.

        Raises:
            UsageError: No such figure.
        """
        totals: dict[str, float] = {}
        for country, value in zip(self, self.figures(name), strict=True):
            carrier = self.sovereign(country.code)
            if carrier != country.code:
                totals[country.code] = 0.0
            known = totals.get(carrier, float("nan"))
            totals[carrier] = value if np.isnan(known) else known + (0.0 if np.isnan(value) else value)
        return np.array([totals.get(code, float("nan")) for code in (self.codes if codes is None else codes)])

    def figures_at_median_density(self, name: str, codes: Sequence[str] | None = None) -> FloatArray:
        """Estimate a figure from what is usual on the continent.

        The estimate is the country's land area times the median of figure / land area over the continent's
        territories; for roads it is the smaller of this and the same by population, since a large empty country
        (Greenland) would otherwise get the road density of small islands. Land area itself is estimated by population.
        What another country's figure includes already, and what cannot be estimated, is 0.

        Args:
            name: Name of the figure.
            codes: Countries to return, in that order; default: all of `codes`.

        Raises:
            UsageError: No such figure.
        """
        figure = self.figures(name)
        continents = np.array([country.continent for country in self])
        estimates = np.full((len(_BASES[name]), len(self)), np.nan)
        for row, base in enumerate(_BASES[name]):
            size = self.figures(base)
            ratio = np.full(len(self), np.nan)
            np.divide(figure, size, out=ratio, where=size > 0)
            for continent in np.unique(continents):
                here = continents == continent
                known = ratio[here & np.isfinite(ratio)]
                if len(known):
                    estimates[row, here] = np.median(known) * size[here]
        smallest = np.nan_to_num(np.fmin.reduce(estimates, axis=0))
        counted_elsewhere = np.array([country.included_in is not None for country in self])
        if name != "population":
            smallest[counted_elsewhere] = 0.0
        found = dict(zip(self.codes, smallest.tolist(), strict=True))
        return np.array([found.get(code, 0.0) for code in (self.codes if codes is None else codes)])


def impute_missing(table: CountryTable, methods: Mapping[str, str]) -> tuple[CountryTable, tuple[dict[str, Any], ...]]:
    """Fill in figures that the sources do not give.

    Figures that another country's figure includes already stay empty, so that nothing is counted twice.

    Args:
        table: The countries.
        methods: Figure name -> method. `median-density` is the only one, see
            `CountryTable.figures_at_median_density`.

    Returns:
        A new table, and one entry per filled figure: `code, name, figure, value, method`.

    Raises:
        UsageError: Unknown figure or method.
    """
    changed = {country.code: country for country in table}
    filled: list[dict[str, Any]] = []
    for name, method in sorted(methods.items()):
        if name not in FIGURES:
            raise unknown_name("figure", name, FIGURES)
        if method not in IMPUTATION_METHODS:
            raise unknown_name("imputation method", method, IMPUTATION_METHODS)
        for country, estimate in zip(table, table.figures_at_median_density(name).tolist(), strict=True):
            if not np.isnan(country.figure(name)) or country.included_in or country.continent == "AN":
                continue
            changed[country.code] = replace(changed[country.code], **{FIGURES[name]: estimate})
            filled.append(
                {"code": country.code, "name": country.name, "figure": name, "value": estimate, "method": method}
            )
    return CountryTable(list(changed.values())), tuple(filled)


def load_countries(path: Path | None = None) -> CountryTable:
    """Read the table of countries.

    Args:
        path: Another table of the same form; default: the one that ships with the package.

    Raises:
        InputError: The file cannot be read, lacks a column, or holds a value of the wrong type.
    """
    return _read_countries(path or _DATA)


@functools.lru_cache(maxsize=4)
def _read_countries(path: Path) -> CountryTable:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = sorted(set(Country.__dataclass_fields__) - set(reader.fieldnames or ()))
            if missing:
                raise InputError(
                    f"{path} has no column {', '.join(missing)}.",
                    hint=f"Columns needed: {', '.join(Country.__dataclass_fields__)}.",
                )
            return CountryTable([_parse(row, f"{path}, row {number}") for number, row in enumerate(reader, start=2)])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Cannot read the table of countries {path}: {error}.") from error


def _parse(row: Mapping[str, str], where: str) -> Country:
    values: dict[str, Any] = {name: row[name] for name in Country.__dataclass_fields__}
    for name, kind in _NUMBERS.items():
        try:
            values[name] = kind(row[name]) if row[name] else None
        except ValueError as error:
            raise InputError(f"{where}: {name} is {row[name]!r}.", hint="Give a number, or leave it empty.") from error
    if values["continent"] not in CONTINENT_NAMES:
        raise InputError(
            f"{where}: unknown continent {values['continent']!r}.", hint=f"Known: {', '.join(CONTINENT_NAMES)}."
        )
    values["folded_into"] = values["folded_into"] or None
    values["included_in"] = values["included_in"] or None
    return Country(**values)
