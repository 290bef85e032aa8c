"""Copy the reference workspace out."""

from __future__ import annotations

import shutil
from pathlib import Path

from geoseek.schemas import OutputError
from geoseek.workspace.atomic import plain_os_errors
from geoseek.workspace.paths import CONFIG_NAME, REFERENCE_FOLDERS, reference_root


def create_workspace(target: Path) -> list[Path]:
    """Copy `geoseek.yaml` and the reference folders into a new or empty folder.

    Returns:
        The files written, relative to `target`.

    Raises:
        OutputError: `target` holds a workspace or other files already, or cannot be written.
    """
    if (target / CONFIG_NAME).exists():
        raise OutputError(f"{target} is a workspace already.", hint="Choose a new folder.")
    with plain_os_errors(target):
        if target.is_dir() and any(target.iterdir()):
            raise OutputError(f"{target} is not empty.", hint="Choose a new or empty folder.")
        root = reference_root()
        target.mkdir(parents=True, exist_ok=True)
        for name in REFERENCE_FOLDERS:
            shutil.copytree(root / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        shutil.copy(root / CONFIG_NAME, target / CONFIG_NAME)
    return sorted(path.relative_to(target) for path in target.rglob("*") if path.is_file())
