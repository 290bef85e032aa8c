"""The workspace's own Label Studio, started for real: ready line, signals, kill -9, ports, one server only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from geoseek.annotation.server import Studio, StudioError, ensure_studio, stop_server
from geoseek.annotation.server.home import ServerHome, load_choices, load_secrets, server_home
from geoseek.annotation.server.process import ServerProcess, find_servers, is_alive
from geoseek.schemas import UsageError
from tests.annotation.conftest import MakeWorkspace, StudioServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("studio")]
PUBLIC = "https://label.example.org"
STOPPED = "Label Studio has stopped."


class Serve:
    """`geoseek annotate serve` in a process of its own, as in a terminal."""

    def __init__(self, workspace: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "geoseek", "annotate", "serve", *arguments]
        self.process = subprocess.Popen(
            command, cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def wait_for(self, words: str) -> str:
        """Read what it says up to the line with these words, and return that line."""
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if words in line:
                return line
        raise AssertionError(f"{words!r} was not said, but: {''.join(said)}")

    def end(self, number: signal.Signals) -> str:
        """Send a signal, wait for the end, and return what else was said."""
        self.process.send_signal(number)
        out, said = self.process.communicate(timeout=60)
        assert out == ""
        return said

    def leave(self) -> None:
        """Kill it if it still runs."""
        self.process.kill()
        self.process.communicate()


StartServe = Callable[..., Serve]


@pytest.fixture
def run_serve() -> Iterator[StartServe]:
    """Return a function that runs `geoseek annotate serve ARGUMENTS` in a workspace."""
    started: list[Serve] = []

    def start(workspace: Path, *arguments: str) -> Serve:
        started.append(Serve(workspace, *arguments))
        return started[-1]

    yield start
    for serve in started:
        serve.leave()


def only_server(home: ServerHome) -> ServerProcess:
    (server,) = find_servers(home)
    return server


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_serve_says_when_it_is_ready_and_ends_with_ctrl_c(
    server_workspace: MakeWorkspace, run_serve: StartServe
) -> None:
    workspace = server_workspace()
    home = server_home(workspace)
    serve = run_serve(workspace, "--public-url", PUBLIC)
    ready = serve.wait_for("is ready")
    secrets = load_secrets(home)
    assert f"Label Studio is ready at {PUBLIC} (sign in as {secrets.email}; password in {home.secrets_file})" in ready
    assert secrets.password not in ready
    server = only_server(home)
    assert httpx.get(f"{server.url}/health", trust_env=False).json() == {"status": "UP"}
    sign_in_through_a_tls_proxy(server.url, secrets.email, secrets.password)
    with ensure_studio(workspace) as studio:
        assert (studio.url, studio.page_url) == (server.url, PUBLIC)

    again = run_serve(workspace)
    assert server.url in again.wait_for("runs already")
    assert again.process.wait(timeout=60) == 0
    other = run_serve(workspace, "--port", str(server.port + 1))
    other.wait_for("Stop it first")
    assert other.process.wait(timeout=60) == 2
    assert is_alive(server.pid)

    assert STOPPED in serve.end(signal.SIGINT)
    assert serve.process.returncode == 0
    assert find_servers(home) == []
    assert not is_alive(server.pid)


def sign_in_through_a_tls_proxy(url: str, email: str, password: str) -> None:
    """Sign in as a browser does whose requests a proxy has decrypted: host and origin are the proxy's."""
    headers = {"Host": "label.example.org", "Origin": PUBLIC, "Referer": f"{PUBLIC}/user/login/"}
    page = httpx.get(f"{url}/user/login/", headers=headers, trust_env=False)
    assert "secure" in page.headers["set-cookie"].lower()
    fields = {"email": email, "password": password, "csrfmiddlewaretoken": page.cookies["csrftoken"]}
    headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    assert httpx.post(f"{url}/user/login/", data=fields, headers=headers, trust_env=False).status_code == 302
    stranger = httpx.get(f"{url}/user/login/", headers={"Host": "rebound.example.org"}, trust_env=False)
    assert stranger.status_code == 400


def test_a_killed_serve_leaves_a_server_that_is_found(server_workspace: MakeWorkspace, run_serve: StartServe) -> None:
    workspace = server_workspace()
    home = server_home(workspace)
    first = run_serve(workspace)
    first.wait_for("is ready")
    server = only_server(home)
    first.end(signal.SIGKILL)
    assert is_alive(server.pid)
    with ensure_studio(workspace, start=False) as studio:
        assert studio.url == server.url
    assert stop_server(workspace)
    assert not stop_server(workspace)
    wait_until(lambda: not is_alive(server.pid))

    second = run_serve(workspace)
    second.wait_for("is ready")
    assert only_server(home).port == server.port
    assert STOPPED in second.end(signal.SIGTERM)
    assert find_servers(home) == []


def test_after_kill_9_of_the_server_it_starts_again(server_workspace: MakeWorkspace) -> None:
    workspace = server_workspace()
    home = server_home(workspace)
    with ensure_studio(workspace) as studio:
        made = studio.send_json("POST", "/api/projects", {"title": "kept"}, doing="making a project")
    server = only_server(home)
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(server.pid))
    with pytest.raises(StudioError, match="does not run"):
        ensure_studio(workspace, start=False)
    words: list[str] = []
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", server.port))
        squatter.listen()
        with ensure_studio(workspace, say=words.append) as studio:
            assert studio.url != server.url
            assert studio.get_json(f"/api/projects/{made['id']}", doing="reading it")["title"] == "kept"
    assert any("address changes" in line for line in words)
    assert load_choices(home).port == only_server(home).port


def test_two_at_once_start_one_server(server_workspace: MakeWorkspace) -> None:
    workspace = server_workspace()
    studios: list[Studio] = []
    threads = [threading.Thread(target=lambda: studios.append(ensure_studio(workspace))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(studios) == 2
    assert len({studio.url for studio in studios}) == 1
    only_server(server_home(workspace))
    for studio in studios:
        assert studio.get_json("/api/projects", doing="reading")["count"] == 0
        studio.close()


def test_a_server_that_cannot_start_says_why(server_workspace: MakeWorkspace) -> None:
    workspace = server_workspace()
    home = server_home(workspace)
    (home.data / "label_studio.sqlite3").write_bytes(b"this is no database " * 100)
    with pytest.raises(StudioError, match=r"(?s)ended while it was starting.*not a database"):
        ensure_studio(workspace)
    assert find_servers(home) == []


def test_a_busy_port_is_an_error_when_it_was_asked_for(
    studio_server: StudioServer, run_serve: StartServe, tmp_path: Path
) -> None:
    studio, _ = studio_server
    (tmp_path / "geoseek.yaml").write_text("seed: 3\n")
    port = studio.url.rpartition(":")[2]
    serve = run_serve(tmp_path, "--port", port)
    serve.wait_for(f"Port {port} is used by another program")
    assert serve.process.wait(timeout=60) == 2
    assert find_servers(server_home(tmp_path)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "::1"], "is not an IPv4 address"),
        (["--public-url", "label.example.org"], "--public-url is not the address of a server"),
        (["--public-url", "https://example.org/label"], "has a path"),
    ],
)
def test_options_that_cannot_be(run_serve: StartServe, tmp_path: Path, options: list[str], words: str) -> None:
    (tmp_path / "geoseek.yaml").write_text("seed: 3\n")
    serve = run_serve(tmp_path, *options)
    serve.wait_for(words)
    assert serve.process.wait(timeout=60) == 2


def test_stop_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "geoseek.yaml").write_text("seed: 3\n")
    command = [sys.executable, "-m", "geoseek", "annotate", "stop", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"stopped": False}


def test_only_one_variable_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSEEK_LABEL_STUDIO_URL", "https://label.example.org")
    with pytest.raises(UsageError, match="GEOSEEK_LABEL_STUDIO_TOKEN is not set"):
        ensure_studio(tmp_path)
    monkeypatch.delenv("GEOSEEK_LABEL_STUDIO_URL")
    monkeypatch.setenv("GEOSEEK_LABEL_STUDIO_TOKEN", "a-secret")
    with pytest.raises(UsageError, match="GEOSEEK_LABEL_STUDIO_URL is not set") as caught:
        ensure_studio(tmp_path)
    assert "a-secret" not in str(caught.value)


@pytest.mark.slow
def test_a_fresh_workspace_from_nothing(tmp_path: Path) -> None:
    (tmp_path / "geoseek.yaml").write_text("seed: 3\n")
    words: list[str] = []
    try:
        with ensure_studio(tmp_path, say=words.append) as studio:
            assert studio.identity == "local"
            assert studio.email == "lead@geoseek.invalid"
    finally:
        stop_server(tmp_path)
    assert "for the first time" in words[0]
    assert "is ready" in words[-1]
    home = server_home(tmp_path)
    secrets = load_secrets(home)
    text = home.log.read_text() + "".join(words)
    for secret in (secrets.password, secrets.signing_key, secrets.account_key, secrets.token or "no token"):
        assert secret not in text
