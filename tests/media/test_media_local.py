from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geoseek.media import ImageProblemError, PoolFiles, pool_folder
from geoseek.media.local import is_url, parquet_row, read_file, read_rows
from geoseek.schemas import ImageRejectReason


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    folder = tmp_path / "pool"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "deep" / "b.jpg").write_bytes(b"b")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "pool2").mkdir()
    (tmp_path / "pool2" / "c.jpg").write_bytes(b"c")
    return folder


def files(pool: Path) -> PoolFiles:
    return PoolFiles({"mine": [pool], "other": [pool.parent / "pool2"]}, [pool.parent])


@pytest.mark.parametrize("reference", ["pool/a.jpg", "pool/deep/../a.jpg", "a.jpg", "./a.jpg"])
def test_files_of_the_pool_are_found(reference: str, pool: Path) -> None:
    assert files(pool).find(reference, "mine") == (pool / "a.jpg").resolve()
    assert files(pool).find(str(pool / "a.jpg"), "mine") == (pool / "a.jpg").resolve()


@pytest.mark.parametrize(
    "reference",
    ["secret.jpg", "pool/../secret.jpg", "../secret.jpg", "deep/../../secret.jpg", "pool2/c.jpg", "{}/secret.jpg"],
)
def test_paths_that_leave_the_pool_are_refused(reference: str, pool: Path) -> None:
    with pytest.raises(ImageProblemError) as caught:
        files(pool).find(reference.format(pool.parent), "mine")
    assert caught.value.reason is ImageRejectReason.FORBIDDEN_PATH
    assert str(pool.parent) not in (caught.value.detail or "")


def test_links_that_leave_the_pool_are_refused(pool: Path) -> None:
    (pool / "link.jpg").symlink_to(pool.parent / "secret.jpg")
    (pool / "inside.jpg").symlink_to(pool / "a.jpg")
    (pool / "folder").symlink_to(pool.parent / "pool2")
    (pool / "round.jpg").symlink_to(pool / "round.jpg")
    for reference in ("link.jpg", "folder/c.jpg"):
        with pytest.raises(ImageProblemError, match="forbidden_path"):
            files(pool).find(reference, "mine")
    assert files(pool).find("inside.jpg", "mine") == (pool / "a.jpg").resolve()
    with pytest.raises(ImageProblemError, match="missing_file"):
        files(pool).find("round.jpg", "mine")


@pytest.mark.parametrize("reference", ["none.jpg", "a\0.jpg", "x" * 5000, "a.jpg/none", ""])
def test_files_that_are_not_there(reference: str, pool: Path) -> None:
    with pytest.raises(ImageProblemError) as caught:
        read_file(files(pool).find(reference, "mine"), 100)
    assert caught.value.reason in (ImageRejectReason.MISSING_FILE, ImageRejectReason.FORBIDDEN_PATH)


def test_a_pool_without_a_folder_has_no_files(pool: Path) -> None:
    with pytest.raises(ImageProblemError, match="forbidden_path"):
        files(pool).find("pool/a.jpg", "third")


def test_only_regular_files_of_a_limited_size_are_read(pool: Path) -> None:
    assert read_file(pool / "a.jpg", 1) == b"a"
    os.mkfifo(pool / "pipe.jpg")
    (pool / "big.jpg").write_bytes(b"12345")
    (pool / "link.jpg").symlink_to(pool / "a.jpg")
    for name, reason in (
        ("pipe.jpg", "missing_file"),
        ("big.jpg", "too_large"),
        ("link.jpg", "missing_file"),
        ("deep", "missing_file"),
    ):
        with pytest.raises(ImageProblemError, match=reason):
            read_file(pool / name, 4)


def test_references() -> None:
    assert is_url("http://a.example/b#column=x&row=1")
    assert not is_url("12:30.jpg")
    assert not is_url("IMG:1.jpg")
    assert parquet_row("a b.parquet#column=my%20%26%20image&row=12") is not None
    for text in ("a.parquet", "a.parquet#column=x", "a.parquet#row=1&column=x", "a#column=x&row=-1", "#column=x&row=1"):
        assert parquet_row(text) is None


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("a.jpg", "."),
        ("deep/b.jpg", "deep"),
        ("*.jpg", "."),
        ("deep/*", "deep"),
        ("d*/b.jpg", "."),
        ("deep/b?.jpg", None),
        ("none.csv", None),
        ("none/*.csv", None),
        ("deep", "deep"),
    ],
)
def test_folder_of_a_pool(path: str, folder: str | None, pool: Path) -> None:
    assert pool_folder(f"{pool}/{path}") == (None if folder is None else pool / folder)


STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def shard(path: Path, values: list[Any], kind: pa.DataType = STRUCT) -> Path:
    pq.write_table(pa.table({"image": pa.array(values, kind)}), path, row_group_size=20)
    return path


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_rows_of_plain_bytes(kind: pa.DataType, tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", [b"%d" % n for n in range(50)], kind)
    assert dict(read_rows(path, "image", [49, 0, 20, 19, 20], 10)) == {0: b"0", 19: b"19", 20: b"20", 49: b"49"}


def test_rows_of_a_hugging_face_shard(tmp_path: Path) -> None:
    values: list[Any] = [{"bytes": b"%d" % n, "path": None} for n in range(100)]
    values[41], values[42], values[43] = None, {"bytes": None, "path": "x"}, {"bytes": b"x" * 99, "path": None}
    path = shard(tmp_path / "x.parquet", values)
    found = dict(read_rows(path, "image", [0, 41, 42, 43, 99, 100, 10**15], 10))
    assert (found[0], found[99]) == (b"0", b"99")
    reasons = {row: found[row].reason for row in found if isinstance(found[row], ImageProblemError)}  # type: ignore[union-attr]
    assert reasons == {
        41: ImageRejectReason.EMPTY,
        42: ImageRejectReason.EMPTY,
        43: ImageRejectReason.TOO_LARGE,
        100: ImageRejectReason.MISSING_FILE,
        10**15: ImageRejectReason.MISSING_FILE,
    }


def test_shards_that_cannot_be_read(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", [{"bytes": b"1", "path": None}] * 40)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:-10])
    numbers = shard(tmp_path / "n.parquet", [1, 2], pa.int64())
    for file, column in ((path, "none"), (cut, "image"), (numbers, "image"), (tmp_path / "no.parquet", "image")):
        found = dict(read_rows(file, column, [0, 1], 10))
        assert set(found) == {0, 1}
        assert all(isinstance(problem, ImageProblemError) for problem in found.values())
