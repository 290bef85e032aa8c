"""Read what `geoseek sample` drew, as far as fetching needs it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geoseek.media.members import Entry
from geoseek.schemas import InputError, Sample, Split, UsageError, arrow_schema

_RESERVE = "reserve.parquet"


@dataclass(frozen=True)
class DrawnSplit:
    """The rows of one split.

    Attributes:
        split: The split.
        rows: Drawn rows, then reserve rows, as Sample records.
        entries: One per row, in the same order; None for rows of pools that have no images at all.
        digest: SHA-256 of the rows.
        without_images: Drawn rows that belong to such pools.
    """

    split: Split
    rows: pa.Table
    entries: tuple[Entry | None, ...]
    digest: str
    without_images: int


def read_drawn(folder: Path, splits: Sequence[Split]) -> list[DrawnSplit]:
    """Read the sample and the reserve of some splits, those that exist.

    Raises:
        InputError: A file is not a sample file.
    """
    found = {split: table for split in splits if (table := _read(folder / f"{split.value}.parquet")) is not None}
    reserve = _read(folder / _RESERVE)
    if reserve is None:
        reserve = arrow_schema(Sample).empty_table()
    both = {split: (table, reserve.filter(pc.equal(reserve["split"], split.value))) for split, table in found.items()}
    imageless = _pools_without_images([drawn for drawn, _ in both.values()])
    return [_drawn_split(split, drawn, spare, imageless) for split, (drawn, spare) in both.items()]


def _pools_without_images(tables: Sequence[pa.Table]) -> frozenset[str]:
    sources: set[str] = set()
    with_images: set[str] = set()
    for table in tables:
        sources |= set(pc.unique(table["source"]).to_pylist())
        with_images |= set(pc.unique(table.filter(pc.is_valid(table["image"]))["source"]).to_pylist())
    return frozenset(sources - with_images)


def _drawn_split(split: Split, drawn: pa.Table, spare: pa.Table, imageless: frozenset[str]) -> DrawnSplit:
    rows = pa.concat_tables([drawn, spare]).combine_chunks()
    names = zip(*(rows[name].to_pylist() for name in ("id", "stratum", "rank", "source")), strict=True)
    entries = tuple(
        None if source in imageless else Entry(key, split, stratum, rank, drawn=number < drawn.num_rows)
        for number, (key, stratum, rank, source) in enumerate(names)
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    digest = hashlib.sha256(drawn.num_rows.to_bytes(8, "little") + sink.getvalue()).hexdigest()
    without = sum(entry is None for entry in entries[: drawn.num_rows])
    return DrawnSplit(split, rows, entries, digest, without)


def _read(path: Path) -> pa.Table | None:
    if not path.exists():
        return None
    schema = arrow_schema(Sample)
    try:
        return pq.read_table(path).select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError, OSError) as error:
        raise InputError(
            f"{path} is not a sample file: {error}.", hint="Draw the split again with `geoseek sample`."
        ) from error


def require_samples(folder: Path, requested: Sequence[Split], found: Sequence[DrawnSplit]) -> None:
    """Check that there is something, and everything that was asked for by name.

    Raises:
        UsageError: There is not.
    """
    there = {drawn.split for drawn in found}
    missing = [split.value for split in requested if split not in there]
    if missing:
        raise UsageError(
            f"There is no {missing[0]} sample in {folder}.",
            hint=f"Draw it with `geoseek sample --split {missing[0]}`, or leave --split out.",
        )
    if not there:
        raise UsageError(f"There is no sample in {folder}.", hint="Draw one with `geoseek sample`.")
