"""Progress bars: to stderr, and silent when stderr is not a terminal or `--quiet` was given."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

_state = {"quiet": False}


def set_quiet(quiet: bool) -> None:
    """Switch all progress bars of this process off (or on again)."""
    _state["quiet"] = quiet


def progress_bar(*, total: int | None, label: str, unit: str) -> tqdm[Any]:
    """Return a bar to be used as a context manager; call `.update(n)` as work is done.

    Args:
        total: How many units there will be, or None if unknown.
        label: What is being done, in the words of the user.
        unit: Name of one unit, e.g. "rows".
    """
    return tqdm(
        total=total,
        desc=label,
        unit=f" {unit}",
        unit_scale=True,
        file=sys.stderr,
        disable=_state["quiet"] or not sys.stderr.isatty(),
        leave=False,
        dynamic_ncols=True,
    )
