from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from geoseek.schemas import render_tagged
from geoseek.training.rewards.registry import REWARDS
from geoseek.training.rewards.settings import RewardsSettings
from geoseek.training.rewards.spec import RewardsFile
from tests.endpoints.stub_server import Asked, ChatServer, fail, say
from tests.training.rewards.chains import LONG, chain

CHILD = Path(__file__).with_name("plugin_child.py")
KEY = "sk-very-private-0123456789"
ROW = {
    "id": "a:1", "solution": "<answer> Peru; Cusco; Pisac </answer>", "lat": -13.42, "lng": -71.85,
    "country_code": "PE", "country": "Peru", "region": "Cusco", "place": "Pisac", "images": [{"path": "a.jpg"}],
}  # fmt: skip
GOOD = render_tagged(chain("Peru", "Cusco", "Pisac"))
TEXTS = [GOOD, "", "<answer> Chile </answer>", "\u0000" * 1000, render_tagged(chain(reasoning=f"{LONG} marked"))]
ROWS = [*([ROW] * 4), {**ROW, "id": "b:2"}]
pytestmark = [pytest.mark.train, pytest.mark.slow]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    running = ChatServer()
    yield running
    running.close()


def peru_unless_marked(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    marked = "marked" in asked["messages"][1]["content"]
    (fail(500) if marked else say('{"conclusion": "Peru"}'))(handler, asked)


def run_child(
    folder: Path, rewards: dict[str, Any], server: ChatServer, rows: list[dict[str, Any]], texts: list[str]
) -> subprocess.CompletedProcess[str]:
    plan = RewardsFile(rewards=RewardsSettings.model_validate(rewards), agent_cache="replies.sqlite")
    plan.write(folder / "rewards.json")
    batch = {"names": list(rewards), "rows": rows, "completions": texts}
    (folder / "batch.json").write_text(json.dumps(batch), encoding="utf-8")
    environment = os.environ | {
        "GEOSEEK_REWARDS": str(folder / "rewards.json"),
        "GEOSEEK_AGENT_URL": server.url,
        "GEOSEEK_AGENT_MODEL": "stub",
        "GEOSEEK_AGENT_KEY": KEY,
        "HF_HUB_OFFLINE": "1",
    }
    return subprocess.run(
        [sys.executable, str(CHILD), str(folder / "batch.json")],
        capture_output=True, text=True, check=False, env=environment, timeout=300, cwd=folder,
    )  # fmt: skip


def test_ms_swift_scores_a_batch_with_every_reward(tmp_path: Path, server: ChatServer) -> None:
    server.usual = peru_unless_marked
    names = list(RewardsSettings.model_fields)
    rewards: dict[str, dict[str, Any]] = {name: {} for name in names}
    rewards["geo_consistency"] = {"on_agent_error": "skip", "max_retries": 0}
    done = run_child(tmp_path, rewards, server, ROWS, TEXTS)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["titles"] == [REWARDS[name].title for name in names]
    assert not told["hidden_by_plugin"]
    first, second = told["rewards"]
    assert first == second
    good = dict(zip(names, first[0], strict=True))
    assert good["geo_spatial"] == pytest.approx(1.0, abs=0.05)
    assert good["geo_consistency"] == pytest.approx(0.1)
    assert (good["format"], good["answer_format"], good["hierarchical"]) == (1.0, 1.0, 4.0)
    assert first[1] == [0.0] * len(names)
    assert first[4][names.index("geo_consistency")] is None
    assert "questions met a fault of the agent" in done.stderr
    log = [json.loads(line) for line in (tmp_path / "rewards-log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(log) == 2 * len(names) * len(TEXTS)
    assert {(line["step"], line["reward"]) for line in log} == {(step, name) for step in (1, 2) for name in names}
    assert {line["id"] for line in log} == {"a:1", "b:2"}
    told_everywhere = done.stdout + done.stderr + (tmp_path / "rewards-log.jsonl").read_text(encoding="utf-8")
    assert KEY not in told_everywhere


def test_an_agent_that_cannot_be_used_ends_the_process_with_its_address(tmp_path: Path, server: ChatServer) -> None:
    server.usual = fail(401)
    done = run_child(tmp_path, {"geo_consistency": {}}, server, [ROW], [GOOD])
    assert done.returncode == 1
    last = done.stderr[done.stderr.index("AgentError:") :]
    assert f"stub at {server.url}/v1" in last
    assert "unauthorized" in last
    assert "GEOSEEK_AGENT_URL" in last
    assert KEY not in done.stdout + done.stderr
