"""Manifests: what a stage read, with which settings, and what it wrote. No time stamps, no absolute paths.

Those go to a log beside the manifest, which is no part of the result.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geoseek.schemas import InputError
from geoseek.workspace.atomic import write_text

MANIFEST_NAME = "manifest.json"
RUN_LOG_NAME = "run-log.json"


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write `manifest.json` with sorted keys, so that equal contents give equal bytes."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(folder / MANIFEST_NAME, text + "\n")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a stage's output folder, or None if the stage has not finished there.

    Raises:
        InputError: There is a file of that name which is not a manifest.
    """
    path = folder / MANIFEST_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a readable manifest: {error}.", hint="Delete it and run the stage again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a manifest.", hint="Delete it and run the stage again.")
    return content


def write_run_log(folder: Path, content: dict[str, Any]) -> None:
    """Write what belongs to this machine and moment: the time, and where the inputs lay."""
    stamped = {"finished": datetime.now(UTC).isoformat(timespec="seconds"), **content}
    write_text(folder / RUN_LOG_NAME, json.dumps(stamped, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_run_log(folder: Path) -> dict[str, Any]:
    """Return the log of the last run in a stage's output folder; empty if there is none that can be read."""
    try:
        content = json.loads((folder / RUN_LOG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
