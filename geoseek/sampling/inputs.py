"""What a run reads, opened and fingerprinted: pools, benchmarks, rasters, earlier samples."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoseek.sampling.exclusions import Avoid
from geoseek.sampling.plan import avoid_files
from geoseek.sampling.pools import Pool, PoolSpec, open_pool, parse_pool
from geoseek.schemas import UsageError
from geoseek.workspace import SampleSettings, file_fingerprint, stable_digest


@dataclass(frozen=True)
class PoolGroup:
    """Pools that are drawn from together; eq. 11 applies inside a group.

    Attributes:
        share: Fraction of every split that this group gives.
        pools: Indices of its pools.
    """

    share: float
    pools: tuple[int, ...]


@dataclass(frozen=True)
class SampleInputs:
    """All inputs of a run, opened and fingerprinted once.

    Attributes:
        pools: Open pools.
        groups: How they share the splits.
        pool_prints: Fingerprint of each pool.
        avoided: Benchmarks to keep away from.
        avoid_prints: Fingerprint of each benchmark file.
    """

    pools: tuple[Pool, ...]
    groups: tuple[PoolGroup, ...]
    pool_prints: tuple[dict[str, Any], ...]
    avoided: tuple[Avoid, ...]
    avoid_prints: tuple[dict[str, Any], ...]


def load_inputs(settings: SampleSettings) -> SampleInputs:
    """Open the pools and benchmarks of a design.

    Raises:
        UsageError: Malformed pools, shares or distances.
        InputError: A file that cannot be read.
    """
    specs, pools = _open_pools(settings)
    avoided, avoid_prints = _read_avoided(settings)
    return SampleInputs(
        tuple(pools),
        tuple(pool_groups(specs)),
        tuple(pool_fingerprint(pool) for pool in pools),
        tuple(avoided),
        tuple(avoid_prints),
    )


def _open_pools(settings: SampleSettings) -> tuple[list[PoolSpec], list[Pool]]:
    specs = [parse_pool(text) for text in settings.pools]
    if not specs:
        raise UsageError("There is no pool to draw from.", hint="Name one with --pool PATH, or use --pool geonames.")
    names = [spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"Two pools are called {twice[0]!r}.",
            hint="Give each a name of its own: --pool NAME=PATH. Several files of one source go in one folder or glob.",
        )
    return specs, [
        open_pool(spec, columns=None if spec.path == "geonames" else settings.columns, encoding=settings.encoding)
        for spec in specs
    ]


def pool_groups(specs: Sequence[PoolSpec]) -> list[PoolGroup]:
    """Group pools by share: each pool with a share stands alone; those without one share the remainder.

    Raises:
        UsageError: The shares exceed 1, or leave nothing for the pools without one, or do not reach 1.
    """
    fixed = [PoolGroup(spec.share, (i,)) for i, spec in enumerate(specs) if spec.share is not None]
    open_ended = tuple(i for i, spec in enumerate(specs) if spec.share is None)
    total = math.fsum(group.share for group in fixed)
    if open_ended:
        if fixed and total >= 1 - 1e-9:
            raise UsageError(
                f"The pool shares sum to {total:g} and leave nothing for {specs[open_ended[0]].name!r}.",
                hint="Lower a share, or give every pool one.",
            )
        return sorted([*fixed, PoolGroup(1.0 - total, open_ended)], key=lambda group: group.pools)
    if abs(total - 1) > 1e-6:
        raise UsageError(f"The pool shares sum to {total:g}.", hint="Shares of all pools must sum to 1.")
    return fixed


def _read_avoided(settings: SampleSettings) -> tuple[list[Avoid], list[dict[str, Any]]]:
    avoided, prints = [], []
    for path, distance_km in avoid_files(settings):
        lat, lng, pool = read_coordinates(path, settings)
        avoided.append(Avoid(path.name, lat, lng, distance_km))
        prints.append({"file": path.name, "distance_km": distance_km, "points": len(lat), **pool_fingerprint(pool)})
    return avoided, prints


def read_coordinates(path: Path, settings: SampleSettings) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Pool]:
    """Read all usable coordinates of any file that could be a pool; shapes (n,), degrees."""
    pool = open_pool(PoolSpec(path.stem, str(path), None), encoding=settings.encoding)
    batches = [batch for fragment in pool.fragments() for batch in pool.scan(fragment, sequence=False)]
    lat = np.concatenate([np.empty(0), *(batch.lat for batch in batches)])
    lng = np.concatenate([np.empty(0), *(batch.lng for batch in batches)])
    return lat, lng, pool


def pool_fingerprint(pool: Pool) -> dict[str, Any]:
    """Fingerprint all files of a pool in one digest.

    Photos count by name and size; every other file by content (see `file_fingerprint`).
    """
    if not pool.files:
        return {"files": 0, "bytes": 0, "scheme": "built-in", "digest": stable_digest(pool.builtin_version)}
    folder = Path(os.path.commonpath(pool.files)) if len(pool.files) > 1 else pool.files[0].parent
    names = [path.relative_to(folder).as_posix() for path in pool.files]
    if pool.format == "photos":
        sizes = [path.stat().st_size for path in pool.files]
        scheme, digest = "names and sizes", stable_digest([names, sizes])
    else:
        prints = [file_fingerprint(path) for path in pool.files]
        sizes = [found["bytes"] for found in prints]
        scheme, digest = "sha256 of names and contents", stable_digest([names, prints])
    return {"files": len(names), "bytes": sum(sizes), "scheme": scheme, "digest": digest}


def anchor_paths(settings: SampleSettings, folder: Path) -> SampleSettings:
    """Return settings whose relative paths are taken from `folder`, where the file that names them lies."""

    def anchored(path: str) -> str:
        return path if path == "geonames" or Path(path).is_absolute() else str(folder / path)

    pools = []
    for text in settings.pools:
        spec = parse_pool(text)
        share = "" if spec.share is None else f":{spec.share!r}"
        pools.append(f"{spec.name}={anchored(spec.path)}{share}")
    return settings.model_copy(
        update={
            "pools": tuple(pools),
            "avoid": tuple(anchored(text) for text in settings.avoid),
            "population_raster": settings.population_raster and anchored(settings.population_raster),
            "boundaries": settings.boundaries and anchored(settings.boundaries),
        }
    )
