"""The outcomes of a fetch, appended one by one, so that a run that was killed goes on where it stood."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from geoseek.media.examine import Failure, Outcome, Picture, StoredFile, View, is_stored
from geoseek.media.perceptual import PerceptualHash
from geoseek.schemas import ImageKind, ImageRejectReason
from geoseek.workspace import plain_os_errors, write_text

JOURNAL_NAME = ".journal.jsonl"

TRANSIENT = frozenset(
    [
        ImageRejectReason.UNKNOWN_HOST,
        ImageRejectReason.CONNECTION,
        ImageRejectReason.TIMEOUT,
        ImageRejectReason.HTTP_STATUS,
        ImageRejectReason.INCOMPLETE,
    ]
)
"""Failures that another day may not bring; `--retry-failed` forgets these."""


_NOT_KEPT = frozenset(
    [ImageRejectReason.FORBIDDEN_PATH, ImageRejectReason.FORBIDDEN_ADDRESS, ImageRejectReason.MISSING_FILE]
)
"""Failures that the next run finds out again at no cost; they may depend on its options and folders."""


class JournalKey(NamedTuple):
    """What an outcome belongs to.

    Attributes:
        reference: Digest of where the image comes from.
        settings: Digest of everything else that the outcome depends on.
    """

    reference: str
    settings: str


class Journal:
    """Outcomes by key, in memory and in a file that only grows while a run lasts.

    A line is one outcome. A line that was cut off by a kill is ignored, and cut away before the next one is written.

    Args:
        folder: The image folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / JOURNAL_NAME
        self._known: dict[JournalKey, Outcome] = {}
        self._stored: dict[str, StoredFile] = {}

    def __enter__(self) -> Self:
        """Read what is there and open the file for appending."""
        with plain_os_errors(self._path):
            complete = 0
            if self._path.exists():
                content = self._path.read_bytes()
                complete = content.rfind(b"\n") + 1
                for line in content[:complete].splitlines():
                    self._read(line)
            self._file = self._path.open("ab")
            self._file.truncate(complete)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._file.close()

    def _read(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            self._remember(JournalKey(entry["reference"], entry["settings"]), _outcome(entry))
        except (ValueError, KeyError, TypeError):
            return

    def _remember(self, key: JournalKey, outcome: Outcome) -> None:
        self._known[key] = outcome
        if isinstance(outcome, Picture):
            self._stored[key.reference] = outcome.file

    def stored(self, reference: str) -> Path | None:
        """Return the file that an image was stored in before, under whatever settings, if it is still there."""
        found = self._stored.get(reference)
        if found is None or not is_stored(self._folder / found.path, found.bytes):
            return None
        return self._folder / found.path

    def recall(self, key: JournalKey) -> Outcome | None:
        """Return an outcome, if it is known, whether or not its files are still there."""
        return self._known.get(key)

    def add(self, key: JournalKey, outcome: Outcome) -> None:
        """Remember an outcome; the line is handed to the operating system at once."""
        self._remember(key, outcome)
        if isinstance(outcome, Failure) and outcome.reason in _NOT_KEPT:
            return
        with plain_os_errors(self._path):
            self._file.write(_line(key, outcome))
            self._file.flush()

    def forget(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._stored.clear()
        with plain_os_errors(self._path):
            self._file.truncate(0)

    def forget_transient(self) -> int:
        """Forget failures that may have passed; return how many."""
        before = len(self._known)
        self._known = {
            key: outcome
            for key, outcome in self._known.items()
            if not (isinstance(outcome, Failure) and outcome.reason in TRANSIENT)
        }
        return before - len(self._known)

    def rewrite(self) -> None:
        """Replace the file by one with every outcome once, sorted, so that equal outcomes give equal bytes."""
        self._file.close()
        kept = {k: o for k, o in self._known.items() if isinstance(o, Picture) or o.reason not in _NOT_KEPT}
        lines = [_line(key, kept[key]).decode() for key in sorted(kept)]
        write_text(self._path, "".join(lines))
        with plain_os_errors(self._path):
            self._file = self._path.open("ab")


def files_of(picture: Picture) -> list[StoredFile]:
    """Return the files that belong to a picture: itself and its views."""
    return [picture.file, *(view.file for view in picture.views)]


def _line(key: JournalKey, outcome: Outcome) -> bytes:
    kind = "picture" if isinstance(outcome, Picture) else "failure"
    entry = {**key._asdict(), kind: dataclasses.asdict(outcome)}
    return (json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n").encode()


def _outcome(entry: dict[str, Any]) -> Outcome:
    if "failure" in entry:
        found = entry["failure"]
        return Failure(ImageRejectReason(found["reason"]), found["detail"], found["attempts"])
    found = entry["picture"]
    views = tuple(View(**{**view, "file": _file(view["file"])}) for view in found["views"])
    return Picture(**{**found, "kind": ImageKind(found["kind"]), "file": _file(found["file"]), "views": views})


def _file(found: dict[str, Any]) -> StoredFile:
    return StoredFile(**{**found, "phash": PerceptualHash(**found["phash"])})
