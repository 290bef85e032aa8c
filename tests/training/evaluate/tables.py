"""Small tables of truth and predictions for the tests of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoseek.schemas import ChainOfThought, LocatabilityBand, Prediction, SceneTag, Stage, Uncertainty
from geoseek.training.evaluate import Estimate, Outcome, PredictionSet, ScoredRows, TruthTable, truth_table
from geoseek.training.evaluate.tables import OUTCOME_CODES, UNKNOWN
from geoseek.training.evaluate.truth import TrueRow
from geoseek.training.predictions import failed_prediction

PLACES = (
    ("FR", "France", "Île-de-France", "Paris", 48.8566, 2.3522),
    ("CN", "China", "Anhui", "Hefei", 31.8206, 117.2272),
    ("PE", "Peru", "Lima region", "Lima", -12.0464, -77.0428),
    ("TD", "Chad", "Ouaddaï", "Abéché", 13.8292, 20.8324),
)


def stage(conclusion: str, *clues: str, reasoning: str = "") -> Stage:
    return Stage(clues=clues, reasoning=reasoning, conclusion=conclusion, uncertainty=Uncertainty.LOW)


def chain(
    *conclusions: str, clues: Sequence[str] = ("a blue sign",), reasoning: str = "Cars keep left."
) -> ChainOfThought:
    country, region, precise = (
        stage(name, *clues, reasoning=reasoning) if name else None for name in (*conclusions, "", "")[:3]
    )
    assert country is not None
    return ChainOfThought(country=country, region=region, precise=precise, final_answer="; ".join(conclusions))


def true_row(n: int, *, with_chain: bool = False) -> TrueRow:
    code, country, region, place, lat, lng = PLACES[n % len(PLACES)]
    return TrueRow(
        f"pool:{n:05d}",
        lat,
        lng,
        code,
        country,
        region,
        place,
        band=(LocatabilityBand.LOW, LocatabilityBand.HIGH, None)[n % 3],
        tags=(SceneTag.SIGN, SceneTag.WEATHER)[: n % 3],
        chain=chain(country, region, place) if with_chain else None,
    )


def truth_of(rows: int, *, with_chain: bool = False) -> TruthTable:
    return truth_table("val", [true_row(n, with_chain=with_chain) for n in range(rows)])


def scored_rows(distances: Sequence[float | None], name: str = "one") -> ScoredRows:
    """Return rows at these distances; None is unlocatable."""
    count = len(distances)
    km = np.array([np.nan if distance is None else distance for distance in distances], dtype=np.float64)
    outcome = np.where(np.isfinite(km), OUTCOME_CODES[Outcome.LOCATED], OUTCOME_CODES[Outcome.UNLOCATABLE])
    said = PredictionSet(name, f"{name}.csv", outcome.astype(np.int8), km * 0, km * 0, [None] * count, [""] * count)
    unknown = np.full(count, UNKNOWN, dtype=np.int8)
    return ScoredRows(said, km, unknown, unknown, unknown, unknown)


def prediction(n: int, **fields: object) -> Prediction:
    """Return a right prediction of a row of `truth_of`, but for the fields given."""
    row = true_row(n)
    right = failed_prediction(row.id, "", model="stub").model_copy(
        update={
            "error": None,
            "text": "…",
            "answer": f"{row.country}; {row.region}; {row.place}",
            "lat": row.lat,
            "lng": row.lng,
            "level": "place",
        }
    )
    return right.model_copy(update=fields)


def ends(estimate: Estimate) -> tuple[float, float]:
    """Return the interval of an estimate that has one."""
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high
