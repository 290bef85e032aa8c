from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from geoseek.sampling.inputs import anchor_paths, load_inputs, pool_fingerprint, pool_groups, read_coordinates
from geoseek.sampling.pools import PoolSpec, open_pool
from geoseek.schemas import UsageError
from geoseek.workspace import SampleSettings
from tests.support import Write


def _specs(*shares: float | None) -> list[PoolSpec]:
    return [PoolSpec(f"p{i}", "x", share) for i, share in enumerate(shares)]


def test_pools_without_shares_are_one_group() -> None:
    (group,) = pool_groups(_specs(None, None))
    assert (group.share, group.pools) == (1.0, (0, 1))


def test_pools_without_a_share_divide_the_remainder() -> None:
    groups = pool_groups(_specs(None, 0.625, None))
    assert [(group.share, group.pools) for group in groups] == [(0.375, (0, 2)), (0.625, (1,))]


@pytest.mark.parametrize("shares", [(0.5, 0.6), (0.5,), (1.0, None)])
def test_shares_must_fill_the_whole(shares: tuple[float | None, ...]) -> None:
    with pytest.raises(UsageError, match="shares"):
        pool_groups(_specs(*shares))


def test_fingerprint_follows_content_and_names_not_place(
    candidates: pd.DataFrame, write_pool: Write, tmp_path: Path
) -> None:
    one = write_pool(candidates.head(50), tmp_path / "a" / "p.parquet")
    two = write_pool(candidates.head(50), tmp_path / "b" / "p.parquet")
    three = write_pool(candidates.head(51), tmp_path / "c" / "p.parquet")
    prints = [pool_fingerprint(open_pool(PoolSpec("p", str(path), None))) for path in (one, two, three)]
    assert prints[0] == prints[1]
    assert prints[0]["digest"] != prints[2]["digest"]
    assert pool_fingerprint(open_pool(PoolSpec("geonames", "geonames", None)))["scheme"] == "built-in"


def test_a_folder_of_photos_counts_by_name_and_size(photos: Path) -> None:
    found = pool_fingerprint(open_pool(PoolSpec("lund", str(photos / "lund"), None)))
    assert (found["files"], found["scheme"]) == (29, "names and sizes")
    assert found["bytes"] == sum(path.stat().st_size for path in (photos / "lund").glob("*.jpg"))


def test_relative_paths_start_at_the_file_that_names_them(tmp_path: Path) -> None:
    settings = SampleSettings(
        pools=("geonames:0.5", "a=sub/p.csv:0.5"),
        avoid=("bench.csv:2",),
        boundaries="b.csv",
        population_raster="/r.tif",
    )
    found = anchor_paths(settings, tmp_path)
    assert found.pools == ("geonames=geonames:0.5", f"a={tmp_path}/sub/p.csv:0.5")
    assert found.avoid == (f"{tmp_path}/bench.csv:2",)
    assert (found.boundaries, found.population_raster) == (f"{tmp_path}/b.csv", "/r.tif")


def test_avoided_files_take_their_own_distance_or_the_separation(candidates: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "bench.csv"
    candidates[["lat", "lng"]].head(20).to_csv(path, index=False)
    settings = SampleSettings(avoid=(f"{path}:7.5", str(path)), separation_km=2.0)
    inputs = load_inputs(settings)
    assert [benchmark.distance_km for benchmark in inputs.avoided] == [7.5, 2.0]
    assert [entry["points"] for entry in inputs.avoid_prints] == [20, 20]
    lat, lng, _ = read_coordinates(path, settings)
    assert len(lat) == len(lng) == 20
