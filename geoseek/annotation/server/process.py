"""The process of the workspace's own server: found by its command line, started, recognised, stopped."""

from __future__ import annotations

import base64
import errno
import hashlib
import hmac
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from geoseek.annotation.server.errors import StudioError
from geoseek.annotation.server.home import Choices, Secrets, ServerHome, last_lines, limit_log
from geoseek.workspace import progress_bar

START_TIMEOUT_S = 600.0
_STOP_TIMEOUT_S = 15.0
_PROBE_TIMEOUT_S = 10.0
_PORT_RELEASE_S = 3.0
_MODULE = "label_studio.server"
# Everything else of our environment stays here: Label Studio also reads unprefixed names such as HOST or PASSWORD.
_PASSED_ON = (
    "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR",
    "TZ", "USER",
)  # fmt: skip
_SESSION_SALT = "django.contrib.sessions.backends.signed_cookies"
# Keeps Popen objects of detached servers from being collected, which would warn about a child that still runs.
_detached: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class ServerProcess:
    """A running Label Studio that works on our data.

    Attributes:
        pid: Process id; also of its process group, since it leads its own session.
        port: Port it was told to listen on.
        host: Address it was told to listen on.
    """

    pid: int
    port: int
    host: str

    @property
    def url(self) -> str:
        """Address under which this machine reaches it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "localhost") else self.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"


def find_servers(home: ServerHome) -> list[ServerProcess]:
    """Return the processes that serve this workspace's data, whoever started them.

    The command line tells, so neither a killed parent nor a reused process id can mislead.
    """
    found = []
    for pid, arguments in _command_lines():
        if _MODULE in arguments and _value(arguments, "--data-dir") == str(home.data):
            port = _value(arguments, "--port")
            found.append(ServerProcess(pid, int(port or 0), _value(arguments, "--internal-host") or ""))
    return found


def _value(arguments: list[str], option: str) -> str | None:
    following = arguments[arguments.index(option) + 1 :] if option in arguments else []
    return following[0] if following else None


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    if Path("/proc/self/cmdline").exists():
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    text = (folder / "cmdline").read_bytes().decode("utf-8", "surrogateescape")
                except OSError:
                    continue
                yield int(folder.name), text.split("\0")
        return
    listed = subprocess.run(["ps", "-axwwo", "pid=,args="], capture_output=True, text=True, check=False)  # noqa: S607
    for line in listed.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        # `--data-dir` is the last option and its value may hold spaces.
        before, option, data = command.partition(" --data-dir ")
        yield int(pid), [*before.split(), *(["--data-dir", data] if option else [])]


def server_command(python: Path, home: ServerHome, choices: Choices) -> list[str]:
    """Return the command line of the server; it holds no secret, and `find_servers` recognises it."""
    return [
        str(python), "-m", _MODULE, "start", "--no-browser", "--internal-host", choices.host, "--port",
        str(choices.port), "--data-dir", str(home.data),
    ]  # fmt: skip


def server_variables(
    home: ServerHome, secrets: Secrets, choices: Choices, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return the whole environment of the server: a few harmless names of ours, and what configures it.

    Args:
        home: Where its data and pictures are.
        secrets: Its administrator and its signing key.
        choices: Where it listens.
        inherited: Our own environment.
    """
    variables = {name: inherited[name] for name in _PASSED_ON if name in inherited}
    own = [f"http://127.0.0.1:{choices.port}", f"http://localhost:{choices.port}"]
    settings = {
        "BASE_DATA_DIR": str(home.data),
        "USERNAME": secrets.email,
        "PASSWORD": secrets.password,
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(home.media),
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "false",
        "DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "CORS_ALLOWED_ORIGINS": ",".join(own),
    }
    loopback = choices.host in ("127.0.0.1", "localhost")
    if loopback:
        # Refuses requests of web pages that have their name resolve to loopback.
        settings["ALLOWED_HOSTS"] = "127.0.0.1,localhost"
    if choices.public_url is not None:
        host = httpx.URL(choices.public_url).host
        settings["HOST"] = choices.public_url
        settings["CSRF_TRUSTED_ORIGINS"] = ",".join([choices.public_url, *own])
        settings["CORS_ALLOWED_ORIGINS"] = ",".join([choices.public_url, *own])
        settings["SESSION_COOKIE_SECURE"] = "1" if choices.public_url.startswith("https:") else "0"
        if loopback:
            settings["ALLOWED_HOSTS"] += f",{host}"
    variables |= {f"LABEL_STUDIO_{name}": value for name, value in settings.items()}
    # Read without a prefix; in the environment it wins over the key that Label Studio would generate.
    return variables | {"SECRET_KEY": secrets.signing_key, "PYTHONUNBUFFERED": "1"}


def free_port(host: str, preferred: int | None) -> int:
    """Return the preferred port if nothing listens on it, else one from 8080 on, else any.

    A server that is just ending holds its port a moment longer than its process, so the preferred one is waited for.

    Raises:
        StudioError: The host is not an address of this machine.
    """
    deadline = time.monotonic() + _PORT_RELEASE_S
    while preferred is not None and time.monotonic() < deadline:
        if _can_listen(host, preferred):
            return preferred
        time.sleep(0.1)
    found = next((port for port in range(8080, 8180) if _can_listen(host, port)), None)
    return _bound_port(host, 0) if found is None else found


def _can_listen(host: str, port: int) -> bool:
    if _answers("localhost", port):
        return False
    try:
        return _bound_port(host, port) == port
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            raise StudioError(
                f"No server can listen on {host}: {error.strerror}.",
                hint="Give --host an IPv4 address of this machine, or 0.0.0.0 for all of them.",
            ) from error
        return False


def _bound_port(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        return int(listener.getsockname()[1])


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def is_ours(url: str, secrets: Secrets) -> bool | None:
    """Whether the server at an address signs with our key, which never leaves this machine.

    Each first answer of Label Studio sets a session cookie, signed the way Django signs
    (HMAC-SHA256 with a key salted by the purpose).

    Returns:
        None if no server answers that it is well.
    """
    try:
        answer = httpx.get(f"{url}/health", timeout=_PROBE_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        return None
    if answer.status_code >= 500:
        return None
    signed, _, signature = (answer.cookies.get("sessionid") or "").rpartition(":")
    key = hashlib.sha256(f"{_SESSION_SALT}signer{secrets.signing_key}".encode()).digest()
    expected = base64.urlsafe_b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).rstrip(b"=")
    return answer.status_code == 200 and hmac.compare_digest(expected, signature.encode())


def spawn(home: ServerHome, python: Path, secrets: Secrets, choices: Choices) -> int:
    """Start the server in a session of its own, so that it survives us and a Ctrl-C reaches only us.

    Returns:
        Its process id. The log begins anew.
    """
    limit_log(home, 0)
    variables = server_variables(home, secrets, choices, os.environ)
    with home.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            server_command(python, home, choices),
            env=variables,
            cwd=home.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _detached[process.pid] = process
    return process.pid


def wait_until_ready(
    home: ServerHome, url: str, secrets: Secrets, alive: Callable[[], bool], *, timeout_s: float = START_TIMEOUT_S
) -> bool:
    """Wait until our server answers at an address.

    Args:
        home: For its log.
        url: Where it should answer.
        secrets: To recognise it.
        alive: Whether the process still runs.
        timeout_s: How long to wait.

    Returns:
        False if another server answers there: it took the port in the meantime.

    Raises:
        StudioError: The process has ended, or does not answer in time.
    """
    deadline = time.monotonic() + timeout_s
    with progress_bar(total=None, label="Starting Label Studio", unit="s") as bar:
        begin = time.monotonic()
        while time.monotonic() < deadline:
            ours = is_ours(url, secrets)
            if ours is not None:
                return ours
            if not alive():
                raise StudioError(
                    f"Label Studio ended while it was starting. Its last words:\n{last_lines(home)}",
                    hint=f"The whole log is {home.log}.",
                )
            time.sleep(0.25)
            bar.update(round(time.monotonic() - begin) - bar.n)
    raise StudioError(
        f"Label Studio did not answer at {url} within {timeout_s:.0f} s. Its last words:\n{last_lines(home)}",
        hint="A busy machine may need longer: it goes on starting; run the same command again.",
    )


def stop_process(pid: int, *, timeout_s: float = _STOP_TIMEOUT_S) -> None:
    """End a server and its children: asked first, killed when it does not listen."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal_group(pid, number) or _gone(pid, timeout_s):
            break
    _detached.pop(pid, None)


def _signal_group(pid: int, number: signal.Signals) -> bool:
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _gone(pid: int, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


def is_alive(pid: int) -> bool:
    """Whether a server process still runs; one that ended as our child is reaped."""
    child = _detached.get(pid)
    if child is not None:
        return child.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to take notice (a process without command line)."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes() == b""
    except OSError:
        return False


def was_terminated(pid: int) -> bool:
    """Whether a server that we started was ended by SIGTERM or SIGKILL, that is on purpose."""
    child = _detached.get(pid)
    return child is not None and child.returncode in (-signal.SIGTERM, -signal.SIGKILL)
