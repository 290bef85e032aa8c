"""What `geoseek annotate agreement` finds, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from geoseek.annotation.agreement.coefficients import Coefficient


@dataclass(frozen=True)
class LevelFigures:
    """Agreement about one stage.

    Attributes:
        level: country, region or precise.
        same: Share of pairs of annotators who name the same, mean over photos; not corrected for chance.
        alpha: Krippendorff's alpha, nominal.
        kappa: Cohen's kappa of two annotators, Fleiss' of more.
        clues: Overlap of the clues: shared / all, by equal words.
        clues_fuzzy: The same where similar words count as equal.
        clues_meaning: By embeddings of the clues.
    """

    level: str
    same: Coefficient
    alpha: Coefficient
    kappa: Coefficient
    clues: Coefficient
    clues_fuzzy: Coefficient
    clues_meaning: Coefficient


@dataclass(frozen=True)
class SpreadFigures:
    """How far apart the concluded places lie.

    Attributes:
        items: Photos with two located answers or more.
        median_km: Median over photos of the median distance between two of their answers; None without photos.
        p90_km: 90th percentile of the same.
        max_km: Largest distance between two answers to one photo.
        unlocated: Answers to these and other photos with several answers that the gazetteer cannot locate.
    """

    items: int
    median_km: float | None
    p90_km: float | None
    max_km: float | None
    unlocated: int


@dataclass(frozen=True)
class ScoreFigures:
    """Agreement about the locatability score.

    Attributes:
        kappa: Quadratic-weighted.
        alpha: Krippendorff's alpha, interval.
        spearman: Rank correlation.
        mean_difference: Mean over photos of the mean absolute difference of two scores, 0..10.
    """

    kappa: Coefficient
    alpha: Coefficient
    spearman: Coefficient
    mean_difference: Coefficient


@dataclass(frozen=True)
class TagFigures:
    """Agreement about one scene tag.

    Attributes:
        tag: Its name.
        same: Share of pairs of annotators who answer the same, mean over photos.
        kappa: Of yes, no, maybe as three unordered answers.
        kappa_ordered: Quadratic-weighted, with maybe half-way between no and yes.
        alpha_ordered: Krippendorff's alpha, ordinal: no < maybe < yes.
    """

    tag: str
    same: Coefficient
    kappa: Coefficient
    kappa_ordered: Coefficient
    alpha_ordered: Coefficient


@dataclass(frozen=True)
class Share:
    """A share of one annotator beside that of all others.

    Attributes:
        value: The share, 0..1; None without trials.
        trials: Photos.
        low: Lower end of its Wilson interval, which holds for all annotators at once; None without trials.
        high: Upper end.
        others: The share of all others together; None if there is nothing to compare with.
        outlier: At least `MIN_TRIALS` trials, and `high` lies below `others`.
    """

    value: float | None
    trials: int
    low: float | None
    high: float | None
    others: float | None
    outlier: bool


@dataclass(frozen=True)
class AnnotatorFigures:
    """One annotator.

    Attributes:
        name: Pseudonym.
        annotations: Photos annotated.
        shared: Of these, photos that somebody else annotated too.
        agreement: Level -> share of the others who name the same, against the agreement of the others among
            themselves (leave one out).
        accuracy: Countries that are those of the photo's position.
        complete: Annotations without a half-filled stage.
        half_filled_share: The rest; None without annotations.
        median_lead_time_s: Half of the annotations took less; None where no time is known.
        median_error_km: Median distance of the concluded place from the photo's position; None if neither is known.
        outlier: What sets this annotator apart: `agreement LEVEL`, `accuracy`, `complete`.
    """

    name: str
    annotations: int
    shared: int
    agreement: dict[str, Share]
    accuracy: Share
    complete: Share
    half_filled_share: float | None
    median_lead_time_s: float | None
    median_error_km: float | None
    outlier: tuple[str, ...]


@dataclass(frozen=True)
class SampleFigures:
    """One photo with several answers.

    Attributes:
        sample_id: Id of the sample.
        split: Its split.
        answers: Annotator -> final answer.
        same: Level -> whether all who name something name the same; None if fewer than two do.
        median_km: Median distance of two answers; None if fewer than two can be located.
        max_km: Largest.
        disputed: The countries differ, or the answers lie `DISPUTED_FROM_KM` apart or more at the median.
    """

    sample_id: str
    split: str
    answers: dict[str, str]
    same: dict[str, bool | None]
    median_km: float | None
    max_km: float | None
    disputed: bool


@dataclass(frozen=True)
class AgreementFigures:
    """Everything about agreement.

    Attributes:
        annotations: Annotations that were compared or checked.
        items: Photos annotated.
        shared_items: Photos annotated by two people or more.
        levels: Per stage.
        spread: Of the concluded places.
        score: Of the locatability.
        tags: Per scene tag.
        annotators: By name.
        samples: Photos with several answers, the most disputed first.
        embedding: Model behind `clues_meaning`; None without.
        rule: How outliers are found, in words.
    """

    annotations: int
    items: int
    shared_items: int
    levels: tuple[LevelFigures, ...]
    spread: SpreadFigures
    score: ScoreFigures
    tags: tuple[TagFigures, ...]
    annotators: tuple[AnnotatorFigures, ...]
    samples: tuple[SampleFigures, ...]
    embedding: str | None
    rule: str

    @property
    def disputes(self) -> tuple[SampleFigures, ...]:
        """The photos in dispute, the gravest first."""
        return tuple(sample for sample in self.samples if sample.disputed)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values; what is not defined is null, with its reason."""
        return asdict(self)
