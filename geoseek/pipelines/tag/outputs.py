"""The files of `geoseek tag` in `work/curated`: all of them replaced at once, or none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from geoseek.pipelines.tag.answers import ModelAnswer
from geoseek.pipelines.tag.figures import TagFigures
from geoseek.schemas import InputError, Record, TaggedSample, TagReject, arrow_schema
from geoseek.workspace import file_fingerprint, installed_versions, recover, transaction, write_text

TAGS_FILE, REJECTS_FILE, ANSWERS_FILE = "tags.parquet", "tag-rejects.parquet", "tag-answers.parquet"
FIGURES_FILE, REPORT_FILE, MANIFEST_FILE = "tags.json", "tags-report.html", "tags-manifest.json"
_PACKAGES = ("pyarrow", "scipy")
_AGAIN = "Run `geoseek tag --force`."


@dataclass(frozen=True)
class Outputs:
    """What a run leaves.

    Attributes:
        tagged: Rated samples that are kept.
        rejects: Ratings that do not count, and samples that are left out.
        answers: Everything that models have answered.
        figures: Counts.
        page: The report.
    """

    tagged: Sequence[TaggedSample]
    rejects: Sequence[TagReject]
    answers: Sequence[ModelAnswer]
    figures: TagFigures
    page: str


def write_outputs(folder: Path, outputs: Outputs, manifest: Mapping[str, Any]) -> None:
    """Write everything at once.

    Raises:
        OutputError: The folder cannot be written.
    """
    with transaction(folder) as staging:
        _write(staging / TAGS_FILE, TaggedSample, outputs.tagged)
        _write(staging / REJECTS_FILE, TagReject, outputs.rejects)
        if outputs.answers:
            _write(staging / ANSWERS_FILE, ModelAnswer, outputs.answers)
        write_text(staging / FIGURES_FILE, _json(outputs.figures.model_dump(mode="json")))
        write_text(staging / REPORT_FILE, outputs.page)
        written = {path.name: file_fingerprint(path)["digest"] for path in sorted(staging.iterdir())}
        if not outputs.answers:
            (staging / f"{ANSWERS_FILE}.removed").touch()
        content = {**manifest, "outputs": written, "versions": installed_versions(_PACKAGES)}
        write_text(staging / MANIFEST_FILE, _json(content))


def read_tag_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of the last run; empty if there is none.

    Raises:
        InputError: It is damaged.
    """
    if folder.is_dir():
        recover(folder)
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable manifest: {error}.", hint=f"Delete it. {_AGAIN}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a manifest.", hint=f"Delete it. {_AGAIN}")
    return content


def is_complete(folder: Path, manifest: Mapping[str, Any], key: str) -> bool:
    """Return whether the folder holds the result of a request, unchanged."""
    return manifest.get("key") == key and all(
        (folder / name).is_file() and file_fingerprint(folder / name)["digest"] == digest
        for name, digest in manifest.get("outputs", {}).items()
    )


def read_answers(folder: Path) -> list[ModelAnswer]:
    """Return what models have answered in earlier runs.

    Raises:
        InputError: The table is damaged.
    """
    path = folder / ANSWERS_FILE
    if not path.exists():
        return []
    try:
        return [ModelAnswer.model_validate(row) for row in pq.read_table(path).to_pylist()]
    except (pa.ArrowException, ValidationError, OSError) as error:
        raise InputError(
            f"{path} is not a table of answers: {error}.",
            hint="Delete it; the replies are in work/cache too, and are not paid for again.",
        ) from error


def read_figures(folder: Path) -> TagFigures:
    """Return the figures of the result in a folder.

    Raises:
        InputError: They are not there, or damaged.
    """
    path = folder / FIGURES_FILE
    try:
        return TagFigures.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read.", hint=_AGAIN) from error


def _write(path: Path, model: type[BaseModel], rows: Sequence[Record]) -> None:
    table = pa.Table.from_pylist([row.model_dump(mode="json") for row in rows], schema=arrow_schema(model))
    pq.write_table(table, path, compression="zstd", write_page_index=True, row_group_size=10_000)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
