"""What an export reads: which rows belong to a split, and everything that the earlier stages say about them.

Only ids and sizes of a split are held in memory; the rows themselves are read shard by shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from geoseek.schemas import ImageRecord, InputError, Sample, Split, TaggedSample, UsageError, arrow_schema
from geoseek.workspace import recover

SAMPLES, IMAGES, CURATED = Path("work", "samples"), Path("work", "images"), Path("work", "curated")
MEMBERS_FILE, IMAGES_FILE, CHAINS_FILE, TAGS_FILE = "members.parquet", "images.parquet", "cot.parquet", "tags.parquet"


@dataclass(frozen=True)
class Population:
    """The rows of a split, before anything is left out.

    Attributes:
        split: The split.
        members: Ids of the rows whose picture was fetched.
        drawn: Ids of drawn rows that have no picture: of pools without images, or of splits that were not fetched.
        not_fetched: How many of `drawn` name an image.
        licences: Licence of each row, by id.
        image_bytes: Size of the fetched picture of each member, by id.
    """

    split: Split
    members: tuple[str, ...]
    drawn: tuple[str, ...]
    not_fetched: int
    licences: dict[str, str | None]
    image_bytes: dict[str, int]

    @property
    def ids(self) -> tuple[str, ...]:
        """All rows."""
        return self.members + self.drawn


@dataclass(frozen=True)
class RowSources:
    """What the stages say about one row.

    Attributes:
        sample: The Sample (or Member) record.
        image: The ImageRecord of its picture; None if it has none.
        chain: The CuratedChain; None if there is none.
        tags: The TaggedSample; None if nobody rated it.
    """

    sample: dict[str, Any]
    image: dict[str, Any] | None
    chain: dict[str, Any] | None
    tags: dict[str, Any] | None


class Workspace:
    """Reads the tables of a workspace.

    Args:
        folder: The workspace.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in (SAMPLES, IMAGES, CURATED):
            if (folder / part).is_dir():
                recover(folder / part)

    def drawn_splits(self) -> list[Split]:
        """Return the splits that were drawn."""
        return [split for split in Split if self.sample_file(split).exists()]

    def sample_file(self, split: Split) -> Path:
        """Return the file of the drawn rows of a split."""
        return self.folder / SAMPLES / f"{split.value}.parquet"

    def require_splits(self, wanted: Sequence[Split]) -> list[Split]:
        """Return the splits to export: those asked for, else all that were drawn.

        Raises:
            UsageError: One was not drawn, or none was.
        """
        drawn = self.drawn_splits()
        missing = [split.value for split in wanted if split not in drawn]
        where = self.folder / SAMPLES
        if missing:
            raise UsageError(
                f"There is no {missing[0]} sample in {where}.",
                hint=f"Draw it with `geoseek sample --split {missing[0]}`, or leave --split out.",
            )
        if not drawn:
            raise UsageError(f"There is no sample in {where}.", hint="Draw one with `geoseek sample`.")
        return [split for split in drawn if split in wanted] if wanted else drawn

    def input_files(self, split: Split) -> list[Path]:
        """Return the files that decide what is exported of a split, those that exist."""
        curated = [self.folder / CURATED / name for name in (CHAINS_FILE, TAGS_FILE)]
        fetched = [self.folder / IMAGES / name for name in (MEMBERS_FILE, IMAGES_FILE)]
        files = [self.sample_file(split), *fetched, *([] if split is Split.LOC else curated)]
        return [path for path in files if path.exists()]

    def population(self, split: Split) -> Population:
        """Return the rows of a split.

        Raises:
            InputError: A table is damaged, or the pictures belong to another draw.
        """
        drawn = _read(self.sample_file(split), ("id", "source", "image", "license"), None)
        members = _read(self.folder / IMAGES / MEMBERS_FILE, ("id", "license", "replaces"), split)
        sizes = _read(self.folder / IMAGES / IMAGES_FILE, ("id", "bytes", "view"), split)
        if members.num_rows:
            self._require_same_draw(split, drawn, members)
            with_images = pc.unique(drawn.filter(pc.is_valid(drawn["image"]))["source"])
            drawn = drawn.filter(pc.invert(pc.is_in(drawn["source"], with_images)))
        whole = sizes.filter(pc.equal(sizes["view"], 0))
        member_ids, drawn_ids = members["id"].to_pylist(), drawn["id"].to_pylist()
        licences = members["license"].to_pylist() + drawn["license"].to_pylist()
        return Population(
            split,
            tuple(member_ids),
            tuple(drawn_ids),
            drawn.num_rows - drawn["image"].null_count,
            dict(zip(member_ids + drawn_ids, licences, strict=True)),
            dict(zip(whole["id"].to_pylist(), whole["bytes"].to_pylist(), strict=True)),
        )

    def _require_same_draw(self, split: Split, drawn: pa.Table, members: pa.Table) -> None:
        original = members.filter(pc.is_null(members["replaces"]))["id"]
        strange = pc.filter(original, pc.invert(pc.is_in(original, drawn["id"])))
        if len(strange):
            raise InputError(
                f"The pictures in {self.folder / IMAGES} belong to an earlier draw of {split.value}: "
                f"{len(strange):,} of their rows, among them {strange[0]}, are not in the sample.",
                hint=f"Fetch the pictures of the sample with `geoseek fetch --split {split.value}`.",
            )

    def annotated(self, split: Split) -> frozenset[str]:
        """Return the samples of a split that have a curated chain."""
        return frozenset(_read(self.folder / CURATED / CHAINS_FILE, ("sample_id",), split)["sample_id"].to_pylist())

    def rated(self, split: Split) -> frozenset[str]:
        """Return the samples of a split that have a rating."""
        return frozenset(_read(self.folder / CURATED / TAGS_FILE, ("sample_id",), split)["sample_id"].to_pylist())

    def rows(self, split: Split, ids: Sequence[str]) -> list[RowSources]:
        """Return everything about some rows of a split, in their order.

        Raises:
            InputError: A table is damaged, or changed since the export began.
        """
        samples = {
            row["id"]: row
            for path in (self.sample_file(split), self.folder / IMAGES / MEMBERS_FILE)
            for row in _select(path, arrow_schema(Sample).names, "id", split, ids)
        }
        missing = [key for key in ids if key not in samples]
        if missing:
            raise InputError(
                f"{self.folder / SAMPLES} changed while it was exported: {missing[0]} is gone.",
                hint="Run `geoseek export` again when nothing else works on this workspace.",
            )
        pictures = _select(self.folder / IMAGES / IMAGES_FILE, arrow_schema(ImageRecord).names, "id", split, ids)
        images = {row["id"]: row for row in pictures if row["view"] == 0}
        chains: dict[str, Any] = {}
        tags: dict[str, Any] = {}
        if split is not Split.LOC:
            chains = _by_sample(_select(self.folder / CURATED / CHAINS_FILE, None, "sample_id", split, ids))
            names = arrow_schema(TaggedSample).names
            tags = _by_sample(_select(self.folder / CURATED / TAGS_FILE, names, "sample_id", split, ids))
        return [RowSources(samples[key], images.get(key), chains.get(key), tags.get(key)) for key in ids]


def _by_sample(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["sample_id"]: row for row in rows}


def _read(path: Path, columns: Sequence[str], split: Split | None) -> pa.Table:
    """Read some columns of a table, or no rows if the file is not there."""
    if not path.exists():
        return pa.table({name: pa.array([], _kind(name)) for name in columns})
    try:
        condition = None if split is None else pads.field("split") == split.value
        return pq.read_table(path, columns=list(columns), filters=condition).select(columns)
    except (pa.ArrowException, KeyError, OSError) as error:
        raise _damaged(path, error) from error


def _kind(column: str) -> pa.DataType:
    return {"bytes": pa.int64(), "view": pa.int32()}.get(column, pa.string())


def _select(
    path: Path, columns: Sequence[str] | None, key: str, split: Split, ids: Sequence[str]
) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        wanted = pads.field(key).isin(pa.array(ids, pa.string())) & (pads.field("split") == split.value)
        table = pads.dataset(path, format="parquet").to_table(
            columns=None if columns is None else list(columns), filter=wanted
        )
        rows: list[dict[str, Any]] = table.to_pylist()
    except (pa.ArrowException, KeyError, OSError) as error:
        raise _damaged(path, error) from error
    return rows


def _damaged(path: Path, error: Exception) -> InputError:
    first = str(error).splitlines()[0]
    stage = {"samples": "sample", "images": "fetch"}.get(path.parent.name, "curate")
    stage = "tag" if path.name == TAGS_FILE else stage
    return InputError(f"{path} cannot be read: {first}.", hint=f"Write it again with `geoseek {stage} --force`.")
