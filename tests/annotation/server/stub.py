"""A server on loopback that answers as a test tells it to: what Label Studio, a proxy or a fault would send."""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        status: HTTP status; 0 closes the connection without an answer.
        body: Text, or something to be written as JSON.
        headers: Beside the length.
        after_s: Pause before answering.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0


@dataclass(frozen=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    authorization: str | None
    body: str


@dataclass
class Stub:
    """The server: `replies[path]` are given one after the other, the last one for ever."""

    url: str
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def asked(self, path: str) -> list[Request]:
        """Return the requests for a path."""
        return [request for request in self.requests if request.path == path]

    def reply(self, path: str) -> Reply:
        """Return the next answer of a path."""
        replies = self.replies.get(path, [Reply(404, {"detail": "Not found."})])
        index = min(self.given[path], len(replies) - 1)
        self.given[path] += 1
        return replies[index]


_numbers = itertools.count()


def jwt(kind: str, **claims: Any) -> str:
    """Return an unsigned token of a kind ("refresh" or "access") with these claims; no two are equal."""
    payload = json.dumps({"token_type": kind, **claims, "jti": f"{next(_numbers):08d}"}).encode()
    part = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{part}.c2lnbmF0dXJl"


def access(*, life_s: int = 300, issued: float | None = None) -> Reply:
    """Return the answer to the exchange of a personal access token."""
    begin = int(time.time() if issued is None else issued)
    return Reply(body={"access": jwt("access", iat=begin, exp=begin + life_s)})


def like_label_studio(version: str = "1.23.2") -> dict[str, list[Reply]]:
    """Return the answers that every connection needs."""
    return {
        "/api/version": [Reply(body={"release": version})],
        "/api/token/refresh/": [access()],
        "/api/current-user/whoami": [Reply(body={"id": 7, "email": "lead@example.org"})],
    }


@contextmanager
def stub_server() -> Iterator[Stub]:
    """Run a stub that behaves like Label Studio until told otherwise."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            path = self.path.partition("?")[0]
            sent = self.rfile.read(length).decode()
            stub.requests.append(Request(self.command, path, self.headers.get("Authorization"), sent))
            reply = stub.reply(path)
            time.sleep(reply.after_s)
            if reply.status == 0:
                self.close_connection = True
                return
            text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass  # a client that gave up waiting

    server = Server(("127.0.0.1", 0), Handler)
    stub = Stub(f"http://127.0.0.1:{server.server_address[1]}", like_label_studio())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
