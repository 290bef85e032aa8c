from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.endpoints.stub_server import Asked, ChatServer
from tests.formats.exports import jpeg
from tests.training.infer.stub import infer, locate, mark, picture_of, rows

PICTURES = 60
CONCURRENCY = 3
WORK = """
import sys
from pathlib import Path
from geoseek.training.infer import InferRequest, run_infer
workspace, photos = map(Path, sys.argv[1:3])
run_infer(InferRequest(workspace, path=photos, endpoint=sys.argv[3], model="stub/vl 1", concurrency=3))
"""


@pytest.mark.slow
@pytest.mark.parametrize("answers_before", [2, 25])
def test_after_kill_9_only_what_is_missing_is_asked(
    workspace: Path, tmp_path: Path, server: ChatServer, answers_before: int
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(PICTURES):
        (folder / f"{number:02d}.jpg").write_bytes(jpeg(number))
    asked: Counter[str] = Counter()

    def slow(handler: BaseHTTPRequestHandler, question: Asked) -> None:
        asked[mark(picture_of(question))] += 1
        time.sleep(0.05)
        locate(handler, question)

    server.usual = slow
    command = [sys.executable, "-c", WORK, str(workspace), str(folder), server.url]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 120
        while sum(asked.values()) < answers_before + CONCURRENCY and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
    assert not list(workspace.rglob("photos-*.jsonl"))
    before = sum(asked.values())
    assert answers_before <= before < PICTURES
    (journal,) = workspace.rglob("answers.jsonl")
    with journal.open("ab") as file:
        file.write(b'{"position": 59, "predic')
    result = infer(workspace, server, path=folder, concurrency=CONCURRENCY)
    assert result.spent is not None
    assert result.spent.requests + before - PICTURES <= CONCURRENCY
    # The client is at most four rounds ahead of what is written down.
    assert result.asked <= PICTURES - max(answers_before - 4 * CONCURRENCY, 0)
    found = rows(result)
    assert [row.id for row in found] == [f"{number:02d}.jpg" for number in range(PICTURES)]
    for number, row in enumerate(found):
        assert row.chain is not None
        assert row.chain.country.clues == (mark(jpeg(number)),)
    # Only what was under way at that moment can have been asked in vain.
    assert sum(asked.values()) - PICTURES <= CONCURRENCY
    undisturbed = infer(workspace, server, path=folder, output=tmp_path / "undisturbed.jsonl")
    assert undisturbed.output.read_bytes() == result.output.read_bytes()
