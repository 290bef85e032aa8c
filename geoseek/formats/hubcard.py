"""The card by which `datasets` finds the configurations of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CARD = "README.md"


def write_hub_card(folder: Path, configs: Mapping[str, Mapping[str, str]]) -> None:
    """Write `README.md` with the front matter alone.

    Args:
        folder: Folder of the dataset.
        configs: Configuration -> split -> pattern of its files.
    """
    lines = ["---", "configs:"]
    for name, files in configs.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        for split, pattern in files.items():
            lines += [f"  - split: {split}", f"    path: {pattern}"]
    (folder / CARD).write_text("\n".join([*lines, "---", ""]), encoding="utf-8", newline="\n")
