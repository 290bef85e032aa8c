"""Loads the plugin as ms-swift does, and scores a batch with ms-swift's own function; prints what came out as JSON.

Run by the tests in a process of its own: `python plugin_child.py BATCH.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Read the batch, score it twice (two steps of a training), print."""
    import torch
    from swift.rewards import orms
    from swift.rl_core.data import GRPOSample
    from swift.rl_core.grpo_algorithm import compute_rewards_per_func
    from swift.utils import import_external_file

    from geoseek.training.rewards.spec import PLUGIN_PATH

    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import_external_file(str(PLUGIN_PATH))
    functions = [orms[name](args=None) for name in given["names"]]
    # Rows as the data loader hands them over: the columns of the file, and the answer as the last message.
    samples = [
        GRPOSample.from_row(
            {**row, "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": completion}]}
        )
        for row, completion in zip(given["rows"], given["completions"], strict=True)
    ]
    found: list[Any] = []
    for step in (1, 2):
        rewards = compute_rewards_per_func(
            samples,
            functions,
            [None] * len(functions),
            device=torch.device("cpu"),
            trainer_state=SimpleNamespace(global_step=step),
        )
        found.append([[None if value != value else value for value in row] for row in rewards.tolist()])
    told = {
        "titles": [type(function).__name__ for function in functions],
        "rewards": found,
        "hidden_by_plugin": str(PLUGIN_PATH.parent) in sys.path,
    }
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
