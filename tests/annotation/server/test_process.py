"""The server's process: what it is given, how it is recognised, that it ends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from geoseek.annotation.server import StudioError
from geoseek.annotation.server import process as module
from geoseek.annotation.server.home import Choices, Secrets, ServerHome, load_secrets, server_home
from geoseek.annotation.server.process import (
    find_servers,
    free_port,
    is_alive,
    is_ours,
    server_command,
    server_variables,
    stop_process,
    wait_until_ready,
)
from tests.annotation.server.stub import Reply, Stub

HOSTILE = {
    "HOST": "https://evil.example.org",
    "PORT": "1",
    "USERNAME": "me",
    "PASSWORD": "mine",
    "DATABASE_NAME": "/elsewhere",
    "DJANGO_DB": "mysql",
    "SECRET_KEY": "known",
    "DEBUG": "1",
    "LABEL_STUDIO_HOST": "x",
    "LABEL_STUDIO_COLLECT_ANALYTICS": "true",
    "HEARTEX_PORT": "2",
    "PYTHONPATH": "/mine",
    "GEOSEEK_LABEL_STUDIO_TOKEN": "secret-token",
    "OPENAI_API_KEY": "sk",
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
}


@pytest.fixture
def home(tmp_path: Path) -> ServerHome:
    return server_home(tmp_path)


@pytest.fixture
def secrets(home: ServerHome) -> Secrets:
    return load_secrets(home)


def test_environment_of_the_server_is_ours_alone(home: ServerHome, secrets: Secrets) -> None:
    variables = server_variables(home, secrets, Choices(8080), HOSTILE)
    assert {name: variables.get(name) for name in HOSTILE} == {
        **dict.fromkeys(HOSTILE, None),
        "SECRET_KEY": secrets.signing_key,
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "PATH": "/usr/bin",
        "LANG": "C.UTF-8",
    }
    assert variables["LABEL_STUDIO_BASE_DATA_DIR"] == str(home.data)
    assert variables["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] == str(home.media)
    assert variables["LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK"] == "true"
    assert variables["LABEL_STUDIO_LATEST_VERSION_CHECK"] == "false"
    assert variables["LABEL_STUDIO_SENTRY_DSN"] == variables["LABEL_STUDIO_FRONTEND_SENTRY_DSN"] == ""
    assert variables["LABEL_STUDIO_ALLOWED_HOSTS"] == "127.0.0.1,localhost"
    assert "LABEL_STUDIO_SESSION_COOKIE_SECURE" not in variables


def test_environment_behind_a_proxy(home: ServerHome, secrets: Secrets) -> None:
    choices = Choices(8080, public_url="https://label.example.org")
    variables = server_variables(home, secrets, choices, {})
    assert variables["LABEL_STUDIO_HOST"] == "https://label.example.org"
    assert variables["LABEL_STUDIO_CSRF_TRUSTED_ORIGINS"].split(",")[0] == "https://label.example.org"
    assert variables["LABEL_STUDIO_ALLOWED_HOSTS"].endswith(",label.example.org")
    assert variables["LABEL_STUDIO_SESSION_COOKIE_SECURE"] == "1"


def test_command_line_holds_no_secret(home: ServerHome, secrets: Secrets) -> None:
    line = " ".join(server_command(Path("/env/bin/python"), home, Choices(8080)))
    for secret in (secrets.password, secrets.signing_key, secrets.account_key, secrets.email):
        assert secret not in line
    assert "--internal-host 127.0.0.1 --port 8080" in line


StandIn = Callable[..., int]


@pytest.fixture
def stand_in(home: ServerHome) -> Iterator[StandIn]:
    """Return a function that runs a process with the command line of a server, and other code."""
    running: list[subprocess.Popen[bytes]] = []

    def start(code: str = "import time; time.sleep(60)", data: Path = home.data) -> int:
        arguments = ["-m", "label_studio.server", "start", "--internal-host", "127.0.0.1", "--port", "8123"]
        command = [sys.executable, "-c", code, *arguments, "--data-dir", str(data)]
        running.append(subprocess.Popen(command, start_new_session=True))
        return running[-1].pid

    yield start
    for process in running:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_servers_are_found_by_their_data(home: ServerHome, stand_in: StandIn, tmp_path: Path) -> None:
    assert find_servers(home) == []
    pid = stand_in()
    stand_in(data=tmp_path / "another workspace" / "data")
    wait_for(lambda: bool(find_servers(home)))
    (found,) = find_servers(home)
    assert (found.pid, found.port, found.url) == (pid, 8123, "http://127.0.0.1:8123")


def test_servers_are_found_without_proc(
    home: ServerHome, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = f"    1 /sbin/init\n  77 python -m label_studio.server start --port 8123 --data-dir {home.data}\n"
    listing += f"  78 python -m label_studio.server start --port 8124 --data-dir {home.data} 2\n"
    monkeypatch.setattr(Path, "exists", lambda _: False)
    done = subprocess.CompletedProcess[str]([], 0, stdout=listing)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert [(server.pid, server.port) for server in find_servers(home)] == [(77, 8123)]


def test_a_stubborn_server_is_killed(home: ServerHome, stand_in: StandIn) -> None:
    ready = home.folder / "ready"
    code = "import signal, time, pathlib; signal.signal(15, signal.SIG_IGN); "
    pid = stand_in(code + f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)")
    wait_for(ready.exists)
    assert is_alive(pid)
    stop_process(pid, timeout_s=0.3)
    wait_for(lambda: not is_alive(pid))
    assert find_servers(home) == []


def test_children_end_with_the_server(home: ServerHome, stand_in: StandIn) -> None:
    note = home.folder / "child"
    code = "import subprocess, sys, pathlib; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1); "
    pid = stand_in(code + f"pathlib.Path({str(note)!r}).write_text(str(child.pid)); child.wait()")
    wait_for(lambda: note.exists() and note.read_text() != "")
    child = int(note.read_text())
    stop_process(pid)
    wait_for(lambda: not is_alive(child))


def test_a_process_that_is_gone_is_no_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    stop_process(child.pid)
    assert not is_alive(child.pid)


def listener() -> socket.socket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


def test_a_free_port_is_kept_and_a_busy_one_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PORT_RELEASE_S", 0.2)
    with listener() as busy:
        taken = busy.getsockname()[1]
        other = free_port("127.0.0.1", taken)
        assert other != taken
    assert free_port("127.0.0.1", taken) == taken


def test_an_address_of_another_machine() -> None:
    with pytest.raises(StudioError, match=r"No server can listen on 192\.0\.2\.1"):
        free_port("192.0.2.1", None)


def cookie(key: str, value: str = "eyJ1aWQiOiIxIn0:1abcde") -> dict[str, str]:
    salted = hashlib.sha256(f"django.contrib.sessions.backends.signed_cookiessigner{key}".encode()).digest()
    signature = base64.urlsafe_b64encode(hmac.new(salted, value.encode(), hashlib.sha256).digest()).rstrip(b"=")
    return {"Set-Cookie": f"sessionid={value}:{signature.decode()}; HttpOnly; Path=/"}


def test_our_server_is_told_from_others(stub: Stub, secrets: Secrets) -> None:
    stub.replies["/health"] = [
        Reply(headers=cookie(secrets.signing_key)),
        Reply(headers=cookie("another key")),
        Reply(),
        Reply(404),
        Reply(503),
        Reply(0),
    ]
    assert [is_ours(stub.url, secrets) for _ in range(6)] == [True, False, False, False, None, None]
    assert all(secrets.signing_key not in str(request) for request in stub.requests)


def test_waiting_for_a_server_that_dies(home: ServerHome, secrets: Secrets) -> None:
    home.log.write_text("Traceback\nModuleNotFoundError: No module named 'django'\n")
    with pytest.raises(StudioError, match=r"(?s)ended while it was starting.*No module named 'django'"):
        wait_until_ready(home, "http://127.0.0.1:9", secrets, lambda: False)


def test_waiting_is_bounded(home: ServerHome, secrets: Secrets) -> None:
    with pytest.raises(StudioError, match="did not answer"):
        wait_until_ready(home, "http://127.0.0.1:9", secrets, lambda: True, timeout_s=0.3)


def test_waiting_for_a_server_that_comes_up(home: ServerHome, stub: Stub, secrets: Secrets) -> None:
    stub.replies["/health"] = [Reply(0), Reply(503), Reply(headers=cookie(secrets.signing_key))]
    assert wait_until_ready(home, stub.url, secrets, lambda: True)
    stub.replies["/health"] = [Reply(headers=cookie("another key"))]
    assert not wait_until_ready(home, stub.url, secrets, lambda: True)


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    if not Path("/proc/self/cmdline").exists():
        child.wait()
    wait_for(lambda: not is_alive(child.pid))
    child.wait()


def test_signals_reach_the_group_only_of_its_leader(stand_in: StandIn) -> None:
    follower = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert os.getpgid(follower.pid) == os.getpgid(0)
    stop_process(follower.pid, timeout_s=5)
    assert follower.wait() == -signal.SIGTERM
