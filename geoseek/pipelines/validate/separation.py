"""What two splits must not share: rows, pictures, looks, places."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from geoseek.geo import NearbyIndex
from geoseek.media import HashTable, PerceptualHash, near_pairs
from geoseek.pipelines.validate.codes import ExportCheck
from geoseek.pipelines.validate.findings import Findings
from geoseek.schemas import Split

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Origin:
    """Where a row stands.

    Attributes:
        file: Its file.
        row: Its 0-based row there.
        id: Its id.
    """

    file: str
    row: int
    id: str


@dataclass
class SplitTraits:
    """What is kept of a split for comparing it with others: some hundred bytes per row."""

    origins: list[Origin] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    lat: array[float] = field(default_factory=lambda: array("d"))
    lng: array[float] = field(default_factory=lambda: array("d"))
    looks: list[PerceptualHash] = field(default_factory=list)
    looks_of: list[int] = field(default_factory=list)

    def add(self, origin: Origin, lat: float, lng: float, image: str | None, looks: PerceptualHash | None) -> bool:
        """Keep a row; return whether its id is new."""
        place = len(self.origins)
        is_new = self.ids.setdefault(origin.id, place) == place
        self.origins.append(origin)
        self.lat.append(lat)
        self.lng.append(lng)
        if image is not None:
            self.images.setdefault(image, place)
        if looks is not None:
            self.looks.append(looks)
            self.looks_of.append(place)
        return is_new


def check_separation(
    splits: dict[Split, SplitTraits], findings: Findings, *, separation_km: float | None, near_duplicate_bits: int
) -> None:
    """Compare every split with those before it.

    Args:
        splits: What was kept of each.
        findings: Takes what is found.
        separation_km: Least distance between val and the others; None if unknown.
        near_duplicate_bits: Largest difference of near-duplicates, out of 256.
    """
    order = [split for split in Split if split in splits]
    for number, split in enumerate(order):
        for earlier in order[:number]:
            _check_shared(splits[split], splits[earlier], earlier, findings)
            _check_looks(splits[split], splits[earlier], earlier, findings, near_duplicate_bits)
            if earlier is Split.VAL and separation_km:
                _check_distance(splits[split], splits[earlier], findings, separation_km)


def _check_shared(these: SplitTraits, others: SplitTraits, earlier: Split, findings: Findings) -> None:
    for row_id in sorted(these.ids.keys() & others.ids.keys()):
        _report(findings, ExportCheck.SHARED_ID, these.origins[these.ids[row_id]], f"also in {earlier.value}")
    for sha256 in sorted(these.images.keys() & others.images.keys()):
        other = others.origins[others.images[sha256]].id
        origin = these.origins[these.images[sha256]]
        _report(findings, ExportCheck.SHARED_IMAGE, origin, f"the picture of {other} in {earlier.value}")


def _check_looks(these: SplitTraits, others: SplitTraits, earlier: Split, findings: Findings, bits: int) -> None:
    if not these.looks or not others.looks:
        return
    pairs = near_pairs(HashTable.of(these.looks), HashTable.of(others.looks), fine_bits=bits)
    for left, right, distance in zip(pairs.left, pairs.right, pairs.distance, strict=True):
        other = others.origins[others.looks_of[int(right)]].id
        origin = these.origins[these.looks_of[int(left)]]
        value = f"{int(distance)} of 256 bits from {other} in {earlier.value}"
        _report(findings, ExportCheck.NEAR_DUPLICATE, origin, value)


def _check_distance(these: SplitTraits, val: SplitTraits, findings: Findings, separation_km: float) -> None:
    index = NearbyIndex(np.asarray(val.lat), np.asarray(val.lng))
    limit = separation_km * (1 - _ROUNDING)
    distances = index.nearest_km(np.asarray(these.lat), np.asarray(these.lng), limit)
    for place in np.flatnonzero(np.isfinite(distances)):
        value = f"{distances[place]:.3f} km from a row of val, {separation_km:g} km are kept free"
        _report(findings, ExportCheck.TOO_NEAR, these.origins[int(place)], value)


def _report(findings: Findings, check: ExportCheck, origin: Origin, value: str) -> None:
    findings.add(check, origin.file, value, row=origin.row, row_id=origin.id)
