"""Reading a whole pool at once, for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from geoseek.sampling.pools import Pool, open_pool, parse_pool
from geoseek.schemas import Reject, arrow_schema


@dataclass(frozen=True)
class Whole:
    """Everything that a pool yields."""

    pool: Pool
    rows: list[tuple[int, int]]
    ids: list[str]
    lat: list[float]
    lng: list[float]
    sequence: list[str | None] | None
    rejects: list[dict[str, Any]]

    @property
    def reasons(self) -> dict[int, str]:
        return {reject["row"]: reject["reason"] for reject in self.rejects}

    def fields(self, *names: str) -> list[dict[str, Any]]:
        """Take all rows again, with these fields."""
        records = []
        for file in sorted({file for file, _ in self.rows}):
            rows = np.array([row for number, row in self.rows if number == file], dtype=np.int64)
            records += self.pool.take(file, rows, names).to_pylist()
        return records


def read_whole(pool: Pool, *, sequence: bool = False, target_rows: int = 4_000_000) -> Whole:
    """Scan all fragments and check what holds for every batch."""
    rows: list[tuple[int, int]] = []
    ids: list[str] = []
    lat: list[float] = []
    lng: list[float] = []
    sequences: list[str | None] | None = [] if sequence and "sequence_id" in pool.fields else None
    rejects: list[dict[str, Any]] = []
    for fragment in pool.fragments(target_rows):
        for batch in pool.scan(fragment, sequence=sequence):
            assert batch.rows.dtype == np.int64
            assert batch.lat.dtype == batch.lng.dtype == np.float64
            assert len(batch.rows) == len(batch.source_id) == len(batch.lat) == len(batch.lng)
            assert isinstance(batch.source_id, pa.StringArray | pa.LargeStringArray)
            assert batch.source_id.null_count == 0
            assert batch.rejects.schema.equals(arrow_schema(Reject))
            assert (np.abs(batch.lat) <= 90).all()
            assert ((batch.lng >= -180) & (batch.lng < 180)).all()
            rows += [(fragment.file, row) for row in batch.rows.tolist()]
            ids += batch.source_id.to_pylist()
            lat += batch.lat.tolist()
            lng += batch.lng.tolist()
            if sequences is not None:
                assert batch.sequence_id is not None
                sequences += batch.sequence_id.to_pylist()
            else:
                assert batch.sequence_id is None
            rejects += batch.rejects.to_pylist()
    assert rows == sorted(set(rows))
    return Whole(pool, rows, ids, lat, lng, sequences, rejects)


@pytest.fixture
def whole() -> Callable[..., Whole]:
    """Open a path as a pool called `p` and read it."""

    def read(
        path: Path | str,
        *,
        columns: dict[str, str] | None = None,
        encoding: str = "utf-8",
        sequence: bool = False,
        target_rows: int = 4_000_000,
    ) -> Whole:
        pool = open_pool(parse_pool(f"p={path}"), columns=columns, encoding=encoding)
        return read_whole(pool, sequence=sequence, target_rows=target_rows)

    return read
