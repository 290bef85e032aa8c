from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geoseek.sampling import grouping
from geoseek.sampling.duplicates import DUPLICATE_STATUS, duplicate_rejects, mark_duplicates
from geoseek.sampling.frame import Frame, FrameSettings, build_frame
from geoseek.sampling.pools import PoolSpec, open_pool
from tests.support import Write

SETTINGS = FrameSettings(offshore_tolerance_km=10, boundaries=None, check_duplicates=True, with_sequences=False)


def _frame(folder: Path, *paths: Path) -> Frame:
    pools = [open_pool(PoolSpec(path.stem, str(path), None)) for path in paths]
    return build_frame(pools, SETTINGS, folder, workers=1)


def _kept(frame: Frame) -> set[tuple[str, float, float, str]]:
    rows = set()
    for part in frame.parts:
        status = part.status(DUPLICATE_STATUS)
        assert status is not None
        alive = np.flatnonzero(status == 0)
        pool = frame.pools[part.pool]
        table = pool.take(part.file, part.take("row", alive).astype(np.int64) + part.start, ["image"])
        values = table["source_id"].to_pylist(), table["image"].to_pylist()
        lat, lng = part.take("lat", alive).tolist(), part.take("lng", alive).tolist()
        rows |= set(zip(values[0], lat, lng, values[1], strict=True))
    return rows


def _dirty(candidates: pd.DataFrame) -> pd.DataFrame:
    """Repeat rows: exactly, with another image, and with another position."""
    rng = np.random.default_rng(2)
    base = candidates[["id", "lat", "lng", "image"]].head(3000)
    again = base.iloc[rng.integers(0, len(base), 900)].copy()
    again.iloc[300:600, 3] = [f"https://a.example.org/{i}.jpg" for i in range(300)]
    again.iloc[600:, 1] += rng.normal(0, 0.01, 300)
    return pd.concat([base, again]).sample(frac=1, random_state=1, ignore_index=True)


def _expected(table: pd.DataFrame) -> set[tuple[str, float, float, str]]:
    best: dict[str, tuple[float, float, str]] = defaultdict(lambda: (np.inf, np.inf, ""))
    for identity, lat, lng, image in zip(table["id"], table["lat"], table["lng"], table["image"], strict=True):
        best[identity] = min(best[identity], (lat, lng, image))
    return {(identity, *value) for identity, value in best.items()}


@pytest.mark.parametrize("partition_bytes", [48 * 1024 * 1024, 5000])
def test_smallest_position_and_image_is_kept(
    candidates: pd.DataFrame, write_pool: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partition_bytes: int
) -> None:
    monkeypatch.setattr(grouping, "PARTITION_BYTES", partition_bytes)
    table = _dirty(candidates)
    frame = _frame(tmp_path / "frame", write_pool(table, tmp_path / "p.parquet"))
    assert mark_duplicates(frame, tmp_path / "scratch") == 900
    assert _kept(frame) == _expected(table)
    assert not (tmp_path / "scratch").exists()


def test_row_order_and_files_do_not_matter(candidates: pd.DataFrame, write_pool: Write, tmp_path: Path) -> None:
    table = _dirty(candidates)
    for number, piece in enumerate(np.array_split(np.arange(len(table)), 3)):
        write_pool(table.iloc[piece[::-1]], tmp_path / "p" / f"{number}.parquet")
    frame = _frame(tmp_path / "frame", tmp_path / "p")
    mark_duplicates(frame, tmp_path / "scratch")
    assert _kept(frame) == _expected(table)


def test_rejects_name_file_row_and_id(candidates: pd.DataFrame, write_pool: Write, tmp_path: Path) -> None:
    table = pd.concat([candidates.head(50), candidates.iloc[[7]]], ignore_index=True)
    frame = _frame(tmp_path / "frame", write_pool(table, tmp_path / "p.parquet"))
    assert mark_duplicates(frame, tmp_path / "scratch") == 1
    (rejects,) = duplicate_rejects(frame)
    (row,) = rejects.to_pylist()
    assert (row["file"], row["row"], row["source_id"], row["reason"]) == ("p.parquet", 50, "img-000007", "duplicate_id")


def test_one_id_in_two_pools_is_no_duplicate(candidates: pd.DataFrame, write_pool: Write, tmp_path: Path) -> None:
    a = write_pool(candidates.head(100), tmp_path / "a.parquet")
    b = write_pool(candidates.head(100), tmp_path / "b.parquet")
    assert mark_duplicates(_frame(tmp_path / "frame", a, b), tmp_path / "scratch") == 0
