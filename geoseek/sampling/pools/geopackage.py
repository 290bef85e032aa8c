"""GeoPackage, streamed by GDAL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from geoseek.sampling.pools.base import BATCH_ROWS, RawBatch, Reader, ReadOptions, plain_errors
from geoseek.sampling.pools.geometry import foreign_crs
from geoseek.schemas import InputError

_GEOMETRY = "geometry"
_PRIMARY_KEY = "fid"


@dataclass
class GeoPackageReader(Reader):
    """The first layer with geometries of a GeoPackage; its primary key is offered as the column `fid`.

    Attributes:
        layer: Name of the layer.
        primary_key: Column name of the primary key; empty where an attribute has its name.
    """

    format: ClassVar[str] = "geopackage"
    suffixes: ClassVar[tuple[str, ...]] = (".gpkg",)

    layer: str = ""
    primary_key: str = _PRIMARY_KEY

    @classmethod
    def open(cls, path: Path, options: ReadOptions) -> GeoPackageReader:  # noqa: ARG003
        """Read the layer's description.

        Raises:
            InputError: GDAL cannot read the file, or it has no layer with geometries.
        """
        import pyogrio

        with plain_errors(path, cls.format):
            if path.stat().st_size == 0:
                raise InputError(f"{path} is empty (0 bytes).", hint="Fetch or export the file again.")
        with _plain_gdal(path):
            spatial = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
            if not spatial:
                raise InputError(f"{path} has no layer with geometries.", hint="Export the points as a layer.")
            info = pyogrio.read_info(path, layer=spatial[0])
        fields = {str(name): _arrow_type(kind) for name, kind in zip(info["fields"], info["dtypes"], strict=True)}
        geometry = _GEOMETRY
        while geometry in fields:
            geometry += "_"
        reader = cls(
            path,
            {**fields, geometry: pa.binary(), **({} if _PRIMARY_KEY in fields else {_PRIMARY_KEY: pa.int64()})},
            rows=int(info["features"]) if info["features"] >= 0 else None,
            geometry=geometry,
            crs=foreign_crs(info["crs"], str(path)),
            layer=spatial[0],
            primary_key="" if _PRIMARY_KEY in fields else _PRIMARY_KEY,
        )
        if len(spatial) > 1:
            others = ", ".join(spatial[1:])
            reader.notices.append(f"{path.name}: layer {spatial[0]!r} is read; others are not ({others})")
        if reader.crs is not None:
            reader.notices.append(f"{path.name} is in {reader.crs[:40]}; positions are converted to WGS 84")
        return reader

    def read(self, columns: Sequence[str], start: int, stop: int | None) -> Iterator[RawBatch]:  # noqa: ARG002
        """Yield the columns of all features, in the order of the primary key."""
        import pyogrio

        row = 0
        with (
            _plain_gdal(self.path),
            pyogrio.open_arrow(
                self.path,
                layer=self.layer,
                columns=[name for name in columns if name not in (self.geometry, self.primary_key)],
                read_geometry=self.geometry in columns,
                return_fids=True,
                batch_size=BATCH_ROWS,
                use_pyarrow=True,
            ) as (description, batches),
        ):
            given = {self.geometry: description["geometry_name"], self.primary_key: description["fid_column"]}
            stream = iter(batches)
            while (batch := _next_quietly(stream)) is not None:
                arrays = {name: batch.column(given.get(name, name)) for name in columns}
                yield RawBatch(np.arange(row, row + batch.num_rows, dtype=np.int64), arrays)
                row += batch.num_rows


def _next_quietly(stream: Iterator[Any]) -> Any | None:
    """Return the next batch; GDAL's warnings are about single features, which become rejects."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return next(stream, None)


@contextmanager
def _plain_gdal(path: Path) -> Iterator[None]:
    """Turn GDAL's exceptions into an `InputError`."""
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

    try:
        with plain_errors(path, GeoPackageReader.format):
            yield
    except (DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be read as {GeoPackageReader.format}: {error}",
            hint="The file may be truncated or damaged.",
        ) from error


def _arrow_type(dtype: Any) -> Any:
    """Return the Arrow type of what pyogrio calls a field's dtype; None for text and whatever is not a number."""
    if str(dtype) == "object":
        return None
    try:
        return pa.from_numpy_dtype(np.dtype(str(dtype)))
    except (TypeError, pa.ArrowNotImplementedError):
        return None
