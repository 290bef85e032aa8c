"""The same data gives the same pool, whatever format it is in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoseek.sampling.pools import TABLE_FORMATS, open_pool, parse_pool
from geoseek.schemas import InputError, UsageError

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).filter(
    # In a file without types, 5.0 is the number 5; that is tested by itself.
    lambda text: not text.endswith(".0")
)
ROWS = st.lists(
    st.tuples(TEXT, st.floats(-90, 90), st.floats(-180, 180), TEXT, st.one_of(st.none(), TEXT)), min_size=1, max_size=8
).filter(lambda rows: any(row[1] or row[2] for row in rows))
COLUMNS = ("id", "lat", "lng", "image", "sequence")
Row = tuple[str, float, float, str, str | None]


def _columns(rows: list[Row]) -> dict[str, list[Any]]:
    return {name: [row[position] for row in rows] for position, name in enumerate(COLUMNS)}


def _csv_text(rows: list[Row], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(COLUMNS)
    writer.writerows([*row[:4], row[4] or ""] for row in rows)
    return text.getvalue().encode()


def _json_text(rows: list[Row]) -> bytes:
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def _frame(rows: list[Row]) -> geopandas.GeoDataFrame:
    columns = _columns(rows)
    points = shapely.points(columns.pop("lng"), columns.pop("lat"))
    return geopandas.GeoDataFrame(columns, geometry=points, crs="EPSG:4326")


def _geojson(rows: list[Row]) -> bytes:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lng, lat]},
            "properties": {"id": identifier, "image": image, "sequence": sequence},
        }
        for identifier, lat, lng, image, sequence in rows
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


WRITERS: dict[str, Callable[[Path, list[Row]], Any]] = {
    "a.csv": lambda path, rows: path.write_bytes(_csv_text(rows, ",")),
    "b.csv.gz": lambda path, rows: path.write_bytes(gzip.compress(_csv_text(rows, ","))),
    "c.tsv": lambda path, rows: path.write_bytes(_csv_text(rows, "\t")),
    "d.jsonl": lambda path, rows: path.write_bytes(_json_text(rows)),
    "e.ndjson.gz": lambda path, rows: path.write_bytes(gzip.compress(_json_text(rows))),
    "f.parquet": lambda path, rows: pq.write_table(pa.table(_columns(rows)), path, row_group_size=3),
    "g.geoparquet": lambda path, rows: _frame(rows).to_parquet(path),
    "h.geojson": lambda path, rows: path.write_bytes(_geojson(rows)),
    "i.gpkg": lambda path, rows: _frame(rows).to_file(path),
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
@pytest.mark.slow
def test_all_formats_agree(rows: list[Row], whole: Callable[..., Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, write in WRITERS.items():
            path = Path(folder) / name
            write(path, rows)
            read = whole(path, sequence=True)
            # Without a single sequence, typed formats have no such column to speak of.
            sequence = read.sequence if read.sequence is not None else [None] * len(read.ids)
            found[name] = (read.rows, read.ids, read.lat, read.lng, sequence, read.fields("image"), read.reasons)
        for name, content in found.items():
            assert content == found["f.parquet"], name


def test_every_table_format_is_in_the_comparison() -> None:
    for kind in TABLE_FORMATS:
        assert any(name.endswith(kind.suffixes) for name in WRITERS), kind


def test_ids_that_are_numbers_in_one_file_and_strings_in_another(tmp_path: Path, whole: Callable[..., Any]) -> None:
    (tmp_path / "a.csv").write_text("id,lat,lng\n123.0,1,2\n124,1,2\n")
    (tmp_path / "b.csv").write_text('lng,lat,id\n2,1,"123"\n2,1,124.0\n')
    assert whole(tmp_path).ids == ["123", "124", "123", "124"]
    pq.write_table(pa.table({"id": [123, 124], "lat": [1.0, 1.0], "lng": [2.0, 2.0]}), tmp_path / "c.parquet")
    assert whole(tmp_path / "c.parquet").ids == ["123", "124"]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl", "a.geojson", "a.gpkg", "data", "data/*.csv"])
def test_what_does_not_exist(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist|No file matches") as caught:
        open_pool(parse_pool(str(tmp_path / name)))
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.hint


def test_what_is_no_pool(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it holds nothing"):
        open_pool(parse_pool(str(tmp_path)))
    (tmp_path / "readme.txt").write_text("about")
    (tmp_path / "x.docx").write_text("")
    with pytest.raises(InputError, match=r"it holds readme\.txt, x\.docx"):
        open_pool(parse_pool(str(tmp_path)))
    with pytest.raises(InputError, match=r"no format that can be a pool") as caught:
        open_pool(parse_pool(str(tmp_path / "x.docx")))
    assert ".parquet" in (caught.value.hint or "")
    with pytest.raises(InputError, match="address on the network"):
        open_pool(parse_pool("https://example.org/a.csv"))
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(InputError, match="Hugging Face dataset in Arrow files") as caught:
        open_pool(parse_pool(str(tmp_path)))
    assert "to_parquet" in (caught.value.hint or "")


def test_a_folder_prefers_tables_and_says_so(tmp_path: Path, whole: Callable[..., Any]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "meta.csv").write_text("id,lat,lng\na,1,2\n")
    (tmp_path / "LICENSE.txt").write_text("some words")
    (tmp_path / "_SUCCESS").write_text("")
    found = whole(tmp_path)
    assert found.ids == ["a"]
    assert "1 photo files beside the tables are not read" in found.pool.notices


def test_a_file_without_rows_among_others(tmp_path: Path, whole: Callable[..., Any]) -> None:
    (tmp_path / "a.csv").write_text("id,lat,lng\n")
    (tmp_path / "b.csv").write_text("id,lat,lng\na,1,2\n")
    found = whole(tmp_path)
    assert found.rows == [(1, 0)]
    assert "a.csv has no rows" in found.pool.notices


def test_links_to_tables_are_followed(tmp_path: Path, whole: Callable[..., Any]) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "x").write_text("id,lat,lng\na,1,2\n")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "a.csv").symlink_to(tmp_path / "blobs" / "x")
    assert whole(tmp_path / "snapshot").ids == ["a"]


def test_columns_option(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("nr;Breite;Laenge;Lizenz\nx;1;2;CC0\n")
    found = whole(path, columns={"lat": "breite", "lng": "Laenge", "id": "nr", "license": "Lizenz"})
    assert (found.ids, found.lat, found.lng) == (["x"], [1.0], [2.0])
    assert found.fields("license", "attribution") == [{"source_id": "x", "license": "CC0", "attribution": None}]
    assert found.pool.fields == {"license"}
    with pytest.raises(UsageError, match="did you mean 'license'"):
        whole(path, columns={"licence": "Lizenz"})
    with pytest.raises(InputError, match="did you mean 'Laenge'"):
        whole(path, columns={"lat": "Breite", "lng": "Lange"})


def test_unreadable_by_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"lat": [1.0], "lng": [1.0]}), path)
    path.chmod(0)
    with pytest.raises(InputError, match="may not be read"):
        open_pool(parse_pool(str(path)))


def test_memory_does_not_grow_with_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    schema = pa.schema([("id", pa.int64()), ("lat", pa.float64()), ("lng", pa.float64())])
    chunk = pa.table([np.arange(50_000), np.full(50_000, 1.5), np.full(50_000, 2.5)], schema=schema)
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(40):
            writer.write_table(chunk)
    pool = open_pool(parse_pool(str(path)))
    before = pa.total_allocated_bytes()
    highest = 0
    for fragment in pool.fragments():
        for _ in pool.scan(fragment, sequence=False):
            highest = max(highest, pa.total_allocated_bytes() - before)
    assert highest < 16 * chunk.nbytes / 4
