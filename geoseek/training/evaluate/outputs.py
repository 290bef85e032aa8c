"""The files of an evaluation: all of them replaced at once, or none."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from geoseek.schemas import InputError
from geoseek.training.evaluate.core import Evaluated
from geoseek.training.evaluate.result import EvaluateReject, Evaluation
from geoseek.training.evaluate.tables import OUTCOMES, RIGHT, UNKNOWN, CodeArray, FloatArray, ScoredRows, TruthTable
from geoseek.workspace import (
    MANIFEST_NAME,
    RUN_LOG_NAME,
    file_fingerprint,
    installed_versions,
    read_manifest,
    transaction,
    write_manifest,
    write_run_log,
    write_text,
)

EVALUATION_FILE, ROWS_FILE, REJECTS_FILE, REPORT_FILE = "evaluation.json", "rows.parquet", "rejects.csv", "report.html"

_PACKAGES = ("numpy", "pyarrow", "scipy")


def write_outputs(
    folder: Path, found: Evaluated, page: str, manifest: Mapping[str, Any], log: Mapping[str, Any]
) -> None:
    """Write everything at once.

    Raises:
        OutputError: The folder cannot be written.
    """
    with transaction(folder) as staging:
        write_text(staging / EVALUATION_FILE, found.evaluation.model_dump_json(indent=1) + "\n")
        _write_rows(staging / ROWS_FILE, found)
        every = [found.truth.rejects, *(rows.predictions.rejects for rows in found.rows)]
        _write_rejects(staging / REJECTS_FILE, (reject for some in every for reject in some))
        write_text(staging / REPORT_FILE, page)
        written = {path.name: file_fingerprint(path)["digest"] for path in sorted(staging.iterdir())}
        write_manifest(staging, {**manifest, "outputs": written, "versions": installed_versions(_PACKAGES)})
        write_run_log(staging, dict(log))


def is_complete(folder: Path, key: str) -> bool:
    """Whether a folder holds the result of a request, unchanged."""
    manifest = read_manifest(folder)
    return (
        manifest is not None
        and manifest.get("key") == key
        and all(
            (folder / name).is_file() and file_fingerprint(folder / name)["digest"] == digest
            for name, digest in manifest["outputs"].items()
        )
    )


def holds_other_things(folder: Path) -> bool:
    """Whether a folder has files, and none of them is the manifest of an evaluation."""
    if not folder.is_dir():
        return False
    if (folder / MANIFEST_NAME).is_file():
        return (read_manifest(folder) or {}).get("stage") != "evaluate"
    return any(path.name not in (".lock", RUN_LOG_NAME) for path in folder.iterdir())


def read_evaluation(folder: Path) -> Evaluation:
    """Return the figures in a folder.

    Raises:
        InputError: They are not there, or damaged.
    """
    path = folder / EVALUATION_FILE
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read.", hint="Run `geoseek evaluate --force`.") from error


def _write_rows(path: Path, found: Evaluated) -> None:
    """Write one row per set and row of the truth."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for scored in found.rows:
            table = pa.table(_row_columns(scored, found.truth))
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", write_page_index=True)
            writer.write_table(table, row_group_size=100_000)
    finally:
        if writer is not None:
            writer.close()


def _row_columns(scored: ScoredRows, truth: TruthTable) -> dict[str, Any]:
    import pyarrow as pa

    said = scored.predictions

    def degrees(values: FloatArray) -> Any:
        return pa.array(values, mask=~np.isfinite(values))

    def check(codes: CodeArray) -> Any:
        return pa.array(codes == RIGHT, mask=codes == UNKNOWN)

    return {
        "set": pa.array([said.name] * len(truth), pa.string()).dictionary_encode(),
        "id": pa.array(truth.ids, pa.string()),
        "outcome": pa.array([OUTCOMES[code].value for code in said.outcome.tolist()], pa.string()),
        "lat": truth.lat,
        "lng": truth.lng,
        "predicted_lat": degrees(said.lat),
        "predicted_lng": degrees(said.lng),
        "distance_km": degrees(scored.distance_km),
        "answer": pa.array(said.answers, pa.string()),
        "level": pa.array([level or None for level in said.levels], pa.string()),
        "country_name": check(scored.country_name),
        "region_name": check(scored.region_name),
        "place_name": check(scored.place_name),
        "country_position": check(scored.country_position),
    }


def _write_rejects(path: Path, rejects: Iterable[EvaluateReject]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(EvaluateReject._fields)
        for reject in rejects:
            writer.writerow([reject.file, reject.line, reject.id, reject.reason.value, reject.detail])
