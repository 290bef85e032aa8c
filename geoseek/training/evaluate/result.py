"""What an evaluation finds: the figures, each with its interval, its unit and what it is a share of."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import Field

from geoseek.schemas import DescribedCode, Record
from geoseek.workspace import Settings

Denominator = Literal["all", "answered"]

RADII_KM = (1, 25, 200, 750, 2500)
"""Street, city, region, country, continent; a distance of exactly a radius lies within it."""


class Unit(StrEnum):
    """What a figure counts in."""

    SHARE = "share"
    KM = "km"
    POINTS = "points"


class Figure(NamedTuple):
    """A figure that is worked out for every group of rows.

    Attributes:
        label: What tables call it.
        unit: Share (0 to 1), kilometres, or points of a GeoScore (0 to 5000).
        rows: Which rows it is over, within the denominator.
        more_is_better: Whether larger values are better ones.
    """

    label: str
    unit: Unit
    rows: str
    more_is_better: bool = True


ALL_ROWS, LOCATED_ROWS = "all rows", "rows with coordinates"

FIGURES: dict[str, Figure] = {
    **{f"accuracy_{radius}km": Figure(f"within {radius:,} km", Unit.SHARE, ALL_ROWS) for radius in RADII_KM},
    "median_km": Figure("median distance", Unit.KM, LOCATED_ROWS, more_is_better=False),
    "mean_km": Figure("mean distance", Unit.KM, LOCATED_ROWS, more_is_better=False),
    "geoscore_geoagent": Figure("GeoScore 5000·exp(-10 d / 18050)", Unit.POINTS, ALL_ROWS),
    "geoscore_osv5m": Figure("GeoScore 5000·exp(-d / 1492.7)", Unit.POINTS, ALL_ROWS),
    "country_name": Figure("country right by name", Unit.SHARE, "rows whose true country has a name"),
    "region_name": Figure("region right by name", Unit.SHARE, "rows whose true region has a name"),
    "place_name": Figure("place right by name", Unit.SHARE, "rows whose true place has a name"),
    "country_position": Figure("country right by position", Unit.SHARE, "rows whose true country is known"),
}
"""Key of a figure -> what it is, in the order of tables."""


class Outcome(DescribedCode):
    """What became of a row of the truth; exactly one of them holds."""

    LOCATED = "located", "the answer has coordinates"
    UNLOCATABLE = "unlocatable", "there is an answer, but no coordinates: the gazetteer does not know its names"
    UNPARSABLE = "unparsable", "no answer can be read from what the model said"
    ERROR = "error", "the model gave no text, because of an error"
    MISSING = "missing", "the file has no row for it"


class EvaluateRejectReason(DescribedCode):
    """Why a row of a file is not counted. `read = counted + rejected` holds for every file."""

    MALFORMED_ROW = "malformed_row", "the line cannot be parsed, or is no prediction"
    MISSING_ID = "missing_id", "the row has no id"
    DUPLICATE_ID = "duplicate_id", "an earlier row of the file has the same id"
    NOT_IN_TRUTH = "not_in_truth", "the truth has no row with this id"
    BAD_TRUTH = "bad_truth", "the true position is missing, not finite, or off the globe"


class EvaluateReject(NamedTuple):
    """A row of a file that is not counted; no model, since a file may have a million of them.

    Attributes:
        file: File that the row is in.
        line: 1-based line; the header of a CSV is line 1.
        id: Id of the row, where it has one.
        reason: Why.
        detail: What exactly was wrong.
    """

    file: str
    line: int
    id: str | None
    reason: EvaluateRejectReason
    detail: str | None = None


class Estimate(Record):
    """A figure and its interval."""

    value: float | None = Field(description="null where no row counts")
    low: float | None = Field(description="lower end of the interval; null where there is none")
    high: float | None = Field(description="upper end of the interval")
    rows: int = Field(description="rows that it is over")
    method: Literal["bootstrap", "wilson"] | None = Field(
        description="how the interval was made; null where there is none"
    )
    resamples: int | None = Field(None, description="resamples of the bootstrap; fewer in groups of very many rows")


class GroupFigures(Record):
    """The figures of all rows, or of those of one band, tag, continent or country."""

    name: str = Field(description="`all`, or the band, tag, code of continent or country")
    label: str = Field(description="what tables call it")
    rows: int = Field(description="rows of the truth")
    outcomes: dict[str, int] = Field(description="Outcome -> rows; they add up to `rows`")
    estimates: dict[str, Estimate] = Field(description="key of FIGURES -> estimate, in that order")


class StageAgreement(Record):
    """How far chains agree with the reference chains in one stage, or in all."""

    precision: Estimate = Field(description="share of the model's steps that the reference supports, mean over rows")
    recall: Estimate = Field(description="share of the reference's steps that the model has, mean over rows")
    f1: Estimate = Field(description="harmonic mean of the two of each row, mean over rows")


class ChainFigures(Record):
    """Quality of the chains of thought, over the rows that have a reference chain."""

    rows: int = Field(description="rows with a reference chain")
    with_chain: int = Field(description="of those, rows whose prediction has a chain; the others count 0")
    judged: int = Field(description="of those, rows that were compared; less where the judge failed")
    matched_by: str = Field(description="name of the embedding model, or `judge NAME`")
    is_fallback: bool = Field(description="the embedding model stands in for the one that was meant")
    threshold: float | None = Field(description="likeness from which two steps say the same; null for a judge")
    stages: dict[str, StageAgreement] = Field(description="`all`, then country, region, precise")


class FileFigures(Record):
    """What was read of a file."""

    file: str = Field(description="file of the predictions")
    read: int = Field(description="rows read")
    counted: int = Field(description="rows that belong to a row of the truth")
    rejected: dict[str, int] = Field(description="EvaluateRejectReason -> rows")
    models: tuple[str, ...] = Field(description="models named in the file")
    notices: tuple[str, ...] = Field(description="what the reader must know about how the file was read")


class CurvePoint(Record):
    """A point of the cumulative accuracy curve."""

    radius_km: float = Field(description="radius")
    share: float = Field(description="share of the rows within it")


class WorstRow(Record):
    """One of the largest errors."""

    id: str = Field(description="id of the sample")
    solution: str = Field(description="true country, region and place")
    answer: str | None = Field(description="what the model answered")
    lat: float = Field(description="true latitude in degrees, WGS 84")
    lng: float = Field(description="true longitude in degrees")
    predicted_lat: float = Field(description="latitude of the answer")
    predicted_lng: float = Field(description="longitude of the answer")
    distance_km: float = Field(description="great-circle distance between them")


class SetFigures(Record):
    """The figures of one file of predictions."""

    name: str = Field(description="name of the set, unique within the evaluation")
    file: FileFigures = Field(description="what was read")
    overall: GroupFigures = Field(description="all rows")
    bands: tuple[GroupFigures, ...] = Field(description="by locatability band, in their order; empty if nobody rated")
    tags: tuple[GroupFigures, ...] = Field(description="by scene tag that holds; a row may be in several")
    continents: tuple[GroupFigures, ...] = Field(description="by continent")
    countries: tuple[GroupFigures, ...] = Field(description="by country, the one with most rows first")
    levels: dict[str, int] = Field(description="how far the gazetteer resolved the answers -> rows")
    curve: tuple[CurvePoint, ...] = Field(description="cumulative accuracy over distance, radii in even steps of a log")
    worst: tuple[WorstRow, ...] = Field(description="the largest errors, the largest first")
    chains: ChainFigures | None = Field(description="null where no row has a reference chain, or the set has no chains")


class Difference(Record):
    """A figure of two sets on the same rows: the second minus the first."""

    figure: str = Field(description="key of FIGURES")
    first: str = Field(description="name of a set")
    second: str = Field(description="name of the other set")
    difference: Estimate = Field(description="second minus first, over the rows that count for both")
    test: str | None = Field(description="mcnemar (exact) or sign_flip (permutation); null where there is none")
    only_first: int | None = Field(description="rows that only the first set has right; null unless mcnemar")
    only_second: int | None = Field(description="rows that only the second set has right")
    p_value: float | None = Field(description="two-sided; null without a test")
    p_holm: float | None = Field(description="corrected for all tests of the evaluation (Holm)")


class TruthFigures(Record):
    """What the predictions are held against."""

    name: str = Field(description="the split, or the file")
    rows: int = Field(description="rows")
    rejected: dict[str, int] = Field(description="EvaluateRejectReason -> rows whose truth cannot be used")
    rated: int = Field(description="rows with a locatability band")
    with_chain: int = Field(description="rows with a reference chain")


class EvaluateSettings(Settings):
    """The choices of an evaluation that change its figures."""

    denominator: Denominator = Field(
        "all",
        description="all: every row of the truth counts, and what has no coordinates is wrong; "
        "answered: rows without coordinates are left out",
    )
    resamples: int = Field(2000, ge=100, le=100_000, description="bootstrap resamples, and permutations of a test")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="coverage of the intervals")
    seed: int = Field(0, ge=0, description="seed of resamples and permutations")
    chains: bool = Field(True, description="compare chains of thought where there is a reference")
    chain_threshold: float = Field(
        0.6, gt=0, le=1, description="likeness (cosine) from which two steps say the same; a judge needs none"
    )
    embedding_model: str | None = Field(
        None, description="sentence model for chains; null: the paper's if downloaded, else the offline one"
    )


class Evaluation(Record):
    """Everything that an evaluation found."""

    settings: EvaluateSettings = Field(description="the choices")
    truth: TruthFigures = Field(description="what the predictions are held against")
    sets: tuple[SetFigures, ...] = Field(description="one per file, in the order given")
    differences: tuple[Difference, ...] = Field(description="all pairs of sets; empty if there is only one")
    notices: tuple[str, ...] = Field(description="what the reader must know about the models and packages used")
