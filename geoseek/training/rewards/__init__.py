"""Geographic rewards: pure functions of completions and the truth, and a thin plugin for ms-swift."""

from geoseek.training.rewards.agent import AGENT_VARIABLES, AgentError, agent_endpoint, geo_consistency
from geoseek.training.rewards.base import SHARED, Resources, Reward, RewardBatch, Truth, read_truth
from geoseek.training.rewards.combine import weighted_sum
from geoseek.training.rewards.distances import (
    geo_spatial,
    gre_distance,
    gre_distance_reward,
    spatial_reward,
)
from geoseek.training.rewards.forms import answer_format, format_reward, gre_judge
from geoseek.training.rewards.hierarchical import hierarchical, level_reward
from geoseek.training.rewards.registry import REWARDS
from geoseek.training.rewards.semantic import gated_similarity, geo_semantic
from geoseek.training.rewards.settings import AgentPolicy, RewardSettings, RewardsSettings
from geoseek.training.rewards.spec import PLUGIN_PATH, REWARDS_VARIABLE, RewardsFile

__all__ = [
    "AGENT_VARIABLES",
    "PLUGIN_PATH",
    "REWARDS",
    "REWARDS_VARIABLE",
    "SHARED",
    "AgentError",
    "AgentPolicy",
    "Resources",
    "Reward",
    "RewardBatch",
    "RewardSettings",
    "RewardsFile",
    "RewardsSettings",
    "Truth",
    "agent_endpoint",
    "answer_format",
    "format_reward",
    "gated_similarity",
    "geo_consistency",
    "geo_semantic",
    "geo_spatial",
    "gre_distance",
    "gre_distance_reward",
    "gre_judge",
    "hierarchical",
    "level_reward",
    "read_truth",
    "spatial_reward",
    "weighted_sum",
]
