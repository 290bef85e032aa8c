"""Whether answers name the true country, region and place, and whether their positions lie in the true country."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geoseek.geo import CountryIndex, Gazetteer, load_countries
from geoseek.training.evaluate.tables import RIGHT, UNKNOWN, WRONG, CodeArray, FloatArray, PredictionSet, TruthTable
from geoseek.training.names import NameHits, TrueNames, name_hits

OFFSHORE_KM = 10.0
"""A position at sea belongs to the nearest country within this distance, as in `geoseek sample`."""


def check_names(
    gazetteer: Gazetteer, truth: TruthTable, answers: Sequence[str | None]
) -> tuple[CodeArray, CodeArray, CodeArray]:
    """Return whether each answer names country, region and place: `RIGHT`, `WRONG`, or `UNKNOWN` without a true name.

    The rule is that of the reward `hierarchical`, see `geoseek.training.names`.

    Args:
        gazetteer: Knows which names mean the same.
        truth: The true names.
        answers: One per row; None is wrong.

    Cost: about 0.2 ms for each distinct pair of answer and true names.
    """
    country, region, place = (
        np.array([WRONG if name else UNKNOWN for name in names], dtype=np.int8)
        for names in (truth.country, truth.region, truth.place)
    )
    known: dict[tuple[str, TrueNames], NameHits] = {}
    for row, answer in enumerate(answers):
        if answer is None:
            continue
        names = TrueNames(truth.country[row], truth.region[row], truth.place[row], truth.country_code[row])
        found = known.get((answer, names))
        if found is None:
            found = known[answer, names] = name_hits(answer, names, gazetteer)
        for codes, hit in ((country, found.country), (region, found.region), (place, found.place)):
            if hit and codes[row] == WRONG:
                codes[row] = RIGHT
    return country, region, place


def unknown_names(truth: TruthTable) -> tuple[CodeArray, CodeArray, CodeArray]:
    """Return the checks of a set without answers: nothing is known about any row."""
    nothing = np.full(len(truth), UNKNOWN, dtype=np.int8)
    return nothing, nothing, nothing


def check_positions(index: CountryIndex, truth: TruthTable, predictions: PredictionSet) -> CodeArray:
    """Return whether each answer's coordinates lie in the true country, or offshore of it by at most 10 km.

    Territories without a polygon of their own count as the country that carries theirs.
    """
    table = load_countries()

    def sovereigns(codes: Sequence[str]) -> npt.NDArray[np.str_]:
        return np.array([table.sovereign(code) if code in table else "" for code in codes], dtype="U2")

    wanted = sovereigns(truth.country_code)
    checks = np.where(wanted == "", UNKNOWN, WRONG).astype(np.int8)
    rows = np.flatnonzero(predictions.located & (wanted != ""))
    if len(rows):
        found = country_codes(index, predictions.lat[rows], predictions.lng[rows])
        checks[rows[sovereigns(found) == wanted[rows]]] = RIGHT
    return checks


def country_codes(index: CountryIndex, lat: FloatArray, lng: FloatArray) -> list[str]:
    """Return the country of each point, that of the nearest coast for points offshore; empty for the open sea."""
    found, _ = index.locate(lat, lng)
    at_sea = np.flatnonzero(found < 0)
    if len(at_sea):
        found[at_sea], _ = index.nearest(lat[at_sea], lng[at_sea], OFFSHORE_KM)
    return [index.codes[number] if number >= 0 else "" for number in found.tolist()]
