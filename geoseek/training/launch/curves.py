"""The curves of a run: a picture and a table, from what ms-swift logged."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from geoseek.reporting import Curve, curves_png
from geoseek.training.launch.log import Step
from geoseek.training.launch.request import CURVES_PICTURE
from geoseek.workspace import atomic_path, write_text

CURVES_TABLE = "curves.csv"
_REWARD = re.compile(r"rewards/(.+)/mean")
_BEFORE_REWARDS = (("reward", "reward, all", 1, "reward_std"),)
_AFTER_REWARDS = (
    ("kl", "KL to the reference", 2, None),
    ("completions/mean_length", "length of completions, tokens", 3, None),
    ("completions/clipped_ratio", "completions cut off, share", 3, None),
    ("loss", "loss", 0, None),
    ("token_acc", "right tokens, share", 5, None),
    ("grad_norm", "norm of the gradient", 3, None),
    ("learning_rate", "learning rate", 4, None),
)
_PART_SERIES = 5


def write_curves(output: Path, title: str, stages: Mapping[str, Sequence[Step]]) -> Path | None:
    """Write `curves.png` and `curves.csv`; return the picture, or None if nothing was logged.

    Args:
        output: Folder of the run.
        title: Title of the picture.
        stages: Name -> steps, in order.
    """
    logged = {name: steps for name, steps in stages.items() if steps}
    if not logged:
        return None
    write_text(output / CURVES_TABLE, curves_table(logged))
    blocks = [(f"{name}: {steps[-1].number} steps", curves_of(steps)) for name, steps in logged.items()]
    with atomic_path(output / CURVES_PICTURE) as temporary:
        temporary.write_bytes(curves_png(title, blocks))
    return output / CURVES_PICTURE


def curves_of(steps: Sequence[Step]) -> list[Curve]:
    """Return the curves of a stage that are worth a panel: rewards first, then KL, length, loss.

    >>> [curve.name for curve in curves_of([Step(1, 1, {"loss": 1.0, "rewards/GeoSpatial/mean": 0.5, "reward": 0.5})])]
    ['reward, all', 'reward GeoSpatial', 'loss']
    """
    names = dict.fromkeys(name for step in steps for name in step.metrics)
    parts = [
        (name, f"reward {match[1]}", _PART_SERIES, name.removesuffix("mean") + "std")
        for name in names
        if (match := _REWARD.fullmatch(name))
    ]
    plan = [*_BEFORE_REWARDS, *parts, *_AFTER_REWARDS]
    return [_curve(steps, *entry) for entry in plan if entry[0] in names]


def curves_table(stages: Mapping[str, Sequence[Step]]) -> str:
    r"""Return all metrics as CSV: stage, step, then one column per metric in the order of their names.

    >>> curves_table({"sft": [Step(1, 2, {"loss": 0.5})], "grpo": [Step(1, 1, {"kl": 0.0})]})
    'stage,step,kl,loss\nsft,1,,0.5\ngrpo,1,0.0,\n'
    """
    metrics = sorted({name for steps in stages.values() for step in steps for name in step.metrics})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["stage", "step", *metrics])
    for stage, steps in stages.items():
        for step in steps:
            table.writerow([stage, step.number, *(step.metrics.get(name, "") for name in metrics)])
    return text.getvalue()


def _curve(steps: Sequence[Step], metric: str, name: str, series: int, spread: str | None) -> Curve:
    seen = [step for step in steps if metric in step.metrics]
    has_spread = spread is not None and any(spread in step.metrics for step in seen)
    return Curve(
        name=name,
        steps=[step.number for step in seen],
        values=[step.metrics[metric] for step in seen],
        spread=[step.metrics.get(spread or "", math.nan) for step in seen] if has_spread else None,
        series=series,
    )
