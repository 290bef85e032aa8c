from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from geoseek.schemas import Split
from tests.media_support import Draw, ImageServer, MakePicture, answer

KILLS = 50
CHILD = """
import sys
from pathlib import Path
from geoseek.media import DownloadSettings, ExamineSettings, FetchRequest, PixelLimits, PoolFiles, run_fetch
samples, output = map(Path, sys.argv[1:])
request = FetchRequest(
    samples, output, (), DownloadSettings("kill/1", tries=2, backoff_s=0.01, allow_private=True),
    ExamineSettings(PixelLimits(1000, 10**7)), PoolFiles({"pool": [samples]}, [samples]), workers=2,
)
print("ready", flush=True)
run_fetch(request, render=lambda figures: f"<p>{figures}</p>")
"""


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != ".lock"
    }


def start(samples: Path, output: Path) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(samples), str(output)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as out:
        assert out.readline() == b"ready\n"
    return child


@pytest.mark.slow
def test_fifty_kills_leave_no_trace(tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw) -> None:
    bodies = [picture(n % 45) for n in range(48)]
    bodies[7], bodies[21] = b"<html>", bodies[21][:3000]

    def serve(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.02)
        answer(handler, bodies[int(handler.path[1:])])

    urls = [server.behave(f"/{n}", serve) for n in range(48)]
    urls[3] = server.url("/gone")
    samples = draw(
        tmp_path / "samples",
        {Split.VAL: urls[:10], Split.LOC: urls[10:24], Split.COT: [*urls[24:32], *urls[45:]]},
        {Split.VAL: urls[32:36], Split.LOC: urls[36:40], Split.COT: urls[40:45]},
    )
    child = start(samples, tmp_path / "undisturbed")
    started = time.monotonic()
    assert child.wait(60) == 0
    usual_s = time.monotonic() - started
    expected = contents(tmp_path / "undisturbed")
    assert {"images.parquet", "rejects.parquet", "report.html", ".journal.jsonl"} <= set(expected)

    rng = np.random.default_rng(50)
    kills, finished = 0, 0
    output = tmp_path / "disturbed"
    while kills < KILLS:
        child = start(samples, output)
        try:
            # Two thirds of the usual time: what is left of it shrinks as the kills add up.
            assert child.wait(rng.uniform(0, 0.66) * usual_s) == 0
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            kills += 1
            continue
        assert contents(output) == expected
        finished += 1
        shutil.rmtree(output)
    child = start(samples, output)
    assert child.wait(60) == 0
    assert contents(output) == expected
    assert finished >= 3
