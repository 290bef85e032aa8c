"""Label Studio's own Python environment: it cannot share ours, so it gets one in the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from geoseek.annotation.server.errors import TOKEN_VARIABLE, URL_VARIABLE
from geoseek.annotation.server.studio import TESTED_VERSION
from geoseek.schemas import OutputError, UsageError
from geoseek.workspace import cache_dir, plain_os_errors, progress_bar

CONSTRAINTS = Path(__file__).with_name("label-studio-constraints.txt")
_PACKAGE = f"label-studio=={TESTED_VERSION}"
_INDEX_SETTINGS = ("index-url", "extra-index-url", "find-links", "no-index", "proxy", "cert", "client-cert")
_MEANT_FOR_US = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_USER", "PIP_PREFIX", TOKEN_VARIABLE)


def environment_folder() -> Path:
    """Return where the environment of this Python and of these pinned packages is, or will be."""
    digest = hashlib.sha256(CONSTRAINTS.read_bytes()).hexdigest()[:8]
    name = f"python{sys.version_info.major}.{sys.version_info.minor}-{digest}"
    return cache_dir(f"label-studio-{TESTED_VERSION}") / name


def ensure_environment(say: Callable[[str], None]) -> Path:
    """Return the interpreter of Label Studio's environment, which is built on first use (minutes, about 1 GB).

    It is built beside its final place and renamed at the end, so a folder that exists is complete. Only one process
    builds; others wait for it. Run it as `python -m label_studio.server`: the scripts in `bin` name the old place.

    Args:
        say: Gets a line when something takes long.

    Raises:
        OutputError: The packages cannot be installed, e.g. because no package index can be reached.
        UsageError: Not a POSIX system.
    """
    if os.name != "posix":
        raise UsageError(
            "GeoSeek starts its own Label Studio on Linux and macOS only.",
            hint=f"Name an existing server with {URL_VARIABLE} and {TOKEN_VARIABLE}.",
        )
    folder = environment_folder()
    python = folder / "bin" / "python"
    if python.exists():
        return python
    with _only_builder(folder, say):
        if python.exists():
            return python
        say(f"Setting up Label Studio {TESTED_VERSION} in {folder} (once; a few minutes, about 1 GB).")
        building = folder.with_name(f".building-{folder.name}")
        with plain_os_errors(folder):
            # What a killed build, or a Python that has since been removed, left behind.
            for leftover in (building, folder):
                if leftover.exists():
                    shutil.rmtree(leftover)
        try:
            _build(building)
            with plain_os_errors(folder):
                building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return python


@contextlib.contextmanager
def _only_builder(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("Another process is setting up Label Studio; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build(folder: Path) -> None:
    uv = None if _pip_has_its_own_indexes() else shutil.which("uv")
    python = str(folder / "bin" / "python")
    constrained = ["-c", str(CONSTRAINTS), _PACKAGE]
    if uv is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--python", python, *constrained], counting=r"^ \+ ")
        return
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [python, "-m", "pip", "install", "--no-input", "--no-user", "--disable-pip-version-check"]
    _run([*pip, "--progress-bar", "off", *constrained], counting="^Collecting ")


def _pip_has_its_own_indexes() -> bool:
    """Whether pip was told where packages come from: uv does not read that, and must not go elsewhere."""
    if any(name.startswith("UV_") and "INDEX" in name for name in os.environ):
        return False
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    named = {line.partition("=")[0].rpartition(".")[2] for line in listed.stdout.splitlines()}
    return bool(named & set(_INDEX_SETTINGS)) or any(
        f"PIP_{setting.replace('-', '_').upper()}" in os.environ for setting in _INDEX_SETTINGS
    )


def _run(command: Sequence[str], *, counting: str | None = None) -> None:
    """Run a step of the build.

    Args:
        command: Program and arguments.
        counting: Regular expression of the lines of its output that move the progress bar, one per package.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _MEANT_FOR_US}
    packages = sum(1 for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines() if "==" in line)
    last = deque[str](maxlen=8)
    with (
        progress_bar(total=packages, label="Installing Label Studio", unit="packages") as bar,
        subprocess.Popen(  # noqa: S603
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        ) as process,
    ):  # fmt: skip
        try:
            for line in process.stdout or ():
                last.append(line.rstrip())
                bar.update(bool(counting and re.search(counting, line)))
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        words = re.sub(r"//[^/@\s]+@", "//[hidden]@", "\n".join(last))
        raise OutputError(
            f"Label Studio {TESTED_VERSION} could not be installed ({Path(command[0]).name} ended with "
            f"{process.returncode}):\n{words}",
            hint="Check the network and the package index (`pip config list`), that the disk has 2 GB free and that "
            f"Python has its venv module, and run it again. Or name an existing server with {URL_VARIABLE}.",
        )
