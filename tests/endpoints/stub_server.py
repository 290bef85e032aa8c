"""A chat server on loopback that answers as it is told to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Asked = dict[str, Any]
Behaviour = Callable[[BaseHTTPRequestHandler, Asked], None]


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class ChatServer:
    """Answers every request by the next behaviour of `script`, and by `usual` when there is none left."""

    def __init__(self) -> None:
        self.script: deque[Behaviour] = deque()
        self.usual: Behaviour = say("Lima")
        self.asked: list[Asked] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.busiest = 0
        self._running = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Without it, a small answer waits for the acknowledgement of its headers.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                outer._serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def prompts(self) -> list[str]:
        """Return the first text of each request."""
        return [first_text(asked) for asked in self.asked]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.asked.append(asked)
            self.paths.append(handler.path)
            self.headers.append(dict(handler.headers))
            self._running += 1
            self.busiest = max(self.busiest, self._running)
            behaviour = self.script.popleft() if self.script else self.usual
        try:
            behaviour(handler, asked)
        except OSError:
            handler.close_connection = True
        finally:
            with self._lock:
                self._running -= 1


def first_text(asked: Asked) -> str:
    """Return the text of a request's first message."""
    content = asked["messages"][0]["content"]
    return str(content if isinstance(content, str) else content[0]["text"])


def send(
    handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Send an answer in one piece."""
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def completion(text: str | None, *, finish: str = "stop", **message: Any) -> bytes:
    """Return the body of a chat completion."""
    return json.dumps(
        {
            "model": "stub-1",
            "choices": [{"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
    ).encode()


def say(text: str | None, *, finish: str = "stop", **message: Any) -> Behaviour:
    """Answer with a text."""
    return lambda handler, _: send(handler, completion(text, finish=finish, **message))


def echo(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Answer with the first text of the question."""
    send(handler, completion(first_text(asked)))


def fail(status: int, message: str = "no", headers: Mapping[str, str] | None = None, **error: Any) -> Behaviour:
    """Answer with an error in the usual form."""
    body = json.dumps({"error": {"message": message, **error}}).encode()
    return lambda handler, _: send(handler, body, status=status, headers=headers)


def raw(body: bytes, *, status: int = 200) -> Behaviour:
    """Answer with these bytes."""
    return lambda handler, _: send(handler, body, status=status)


def cut(handler: BaseHTTPRequestHandler, _: Asked) -> None:
    """Promise an answer, and hang up in the middle of it."""
    body = completion("Lima")
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.close_connection = True
