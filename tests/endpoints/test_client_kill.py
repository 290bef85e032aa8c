from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from geoseek.endpoints import ChatClient, ChatRequest, Endpoint, Message
from tests.endpoints.stub_server import Asked, ChatServer, echo

REQUESTS = 60
CONCURRENCY = 3
WORK = """
import sys
from pathlib import Path
from geoseek.endpoints import ChatClient, ChatRequest, Endpoint, Message
client = ChatClient(Endpoint(sys.argv[1], "m", concurrency=int(sys.argv[3])), Path(sys.argv[2]))
for reply in client.run_many(ChatRequest((Message.user(str(n)),)) for n in range(int(sys.argv[4]))):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("answers_before", [1, 17, 40])
def test_after_kill_9_only_what_is_missing_is_asked(server: ChatServer, tmp_path: Path, answers_before: int) -> None:
    def slow(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        time.sleep(0.02)
        echo(handler, asked)

    server.usual = slow
    cache = tmp_path / "cache.sqlite"
    command = [sys.executable, "-c", WORK, server.url, str(cache), str(CONCURRENCY), str(REQUESTS)]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 60
        while len(server.asked) < answers_before + CONCURRENCY and time.monotonic() < deadline:
            time.sleep(0.001)
        process.kill()
    asked_before = len(server.asked)
    assert answers_before <= asked_before < REQUESTS
    client = ChatClient(Endpoint(server.url, "m", concurrency=CONCURRENCY), cache)
    requests = [ChatRequest((Message.user(str(n)),)) for n in range(REQUESTS)]
    assert [reply.text for reply in client.run_many(requests)] == [str(n) for n in range(REQUESTS)]
    times_asked = Counter(server.prompts)
    assert set(times_asked) == {str(n) for n in range(REQUESTS)}
    # Only what was under way at that moment can have been asked in vain.
    assert sum(times_asked.values()) - REQUESTS <= CONCURRENCY
    assert client.cost.cached >= answers_before
    assert list(ChatClient(client.endpoint, cache).run_many(requests))[-1].cached
    assert len(server.asked) == sum(times_asked.values())
