"""Fingerprints of inputs, for manifests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from geoseek.schemas import InputError

WHOLE_FILE_LIMIT_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024
_BLOCKS = 32


def file_fingerprint(path: Path) -> dict[str, Any]:
    """Fingerprint a file by content, not by name or time.

    Files up to 64 MiB are hashed whole (`sha256`). Of larger ones the size and 32 blocks of 1 MiB, evenly spaced from
    the first to the last, are hashed (`sha256-blocks`), so that the cost does not grow with the pool.

    Returns:
        `{"bytes": size, "scheme": "sha256" | "sha256-blocks", "digest": hex}`.

    Raises:
        InputError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= WHOLE_FILE_LIMIT_BYTES:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
                scheme = "sha256"
            else:
                digest.update(size.to_bytes(8, "little"))
                for i in range(_BLOCKS):
                    file.seek((size - _BLOCK_BYTES) * i // (_BLOCKS - 1))
                    digest.update(file.read(_BLOCK_BYTES))
                scheme = "sha256-blocks"
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    return {"bytes": size, "scheme": scheme, "digest": digest.hexdigest()}


def stable_digest(value: Any) -> str:
    """Return the SHA-256 (hex) of a JSON-serialisable value, independent of dictionary order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each named distribution; absent ones are left out."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
