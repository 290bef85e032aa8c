"""Where things are: the workspace, the reference material that ships with the package, the user's cache."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import platformdirs

from geoseek.schemas import UsageError

CONFIG_NAME = "geoseek.yaml"
REFERENCE_FOLDERS = ("sampling", "annotation", "schemas", "pipelines", "training")


def find_workspace(start: Path | None = None) -> Path:
    """Return the nearest folder, from `start` upwards, that holds a `geoseek.yaml`.

    Raises:
        UsageError: Neither `start` nor any folder above it is a workspace.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder
    raise UsageError(
        f"No {CONFIG_NAME} in {start} or in any folder above it.",
        hint="Make a workspace with `geoseek init DIR`, or name one with --workspace DIR.",
    )


def reference_root() -> Path:
    """Return the folder of the reference workspace: the checkout's root, or the copy inside an installed package."""
    package = Path(str(resources.files("geoseek")))
    shipped = package / "_reference"
    return shipped if shipped.is_dir() else package.parent


def cache_dir(*parts: str) -> Path:
    """Return a folder of the user's cache, created if needed; `GEOSEEK_CACHE_DIR` moves the cache."""
    override = os.environ.get("GEOSEEK_CACHE_DIR")
    root = Path(override).expanduser() if override else Path(platformdirs.user_cache_dir("geoseek", appauthor=False))
    folder = root.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def display_path(path: Path | str, root: Path) -> str:
    """Return a path for records and manifests: relative to the workspace when inside it, else as it was given."""
    given = Path(path)
    try:
        return given.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return given.as_posix()
