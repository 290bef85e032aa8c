from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely

from geoseek.sampling.pools import geojson
from geoseek.schemas import InputError


def feature(identifier: Any, geometry: Any, **properties: Any) -> dict[str, Any]:
    found = {"type": "Feature", "geometry": geometry, "properties": properties}
    return found if identifier is None else {**found, "id": identifier}


def point(lng: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lng, lat]}


def collection(path: Path, features: Sequence[dict[str, Any]], **members: Any) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", **members, "features": features}))
    return path


def test_geojson(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = collection(
        tmp_path / "a.geojson",
        [
            feature(None, point(2.35, 48.85), id="a", url="u1", captured_at="2014:05:26 12:56:02"),
            feature(None, {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, id="b"),
            feature(None, None, id="c"),
            feature(None, {"type": "Point", "coordinates": ["x", 1]}, id="d"),
            feature(None, {"type": "Point", "coordinates": []}, id="e"),
            feature(None, point(0, 0), id="f"),
            feature(None, {"type": "Point", "coordinates": [180, 1, 35]}, id="g"),
            feature(None, point(1, 2)),
        ],
    )
    found = whole(path)
    assert (found.ids, found.lat, found.lng) == (["a", "g"], [48.85, 1.0], [2.35, -180.0])
    assert found.reasons == {
        1: "not_a_point",
        2: "missing_coordinate",
        3: "not_a_point",
        4: "missing_coordinate",
        5: "null_island",
        7: "missing_id",
    }
    assert found.pool.format == "geojson"
    assert found.fields("image", "captured_at")[0] == {
        "source_id": "a",
        "image": "u1",
        "captured_at": "2014-05-26T12:56:02",
    }


def test_ids_of_features(tmp_path: Path, whole: Callable[..., Any]) -> None:
    numbers = [feature(7, point(1, 2)), feature(5, point(3, 4))]
    assert whole(collection(tmp_path / "a.geojson", numbers)).ids == ["7", "5"]
    texts = [feature("x", point(1, 2)), feature("y", point(3, 4))]
    assert whole(collection(tmp_path / "b.geojson", texts)).ids == ["x", "y"]
    none = [feature(None, point(1, 2)), feature(None, point(3, 4))]
    found = whole(collection(tmp_path / "c.geojson", none))
    assert found.ids == whole(collection(tmp_path / "d.geojson", none[::-1])).ids[::-1]
    assert any("ids are made" in notice for notice in found.pool.notices)
    assert whole(collection(tmp_path / "e.json", texts)).ids == ["x", "y"]


def test_geojson_in_another_reference_system(tmp_path: Path, whole: Callable[..., Any]) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    path = collection(tmp_path / "a.geojson", [feature("a", point(261_600.8, 6_250_000.0))], crs=crs)
    found = whole(path)
    assert found.lng == pytest.approx([2.35], abs=1e-4)
    assert found.lat == pytest.approx([48.85], abs=0.1)


def test_a_reference_system_after_the_features_is_refused(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.geojson"
    for code, refused in (("EPSG:3857", True), ("OGC:CRS84", False)):
        crs = {"type": "name", "properties": {"name": code}}
        features = [feature(f"n{row}", point(1, 2)) for row in range(2000)]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features, "crs": crs}))
        if refused:
            with pytest.raises(InputError, match="only after the features"):
                whole(path)
        else:
            assert len(whole(path).ids) == 2000


def test_features_longer_than_a_block_and_things_that_are_no_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Callable[..., Any]
) -> None:
    monkeypatch.setattr(geojson, "BLOCK_BYTES", 7)
    features: list[Any] = [feature(f"é🗺{row}", point(1.25, row), note="x" * row * 10) for row in range(1, 30)]
    features[5:5] = [17, {"type": "Point", "coordinates": [1, 2]}, None]
    path = collection(tmp_path / "a.geojson", features, name={"features": [1, 2]}, bbox=[0, 0, 1, 1])
    found = whole(path)
    assert found.ids == [f"é🗺{row}" for row in range(1, 30)]
    assert found.reasons == {5: "malformed_row", 6: "malformed_row", 7: "malformed_row"}
    assert found.rejects[0]["detail"] == "feature 6: not a feature"


def test_feature_per_line(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.geojsonl"
    path.write_text("".join(json.dumps(feature(None, point(1, row), id=f"n{row}")) + "\n" for row in (1, 2)))
    assert whole(path).ids == ["n1", "n2"]


def test_characters_that_gdal_garbles(tmp_path: Path, whole: Callable[..., Any]) -> None:
    ids = ["\U0002d800", "\U0001d800", "<script>", 'a"b', "two\nlines"]
    assert whole(collection(tmp_path / "a.geojson", [feature(one, point(1, 2)) for one in ids])).ids == ids


def test_damaged_geojson(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = collection(tmp_path / "a.geojson", [feature(f"n{row}", point(row, 2)) for row in range(1, 100)])
    content = path.read_bytes()
    for damaged, message in [
        (content[: len(content) // 2], "cannot be read as GeoJSON"),
        (content[:-1], "cannot be read as GeoJSON"),
        (content.replace(b'"n50"', b'"n50'), "cannot be read as GeoJSON"),
        (content + b"x", "cannot be read as GeoJSON"),
        (b'{"type": "Topology"}', "neither a feature nor"),
        (b'{"features": ' + b"[" * 100_000, "nested too deeply"),
        (b"", "is empty"),
        (content.decode().encode("utf-16"), "UTF-16"),
        (content.replace(b"n17", b"n\xff7"), r"byte \d+ \(line 1\)"),
        (b'{"type": "FeatureCollection", "features": []}', "is empty"),
        (b"hello", "cannot be read as GeoJSON"),
    ]:
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=message) as caught:
            whole(path)
        assert str(path) in caught.value.message


def frame(count: int, **columns: Any) -> geopandas.GeoDataFrame:
    points = shapely.points(np.arange(count) + 1.0, np.arange(count) % 80 + 2.0)
    return geopandas.GeoDataFrame(columns, geometry=points, crs="EPSG:4326")


def test_geopackage(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.gpkg"
    frame(100, id=[f"n{row}" for row in range(100)], sequence=["s"] * 100).to_file(path)
    found = whole(path, sequence=True)
    assert found.ids == [f"n{row}" for row in range(100)]
    assert found.sequence == ["s"] * 100
    assert found.pool.format == "geopackage"
    rows = np.array([3, 50, 99], dtype=np.int64)
    assert found.pool.take(0, rows, ["sequence_id"])["source_id"].to_pylist() == ["n3", "n50", "n99"]


def test_geopackage_falls_back_on_its_primary_key(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.gpkg"
    frame(3, name=["a", "b", "c"]).to_file(path)
    assert whole(path).ids == ["1", "2", "3"]


def test_geopackage_in_another_reference_system(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.gpkg"
    frame(5, id=list("abcde")).to_crs(3857).to_file(path)
    found = whole(path)
    assert found.lng == pytest.approx([1, 2, 3, 4, 5], abs=1e-9)
    assert any("EPSG:3857" in notice for notice in found.pool.notices)


def test_several_layers(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.gpkg"
    frame(2, id=["a", "b"]).to_file(path, layer="photos")
    frame(3, id=["c", "d", "e"]).to_file(path, layer="others")
    found = whole(path)
    assert found.ids == ["a", "b"]
    assert any("layer 'photos' is read; others are not (others)" in notice for notice in found.pool.notices)


def test_damaged_geopackage(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.gpkg"
    frame(5000, id=[f"n{row}" for row in range(5000)]).to_file(path)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:300], b"rubbish" * 100):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a\.gpkg"):
            whole(path)
