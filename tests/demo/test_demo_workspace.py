from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from geoseek.demo import create_demo_workspace
from geoseek.demo.workspace import ATTRIBUTION, LICENSE, POOL_COLUMNS
from geoseek.schemas import Sample, Split, UsageError

SIZE = (128, 96)


def sample(number: int, code: str, country: str, lat: float, lng: float) -> dict[str, Any]:
    return Sample(
        id=f"geonames:{number}",
        source="geonames",
        source_id=str(number),
        lat=lat,
        lng=lng,
        image=None,
        captured_at=None,
        sequence_id=None,
        license=None,
        attribution=None,
        orientation=None,
        split=Split.VAL if number % 2 else Split.COT,
        rank=1,
        country_code=code,
        country=country,
        continent="EU",
        region="Region",
        place="Place",
        place_distance_km=0.0,
        cell=1,
        stratum=code,
        inclusion_probability=0.5,
        design_weight=2.0,
        prn=0.5,
    ).model_dump(mode="json")


ROWS = [
    sample(1, "FR", "France", 47.0, 2.0),
    sample(2, "JP", "Japan", 35.0, 139.0),
    sample(3, "KE", "Kenya", -1.0, 36.0),
]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_workspace_holds_pool_and_annotations(tmp_path: Path) -> None:
    made = create_demo_workspace(tmp_path, ROWS, seed=5, size=SIZE, annotated=2)
    assert (made.scenes, made.annotated) == (3, 2)
    with made.pool.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == POOL_COLUMNS
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS]
    assert {(row["license"], row["attribution"]) for row in rows} == {(LICENSE, ATTRIBUTION)}
    assert [(float(row["lat"]), float(row["lng"])) for row in rows] == [(row["lat"], row["lng"]) for row in ROWS]
    for row in rows:
        assert (made.pool.parent / row["image"]).is_file()
    assert made.annotations is not None
    tasks = json.loads(made.annotations.read_text(encoding="utf-8"))
    assert [task["data"]["id"] for task in tasks] == ["demo:geonames:1", "demo:geonames:2"]
    assert all((tmp_path / task["data"]["image"]).is_file() for task in tasks)


def test_pictures_and_records_say_synthetic(tmp_path: Path) -> None:
    made = create_demo_workspace(tmp_path, ROWS, size=SIZE)
    for path in sorted((made.pool.parent / "images").iterdir()):
        with Image.open(path) as image:
            assert image.format == "JPEG"
            assert image.size == SIZE
            assert b"synthetic, drawn by GeoSeek" in image.info["comment"]
            assert b"digitalCreation" in image.info["xmp"]
            assert b"synthetic" in image.info["xmp"]
            assert not image.getexif()
    for line in (made.pool.parent / "scenes.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        assert record["provenance"] == "synthetic"
        assert all(feature["basis"] for feature in record["features"])


def test_equal_arguments_give_equal_folders(tmp_path: Path) -> None:
    create_demo_workspace(tmp_path / "a", ROWS, seed=5, size=SIZE)
    create_demo_workspace(tmp_path / "b", pa.Table.from_pylist(ROWS), seed=5, size=SIZE)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    create_demo_workspace(tmp_path / "a", ROWS, seed=5, size=SIZE)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_bad_samples(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no samples"):
        create_demo_workspace(tmp_path, [])
    with pytest.raises(UsageError, match="country_code"):
        create_demo_workspace(tmp_path, [{"id": "x", "lat": 0.0, "lng": 0.0, "country": "France"}])
    with pytest.raises(UsageError, match="ZZ"):
        create_demo_workspace(tmp_path, [{**ROWS[0], "country_code": "ZZ"}])


def test_no_annotations_on_request(tmp_path: Path) -> None:
    made = create_demo_workspace(tmp_path, ROWS[:1], size=SIZE, annotated=0)
    assert made.annotations is None
    assert not (tmp_path / "annotation").exists()
