"""What is to be located: a photo, a folder of photos, a split of an export, or a set of another tool."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from geoseek.formats import FormatReject, read_export, read_format
from geoseek.media import PHOTO_SUFFIXES
from geoseek.schemas import EmbeddedImage, InputError, Split, UsageError
from geoseek.training.infer.pictures import Item
from geoseek.workspace import file_fingerprint

_PASSED_OVER = (".", "_")
_ID_COLUMNS = ("id", "image", "image_sha256")


@dataclass(frozen=True)
class InputSet:
    """Pictures in their order.

    Attributes:
        name: Stem of the file of predictions.
        words: What it is, for people.
        ids: Id of each picture.
        digest: Works out what changes with any id or picture; reads all photos of a folder.
        items: Opens the pictures, in the order of `ids`.
        notices: What the user should know, such as files that were passed over.
    """

    name: str
    words: str
    ids: tuple[str, ...]
    digest: Callable[[], str]
    items: Callable[[], Iterator[Item]]
    notices: tuple[str, ...] = ()

    def first(self, count: int) -> InputSet:
        """Return the first pictures alone, under a name of their own; all if there are no more."""
        if count >= len(self.ids):
            return self
        return replace(
            self,
            name=f"{self.name}-first{count}",
            words=f"the first {count:,} of {self.words}",
            ids=self.ids[:count],
            digest=lambda: _digest([self.digest(), count]),
            items=lambda: islice(self.items(), count),
        )


def photo_input(path: Path) -> InputSet:
    """Return a photo, or all photos below a folder in the order of their paths.

    In folders, hidden files and folders, those that begin with an underscore, and links that lead out of the folder are
    passed over, as is what has not the ending of a photo; the last two are told.

    Raises:
        UsageError: There is nothing at that path.
        InputError: The folder holds no photos, or cannot be listed.
    """
    if path.is_dir():
        names, notices = _photos_below(path)
        files = [path / name for name in names]
    elif path.is_file():
        names, notices, files = [path.name], (), [path]
    else:
        raise UsageError(
            f"There is no photo or folder {path}.", hint="Name a photo, a folder, or a split: --split val."
        )
    ids = tuple(_readable(name) for name in names)
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:8]
    return InputSet(
        name=f"photos-{_stem(path.resolve())}-{place}",
        words=f"{len(ids):,} photos of {path.name or path}" if path.is_dir() else f"the photo {_readable(path.name)}",
        ids=ids,
        digest=lambda: _digest([key, _file_digest(file)] for key, file in zip(ids, files, strict=True)),
        items=lambda: (Item(key, file) for key, file in zip(ids, files, strict=True)),
        notices=notices,
    )


def split_input(export: Path, split: Split) -> InputSet:
    """Return the pictures of a split of an export.

    Raises:
        InputError: The split was not exported, cannot be read, or has no picture at all.
    """
    rows = list(read_export(export, split, columns=_ID_COLUMNS, images=False))
    if not any(_is_embedded(row["image"]) for row in rows):
        raise InputError(
            f"The split {split.value} in {export} holds no pictures.",
            hint="Export it with them: `geoseek export --images embed`.",
        )
    content = [[row["id"], row["image_sha256"], (row["image"] or {}).get("path")] for row in rows]

    def items() -> Iterator[Item]:
        for row in read_export(export, split, columns=("id", "image")):
            yield Item(row["id"], (row["image"] or {}).get("bytes"))

    return InputSet(
        name=split.value,
        words=f"{len(rows):,} pictures of the split {split.value}",
        ids=tuple(row["id"] for row in rows),
        digest=lambda: _digest(content),
        items=items,
    )


def set_input(path: Path, format: str, images: Path | None = None) -> InputSet:  # noqa: A002 - the word of the CLI
    """Return the pictures of a set of another tool; rows of it that cannot be read are told and left out.

    Args:
        path: File, or folder with files.
        format: Name of the format.
        images: Folder that the paths of pictures start from; default: the folder of each file.

    Raises:
        UsageError: There is no such format, or it cannot be read.
        InputError: The path does not exist, or holds no usable rows.
    """
    ids: list[str] = []
    content: list[Any] = []
    left_out = 0
    for found in read_format(format, path, images=images):
        if isinstance(found, FormatReject):
            left_out += 1
            continue
        ids.append(found.id)
        content.append([found.id, _image_digest(found.image)])
    if not ids:
        raise InputError(f"{path} holds no usable rows of the format {format}.", hint="docs/formats.md describes it.")

    def items() -> Iterator[Item]:
        for found in read_format(format, path, images=images):
            if not isinstance(found, FormatReject):
                yield Item(found.id, None if found.image is None else found.image.bytes)

    return InputSet(
        name=f"set-{_stem(path.resolve())}",
        words=f"{len(ids):,} pictures of {path.name}",
        ids=tuple(ids),
        digest=lambda: _digest(content),
        items=items,
        notices=(f"{left_out:,} rows of {path.name} cannot be read and were left out",) if left_out else (),
    )


def _photos_below(folder: Path) -> tuple[list[str], tuple[str, ...]]:
    root = folder.resolve()
    photos: list[str] = []
    others = outside = 0
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(_PASSED_OVER)]
        outside += sum(Path(place, name).is_symlink() for name in folders)
        for name in files:
            path = Path(place, name)
            if name.startswith(_PASSED_OVER):
                continue
            if not name.lower().endswith(PHOTO_SUFFIXES):
                others += 1
            elif path.is_symlink() and not path.resolve().is_relative_to(root):
                outside += 1
            else:
                photos.append(path.relative_to(folder).as_posix())
    if not photos:
        raise InputError(f"{folder} holds no photos.", hint=f"Photos end in {', '.join(PHOTO_SUFFIXES)}.")
    counts = {"files that are no photos": others, "links to folders or out of the folder": outside}
    return sorted(photos), tuple(f"{count:,} {what} were passed over" for what, count in counts.items() if count)


def _refuse(error: OSError) -> None:
    raise InputError(f"The folder {error.filename} cannot be listed: {error.strerror}.") from error


def _readable(name: str) -> str:
    """Return a file name as text that can be written; bytes that are no UTF-8 are shown as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _stem(path: Path) -> str:
    return slug(_readable(path.stem if path.is_file() else path.name)) or "all"


def slug(name: str) -> str:
    """Return a name as part of a file name.

    >>> slug("Qwen/Qwen2.5-VL-7B-Instruct"), slug("../münchen 1"), slug("東京")
    ('Qwen-Qwen2.5-VL-7B-Instruct', 'münchen-1', '東京')
    """
    return re.sub(r"[^\w.-]+", "-", name).strip("-._")[:80]


def _is_embedded(image: dict[str, Any] | None) -> bool:
    """Whether a picture is in the export: its path is then a bare file name, else an address."""
    path = (image or {}).get("path")
    return isinstance(path, str) and "/" not in path


def _file_digest(path: Path) -> str | None:
    try:
        return str(file_fingerprint(path)["digest"])
    except InputError:
        return None


def _image_digest(image: EmbeddedImage | None) -> str | None:
    if image is None or image.bytes is None:
        return None
    return hashlib.sha256(image.bytes).hexdigest()


def _digest(rows: Iterable[Any]) -> str:
    """Return the SHA-256 (hex) of a list, taken row by row."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
