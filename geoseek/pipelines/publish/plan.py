"""What publishing would change: a comparison of a local dataset with a repository."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from geoseek.pipelines.export.outputs import CHECKSUMS_FILE
from geoseek.pipelines.validate.files import DATA_FOLDER, read_checksums
from geoseek.schemas import InputError

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class LocalFile:
    """A file to publish.

    Attributes:
        name: Its path in the repository.
        bytes: Its size.
        sha256: Of its content.
        blob_id: Its git object id (SHA-1 of a header and the content), by which small files are compared.
    """

    name: str
    bytes: int
    sha256: str
    blob_id: str


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    Attributes:
        bytes: Its size.
        sha256: Of its content, for files in large-file storage; None for others.
        blob_id: Its git object id; of a file in large-file storage, that of the pointer.
    """

    bytes: int
    sha256: str | None
    blob_id: str

    def holds(self, file: LocalFile) -> bool:
        """Return whether it is the same as a local file."""
        return self.sha256 == file.sha256 if self.sha256 is not None else self.blob_id == file.blob_id


@dataclass(frozen=True)
class RemoteState:
    """What a repository holds.

    Attributes:
        private: Only its owners see it.
        head: Commit that was looked at; None if it has none.
        has_revision: The branch that was asked for exists; else `head` and `files` are those of the default branch.
        files: Path -> file.
    """

    private: bool
    head: str | None
    has_revision: bool
    files: Mapping[str, RemoteFile]


@dataclass(frozen=True)
class PublishPlan:
    """What publishing changes.

    Attributes:
        endpoint: Address of the Hub.
        repo: `ORG/NAME`.
        revision: Branch.
        creates_repo: There is no such repository yet.
        creates_branch: There is no such branch yet.
        public: Everybody will see it.
        becomes_public: It is private now.
        head: Commit that the plan builds upon; None for a new repository.
        new: Files that are not there yet.
        changed: Files that are there with other content.
        unchanged: Files that are there already; not sent.
        deleted: Shards of an earlier export that go.
        kept: Other files of the repository, which stay.
    """

    endpoint: str
    repo: str
    revision: str
    creates_repo: bool
    creates_branch: bool
    public: bool
    becomes_public: bool
    head: str | None
    new: tuple[LocalFile, ...]
    changed: tuple[LocalFile, ...]
    unchanged: tuple[LocalFile, ...]
    deleted: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def sent(self) -> tuple[LocalFile, ...]:
        """The files that are sent."""
        return self.new + self.changed

    @property
    def is_done(self) -> bool:
        """Nothing has to be changed."""
        return not (self.creates_repo or self.creates_branch or self.sent or self.deleted or self.becomes_public)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "endpoint": self.endpoint,
            "repo": self.repo,
            "revision": self.revision,
            "creates_repo": self.creates_repo,
            "creates_branch": self.creates_branch,
            "visibility": "public" if self.public else "private",
            "becomes_public": self.becomes_public,
            **{kind: {file.name: file.bytes for file in getattr(self, kind)} for kind in ("new", "changed")},
            "unchanged": [file.name for file in self.unchanged],
            "deleted": list(self.deleted),
            "kept": list(self.kept),
            "bytes": sum(file.bytes for file in self.sent),
        }


def read_local_files(folder: Path) -> list[LocalFile]:
    """Return the files that are published: those that SHA256SUMS names, and SHA256SUMS itself.

    Raises:
        InputError: One is not there, or SHA256SUMS cannot be read.
    """
    checksums = read_checksums(folder)
    if checksums.broken:
        raise InputError(f"{folder / CHECKSUMS_FILE} is damaged.", hint="Write it again with `geoseek export`.")
    return [_local_file(folder, name) for name in sorted({*checksums.digests, CHECKSUMS_FILE})]


def _local_file(folder: Path, name: str) -> LocalFile:
    sha256 = hashlib.sha256()
    try:
        size = (folder / name).stat().st_size
        # Git's object id; nothing depends on SHA-1 being hard to forge.
        sha1 = hashlib.sha1(b"blob %d\x00" % size, usedforsecurity=False)
        with (folder / name).open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                sha256.update(block)
                sha1.update(block)
    except OSError as error:
        raise InputError(f"Cannot read {folder / name}: {error.strerror}.") from error
    return LocalFile(name, size, sha256.hexdigest(), sha1.hexdigest())


def make_plan(
    files: list[LocalFile], remote: RemoteState | None, *, endpoint: str, repo: str, revision: str, public: bool
) -> PublishPlan:
    """Compare a dataset with a repository.

    Of the files that only the repository has, those are deleted that an earlier export put there: Parquet files under
    `data/`. All others stay.

    Args:
        files: The dataset.
        remote: The repository; None if there is none.
        endpoint: Address of the Hub.
        repo: `ORG/NAME`.
        revision: Branch.
        public: Everybody may see it. The repository, if there is one, is private unless this is true.
    """
    there = remote.files if remote else {}
    names = {file.name for file in files}
    foreign = sorted(name for name in there if name not in names)
    return PublishPlan(
        endpoint=endpoint,
        repo=repo,
        revision=revision,
        creates_repo=remote is None,
        creates_branch=remote is not None and not remote.has_revision,
        public=public,
        becomes_public=public and remote is not None and remote.private,
        head=remote.head if remote else None,
        new=tuple(file for file in files if file.name not in there),
        changed=tuple(file for file in files if file.name in there and not there[file.name].holds(file)),
        unchanged=tuple(file for file in files if file.name in there and there[file.name].holds(file)),
        deleted=tuple(name for name in foreign if _is_shard(name)),
        kept=tuple(name for name in foreign if not _is_shard(name)),
    )


def _is_shard(name: str) -> bool:
    path = PurePosixPath(name)
    return path.parts[0] == DATA_FOLDER and path.suffix == ".parquet"


def plan_lines(plan: PublishPlan) -> list[str]:
    """Return a plan in words."""
    seen_by = "public: everybody will see it" if plan.public else "private: only its owners see it"
    state = "will be created" if plan.creates_repo else "exists"
    becomes = "; it is private now, and becomes public at the end" if plan.becomes_public else ""
    branch = " (new branch)" if plan.creates_branch else ""
    lines = [
        f"Dataset     {plan.repo} on {plan.endpoint} ({state})",
        f"Visibility  {seen_by}{becomes}",
        f"Branch      {plan.revision}{branch}",
    ]
    lines += [f"+ {file.name}  {_size(file.bytes)}" for file in plan.new]
    lines += [f"~ {file.name}  {_size(file.bytes)}" for file in plan.changed]
    lines += [f"- {name}  (of an earlier export)" for name in plan.deleted]
    total = _size(sum(file.bytes for file in plan.sent))
    lines.append(
        f"{len(plan.new):,} new, {len(plan.changed):,} changed, {len(plan.deleted):,} deleted, "
        f"{len(plan.unchanged):,} unchanged, {len(plan.kept):,} files of others kept; {total} to send"
    )
    return lines


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"
