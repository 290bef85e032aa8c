"""Numbers out of a recipe's arguments for ms-swift, and its defaults where a recipe gives none."""

from __future__ import annotations

from geoseek.training.recipes import StageRecipe

DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
"""Bytes of a weight by `torch_dtype`."""

_DEFAULTS: dict[str, float] = {
    "beta": 0.04,
    "gradient_accumulation_steps": 0,
    "lora_rank": 8,
    "max_completion_length": 512,
    "max_length": 0,
    "max_steps": 0,
    "num_generations": 8,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 1,
    "quant_bits": 0,
    "save_steps": 500,
    "save_total_limit": 0,
    "sleep_level": 0,
    "vllm_gpu_memory_utilization": 0.9,
    "vllm_tensor_parallel_size": 1,
}


def number(stage: StageRecipe, name: str) -> float:
    """Return a number of a stage, or the default of ms-swift where it has none."""
    value = stage.swift.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else _DEFAULTS[name]


def whole(stage: StageRecipe, name: str) -> int:
    """Return a number of a stage as a whole one."""
    return int(number(stage, name))


def switched_on(stage: StageRecipe, name: str) -> bool:
    """Whether a stage says `true`."""
    return stage.swift.get(name) is True
