"""Samples that exist already: read back from an output folder, checked, and turned into what the draw needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geoseek.sampling.exclusions import Members
from geoseek.sampling.frame import hash_sequences, source_key
from geoseek.sampling.hashing import hash_strings
from geoseek.schemas import InputError, Sample, Split, arrow_schema

RESERVE_FILE = "reserve.parquet"


def split_file(split: Split) -> str:
    """Return the file name of a split's sample."""
    return f"{split.value}.parquet"


def read_samples(folder: Path, split: Split) -> pa.Table | None:
    """Return the sample of a split in an output folder, or None if it was not drawn there.

    Raises:
        InputError: The file is there, but is not a sample file.
    """
    return _read(folder / split_file(split))


def read_reserve(folder: Path, split: Split) -> pa.Table:
    """Return the reserve rows of a split in an output folder; empty if there are none."""
    table = _read(folder / RESERVE_FILE)
    if table is None:
        return arrow_schema(Sample).empty_table()
    return table.filter(pc.equal(table["split"], split.value))


def members_of(tables: Sequence[pa.Table]) -> Members:
    """Hash the ids and sequences of sample tables the way the frame does."""
    table = pa.concat_tables([arrow_schema(Sample).empty_table(), *tables]).combine_chunks()
    ids = np.empty(table.num_rows, dtype=np.uint64)
    sequences = np.zeros(table.num_rows, dtype=np.uint64)
    for source in pc.unique(table["source"]).to_pylist():
        here = pc.equal(table["source"], source)
        rows = table.filter(here)
        where = here.to_numpy()
        ids[where] = hash_strings(rows["source_id"].combine_chunks(), source_key(source))
        sequences[where] = hash_sequences(rows["sequence_id"].combine_chunks(), source)
    return Members(ids, sequences, *(_column(table, name) for name in ("lat", "lng")))


def _column(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


def _read(path: Path) -> pa.Table | None:
    if not path.exists():
        return None
    schema = arrow_schema(Sample)
    try:
        table = pq.read_table(path)
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, KeyError, OSError) as error:
        raise InputError(
            f"{path} is not a sample file: {error}.", hint="Delete it, or draw the split again with `geoseek sample`."
        ) from error
