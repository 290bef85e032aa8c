"""The samples that annotations may belong to, and where each was taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geoseek.annotation import SampleTruth
from geoseek.schemas import InputError, Split
from geoseek.workspace import recover, stable_digest

_COLUMNS = ("id", "split", "source", "image", "country_code", "lat", "lng")


@dataclass(frozen=True)
class SampleTable:
    """The samples of a workspace.

    Attributes:
        truth: Split -> sample -> where it was taken.
        replaced: Samples that were drawn, and whose place another picture has taken since.
    """

    truth: dict[Split, dict[str, SampleTruth]]
    replaced: frozenset[str]

    def find(self, split: Split, sample_id: str) -> SampleTruth | None:
        """Return where a sample was taken; None if it is not (any more) in that split."""
        return self.truth.get(split, {}).get(sample_id)

    def digest(self) -> str:
        """Return the hash of all that decides about annotations."""
        rows = [
            [split.value, key, found.country_code, found.lat, found.lng]
            for split, samples in sorted(self.truth.items())
            for key, found in sorted(samples.items())
        ]
        return stable_digest([rows, sorted(self.replaced)])


def read_sample_table(workspace: Path) -> SampleTable:
    """Read the members of a fetch; where a split was not fetched, or a pool has no images at all, the drawn rows.

    Raises:
        InputError: A file is not what `geoseek sample` or `geoseek fetch` writes.
    """
    samples, images = workspace / "work" / "samples", workspace / "work" / "images"
    for folder in (samples, images):
        if folder.is_dir():
            recover(folder)
    drawn = [row for split in Split for row in _read(samples / f"{split.value}.parquet")]
    members = _read(images / "members.parquet")
    fetched = {row["split"] for row in members}
    with_images = {row["source"] for row in drawn if row["image"] is not None}
    here = {row["id"] for row in members}
    standing = [row for row in drawn if row["split"] not in fetched or row["source"] not in with_images]
    truth: dict[Split, dict[str, SampleTruth]] = {split: {} for split in Split}
    for row in (*standing, *members):
        truth[Split(row["split"])][row["id"]] = SampleTruth(row["country_code"], row["lat"], row["lng"])
    left = here | {row["id"] for row in standing}
    return SampleTable(truth, frozenset(row["id"] for row in drawn if row["id"] not in left))


def _read(path: Path) -> Iterable[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, columns=list(_COLUMNS)).select(_COLUMNS).to_pylist()
    except (pa.ArrowException, KeyError, OSError) as error:
        raise InputError(
            f"{path} is not a table of samples: {error}.",
            hint="Write it again: `geoseek sample`, then `geoseek fetch`.",
        ) from error
    return rows
