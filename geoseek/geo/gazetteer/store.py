"""Keeping a built gazetteer: one file of checked, memory-mapped arrays in the user's cache."""

from __future__ import annotations

import json
import mmap
import threading
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from geoseek.geo.gazetteer.lookup import Gazetteer
from geoseek.geo.gazetteer.sources import ALIASES, COUNTRY_ALIASES, PACKAGES
from geoseek.schemas import OutputError
from geoseek.workspace import atomic_path, cache_dir, file_fingerprint, installed_versions, progress_bar, stable_digest

ALGORITHM_VERSION = 7
"""Part of the key of a cached gazetteer: raise it with every change of what is stored or how it is read."""

Arrays = dict[str, npt.NDArray[Any]]

_MAGIC = b"GEOSEEK-GAZ1\n"
_ALIGN = 64
_SPAN = 1 << 20
_loaded: dict[str, Gazetteer] = {}
_lock = threading.Lock()


def load_gazetteer(exclude: Collection[int] = ()) -> Gazetteer:
    """Return the gazetteer; built once from the installed packages (about 25 s), then mapped from the user's cache.

    If several processes ask for it at once, one builds and the others wait. A damaged cache file is built again. Within
    one process the gazetteer is shared.

    Args:
        exclude: GeoNames ids of places to leave out of names and centroids, for measuring how well unknown places are
            answered.

    Raises:
        InputError: One of the source packages lacks a file.
        OutputError: The cache cannot be written.
    """
    left_out = sorted(exclude)
    key = stable_digest(
        [
            ALGORITHM_VERSION,
            installed_versions(PACKAGES),
            file_fingerprint(ALIASES),
            file_fingerprint(COUNTRY_ALIASES),
            left_out,
        ]
    )
    with _lock:
        if key not in _loaded:
            _loaded[key] = Gazetteer(_read_or_build(key, left_out))
        return _loaded[key]


def _read_or_build(key: str, exclude: Collection[int]) -> Arrays:
    path = cache_dir("gazetteer") / f"{key[:24]}.bin"
    arrays = read_arrays(path)
    if arrays is not None:
        return arrays
    from geoseek.geo.gazetteer.build import BUILD_STEPS, build_arrays

    with FileLock(path.with_suffix(".lock")):
        arrays = read_arrays(path)
        if arrays is None:
            with progress_bar(total=BUILD_STEPS, label="Building the gazetteer (once)", unit="steps") as bar:
                built = build_arrays(lambda: bar.update(1), exclude)
            write_arrays(path, built)
            arrays = read_arrays(path)
            if arrays is None:
                raise OutputError(
                    f"The gazetteer in {path} cannot be read back.", hint="Check the disk, or set GEOSEEK_CACHE_DIR."
                )
    return arrays


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays to one file, atomically: a line that names it, sizes and checksum, a JSON header, the arrays.

    Raises:
        OutputError: The file cannot be written.
    """
    entries, at = [], 0
    for name, array in sorted(arrays.items()):
        entries.append([name, array.dtype.str, len(array), at])
        at += -(-array.nbytes // _ALIGN) * _ALIGN
    header = json.dumps(entries).encode()
    body = b"".join(_padded(array) for _, array in sorted(arrays.items()))
    checksum = zlib.crc32(body, zlib.crc32(header))
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            file.write(_MAGIC + f"{len(header):12d}{len(body):16d}{checksum:12d}\n".encode())
            file.write(header)
            file.write(b"\0" * (-(len(_MAGIC) + 41 + len(header)) % _ALIGN))
            file.write(body)
    except OutputError as error:
        raise OutputError(
            error.message, hint="Set GEOSEEK_CACHE_DIR to a folder that can be written and has 100 MB of space."
        ) from error


def _padded(array: npt.NDArray[Any]) -> bytes:
    raw = array.tobytes()
    return raw + b"\0" * (-len(raw) % _ALIGN)


def read_arrays(path: Path) -> Arrays | None:
    """Map the arrays of a file into memory; None if it is absent, of another kind, cut off or damaged."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return None
            sizes = file.read(41)
            header_bytes, body_bytes, checksum = int(sizes[:12]), int(sizes[12:28]), int(sizes[28:40])
            header = file.read(header_bytes)
            start = -(-file.tell() // _ALIGN) * _ALIGN
            file.seek(start)
            found, left = zlib.crc32(header), body_bytes
            while left and (block := file.read(min(_SPAN, left))):
                found = zlib.crc32(block, found)
                left -= len(block)
            if left or found != checksum:
                return None
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return {
                name: np.frombuffer(mapped, dtype=kind, count=count, offset=start + at)
                for name, kind, count, at in json.loads(header)
            }
    except (OSError, ValueError, TypeError):
        return None
