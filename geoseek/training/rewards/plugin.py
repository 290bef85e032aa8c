"""The rewards as ms-swift's: loaded by it with `--external_plugins`, never imported by GeoSeek itself.

One class per reward that the file named by GEOSEEK_REWARDS uses is registered under the reward's name; its own name is
what ms-swift logs (`rewards/GeoSpatial/mean`). What is computed is in `geoseek.training.rewards`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swift.rewards import ORM, AsyncORM, orms

# ms-swift puts this folder at the front of the path, where modules called `log` or `base` would hide other packages'.
_FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # exactly as ms-swift builds it
sys.path[:] = [entry for entry in sys.path if entry != _FOLDER]

from geoseek.training.rewards.agent import shared_agent  # noqa: E402
from geoseek.training.rewards.base import SHARED, Reward, RewardBatch, Truth, read_truth  # noqa: E402
from geoseek.training.rewards.log import RewardLog, process_rank  # noqa: E402
from geoseek.training.rewards.registry import REWARDS  # noqa: E402
from geoseek.training.rewards.spec import RewardsFile, rewards_path  # noqa: E402


class _Scoring:
    """What both kinds of rewards do with a batch."""

    reward: Reward
    settings: Any
    log: RewardLog

    def __init__(self, args: Any = None, **_: Any) -> None:
        self.args = args

    def _finish(self, batch: RewardBatch, truth: Sequence[Truth], columns: dict[str, Any]) -> list[float | None]:
        if len(batch.values) != len(truth):
            raise RuntimeError(f"{self.reward.name} gave {len(batch.values)} values for {len(truth)} completions.")
        step = getattr(columns.get("trainer_state"), "global_step", None)
        self.log.append(self.reward.name, step, truth, batch)
        return batch.values


class _Reward(_Scoring, ORM):  # type: ignore[misc]  # ms-swift has no types
    def __call__(self, completions: Sequence[str], **columns: Any) -> list[float | None]:
        truth = read_truth(len(completions), columns)
        return self._finish(self.reward.compute(completions, truth, self.settings, SHARED), truth, columns)


class _AgentReward(_Scoring, AsyncORM):  # type: ignore[misc]  # ms-swift has no types
    cache: Path | None

    def __init__(self, args: Any = None, **_: Any) -> None:
        super().__init__(args)
        # Here, so that a missing endpoint is found before the first step.
        self.agent = shared_agent(self.settings, self.cache)

    async def __call__(self, completions: Sequence[str], **columns: Any) -> list[float | None]:
        truth = read_truth(len(completions), columns)
        batch = await self.reward.compute(completions, truth, self.settings, SHARED, agent=self.agent)
        return self._finish(batch, truth, columns)


def _register() -> None:
    path = rewards_path(os.environ)
    plan = RewardsFile.read(path)
    common = {
        "log": RewardLog(path.parent / plan.log, process_rank(os.environ)),
        "cache": None if plan.agent_cache is None else path.parent / plan.agent_cache,
    }
    for name, settings in plan.rewards.used().items():
        reward = REWARDS[name]
        base = _AgentReward if reward.is_async else _Reward
        orms[name] = type(reward.title, (base,), {"reward": reward, "settings": settings, **common})


_register()
