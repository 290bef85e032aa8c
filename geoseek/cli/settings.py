"""Merge `geoseek.yaml`, a design file and the options of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoseek.workspace import SampleSettings, WorkspaceConfig


def workspace_config(workspace: Path | None) -> tuple[Path, WorkspaceConfig]:
    """Return the workspace folder and its validated configuration, paths made absolute.

    Raises:
        UsageError: There is no workspace, or its configuration is wrong.
    """
    from geoseek.sampling import anchor_paths
    from geoseek.workspace import find_workspace, load_config

    folder = find_workspace(workspace)
    config = load_config(folder)
    return folder, config.model_copy(update={"sample": anchor_paths(config.sample, folder)})


def workspace_option(workspace: Path) -> str:
    """Return what a command that is shown as the next step needs to find this workspace from here."""
    from geoseek.schemas import UsageError
    from geoseek.workspace import display_path, find_workspace

    try:
        here = find_workspace() == workspace
    except UsageError:
        here = False
    return "" if here else f" --workspace {display_path(workspace, Path.cwd())}"


def override(settings: SampleSettings, options: Mapping[str, Any], *, design: Path | None = None) -> SampleSettings:
    """Return settings in which every option that was given (is not None) replaces the configured value.

    Args:
        settings: From the workspace.
        options: Field name -> value; None for an option that was not given.
        design: A design file whose settings stand between the workspace's and the options.

    Raises:
        UsageError: A value that is out of range.
    """
    from geoseek.sampling import anchor_paths
    from geoseek.workspace import SampleSettings, read_yaml, validate_settings

    merged = settings.model_dump()
    if design is not None:
        raw = read_yaml(design)
        named = anchor_paths(validate_settings(SampleSettings, raw, origin=str(design)), design.parent)
        merged |= {name: value for name, value in named.model_dump().items() if name in raw}
    merged |= {name: value for name, value in options.items() if value is not None}
    return validate_settings(SampleSettings, merged, origin="command line")
