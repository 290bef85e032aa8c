"""Columns of an evaluation: the truth, what a file says about each row of it, and how far off that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from geoseek.schemas import ChainOfThought, LocatabilityBand, SceneTag, render_answer
from geoseek.training.evaluate.result import EvaluateReject, Outcome

FloatArray = npt.NDArray[np.float64]
CodeArray = npt.NDArray[np.int8]

OUTCOMES = tuple(Outcome)
"""What the numbers in `PredictionSet.outcome` stand for."""
OUTCOME_CODES = {outcome: np.int8(code) for code, outcome in enumerate(OUTCOMES)}

RIGHT, WRONG, UNKNOWN = np.int8(1), np.int8(0), np.int8(-1)
"""Values of a check of a row; unknown where the truth does not tell, or the set cannot be checked."""


@dataclass(frozen=True)
class TruthTable:
    """Where pictures were taken, one row per picture, sorted by id.

    Attributes:
        name: The split, or the file.
        ids: Ids of the samples.
        lat: Latitudes in degrees, WGS 84; finite and on the globe.
        lng: Longitudes in degrees.
        country_code: ISO 3166-1 alpha-2; empty where unknown.
        country: Names of the country; empty where unknown.
        region: Names of the region.
        place: Names of the place.
        bands: Locatability bands; None where nobody rated.
        tags: Scene tags that hold.
        chains: Row -> reference chain.
        rejects: Rows whose truth cannot be used.
    """

    name: str
    ids: Sequence[str]
    lat: FloatArray
    lng: FloatArray
    country_code: Sequence[str]
    country: Sequence[str]
    region: Sequence[str]
    place: Sequence[str]
    bands: Sequence[LocatabilityBand | None] = ()
    tags: Sequence[tuple[SceneTag, ...]] = ()
    chains: Mapping[int, ChainOfThought] = field(default_factory=dict)
    rejects: Sequence[EvaluateReject] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Id -> row."""
        return {name: row for row, name in enumerate(self.ids)}

    def solution(self, row: int) -> str:
        """Return country, region and place of a row, as far as they are known."""
        return render_answer([self.country[row], self.region[row], self.place[row]])


@dataclass(frozen=True)
class PredictionSet:
    """What one file says, aligned with the rows of a truth table.

    Attributes:
        name: Name of the set, unique within an evaluation.
        file: The file, as it is shown.
        outcome: Indices into `OUTCOMES`.
        lat: Latitudes of the answers in degrees; NaN unless located.
        lng: Longitudes.
        answers: Answers as the model wrote them; None where there is none.
        levels: How far the gazetteer resolved each answer; `coordinates` if the file gives them, empty if nothing.
        chains: Row -> chain of the prediction; only of rows that have a reference chain.
        read: Rows of the file.
        rejects: Rows of the file that are not counted.
        models: Models named in the file.
        notices: What the user should know about how the file was read.
    """

    name: str
    file: str
    outcome: CodeArray
    lat: FloatArray
    lng: FloatArray
    answers: Sequence[str | None]
    levels: Sequence[str]
    chains: Mapping[int, ChainOfThought] = field(default_factory=dict)
    read: int = 0
    rejects: Sequence[EvaluateReject] = ()
    models: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def counted(self) -> int:
        """Rows of the file that belong to a row of the truth."""
        return len(self.outcome) - int(np.count_nonzero(self.outcome == OUTCOME_CODES[Outcome.MISSING]))

    @property
    def located(self) -> npt.NDArray[np.bool_]:
        """Which rows have coordinates."""
        found: npt.NDArray[np.bool_] = self.outcome == OUTCOME_CODES[Outcome.LOCATED]
        return found

    @property
    def has_answers(self) -> bool:
        """Whether the file has answers at all, so that their names can be checked."""
        return any(answer is not None for answer in self.answers)

    def outcomes(self, rows: npt.NDArray[np.int64] | None = None) -> dict[str, int]:
        """Return how many rows (default: all) have each outcome."""
        codes = self.outcome if rows is None else self.outcome[rows]
        counts = np.bincount(codes, minlength=len(OUTCOMES)).tolist()
        return {outcome.value: counts[code] for code, outcome in enumerate(OUTCOMES)}

    def level_counts(self) -> dict[str, int]:
        """Return how many answers were resolved to each level."""
        return dict(sorted(Counter(level for level in self.levels if level).items()))


@dataclass(frozen=True)
class ScoredRows:
    """How far off each row of a set is.

    Attributes:
        predictions: The set.
        distance_km: Great-circle distance between truth and answer; NaN without coordinates.
        country_name: Whether the answer names the true country: `RIGHT`, `WRONG` or `UNKNOWN`.
        region_name: Whether it names the true region.
        place_name: Whether it names the true place.
        country_position: Whether its coordinates lie in the true country.
    """

    predictions: PredictionSet
    distance_km: FloatArray
    country_name: CodeArray
    region_name: CodeArray
    place_name: CodeArray
    country_position: CodeArray


def count_rejects(rejects: Sequence[EvaluateReject]) -> dict[str, int]:
    """Return how many rows were rejected for each reason."""
    return dict(sorted(Counter(reject.reason.value for reject in rejects).items()))
