"""Where shards lie until the export is complete: a run that was killed goes on with those that are finished."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from geoseek.pipelines.export.plan import ShardPlan, SplitPlan
from geoseek.pipelines.export.request import ExportRequest
from geoseek.pipelines.export.shards import ShardEntry, write_shard
from geoseek.pipelines.export.sources import Workspace
from geoseek.schemas import ExportRejectReason
from geoseek.workspace import atomic_path, plain_os_errors, progress_bar, write_text

_FOLDER = ".building"
_KEY_CHARS = 24
PICTURE_FAULTS = frozenset(
    {ExportRejectReason.MISSING_IMAGE, ExportRejectReason.CHANGED_IMAGE, ExportRejectReason.UNREADABLE_IMAGE}
)
"""Faults that may be gone the next time: a shard with such a row is written anew."""


class Build:
    """The finished shards of an export that is under way.

    Args:
        output: Folder of the export.
    """

    def __init__(self, output: Path) -> None:
        self._folder = output / _FOLDER

    def keep_only(self, plans: Iterable[SplitPlan]) -> None:
        """Remove what belongs to other requests or older inputs."""
        wanted = {plan.key[:_KEY_CHARS] for plan in plans}
        if self._folder.is_dir():
            with plain_os_errors(self._folder):
                for path in self._folder.iterdir():
                    if path.name not in wanted:
                        shutil.rmtree(path)

    def clear(self) -> None:
        """Remove everything."""
        with plain_os_errors(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, request: ExportRequest, workspace: Workspace, plan: SplitPlan) -> list[ShardEntry]:
        """Write the shards of a split that are not finished yet.

        Raises:
            OutputError: The disk is full, or the folder cannot be written.
        """
        entries = []
        with progress_bar(total=plan.rows, label=f"Exporting {plan.split.value}", unit="rows") as bar:
            for shard in plan.shards:
                entry = self._finished(plan, shard)
                if entry is None:
                    target = self.path(plan, shard.name)
                    with atomic_path(target) as temporary:
                        entry = write_shard(request, workspace, plan.split, shard, temporary, bar)
                    write_text(_note(target), json.dumps(entry.to_json(), sort_keys=True) + "\n")
                else:
                    bar.update(len(shard.ids))
                entries.append(entry)
        return entries

    def path(self, plan: SplitPlan, name: str) -> Path:
        """Return where a shard lies until the export is complete."""
        return self._folder / plan.key[:_KEY_CHARS] / name

    def hand_over(self, plan: SplitPlan, entry: ShardEntry, staging: Path) -> None:
        """Put a finished shard into the staging folder; it stays here too, where the disk knows links."""
        source, target = self.path(plan, entry.name), staging / entry.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            source.replace(target)

    def _finished(self, plan: SplitPlan, shard: ShardPlan) -> ShardEntry | None:
        target = self.path(plan, shard.name)
        entry = read_entry(_note(target))
        if entry is None or not is_intact(entry, target):
            return None
        return entry


def read_entry(path: Path) -> ShardEntry | None:
    """Read the note beside a finished shard; None if there is none that can be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return ShardEntry.from_json(content)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_intact(entry: ShardEntry, path: Path) -> bool:
    """Return whether a shard has its size, and misses no picture that might be back by now."""
    if any(reject.reason in PICTURE_FAULTS for reject in entry.rejects):
        return False
    return path.is_file() and path.stat().st_size == entry.bytes


def _note(shard: Path) -> Path:
    return shard.with_name(f"{shard.name}.json")
