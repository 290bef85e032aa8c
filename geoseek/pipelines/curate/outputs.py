"""Write what a curation found: tables, figures, report and manifest, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from geoseek.pipelines.curate.figures import CurateFigures
from geoseek.schemas import CuratedChain, CurateReject, InputError, arrow_schema
from geoseek.workspace import file_fingerprint, read_manifest, write_text

CHAINS_FILE, REJECTS_FILE = "cot.parquet", "rejects.parquet"
PROPOSALS_FILE, FIGURES_FILE, REPORT_FILE = "to-review.jsonl", "checks.json", "report.html"
_ROWS_AT_ONCE = 1_000


class _Table:
    """A Parquet file that grows record by record."""

    def __init__(self, path: Path, model: type[BaseModel]) -> None:
        self._schema = arrow_schema(model)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", write_page_index=True)
        self._rows: list[dict[str, Any]] = []

    def add(self, record: BaseModel) -> None:
        """Add a record."""
        self._rows.append(record.model_dump(mode="json"))
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush()
        self._writer.close()


class Results:
    """The two tables of a run."""

    def __init__(self, chains: _Table, rejects: _Table) -> None:
        self._chains, self._rejects = chains, rejects

    def add(self, results: Sequence[CuratedChain | CurateReject]) -> None:
        """Add what became of some annotations."""
        for result in results:
            (self._chains if isinstance(result, CuratedChain) else self._rejects).add(result)


@contextmanager
def open_results(folder: Path) -> Iterator[Results]:
    """Open both tables for writing; they are complete when the block ends."""
    with ExitStack() as stack:
        tables = []
        for name, model in ((CHAINS_FILE, CuratedChain), (REJECTS_FILE, CurateReject)):
            table = _Table(folder / name, model)
            stack.callback(table.close)
            tables.append(table)
        yield Results(*tables)


def write_proposals(folder: Path, proposals: Sequence[Mapping[str, Any]]) -> None:
    """Write the free text in stages that waits for a reviewer; no file if there is none."""
    if proposals:
        lines = (json.dumps(proposal, ensure_ascii=False) for proposal in proposals)
        write_text(folder / PROPOSALS_FILE, "".join(f"{line}\n" for line in lines))


def write_figures(folder: Path, figures: CurateFigures) -> None:
    """Write the figures."""
    text = json.dumps(figures.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_text(folder / FIGURES_FILE, text + "\n")


def read_figures(folder: Path) -> CurateFigures:
    """Read the figures of the result in a folder.

    Raises:
        InputError: They are not there, or damaged.
    """
    path = folder / FIGURES_FILE
    try:
        return CurateFigures.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError) as error:
        raise InputError(f"{path} cannot be read.", hint="Run `geoseek curate --force`.") from error


def fingerprints(folder: Path) -> dict[str, str]:
    """Return the hash of each file of a finished staging folder."""
    return {
        path.name: str(file_fingerprint(path)["digest"])
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix != ".removed"
    }


def is_complete(folder: Path, key: str) -> bool:
    """Return whether a folder holds the result of a request, unchanged."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("key") != key:
        return False
    outputs = manifest.get("outputs", {})
    return all(
        (folder / name).is_file() and file_fingerprint(folder / name)["digest"] == digest
        for name, digest in outputs.items()
    )
