"""The rows of an export, as they were written by `geoseek export`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from geoseek.formats.records import ExchangeRecord
from geoseek.formats.rowfiles import rows_in_groups
from geoseek.schemas import CotRecord, InputError, LocRecord, Record, Split, ValRecord, arrow_schema

RECORDS: dict[Split, type[Record]] = {Split.VAL: ValRecord, Split.LOC: LocRecord, Split.COT: CotRecord}
_IMAGE, _SOLUTION, _COT = "image", "solution", "cot"


def export_shards(folder: Path, split: Split) -> list[Path]:
    """Return the Parquet files of a split, in their order; none if it was not exported."""
    return sorted((folder / "data" / split.value).glob("*.parquet"))


def read_export(
    folder: Path, split: Split, *, columns: Sequence[str] | None = None, images: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split as plain values; a few rows are in memory at a time.

    Args:
        folder: The export.
        split: The split.
        columns: Columns wanted; default: all.
        images: Read the pictures' bytes; otherwise `image` has its path alone.

    Raises:
        InputError: The split is not there, a file is broken, or a column does not exist.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    known = arrow_schema(RECORDS[split]).names
    wanted = list(known if columns is None else columns)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InputError(f"The split {split.value} has no column {unknown[0]!r}.", hint=f"It has {', '.join(known)}.")
    shards = export_shards(folder, split)
    if not shards:
        raise InputError(
            f"{folder} holds no split {split.value}.", hint=f"Run `geoseek export --split {split.value}` first."
        )
    leaves = [f"{_IMAGE}.path" if name == _IMAGE and not images else name for name in wanted]
    for shard in shards:
        try:
            with pq.ParquetFile(shard) as file:
                missing = [name for name in wanted if name not in file.schema_arrow.names]
                if missing:
                    raise InputError(
                        f"{shard} has no column {missing[0]!r}.", hint="Export again; another version wrote this file."
                    )
                yield from rows_in_groups(file, leaves)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{shard} cannot be read: {str(error).splitlines()[0]}.",
                hint="`geoseek validate` checks an export; `geoseek export --force` writes it anew.",
            ) from error


def export_records(folder: Path, split: Split) -> Iterator[ExchangeRecord]:
    """Yield the rows of a split as records that every format can write."""
    for number, row in enumerate(read_export(folder, split)):
        try:
            yield exchange_record(split, row)
        except ValidationError as error:
            raise InputError(
                f"Row {number} of the split {split.value} in {folder} is not a row of an export: "
                f"{error.errors()[0]['msg']} ({error.errors()[0]['loc'][0]}).",
                hint="`geoseek validate` checks an export; `geoseek export --force` writes it anew.",
            ) from None


def exchange_record(split: Split, row: dict[str, Any]) -> ExchangeRecord:
    """Return a row of an export as a record that every format can write; nothing of it is lost.

    `solution` and `cot` follow from the other columns.
    """
    fields = ExchangeRecord.model_fields
    own = {name: value for name, value in row.items() if name in fields}
    further = {name: value for name, value in row.items() if name not in fields and name not in (_SOLUTION, _COT)}
    return ExchangeRecord.model_validate({**own, "split": split, "further": further})
