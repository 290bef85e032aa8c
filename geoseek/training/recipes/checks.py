"""What must hold between the values of a recipe, said in words before anything runs."""

from __future__ import annotations

import re
from itertools import pairwise

from geoseek.schemas import UsageError
from geoseek.training.recipes.arguments import check_arguments
from geoseek.training.recipes.model import Recipe, StageRecipe
from geoseek.training.recipes.reserved import fault_of_argument, fault_of_variable

_STAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_TAKEN_FOLDERS = ("data", "model", "predictions")
_ADAPTER_SHAPE = ("tuner_type", "lora_rank", "lora_alpha", "target_modules", "use_dora", "use_rslora")
_GROUP_SIZE = 8
"""ms-swift's `num_generations` where a recipe gives none."""


def check_recipe(recipe: Recipe, origin: str) -> None:
    """Check names and what must fit together.

    Args:
        recipe: A recipe whose values have the right types.
        origin: Where it comes from, for messages.

    Raises:
        UsageError: A stage or variable has a name that will not do, ms-swift knows no such argument or not this
            value, or values contradict each other.
    """
    _check_variables(recipe.env, f"{origin}: env")
    for name, stage in recipe.stages.items():
        where = f"{origin}: stages.{name}"
        if not _STAGE_NAME.fullmatch(name) or name in _TAKEN_FOLDERS:
            raise UsageError(
                f"{where}: a stage cannot have this name.",
                hint=f"Use lower-case letters, digits, - and _; {', '.join(_TAKEN_FOLDERS)} are taken.",
            )
        _check_variables(stage.env, f"{where}.env")
        _check_kind(stage, where)
        for argument in stage.swift:
            reason = fault_of_argument(argument)
            if reason is not None:
                raise UsageError(f"{where}.swift.{argument} cannot be set.", hint=reason)
        check_arguments(stage.method, stage.swift, f"{where}.swift")
        _check_pixels(recipe, name, where)
        _check_groups(recipe, name, where)
    _check_order(recipe, origin)


def _check_pixels(recipe: Recipe, name: str, where: str) -> None:
    value = recipe.environment(name).get("MAX_PIXELS")
    if value is not None and not (value.isdecimal() and int(value) > 0):
        raise UsageError(f"{where}: MAX_PIXELS is {value!r}.", hint="Expected: a number of pixels, such as 200000.")


def _check_variables(env: dict[str, str], where: str) -> None:
    for name in env:
        reason = fault_of_variable(name)
        if reason is not None:
            raise UsageError(f"{where}.{name} cannot be set.", hint=reason)


def _check_kind(stage: StageRecipe, where: str) -> None:
    rewarded = bool(stage.rewards.used())
    if stage.method == "grpo" and not rewarded:
        raise UsageError(
            f"{where} has no reward.",
            hint="A grpo stage needs one or more under `rewards:`, such as `geo_spatial: {}`.",
        )
    if stage.method == "sft" and rewarded:
        raise UsageError(f"{where} has rewards.", hint="Only stages with `method: grpo` use them; remove `rewards:`.")
    if (stage.method == "sft") != stage.data.startswith("swift-sft"):
        raise UsageError(
            f"{where}: method {stage.method} cannot learn from data {stage.data}.",
            hint="Use swift-sft or swift-sft-tagged for sft, swift-grpo or swift-judge for grpo.",
        )


def _check_groups(recipe: Recipe, name: str, where: str) -> None:
    stage = recipe.stages[name]
    if stage.method != "grpo":
        return
    group = stage.swift.get("num_generations", _GROUP_SIZE)
    completions = recipe.completions_per_generation(name)
    if isinstance(group, int) and group > 0 and completions is not None and completions % group:
        raise UsageError(
            f"{where}: {completions} completions at a time cannot be divided into groups of {group} (num_generations).",
            hint=f"per_device_train_batch_size x gpus ({recipe.gpus}) x gradient_accumulation_steps must be a multiple "
            f"of {group}; steps_per_generation or generation_batch_size can also set it.",
        )


def _check_order(recipe: Recipe, origin: str) -> None:
    for (before, first), (after, second) in pairwise(recipe.stages.items()):
        if first.trains_adapter and not second.trains_adapter:
            raise UsageError(
                f"{origin}: stage {after} trains all weights (tuner_type: full), but {before} leaves an adapter.",
                hint=f"Use an adapter in {after}, or tuner_type: full in {before}.",
            )
        if not first.trains_adapter or not second.trains_adapter:
            continue
        for shape in _ADAPTER_SHAPE:
            one, other = first.swift.get(shape), second.swift.get(shape)
            if other is not None and other != one:
                raise UsageError(
                    f"{origin}: {shape} is {other} in stage {after}, but {one or 'not given'} in {before}.",
                    hint=f"{after} goes on with the adapter that {before} leaves, whose shape stays: use one value.",
                )
