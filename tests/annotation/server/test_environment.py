"""Label Studio's own environment is built once, as a whole or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from geoseek.annotation.server import TESTED_VERSION, environment
from geoseek.annotation.server.environment import CONSTRAINTS, ensure_environment, environment_folder
from geoseek.schemas import OutputError, UsageError

Commands = list[list[str]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a cache of our own, and a pip without settings."""
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Return the commands that were run; none is, but an interpreter appears."""
    ran: Commands = []

    def pretend(command: Sequence[str], *, counting: str | None = None) -> None:
        ran.append(list(command))
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.symlink_to(sys.executable)

    monkeypatch.setattr(environment, "_run", pretend)
    return ran


def drop(_line: str) -> None:
    pass


def test_constraints_are_pins_and_nothing_else() -> None:
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", line) for line in lines)
    assert f"label-studio=={TESTED_VERSION}" in lines
    assert len(lines) > 100


def test_built_once_with_pip(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    python = ensure_environment(drop)
    assert python == environment_folder() / "bin" / "python"
    assert python.exists()
    create, install = commands
    assert create[1:3] == ["-m", "venv"]
    assert install[1:4] == ["-m", "pip", "install"]
    assert install[-3:] == ["-c", str(CONSTRAINTS), f"label-studio=={TESTED_VERSION}"]
    assert ensure_environment(drop) == python
    assert len(commands) == 2


def test_uv_is_used_where_it_is(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}")
    ensure_environment(drop)
    assert [command[:2] for command in commands] == [["/opt/uv", "venv"], ["/opt/uv", "pip"]]


def test_an_index_that_pip_was_told_of_is_honoured(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}")
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = https://packages.example.org/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    ensure_environment(drop)
    assert commands[1][1:3] == ["-m", "pip"]


def test_an_interrupted_build_is_begun_anew(commands: Commands, cache: Path) -> None:
    folder = environment_folder()
    leftover = folder.with_name(f".building-{folder.name}")
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(cache / "a Python that was removed")
    ensure_environment(drop)
    assert not leftover.exists()
    assert not (folder / "half").exists()


def test_a_failed_build_leaves_nothing_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "print('Looking in https://me:hunter2@packages.example.org'); print('ERROR: No route to host'); exit(3)"
    monkeypatch.setattr(environment, "_build", lambda _: environment._run([sys.executable, "-c", script]))
    with pytest.raises(OutputError, match=r"(?s)ended with 3\).*No route to host") as caught:
        ensure_environment(drop)
    assert "hunter2" not in str(caught.value)
    assert "GEOSEEK_LABEL_STUDIO_URL" in (caught.value.hint or "")
    assert not [path for path in environment_folder().parent.iterdir() if path.is_dir()]


def test_only_one_builds_and_others_wait(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    build = environment._build

    def slowly(folder: Path) -> None:
        time.sleep(0.5)
        build(folder)

    monkeypatch.setattr(environment, "_build", slowly)
    words: list[str] = []
    threads = [threading.Thread(target=ensure_environment, args=(words.append,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(commands) == 2
    assert sum("Another process" in line for line in words) == 2


def test_output_moves_the_bar_and_our_variables_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("GEOSEEK_LABEL_STUDIO_TOKEN", "secret")
    script = "import os; assert 'PYTHONPATH' not in os.environ and 'GEOSEEK_LABEL_STUDIO_TOKEN' not in os.environ"
    environment._run([sys.executable, "-c", script], counting="^Collecting ")


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "os", SimpleNamespace(name="nt"))
    with pytest.raises(UsageError, match="Linux and macOS only"):
        ensure_environment(drop)


def test_pip_settings_are_read_from_pip_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not environment._pip_has_its_own_indexes()
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://packages.example.org/simple")
    assert environment._pip_has_its_own_indexes()
    monkeypatch.setenv("UV_INDEX_URL", "https://packages.example.org/simple")
    assert not environment._pip_has_its_own_indexes()
    assert subprocess.run([sys.executable, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0
