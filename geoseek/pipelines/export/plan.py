"""Which row goes into which shard: decided before any picture is read, from ids and sizes alone.

Rows are ordered by a hash of their id. That order has nothing to do with countries, so the first rows of a shard, or
the first shards of a split, are as good as drawn at random: what is streamed first is no odd part of the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from geoseek import __version__
from geoseek.pipelines.export.features import export_schema
from geoseek.pipelines.export.licences import LICENCES_FILE
from geoseek.pipelines.export.pictures import is_embedded
from geoseek.pipelines.export.request import ExportRequest
from geoseek.pipelines.export.sources import Population, Workspace
from geoseek.schemas import ExportReject, ExportRejectReason, Split
from geoseek.workspace import file_fingerprint, stable_digest

FILE_NAMES = {Split.COT: "train", Split.LOC: "train", Split.VAL: "validation"}
"""What Hugging Face calls the part of each configuration."""

_MB = 1_000_000
_ROW_BYTES = 2_000
_SHARD_ROWS = 50_000


def file_pattern(split: Split) -> str:
    """Return the pattern of the paths of a split's files.

    >>> file_pattern(Split.VAL)
    'data/val/validation-*.parquet'
    """
    return f"data/{split.value}/{FILE_NAMES[split]}-*.parquet"


@dataclass(frozen=True)
class ShardPlan:
    """One file.

    Attributes:
        name: Its path in the dataset.
        ids: Its rows, in their order.
    """

    name: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class SplitPlan:
    """One split.

    Attributes:
        split: The split.
        key: Digest of everything that decides its files.
        read: Rows read; the rows of the shards and the rejects, together.
        shards: Its files; a split without rows has none.
        rejects: Rows that are left out before their picture is looked at.
        image_bytes: Size of the pictures that will be embedded, as fetched.
        not_fetched: Rows that name an image and were not fetched.
    """

    split: Split
    key: str
    read: int
    shards: tuple[ShardPlan, ...]
    rejects: tuple[ExportReject, ...]
    image_bytes: int
    not_fetched: int

    @property
    def rows(self) -> int:
        """Rows of all shards."""
        return sum(len(shard.ids) for shard in self.shards)


def plan_split(request: ExportRequest, workspace: Workspace, split: Split, out_of_range: dict[str, str]) -> SplitPlan:
    """Plan a split.

    Args:
        request: What is asked for.
        workspace: Its tables.
        split: The split.
        out_of_range: Sample -> why its locatability keeps it out.

    Raises:
        InputError: A table is damaged.
    """
    population = workspace.population(split)
    annotated = workspace.annotated(split) if split is not Split.LOC else frozenset[str]()
    rated = workspace.rated(split) if split is Split.VAL else frozenset[str]()
    rejects = []
    kept = []
    for key in population.ids:
        if key in out_of_range:
            rejects.append(_reject(key, split, ExportRejectReason.OUT_OF_RANGE, out_of_range[key]))
        elif split is Split.COT and key not in annotated:
            rejects.append(_reject(key, split, ExportRejectReason.NO_CHAIN, None))
        else:
            kept.append(key)
    strays = sorted((annotated | rated) - frozenset(population.ids))
    rejects += [_reject(key, split, ExportRejectReason.NO_SAMPLE, None) for key in strays]
    sizes = {key: _size(request, population, key) for key in kept}
    shards = tuple(_shards(split, sorted(kept, key=order_of), sizes, request.settings.shard_mb * _MB))
    return SplitPlan(
        split,
        split_key(request, workspace, split, out_of_range),
        len(population.ids) + len(strays),
        shards,
        tuple(rejects),
        sum(size - _ROW_BYTES for size in sizes.values()),
        population.not_fetched,
    )


def order_of(sample_id: str) -> bytes:
    """Return what the rows of a split are sorted by: a hash of the id.

    >>> sorted(["pool:1", "pool:2", "pool:3"], key=order_of)
    ['pool:2', 'pool:3', 'pool:1']
    """
    return hashlib.blake2b(sample_id.encode(), digest_size=16).digest()


def split_key(request: ExportRequest, workspace: Workspace, split: Split, out_of_range: dict[str, str]) -> str:
    """Return a digest of everything that decides the files of a split."""
    settings = request.settings
    return stable_digest(
        {
            "version": __version__,
            "split": split.value,
            "schema": str(export_schema(split)),
            "settings": [settings.images, settings.shard_mb, settings.row_group_mb, settings.row_group_rows],
            "inputs": {path.name: file_fingerprint(path) for path in workspace.input_files(split)},
            "licences": file_fingerprint(LICENCES_FILE),
            "out_of_range": out_of_range,
        }
    )


def _size(request: ExportRequest, population: Population, key: str) -> int:
    embedded = key in population.image_bytes and is_embedded(request.images, population.licences[key])
    return _ROW_BYTES + (population.image_bytes[key] if embedded else 0)


def _shards(split: Split, ordered: list[str], sizes: dict[str, int], limit: int) -> Iterable[ShardPlan]:
    parts: list[list[str]] = []
    filled = 0
    for key in ordered:
        if not parts or filled + sizes[key] > limit or len(parts[-1]) == _SHARD_ROWS:
            parts.append([])
            filled = 0
        parts[-1].append(key)
        filled += sizes[key]
    for number, part in enumerate(parts):
        name = file_pattern(split).replace("*", f"{number:05d}-of-{len(parts):05d}")
        yield ShardPlan(name, tuple(part))


def _reject(key: str, split: Split, reason: ExportRejectReason, detail: str | None) -> ExportReject:
    return ExportReject(id=key, split=split, reason=reason, detail=detail)
