"""The draw of one split: allocation to countries, then Pareto order sampling inside each country.

Everything here is a function of counts and keyed random numbers, so the result does not depend on the order of rows,
the partition into files, the size of batches or the number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseek.sampling.cells import CellTable
from geoseek.sampling.frame import FramePart, each_part
from geoseek.sampling.hashing import permanent_random_numbers
from geoseek.sampling.pareto import (
    SMALL_STRATUM,
    exact_inclusion_by_cell,
    pareto_ranking,
    ranking_threshold_u,
    target_inclusion,
)

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """The design of one split (or of one pool's share of it) on a given frame.

    Attributes:
        take: Rows to draw per country; shape (countries,).
        reserve: Further ranked rows per country; shape (countries,).
        count: Available candidates per (country, cell) of the cell table; shape (cells,).
        inclusion: Target inclusion probability of one candidate of each cell; shape (cells,).
        reported: The probability that is stored: exact in small strata, the target elsewhere; shape (cells,).
        exact: Which countries are small enough for the exact probability; shape (countries,).
    """

    take: IntArray
    reserve: IntArray
    count: IntArray
    inclusion: FloatArray
    reported: FloatArray
    exact: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """Selected candidates, sorted by country, then rank; all arrays have shape (selected,)."""

    part: IntArray
    position: IntArray
    country: npt.NDArray[np.int16]
    cell: npt.NDArray[np.int32]
    rank: IntArray
    reserve: npt.NDArray[np.bool_]
    inclusion: FloatArray
    prn: FloatArray
    id: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.part)


def design_inclusion(
    table: CellTable, people: FloatArray, count: IntArray, take: IntArray, reserve: IntArray
) -> Design:
    """Turn counts and allocation into inclusion probabilities.

    The size of a candidate of cell c is x = log(1 + P_c) / n_c (eq. 12 of arXiv 2602.12617, appendix B.1, spread over
    the n_c candidates), so that a cell's expected number of rows follows log(1 + P_c) however many photos it has.

    Args:
        table: The (country, cell) pairs.
        people: P_c of each pair, at least 1; shape (cells,).
        count: n_c, available candidates of each pair; shape (cells,).
        take: Rows to draw per country, at most the country's candidates; shape (countries,).
        reserve: Further ranked rows per country; shape (countries,).
    """
    inclusion = np.zeros(len(table))
    reported = np.zeros(len(table))
    exact = np.zeros(len(take), dtype=bool)
    used = count > 0
    size = np.zeros(len(table))
    size[used] = np.log1p(people[used]) / count[used]
    starts = np.searchsorted(table.country, np.arange(len(take) + 1))
    for country in np.flatnonzero(take > 0):
        cells = np.arange(starts[country], starts[country + 1])
        cells = cells[used[cells]]
        target = target_inclusion(size[cells], count[cells], int(take[country]))
        inclusion[cells] = reported[cells] = target
        if count[cells].sum() <= SMALL_STRATUM:
            exact[country] = True
            reported[cells] = exact_inclusion_by_cell(target, count[cells], int(take[country]))
    return Design(take, reserve, count, inclusion, reported, exact)


def draw(
    parts: Sequence[FramePart], table: CellTable, design: Design, *, status: str | None, key: int, workers: int = 1
) -> Drawn:
    """Draw the candidates with the smallest Pareto ranking variables, country by country.

    One pass over the narrow columns keeps only candidates below a bound on the ranking variable that a few more than
    the wanted number should pass; a country in which too few do gets a second pass with a larger bound.

    Args:
        parts: Parts of the frame.
        table: Its (country, cell) pairs.
        design: Numbers to take and inclusion probabilities.
        status: Status column that says which rows are available, or None for all.
        key: Stream of permanent random numbers (`stream_key(seed, split)`).
        workers: Threads.
    """
    wanted = np.where(design.take > 0, design.take + design.reserve, 0)
    country_count = np.bincount(table.country, design.count, minlength=len(wanted)).astype(np.int64)
    wanted = np.minimum(wanted, country_count)
    pending = wanted > 0
    slack = 6.0
    chosen: list[Drawn] = []
    while pending.any():
        bound = _ranking_bound(table, design, np.where(pending, wanted, 0), slack)
        found = _collect(parts, table, design, bound, status, key, workers)
        per_country = np.bincount(found.country, minlength=len(wanted))
        complete = pending & (per_country >= wanted)
        chosen.append(_best(found, design, np.where(complete, wanted, 0)))
        pending &= ~complete
        slack *= 4
    return _sorted(chosen)


def _ranking_bound(table: CellTable, design: Design, wanted: IntArray, slack: float) -> FloatArray:
    """Return, per cell, the random number below which a candidate is kept for the final comparison.

    The ranking variable is below q with probability F(q; pi) = q pi / (1 - pi + q pi). The bound q of a country is
    such that the expected number below it exceeds the wanted one by `slack` standard deviations.
    """
    countries = len(wanted)
    available = np.bincount(table.country, design.count, minlength=countries)
    goal = wanted + slack * np.sqrt(wanted) + slack
    everything = goal >= available
    low: FloatArray = np.full(countries, -80.0)
    high: FloatArray = np.full(countries, 80.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = ranking_threshold_u(np.exp(middle)[table.country], design.inclusion)
        expected = np.bincount(table.country, below * design.count, minlength=countries)
        enough = expected >= goal
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle)
    bound = ranking_threshold_u(np.exp(high)[table.country], design.inclusion)
    bound[everything[table.country]] = 1.0
    bound[(wanted == 0)[table.country]] = 0.0
    return np.asarray(bound, dtype=np.float64)


def _collect(
    parts: Sequence[FramePart],
    table: CellTable,
    design: Design,
    bound: FloatArray,
    status: str | None,
    key: int,
    workers: int,
) -> Drawn:
    def below(part: FramePart) -> tuple[IntArray, npt.NDArray[np.int32], FloatArray, npt.NDArray[np.uint64]]:
        cell = table.locate(part.column("key"))
        identity = part.column("id")
        prn = permanent_random_numbers(identity, key)
        keep = prn < bound[cell]
        values = None if status is None else part.status(status)
        if values is not None:
            keep &= values == 0
        position = np.flatnonzero(keep)
        return position, cell[position].astype(np.int32), prn[position], identity[position]

    found = each_part(below, parts, workers)
    pieces = [(np.full(len(piece[0]), number), *piece) for number, piece in enumerate(found)]
    if not pieces:
        return _empty()
    part_number, position, cell, prn, identity = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return Drawn(
        part_number,
        position,
        table.country[cell],
        cell,
        np.zeros(len(cell), dtype=np.int64),
        np.zeros(len(cell), dtype=bool),
        design.inclusion[cell],
        prn,
        identity,
    )


def _best(found: Drawn, design: Design, wanted: IntArray) -> Drawn:
    """Rank the collected candidates inside their country and keep the wanted number."""
    ranking = pareto_ranking(found.prn, found.inclusion)
    order = np.lexsort((found.id, found.prn, ranking, found.country))
    country = found.country[order]
    first = np.searchsorted(country, np.arange(len(wanted)))
    rank = np.arange(len(order)) - first[country] + 1
    keep = rank <= wanted[country]
    order, rank = order[keep], rank[keep]
    return Drawn(
        found.part[order],
        found.position[order],
        found.country[order],
        found.cell[order],
        rank,
        rank > design.take[found.country[order]],
        design.reported[found.cell[order]],
        found.prn[order],
        found.id[order],
    )


def _sorted(pieces: Sequence[Drawn]) -> Drawn:
    if not pieces:
        return _empty()
    whole = Drawn(*(np.concatenate([getattr(p, name) for p in pieces]) for name in Drawn.__dataclass_fields__))
    order = np.lexsort((whole.rank, whole.country))
    return Drawn(*(getattr(whole, name)[order] for name in Drawn.__dataclass_fields__))


def _empty() -> Drawn:
    integers = np.empty(0, dtype=np.int64)
    return Drawn(
        integers,
        integers,
        np.empty(0, dtype=np.int16),
        np.empty(0, dtype=np.int32),
        integers,
        np.empty(0, dtype=bool),
        np.empty(0),
        np.empty(0),
        np.empty(0, dtype=np.uint64),
    )
