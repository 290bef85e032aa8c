from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from geoseek import __version__
from geoseek.cli.options import comma_list, comma_pairs
from geoseek.schemas import UsageError
from tests.support import Run

HEAVY = ("pandas", "geopandas", "torch", "numpy", "pyarrow", "scipy", "matplotlib", "shapely")


def test_version_and_help(run: Run) -> None:
    assert run("--version").stdout.strip() == f"geoseek {__version__}"
    shown = run("--help").stdout
    for verb in ("init", "doctor", "sample", "fetch", "audit"):
        assert verb in shown


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from geoseek.cli.main import app\n"
        "for arguments in (['--help'], ['sample', '--help']):\n"
        "    assert CliRunner().invoke(app, arguments).exit_code == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_core_never_imports_torch_or_label_studio() -> None:
    code = "import sys, geoseek.sampling; print([n for n in ('torch', 'label_studio_sdk') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_init_makes_a_workspace_that_the_other_verbs_find(run: Run, tmp_path: Path) -> None:
    done = run("init", tmp_path / "new")
    assert done.returncode == 0
    assert "Workspace made" in done.stdout
    plan = run("sample", "--workspace", tmp_path / "new", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "loc: 20,000 rows" in plan.stdout
    again = run("init", tmp_path / "new")
    assert again.returncode == 1
    assert "already" in again.stderr


def test_doctor_tells_what_is_there(run: Run, workspace: Path) -> None:
    found = json.loads(run("doctor", "--json").stdout)
    assert found["workspace"] == str(workspace)
    assert found["verbs"]["sample, audit"]["missing"] == []
    assert Path(found["cache"]).is_dir()
    words = run("doctor").stdout
    assert "geoseek[train]" in words or "torch" in words


def test_outside_a_workspace_the_error_says_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    done = run("sample", "--workspace", tmp_path / "bare")
    assert done.returncode == 2
    assert "geoseek init" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_verb_and_option_are_usage_errors(run: Run) -> None:
    assert run("smaple").returncode == 2
    assert run("sample", "--sizes").returncode == 2


def test_debug_shows_the_traceback(workspace: Path) -> None:
    code = "import os; os.environ['GEOSEEK_DEBUG'] = '1'; from geoseek.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "sample", "--split", "train"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_comma_options() -> None:
    assert comma_list(None) is None
    assert comma_list("a, b,,") == ["a", "b"]
    for text in ("lat", "lat=", "=x", "a=1,a=2"):
        with pytest.raises(UsageError, match="--columns"):
            comma_pairs(text, "--columns")
