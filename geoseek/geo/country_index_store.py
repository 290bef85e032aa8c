"""Making, keeping and loading the country index."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseek.geo.boundaries import UNITS_PATH, load_country_polygons, unit_codes
from geoseek.geo.cells import CELLS, COLUMNS, ROWS, zone_area_km2
from geoseek.geo.coast import coast_pieces
from geoseek.geo.country_index import CountryIndex, resolve
from geoseek.geo.country_index_build import (
    FINE,
    MIDDLE,
    NOBODY,
    PER_DEGREE,
    Segments,
    Spans,
    collect_segments,
    fine_cells,
    middle_labels,
    row_spans,
)
from geoseek.schemas import OutputError
from geoseek.workspace import atomic_path, cache_dir, file_fingerprint, progress_bar, stable_digest

ALGORITHM_VERSION = 2
"""Part of the key of a cached index: raise it with every change of what is stored or how it is read."""

_STEPS = 7
_SAMPLES_PER_SIDE = 2
_BLOCKS_AT_ONCE = 1 << 15
_ARRAYS = {
    *("top", "middle", "fine", "ends", "coast_segment", "coast_owner", "land_country", "land_cell", "land_km2"),
    *("cell_number", "cell_first", "cell_segment", "cell_bits", "cell_owners", "owner_sets"),
    *("reference", "reference_bits", "piece_start", "piece_end", "piece_owner", "sole_owner"),
}
_loaded: dict[str, CountryIndex] = {}
_lock = threading.Lock()

Arrays = dict[str, npt.NDArray[Any]]


def load_country_index(boundaries: Path | None = None) -> CountryIndex:
    """Return the index over the shipped polygons; built once (about 6 s), then read from the user's cache (0.3 s).

    Several processes may ask for it at once: each builds its own, and whoever finishes last leaves the same bytes.
    A damaged cache file is built again. Within one process the index is shared.

    Args:
        boundaries: Boundary table that overrides rows of the shipped one, see `read_boundaries`.

    Raises:
        InputError: `boundaries` cannot be read or lacks a column.
        UsageError: It names an unknown unit or country.
        OutputError: The cache cannot be written.
    """
    assigned = unit_codes(boundaries)
    key = stable_digest([ALGORITHM_VERSION, MIDDLE, FINE, file_fingerprint(UNITS_PATH), assigned])
    codes = tuple(sorted({code for code in assigned.values() if code}))
    with _lock:
        if key not in _loaded:
            _loaded[key] = _read_or_build(codes, key, boundaries)
        return _loaded[key]


def _read_or_build(codes: tuple[str, ...], key: str, boundaries: Path | None) -> CountryIndex:
    path = cache_dir("country-index") / f"{key[:24]}.npz"
    arrays = _read(path)
    if arrays is None:
        with progress_bar(total=_STEPS, label="Building the country index (once)", unit="steps") as bar:
            polygons = load_country_polygons(boundaries)
            bar.update(1)
            arrays = build_arrays(polygons.geometry.to_numpy(), lambda: bar.update(1))
        try:
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
        except OutputError as error:
            raise OutputError(
                error.message, hint="Set GEOSEEK_CACHE_DIR to a folder that can be written and has 100 MB of space."
            ) from error
    return CountryIndex(codes, key, arrays)


def _read(path: Path) -> Arrays | None:
    """Return the arrays of a cached index, or None if there is none, or a damaged one (the archive has checksums)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    return arrays if arrays.keys() >= _ARRAYS else None


def build_arrays(polygons: npt.NDArray[np.object_], advance: Callable[[], object]) -> Arrays:
    """Build everything that a `CountryIndex` holds.

    Args:
        polygons: Valid polygons, cut at the antimeridian, disjoint up to slivers; `polygons[i]` is country i.
        advance: Called after each of six steps.
    """
    segments = collect_segments(polygons)
    advance()
    spans = row_spans(segments)
    advance()
    cells = fine_cells(segments, spans, len(polygons))
    advance()
    labels = middle_labels(spans)
    advance()
    top, middle, fine = _levels(labels, spans, cells.number)
    arrays: Arrays = {
        "top": top,
        "middle": middle,
        "fine": fine,
        "ends": segments.ends,
        "cell_number": cells.number.astype(np.int32),
        "cell_first": cells.first.astype(np.int32),
        "cell_segment": cells.segment.astype(np.int32),
        "cell_bits": cells.bits,
        "cell_owners": cells.owners.astype(np.int16),
        "owner_sets": cells.owner_sets,
        "reference": cells.reference,
        "reference_bits": cells.reference_bits,
    }
    arrays |= _coast(segments)
    arrays |= coast_pieces(arrays["ends"][arrays["coast_segment"]], arrays["coast_owner"])
    advance()
    arrays |= _land(arrays)
    advance()
    return arrays


def _levels(
    labels: npt.NDArray[np.int16], spans: Spans, touched: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the three levels of the grid.

    Returns:
        For each 1 degree cell the position of its block in the middle level; the blocks of middle cells; for each
        touched middle cell its fine cells. A code >= -1 is a country; -2 - i is the i-th touched cell one level below.
    """
    fine_row, fine_column = np.divmod(touched, COLUMNS * PER_DEGREE)
    middle_number = (fine_row // FINE) * (COLUMNS * MIDDLE) + fine_column // FINE
    split = np.unique(middle_number)
    row, column = np.divmod(split, COLUMNS * MIDDLE)

    fine = np.empty((len(split), FINE, FINE), dtype=np.int32)
    for first in range(0, len(split), _BLOCKS_AT_ONCE):
        part = slice(first, first + _BLOCKS_AT_ONCE)
        shape = fine[part].shape
        rows = np.broadcast_to((row[part] * FINE)[:, None, None] + np.arange(FINE)[:, None], shape).ravel()
        columns = np.broadcast_to((column[part] * FINE)[:, None, None] + np.arange(FINE), shape).ravel()
        fine[part] = spans.label(rows, (columns + 0.5) / PER_DEGREE - 180).reshape(shape)
    place = np.searchsorted(split, middle_number) * FINE * FINE + (fine_row % FINE) * FINE + fine_column % FINE
    fine.ravel()[place] = -2 - np.arange(len(touched))

    owner_cell = (row // MIDDLE) * COLUMNS + column // MIDDLE
    mixed = np.unique(owner_cell)
    by_cell = labels.reshape(ROWS, MIDDLE, COLUMNS, MIDDLE)
    blocks = by_cell[mixed // COLUMNS, :, mixed % COLUMNS, :].reshape(len(mixed), MIDDLE * MIDDLE).astype(np.int32)
    inner = (row % MIDDLE) * MIDDLE + column % MIDDLE
    blocks[np.searchsorted(mixed, owner_cell), inner] = -2 - np.arange(len(split))

    whole = by_cell[:, 0, :, 0].ravel().astype(np.int64)
    plain, block_of = np.unique(whole, return_inverse=True)
    top = block_of * MIDDLE * MIDDLE
    top[mixed] = (len(plain) + np.arange(len(mixed))) * MIDDLE * MIDDLE
    middle = np.concatenate([np.repeat(plain, MIDDLE * MIDDLE), blocks.ravel()])
    return top.astype(np.int32), middle.astype(np.int32), fine.ravel()


def _coast(segments: Segments) -> Arrays:
    """Return the segments with one owner that are no cut of the map, and that owner."""
    owners = np.bincount(segments.pair_segment, minlength=len(segments.ends))
    coast = (owners == 1)[segments.pair_segment] & ~segments.seam[segments.pair_segment]
    return {
        "coast_segment": segments.pair_segment[coast].astype(np.int32),
        "coast_owner": segments.pair_owner[coast].astype(np.int16),
    }


class _LandSum:
    """Adds up areas by (country, 1 degree cell)."""

    def __init__(self) -> None:
        self.keys: list[npt.NDArray[np.int64]] = []
        self.areas: list[npt.NDArray[np.float64]] = []

    def add(
        self, label: npt.NDArray[Any], cell: npt.NDArray[Any], row: npt.NDArray[Any], per_degree: int, share: float
    ) -> None:
        """Add `share` of a grid cell each, in grid row `row`, for those labels that are a country."""
        held = label >= 0
        south = row[held] / per_degree - 90
        area = share * zone_area_km2(south, south + 1 / per_degree, 1 / per_degree)
        key, pair = np.unique(label[held].astype(np.int64) * CELLS + cell[held], return_inverse=True)
        self.keys.append(key)
        self.areas.append(np.bincount(pair, area, minlength=len(key)).astype(np.float64))

    def arrays(self) -> Arrays:
        """Return the sums, sorted by country, then cell."""
        key, pair = np.unique(np.concatenate(self.keys), return_inverse=True)
        return {
            "land_country": (key // CELLS).astype(np.int16),
            "land_cell": (key % CELLS).astype(np.int32),
            "land_km2": np.bincount(pair, np.concatenate(self.areas), minlength=len(key)),
        }


def _land(arrays: Arrays) -> Arrays:
    """Measure the land of each (country, 1 degree cell) on the grid; a touched fine cell is sampled at four points."""
    land = _LandSum()
    size = MIDDLE * MIDDLE
    blocks, block_of = arrays["middle"].reshape(-1, size), arrays["top"] // size
    mixed = ((blocks != blocks[:, :1]).any(axis=1) | (blocks[:, 0] < NOBODY))[block_of]
    whole = np.flatnonzero(~mixed)
    land.add(blocks[block_of[whole], 0], whole, whole // COLUMNS, 1, 1.0)

    cell, inner = np.repeat(np.flatnonzero(mixed), size), np.tile(np.arange(size), int(mixed.sum()))
    row = (cell // COLUMNS) * MIDDLE + inner // MIDDLE
    code = blocks[block_of[mixed]].ravel()
    land.add(code, cell, row, MIDDLE, 1.0)

    split = np.flatnonzero(code < NOBODY)
    split = split[np.argsort(-code[split], kind="stable")]
    cell, row, fine = cell[split], row[split], arrays["fine"].reshape(-1, FINE * FINE)
    for first in range(0, len(split), _BLOCKS_AT_ONCE):
        part = slice(first, first + _BLOCKS_AT_ONCE)
        codes = fine[part].ravel()
        cells = np.repeat(cell[part], FINE * FINE)
        rows = (row[part] * FINE)[:, None] + np.arange(FINE * FINE) // FINE
        land.add(codes, cells, rows.ravel(), PER_DEGREE, 1.0)
        _sample_touched(arrays, land, codes, cells)
    return land.arrays()


def _sample_touched(arrays: Arrays, land: _LandSum, codes: npt.NDArray[Any], cells: npt.NDArray[Any]) -> None:
    undecided = np.flatnonzero(codes < NOBODY)
    touched = -2 - codes[undecided]
    row, column = np.divmod(arrays["cell_number"][touched].astype(np.int64), COLUMNS * PER_DEGREE)
    offsets = (np.arange(_SAMPLES_PER_SIDE) + 0.5) / _SAMPLES_PER_SIDE
    for up in offsets:
        for right in offsets:
            label = resolve(arrays, touched, (row + up) / PER_DEGREE - 90, (column + right) / PER_DEGREE - 180)
            land.add(label, cells[undecided], row, PER_DEGREE, 1.0 / _SAMPLES_PER_SIDE**2)
