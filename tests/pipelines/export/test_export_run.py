"""Runs: what is kept and left out, again and again, interrupted, on full disks."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geoseek.pipelines import ExportRequest, describe_export, run_export
from geoseek.pipelines.export import shards
from geoseek.pipelines.export.before import TAG_REJECTS_FILE
from geoseek.pipelines.export.features import IMAGE_BYTES
from geoseek.schemas import ExportRejectReason, InputError, OutputError, Split, UsageError
from geoseek.workspace import ExportSettings
from tests.pipelines.export.worlds import BY_SA, CC0, UNKNOWN, World, chain, files_of, full_world

_KILLED = """
import sys
from pathlib import Path
from geoseek.pipelines import ExportRequest, run_export
from geoseek.schemas import Split
from geoseek.workspace import ExportSettings
folder = Path(sys.argv[1])
run_export(ExportRequest(folder, folder / "export", (Split.LOC,), ExportSettings(shard_mb=1), workers=1))
"""


def rows_of(output: Path, split: str) -> list[dict[str, Any]]:
    files = sorted((output / "data" / split).glob("*.parquet"))
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def rejects_of(output: Path) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in pq.read_table(output / "rejects.parquet").to_pylist()}


def _heavy(seed: int) -> bytes:
    """Return a JPEG of about 300 kB: noise does not compress."""
    noise = np.random.default_rng(seed).integers(0, 256, (360, 480, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    run_export(world.request(output="a"))
    run_export(ExportRequest(tmp_path, tmp_path / "b", (), ExportSettings(), workers=1))
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_again_is_up_to_date_and_force_gives_the_same(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    first = run_export(world.request())
    before = files_of(tmp_path / "export")
    again = run_export(world.request())
    assert again.up_to_date
    assert again.figures == first.figures
    assert not run_export(world.request(), force=True).up_to_date
    assert files_of(tmp_path / "export") == before


def test_read_is_kept_and_rejected(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    some = {key: chain() for key in world.ids[Split.COT][:3]}
    world.curate(some | {"pool:cot-99": chain()})
    figures = run_export(world.request()).figures["cot"]
    assert (figures["read"], figures["rows"]) == (8, 3)
    assert figures["rejected"] == {"no_chain": 4, "no_sample": 1}
    assert rejects_of(tmp_path / "export")["pool:cot-99"] == "no_sample"


def test_missing_and_changed_pictures_leave_the_rest(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    images = tmp_path / "work" / "images"
    by_id = {row["id"]: images / row["path"] for row in pq.read_table(images / "images.parquet").to_pylist()}
    gone, changed, broken = world.ids[Split.LOC][:3]
    original = by_id[changed].read_bytes()
    by_id[gone].unlink()
    by_id[changed].write_bytes(original + b"more")
    del broken
    result = run_export(world.request())
    assert rejects_of(tmp_path / "export") == {gone: "missing_image", changed: "changed_image"}
    assert result.figures["loc"]["rows"] == 7
    assert any("no longer there" in notice for notice in result.notices)

    by_id[changed].write_bytes(original)
    again = run_export(world.request())
    assert not again.up_to_date
    assert rejects_of(tmp_path / "export") == {gone: "missing_image"}


def test_damaged_picture_is_rejected(tmp_path: Path) -> None:
    world = World(tmp_path).draw(Split.LOC, 3)
    key = world.ids[Split.LOC][1]
    world.fetch(pictures={key: b"\xff\xd8\xff\xe0 cut off"})
    run_export(world.request())
    assert rejects_of(tmp_path / "export") == {key: ExportRejectReason.UNREADABLE_IMAGE.value}


def test_licences_decide_what_is_embedded(tmp_path: Path) -> None:
    world = World(tmp_path).draw(Split.LOC, 6, licences=(CC0, BY_SA, UNKNOWN)).fetch()
    result = run_export(world.request())
    for row in rows_of(tmp_path / "export", "loc"):
        embedded = row["image"]["bytes"] is not None
        assert embedded == (row["license"] != UNKNOWN)
        assert embedded or row["image"]["path"].startswith("https://example.org/")
        assert row["image_sha256"] is not None
    card = (tmp_path / "export" / "README.md").read_text(encoding="utf-8")
    assert "license: cc-by-sa-4.0" in card
    assert "**Share-alike:**" in card
    assert "photographer 1" in card
    assert any("unknown" in notice for notice in result.notices)


@pytest.mark.parametrize(("mode", "path"), [("reference", "https://example.org/0.jpg"), ("none", None)])
def test_modes_without_bytes(tmp_path: Path, mode: str, path: str | None) -> None:
    world = World(tmp_path).draw(Split.LOC, 1).fetch()
    run_export(world.request(images=mode))
    (row,) = rows_of(tmp_path / "export", "loc")
    assert row["image"] == (None if path is None else {"bytes": None, "path": path})
    assert row["width"] == 96


def test_workspace_without_pictures(tmp_path: Path) -> None:
    world = World(tmp_path).draw(Split.VAL, 4, image=None, license=None).draw(Split.COT, 3, image=None, license=None)
    result = run_export(world.request())
    (first, *_) = rows_of(tmp_path / "export", "val")
    assert (first["image"], first["image_sha256"], first["picture"]) == (None, None, None)
    assert result.figures["cot"]["rows"] == 0
    assert any(notice.startswith("cot has no rows") for notice in result.notices)
    assert 'load_dataset(PATH, "cot")' not in (tmp_path / "export" / "README.md").read_text(encoding="utf-8")


def test_pictures_that_were_never_fetched_are_mentioned(tmp_path: Path) -> None:
    result = run_export(World(tmp_path).draw(Split.VAL, 4).request())
    assert result.figures["val"]["rows"] == 4
    assert any("never fetched" in notice for notice in result.notices)


def test_pictures_of_another_draw(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    World(tmp_path).draw(Split.LOC, 2)
    with pytest.raises(InputError, match="earlier draw"):
        run_export(world.request())


def test_rows_out_of_range_are_left_out(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    world.leave_out(world.ids[Split.VAL][:1], TAG_REJECTS_FILE)
    run_export(world.request(Split.VAL))
    assert rejects_of(tmp_path / "export") == {world.ids[Split.VAL][0]: "out_of_range"}


def test_one_split_keeps_the_others_while_they_are_right(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    run_export(world.request())
    before = files_of(tmp_path / "export")
    assert run_export(world.request(Split.VAL)).up_to_date
    world.curate({key: chain("hydrant") for key in world.ids[Split.COT]})
    result = run_export(world.request(Split.VAL))
    assert set(result.figures) == {"val", "loc"}
    assert any(notice.startswith("cot was exported from other data") for notice in result.notices)
    assert not list((tmp_path / "export" / "data" / "cot").glob("*"))
    after = files_of(tmp_path / "export")
    name = "data/loc/train-00000-of-00001.parquet"
    assert after[name] == before[name]
    run_export(world.request())
    assert set(json.loads((tmp_path / "export" / "export.json").read_text())["splits"]) == {"val", "loc", "cot"}


@pytest.mark.parametrize("output", [".", "work/samples"])
def test_folders_of_others_are_left_alone(tmp_path: Path, output: str) -> None:
    world = full_world(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    before = files_of(tmp_path)
    with pytest.raises(OutputError, match="holds other things"):
        run_export(world.request(output=output))
    assert files_of(tmp_path) == before


def test_split_whose_sample_is_gone_is_taken_out(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    run_export(world.request())
    (tmp_path / "work" / "samples" / "loc.parquet").unlink()
    result = run_export(world.request())
    assert set(result.figures) == {"val", "cot"}
    assert any(notice.startswith("loc was exported") for notice in result.notices)


def test_unknown_and_undrawn_splits(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sample"):
        run_export(World(tmp_path).request())
    with pytest.raises(UsageError, match="no cot sample"):
        run_export(World(tmp_path).draw(Split.VAL, 1).request(Split.COT))


def test_row_groups_and_compression(tmp_path: Path) -> None:
    world = World(tmp_path).draw(Split.LOC, 40).fetch(size=(900, 700))
    run_export(world.request(shard_mb=1, row_group_mb=1, row_group_rows=7))
    files = sorted((tmp_path / "export" / "data" / "loc").glob("*.parquet"))
    assert [path.name for path in files] == [f"train-{n:05d}-of-{len(files):05d}.parquet" for n in range(len(files))]
    assert len(files) > 1
    for path in files:
        metadata = pq.read_metadata(path)
        assert path.stat().st_size < 1_100_000
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            assert group.num_rows <= 7
            assert group.total_byte_size <= 1_000_000
            columns = [group.column(i) for i in range(group.num_columns)]
            assert all(column.has_offset_index for column in columns)
            for column in columns:
                pictures = column.path_in_schema == IMAGE_BYTES
                assert column.compression == ("UNCOMPRESSED" if pictures else "ZSTD")
                assert column.has_column_index != pictures


def test_long_and_odd_words_come_through(tmp_path: Path) -> None:
    world = World(tmp_path).draw(Split.VAL, 12).draw(Split.COT, 3).fetch()
    words = ["漢" * 1_000_000, "שלום עולם", "🛣️ <script>"]
    texts = {key: words[n % 3] for n, key in enumerate((*world.ids[Split.VAL], *world.ids[Split.COT]))}
    world.curate({key: chain(text) for key, text in texts.items()})
    run_export(world.request(row_group_mb=10))
    for split in ("val", "cot"):
        for row in rows_of(tmp_path / "export", split):
            assert row["chain"]["country"]["clues"][0] == texts[row["id"]]
        for path in (tmp_path / "export" / "data" / split).glob("*.parquet"):
            metadata = pq.read_metadata(path)
            groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
            assert all(group.total_byte_size <= 10_000_000 or group.num_rows == 1 for group in groups)


def test_full_disk_leaves_the_old_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = full_world(tmp_path)
    run_export(world.request())
    before = files_of(tmp_path / "export")
    write = shards._HashingFile.write

    def full(self: shards._HashingFile, data: Any) -> int:
        if self.size > 2_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(shards._HashingFile, "write", full)
    with pytest.raises(OutputError, match="No space left"):
        run_export(world.request(), force=True)
    assert files_of(tmp_path / "export") == before
    monkeypatch.undo()
    assert run_export(world.request()).up_to_date


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    before = files_of(tmp_path)
    words = describe_export(world.request())
    assert "cot: 7 of 7 rows in 1 files" in words
    assert files_of(tmp_path) == before


@pytest.mark.slow
def test_killed_run_goes_on_with_the_finished_files(tmp_path: Path) -> None:
    world = World(tmp_path).draw(Split.LOC, 60)
    world.fetch(pictures={key: _heavy(seed) for seed, key in enumerate(world.ids[Split.LOC])})
    child = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path)])
    building = tmp_path / "export" / ".building"
    while not list(building.rglob("*.parquet.json")):
        assert child.poll() is None
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    finished = {
        note.name.removesuffix(".json"): note.with_name(note.name.removesuffix(".json")).stat().st_mtime_ns
        for note in building.rglob("*.parquet.json")
    }
    assert not (tmp_path / "export" / "manifest.json").exists()
    run_export(world.request(Split.LOC, shard_mb=1))
    files = {path.name: path for path in (tmp_path / "export" / "data" / "loc").glob("*.parquet")}
    assert len(files) > len(finished)
    assert {name: files[name].stat().st_mtime_ns for name in finished} == finished
    assert not building.exists()

    run_export(world.request(Split.LOC, shard_mb=1, output="straight"))
    straight = files_of(tmp_path / "straight")
    assert {name: hashlib.sha256(data).digest() for name, data in files_of(tmp_path / "export").items()} == {
        name: hashlib.sha256(data).digest() for name, data in straight.items()
    }
