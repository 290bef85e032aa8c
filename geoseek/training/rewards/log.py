"""What the rewards saw, one JSON line per completion and reward."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from geoseek.training.rewards.base import RewardBatch, Truth

_LOG = logging.getLogger(__name__)


class RewardLog:
    """Appends to a file of its own in every process, so that no line of one is torn by another's, on any file system.

    A batch is one write at the end of the file. A line that was cut off by a `kill -9` is ended first. A file that
    cannot be written is told about once and does not stop the training.

    Args:
        path: The file of rank 0; the others write to `NAME.rankN.jsonl` beside it.
        rank: Number of the process.
    """

    def __init__(self, path: Path, rank: int = 0) -> None:
        self.path = path if rank == 0 else path.with_name(f"{path.stem}.rank{rank}{path.suffix}")
        self._usable = True

    def append(self, reward: str, step: int | None, truth: Sequence[Truth], batch: RewardBatch) -> None:
        """Write what a reward saw of a batch.

        Args:
            reward: Name of the reward.
            step: Step of the training, as ms-swift counts it; None if it did not say.
            truth: One row per completion.
            batch: Values and details.
        """
        rows = zip(truth, batch.values, batch.details, strict=True)
        lines = [
            json.dumps(
                {"step": step, "id": row.id, "reward": reward, "value": value, **seen}, ensure_ascii=False
            ).encode("utf-8", "replace")
            for row, value, seen in rows
        ]
        if self._usable and lines:
            self._write(b"\n".join((*lines, b"")))

    def _write(self, data: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that the batch is one call of the system.
            with self.path.open("a+b", buffering=0) as file:
                size = file.seek(0, os.SEEK_END)
                if size:
                    file.seek(-1, os.SEEK_END)
                    data = data if file.read(1) == b"\n" else b"\n" + data
                file.write(data)
        except OSError as error:
            self._usable = False
            _LOG.warning("What the rewards see is no longer logged: %s: %s", self.path.name, error.strerror)


def process_rank(environment: Mapping[str, str]) -> int:
    """Return the number of this process among all of a training, as torch's launchers give it; 0 if there is one.

    >>> process_rank({}), process_rank({"RANK": "3"}), process_rank({"RANK": ""})
    (0, 3, 0)
    """
    rank = environment.get("RANK", "")
    return int(rank) if rank.isdecimal() else 0
