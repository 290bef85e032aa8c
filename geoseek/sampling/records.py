"""From selected positions of the frame to Sample records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geoseek.geo import CountryTable, name_places
from geoseek.sampling.draw import Drawn
from geoseek.sampling.frame import Frame, FramePart
from geoseek.schemas import Sample, Split, arrow_schema
from geoseek.workspace import progress_bar

_FROM_POOL = ("image", "captured_at", "sequence_id", "license", "attribution", "orientation")


def sample_records(
    frame: Frame,
    parts: Sequence[FramePart],
    drawn: Drawn,
    cells: npt.NDArray[np.int32],
    split: Split,
    countries: CountryTable,
    *,
    workspace: Path | None = None,
) -> pa.Table:
    """Build the Sample table of a draw, in the order of the draw.

    The other columns of the winners are read from the pools, and only from the row groups that hold one.

    Args:
        frame: The frame, for its pools and country codes.
        parts: The parts that `drawn.part` counts in.
        drawn: The selection.
        cells: 1 degree cell of each row of the cell table.
        split: The split.
        countries: Names and continents.
        workspace: Images inside this folder are recorded by their path relative to it.
    """
    codes = np.array(frame.index.codes)[drawn.country]
    lat, lng = (_from_parts(parts, drawn, name) for name in ("lat", "lng"))
    with ThreadPoolExecutor(1) as aside:
        naming = aside.submit(name_places, lat, lng, codes, countries)
        columns = _from_pools(frame, parts, drawn)
        region, place, distance_km = naming.result()
    if workspace is not None:
        inside = "^" + re.escape(workspace.resolve().as_posix()) + "/"
        columns["image"] = pc.replace_substring_regex(columns["image"], inside, "")
    columns |= {
        "lat": lat,
        "lng": lng,
        "split": pa.repeat(split.value, len(drawn)),
        "rank": drawn.rank,
        "country_code": codes,
        "country": [countries[code].name for code in codes],
        "continent": [countries[code].continent for code in codes],
        "region": region,
        "place": place,
        "place_distance_km": pa.array(distance_km, from_pandas=True),
        "cell": cells[drawn.cell],
        "stratum": codes,
        "inclusion_probability": drawn.inclusion,
        "design_weight": 1.0 / drawn.inclusion,
        "prn": drawn.prn,
    }
    schema = arrow_schema(Sample)
    return pa.table({name: _as(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def _as(values: Any, wanted: pa.DataType) -> pa.Array | pa.ChunkedArray:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    return array if array.type == wanted else array.cast(wanted)


def _from_parts(parts: Sequence[FramePart], drawn: Drawn, name: str) -> npt.NDArray[np.float64]:
    values = np.empty(len(drawn))
    for number in np.unique(drawn.part):
        here = drawn.part == number
        values[here] = parts[number].take(name, drawn.position[here])
    return values


def _from_pools(frame: Frame, parts: Sequence[FramePart], drawn: Drawn) -> dict[str, Any]:
    """Read id, image and the other optional columns of the selected rows, part by part."""
    names = ("source", "source_id", *_FROM_POOL)
    schema = pa.schema([arrow_schema(Sample).field(name) for name in names])
    tables = [schema.empty_table()]
    places: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    numbers = np.unique(drawn.part)
    with progress_bar(total=len(numbers), label="Reading the selected rows", unit="parts") as bar:
        for number in numbers:
            part = parts[number]
            pool = frame.pools[part.pool]
            chosen = np.flatnonzero(drawn.part == number)
            rows = part.take("row", drawn.position[chosen]).astype(np.int64) + part.start
            ascending = np.argsort(rows, kind="stable")
            chosen, rows = chosen[ascending], rows[ascending]
            present = [name for name in _FROM_POOL if name in pool.fields]
            columns = {"source": pa.repeat(pool.name, len(rows))}
            columns["source_id"] = pa.array(part.take_ids(drawn.position[chosen]), pa.string())
            if present:
                found = pool.take(part.file, rows, present, ids=False)
                columns |= {name: _as(found[name], schema.field(name).type) for name in present}
            for name in set(_FROM_POOL) - set(present):
                columns[name] = pa.nulls(len(rows), schema.field(name).type)
            tables.append(pa.table(columns).select(names).cast(schema))
            places.append(chosen)
            bar.update(1)
    merged = pa.concat_tables(tables).take(pa.array(np.argsort(np.concatenate(places), kind="stable")))
    ids = pc.binary_join_element_wise(merged["source"], merged["source_id"], ":")
    return {"id": ids, **{name: merged[name] for name in merged.column_names}}
