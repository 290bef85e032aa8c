"""Generated files match the code they come from, and the docs name every verb."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.main import get_command

from geoseek.cli.main import app

ROOT = Path(__file__).resolve().parents[1]


def test_generated_files_are_up_to_date() -> None:
    script = ROOT / "scripts" / "generate_docs.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_verb_is_documented() -> None:
    group: Any = get_command(app)
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, command in group.commands.items():
        assert command.help, name
        assert f"## geoseek {name}\n" in reference
        assert f"geoseek {name}" in readme, f"README does not mention geoseek {name}"
