"""Which sample an entry of a foreign file is about."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from geoseek.annotation.exchange.reasons import EntryError, ImportRejectReason
from geoseek.schemas import InputError, Split

_COLUMNS = ["id", "split", "image", "lat", "lng"]
_POSITION_DIGITS = 6
"""Positions are equal to a millionth of a degree, about 0.1 m."""


@dataclass(frozen=True)
class Reference:
    """What an entry says about its picture; the first that is given decides."""

    id: str | None = None
    image: str | None = None
    lat: float | None = None
    lng: float | None = None


class SampleIndex:
    """Finds samples by id, by image (as the pool names it, by file name, by content) or by position."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], hashes: Mapping[str, str]) -> None:
        """Index samples.

        Args:
            rows: Samples with `id, split, image, lat, lng`.
            hashes: Sample id -> SHA-256 of its picture.
        """
        self.split_of: dict[str, Split] = {}
        self._by: dict[str, dict[Hashable, set[str]]] = {
            kind: defaultdict(set) for kind in ("image", "name", "sha256", "position")
        }
        for row in rows:
            sample_id = row["id"]
            self.split_of[sample_id] = Split(row["split"])
            if row["image"]:
                self._by["image"][row["image"]].add(sample_id)
                self._by["name"][_file_name(row["image"])].add(sample_id)
            self._by["position"][_position(row["lat"], row["lng"])].add(sample_id)
        for sample_id, digest in hashes.items():
            if sample_id in self.split_of:
                self._by["sha256"][digest].add(sample_id)

    def find(self, reference: Reference, folder: Path) -> str:
        """Return the id of the sample.

        Args:
            reference: What the entry says.
            folder: Where relative paths of images start: the folder of the imported file.

        Raises:
            EntryError: There is no such sample, there are several, or the entry does not say which.
        """
        if reference.id is not None:
            if reference.id not in self.split_of:
                raise EntryError(ImportRejectReason.UNKNOWN_SAMPLE, f"id {reference.id!r}")
            return reference.id
        keys = list(_keys(reference, folder))
        if not keys:
            raise EntryError(ImportRejectReason.NO_REFERENCE, "give `id`, `image`, or `lat` and `lng`")
        several = ""
        for kind, key in keys:
            found = self._by[kind].get(key, set())
            if len(found) == 1:
                return next(iter(found))
            if found:
                several = several or f"{kind} {key!r}: {', '.join(sorted(found)[:5])}"
        if several:
            raise EntryError(ImportRejectReason.AMBIGUOUS_SAMPLE, several)
        raise EntryError(ImportRejectReason.UNKNOWN_SAMPLE, "; ".join(f"{kind} {key!r}" for kind, key in keys))


def read_sample_index(workspace: Path) -> SampleIndex:
    """Read the samples of a workspace: those with a picture where they were fetched, else those drawn.

    Raises:
        InputError: Nothing was sampled yet.
    """
    images = workspace / "work" / "images"
    hashes: dict[str, str] = {}
    if (images / "members.parquet").is_file():
        rows = pq.read_table(images / "members.parquet", columns=_COLUMNS).to_pylist()
        pictures = pq.read_table(images / "images.parquet", columns=["id", "sha256"], filters=[("view", "=", 0)])
        hashes = dict(zip(pictures["id"].to_pylist(), pictures["sha256"].to_pylist(), strict=True))
    else:
        files = [workspace / "work" / "samples" / f"{split}.parquet" for split in Split]
        rows = [row for file in files if file.is_file() for row in pq.read_table(file, columns=_COLUMNS).to_pylist()]
    if not rows:
        raise InputError(f"There are no samples in {workspace}.", hint="Run `geoseek sample`, then `geoseek fetch`.")
    return SampleIndex(rows, hashes)


def _keys(reference: Reference, folder: Path) -> Iterable[tuple[str, Hashable]]:
    if reference.image:
        yield "image", reference.image
        file = folder / reference.image
        if "://" not in reference.image and file.is_file():
            yield "sha256", hashlib.sha256(file.read_bytes()).hexdigest()
        yield "name", _file_name(reference.image)
    if reference.lat is not None and reference.lng is not None:
        yield "position", _position(reference.lat, reference.lng)


def _file_name(image: str) -> str:
    return PurePosixPath(image.split("?")[0].replace("\\", "/")).name


def _position(lat: float, lng: float) -> tuple[float, float]:
    return round(lat, _POSITION_DIGITS), round(lng, _POSITION_DIGITS)
