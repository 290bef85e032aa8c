"""The workspace's own server: started in the foreground or detached, connected to, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from geoseek.annotation.server.accounts import own_token
from geoseek.annotation.server.environment import ensure_environment
from geoseek.annotation.server.errors import LOCAL, TOKEN_VARIABLE, URL_VARIABLE, StudioError
from geoseek.annotation.server.home import (
    Choices,
    Secrets,
    ServerHome,
    last_lines,
    limit_log,
    load_choices,
    load_secrets,
    server_home,
    store_choices,
)
from geoseek.annotation.server.process import (
    ServerProcess,
    find_servers,
    free_port,
    is_alive,
    is_ours,
    spawn,
    stop_process,
    wait_until_ready,
    was_terminated,
)
from geoseek.annotation.server.studio import Patience, Studio, connect, normal_url
from geoseek.annotation.server.tokens import checked_token
from geoseek.schemas import UsageError

Say = Callable[[str], None]
_PORT_TRIES = 3
_LOG_CHECK_S = 60.0


@dataclass(frozen=True)
class Running:
    """The workspace's own server, ready.

    Attributes:
        url: Its address on this machine.
        pid: Its process.
        started: Whether this call started it; False if it ran already.
    """

    url: str
    pid: int
    started: bool


def words_to_stderr(line: str) -> None:
    """Print a line for people."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def ensure_studio(
    workspace: Path, *, start: bool = True, patience: Patience | None = None, say: Say = words_to_stderr
) -> Studio:
    """Return a connection to the server of this workspace.

    That is the server named by `GEOSEEK_LABEL_STUDIO_URL` and `GEOSEEK_LABEL_STUDIO_TOKEN`, else the workspace's own,
    which is started in the background if it does not run and goes on after this process has ended.

    Args:
        workspace: The workspace folder.
        start: Whether the own server may be started; its first start takes about a minute.
        patience: How long reads go on.
        say: Gets a line when something takes long, and for warnings.

    Raises:
        StudioError: The server cannot be reached or started, or does not accept the token.
        UsageError: Only one of the two variables is set, or one has no usable value.
    """
    url, token = os.environ.get(URL_VARIABLE, ""), os.environ.get(TOKEN_VARIABLE, "")
    if url or token:
        if not (url and token):
            missing = TOKEN_VARIABLE if url else URL_VARIABLE
            raise UsageError(
                f"{missing} is not set, {URL_VARIABLE if token == '' else TOKEN_VARIABLE} is.",
                hint="An existing server needs both; the workspace's own server needs neither.",
            )
        return connect(normal_url(url), checked_token(token), patience=patience, say=say)
    home = server_home(workspace)
    limit_log(home)
    if not start and not find_servers(home):
        raise StudioError(
            "The workspace's Label Studio does not run.",
            hint=f"Start it with `geoseek annotate serve`, or name an existing server with {URL_VARIABLE}.",
        )
    running = start_own(home, say=say)
    if running.started:
        _announce(home, running, say)
    return connect_own(home, running, patience=patience, say=say)


def connect_own(home: ServerHome, running: Running, *, patience: Patience | None = None, say: Say) -> Studio:
    """Return a connection to the own server as its lead, whose token is made anew when it is rejected."""

    def renew(rejected: str) -> str:
        return own_token(home, running.url, rejected=rejected)

    token = own_token(home, running.url)
    studio = connect(running.url, token, identity=LOCAL, renew=renew, patience=patience, say=say)
    studio.page_url = load_choices(home).public_url or studio.url
    return studio


def start_own(
    home: ServerHome,
    *,
    host: str | None = None,
    port: int | None = None,
    public_url: str | None = None,
    say: Say = words_to_stderr,
) -> Running:
    """Return the workspace's own server, started if it does not run; what is not given is as at the last start.

    Raises:
        OutputError: Its environment cannot be set up.
        StudioError: It does not come up.
        UsageError: It runs already with other options, or the port is taken.
    """
    host = None if host is None else _checked_host(host)
    last = load_choices(home)
    public_url = last.public_url if public_url is None else _checked_public_url(public_url)
    python = ensure_environment(say)
    secrets = load_secrets(home)
    with home.lock("start"):
        running = _running(home, secrets, say)
        if running is not None:
            _check_same(running, host=host, port=port)
            if public_url != load_choices(home).public_url:
                raise _runs_already(running, "--public-url")
            return Running(running.url, running.pid, started=False)
        choices = replace(last, host=host or last.host, public_url=public_url)
        if not (home.data / "label_studio.sqlite3").exists():
            say("Starting Label Studio for the first time: this takes about a minute.")
        for _ in range(_PORT_TRIES):
            chosen = replace(choices, port=_choose_port(choices, port, say))
            server = _launch(home, python, secrets, chosen)
            if server is not None:
                store_choices(home, chosen)
                return server
        raise StudioError(
            "Label Studio found its port taken by another server, several times.", hint="Choose one with --port."
        )


def _launch(home: ServerHome, python: Path, secrets: Secrets, choices: Choices) -> Running | None:
    """Start a server and wait for it; None if another server answers at its port."""
    server = ServerProcess(spawn(home, python, secrets, choices), choices.port or 0, choices.host)
    try:
        if wait_until_ready(home, server.url, secrets, lambda: is_alive(server.pid)):
            return Running(server.url, server.pid, started=True)
    except BaseException:
        stop_process(server.pid)
        raise
    stop_process(server.pid)
    return None


def _running(home: ServerHome, secrets: Secrets, say: Say) -> ServerProcess | None:
    """Return the server that runs, after waiting until it answers; one that answers wrongly is ended."""
    for server in find_servers(home):
        if is_ours(server.url, secrets) is None:
            say("Label Studio is running but does not answer yet; waiting for it.")
        if wait_until_ready(home, server.url, secrets, lambda pid=server.pid: is_alive(pid)):  # type: ignore[misc]
            return server
        # It listens elsewhere than it was told, or the secrets were replaced while it ran.
        stop_process(server.pid)
    return None


def _check_same(running: ServerProcess, *, host: str | None, port: int | None) -> None:
    if host not in (None, running.host):
        raise _runs_already(running, "--host")
    if port not in (None, running.port):
        raise _runs_already(running, "--port")


def _runs_already(running: ServerProcess, option: str) -> UsageError:
    return UsageError(
        f"Label Studio runs already at {running.url}, with another {option}.",
        hint="Stop it first with `geoseek annotate stop`.",
    )


def _checked_host(host: str) -> str:
    if ":" in host or not host.strip():
        raise UsageError(f"--host {host!r} is not an IPv4 address.", hint="Use 127.0.0.1 (default), 0.0.0.0 or one.")
    return host


def _checked_public_url(url: str) -> str | None:
    if not url.strip():
        return None
    normal = normal_url(url, name="--public-url")
    if urlsplit(normal).path:
        raise UsageError(
            f"--public-url {url!r} has a path.",
            hint="Give Label Studio a host name of its own, e.g. https://label.example.org.",
        )
    return normal


def _choose_port(choices: Choices, wanted: int | None, say: Say) -> int:
    port = free_port(choices.host, wanted or choices.port)
    if wanted is not None and port != wanted:
        raise UsageError(
            f"Port {wanted} is used by another program, or may not be used.",
            hint=f"Port {port} is free; without --port a free one is chosen.",
        )
    if choices.port not in (None, port, wanted):
        say(f"Port {choices.port} of the last start is used by another program, so the address changes.")
    return port


def serve(
    workspace: Path,
    *,
    host: str | None = None,
    port: int | None = None,
    public_url: str | None = None,
    say: Say = words_to_stderr,
) -> None:
    """Run the workspace's own server until Ctrl-C or SIGTERM; return at once if it runs already.

    Args:
        workspace: The workspace folder.
        host: Address to listen on; default: as last time, at first 127.0.0.1.
        port: Default: as last time, or a free one.
        public_url: Address of a TLS proxy that stands before it, e.g. https://label.example.org; empty for none.
        say: Gets what the user needs to know, a line at a time.

    Raises:
        StudioError: It does not come up, or ends by itself.
        UsageError: It runs already with other options, or the port is taken.
    """
    home = server_home(workspace)
    with _stop_signals() as ignore_signals:
        running = start_own(home, host=host, port=port, public_url=public_url, say=say)
        try:
            _announce(home, running, say)
            if not running.started:
                return
            say("Ctrl-C stops it.")
            _watch(home, running)
        except KeyboardInterrupt:
            ignore_signals()
            if not running.started:
                raise
            say("Stopping Label Studio.")
            stop_process(running.pid)
        say("Label Studio has stopped.")


def _announce(home: ServerHome, running: Running, say: Say) -> None:
    email = load_secrets(home).email
    if not running.started:
        say(f"Label Studio runs already at {running.url}; stop it with `geoseek annotate stop`.")
    public = load_choices(home).public_url
    say(f"Label Studio is ready at {public or running.url} (sign in as {email}; password in {home.secrets_file}).")
    if load_choices(home).host not in ("127.0.0.1", "localhost") and public is None:
        say(
            "Warning: other machines can reach it without encryption, and every user of it can change everything. "
            "docs/label-studio.md shows a TLS proxy."
        )


@contextlib.contextmanager
def _stop_signals() -> Iterator[Callable[[], None]]:
    """Let SIGTERM and a closed terminal end the block like Ctrl-C; a signal that is ignored stays ignored.

    Yields:
        A function after which no signal disturbs the end of the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    heeded = [number for number in numbers if before[number] is not signal.SIG_IGN]

    def ignore() -> None:
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)

    for number in heeded:
        signal.signal(number, interrupt)
    try:
        yield ignore
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _watch(home: ServerHome, running: Running) -> None:
    """Return when the server was stopped by `geoseek annotate stop`."""
    checked = time.monotonic()
    while is_alive(running.pid):
        time.sleep(0.5)
        if time.monotonic() - checked > _LOG_CHECK_S:
            limit_log(home)
            checked = time.monotonic()
    if not was_terminated(running.pid):
        raise StudioError(
            f"Label Studio ended by itself. Its last words:\n{last_lines(home)}", hint=f"The whole log is {home.log}."
        )


def stop_server(workspace: Path) -> bool:
    """Stop the workspace's own server, however it was started; False if it did not run."""
    servers = find_servers(server_home(workspace))
    for server in servers:
        stop_process(server.pid)
    return bool(servers)
