"""The rewards by name."""

from __future__ import annotations

from geoseek.training.rewards.agent import geo_consistency
from geoseek.training.rewards.base import Reward
from geoseek.training.rewards.distances import geo_spatial, gre_distance
from geoseek.training.rewards.forms import answer_format, format_reward, gre_judge
from geoseek.training.rewards.hierarchical import hierarchical
from geoseek.training.rewards.semantic import geo_semantic

_ALL = (
    Reward("geo_spatial", "GeoSpatial", geo_spatial),
    Reward("geo_semantic", "GeoSemantic", geo_semantic),
    Reward("geo_consistency", "GeoConsistency", geo_consistency, is_async=True),
    Reward("format", "Format", lambda said, _truth, settings, _: format_reward(said, settings)),
    Reward("answer_format", "AnswerFormat", lambda said, _truth, _settings, _: answer_format(said)),
    Reward("hierarchical", "Hierarchical", hierarchical),
    Reward("gre_distance", "GreDistance", gre_distance),
    Reward("gre_judge", "GreJudge", lambda said, truth, _settings, _: gre_judge(said, truth)),
)
REWARDS: dict[str, Reward] = {reward.name: reward for reward in _ALL}
"""Name, as in recipes -> reward, in the order of `RewardsSettings`."""
