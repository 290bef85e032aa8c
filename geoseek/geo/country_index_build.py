"""Building the lookup grid of `CountryIndex` from polygons.

The grid has three levels: 1 degree, 3 minutes, 1 minute. A cell that no boundary touches holds a country (or none) and
is never refined; a cell of 1 minute that a boundary touches holds the few boundary segments that do, and a reference
point whose country is known. Everything here runs once; see `country_index` for the lookup.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geoseek.geo.cells import COLUMNS, ROWS
from geoseek.geo.ragged import ragged

MIDDLE = 20
"""Cells of the middle level along one degree."""
FINE = 3
"""Cells of the fine level along one cell of the middle level; odd, so that both have a row of centres in common."""
PER_DEGREE = MIDDLE * FINE
NOBODY = -1
MAX_OWNERS = 8

# A cell counts as touched by a boundary that comes so near (in cells): far above the rounding of a coordinate.
_MARGIN = 1e-7
# Reference points keep so far (in degrees) from boundary lines, and from the meridians of their end points.
_CLEARANCE = 1e-9
# Where in its cell a reference point may lie: odd fractions, which no rounded coordinate hits.
REFERENCE_OFFSETS = np.array([0.5137, 0.3719, 0.6843, 0.2291, 0.8173, 0.4429, 0.1367, 0.7591, 0.0871, 0.9283])

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Segments:
    """Boundary segments, each once, and who owns them.

    Attributes:
        ends: x0, y0, x1, y1 (lng, lat in degrees), the lexicographically smaller end first; shape (n, 4).
        pair_segment: Segment of each (segment, owner) pair, ascending.
        pair_owner: Country of each pair. A land border has two owners, a coast one.
        seam: The segment lies on the antimeridian or on a pole: where the map is cut, not where land ends.
    """

    ends: FloatArray
    pair_segment: IntArray
    pair_owner: IntArray
    seam: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Spans:
    """Where horizontal lines through the centres of fine rows run inside countries, sorted by row, then west end."""

    row: IntArray
    west: FloatArray
    east: FloatArray
    owner: IntArray

    def label(self, row: IntArray, x: FloatArray) -> npt.NDArray[np.int16]:
        """Return the country at each (fine row centre, lng), or NOBODY."""
        if not len(self.row):
            return np.full(len(row), NOBODY, dtype=np.int16)
        # One key for (row, lng): a row is 1000 wide, so the 360 degrees of longitude never reach the next one.
        keys = self.row * 1000.0 + self.west
        found = np.maximum(np.searchsorted(keys, row * 1000.0 + x, side="right") - 1, 0)
        inside = (self.row[found] == row) & (self.west[found] <= x) & (x < self.east[found])
        return np.where(inside, self.owner[found], NOBODY).astype(np.int16)


def collect_segments(polygons: npt.NDArray[np.object_]) -> Segments:
    """Return the boundary segments of all polygons; `polygons[i]` belongs to country i."""
    parts, part_owner = shapely.get_parts(polygons, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    start, end = points[:-1][joined], points[1:][joined]
    owner = part_owner[ring_part[ring[:-1][joined]]]
    swap = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    ends = np.where(swap[:, None], np.hstack([end, start]), np.hstack([start, end]))
    moved = (ends[:, :2] != ends[:, 2:]).any(axis=1)
    ends, owner = ends[moved], owner[moved]
    order = np.lexsort((owner, *ends.T[::-1]))
    ends, owner = ends[order], owner[order]
    new = np.append(True, (ends[1:] != ends[:-1]).any(axis=1))
    number = np.cumsum(new) - 1
    ends = ends[new]
    # A segment that one country's rings run along twice separates nothing: two crossings cancel.
    pair, count = np.unique(number * len(polygons) + owner, return_counts=True)
    pair = pair[count % 2 == 1]
    x0, y0, x1, y1 = ends.T
    seam = ((x0 == x1) & (np.abs(x0) == 180)) | ((y0 == y1) & (np.abs(y0) == 90))
    return Segments(ends, pair // len(polygons), pair % len(polygons), seam)


def supercover(ends: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return segment, fine row, fine column of every fine cell that a segment touches or nearly touches."""
    x0, x1 = ((ends[:, i] + 180) * PER_DEGREE for i in (0, 2))
    y0, y1 = ((ends[:, i] + 90) * PER_DEGREE for i in (1, 3))
    first = np.floor(np.minimum(y0, y1) - _MARGIN).astype(np.int64)
    last = np.floor(np.maximum(y0, y1) + _MARGIN).astype(np.int64)
    segment, step = ragged(last - first + 1)
    row = first[segment] + step
    rise = (y1 - y0)[segment]
    level = np.abs(rise) < 1e-12
    slope = np.where(level, 1.0, rise)
    bottom = (row - _MARGIN - y0[segment]) / slope
    top = (row + 1 + _MARGIN - y0[segment]) / slope
    enter = np.where(level, 0.0, np.clip(np.minimum(bottom, top), 0, 1))
    leave = np.where(level, 1.0, np.clip(np.maximum(bottom, top), 0, 1))
    run = (x1 - x0)[segment]
    west = x0[segment] + np.minimum(enter * run, leave * run)
    east = x0[segment] + np.maximum(enter * run, leave * run)
    first = np.floor(west - _MARGIN).astype(np.int64)
    last = np.floor(east + _MARGIN).astype(np.int64)
    piece, step = ragged(last - first + 1)
    column = first[piece] + step
    row, segment = row[piece], segment[piece]
    kept = (row >= 0) & (row < ROWS * PER_DEGREE) & (column >= 0) & (column < COLUMNS * PER_DEGREE)
    return segment[kept], row[kept], column[kept]


def row_spans(segments: Segments) -> Spans:
    """Cut the centre line of every fine row where it enters and leaves a country."""
    x0, y0, x1, y1 = segments.ends[segments.pair_segment].T
    low, high = np.minimum(y0, y1), np.maximum(y0, y1)
    first = np.ceil((low + 90) * PER_DEGREE - 0.5).astype(np.int64) - 1
    last = np.floor((high + 90) * PER_DEGREE - 0.5).astype(np.int64) + 1
    pair, step = ragged(last - first + 1)
    row = first[pair] + step
    y = (row + 0.5) / PER_DEGREE - 90
    crossed = (y0[pair] <= y) != (y1[pair] <= y)
    pair, row, y = pair[crossed], row[crossed], y[crossed]
    x = x0[pair] + (y - y0[pair]) * ((x1 - x0)[pair] / (y1 - y0)[pair])
    owner = segments.pair_owner[pair]
    order = np.lexsort((x, owner, row))
    row, owner, x = row[order], owner[order], x[order]
    # Rings close, so each country's crossings along a row come in pairs: in, out.
    return _disjoint(Spans(row[::2], x[::2], x[1::2], owner[::2]))


def _disjoint(spans: Spans) -> Spans:
    """Sort spans from west to east; where countries overlap, keep the one that comes first by code."""
    spans = _west_to_east(spans)
    overlapping = np.flatnonzero((spans.row[1:] == spans.row[:-1]) & (spans.west[1:] < spans.east[:-1]))
    if not len(overlapping):
        return spans
    bad_rows = np.unique(spans.row[overlapping])
    apart = ~np.isin(spans.row, bad_rows)
    pieces = [Spans(spans.row[apart], spans.west[apart], spans.east[apart], spans.owner[apart])]
    for row in bad_rows:
        here = spans.row == row
        west, east = spans.west[here], spans.east[here]
        cuts = np.unique(np.concatenate([west, east]))
        middle = (cuts[1:] + cuts[:-1])[:, None] / 2
        inside = (west <= middle) & (middle < east)
        owner = np.where(inside, spans.owner[here], np.iinfo(np.int64).max).min(axis=1)
        held = inside.any(axis=1)
        pieces.append(Spans(np.full(int(held.sum()), row), cuts[:-1][held], cuts[1:][held], owner[held]))
    return _west_to_east(
        Spans(
            np.concatenate([piece.row for piece in pieces]),
            np.concatenate([piece.west for piece in pieces]),
            np.concatenate([piece.east for piece in pieces]),
            np.concatenate([piece.owner for piece in pieces]),
        )
    )


def _west_to_east(spans: Spans) -> Spans:
    order = np.lexsort((spans.west, spans.row))
    return Spans(spans.row[order], spans.west[order], spans.east[order], spans.owner[order])


def middle_labels(spans: Spans) -> npt.NDArray[np.int16]:
    """Return the country at the centre of every middle cell, shape (rows, columns) of the middle level."""
    labels = np.full((ROWS * MIDDLE, COLUMNS * MIDDLE), NOBODY, dtype=np.int16)
    on_centre = spans.row % FINE == FINE // 2
    rows = (spans.row[on_centre] // FINE).tolist()
    # The first cell whose centre is not west of the end.
    first, last = (
        np.ceil((end[on_centre] + 180) * MIDDLE - 0.5).astype(np.int64).tolist() for end in (spans.west, spans.east)
    )
    for row, start, stop, owner in zip(rows, first, last, spans.owner[on_centre].tolist(), strict=True):
        labels[row, start:stop] = owner
    return labels


@dataclass(frozen=True)
class FineCells:
    """The fine cells that boundaries touch: which segments, whose, and a point whose country is known.

    Attributes:
        number: fine row * fine columns + fine column, ascending; shape (cells,).
        first: Where each cell's segments begin in `segment` and `bits`; shape (cells + 1,).
        segment: Row of `Segments.ends`.
        bits: Bit i is set if the i-th owner in the cell owns the segment.
        owners: Row of `owner_sets`; shape (cells,).
        owner_sets: Byte i (from the lowest) is the i-th owner plus one, ascending; 0 ends the list.
        reference: Number of the reference offset in `REFERENCE_OFFSETS`; the point lies on the row's centre line.
        reference_bits: The owners that hold the reference point.
    """

    number: IntArray
    first: IntArray
    segment: IntArray
    bits: npt.NDArray[np.uint8]
    owners: IntArray
    owner_sets: npt.NDArray[np.uint64]
    reference: npt.NDArray[np.uint8]
    reference_bits: npt.NDArray[np.uint8]


def fine_cells(segments: Segments, spans: Spans, countries: int) -> FineCells:
    """Gather what the exact test in each touched fine cell needs."""
    inner = np.flatnonzero(~segments.seam)
    segment, row, column = supercover(segments.ends[inner])
    segment = inner[segment]
    number = row * (COLUMNS * PER_DEGREE) + column
    order = np.lexsort((segment, number))
    segment, number = segment[order], number[order]
    cells, first, cell = np.unique(number, return_index=True, return_inverse=True)
    reference = _choose_references(segments.ends[segment], cell, cells)
    lng, _ = reference_points(cells, reference)
    label = spans.label(cells // (COLUMNS * PER_DEGREE), lng).astype(np.int64)

    begin = np.searchsorted(segments.pair_segment, np.arange(len(segments.ends) + 1))
    entry, step = ragged(np.diff(begin)[segment])
    along = cell[entry] * countries + segments.pair_owner[begin[segment[entry]] + step]
    held = np.flatnonzero(label >= 0)
    around = held * countries + label[held]
    keys = np.unique(np.concatenate([along, around]))
    owner_first = np.searchsorted(keys // countries, np.arange(len(cells)))
    place = np.arange(len(keys)) - owner_first[keys // countries]
    if len(place) and place.max() >= MAX_OWNERS:
        raise ValueError(f"More than {MAX_OWNERS} countries meet in one minute of arc.")
    bits = np.zeros(len(segment), dtype=np.uint8)
    np.bitwise_or.at(bits, entry, (1 << place[np.searchsorted(keys, along)]).astype(np.uint8))
    reference_bits = np.zeros(len(cells), dtype=np.uint8)
    reference_bits[held] = (1 << place[np.searchsorted(keys, around)]).astype(np.uint8)
    listed = ((keys % countries + 1) << (8 * place)).astype(np.uint64)
    owner_sets, owners = np.unique(np.bitwise_or.reduceat(listed, owner_first), return_inverse=True)
    return FineCells(
        number=cells,
        first=np.append(first, len(segment)),
        segment=segment,
        bits=bits,
        owners=owners,
        owner_sets=owner_sets,
        reference=reference,
        reference_bits=reference_bits,
    )


def reference_points(
    number: npt.NDArray[np.integer], reference: npt.NDArray[np.uint8]
) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude of the reference points of touched fine cells."""
    row, column = np.divmod(number, COLUMNS * PER_DEGREE)
    return (column + REFERENCE_OFFSETS.take(reference)) / PER_DEGREE - 180, (row + 0.5) / PER_DEGREE - 90


def _choose_references(ends: FloatArray, cell: IntArray, number: IntArray) -> npt.NDArray[np.uint8]:
    """Choose in each cell an offset along the centre line that keeps clear of the cell's segments."""
    chosen = np.zeros(len(number), dtype=np.uint8)
    waiting = np.ones(len(number), dtype=bool)
    for offset in range(len(REFERENCE_OFFSETS)):
        chosen[waiting] = offset
        rows = np.flatnonzero(waiting[cell])
        x0, y0, x1, y1 = ends[rows].T
        x, y = reference_points(number[cell[rows]], chosen[cell[rows]])
        distance = np.abs((y - y0) * (x1 - x0) - (x - x0) * (y1 - y0)) / np.hypot(x1 - x0, y1 - y0)
        nearest = np.minimum(np.minimum(np.abs(x0 - x), np.abs(x1 - x)), distance)
        waiting[:] = False
        waiting[cell[rows][nearest < _CLEARANCE]] = True
        if not waiting.any():
            return chosen
    raise ValueError("No reference point keeps clear of the boundaries of its cell.")
