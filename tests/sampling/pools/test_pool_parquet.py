from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS, Transformer

from geoseek.sampling.pools import Fragment, open_pool, parquet, parse_pool
from geoseek.schemas import InputError


def table(count: int, **columns: Any) -> pa.Table:
    numbers = np.arange(count)
    return pa.table(
        {
            "id": pa.array([f"n{number}" for number in numbers]),
            "latitude": numbers % 80 + 1.0,
            "longitude": numbers % 170 + 1.0,
            **columns,
        }
    )


def test_row_groups_become_fragments(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(1000), path, row_group_size=100)
    pool = open_pool(parse_pool(str(path)))
    assert pool.fragments(250) == [
        Fragment(0, 0, 0, 300),
        Fragment(0, 1, 300, 600),
        Fragment(0, 2, 600, 900),
        Fragment(0, 3, 900, 1000),
    ]
    assert pool.fragments() == [Fragment(0, 0, 0, 1000)]
    for target_rows in (1, 250, 4_000_000):
        found = whole(path, target_rows=target_rows)
        assert found.rows == [(0, row) for row in range(1000)]
        assert found.ids == [f"n{row}" for row in range(1000)]
        assert found.rejects == []


def test_large_row_groups_are_read_in_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Callable[..., Any]
) -> None:
    monkeypatch.setattr(parquet, "_SLICE_BYTES", 1)
    monkeypatch.setattr(parquet, "_LEAST_SLICE_ROWS", 30)
    path = tmp_path / "a.parquet"
    pq.write_table(table(250), path, row_group_size=100)
    pool = open_pool(parse_pool(str(path)))
    sizes = [len(batch.rows) for fragment in pool.fragments() for batch in pool.scan(fragment, sequence=False)]
    assert sizes == [30, 30, 30, 10, 30, 30, 30, 10, 30, 20]
    assert whole(path).ids == [f"n{row}" for row in range(250)]
    rows = np.array([29, 30, 99, 100, 249], dtype=np.int64)
    assert pool.take(0, rows, [])["source_id"].to_pylist() == [f"n{row}" for row in rows]


def test_take_reads_only_the_row_groups_and_columns_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    order = np.random.default_rng(0).permutation(1000)
    whole_table = table(
        1000, url=pa.array([f"u{number}" for number in range(1000)]), heavy=pa.array(["x" * 100] * 1000)
    )
    pq.write_table(whole_table.take(pa.array(order)), path, row_group_size=100)
    pool = open_pool(parse_pool(str(path)))
    rows = np.array([0, 1, 99, 500, 501, 999], dtype=np.int64)
    asked = []
    original = pq.ParquetFile.read_row_group

    def spy(self: Any, group: int, columns: list[str], **options: Any) -> Any:
        asked.append((group, tuple(columns)))
        return original(self, group, columns=columns, **options)

    with mock.patch.object(pq.ParquetFile, "read_row_group", spy):
        taken = pool.take(0, rows, ["image", "license"])
    assert asked == [(group, ("id", "url")) for group in (0, 5, 9)]
    assert taken.to_pylist() == [
        {"source_id": f"n{order[row]}", "image": f"u{order[row]}", "license": None} for row in rows
    ]
    assert taken.schema.types == [pa.string()] * 3


def test_pools_and_fragments_pickle(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(10), path)
    pool, fragments = pickle.loads(pickle.dumps((open_pool(parse_pool(str(path))), [Fragment(0, 0, 0, 10)])))  # noqa: S301
    (batch,) = pool.scan(fragments[0], sequence=False)
    assert batch.source_id.to_pylist() == [f"n{row}" for row in range(10)]


def test_the_quick_path_copies_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(10), path)
    pool = open_pool(parse_pool(str(path)))
    (batch,) = pool.scan(pool.fragments()[0], sequence=False)
    assert not batch.lat.flags.owndata
    assert not batch.lng.flags.owndata


def test_files_that_differ_in_types_order_and_case(tmp_path: Path, whole: Callable[..., Any]) -> None:
    lat, lng = np.array([1.5, 2.5]), np.array([3.0, 4.0])
    variants = {
        "a": {"id": [1, 2], "lat": lat, "lng": lng},
        "b": {"LNG": lng, "LAT": lat, "ID": ["1", "2"]},
        "c": {"lat": lat.astype(np.float32), "id": [1.0, 2.0], "lng": lng},
        "d": {"lat": ["1.5", "2.5"], "id": pa.array(["1", "2"]).dictionary_encode(), "lng": [3, 4]},
        "e": {"latitude": lat, "longitude": lng, "id": pa.array(["1", "2"], pa.large_string())},
    }
    for name, columns in variants.items():
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    found = whole(tmp_path)
    assert found.rows == [(file, row) for file in range(5) for row in range(2)]
    assert found.ids == ["1", "2"] * 5
    assert found.lat == [1.5, 2.5] * 5
    assert found.lng == [3.0, 4.0] * 5
    assert found.pool.file_names == ("a.parquet", "b.parquet", "c.parquet", "d.parquet", "e.parquet")
    assert any("32-bit" in notice for notice in found.pool.notices)
    assert "columns recognised: lat=latitude, lng=longitude" in found.pool.notices


def test_dirty_rows(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.parquet"
    columns = {
        "id": ["a", None, "", "d", "e", "f", "g", "h"],
        "lat": [1.0, 1.0, 1.0, None, float("nan"), float("inf"), 1e300, 0.0],
        "lng": [180.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
        "sequence": ["s", None, None, None, None, None, None, None],
    }
    pq.write_table(pa.table(columns), path)
    found = whole(path, sequence=True)
    assert (found.ids, found.lng, found.sequence) == (["a"], [-180.0], ["s"])
    assert list(found.reasons.values()) == [
        "missing_id",
        "missing_id",
        "missing_coordinate",
        "missing_coordinate",
        "non_numeric_coordinate",
        "out_of_range",
        "null_island",
    ]
    assert [reject["lat"] for reject in found.rejects][2:] == [None, "nan", "inf", "1e+300", "0.0"]


def test_structs_are_reached_with_dots(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.parquet"
    position = pa.array([{"lat": 1.0, "lng": 2.0}, None, {"lat": None, "lng": 2.0}])
    pq.write_table(pa.table({"id": ["a", "b", "c"], "position": position}), path)
    found = whole(path)
    assert (found.ids, found.lat, found.lng) == (["a"], [1.0], [2.0])
    assert set(found.reasons.values()) == {"missing_coordinate"}


def write_geo(path: Path, geometry: Any, *, encoding: str = "WKB", **column: Any) -> Path:
    geo = {"version": "1.1.0", "primary_column": "geom", "columns": {"geom": {"encoding": encoding, **column}}}
    content = pa.table({"id": [f"n{row}" for row in range(len(geometry))], "geom": geometry})
    pq.write_table(content.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


def test_geoparquet(tmp_path: Path, whole: Callable[..., Any]) -> None:
    points = shapely.points([2.35, 151.2], [48.85, -33.86])
    found = whole(write_geo(tmp_path / "a.parquet", pa.array(shapely.to_wkb(points))))
    assert (found.lat, found.lng) == ([48.85, -33.86], [2.35, 151.2])
    assert found.pool.format == "geoparquet"
    structs = pa.array([{"x": 2.35, "y": 48.85}, None])
    found = whole(write_geo(tmp_path / "b.parquet", structs, encoding="point"))
    assert (found.lat, found.lng, found.reasons) == ([48.85], [2.35], {1: "missing_coordinate"})


def test_geoparquet_with_everything_but_points(tmp_path: Path, whole: Callable[..., Any]) -> None:
    shapes = [
        shapely.Point(2.35, 48.85),
        shapely.Point(2.35, 48.85, 35),
        shapely.Point(),
        None,
        shapely.LineString([(0, 0), (1, 1)]),
        shapely.MultiPoint([(1, 2)]),
        shapely.Point(0, 0),
        shapely.Point(200, 1),
    ]
    geometry = pa.array([None if shape is None else shapely.to_wkb(shape) for shape in shapes] + [b"\x01rubbish"])
    found = whole(write_geo(tmp_path / "a.parquet", geometry))
    assert found.rows == [(0, 0), (0, 1)]
    assert found.lat == [48.85, 48.85]
    assert found.reasons == {
        2: "missing_coordinate",
        3: "missing_coordinate",
        4: "not_a_point",
        5: "not_a_point",
        6: "null_island",
        7: "out_of_range",
        8: "not_a_point",
    }
    by_row = {reject["row"]: reject for reject in found.rejects}
    assert (by_row[5]["detail"], by_row[7]["lng"]) == ("MultiPoint", "200.0")


def test_other_reference_systems_are_converted(tmp_path: Path, whole: Callable[..., Any]) -> None:
    easting, northing = Transformer.from_crs(4326, 3006, always_xy=True).transform(13.195, 55.698)
    geometry = pa.array(shapely.to_wkb(shapely.points([easting, 1e30], [northing, 1e30])))
    path = write_geo(tmp_path / "a.parquet", geometry, crs=CRS.from_epsg(3006).to_json_dict())
    found = whole(path)
    assert found.lat == pytest.approx([55.698], abs=1e-9)
    assert found.lng == pytest.approx([13.195], abs=1e-9)
    assert found.reasons == {1: "out_of_range"}
    assert any("EPSG:3006" in notice and "WGS 84" in notice for notice in found.pool.notices)
    assert whole(write_geo(tmp_path / "b.parquet", geometry, crs=CRS.from_epsg(4326).to_json_dict())).lat == []


def test_unknown_reference_system_is_said(tmp_path: Path, whole: Callable[..., Any]) -> None:
    geometry = pa.array(shapely.to_wkb(shapely.points([1.0], [2.0])))
    found = whole(write_geo(tmp_path / "a.parquet", geometry, crs=None))
    assert found.lat == [2.0]
    assert any("WGS 84 is assumed" in notice for notice in found.pool.notices)


def test_broken_geoparquet_metadata(tmp_path: Path, whole: Callable[..., Any]) -> None:
    geometry = pa.array(shapely.to_wkb(shapely.points([1.0], [2.0])))
    with pytest.raises(InputError, match="reference system"):
        whole(write_geo(tmp_path / "a.parquet", geometry, crs={"type": "nonsense"}))
    with pytest.raises(InputError, match="holds no points"):
        whole(write_geo(tmp_path / "b.parquet", geometry, encoding="polygon"))
    path = tmp_path / "c.parquet"
    pq.write_table(table(1).replace_schema_metadata({"geo": "{}"}), path)
    with pytest.raises(InputError, match="GeoParquet metadata"):
        whole(path)


def test_damage_is_reported_with_the_file(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(5000), path, compression="zstd")
    content = path.read_bytes()
    for damaged, message in [
        (b"", "is empty"),
        (content[: len(content) // 2], "cannot be read as Parquet"),
        (b"PAR1" + b"\x00" * 50, "cannot be read as Parquet"),
        (b"id,lat,lng\na,1,2\n", "cannot be read as Parquet"),
        (content[:200] + b"\xff" * 400 + content[600:], "cannot be read as Parquet"),
    ]:
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=message) as caught:
            whole(path)
        assert str(path) in caught.value.message
        assert caught.value.hint


def test_no_rows(tmp_path: Path, whole: Callable[..., Any]) -> None:
    pq.write_table(table(0), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet has column names but no rows"):
        whole(tmp_path)
    pq.write_table(table(2), tmp_path / "b.parquet")
    found = whole(tmp_path)
    assert found.rows == [(1, 0), (1, 1)]
    assert "a.parquet has no rows" in found.pool.notices


def test_files_that_change_between_scan_and_take(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(100), path)
    pool = whole(path).pool
    pq.write_table(table(10), path)
    with pytest.raises(InputError, match="rows read before are gone"):
        pool.take(0, np.array([5, 50], dtype=np.int64), [])
    path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        pool.take(0, np.array([5], dtype=np.int64), [])


def test_hugging_face_images_are_referred_to_and_never_read(tmp_path: Path, whole: Callable[..., Any]) -> None:
    datasets = pytest.importorskip("datasets")
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "hf" / "data"
    folder.mkdir(parents=True)
    picture = image.new("RGB", (4, 4))
    features = datasets.Features(
        {"picture": datasets.Image(), "latitude": datasets.Value("float64"), "longitude": datasets.Value("float64")}
    )
    for shard in range(2):
        rows = [{"picture": picture, "latitude": 1.0 + shard, "longitude": 2.0 + row} for row in range(3)]
        dataset = datasets.Dataset.from_list(rows, features=features)
        dataset.to_parquet(str(folder / f"train-{shard:05d}-of-00002.parquet"))
    (tmp_path / "hf" / "README.md").write_text("# card")
    with mock.patch.object(
        pq.ParquetFile, "read_row_group", autospec=True, side_effect=pq.ParquetFile.read_row_group
    ) as spy:
        found = whole(tmp_path / "hf")
        taken = found.pool.take(1, np.array([2], dtype=np.int64), ["image"])
    assert found.pool.format == "huggingface"
    assert len(set(found.ids)) == 6
    assert "picture" not in {name for call in spy.call_args_list for name in call.kwargs["columns"]}
    assert taken["image"].to_pylist() == [f"{folder.as_posix()}/train-00001-of-00002.parquet#column=picture&row=2"]


def test_embedded_images_with_names_give_ids_that_survive_reordering(tmp_path: Path, whole: Callable[..., Any]) -> None:
    images = [{"bytes": b"x", "path": f"{row}.jpg"} for row in range(3)]
    for name, order in (("a", [0, 1, 2]), ("b", [2, 0, 1])):
        content = pa.table({"lat": [1.0] * 3, "lng": [2.0] * 3, "image": [images[row] for row in order]})
        pq.write_table(content, tmp_path / f"{name}.parquet")
    first, second = whole(tmp_path / "a.parquet"), whole(tmp_path / "b.parquet")
    assert [first.ids[row] for row in (2, 0, 1)] == second.ids
    assert second.fields("image")[0] == {
        "source_id": first.ids[2],
        "image": f"{(tmp_path / 'b.parquet').as_posix()}#column=image&row=0",
    }


def test_images_as_plain_bytes(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"lat": [1.0], "lng": [2.0], "id": ["a"], "jpg": [b"\xff\xd8"]}), path)
    assert whole(path).fields("image") == [{"source_id": "a", "image": f"{path.as_posix()}#column=jpg&row=0"}]


def test_glob(tmp_path: Path, whole: Callable[..., Any]) -> None:
    for number in (2, 0, 1):
        (tmp_path / "deep").mkdir(exist_ok=True)
        pq.write_table(table(number + 1), tmp_path / "deep" / f"s{number}.parquet")
    (tmp_path / "deep" / "other.csv").write_text("id,lat,lng\na,1,2\n")
    found = whole(tmp_path / "deep" / "s*.parquet")
    assert found.pool.file_names == ("s0.parquet", "s1.parquet", "s2.parquet")
    assert whole(tmp_path / "**" / "s*.parquet").pool.file_names[0] == "deep/s0.parquet"
    with pytest.raises(InputError, match="No file matches"):
        whole(tmp_path / "x*.parquet")
    with pytest.raises(InputError, match="several formats"):
        whole(tmp_path / "deep" / "*")
