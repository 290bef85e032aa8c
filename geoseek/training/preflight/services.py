"""Do the models that rewards ask answer?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from geoseek.schemas import GeoSeekError, StageName
from geoseek.training.preflight.findings import Check, Finding, fault, ok, warning
from geoseek.training.preflight.machine import run_probe
from geoseek.training.recipes import StageRecipe
from geoseek.training.rewards.settings import GeoSemanticSettings

_SILENT_FOR_S = 60.0
_EMBED = """
import json, sys
from geoseek.endpoints import embedder
name, device = (word or None for word in sys.argv[1:])
model = embedder(name, device=device, required=True, announce=lambda _: None)
model.similarity(["Chad"], ["Tchad"])
print(json.dumps(model.describe()))
"""


def check_agent(stage_name: str, stage: StageRecipe, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Ask the agent of the consistency reward one question, if the stage uses it."""
    settings = stage.rewards.geo_consistency
    if settings is None:
        return
    from geoseek.training.rewards.agent import Agent, agent_endpoint
    from geoseek.training.rewards.consistency import StageQuestion

    kind = fault if settings.on_agent_error == "fail" else warning
    asked = StageQuestion(StageName.COUNTRY, "The sign is in French, and the flag is that of Chad.", ())
    patient = settings.model_copy(
        update={"on_agent_error": "skip", "max_retries": 0, "timeout_s": min(settings.timeout_s, _SILENT_FOR_S)}
    )
    try:
        endpoint = agent_endpoint(environment)
        reply = asyncio.run(Agent(endpoint, patient).ask([asked]))[asked]
    except GeoSeekError as error:
        yield kind(Check.AGENT, error.message, error.hint or "", stage=stage_name)
        return
    where = f"{endpoint.model} at {endpoint.url}"
    if reply.failed:
        yield kind(
            Check.AGENT,
            f"The agent {where} does not answer: {reply.problem}.",
            "Start the server, or correct GEOSEEK_AGENT_URL, _MODEL and _KEY. Without an agent: --set "
            f"{stage_name}.rewards.geo_consistency=null",
            stage=stage_name,
        )
    elif reply.problem is not None:
        yield warning(
            Check.AGENT,
            f"The agent {where} answers, but not as asked: {reply.problem}.",
            "Look at what it says; such answers count as disagreement.",
            stage=stage_name,
        )
    else:
        yield ok(Check.AGENT, f"The agent {where} answers.", stage=stage_name)


def describe_embedding(settings: GeoSemanticSettings, environment: Mapping[str, str]) -> dict[str, Any] | str:
    """Load the sentence model of the semantic reward in a process of its own; return what it is, or the fault."""
    return run_probe(_EMBED, environment, settings.model or "", settings.device or "")


def check_embedding(stage_name: str, stage: StageRecipe, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Load the sentence model of the semantic reward in a process of its own, if the stage uses it."""
    settings = stage.rewards.geo_semantic
    if settings is None:
        return
    answer = describe_embedding(settings, environment)
    if isinstance(answer, str):
        yield fault(
            Check.EMBEDDING,
            f"The sentence model of geo_semantic cannot be loaded: {answer}",
            "pip install 'geoseek[embeddings]', or name a model that is on this machine: --set "
            f"{stage_name}.rewards.geo_semantic.model=NAME",
            stage=stage_name,
        )
    elif answer["fallback"]:
        yield warning(
            Check.EMBEDDING,
            f"geo_semantic uses {answer['model']}, which knows English only: the paper's model is not on this machine.",
            "The paper's model is downloaded with --set "
            f"{stage_name}.rewards.geo_semantic.model=sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
            stage=stage_name,
        )
    else:
        yield ok(Check.EMBEDDING, f"geo_semantic uses {answer['model']}.", stage=stage_name)
