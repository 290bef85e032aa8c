"""Samples that the review gave back are replaced from the reserve, like those whose picture is dead."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geoseek.annotation.push.subjects import read_rejected_samples, write_rejected_samples
from geoseek.media import DownloadSettings, ExamineSettings, FetchRequest, PixelLimits, PoolFiles, run_fetch
from geoseek.schemas import InputError, Split
from tests.media_support import Draw, ImageServer, MakePicture


def fetch(folder: Path) -> bool:
    request = FetchRequest(
        folder / "samples",
        folder / "images",
        (),
        DownloadSettings("tests/1", allow_private=True),
        ExamineSettings(PixelLimits(1000, 4_000_000)),
        PoolFiles({}, []),
        given_back=read_rejected_samples(folder),
    )
    return run_fetch(request).up_to_date


def rows(folder: Path, name: str) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in pq.read_table(folder / "images" / f"{name}.parquet").to_pylist()}


def test_the_reserve_stands_in_for_them(tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw) -> None:
    urls = [server.add(f"/{n}.jpg", picture(n)) for n in range(4)]
    draw(tmp_path / "samples", {Split.COT: urls[:2]}, {Split.COT: urls[2:]})
    fetch(tmp_path)
    assert set(rows(tmp_path, "members")) == {"pool:cot-FR-1", "pool:cot-FR-2"}
    write_rejected_samples(tmp_path, {(Split.COT, "pool:cot-FR-1"), (Split.VAL, "pool:cot-FR-2")})
    assert not fetch(tmp_path)
    members = rows(tmp_path, "members")
    assert set(members) == {"pool:cot-FR-2", "pool:cot-FR-3"}
    assert members["pool:cot-FR-3"]["replaces"] == "pool:cot-FR-1"
    assert rows(tmp_path, "rejects")["pool:cot-FR-1"]["reason"] == "review"
    assert (server.hits["/0.jpg"], server.hits["/2.jpg"], server.hits["/3.jpg"]) == (1, 1, 0)
    assert fetch(tmp_path)
    write_rejected_samples(tmp_path, set())
    assert not fetch(tmp_path)
    assert set(rows(tmp_path, "members")) == {"pool:cot-FR-1", "pool:cot-FR-2"}


@pytest.mark.parametrize("text", ["split,sample_id\nnone,pool:1\n", "id\npool:1\n"])
def test_a_damaged_list_is_an_error(tmp_path: Path, text: str) -> None:
    write_rejected_samples(tmp_path, {(Split.COT, "pool:1")})
    path = tmp_path / "work" / "annotation" / "rejected-samples.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"rejected-samples\.csv cannot be read"):
        read_rejected_samples(tmp_path)
