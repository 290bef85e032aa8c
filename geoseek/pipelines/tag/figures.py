"""The figures of `geoseek tag`: what is printed, shown in the report, and kept in `tags.json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from geoseek.schemas import LocatabilityBand, SceneTag, Split, TagRejectReason


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class Figure(_Figures):
    """A coefficient, or why there is none: 1 is perfect agreement, 0 what chance gives."""

    value: float | None
    samples: int
    reason: str | None


class ReliabilityPoint(_Figures):
    """What annotators say where the model says about so much: means, and the middle half of the annotators' scores."""

    model: float
    people: float
    low: float
    high: float
    samples: int


class ScoreAgreement(_Figures):
    """Agreement about the locatability score.

    Attributes:
        kappa: Cohen's, quadratic weights.
        band_kappa: The same over the numbers of the bands.
        mean_difference: Model minus annotators: above 0, the model finds pictures easier.
        within_one: Share of the samples with at most one point between them.
        bands: Rows are the annotators' bands, columns the model's, the lowest first.
    """

    samples: int
    kappa: Figure
    band_kappa: Figure
    spearman: Figure
    mean_difference: float | None
    mean_absolute_difference: float | None
    within_one: float | None
    same_band: float | None
    bands: tuple[tuple[int, ...], ...]
    reliability: tuple[ReliabilityPoint, ...]


class TagAgreement(_Figures):
    """Agreement about one scene tag.

    Attributes:
        same: Share of equal answers, not corrected for chance.
        kappa: Cohen's, of three unordered answers.
        ordered: Quadratic weights, no < maybe < yes.
        answers: Rows are the annotators, columns the model: no, maybe, yes.
    """

    tag: SceneTag
    samples: int
    same: float | None
    kappa: Figure
    ordered: Figure
    answers: tuple[tuple[int, ...], ...]


class Disagreement(_Figures):
    """A sample about which annotators and model are far apart."""

    split: Split
    sample_id: str
    people: float
    model: float


class AgreementFigures(_Figures):
    """Annotators against the model, over the samples that both have rated.

    Attributes:
        people: Origin of the annotators' ratings -> samples.
        models: Model -> samples.
    """

    samples: int
    people: dict[str, int]
    models: dict[str, int]
    score: ScoreAgreement
    tags: tuple[TagAgreement, ...]
    disagreements: tuple[Disagreement, ...]


class SplitFigures(_Figures):
    """One split: `rated = kept + out_of_range`.

    Attributes:
        samples: Members of the split.
        scored: Of the kept ones, those with a score.
        origins: Origin of the rating that is exported -> samples.
        bands: Band -> kept samples.
        scores: Kept samples with the scores 0, 0.5, ..., 10.
        yes: Scene tag -> kept samples.
        maybe: The same.
    """

    split: Split
    samples: int
    rated: int
    kept: int
    out_of_range: int
    scored: int
    origins: dict[str, int]
    bands: dict[LocatabilityBand, int]
    scores: tuple[int, ...]
    yes: dict[SceneTag, int]
    maybe: dict[SceneTag, int]

    @property
    def unrated(self) -> int:
        """Samples that nobody has rated."""
        return self.samples - self.rated


class ModelFigures(_Figures):
    """What models were asked: `questions = answered + failed`.

    Attributes:
        names: Origin -> answers.
        stale: Stored answers that were left aside: their sample has gone, or has another picture now.
        faults: Code -> questions without an answer.
        prompt_tokens: Of the stored answers, as counted by the servers.
        completion_tokens: The same.
    """

    questions: int
    answered: int
    failed: int
    stale: int
    names: dict[str, int]
    faults: dict[str, int]
    prompt_tokens: int
    completion_tokens: int


class TagFigures(_Figures):
    """Everything: `annotations = used + the rejects among them`.

    Attributes:
        source: human, endpoint or both.
        use: human or model.
        locatability_range: Lowest and highest score that is kept.
        annotations: Annotations that were read.
        used: Of these, those behind a rating.
        rejected: Code -> rejects of all kinds.
        notices: What the user should know.
    """

    source: str
    use: str
    locatability_range: tuple[float, float] | None
    annotations: int
    used: int
    rejected: dict[TagRejectReason, int]
    splits: tuple[SplitFigures, ...]
    model: ModelFigures | None
    agreement: AgreementFigures | None
    notices: tuple[str, ...]
