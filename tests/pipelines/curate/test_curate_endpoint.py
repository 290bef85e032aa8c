from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoseek.endpoints import Endpoint
from geoseek.pipelines import CurateCheck, CurateRequest, CurateResult, Standardise, describe_curate
from geoseek.schemas import CurateRejectReason, GeoSeekError, UsageError
from tests.endpoints.stub_server import Asked, ChatServer, completion, fail, say, send
from tests.pipelines.curate.world import World, french

NOTE = "White plates with blue ends, a tabac sign. It looks old. So it must be France, Normandy."
SHARED = "White plates with blue ends."


@pytest.fixture(autouse=True)
def without_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is installed on this machine out of the results."""
    monkeypatch.setattr("geoseek.pipelines.curate.survey.embedder", lambda: None)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    chat = ChatServer()
    chat.usual = divide
    yield chat
    chat.close()


def stage(conclusion: str, *clues: str, reasoning: str = SHARED) -> dict[str, Any]:
    return {"clues": list(clues), "reasoning": reasoning, "conclusion": conclusion, "uncertainty": "Low"}


def divide(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Answer as a model does that adds a clue of its own."""
    said = {"country": stage("France", "blue ends", "stork nests"), "region": stage("Normandy"), "precise": None}
    send(handler, completion(json.dumps(said)))


def ask(world: World, server: ChatServer, **wishes: Any) -> CurateResult:
    endpoint = Endpoint(server.url, "stub", max_retries=0, backoff_s=0)
    return world.run(standardise=Standardise.ENDPOINT, endpoint=endpoint, **wishes)


def test_supported_parts_of_an_answer_are_kept(world: World, server: ChatServer) -> None:
    world.settings("standardise: {price_in: 10, price_out: 100}\n")
    world.add(0, NOTE, language="en")

    result = ask(world, server)

    row = world.kept()["pool:cot-0"]
    assert row["chain"]["country"]["clues"] == ["blue ends"]
    assert row["chain"]["final_answer"] == "France; Normandy"
    assert row["warnings"] == [CurateCheck.MODEL_WROTE, CurateCheck.UNSUPPORTED, CurateCheck.NO_CLUE]
    origins = {origin["field"]: origin["origin"] for origin in row["origins"]}
    assert origins["note"] == "human"
    assert origins["chain.country"] == origins["chain.region"] == "model stub"
    figures = result.figures.standardise
    assert (figures.by_model, figures.unsupported_removed, figures.prompt_tokens) == (1, 1, 100)
    assert result.spent is not None
    assert result.spent.money == pytest.approx((100 * 10 + 10 * 100) / 1e6)


def test_request_holds_note_prompt_and_schema(world: World, server: ChatServer) -> None:
    world.add(0, NOTE)
    ask(world, server)
    (asked,) = server.asked
    assert "not in the note" in asked["messages"][0]["content"]
    assert NOTE in asked["messages"][1]["content"]
    assert asked["response_format"]["type"] == "json_schema"
    assert "ana" not in json.dumps(asked["messages"][1])


def test_nothing_is_sent_without_being_asked(world: World, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSEEK_LLM_URL", server.url)
    monkeypatch.setenv("GEOSEEK_LLM_MODEL", "stub")
    world.add(0, NOTE)
    world.run()
    world.run(standardise=Standardise.RULES, force=True)
    words = describe_curate(CurateRequest(world.folder, Standardise.ENDPOINT))
    assert f"1 free-text notes would be sent to {server.url}/v1 (stub)" in words
    assert server.asked == []
    world.run(standardise=Standardise.ENDPOINT)
    assert len(server.asked) == 1


def test_only_notes_without_anything_better_are_sent(world: World, server: ChatServer) -> None:
    world.add(0, NOTE)
    world.add(0, french(), annotator="ben")
    world.add(2, "n" * 30_000)
    world.add(4, NOTE)
    world.add(6, NOTE, annotator="ben")
    ask(world, server)
    assert len(server.asked) == 1


def test_later_runs_use_the_answers_and_ask_nothing(world: World, server: ChatServer) -> None:
    world.add(0, NOTE)
    ask(world, server)
    before = world.files()
    server.close()

    assert world.run().up_to_date
    assert not world.run(force=True).up_to_date
    assert world.files() == before
    world.add(1, "Half-timbered houses. So it must be Germany.")
    result = world.run()

    assert list(world.kept()) == ["pool:cot-0"]
    assert result.figures.standardise.without_answer == 1
    assert world.rejects()["studio:local:2"]["checks"] == [CurateCheck.SPLIT_BY_RULES]


class SeesStorks:
    """Stands for an embedding model to which storks and old houses mean the same."""

    def __init__(self, is_fallback: bool) -> None:
        self.is_fallback = is_fallback

    def similarity_matrix(self, rows: list[str], columns: list[str]) -> Any:
        return np.array([[0.9 if "stork" in row and "old" in column else 0.1 for column in columns] for row in rows])

    def describe(self) -> dict[str, str | bool]:
        return {"model": "storks", "revision": "1", "fallback": self.is_fallback}


@pytest.mark.parametrize(("is_fallback", "language", "kept"), [(False, "fr", 2), (True, "en-GB", 2), (True, "fr", 1)])
def test_meaning_supports_clues_in_languages_that_the_model_knows(
    world: World, server: ChatServer, monkeypatch: pytest.MonkeyPatch, is_fallback: bool, language: str, kept: int
) -> None:
    monkeypatch.setattr("geoseek.pipelines.curate.survey.embedder", lambda: SeesStorks(is_fallback))
    world.add(0, NOTE, language=language)
    ask(world, server)
    assert len(world.kept()["pool:cot-0"]["chain"]["country"]["clues"]) == kept
    manifest = json.loads((world.curated / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["standardise"]["meaning"]["model"] == "storks"
    assert server.url not in json.dumps(manifest)


def test_another_prompt_asks_anew(world: World, server: ChatServer) -> None:
    world.add(0, NOTE)
    ask(world, server)
    ask(world, server)
    assert len(server.asked) == 1
    world.settings("standardise: {prompt: 'Divide it.'}\n")
    ask(world, server)
    assert len(server.asked) == 2


def test_changed_country_goes_to_review(world: World, server: ChatServer) -> None:
    server.usual = say(json.dumps({"country": stage("Spain", "blue ends"), "region": None, "precise": None}))
    note = world.add(0, NOTE)
    ask(world, server)
    assert world.rejects()[note]["reason"] == CurateRejectReason.TO_REVIEW
    assert CurateCheck.CONCLUSION_CHANGED in world.rejects()[note]["checks"]
    assert json.loads((world.curated / "to-review.jsonl").read_text(encoding="utf-8"))["provenance"]["chain"] == (
        "model stub"
    )


def test_note_without_answer_is_divided_by_rules_and_told(world: World, server: ChatServer) -> None:
    world.add(0, NOTE)
    world.add(2, NOTE + " Bornes too.")
    server.script.extend([divide, fail(400, "no")])
    result = ask(world, server)
    assert result.figures.standardise.by_rules == result.figures.standardise.by_model == 1
    assert "divided by rules: 1; e.g. bad_request" in result.notices[0]


def test_refused_key_changes_nothing_and_is_not_shown(world: World, server: ChatServer) -> None:
    world.add(0, french())
    world.run()
    before = world.files()
    world.add(2, NOTE)
    server.usual = fail(401, "bad key sk-secret-1234")
    endpoint = Endpoint(server.url, "stub", key="sk-secret-1234", max_retries=0)
    with pytest.raises(GeoSeekError, match="unauthorized") as caught:
        world.run(standardise=Standardise.ENDPOINT, endpoint=endpoint)
    assert "sk-secret" not in str(caught.value)
    assert world.files() == before


def test_endpoint_that_is_not_named_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEOSEEK_LLM_URL", raising=False)
    monkeypatch.delenv("GEOSEEK_LLM_MODEL", raising=False)
    with pytest.raises(UsageError, match="GEOSEEK_LLM_URL"):
        world.run(standardise=Standardise.ENDPOINT)


_CHILD = """
import sys
from pathlib import Path
from geoseek.endpoints import Endpoint
from geoseek.pipelines import CurateRequest, Standardise, run_curate
import geoseek.pipelines.curate.survey as survey
survey.embedder = lambda: None
run_curate(CurateRequest(Path(sys.argv[1]), Standardise.ENDPOINT, endpoint=Endpoint(sys.argv[2], "stub")))
"""


@pytest.mark.slow
def test_killed_while_asking_goes_on_with_what_is_missing(world: World, server: ChatServer) -> None:
    world.settings("standardise: {concurrency: 1}\n")
    for sample in range(6):
        world.add(sample, f"{NOTE} Number {sample} of my notes.")
    answered = 0

    def three_then_silence(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        nonlocal answered
        if answered == 3:
            time.sleep(2)
            raise OSError
        answered += 1
        divide(handler, asked)

    server.usual = three_then_silence
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(world.folder), server.url],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    deadline = time.monotonic() + 60
    while len(server.asked) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert answered == 3
    assert not (world.curated / "cot.parquet").exists()
    server.usual, asked_before = divide, len(server.asked)

    result = ask(world, server)

    assert len(server.asked) - asked_before == 3
    assert result.spent is not None
    assert (result.spent.cached, result.figures.standardise.by_model) == (3, 6)
