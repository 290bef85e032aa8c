from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from geoseek.schemas import Split
from tests.endpoints.stub_server import Asked, ChatServer
from tests.pipelines.tag.world import TagWorld, rater


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stood(tmp_path: Path, server: ChatServer) -> None:
    world = TagWorld(tmp_path / "workspace", {Split.VAL: 20})
    enough, go_on = threading.Event(), threading.Event()

    def stalling(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if len(server.asked) > 15:
            enough.set()
            go_on.wait(30)
        rater()(handler, asked)

    server.usual = stalling
    child = subprocess.Popen([sys.executable, Path(__file__).with_name("tag_child.py"), world.folder, server.url])
    assert enough.wait(60)
    child.kill()
    child.wait()
    go_on.set()
    assert not (world.curated / "tags.parquet").exists()
    server.usual = rater()
    server.asked.clear()
    result = world.ask(server)
    assert result.spent is not None
    assert result.spent.cached >= 5
    assert len(server.asked) == 40 - result.spent.cached
    assert len(world.tagged()) == 20
    killed = world.files()

    other = TagWorld(tmp_path / "other", {Split.VAL: 20})
    other.ask(server)
    assert other.files() == killed
