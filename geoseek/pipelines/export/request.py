"""What an export is asked for, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from geoseek.schemas import Split
from geoseek.workspace import ExportSettings


class ImageMode(StrEnum):
    """Where the pictures go."""

    EMBED = "embed"
    REFERENCE = "reference"
    NONE = "none"


@dataclass(frozen=True)
class ExportRequest:
    """What to export.

    Attributes:
        workspace: The workspace.
        output: Folder of the dataset.
        splits: Splits asked for by name; none means all that were drawn.
        settings: Section `export` of the configuration; `images` may be overridden by the command line.
        workers: Threads that read and clean pictures.
    """

    workspace: Path
    output: Path
    splits: tuple[Split, ...] = ()
    settings: ExportSettings = field(default_factory=ExportSettings)
    workers: int = 2

    @property
    def images(self) -> ImageMode:
        """Where the pictures go."""
        return ImageMode(self.settings.images)


@dataclass(frozen=True)
class ExportResult:
    """What an export left.

    Attributes:
        figures: Split -> its figures (`geoseek.pipelines.export.figures`).
        up_to_date: The folder held this export already.
        notices: What the reader must know, in sentences.
    """

    figures: dict[str, dict[str, Any]]
    up_to_date: bool
    notices: tuple[str, ...]
