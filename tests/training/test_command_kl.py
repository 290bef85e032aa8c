"""GRPO after SFT with LoRA, by the real ms-swift: the KL term compares with the model after SFT, not before."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from PIL import Image

from geoseek.training.command import StagePaths, stage_command
from geoseek.training.recipes import Recipe, load_recipe
from geoseek.training.rewards import RewardsFile
from geoseek.training.tiny import build_tiny

pytestmark = [pytest.mark.train, pytest.mark.slow]

COMMON = {
    "tuner_type": "lora",
    "lora_rank": 4,
    "lora_dropout": 0,  # with dropout, the policy differs from the reference by chance
    "learning_rate": 0.05,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 1,
    "attn_impl": "eager",
    "gradient_checkpointing": False,
    "dataloader_num_workers": 0,
    "logging_steps": 1,
    "save_strategy": "steps",
    "save_steps": 4,
}
RECIPE = {
    "description": "LoRA in both stages.",
    "model": "tiny",
    "model_type": "qwen2_5_vl",
    "template": "qwen2_5_vl",
    "torch_dtype": "float32",
    "gpus": 0,
    "stages": {
        "sft": {"method": "sft", "split": "cot", "data": "swift-sft", "swift": {**COMMON, "max_steps": 4}},
        "grpo": {
            "method": "grpo",
            "split": "loc",
            "data": "swift-grpo",
            "rewards": {"answer_format": {}},
            "swift": {**COMMON, "max_steps": 1, "num_generations": 2, "beta": 0.1, "max_completion_length": 8},
        },
    },
}
QUESTION = [{"role": "system", "content": "Look."}, {"role": "user", "content": "<image>Where is it?"}]


def write_rows(folder: Path) -> None:
    folder.mkdir()
    rows: dict[str, list[dict[str, object]]] = {"sft": [], "grpo": []}
    for number in range(4):
        name = f"{number}.png"
        Image.new("RGB", (56, 56), (60 * number, 20, 200)).save(folder / name)
        answer = {"role": "assistant", "content": f"Peru; Lima; {number}"}
        rows["sft"].append({"messages": [*QUESTION, answer], "images": [name]})
        rows["grpo"].append({"messages": QUESTION, "images": [name], "solution": "", "lat": 1.0, "lng": 2.0})
    for stage, of_stage in rows.items():
        (folder / f"{stage}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in of_stage), encoding="utf-8")


def run_stage(recipe: Recipe, stage: str, root: Path, adapter: str | None) -> list[dict[str, float]]:
    """Run ms-swift for a stage; return what it logged."""
    rewards = root / "rewards.json" if stage == "grpo" else None
    if rewards is not None:
        RewardsFile(rewards=recipe.stages[stage].rewards).write(rewards)
    paths = StagePaths(root / "data" / f"{stage}.jsonl", root / stage, rewards, str(root / "model"), adapter)
    made = stage_command(recipe, stage, paths, seed=3)
    run = subprocess.run(
        made.argv,
        env={**os.environ, **made.env, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout[-1000:]}\n{run.stderr[-3000:]}"
    lines = (root / stage / "logging.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_kl_is_zero_where_grpo_begins(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "lora.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    recipe = load_recipe("lora", tmp_path)
    write_rows(tmp_path / "data")
    build_tiny(tmp_path / "model", seed=1)

    run_stage(recipe, "sft", tmp_path, None)
    adapter = tmp_path / "sft" / "checkpoint-4"
    weights = load_file(adapter / "adapter_model.safetensors")
    assert max(float(matrix.abs().max()) for name, matrix in weights.items() if "lora_B" in name) > 0.01

    logged = run_stage(recipe, "grpo", tmp_path, str(adapter))
    assert abs(next(line["kl"] for line in logged if "kl" in line)) < 1e-6
