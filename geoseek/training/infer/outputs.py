"""The file of predictions and the manifest beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from geoseek.schemas import InputError, OutputError, Prediction
from geoseek.training.predictions import iter_predictions
from geoseek.workspace import atomic_path, file_fingerprint, write_text

_STAGE = "infer"


class Figures:
    """Counts over predictions."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._levels: Counter[str] = Counter()

    def add(self, one: Prediction) -> None:
        """Count a row."""
        self._counts.update(
            rows=1,
            texts=one.text is not None,
            chains=one.chain is not None,
            answers=one.answer is not None,
            located=one.lat is not None,
        )
        self._levels[one.level] += 1
        if one.error is not None:
            self._errors[error_code(one.error)] += 1

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        names = ("rows", "texts", "chains", "answers", "located")
        return {
            **{name: self._counts[name] for name in names},
            "levels": dict(sorted(self._levels.items())),
            "errors": dict(sorted(self._errors.items())),
        }


def error_code(error: str) -> str:
    """Return the code that an error begins with.

    >>> error_code("corrupt: the file is cut off")
    'corrupt'
    """
    return error.partition(":")[0]


class Predictions:
    """A file of predictions that this stage writes, reads back, and knows again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._manifest = path.with_name(f"{path.stem}.manifest.json")

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest of the last run; None if there is none of this stage."""
        try:
            content = json.loads(self._manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) and content.get("stage") == _STAGE else None

    def check_is_ours(self) -> None:
        """Check that nothing else would be written over.

        Raises:
            OutputError: A file stands there that this stage did not write.
        """
        if self.path.exists() and self.manifest() is None:
            raise OutputError(
                f"{self.path} was not written by `geoseek infer`, or its manifest is gone.",
                hint="Choose another file with --output, or replace it with --force.",
            )

    def is_as_written(self, manifest: dict[str, Any]) -> bool:
        """Return whether the file still is what its manifest says."""
        try:
            return file_fingerprint(self.path) == manifest.get("output")
        except InputError:
            return False

    def rows(self) -> Iterator[Prediction]:
        """Yield the rows.

        Raises:
            InputError: The file cannot be read.
        """
        return iter_predictions(self.path)

    def write(self, rows: Iterable[Prediction], content: dict[str, Any]) -> dict[str, Any]:
        """Write the file, then its manifest, and return the figures.

        Raises:
            OutputError: The folder cannot be written, or the disk is full.
        """
        figures = Figures()
        with atomic_path(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                figures.add(row)
                file.write(json.dumps(row.model_dump(mode="json"), ensure_ascii=False) + "\n")
        counted = figures.to_json()
        full = {**content, "figures": counted, "output": file_fingerprint(self.path)}
        write_text(self._manifest, json.dumps(full, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        return counted
