"""Which models the rewards of a stage asked: a number from another model is another number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geoseek.schemas import GeoSeekError
from geoseek.training.preflight.services import describe_embedding
from geoseek.training.recipes import StageRecipe
from geoseek.training.rewards.agent import agent_endpoint


def reward_models(stage: StageRecipe, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return reward -> model, for the manifest; empty for rewards that ask none.

    The sentence model is loaded once more, in a process of its own, because what was meant and what is there can
    differ: then `fallback` is true. Of the agent its name is told, not its address, which belongs to the machine.

    Args:
        stage: The stage.
        environment: Names the agent.
    """
    found: dict[str, Any] = {}
    rewards = stage.rewards
    if rewards.geo_semantic is not None:
        described = describe_embedding(rewards.geo_semantic, environment)
        found["geo_semantic"] = {"fault": described} if isinstance(described, str) else described
    if rewards.geo_consistency is not None:
        try:
            found["geo_consistency"] = {"model": agent_endpoint(environment).model}
        except GeoSeekError as error:
            found["geo_consistency"] = {"fault": error.message}
    return found
