"""What `--pool` says: a name, a place, a share."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from geoseek.schemas import UsageError

GEONAMES = "geonames"
"""The path that stands for the built-in pool."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_SHARE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?%?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_HOW = "Write PATH, NAME=PATH or NAME=PATH:SHARE, for example osv=data/osv5m.parquet:0.625, or geonames."
_COMPRESSED = (".gz",)
_WILDCARDS = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class PoolSpec:
    """One pool as it was asked for.

    Attributes:
        name: Name of the pool; becomes `source`, and the part before the colon in every id.
        path: File, folder or glob; or `geonames`, the built-in pool.
        share: Part of the sample that comes from this pool, in (0, 1]; None where it was not said.
    """

    name: str
    path: str
    share: float | None


def parse_pool(text: str) -> PoolSpec:
    r"""Read one `--pool` value: `PATH`, `NAME=PATH`, `NAME=PATH:SHARE`, `geonames`, `geonames:SHARE`.

    A share is only what follows the last colon and is a number, so colons inside a path (`C:\data\x.csv`) stay part
    of it. Text that names an existing file or folder as a whole is taken as that path, whatever characters it holds.

    Raises:
        UsageError: No path, a name with other characters than letters, digits, `_`, `.` and `-`, or a share outside
            (0, 1].

    >>> parse_pool("osv=data/osv5m.parquet:0.625")
    PoolSpec(name='osv', path='data/osv5m.parquet', share=0.625)
    >>> parse_pool("data/my photos")
    PoolSpec(name='my-photos', path='data/my photos', share=None)
    >>> parse_pool("C:\\pools\\a.csv").path
    'C:\\pools\\a.csv'
    """
    if not text.strip():
        raise UsageError("A pool without a path.", hint=_HOW)
    if _exists(text):
        return PoolSpec(_default_name(text), text, None)
    name, rest = _split_name(text)
    path, share = _split_share(rest, text)
    if not path.strip():
        raise UsageError(f"Pool {text!r} names no path.", hint=_HOW)
    return PoolSpec(name if name is not None else _default_name(path), path, share)


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _split_name(text: str) -> tuple[str | None, str]:
    before, equals, after = text.partition("=")
    if not equals or re.search(r"[/\\:*?\[]", before):
        return None, text
    if not _NAME.fullmatch(before):
        raise UsageError(
            f"Pool name {before!r} in {text!r} may hold only letters, digits, '_', '.' and '-'.", hint=_HOW
        )
    return before, after


def _split_share(rest: str, text: str) -> tuple[str, float | None]:
    path, colon, tail = rest.rpartition(":")
    if not colon or not _SHARE.fullmatch(tail.strip()) or _exists(rest):
        return rest, None
    percent = tail.strip().endswith("%")
    share = float(tail.strip().rstrip("%")) / (100 if percent else 1)
    if percent or not math.isfinite(share) or not 0 < share <= 1:
        meant = f" For {tail.strip()}, write {share:g}." if percent and 0 < share <= 1 else ""
        raise UsageError(
            f"The share {tail.strip()!r} of pool {text!r} is not a number above 0 and at most 1.", hint=_HOW + meant
        )
    return path, share


def _default_name(path: str) -> str:
    """Return the stem of the file or folder (of the folder above, for a glob such as `dir/*.csv`), cleaned."""
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".", "..")]
    if not parts:
        parts = [Path(path).resolve().name]
    names = (_clean(_WILDCARDS.split(_stem(part))[0]) for part in reversed(parts))
    return next((name for name in names if name), "pool")


def _stem(name: str) -> str:
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    return name if name.startswith(".") else re.sub(r"\.[A-Za-z][A-Za-z0-9]{0,8}$", "", name)


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")
