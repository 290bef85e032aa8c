"""A small finished export, written by hand, that tests damage in one place at a time."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

from geoseek.annotation import load_review_settings
from geoseek.media import strip_metadata
from geoseek.pipelines import ValidateRequest, ValidateResult, run_validate
from geoseek.pipelines.export.features import export_schema
from geoseek.pipelines.export.records import solution_of
from geoseek.schemas import Split, SubScores, parse_record, render_json

SIZES = {Split.VAL: 5, Split.LOC: 6, Split.COT: 4}
NAMES = {Split.VAL: "validation", Split.LOC: "train", Split.COT: "train"}
SEPARATION_KM = 1.0
Rows = dict[Split, list[dict[str, Any]]]
Change = Callable[[dict[str, Any]], None]


@cache
def picture(seed: int, **saving: Any) -> bytes:
    """Return a JPEG of 64 x 48 pixels that looks like no other seed's."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90, **saving)
    return buffer.getvalue()


def with_picture(row: dict[str, Any], data: bytes) -> None:
    """Give a row other bytes, and the hash and name that belong to them."""
    digest = hashlib.sha256(data).hexdigest()
    row["image"] = {"bytes": data, "path": f"{digest}.jpg"}
    row["image_sha256"] = digest


def location(number: int) -> dict[str, Any]:
    """Return a row of loc."""
    row: dict[str, Any] = {
        "id": f"pool:{number}",
        "width": 64,
        "height": 48,
        "picture": "photo",
        "lat": 59.0 + 0.1 * number,
        "lng": 15.0,
        "country_code": "SE",
        "country": "Sweden",
        "continent": "EU",
        "region": "Örebro",
        "place": f"Place {number}",
        "place_distance_km": 1.5,
        "source": "pool",
        "source_id": str(number),
        "captured_at": None,
        "license": "CC BY 4.0",
        "attribution": "Ann Example",
        "stratum": "SE",
        "inclusion_probability": 0.25,
        "design_weight": 4.0,
    }
    with_picture(row, strip_metadata(picture(number)))
    return {**row, "solution": solution_of(row)}


def chain() -> dict[str, Any]:
    """Return a chain of thought of two stages."""
    stage = {
        "clues": ["red wooden house", "birch trees"],
        "reasoning": "Houses painted in this red stand all over the country.",
        "conclusion": "Sweden",
        "uncertainty": "Low",
    }
    return {
        "country": stage,
        "region": {**stage, "conclusion": "Örebro"},
        "precise": None,
        "final_answer": "Sweden; Örebro",
    }


def set_chain(row: dict[str, Any], new: dict[str, Any]) -> None:
    """Give a row of cot another chain, and the JSON that belongs to it."""
    row["chain"], row["cot"] = new, render_json(parse_record(new))


def chain_row(number: int) -> dict[str, Any]:
    """Return a row of cot."""
    row = location(number) | {
        "clue_boxes": [{"stage": "country", "clue_index": 1, "x": 10.0, "y": 5, "w": 20.5, "h": 30, "note": "trees"}],
        "language": "en",
        "annotator": "ann-1",
        "reviewed": True,
        "config_version": 1,
        "handbook_version": 1,
        "warnings": [],
        "origins": [{"field": "chain.country", "origin": "human"}],
    }
    set_chain(row, chain())
    return row


def rated_row(number: int) -> dict[str, Any]:
    """Return a row of val."""
    rating = {
        "origin": "human",
        "raters": 2,
        "locatability_score": 7.5,
        "scene_tags": ["plants"],
        "scene_tags_maybe": [],
        "sub_scores": SubScores().model_dump(),
        "main_clues": ["red house"],
    }
    return location(number) | {
        **{key: value for key, value in rating.items() if key not in ("origin", "raters")},
        "locatability_band": "moderate",
        "ratings": [rating],
        "chain": None,
        "origins": [],
    }


def rows() -> Rows:
    """Return the rows of a dataset in which nothing is wrong."""
    makers = {Split.VAL: rated_row, Split.LOC: location, Split.COT: chain_row}
    found: Rows = {}
    start = 0
    for split, size in SIZES.items():
        found[split] = [makers[split](number) for number in range(start, start + size)]
        start += size
    return found


def write_dataset(folder: Path, found: Rows | None = None, *, shards: int = 2) -> Path:
    """Write a dataset with all that belongs to it, and return its folder."""
    found = rows() if found is None else found
    files: dict[Split, dict[str, int]] = {}
    for split, several in found.items():
        parts = [several[number::shards] for number in range(shards)]
        for number, part in enumerate(parts):
            name = f"data/{split.value}/{NAMES[split]}-{number:05d}-of-{shards:05d}.parquet"
            write_shard(folder / name, split, part)
            files.setdefault(split, {})[name] = len(part)
    (folder / "README.md").write_text(card(files), encoding="utf-8")
    (folder / "CITATION.cff").write_text(CITATION, encoding="utf-8")
    (folder / "croissant.json").write_text(json.dumps(croissant(folder, files)), encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(manifest(files)), encoding="utf-8")
    write_checksums(folder)
    return folder


def write_shard(path: Path, split: Split, part: list[dict[str, Any]], schema: pa.Schema | None = None) -> None:
    """Write a Parquet file of a split."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(part, schema=schema or export_schema(split)), path, compression="zstd")


def write_checksums(folder: Path) -> None:
    """Write SHA256SUMS over what is there."""
    there = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ("SHA256SUMS", ".lock"))
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in there
    ]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def card(files: dict[Split, dict[str, int]]) -> str:
    """Return a dataset card."""
    content = {
        "license": "cc-by-4.0",
        "configs": [
            {
                "config_name": split.value,
                "data_files": [{"split": NAMES[split], "path": f"data/{split.value}/*.parquet"}],
            }
            for split in files
        ],
        "dataset_info": [
            {"config_name": split.value, "splits": [{"name": NAMES[split], "num_examples": sum(counts.values())}]}
            for split, counts in files.items()
        ],
    }
    return f"---\n{yaml.safe_dump(content)}---\n# A dataset\n\nA picture and where it was taken.\n"


def manifest(files: dict[Split, dict[str, int]]) -> dict[str, Any]:
    """Return the manifest of an export."""
    splits = {
        split.value: {
            "read": sum(counts.values()) + 1,
            "rows": sum(counts.values()),
            "rejected": {"missing_image": 1},
            "files": {name: {"rows": count} for name, count in counts.items()},
        }
        for split, counts in files.items()
    }
    return {"stage": "export", "separation_km": SEPARATION_KM, "splits": splits}


def croissant(folder: Path, files: dict[Split, dict[str, int]]) -> dict[str, Any]:
    """Return Croissant metadata that the official validator accepts."""
    names = [name for counts in files.values() for name in counts]
    return {
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "sc": "https://schema.org/",
            "dct": "http://purl.org/dc/terms/",
            "conformsTo": "dct:conformsTo",
        },
        "@type": "sc:Dataset",
        "name": "a_dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "description": "A picture and where it was taken.",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "url": "https://example.org/dataset",
        "version": "1.0.0",
        "datePublished": "2026-01-01",
        "citeAs": "The authors",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": f"file-{number}",
                "name": f"file-{number}",
                "contentUrl": name,
                "encodingFormat": "application/x-parquet",
                "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            }
            for number, name in enumerate(names)
        ],
    }


CITATION = """cff-version: 1.2.0
message: If you use this dataset, please cite it.
title: A dataset
type: dataset
authors:
  - name: The authors
"""


def validated(folder: Path, *, private: frozenset[str] = frozenset(), examples: int = 5) -> ValidateResult:
    """Validate a dataset with the word lists that ship with GeoSeek."""
    return run_validate(ValidateRequest(folder, load_review_settings(folder), private, examples))


def codes(result: ValidateResult) -> set[str]:
    """Return the checks that found something."""
    return {check.value for check in result.counts}
