"""The form of a recipe."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from geoseek.schemas import Split
from geoseek.training.rewards.settings import RewardsSettings
from geoseek.workspace import Settings

SwiftValue = bool | int | float | str | list[Any] | dict[str, Any]
"""A value of one of ms-swift's arguments; lists become several words, mappings become JSON."""

TINY_MODEL = "tiny"
"""Value of `model` that stands for the tiny model that GeoSeek builds itself."""

CPU_ONLY = 0
"""Value of `gpus` for a run that uses no GPU even where there is one."""

_SCIENTIFIC = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")


class StageRecipe(Settings):
    """One call of ms-swift."""

    method: Literal["sft", "grpo"] = Field(description="supervised fine-tuning, or GRPO")
    split: Split = Field(description="split of the export that it learns from")
    data: Literal["swift-sft", "swift-sft-tagged", "swift-grpo", "swift-judge"] = Field(
        description="form in which the split is written"
    )
    rewards: RewardsSettings = Field(RewardsSettings(), description="rewards of a GRPO stage, with their parameters")
    env: dict[str, str] = Field({}, description="environment variables of this stage")
    swift: dict[str, SwiftValue] = Field({}, description="arguments of ms-swift under their own names")

    @field_validator("env", mode="before")
    @classmethod
    def _read_environment(cls, given: Any) -> Any:
        return _environment(given)

    @field_validator("swift", mode="before")
    @classmethod
    def _read_swift(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {str(name): number_of(value) for name, value in given.items() if value is not None}

    @property
    def trains_adapter(self) -> bool:
        """Whether the stage trains an adapter such as LoRA (ms-swift's default) and not all weights."""
        return self.swift.get("tuner_type", "lora") != "full"


class Recipe(Settings):
    """A whole training: stages in this order, each from the checkpoint of the one before."""

    name: str = Field(description="file name without .yaml")
    description: str = Field(min_length=1, description="what it does, and where the values come from")
    base: str | None = Field(None, description="recipe whose values hold where this one is silent")
    model: str = Field(min_length=1, description="name on a model hub, a folder (from the workspace on), or `tiny`")
    model_type: str = Field(description="--model_type of ms-swift")
    template: str = Field(description="--template of ms-swift")
    torch_dtype: Literal["bfloat16", "float16", "float32"] = Field("bfloat16", description="type of the weights")
    gpus: int = Field(ge=CPU_ONLY, description="GPUs of all machines that the batch sizes are meant for; 0: CPU only")
    env: dict[str, str] = Field({}, description="environment variables of every stage")
    stages: dict[str, StageRecipe] = Field(min_length=1, description="stages, in order")

    @field_validator("env", mode="before")
    @classmethod
    def _read_environment(cls, given: Any) -> Any:
        return _environment(given)

    def environment(self, stage: str) -> dict[str, str]:
        """Return the environment variables that the recipe sets for a stage; those of the stage win."""
        return {**self.env, **self.stages[stage].env}

    def max_pixels(self, stage: str) -> int | None:
        """Return the size above which pictures are made smaller in a stage; None where the model decides."""
        found = self.environment(stage).get("MAX_PIXELS") or self.stages[stage].swift.get("max_pixels")
        return int(str(found)) if found is not None else None

    def completions_per_generation(self, stage: str) -> int | None:
        """Return how many completions a GRPO stage samples at once on all devices; None if ms-swift decides.

        It is `generation_batch_size`, or per_device_train_batch_size x devices x steps_per_generation, which is
        gradient_accumulation_steps where it is not given.
        """
        swift = self.stages[stage].swift
        given = _whole(swift.get("generation_batch_size"))
        if given is not None:
            return given
        steps = _whole(swift.get("steps_per_generation", swift.get("gradient_accumulation_steps")))
        batch = _whole(swift.get("per_device_train_batch_size", 1))
        return None if steps is None or batch is None else batch * max(self.gpus, 1) * steps


def number_of(value: Any) -> Any:
    """Return numbers such as `1e-5`, which YAML 1.1 takes for text, as numbers; anything else unchanged.

    >>> number_of("1e-5"), number_of("bfloat16"), number_of(3)
    (1e-05, 'bfloat16', 3)
    """
    return float(value) if isinstance(value, str) and _SCIENTIFIC.fullmatch(value) else value


def _environment(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    return {str(name): _word(value) for name, value in given.items() if value is not None}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
