"""What others make of an export: datasets, pandas, DuckDB, pyarrow, mlcroissant."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from geoseek.pipelines.export.features import RECORDS, export_schema
from geoseek.pipelines.export.plan import order_of
from geoseek.schemas import Split, arrow_schema, parse_chain
from tests.pipelines.export.worlds import World

pytestmark = pytest.mark.xdist_group("export")
Exported = tuple[World, Path]
FILES = {
    Split.VAL: "data/val/validation-00000-of-00001.parquet",
    Split.LOC: "data/loc/train-00000-of-00001.parquet",
    Split.COT: "data/cot/train-00000-of-00001.parquet",
}


def _card(folder: Path) -> dict[str, Any]:
    text = (folder / "README.md").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return content


@pytest.mark.parametrize(("name", "part", "rows"), [("val", "validation", 6), ("loc", "train", 9), ("cot", "train", 7)])
def test_datasets_loads_a_configuration(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str, rows: int
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    loaded = datasets.load_dataset(str(exported[1]), name, cache_dir=str(tmp_path))
    assert loaded[part].num_rows == rows
    first = loaded[part][0]
    assert first["image"].size == (96, 72)
    assert first["image"].getexif() == {}
    assert set(first) == set(RECORDS[Split(name)].model_fields)


def test_card_and_files_declare_the_same_features(exported: Exported) -> None:
    from datasets import Features

    for entry in _card(exported[1])["dataset_info"]:
        schema = pq.read_schema(exported[1] / FILES[Split(entry["config_name"])])
        stored = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert Features._from_yaml_list(entry["features"]) == Features.from_dict(stored)


def test_datasets_streams(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    rows = list(datasets.load_dataset(str(exported[1]), "cot", split="train", streaming=True))
    assert len(rows) == 7
    assert rows[0]["chain"]["country"]["clues"] == ["street sign", "licence plate"]


def test_pandas_and_duckdb_read_the_same(exported: Exported) -> None:
    folder = exported[1]
    frame = pd.read_parquet(folder / FILES[Split.VAL])
    relation = duckdb.read_parquet(f"{folder}/data/val/*.parquet")
    assert relation.aggregate("count(*), max(locatability_score)").fetchall() == [(6, 7.5)]
    assert len(frame) == 6
    tags = relation.project("unnest(scene_tags) as tag").distinct().order("tag").fetchall()
    assert tags == [("plants",), ("sign",)]


def test_schema_is_that_of_the_records(exported: Exported) -> None:
    for split, name in FILES.items():
        schema = pq.read_schema(exported[1] / name)
        assert schema.equals(arrow_schema(RECORDS[split]))
        assert schema.metadata[b"huggingface"] == export_schema(split).metadata[b"huggingface"]


def test_bytes_are_the_fetched_ones_without_metadata(exported: Exported) -> None:
    world, folder = exported
    rows = pq.read_table(folder / FILES[Split.LOC]).to_pylist()
    fetched = {
        row["id"]: world.folder / "work" / "images" / row["path"]
        for row in pq.read_table(world.folder / "work" / "images" / "images.parquet").to_pylist()
    }
    for row in rows:
        data = row["image"]["bytes"]
        digest = hashlib.sha256(data).hexdigest()
        assert row["image_sha256"] == digest
        assert row["image"]["path"] == f"{digest}.jpg"
        assert b"Ana" not in data
        assert b"Exif" not in data
        with Image.open(io.BytesIO(data)) as mine, Image.open(fetched[row["id"]]) as theirs:
            assert mine.tobytes() == theirs.tobytes()


def test_rows_are_ordered_by_the_hash_of_the_id(exported: Exported) -> None:
    for name in FILES.values():
        ids = pq.read_table(exported[1] / name, columns=["id"])["id"].to_pylist()
        assert ids == sorted(ids, key=order_of)


def test_columns_hold_what_the_stages_say(exported: Exported) -> None:
    rows = {row["id"]: row for row in pq.read_table(exported[1] / FILES[Split.VAL]).to_pylist()}
    row = rows["pool:val-2"]
    assert row["solution"] == "<answer> Japan; Alsace; Colmar </answer>"
    assert (row["locatability_score"], row["locatability_band"]) == (3.0, "extremely low")
    assert row["ratings"][0]["raters"] == 2
    assert {origin["field"] for origin in row["origins"]} == {"chain.country", "locatability_score", "scene_tags"}
    cot = pq.read_table(exported[1] / FILES[Split.COT]).to_pylist()[0]
    parsed = parse_chain(cot["cot"], strict=True)
    assert parsed.chain is not None
    assert parsed.chain.model_dump(mode="json") == cot["chain"]


def test_checksums_cover_every_file(exported: Exported) -> None:
    folder = exported[1]
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(listed) == there - {"SHA256SUMS", ".lock"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_nothing_names_this_machine(exported: Exported) -> None:
    world, folder = exported
    for path in folder.rglob("*"):
        if path.is_file():
            assert str(world.folder).encode() not in path.read_bytes()


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated", "ignore:The inplace keyword")
def test_croissant_is_valid_and_yields_records(exported: Exported, caplog: pytest.LogCaptureFixture) -> None:
    import mlcroissant

    caplog.set_level(logging.WARNING)
    dataset = mlcroissant.Dataset(exported[1] / "croissant.json")
    assert not dataset.metadata.issues.errors
    assert "@context" not in caplog.text
    records = list(dataset.records("val"))
    assert len(records) == 6
    assert records[0]["val/image"].size == (96, 72)
    assert list(records[0]["val/scene_tags"]) == [b"sign", b"plants"] or records[0]["val/scene_tags"] == [
        "sign",
        "plants",
    ]
    assert len(list(dataset.records("cot"))) == 7


def test_citation_is_a_citation_file(exported: Exported) -> None:
    content = yaml.safe_load((exported[1] / "CITATION.cff").read_text(encoding="utf-8"))
    assert content["cff-version"] == "1.2.0"
    assert content["type"] == "dataset"
    assert content["authors"]
    assert content["license"] == "CC-BY-4.0"
