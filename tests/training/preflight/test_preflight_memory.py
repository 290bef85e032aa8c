"""Sizes of models, and the estimate of memory that follows from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geoseek.training.preflight import QWEN25_VL, Finding, Load, Machine, estimate_memory
from geoseek.training.preflight.memory import check_memory, load_of
from geoseek.training.preflight.rows import RowFigures
from geoseek.training.preflight.shapes import shape_by_name, shape_of
from tests.training.preflight.recipes import GB, machine, recipe, warnings

SEEN = RowFigures(rows=10, longest_chars=6000, most_pictures=1, largest_pixels=4_000_000)
SEVEN = QWEN25_VL["7b"]


def _check(seen: Machine, **changes: Any) -> list[Finding]:
    return list(check_memory(recipe(**changes), "grpo", SEVEN, SEEN, seen))


def test_published_sizes() -> None:
    # Numbers of weights as the models' own files (safetensors index) sum up.
    sizes = {"3b": 3_754_622_976, "7b": 8_292_166_656, "32b": 33_452_718_336, "72b": 73_410_777_344}
    assert {name: shape.parameters for name, shape in QWEN25_VL.items()} == sizes


def test_the_configuration_of_a_model_counts(tmp_path: Path) -> None:
    config = {
        "hidden_size": 3584, "num_hidden_layers": 28, "intermediate_size": 18944, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False,
        "vision_config": {"hidden_size": 1280, "intermediate_size": 3420, "depth": 32},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert shape_of("mine", tmp_path) == SEVEN
    nested = {"text_config": config, "vision_config": config.pop("vision_config"), "tie_word_embeddings": False}
    (tmp_path / "config.json").write_text(json.dumps(nested), encoding="utf-8")
    assert shape_of("mine", tmp_path) == SEVEN


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"hidden_size": "wide", "num_attention_heads": 0}', "null"])
def test_a_configuration_that_tells_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    assert shape_of("mine", tmp_path) is None
    assert shape_of("org/mine-7b", tmp_path) is not None


def test_names_that_tell_a_size() -> None:
    guess = shape_by_name("org/Some-1.5B-Chat")
    assert guess is not None
    assert (guess.parameters, guess.is_guess) == (1_500_000_000, True)
    assert shape_by_name("org/model-v2") is None
    assert shape_by_name("org/base") is None


def test_zero_shares_out_and_offload_takes_away() -> None:
    usual: dict[str, Any] = {"dtype_bytes": 2, "batch": 1, "tokens": 100, "logit_tokens": 100, "gpus": 8}
    alone, two, three = (estimate_memory(SEVEN, Load(**usual, zero=zero)).parts for zero in (0, 2, 3))
    assert alone["training"] == 14 * SEVEN.parameters
    assert two["training"] == three["training"] == alone["training"] // 8
    assert two["weights"] == alone["weights"] == 8 * three["weights"]
    away = estimate_memory(SEVEN, Load(**usual, zero=3, offload=True)).parts
    assert (away["weights"], away["training"]) == (0, 0)


def test_full_training_of_seven_billion_needs_what_is_known_of_it() -> None:
    # 16 bytes per weight in mixed precision (arXiv 1910.02054): 8.29e9 x 16 = 132.7 GB before activations.
    found = estimate_memory(SEVEN, Load(dtype_bytes=2, batch=1, tokens=1, logit_tokens=1))
    assert found.parts["weights"] + found.parts["training"] == 16 * SEVEN.parameters
    assert 132 < found.total / GB < 136


def test_quantised_weights_and_float32() -> None:
    small = Load(dtype_bytes=2, batch=1, tokens=1, logit_tokens=1, bits=4, rank=8)
    words = 2 * 152064 * 3584
    assert estimate_memory(SEVEN, small).parts["weights"] == words * 2 + (SEVEN.parameters - words) // 2
    plain = Load(dtype_bytes=4, batch=1, tokens=1, logit_tokens=1)
    assert estimate_memory(SEVEN, plain).parts["training"] == 12 * SEVEN.parameters


def test_a_sleeping_vllm_takes_turns_with_the_activations() -> None:
    usual: dict[str, Any] = {"dtype_bytes": 2, "batch": 4, "tokens": 4000, "logit_tokens": 1000, "rank": 8}
    without = estimate_memory(SEVEN, Load(**usual)).total
    awake = estimate_memory(SEVEN, Load(**usual, vllm_bytes=20 * GB)).total
    asleep = estimate_memory(SEVEN, Load(**usual, vllm_bytes=20 * GB, vllm_sleeps=True))
    assert awake == without + 20 * GB
    assert asleep.total == awake - asleep.parts["activations"] - asleep.parts["logits"]


def test_what_a_recipe_asks_for() -> None:
    grpo = {
        "tuner_type": "lora", "lora_rank": 64, "per_device_train_batch_size": 2, "max_completion_length": 1024,
        "max_pixels": 200_000, "deepspeed": "zero2_offload", "use_vllm": True, "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": 0.5, "sleep_level": 1, "gradient_checkpointing": False, "quant_bits": 4,
    }  # fmt: skip
    load = load_of(recipe(grpo=grpo, gpus=8), "grpo", SEEN, 48 * GB)
    assert load == Load(
        dtype_bytes=2, batch=2, tokens=256 + 2000 + 1024, logit_tokens=1024, bits=4, rank=64, gpus=8, zero=2,
        offload=True, checkpointing=False, vllm_bytes=24 * GB, vllm_sleeps=True,
    )  # fmt: skip
    sft = load_of(recipe(sft={"tuner_type": "full", "max_length": 1500}), "sft", SEEN, 48 * GB)
    assert sft == Load(dtype_bytes=2, batch=1, tokens=1500, logit_tokens=1500)
    full = load_of(recipe(grpo={"tuner_type": "full"}), "grpo", SEEN, 48 * GB)
    assert (full.reference, full.draws, full.tokens) == (True, True, -(-4_000_000 // 784) + 2000 + 512)


def test_too_much_is_a_warning_that_says_what_to_lower() -> None:
    found = _check(machine(gb=24), grpo={"tuner_type": "full", "per_device_train_batch_size": 8})
    (message,) = warnings(found)
    assert "estimate" in message
    assert message.endswith(", but A40 has 24 GB free of 24.")
    (remedy,) = [one.remedy for one in found]
    assert remedy is not None
    assert remedy.startswith("Lower per_device_train_batch_size (and raise gradient_accumulation_steps), then max_comp")
    assert "tuner_type=lora" in remedy
    (close,) = warnings(_check(machine(gb=24), grpo={"lora_rank": 8}))
    assert close.endswith(", and A40 has 24 GB free of 24: that is close.")
    assert not warnings(_check(machine(gb=80), grpo={"lora_rank": 8}))


def test_other_processes_leave_less() -> None:
    assert warnings(_check(machine(gb=80, free=10), grpo={"lora_rank": 8}))


def test_a_vllm_that_cannot_hold_the_model() -> None:
    swift = {"use_vllm": True, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.4, "deepspeed": "zero3"}
    (message,) = warnings(_check(machine(8, 40), grpo=swift, gpus=8))
    assert message == "vLLM gets 16 GB per GPU, and its copy of the weights alone takes 17."
    assert not warnings(_check(machine(8, 48), grpo=swift, gpus=8))
    assert not warnings(_check(machine(8, 40), grpo={**swift, "vllm_tensor_parallel_size": 2}, gpus=8))


def test_nothing_is_said_of_the_cpu_and_little_of_unknown_models() -> None:
    assert not _check(machine(), gpus=0)
    assert not _check(machine(0))
    (found,) = check_memory(recipe(), "sft", None, SEEN, machine())
    assert found.message == "Not estimated: the size of the model is not known."
