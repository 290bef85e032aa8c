"""A proxy on loopback that stands before a real server and fails where a test tells it to."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "content-length"}


@dataclass
class Answer:
    """What the client gets."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class CutError(Exception):
    """An action raises it to close the connection without a word."""


Forward = Callable[[], Answer]
Action = Callable[[Forward], Answer]
"""Gets a function that asks the real server, and says what the client gets."""


def forward_then_cut(forward: Forward) -> Answer:
    """Let the server do its work, and lose the answer."""
    forward()
    raise CutError


def cut(forward: Forward) -> Answer:
    """Lose the request."""
    raise CutError


def answer(status: int, body: str = '{"detail": "as the test wanted"}', **headers: str) -> Action:
    """Answer in the server's place; underscores in names of headers become hyphens."""
    fields = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return lambda _: Answer(status, body.encode(), fields)


def html(status: int = 200) -> Action:
    """Answer with a web page, as the login page of a proxy would."""
    return answer(status, "<!doctype html><html><body>Please sign in</body></html>", Content_Type="text/html")


def delay(seconds: float) -> Action:
    """Answer late."""

    def late(forward: Forward) -> Answer:
        time.sleep(seconds)
        return forward()

    return late


def rewrite(change: Callable[[bytes], bytes]) -> Action:
    """Change the body of the server's answer."""

    def changed(forward: Forward) -> Answer:
        found = forward()
        return Answer(found.status, change(found.body), found.headers)

    return changed


def call(function: Callable[[], object], then: Action | None = None) -> Action:
    """Do something (kill the server, say) before the request goes on."""

    def called(forward: Forward) -> Answer:
        function()
        return then(forward) if then else forward()

    return called


@dataclass
class Rule:
    """An action for the requests number `first`, `first + 1`, ... of those that match; `times` of them, None for all.

    Attributes:
        seen: Requests that matched.
        applied: Requests that the action got.
    """

    method: str
    path: re.Pattern[str]
    action: Action
    first: int
    times: int | None
    seen: int = 0
    applied: int = 0

    def takes(self, method: str, path: str) -> bool:
        """Count a request, and say whether it is for this rule."""
        if self.method not in (method, "*") or not self.path.search(path):
            return False
        self.seen += 1
        due = self.seen >= self.first and (self.times is None or self.applied < self.times)
        self.applied += due
        return due


class FaultProxy:
    """Forwards every request to `target`, but for those that a rule takes.

    Use it as a context manager. `log` holds (method, path with query) of every request that arrived.
    """

    def __init__(self, target: str) -> None:
        self.log: list[tuple[str, str]] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._target = urlsplit(target)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                outer._serve(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def on(self, method: str, path: str, action: Action, *, first: int = 1, times: int | None = 1) -> Rule:
        """Add a rule.

        Args:
            method: `GET`, `POST` ..., or `*` for all.
            path: Regular expression, searched in path and query.
            action: `cut`, `forward_then_cut`, `answer(503)`, `html()`, `delay(2)`, `rewrite(...)`, `call(...)`, or a
                function of your own.
            first: From which matching request on (1 is the next).
            times: For how many; None for all that come.
        """
        rule = Rule(method, re.compile(path), action, first, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def calm(self) -> None:
        """Forget all rules: from now on everything is forwarded."""
        with self._lock:
            self._rules.clear()

    @contextlib.contextmanager
    def fault(self, method: str, path: str, action: Action, *, first: int = 1, times: int | None = 1) -> Iterator[Rule]:
        """Hold a rule for the length of a block, and check that it was used."""
        rule = self.on(method, path, action, first=first, times=times)
        yield rule
        with self._lock:
            self._rules.remove(rule)
        assert rule.applied, f"no {method} {path} came"

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            self.log.append((handler.command, handler.path))
            taken = [rule for rule in self._rules if rule.takes(handler.command, handler.path)]

        def forward() -> Answer:
            return self._forward(handler.command, handler.path, body, dict(handler.headers.items()))

        try:
            found = taken[0].action(forward) if taken else forward()
            handler.send_response(found.status)
            for name, value in {**found.headers, "Content-Length": str(len(found.body))}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(found.body)
        except (CutError, OSError, http.client.HTTPException):
            handler.close_connection = True
            with contextlib.suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)

    def _forward(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        host, port = self._target.hostname or "127.0.0.1", self._target.port or 80
        connection = http.client.HTTPConnection(host, port, timeout=120)
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            connection.request(method, path, body or None, {**kept, "Host": f"{host}:{port}"})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        fields = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
        return Answer(response.status, data, fields)


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing: connections that break are the point."""
