"""The nearest coast of a point at sea."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from geoseek.geo.country_index_build import NOBODY
from geoseek.geo.distance import arc_km, chord_of, unit_vectors
from geoseek.geo.ragged import ragged

_PIECE_DEG = 0.02
_FIRST_NEIGHBOURS = 4
_BLOCK = 1 << 16

_CELLS_PER_DEG = 20
_CELLS_ACROSS = 360 * _CELLS_PER_DEG
_CELL_RADIUS_KM = 3.95
"""Half the diagonal of such a cell at the equator (3.93 km), rounded up."""

_BLOCKS_PER_DEG = 4
_BLOCK_KM = 26.0
"""Height of a block (27.8 km) less the length of a piece and a margin."""

FloatArray = npt.NDArray[np.float64]


def coast_pieces(ends: FloatArray, owner: npt.NDArray[np.int16]) -> dict[str, npt.NDArray[Any]]:
    """Cut coast segments into short straight pieces, as stored in the country index.

    Args:
        ends: x0, y0, x1, y1 (lng, lat in degrees) of each coast segment; shape (n, 4).
        owner: Country of each segment; shape (n,).

    Returns:
        `piece_start` and `piece_end` (unit vectors), `piece_owner`, and `sole_owner` (see `_sole_owners`).
    """
    x0, y0, x1, y1 = ends.T
    across = (x1 - x0) * np.cos(np.radians((y0 + y1) / 2))
    count = np.maximum(np.ceil(np.hypot(across, y1 - y0) / _PIECE_DEG), 1).astype(np.int64)
    segment, step = ragged(count)
    begin, end = step / count[segment], (step + 1) / count[segment]
    dx, dy = (x1 - x0)[segment], (y1 - y0)[segment]
    start = unit_vectors(y0[segment] + begin * dy, x0[segment] + begin * dx)
    stop = unit_vectors(y0[segment] + end * dy, x0[segment] + end * dx)
    pieces = owner[segment]
    return {
        "piece_start": start,
        "piece_end": stop,
        "piece_owner": pieces,
        "sole_owner": _sole_owners((start + stop) / 2, pieces),
    }


class Coast:
    """Coast lines as short straight pieces, searched by their middles.

    Working on unit vectors needs no special case at the poles or the antimeridian.

    Args:
        pieces: What `coast_pieces` returns.
    """

    def __init__(self, pieces: Mapping[str, npt.NDArray[Any]]) -> None:
        self._start, self._end = pieces["piece_start"], pieces["piece_end"]
        self._owner, self._sole_owner = pieces["piece_owner"], pieces["sole_owner"]
        middle = (self._start + self._end) / 2
        self._half = float(np.sqrt(((self._end - middle) ** 2).sum(axis=1).max())) if len(middle) else 0.0
        self._tree = cKDTree(middle, leafsize=24, balanced_tree=False, compact_nodes=False)

    def country(self, lat: FloatArray, lng: FloatArray, max_km: float) -> npt.NDArray[np.int16]:
        """Return the country of the nearest coast within `max_km`, else NOBODY: what `nearest` returns, sooner.

        Most points lie where all coasts around belong to one country, and in a small cell that is near the coast as a
        whole; one search for the middle of the cell then serves all its points. The others are searched one by one.
        """
        country = np.full(len(lat), NOBODY, dtype=np.int16)
        row = ((lat + 90) * _CELLS_PER_DEG).astype(np.int64)
        column = ((lng + 180) * _CELLS_PER_DEG).astype(np.int64)
        cell, where = np.unique(row * _CELLS_ACROSS + column, return_inverse=True)
        middle_lat = (cell // _CELLS_ACROSS + 0.5) / _CELLS_PER_DEG - 90
        middle_lng = (cell % _CELLS_ACROSS + 0.5) / _CELLS_PER_DEG - 180
        owner = self.sole_owner(middle_lat, middle_lng, max_km)
        alone = np.flatnonzero(owner != NOBODY)
        chord, _ = self._tree.query(unit_vectors(middle_lat[alone], middle_lng[alone]))
        settled = np.zeros(len(cell), dtype=bool)
        settled[alone] = arc_km(chord) + _CELL_RADIUS_KM <= max_km
        sure = settled[where]
        country[sure] = owner[where[sure]]
        left = np.flatnonzero(~sure)
        country[left], _ = self.nearest(lat[left], lng[left], max_km)
        return country

    def sole_owner(self, lat: FloatArray, lng: FloatArray, max_km: float) -> npt.NDArray[np.int16]:
        """Return the country that owns all coasts within `max_km` of each point's cell; NOBODY if it is not certain."""
        owner: npt.NDArray[np.int16] = self._sole_owner[_block_of(lat, lng)]
        owner[max_km > _BLOCK_KM * np.cos(np.radians(np.minimum(np.abs(lat) + 0.1, 90.0)))] = NOBODY
        return owner

    def nearest(self, lat: FloatArray, lng: FloatArray, max_km: float) -> tuple[npt.NDArray[np.int16], FloatArray]:
        """Return the country of the nearest coast within `max_km`, and its distance in km; else NOBODY and inf.

        Exact for the polygons as drawn, up to the height of a piece over its chord (under a metre). Of coasts that are
        equally near, up to a billionth, the country that comes first by code is taken.
        """
        country = np.full(len(lat), NOBODY, dtype=np.int16)
        distance_km = np.full(len(lat), np.inf)
        for first in range(0, len(lat), _BLOCK):
            block = slice(first, first + _BLOCK)
            country[block], distance_km[block] = self._nearest(unit_vectors(lat[block], lng[block]), max_km)
        return country, distance_km

    def _nearest(self, point: FloatArray, max_km: float) -> tuple[npt.NDArray[np.int16], FloatArray]:
        country = np.full(len(point), NOBODY, dtype=np.int16)
        distance_km = np.full(len(point), np.inf)
        pieces = len(self._owner)
        reach = float(chord_of(max_km)) + self._half
        waiting = np.arange(len(point)) if pieces else np.empty(0, dtype=np.int64)
        neighbours = min(_FIRST_NEIGHBOURS, pieces)
        while len(waiting):
            ranks = np.arange(1, neighbours + 1)
            chord, found = map(np.asarray, self._tree.query(point[waiting], k=ranks, distance_upper_bound=reach))
            exact = self._distance(point[waiting], np.minimum(found, pieces - 1))
            exact[found == pieces] = np.inf
            best = exact.min(axis=1)
            tied = exact <= best[:, None] * (1 + 1e-9)
            first = np.where(tied, self._owner[np.minimum(found, pieces - 1)], np.iinfo(np.int16).max).min(axis=1)
            # No piece beyond the last neighbour can be nearer than that neighbour's middle less half a piece.
            settled = (chord[:, -1] - self._half > best * (1 + 1e-9)) | (neighbours == pieces)
            within = settled & np.isfinite(best)
            rows = waiting[within]
            distance_km[rows] = arc_km(best[within])
            country[rows] = first[within]
            waiting = waiting[~settled & np.isfinite(best)]
            neighbours = min(neighbours * 4, pieces)
        too_far = distance_km > max_km
        country[too_far], distance_km[too_far] = NOBODY, np.inf
        return country, distance_km

    def _distance(self, point: FloatArray, piece: npt.NDArray[np.int64]) -> FloatArray:
        """Return the straight-line distance of each point to each of its pieces; shape of `piece`."""
        start = self._start[piece]
        along = self._end[piece] - start
        offset = point[:, None, :] - start
        length = np.einsum("ijk,ijk->ij", along, along)
        share = np.einsum("ijk,ijk->ij", offset, along) / np.where(length > 0, length, 1.0)
        away = offset - np.clip(share, 0.0, 1.0)[..., None] * along
        distance: FloatArray = np.sqrt(np.einsum("ijk,ijk->ij", away, away))
        return distance


def _block_of(lat: FloatArray, lng: FloatArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    row = np.minimum(((lat + 90) * _BLOCKS_PER_DEG).astype(np.int64), 180 * _BLOCKS_PER_DEG - 1)
    return row, ((lng + 180) * _BLOCKS_PER_DEG).astype(np.int64) % (360 * _BLOCKS_PER_DEG)


def _sole_owners(middle: FloatArray, owner: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Return, per block of a quarter degree, the owner of all coasts in it and around it; NOBODY if there are several.

    Coasts outside the eight neighbours of a block are at least the height of a block times cos(lat) away from it.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    shape = (180 * _BLOCKS_PER_DEG, 360 * _BLOCKS_PER_DEG)
    lowest = np.full(shape, np.iinfo(np.int16).max, dtype=np.int16)
    highest = np.full(shape, NOBODY, dtype=np.int16)
    block = _block_of(
        np.degrees(np.arcsin(np.clip(middle[:, 2] / np.linalg.norm(middle, axis=1), -1, 1))),
        np.degrees(np.arctan2(middle[:, 1], middle[:, 0])),
    )
    np.minimum.at(lowest, block, owner)
    np.maximum.at(highest, block, owner)
    lowest = minimum_filter(lowest, size=3, mode=("nearest", "wrap"))
    highest = maximum_filter(highest, size=3, mode=("nearest", "wrap"))
    sole: npt.NDArray[np.int16] = np.where(lowest == highest, highest, NOBODY).astype(np.int16)
    return sole
