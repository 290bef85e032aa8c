"""A real Label Studio on loopback for the tests marked `server`, which all belong to the xdist group "studio"."""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

import geoseek.annotation.server as room
from geoseek.annotation.server import TOKEN_VARIABLE, URL_VARIABLE, Studio, ensure_studio, stop_server
from geoseek.annotation.server.environment import ensure_environment, environment_folder
from geoseek.annotation.server.home import Choices, server_home, store_choices
from geoseek.workspace import cache_dir

StudioServer = tuple[Studio, Path]
MakeWorkspace = Callable[[], Path]


@pytest.fixture(scope="session", autouse=True)
def no_other_server() -> Iterator[None]:
    """Keep a developer's own server out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(URL_VARIABLE, raising=False)
        patch.delenv(TOKEN_VARIABLE, raising=False)
        yield


def quiet(_line: str) -> None:
    """Take the words of a server that starts, and drop them."""


def _new_workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "geoseek.yaml").write_text("seed: 3\n")
    return folder


@pytest.fixture(scope="session")
def studio_template() -> Path:
    """Return the folder of a server that was started once: migrating its database takes a minute, copying it nothing.

    It is kept in the user's cache until the package pins or the code that lays it out change.
    """
    ensure_environment(quiet)
    code = Path(room.__file__).parent
    digest = hashlib.sha256(b"".join((code / name).read_bytes() for name in ("home.py", "process.py", "accounts.py")))
    cache = cache_dir("tests", "label-studio")
    template = cache / f"{environment_folder().name}-{digest.hexdigest()[:8]}"
    with FileLock(cache / ".lock"):
        if not template.is_dir():
            building = cache / ".building"
            shutil.rmtree(building, ignore_errors=True)
            workspace = _new_workspace(building)
            with ensure_studio(workspace, say=quiet):
                pass
            stop_server(workspace)
            server_home(workspace).folder.rename(template)
            shutil.rmtree(building)
    return template


def _copy(template: Path, workspace: Path) -> Path:
    home = server_home(workspace)
    shutil.rmtree(home.folder)
    shutil.copytree(template, home.folder)
    store_choices(home, Choices(port=_free_port()))
    return workspace


def _free_port() -> int:
    """Return a port that nobody listens at, below those that the system gives to connections and to port 0.

    Copies share their keys, so that two of them that start at once on one port could not be told apart.
    """
    for port in random.sample(range(20_000, 30_000), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise RuntimeError("no free port from 20000 to 29999")


@pytest.fixture(scope="session")
def studio_server(studio_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    """Return a connection to a server that all tests share, and its workspace; make your own projects and users.

    Local pictures go below `local_media_root(workspace) / "pictures"`, into a folder of your own.
    """
    workspace = _copy(studio_template, _new_workspace(tmp_path_factory.mktemp("studio") / "workspace"))
    with ensure_studio(workspace, say=quiet) as studio:
        yield studio, workspace
    stop_server(workspace)


@pytest.fixture(autouse=True)
def good_token(request: pytest.FixtureRequest) -> None:
    """Leave no test with a token that an earlier one has revoked on the shared server."""
    if "studio_server" in request.fixturenames:
        _, workspace = request.getfixturevalue("studio_server")
        with ensure_studio(workspace, say=quiet):
            pass


@pytest.fixture
def server_workspace(studio_template: Path, tmp_path: Path) -> Iterator[MakeWorkspace]:
    """Return a function that makes a workspace whose own server, prepared but not running, the test may kill."""
    made: list[Path] = []

    def make() -> Path:
        made.append(_copy(studio_template, _new_workspace(tmp_path / f"workspace-{len(made)}")))
        return made[-1]

    yield make
    for workspace in made:
        stop_server(workspace)
