from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from geoseek.endpoints import Endpoint
from geoseek.schemas import UsageError, render_tagged
from geoseek.training.rewards.agent import Agent, AgentError, agent_endpoint, geo_consistency, shared_agent
from geoseek.training.rewards.base import SHARED, RewardBatch, Truth
from geoseek.training.rewards.settings import GeoConsistencySettings
from tests.endpoints.stub_server import Asked, ChatServer, completion, fail, raw, say, send
from tests.training.rewards.chains import LONG, TRUTH, chain

KEY = "sk-very-private-0123456789"
GOOD = render_tagged(chain("Peru", "Cusco", "Pisac"))
NO_PAUSES = {"backoff_s": 0.001, "longest_pause_s": 0.01}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    running = ChatServer()
    running.usual = conclude
    yield running
    running.close()


def conclude(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Answer as an agent that knows the way to Ollantaytambo."""
    text = asked["messages"][1]["content"]
    question = next(line for line in text.splitlines() if line.startswith("Which answer"))
    level = next(word for word in ("the country", "the state", "the town") if f"about {word}" in question)
    said = {"the country": "Perú", "the state": "Cuzco", "the town": "Ollantaytambo"}[level]
    send(handler, completion(json.dumps({"conclusion": said})))


def settings(**changes: Any) -> GeoConsistencySettings:
    return GeoConsistencySettings(**({"timeout_s": 10.0, "max_retries": 1, "against": "truth"} | changes))


def agent_of(url: str, chosen: GeoConsistencySettings, cache: Path | None = None) -> Agent:
    return Agent(Endpoint(url, "stub", KEY, **NO_PAUSES), chosen, cache)  # type: ignore[arg-type]


def reward(
    server: ChatServer, completions: list[str], *, truth: list[Truth] | None = None, **changes: Any
) -> RewardBatch:
    chosen = settings(**changes)
    rows = truth or [TRUTH] * len(completions)
    return asyncio.run(geo_consistency(completions, rows, chosen, SHARED, agent=agent_of(server.url, chosen)))


def test_the_agent_is_compared_with_the_truth_or_with_the_own_conclusion(server: ChatServer) -> None:
    true, own = (reward(server, [GOOD], against=against) for against in ("truth", "own"))
    assert true.values == [pytest.approx(1.0)]
    assert own.values == [pytest.approx(0.7)]
    assert own.details[0]["stages"]["precise"]["agent"] == "Ollantaytambo"
    assert own.details[0]["stages"]["precise"]["wanted"] == "Pisac"


def test_equal_questions_are_asked_once(server: ChatServer) -> None:
    batch = reward(server, [GOOD] * 8)
    assert len(set(batch.values)) == 1
    assert len(server.asked) == 3


def test_replies_are_kept_for_the_next_step_and_the_next_process(server: ChatServer, tmp_path: Path) -> None:
    chosen = settings()
    for _ in range(2):
        agent = agent_of(server.url, chosen, tmp_path / "replies.sqlite")
        for _ in range(2):
            batch = asyncio.run(geo_consistency([GOOD], [TRUTH], chosen, SHARED, agent=agent))
            assert batch.values == [pytest.approx(1.0)]
    assert len(server.asked) == 3
    assert KEY.encode() not in (tmp_path / "replies.sqlite").read_bytes()


def test_completions_without_a_chain_earn_nothing_and_ask_nothing(server: ChatServer) -> None:
    texts = ["", "<answer> Peru </answer>", "{{{", "€" * 1_000_000, "\ud800"]
    batch = reward(server, texts)
    assert batch.values == [0.0] * len(texts)
    assert {seen["problem"] for seen in batch.details} == {"no_chain"}
    assert server.asked == []


def test_half_a_surrogate_pair_and_a_long_reasoning_can_be_asked_about(server: ChatServer) -> None:
    odd = GOOD.replace(LONG.strip()[:10], "\ud800" * 100_000)
    assert reward(server, [odd]).values == [pytest.approx(1.0)]


@pytest.mark.parametrize(
    "answer", ["no idea", '{"conclusion": 5}', '{"conclusion": ""}', '{"conclusion": "\\u0000 nowhere"}', "{}"]
)
def test_an_answer_that_is_no_conclusion_disagrees(server: ChatServer, answer: str) -> None:
    server.usual = say(answer)
    batch = reward(server, [GOOD])
    assert batch.values == [0.0]
    assert ("agent_problems" in batch.details[0]) is ("conclusion" not in answer or "5" in answer)


def test_a_refusal_disagrees_and_does_not_stop_the_run(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    server.usual = say(None, refusal="I would rather not.")
    batch = reward(server, [GOOD])
    assert "3 of 3 answers of the agent are no conclusion" in caplog.text
    assert batch.values == [0.0]
    assert "refused" in batch.details[0]["agent_problems"]["country"]


@pytest.mark.parametrize(
    "behaviour",
    [fail(401), fail(404), fail(500), fail(429), fail(400, "no such parameter"), raw(b"<html>a portal</html>")],
)
def test_an_agent_that_cannot_be_used_stops_the_run(server: ChatServer, behaviour: Any) -> None:
    server.usual = behaviour
    with pytest.raises(AgentError) as caught:
        reward(server, [GOOD])
    words = str(caught.value)
    assert f"stub at {server.url}/v1" in words
    assert "GEOSEEK_AGENT_URL" in words
    assert "--on-agent-error" in words
    assert KEY not in words


def test_nobody_there_stops_the_run(server: ChatServer) -> None:
    server.close()
    with pytest.raises(AgentError, match="connection refused"):
        reward(server, [GOOD] * 4)
    server.__init__()  # type: ignore[misc]  # so that the fixture can close it


def test_a_question_that_is_refused_beside_answered_ones_is_no_fault_of_the_agent(server: ChatServer) -> None:
    def moderated(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if "about the town" in asked["messages"][1]["content"]:
            fail(400, "content management policy")(handler, asked)
        else:
            conclude(handler, asked)

    server.usual = moderated
    batch = reward(server, [GOOD])
    assert batch.values == [pytest.approx(0.7)]
    assert "content management" in batch.details[0]["agent_problems"]["precise"]


def _hits_only(word: str) -> Any:
    def behaviour(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        (fail(500) if word in asked["messages"][1]["content"] else conclude)(handler, asked)

    return behaviour


HIT = render_tagged(chain(reasoning=f"{LONG} marked"))
OTHER = Truth(solution="Peru; Cusco; Ollantaytambo", id="a:2")


def test_zero_gives_nothing_to_the_completion_and_says_so(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    server.usual = _hits_only("marked")
    with caplog.at_level(logging.WARNING):
        batch = reward(server, [HIT, GOOD, GOOD], truth=[TRUTH, TRUTH, OTHER], on_agent_error="zero")
    assert batch.values == [0.0, pytest.approx(1.0), pytest.approx(1.0)]
    assert [seen.get("agent_failed") for seen in batch.details] == [True, None, None]
    assert "3 of 6 questions" in caplog.text
    assert KEY not in caplog.text


def test_skip_leaves_out_all_completions_of_the_picture(server: ChatServer) -> None:
    server.usual = _hits_only("marked")
    batch = reward(server, [HIT, GOOD, GOOD], truth=[TRUTH, TRUTH, OTHER], on_agent_error="skip")
    assert batch.values == [None, None, pytest.approx(1.0)]
    assert [seen.get("left_out") for seen in batch.details] == [True, True, None]


def test_the_agent_is_named_by_its_own_variables_or_those_of_the_language_model() -> None:
    both = {
        "GEOSEEK_AGENT_URL": "http://agent:1", "GEOSEEK_AGENT_MODEL": "a", "GEOSEEK_AGENT_KEY": KEY,
        "GEOSEEK_LLM_URL": "http://llm:2", "GEOSEEK_LLM_MODEL": "b",
    }  # fmt: skip
    assert agent_endpoint(both).describe() == {"url": "http://agent:1/v1", "model": "a"}
    without = {name: value for name, value in both.items() if "AGENT" not in name}
    assert agent_endpoint(without).describe() == {"url": "http://llm:2/v1", "model": "b"}
    with pytest.raises(UsageError, match="GEOSEEK_AGENT_URL"):
        agent_endpoint({})
    with pytest.raises(UsageError, match="GEOSEEK_AGENT_MODEL"):
        agent_endpoint({"GEOSEEK_AGENT_URL": "http://agent:1"})


def test_the_limits_of_the_settings_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEOSEEK_AGENT_URL", "http://agent:1")
    monkeypatch.setenv("GEOSEEK_AGENT_MODEL", "a")
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path))
    agent = shared_agent(settings(concurrency=7, timeout_s=3.5, max_retries=2))
    assert (agent.endpoint.concurrency, agent.endpoint.timeout_s, agent.endpoint.max_retries) == (7, 3.5, 2)
    assert shared_agent(settings(concurrency=7, timeout_s=3.5, max_retries=2)) is agent


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.one_of(st.text(max_size=200), st.text(max_size=60).map(lambda t: GOOD.replace("Cusco", t)))),
    solution=st.text(max_size=60),
)
def test_no_completion_and_no_truth_breaks_it(server: ChatServer, texts: list[str], solution: str) -> None:
    batch = reward(server, texts, truth=[Truth(solution=solution)] * len(texts))
    assert all(value is not None and 0 <= value <= 1 for value in batch.values)
    assert len(batch.values) == len(batch.details) == len(texts)
