from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.sampling.pools import PoolSpec, parse_pool
from geoseek.schemas import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data/a.csv", PoolSpec("a", "data/a.csv", None)),
        ("osv=data/a.parquet", PoolSpec("osv", "data/a.parquet", None)),
        ("osv=data/a.parquet:0.625", PoolSpec("osv", "data/a.parquet", 0.625)),
        ("data/a.parquet:1", PoolSpec("a", "data/a.parquet", 1.0)),
        ("a.csv:.5", PoolSpec("a", "a.csv", 0.5)),
        ("geonames", PoolSpec("geonames", "geonames", None)),
        ("geonames:0.2", PoolSpec("geonames", "geonames", 0.2)),
        ("towns=geonames:0.2", PoolSpec("towns", "geonames", 0.2)),
        (r"C:\data\x.csv", PoolSpec("x", r"C:\data\x.csv", None)),
        (r"w=C:\data\x.csv:0.25", PoolSpec("w", r"C:\data\x.csv", 0.25)),
        ("a:b/c:d.csv", PoolSpec("c-d", "a:b/c:d.csv", None)),
        ("dir/a=b.csv", PoolSpec("a-b", "dir/a=b.csv", None)),
        ("p=dir/country=FR/x.csv", PoolSpec("p", "dir/country=FR/x.csv", None)),
        ("data/big.csv.gz", PoolSpec("big", "data/big.csv.gz", None)),
        ("data/train-*.parquet", PoolSpec("train", "data/train-*.parquet", None)),
        ("data/osv/*.parquet", PoolSpec("osv", "data/osv/*.parquet", None)),
        ("data/osv/**/*.parquet:0.3", PoolSpec("osv", "data/osv/**/*.parquet", 0.3)),
        ("Straße & Weg.csv", PoolSpec("Stra-e-Weg", "Straße & Weg.csv", None)),
        ("v1.2/", PoolSpec("v1.2", "v1.2/", None)),
        ("日本.csv", PoolSpec("pool", "日本.csv", None)),
    ],
)
def test_forms(text: str, expected: PoolSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "日"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert parse_pool(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "  ", "osv=", "osv=:0.5", ":0.5", "a.csv:0", "a.csv:1.5", "a.csv:-0.5", "a.csv:nan", "a.csv:inf", "a.csv:20%",
     "my pool=a.csv", "=a.csv", "a.csv:1e400"],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_pool(text)
    assert caught.value.exit_code == 2
    assert "osv=data" in (caught.value.hint or "")


def test_a_percentage_is_explained() -> None:
    with pytest.raises(UsageError) as caught:
        parse_pool("a.csv:20%")
    assert "write 0.2" in (caught.value.hint or "")


def test_an_existing_file_wins_over_every_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=b.csv:0.5").write_text("lat,lng\n1,2\n")
    assert parse_pool("a=b.csv:0.5") == PoolSpec("a-b.csv-0.5", "a=b.csv:0.5", None)
    assert parse_pool("x=a=b.csv:0.5") == PoolSpec("x", "a=b.csv:0.5", None)


def test_the_current_folder_gives_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lund"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert parse_pool(".").name == "lund"
