from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geoseek.geo import CELLS, cell_of, load_country_index
from geoseek.sampling.cells import collect_cells, count_cells
from geoseek.sampling.frame import Frame, FrameSettings, build_frame
from geoseek.sampling.pools import Pool, PoolSpec, open_pool
from geoseek.sampling.run import swap_notice
from geoseek.schemas import InputError
from tests.support import Write

SETTINGS = FrameSettings(offshore_tolerance_km=10, boundaries=None, check_duplicates=False, with_sequences=True)


def _pool(path: Path) -> Pool:
    return open_pool(PoolSpec(path.stem, str(path), None))


def _build(path: Path, folder: Path, settings: FrameSettings = SETTINGS) -> Frame:
    return build_frame([_pool(path)], settings, folder, workers=2)


def _dirty(candidates: pd.DataFrame) -> pd.DataFrame:
    frame = candidates.head(1000).copy()
    frame["lat"] = frame["lat"].astype(object)
    frame.loc[0, "lat"] = None
    frame.loc[1, "lat"] = "north"
    frame.loc[2, "lat"] = "95"
    frame.loc[3, ["lat", "lng"]] = [0.0, 0.0]
    frame.loc[4, ["lat", "lng"]] = [-45.0, -120.0]
    frame.loc[5, ["lat", "lng"]] = [1e300, 1e300]
    return frame


def test_read_is_kept_plus_rejected_with_reason_file_and_row(candidates: pd.DataFrame, tmp_path: Path) -> None:
    _dirty(candidates).to_csv(tmp_path / "p.csv", index=False)
    frame = _build(tmp_path / "p.csv", tmp_path / "frame")
    assert frame.read == 1000
    assert frame.read == frame.kept + sum(frame.reject_counts().values())
    rows = pd.concat([table.to_pandas() for table in frame.rejects()]).set_index("row")
    assert rows.loc[range(6), "reason"].tolist() == [
        "missing_coordinate",
        "non_numeric_coordinate",
        "out_of_range",
        "null_island",
        "not_on_land",
        "out_of_range",
    ]
    assert (rows["file"] == "p.csv").all()
    assert rows.loc[1, "lat"] == "north"


def test_country_and_cell_of_every_row(candidates: pd.DataFrame, write_pool: Write, tmp_path: Path) -> None:
    frame = _build(write_pool(candidates, tmp_path / "p.parquet"), tmp_path / "frame")
    index = load_country_index()
    table = collect_cells(frame.parts, len(index.codes))
    for part in frame.parts:
        key, lat, lng = part.column("key"), part.column("lat"), part.column("lng")
        assert np.array_equal(key % CELLS, cell_of(lat, lng))
        on_land = index.locate(lat, lng)[0]
        assert np.array_equal((key // CELLS)[on_land >= 0], on_land[on_land >= 0])
        assert np.array_equal(table.key[table.locate(key)], key)
    assert count_cells(frame.parts, table, None)[0].sum() == frame.kept


def test_offshore_tolerance_decides_who_joins_the_nearest_country(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a", "b"], "lat": [43.25, 43.0], "lng": [5.30, 4.0]}).to_csv(tmp_path / "p.csv", index=False)
    strict = FrameSettings(0.0, None, False, False)
    wide = FrameSettings(200.0, None, False, False)
    assert _build(tmp_path / "p.csv", tmp_path / "strict", strict).kept == 0
    frame = _build(tmp_path / "p.csv", tmp_path / "wide", wide)
    assert frame.kept == 2 == sum(part.nearshore for part in frame.parts)
    country = frame.parts[0].column("key") // CELLS
    assert {frame.index.codes[i] for i in country} == {"FR"}


def test_checksum_ignores_order_and_notices_change(candidates: pd.DataFrame, write_pool: Write, tmp_path: Path) -> None:
    frames = {
        "plain": candidates,
        "shuffled": candidates.sample(frac=1, random_state=4),
        "moved": candidates.assign(lat=candidates["lat"].where(candidates.index != 5, candidates["lat"] + 1e-9)),
    }
    sums = {}
    for name, table in frames.items():
        write_pool(table, tmp_path / name / "p.parquet")
        sums[name] = _build(tmp_path / name / "p.parquet", tmp_path / name / "frame").checksum
    assert sums["plain"] == sums["shuffled"] != sums["moved"]


def test_swapped_coordinates_are_said(places: pd.DataFrame, tmp_path: Path) -> None:
    europe = places[places["lng"].between(-10, 30) & places["lat"].between(36, 70)]
    swapped = pd.DataFrame({"id": range(len(europe)), "lat": europe["lng"].to_numpy(), "lng": europe["lat"].to_numpy()})
    swapped.to_csv(tmp_path / "p.csv", index=False)
    frame = _build(tmp_path / "p.csv", tmp_path / "frame")
    notice = swap_notice("p", frame.parts)
    assert notice is not None
    assert "look exchanged" in notice
    assert any("exchanged" in (row or "") for table in frame.rejects() for row in table["detail"].to_pylist())


def test_sea_alone_is_not_called_swapped(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"id": range(4000), "lat": rng.uniform(-60, 70, 4000), "lng": rng.uniform(-180, 180, 4000)})
    table.to_csv(tmp_path / "p.csv", index=False)
    assert swap_notice("p", _build(tmp_path / "p.csv", tmp_path / "frame").parts) is None


def _build_and_die(path: str, folder: str, after: int) -> None:
    rename = Path.rename
    done = 0

    def dying(self: Path, target: Path) -> Path:
        nonlocal done
        if done == after:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        return rename(self, target)

    Path.rename = dying  # type: ignore[method-assign,assignment]
    build_frame([_pool(Path(path))], SETTINGS, Path(folder), workers=1)


def test_kill_9_keeps_finished_parts(candidates: pd.DataFrame, write_pool: Write, tmp_path: Path) -> None:
    for number in range(4):
        write_pool(candidates.iloc[number * 500 : (number + 1) * 500], tmp_path / "p" / f"{number}.parquet")
    process = multiprocessing.get_context("spawn").Process(
        target=_build_and_die, args=(str(tmp_path / "p"), str(tmp_path / "frame"), 2)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    finished = [p for p in (tmp_path / "frame").iterdir() if not p.name.startswith(".")]
    assert len(finished) == 2
    stamps = {p: (p / "key").stat().st_mtime_ns for p in finished}
    resumed = _build(tmp_path / "p", tmp_path / "frame")
    assert {p: (p / "key").stat().st_mtime_ns for p in finished} == stamps
    whole = _build(tmp_path / "p", tmp_path / "whole")
    assert resumed.checksum == whole.checksum
    for one, other in zip(resumed.parts, whole.parts, strict=True):
        for name in ("key", "row", "lat", "lng", "id", "sequence"):
            assert np.array_equal(one.column(name), other.column(name))
        assert json.loads((one.folder / "part.json").read_text()) == json.loads(
            (other.folder / "part.json").read_text()
        )


def test_a_file_that_breaks_in_the_middle_is_named(candidates: pd.DataFrame, write_pool: Write, tmp_path: Path) -> None:
    path = write_pool(candidates, tmp_path / "p.parquet")
    pool = _pool(path)
    content = bytearray(path.read_bytes())
    content[1000:60_000] = b"\0" * 59_000
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"p\.parquet"):
        build_frame([pool], SETTINGS, tmp_path / "frame", workers=2)
