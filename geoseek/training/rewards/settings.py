"""The parameters of the rewards: what a recipe may set, and the published values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from geoseek.workspace import Settings

_Weight = Annotated[float, Field(ge=0)]
AgentPolicy = Literal["fail", "zero", "skip"]
"""What an agent that cannot be reached leads to."""

StageWeights = tuple[_Weight, _Weight, _Weight]
"""For country, region and precise place."""

_STAGE_WEIGHTS: StageWeights = (0.1, 0.6, 0.3)


class RewardSettings(Settings):
    """What every reward has."""

    model_config = ConfigDict(allow_inf_nan=False)

    weight: float = Field(1.0, description="factor in the weighted sum")


class GeoSpatialSettings(RewardSettings):
    """Distance between the answer's place and the true position."""

    weight: float = Field(1.5, description="factor in the weighted sum")
    scale_km: float = Field(200.0, gt=0, description="distance at which the reward has fallen to 1/e")
    cutoff_km: float | None = Field(
        None, gt=0, description="0 from this distance on (released script: 2000); null: never"
    )


class GeoSemanticSettings(RewardSettings):
    """Likeness of the names in the answer to the true ones, by meaning."""

    stage_weights: StageWeights = Field(_STAGE_WEIGHTS, description="weights of country, region and precise place")
    country_gate: float = Field(0.7, ge=0, le=1, description="the region counts from this likeness of the country on")
    region_gate: float = Field(0.5, ge=0, le=1, description="the place counts from this likeness of the region on")
    model: str | None = Field(None, description="sentence model; null: the paper's if downloaded, else the offline one")
    device: str | None = Field(None, description="device of the sentence model, e.g. cuda:0; null: torch's choice")


class GeoConsistencySettings(RewardSettings):
    """Whether an agent that reads a stage's reasoning comes to the same conclusion."""

    weight: float = Field(0.5, description="factor in the weighted sum")
    against: Literal["own", "truth"] = Field(
        "own",
        description="the agent's conclusion is compared with the model's own (released script) or the truth (paper)",
    )
    stage_weights: StageWeights = Field(_STAGE_WEIGHTS, description="weights of country, region and precise place")
    short_chars: int = Field(90, ge=0, description="reasoning below this length earns nothing")
    long_chars: int = Field(200, ge=1, description="reasoning above this length earns everything")
    steepness: float = Field(8.0, gt=0, description="of the logistic curve between the two lengths")
    on_agent_error: AgentPolicy = Field(
        "fail",
        description="an agent that cannot be reached stops the run, earns 0, or leaves this reward out of the sum",
    )
    concurrency: int = Field(32, ge=1, le=1024, description="questions to the agent at the same time")
    timeout_s: float = Field(60.0, gt=0, description="time for one question in seconds")
    max_retries: int = Field(3, ge=0, le=20, description="further tries of a question")


class FormatSettings(RewardSettings):
    """The completion has the form that was asked for."""

    form: Literal["chain", "tags", "verdict"] = Field(
        "chain",
        description="the three stages as JSON in think tags and then answer tags; both with any text; True or False",
    )


class AnswerFormatSettings(RewardSettings):
    """The answer is `Country; Region; Place`."""


class HierarchicalSettings(RewardSettings):
    """The finest level whose name is right (arXiv 2511.15705)."""

    beta: float = Field(2.0, ge=1, description="city beta^2, province beta, country 1")


class GreDistanceSettings(RewardSettings):
    """Distance reward of arXiv 2505.18700."""

    theta_km: float = Field(200.0, gt=0, description="scale of the distance; the paper gives no value")


class GreJudgeSettings(RewardSettings):
    """1 if the model judges a prediction rightly, else 0 (arXiv 2505.18700)."""


class RewardsSettings(Settings):
    """The rewards of a GRPO stage; those that are null are not used."""

    geo_spatial: GeoSpatialSettings | None = None
    geo_semantic: GeoSemanticSettings | None = None
    geo_consistency: GeoConsistencySettings | None = None
    format: FormatSettings | None = None
    answer_format: AnswerFormatSettings | None = None
    hierarchical: HierarchicalSettings | None = None
    gre_distance: GreDistanceSettings | None = None
    gre_judge: GreJudgeSettings | None = None

    def used(self) -> dict[str, RewardSettings]:
        """Return name -> settings of the rewards that are used, in this order."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: settings for name, settings in given.items() if settings is not None}
