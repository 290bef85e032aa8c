"""The answers of a run that is not finished, so that an interrupted one goes on where it stood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import ValidationError

from geoseek.schemas import Prediction
from geoseek.workspace import plain_os_errors


class Journal:
    """Predictions in the order in which they came, each with its place in the input; a context manager.

    A row is written by one call and flushed, so that after a `kill -9` at most the last line is torn. It is cut off
    when the journal is opened again. Of several rows for one place the last counts.

    Args:
        path: The file.
        key: What the rows belong to; a journal with another key is thrown away.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._key = key
        self._offsets: dict[int, int] = {}
        self._failed: set[int] = set()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        with plain_os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
            self._file.truncate(self._read())
            if not self._file.seek(0, 2):
                self._append({"key": self._key})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def done(self) -> frozenset[int]:
        """Return the places that have a row."""
        return frozenset(self._offsets)

    @property
    def failed(self) -> frozenset[int]:
        """Return the places whose row is an error."""
        return frozenset(self._failed)

    def add(self, position: int, prediction: Prediction) -> None:
        """Write a row.

        Raises:
            OutputError: The disk is full, or refuses otherwise.
        """
        with plain_os_errors(self.path):
            offset = self._append({"position": position, "prediction": prediction.model_dump(mode="json")})
        self._note(position, offset, failed=prediction.error is not None)

    def predictions(self) -> Iterator[Prediction]:
        """Yield the rows in the order of the input."""
        file = self._opened()
        for position in sorted(self._offsets):
            file.seek(self._offsets[position])
            yield Prediction.model_validate(json.loads(file.readline())["prediction"])

    def remove(self) -> None:
        """Delete the file."""
        self._opened().close()
        self._file = None
        self.path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise RuntimeError("Use the journal inside `with`.")
        return self._file

    def _append(self, content: dict[str, object]) -> int:
        file = self._opened()
        offset = file.seek(0, 2)
        file.write(json.dumps(content, ensure_ascii=True, allow_nan=False).encode() + b"\n")
        file.flush()
        return offset

    def _note(self, position: int, offset: int, *, failed: bool) -> None:
        self._offsets[position] = offset
        self._failed.add(position) if failed else self._failed.discard(position)

    def _read(self) -> int:
        """Take up the rows that are whole, and return where they end; 0 where the key is another one."""
        file = self._opened()
        file.seek(0)
        end = 0
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                content = json.loads(line)
                if end == 0:
                    if content["key"] != self._key:
                        return 0
                else:
                    prediction = Prediction.model_validate(content["prediction"])
                    self._note(int(content["position"]), end, failed=prediction.error is not None)
            except (ValueError, KeyError, TypeError, ValidationError):
                break
            end += len(line)
        return end
