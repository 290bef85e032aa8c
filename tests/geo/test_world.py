from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geoseek.geo import load_country_polygons, load_world


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_every_country_has_an_outline_and_the_whole_is_light(own_cache: Path) -> None:
    world = load_world()
    assert {outline.code for outline in world} == set(load_country_polygons()["code"])
    assert sum(len(ring) for outline in world for ring in outline.rings) < 60_000
    assert all(np.array_equal(ring[0], ring[-1]) for outline in world for ring in outline.rings)
    points = np.concatenate([ring for outline in world for ring in outline.rings])
    assert (np.abs(points) <= [180, 90]).all()


def test_holes_follow_their_polygon(own_cache: Path) -> None:
    largest = next(outline for outline in load_world() if outline.code == "ZA")
    holes = [ring for ring in largest.rings[1:] if len(ring) > 4]
    assert any(np.allclose(ring.mean(axis=0), [28.2, -29.6], atol=0.7) for ring in holes), "Lesotho"


def test_cached_and_rebuilt_when_damaged(own_cache: Path) -> None:
    first = load_world()
    (path,) = (own_cache / "world").iterdir()
    assert path.stat().st_size < 3e6
    path.write_bytes(b"PK")
    again = load_world()
    assert path.stat().st_size > 1000
    assert [outline.code for outline in again] == [outline.code for outline in first]
