"""Read the Parquet files of a dataset row by row, and check every row."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from geoseek.pipelines.export.features import IMAGE_COLUMN, export_schema
from geoseek.pipelines.validate.codes import ExportCheck
from geoseek.pipelines.validate.findings import Findings
from geoseek.pipelines.validate.pictures import check_picture
from geoseek.pipelines.validate.rows import RowRules, check_row
from geoseek.pipelines.validate.separation import Origin, SplitTraits
from geoseek.schemas import Split

_ROWS_AT_ONCE = 32
_ROW_GROUP_BYTES = 100_000_000
_PLACELESS = frozenset({ExportCheck.MALFORMED_ROW, ExportCheck.POSITION})


@dataclass
class SplitScan:
    """What was seen of a split.

    Attributes:
        rows: File -> its rows, for files that can be read.
        pictures: Pictures that are in the files.
        references: Rows with the address of a picture instead.
        traits: What is compared with other splits.
    """

    rows: dict[str, int] = field(default_factory=dict)
    pictures: int = 0
    references: int = 0
    traits: SplitTraits = field(default_factory=SplitTraits)


class ShardReader:
    """Reads shards; call inside `strict_decoding`.

    Args:
        folder: The dataset.
        rules: What rows are measured by.
        findings: Takes what is found.
        threads: Decode the pictures.
    """

    def __init__(self, folder: Path, rules: RowRules, findings: Findings, threads: ThreadPoolExecutor) -> None:
        self._folder = folder
        self._rules = rules
        self._findings = findings
        self._threads = threads

    def count_rows(self, name: str) -> int | None:
        """Return the rows of a file; None, with a finding, if it is no Parquet file."""
        try:
            return int(pq.read_metadata(self._folder / name).num_rows)
        except (pa.ArrowException, OSError) as error:
            self._findings.add(ExportCheck.UNREADABLE_FILE, name, error)
            return None

    def scan(self, split: Split, name: str, into: SplitScan, bar: tqdm[Any]) -> None:
        """Check a file and all of its rows.

        Args:
            split: The split that it belongs to.
            name: The file, relative to the dataset.
            into: Takes the figures.
            bar: Counts rows.
        """
        try:
            with pq.ParquetFile(self._folder / name) as file:
                self._check_row_groups(name, file.metadata)
                if not self._check_schema(split, name, file.schema_arrow):
                    return
                number = 0
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                    rows = batch.to_pylist()
                    self._check_rows(split, name, number, rows, into)
                    number += len(rows)
                    bar.update(len(rows))
                into.rows[name] = number
        except (pa.ArrowException, OSError) as error:
            self._findings.add(ExportCheck.UNREADABLE_FILE, name, error)

    def _check_row_groups(self, name: str, metadata: pq.FileMetaData) -> None:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if group.total_byte_size > _ROW_GROUP_BYTES:
                value = f"row group {number}: {group.total_byte_size:,} bytes in {group.num_rows:,} rows"
                self._findings.add(ExportCheck.ROW_GROUP_SIZE, name, value)

    def _check_schema(self, split: Split, name: str, found: pa.Schema) -> bool:
        """Return whether the rows can be read as records."""
        faults = list(schema_faults(export_schema(split), found))
        for fault in faults:
            self._findings.add(ExportCheck.SCHEMA, name, fault)
        return not faults

    def _check_rows(self, split: Split, name: str, first: int, rows: list[dict[str, Any]], into: SplitScan) -> None:
        for number, (row, picture) in enumerate(zip(rows, self._threads.map(check_picture, rows), strict=True), first):
            faults = [*check_row(split, row, self._rules), *picture.faults]
            for check, value in faults:
                self._findings.add(check, name, value, row=number, row_id=row["id"])
            image = row[IMAGE_COLUMN]
            is_embedded = image is not None and image["bytes"] is not None
            into.pictures += is_embedded
            into.references += image is not None and not is_embedded
            if not _PLACELESS & {check for check, _ in faults}:
                origin = Origin(name, number, row["id"])
                sha256 = row["image_sha256"]
                if not into.traits.add(origin, row["lat"], row["lng"], sha256, picture.looks):
                    self._findings.add(ExportCheck.DUPLICATE_ID, name, row["id"], row=number)


def schema_faults(expected: pa.Schema, found: pa.Schema) -> Iterator[str]:
    """Yield how a schema differs from another, column by column, and whether it tells `datasets` how to read itself.

    >>> import pyarrow as pa
    >>> list(schema_faults(pa.schema({"a": pa.int32()}), pa.schema({"a": pa.int64(), "b": pa.string()})))
    ['a is int64, expected int32', 'b is not declared']
    """
    for name in expected.names:
        if name not in found.names:
            yield f"{name} is missing"
        elif found.field(name).type != expected.field(name).type:
            yield f"{name} is {found.field(name).type}, expected {expected.field(name).type}"
    yield from (f"{name} is not declared" for name in found.names if name not in expected.names)
    for key, value in (expected.metadata or {}).items():
        if (found.metadata or {}).get(key) != value:
            yield f"metadata {key.decode()}: missing, or other features than those of the columns"
