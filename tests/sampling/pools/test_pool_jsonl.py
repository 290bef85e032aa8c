from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoseek.sampling.pools import jsonlines, open_pool, parse_pool
from geoseek.schemas import InputError


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_numbers_strings_and_nulls(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"id": 1, "lat": 48, "lng": 2.35},
        {"id": "two", "lat": "48.5", "lng": "2"},
        {"id": 3.0, "lat": 1, "lng": 2},
        {"lat": 1, "lng": 2},
        {"id": "m", "lng": 2},
        {"id": "n", "lat": True, "lng": [1]},
        {"id": 12345678901234567890, "lat": 1, "lng": 180},
    )
    found = whole(path)
    assert found.ids == ["1", "two", "3", "12345678901234567890"]
    assert found.lat == [48.0, 48.5, 1.0, 1.0]
    assert found.reasons == {3: "missing_id", 4: "missing_coordinate", 5: "non_numeric_coordinate"}


def test_nan_is_missing_and_infinity_is_not_a_number(tmp_path: Path, whole: Callable[..., Any]) -> None:
    numeric = whole(
        write(tmp_path / "a.jsonl", *({"id": 1, "lat": x, "lng": 2.0} for x in (float("nan"), float("inf"))))
    )
    mixed = whole(
        write(tmp_path / "b.jsonl", *({"id": 1, "lat": x, "lng": 2.0} for x in (float("nan"), float("inf"), "x")))
    )
    assert list(numeric.reasons.values()) == ["missing_coordinate", "non_numeric_coordinate"]
    assert list(mixed.reasons.values())[:2] == list(numeric.reasons.values())


def test_bad_lines(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(
        '{"id": "a", "lat": 1, "lng": 2}\n'
        '{"id": "b", "lat": 1, \n'
        "\n"
        "[1, 2]\n"
        '{"id": "\\ud800", "lat": 1, "lng": 2}\n'
        f"{'[' * 100_000}\n"
        f'{{"id": {"9" * 5000}, "lat": 1, "lng": 2}}\n'
        '{"id": "\\ud83d\\uddfa", "lat": 1, "lng": 3}'
    )
    found = whole(path)
    assert found.rows == [(0, 0), (0, 6)]
    assert found.ids == ["a", "🗺"]
    assert set(found.reasons) == {1, 2, 3, 4, 5}
    assert set(found.reasons.values()) == {"malformed_row"}
    details = {reject["row"]: reject["detail"] for reject in found.rejects}
    assert details[2] == "line 4: not an object, but list"
    assert details[3] == "line 5: half a surrogate pair"


@pytest.mark.parametrize(
    "position",
    [
        {"location": {"lat": 48.85, "lng": 2.35}},
        {"geometry": {"type": "Point", "coordinates": [2.35, 48.85]}},
        {"computed_geometry": {"type": "Point", "coordinates": [2.35, 48.85]}},
        {"coordinates": [2.35, 48.85]},
        {"geometry": "POINT (2.35 48.85)"},
    ],
)
def test_nested_positions(position: dict[str, Any], tmp_path: Path, whole: Callable[..., Any]) -> None:
    found = whole(write(tmp_path / "a.jsonl", {"id": "a", **position}))
    assert (found.lat, found.lng) == ([48.85], [2.35])


def test_geometries_that_are_no_points(tmp_path: Path, whole: Callable[..., Any]) -> None:
    geometries: list[Any] = [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
        {"type": "Point", "coordinates": ["a", 2]},
        {"type": "Point", "coordinates": []},
        None,
        "POLYGON ((0 0, 1 0, 1 1, 0 0))",
        "rubbish",
    ]
    path = write(tmp_path / "a.jsonl", *({"id": i, "geometry": one} for i, one in enumerate(geometries)))
    found = whole(path)
    assert found.ids == ["0"]
    assert found.reasons == {
        1: "not_a_point",
        2: "not_a_point",
        3: "missing_coordinate",
        4: "missing_coordinate",
        5: "not_a_point",
        6: "not_a_point",
    }
    assert [reject["detail"] for reject in found.rejects if reject["row"] in (1, 5)] == ["LineString", "Polygon"]


def test_gzip_and_encoding(tmp_path: Path, whole: Callable[..., Any]) -> None:
    line = json.dumps({"id": "Malmö", "lat": 1, "lng": 2}, ensure_ascii=False)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(line.encode()))
    assert whole(packed).ids == ["Malmö"]
    latin = tmp_path / "b.jsonl"
    latin.write_bytes(line.encode("latin-1"))
    assert whole(latin, encoding="latin-1").ids == ["Malmö"]
    with pytest.raises(InputError, match=r"byte 12 \(line 1\)"):
        whole(latin)
    packed.write_bytes(gzip.compress(line.encode() * 1000)[:-9])
    with pytest.raises(InputError, match="not a complete gzip file"):
        whole(packed)


@pytest.mark.parametrize(("content", "message"), [("", "is empty"), ("\n", "is empty"), ("[\n1\n]\n", "is not jsonl")])
def test_unusable(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        open_pool(parse_pool(str(path)))


def test_take_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Callable[..., Any]) -> None:
    monkeypatch.setattr(jsonlines, "BATCH_ROWS", 7)
    path = write(
        tmp_path / "a.jsonl", *({"id": i, "lat": 1, "lng": 2, "captured_at": 1401108962384} for i in range(40))
    )
    found = whole(path)
    assert found.rows == [(0, row) for row in range(40)]
    rows = np.array([0, 6, 7, 39], dtype=np.int64)
    taken = found.pool.take(0, rows, ["captured_at"])
    assert taken["source_id"].to_pylist() == ["0", "6", "7", "39"]
    assert set(taken["captured_at"].to_pylist()) == {"2014-05-26T12:56:02.384Z"}


def test_json_files_are_told_apart(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = write(tmp_path / "a.json", {"id": 1, "lat": 1, "lng": 2})
    assert whole(path).pool.format == "jsonl"
    path.write_text("[]")
    with pytest.raises(InputError, match="no format"):
        whole(path)
