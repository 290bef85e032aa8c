"""Recipes, rows and machines for the tests of the preflight."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geoseek.training.data import StageData
from geoseek.training.preflight import Finding, Gpu, Machine, Severity
from geoseek.training.recipes import Recipe
from tests.formats.exports import jpeg

GB = 10**9
PICTURE = "images/a.jpg"


def recipe(**changes: Any) -> Recipe:
    """Return a recipe of one SFT and one GRPO stage; `sft` and `grpo` change the arguments of ms-swift there."""
    sft, grpo = changes.pop("sft", {}), changes.pop("grpo", {})
    rewards = changes.pop("rewards", {"geo_spatial": {}})
    stages = {
        "sft": {"method": "sft", "split": "cot", "data": "swift-sft", "swift": sft},
        "grpo": {"method": "grpo", "split": "loc", "data": "swift-grpo", "rewards": rewards, "swift": grpo},
    }
    usual = {
        "name": "trial",
        "description": "For tests.",
        "model": "Qwen/Qwen2.5-VL-7B-Instruct",
        "model_type": "qwen2_5_vl",
        "template": "qwen2_5_vl",
        "gpus": 1,
        "stages": stages,
    }
    return Recipe.model_validate({**usual, **changes})


def machine(gpus: int = 1, gb: float = 48, *, free: float | None = None, **changes: Any) -> Machine:
    """Return a machine with equal GPUs."""
    one = Gpu("A40", int(gb * GB), int((gb if free is None else free) * GB), **changes)
    return Machine("2.13.0", "13.0", (one,) * gpus)


def sft_row(**changes: Any) -> dict[str, Any]:
    """Return a whole row of SFT."""
    messages = [{"role": "user", "content": "<image>Where?"}, {"role": "assistant", "content": "Chad"}]
    return {"images": [PICTURE], "messages": messages, **changes}


def grpo_row(**changes: Any) -> dict[str, Any]:
    """Return a whole row of GRPO."""
    messages = [{"role": "user", "content": "<image>Where?"}]
    usual = {"images": [PICTURE], "messages": messages, "solution": "<answer> Chad </answer>", "lat": 1.5, "lng": 2}
    return {**usual, **changes}


def rows_of(folder: Path, *rows: Any, picture: bytes | None = None) -> StageData:
    """Write rows and one picture, as `prepare_data` would."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / PICTURE).write_bytes(jpeg(1) if picture is None else picture)
    file = folder / "rows.jsonl"
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return StageData(file=file, rows=len(rows), read=len(rows), fingerprint="0")


def faults(findings: list[Finding]) -> list[str]:
    """Return the messages that would stop a run."""
    return [one.message for one in findings if one.severity is Severity.ERROR]


def warnings(findings: list[Finding]) -> list[str]:
    """Return the messages that would not."""
    return [one.message for one in findings if one.severity is Severity.WARNING]
