"""The pictures as annotators see them: without metadata, under opaque names, checked before a task points to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geoseek.annotation.projects.blind import Blinder
from geoseek.annotation.projects.tasks import in_chunks
from geoseek.annotation.push.subjects import Picture
from geoseek.annotation.server import StudioError
from geoseek.media import clean_image
from geoseek.schemas import InputError
from geoseek.workspace import atomic_path, progress_bar

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
_UPLOAD_FILES, _UPLOAD_BYTES = 100, 50_000_000
_CHECKED_ALL, _SAMPLE, _CHECKED_AT_ONCE = 50, 20, 8


@dataclass(frozen=True)
class Prepared:
    """Pictures that may be shown.

    Attributes:
        names: SHA-256 of the original -> opaque name in the folder.
        rejects: SHA-256 of the original -> why it cannot be shown.
    """

    names: Mapping[str, str]
    rejects: Mapping[str, str]


def prepare_pictures(source: Path, folder: Path, pictures: Iterable[Picture], blinder: Blinder) -> Prepared:
    """Write every picture without metadata under its opaque name; what is there already is left alone.

    Args:
        source: `work/images`.
        folder: Where the pictures go; a folder without links, since the server follows them.
        pictures: Those that are needed.
        blinder: Makes the names.

    Raises:
        OutputError: The folder cannot be written.
    """
    wanted = {picture.sha256: picture for picture in pictures}
    names = {sha256: blinder.picture_name(sha256, _SUFFIXES.get(p.mime, ".png")) for sha256, p in wanted.items()}
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    rejects = {}
    missing = [sha256 for sha256, name in names.items() if name not in there]
    with progress_bar(total=len(missing), label="Cleaning pictures", unit="pictures") as bar:
        for sha256 in missing:
            reason = _write_clean(source / wanted[sha256].file, folder / names[sha256], sha256)
            if reason is not None:
                rejects[sha256] = reason
            bar.update()
    return Prepared({sha256: name for sha256, name in names.items() if sha256 not in rejects}, rejects)


def _write_clean(source: Path, target: Path, sha256: str) -> str | None:
    """Write a picture without metadata; return why that is impossible, or None."""
    try:
        data = source.read_bytes()
    except OSError as error:
        return f"{source.name} cannot be read: {error.strerror}"
    if hashlib.sha256(data).hexdigest() != sha256:
        return f"{source.name} was changed since it was fetched"
    try:
        clean = clean_image(data)
    except InputError as error:
        return f"{source.name}: {error.message}"
    with atomic_path(target) as temporary:
        temporary.write_bytes(clean.data)
    return None


def local_addresses(names: Iterable[str], folder: str) -> dict[str, str]:
    """Return where the workspace's own server shows pictures.

    Args:
        names: File names.
        folder: Their folder, relative to the root of the server's files.
    """
    return {name: f"/data/local-files/?d={folder}/{name}" for name in names}


def upload_pictures(studio: Studio, project: int, folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return where another server shows pictures; those that the project does not have yet are uploaded.

    The server puts a prefix of its own before the name of an upload, so the names that it lists lead back to ours.

    Raises:
        StudioError: The server refuses, or cannot be reached.
    """
    wanted = sorted(set(names))
    found = _uploads(studio, project)
    missing = [name for name in wanted if name not in found]
    with progress_bar(total=len(missing), label="Uploading pictures", unit="pictures") as bar:
        for batch in _batches(folder, missing):
            _upload(studio, project, folder, batch)
            bar.update(len(batch))
    if missing:
        found = _uploads(studio, project)
    lost = [name for name in wanted if name not in found]
    if lost:
        raise StudioError(
            f"{len(lost):,} pictures were uploaded to project {project}, but the server does not list them.",
            hint="Run the same command again; pictures that are there are not uploaded twice.",
        )
    return {name: found[name] for name in wanted}


def _uploads(studio: Studio, project: int) -> dict[str, str]:
    path = f"/api/projects/{project}/file-uploads"
    uploads = studio.get_json(path, {"all": "true"}, doing="listing uploaded pictures")
    found: dict[str, str] = {}
    for upload in sorted(uploads, key=lambda upload: -upload["id"]):
        found[upload["file"].rpartition("/")[2].partition("-")[2]] = f"/data/{upload['file']}"
    return found


def _batches(folder: Path, names: Sequence[str]) -> Iterator[list[str]]:
    for some in in_chunks(names, _UPLOAD_FILES):
        batch: list[str] = []
        size = 0
        for name in some:
            bytes_ = (folder / name).stat().st_size
            if batch and size + bytes_ > _UPLOAD_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(name)
            size += bytes_
        if batch:
            yield batch


def _upload(studio: Studio, project: int, folder: Path, names: Sequence[str]) -> None:
    files = {name: (name, (folder / name).read_bytes()) for name in names}
    path = f"/api/projects/{project}/import?commit_to_project=false"
    studio.send_files(path, files, doing=f"uploading {len(names)} pictures")


class PictureCheck:
    """Asks for pictures as an annotator's browser will, before tasks point to them."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._offered: set[str] = set()

    def check(self, addresses: Iterable[str]) -> None:
        """Check up to fifty pictures one and all; of more, a sample from the first to the last.

        Raises:
            InputError: The server does not show one of them.
        """
        new = [address for address in dict.fromkeys(addresses) if address not in self._offered]
        self._offered.update(new)
        asked = new if len(new) <= _CHECKED_ALL else [new[i * (len(new) - 1) // (_SAMPLE - 1)] for i in range(_SAMPLE)]
        with ThreadPoolExecutor(_CHECKED_AT_ONCE) as threads:
            list(threads.map(self._ask, asked))

    def _ask(self, address: str) -> None:
        try:
            data = self._studio.get_bytes(address, doing="looking at a picture")
        except StudioError as error:
            if error.status != 404:
                raise
            data = b""
        if not data:
            raise InputError(
                f"The server does not show the picture {address}.",
                hint="No task that needs it was sent. For the workspace's own server, check that it was started for "
                "this workspace; for another one, that it shows uploads.",
            )
