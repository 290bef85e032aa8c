"""How close a split is to what was asked for: pure figures, no file and no drawing.

Two references are kept apart throughout: the *target* is the design's share of every stratum, and the *best the pool
allows* is the allocation at the optimum under the pool's supply. A gap to the target that is no gap to the best is the
pool's doing, and only another pool closes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoseek.geo import CONTINENT_NAMES
from geoseek.schemas import Record

Floats = npt.NDArray[np.float64]
Scalar = str | int | float | bool | None


def kish_effective_size(weights: npt.ArrayLike) -> float:
    """Return how many equally weighted rows carry the information of rows with these weights.

    `(sum w)^2 / sum w^2`, Kish (1965), Survey Sampling, section 11.7. It equals the number of rows where all weights
    are equal and is smaller everywhere else; rows of weight 0 count for nothing; 0 for no rows.

    >>> kish_effective_size([2.0, 2.0, 2.0])
    3.0
    >>> kish_effective_size([1.0, 0.0])
    1.0
    """
    w = np.asarray(weights, dtype=np.float64).ravel()
    if not np.isfinite(w).all() or (w < 0).any():
        raise ValueError("weights must be finite and not negative")
    largest = w.max(initial=0.0)
    if largest == 0.0:
        return 0.0
    # Scaled to at most 1, so that squares neither overflow nor vanish.
    w = w / largest
    return float(w.sum() ** 2 / np.square(w).sum())


def total_variation(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Return the total variation distance: the share of mass that has to move to turn `p` into `q`.

    Args:
        p: Masses per stratum, not negative; they are divided by their sum, so counts will do.
        q: The same for the reference, in the same order.

    Returns:
        Half the L1 distance, from 0 (equal) to 1 (nothing in common).

    Raises:
        ValueError: The lengths differ, a mass is negative or not finite, or all masses are 0.

    >>> total_variation([1, 1], [3, 1])
    0.25
    """
    a, b = _distributions(p, q)
    return min(1.0, float(np.abs(a - b).sum() / 2))


def kl_divergence(p: npt.ArrayLike, q: npt.ArrayLike) -> float | None:
    """Return the Kullback-Leibler divergence KL(p || q) in nats, or None where it is infinite.

    It is infinite where `p` has mass and `q` has none. Kullback and Leibler (1951), On information and sufficiency.

    Args:
        p: Achieved masses per stratum, not negative; they are divided by their sum.
        q: The same for the reference, in the same order.

    Raises:
        ValueError: The lengths differ, a mass is negative or not finite, or all masses are 0.

    >>> kl_divergence([1, 1], [1, 1])
    0.0
    >>> kl_divergence([1, 1], [1, 0]) is None
    True
    """
    a, b = _distributions(p, q)
    there = a > 0
    if (b[there] == 0).any():
        return None
    # A difference of logarithms: the ratio itself overflows for a tiny reference. Never below 0 but for rounding.
    return max(0.0, float((a[there] * (np.log(a[there]) - np.log(b[there]))).sum()))


def _distributions(p: npt.ArrayLike, q: npt.ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.asarray(p, dtype=np.float64).ravel(), np.asarray(q, dtype=np.float64).ravel()
    if a.shape != b.shape:
        raise ValueError(f"distributions of different length: {a.size} and {b.size}")
    return _normalised(a), _normalised(b)


def _normalised(masses: Floats) -> Floats:
    if not np.isfinite(masses).all() or (masses < 0).any():
        raise ValueError("masses must be finite and not negative")
    largest = masses.max(initial=0.0)
    if largest == 0.0:
        raise ValueError("a distribution needs some mass")
    scaled = masses / largest
    return np.asarray(scaled / scaled.sum(), dtype=np.float64)


class StratumBalance(Record):
    """One country in one split: what was wanted, what the pool allows, what was drawn."""

    code: str = Field(description="stratum, ISO 3166-1 alpha-2")
    name: str = Field(description="English name of the country")
    continent: str = Field(description="continent code")
    target_share: float = Field(description="share of the split that the design asks for, 0..1")
    supply: int | None = Field(description="candidates on offer; null where there is no pool (audit)")
    quota: float = Field(description="rows that the target share comes to, before rounding")
    allocated: int | None = Field(description="rows at the optimum that the pool allows; null in an audit")
    achieved: int = Field(description="rows drawn")
    reserve: int = Field(description="ranked spare rows behind them")


class ContinentBalance(Record):
    """One continent in one split."""

    code: str = Field(description="continent code")
    name: str = Field(description="English name")
    target_share: float = Field(description="share that the design asks for, 0..1")
    best_share: float | None = Field(description="share at the optimum that the pool allows; null in an audit")
    achieved_share: float = Field(description="share of the rows drawn; 0 for an empty split")
    achieved: int = Field(description="rows drawn")


class Shortfall(Record):
    """A stratum that stays at least one row under its quota because the pool does not hold more for this split."""

    code: str = Field(description="stratum")
    name: str = Field(description="English name of the country")
    quota: float = Field(description="rows that the target share comes to")
    supply: int | None = Field(description="candidates on offer")
    allocated: int = Field(description="rows that the pool allows")
    missing: float = Field(description="quota minus allocated")


class DistanceSummary(Record):
    """Order statistics of distances in kilometres."""

    min: float = Field(description="smallest")
    p5: float = Field(description="5th percentile")
    median: float = Field(description="median")

    @classmethod
    def of(cls, distances_km: npt.ArrayLike) -> Self | None:
        """Summarise distances; None if there are none.

        >>> DistanceSummary.of([3.0, 1.0, 2.0])
        DistanceSummary(min=1.0, p5=1.1, median=2.0)
        """
        d = np.asarray(distances_km, dtype=np.float64).ravel()
        if d.size == 0:
            return None
        return cls(min=float(d.min()), p5=float(np.quantile(d, 0.05)), median=float(np.median(d)))


class SplitBalance(Record):
    """All balance figures of one split. TV is total variation (0..1), KL is in nats; null where undefined."""

    split: str = Field(description="val, loc, cot, or the name of the file that is audited")
    size: int = Field(description="rows drawn, without the reserve")
    strata: tuple[StratumBalance, ...] = Field(description="all countries of the design, by target share")
    continents: tuple[ContinentBalance, ...] = Field(description="the same by continent")
    effective_size: float = Field(description="Kish's effective sample size")
    effective_size_basis: str = Field(
        description="design: from the design weights; post-stratification: from target / achieved per country"
    )
    cells_covered: int = Field(description="1 degree cells with at least one row")
    cells_with_supply: int | None = Field(description="1 degree cells with at least one candidate; null in an audit")
    tv_to_target: float | None = Field(description="TV from achieved to target, by country; null for no rows")
    kl_to_target: float | None = Field(
        description="KL(achieved || target), by country; null if rows lie where the target is 0, or for no rows"
    )
    tv_best: float | None = Field(description="TV from the best the pool allows to the target; null in an audit")
    tv_to_best: float | None = Field(description="TV from achieved to the best the pool allows; null in an audit")
    kl_to_best: float | None = Field(description="KL(achieved || best the pool allows); null as for kl_to_target")
    tv_by_continent: float | None = Field(description="TV from achieved to target, by continent; null for no rows")
    nearest_val_km: DistanceSummary | None = Field(description="distance of every row to the nearest row of val")
    excluded: dict[str, int] = Field(description="candidates kept out of this split's frame, by reason")
    shortfalls: tuple[Shortfall, ...] = Field(description="strata limited by supply, the largest gap first")


class PoolSummary(Record):
    """One pool that was read."""

    name: str = Field(description="name of the pool")
    format: str = Field(description="reader that was used")
    rows: int = Field(description="rows read")
    share: float | None = Field(default=None, description="share of every split that comes from this pool, if asked")


class MissingFigure(Record):
    """A reference figure that is not known; it contributes nothing to the country's target."""

    code: str = Field(description="stratum")
    name: str = Field(description="English name of the country")
    figure: str = Field(description="which figure: roads, population or area")
    quota_lost: float | None = Field(
        default=None,
        description="rows of quota, over all splits, that the median density would give; null if unknown",
    )


class FoldedTerritory(Record):
    """A territory without a polygon of its own, whose figures count with its sovereign's."""

    code: str = Field(description="ISO 3166-1 alpha-2 of the territory")
    name: str = Field(description="English name of the territory")
    into: str = Field(description="code of the country that it is counted with")


class BenchmarkProximity(Record):
    """How many rows of a split lie near the points of a benchmark."""

    file: str = Field(description="file of the benchmark")
    split: str = Field(description="split that is compared")
    within_1_km: float = Field(description="share of the rows, 0..1")
    within_5_km: float = Field(description="share of the rows, 0..1")
    within_25_km: float = Field(description="share of the rows, 0..1")


class BalanceReport(Record):
    """Everything that the balance report shows, as figures."""

    title: str = Field(description="what this is a report of")
    splits: tuple[SplitBalance, ...] = Field(description="in the order in which they were drawn")
    read: int = Field(default=0, description="rows read from all pools")
    kept: int = Field(default=0, description="rows in the frame; read = kept + rejected")
    rejects: dict[str, int] = Field(default_factory=dict, description="rows left out, by reason")
    pools: tuple[PoolSummary, ...] = Field(default=(), description="what was read")
    weights: dict[str, float] = Field(default_factory=dict, description="coefficients of the target's terms")
    population_source: dict[str, Scalar] = Field(default_factory=dict, description="where people per cell come from")
    missing_figures: tuple[MissingFigure, ...] = Field(default=(), description="figures that are null")
    folded: tuple[FoldedTerritory, ...] = Field(default=(), description="territories counted with their sovereign")
    notices: tuple[str, ...] = Field(default=(), description="what the reader must know before using the sample")
    against: tuple[BenchmarkProximity, ...] = Field(default=(), description="proximity to benchmarks")
    seed: int | None = Field(default=None, description="seed of the permanent random numbers")
    settings: dict[str, Scalar] = Field(default_factory=dict, description="further settings of the run")

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-serialisable values; nothing is NaN or infinite."""
        return self.model_dump(mode="json")


def split_balance(
    *,
    split: str,
    codes: Sequence[str],
    names: Sequence[str],
    continents: Sequence[str],
    target: npt.ArrayLike,
    achieved: npt.ArrayLike,
    cells: npt.ArrayLike,
    supply: npt.ArrayLike | None = None,
    allocated: npt.ArrayLike | None = None,
    reserve: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cells_with_supply: int | None = None,
    nearest_val_km: npt.ArrayLike | None = None,
    excluded: Mapping[str, int] | None = None,
) -> SplitBalance:
    """Compute the balance of one split.

    Args:
        split: Its name.
        codes: Strata (H of them); the arrays below are in the same order.
        names: English names of the countries.
        continents: Continent codes.
        target: Target masses, not negative, not all 0; divided by their sum.
        achieved: Rows drawn per stratum, without the reserve; sums to n.
        cells: 1 degree cell of each of the n rows.
        supply: Candidates per stratum; None in an audit.
        allocated: Rows per stratum at the optimum that the pool allows; None in an audit.
        reserve: Spare rows per stratum; None for none.
        weights: Design weights of the n rows. None where there is no design (audit): the effective size is then that
            of the set reweighted to the target, with weights target / achieved per stratum, and rows in strata of
            target 0 count for nothing.
        cells_with_supply: 1 degree cells with at least one candidate.
        nearest_val_km: Distance of each row to the nearest row of val.
        excluded: Candidates kept out of the split's frame, by reason.
    """
    shares = _normalised(np.asarray(target, dtype=np.float64).ravel())
    drawn = np.asarray(achieved, dtype=np.int64).ravel()
    best = None if allocated is None else np.asarray(allocated, dtype=np.int64).ravel()
    offered = None if supply is None else np.asarray(supply, dtype=np.int64).ravel()
    spare = np.zeros_like(drawn) if reserve is None else np.asarray(reserve, dtype=np.int64).ravel()
    lengths = {len(codes), len(names), len(continents), shares.size, drawn.size, spare.size}
    lengths |= {a.size for a in (best, offered) if a is not None}
    if len(lengths) != 1:
        raise ValueError(f"one value per stratum is needed everywhere; lengths are {sorted(lengths)}")

    size = int(drawn.sum())
    quota = shares * (size if best is None else int(best.sum()))
    strata = [
        StratumBalance(
            code=codes[i],
            name=names[i],
            continent=continents[i],
            target_share=float(shares[i]),
            supply=None if offered is None else int(offered[i]),
            quota=float(quota[i]),
            allocated=None if best is None else int(best[i]),
            achieved=int(drawn[i]),
            reserve=int(spare[i]),
        )
        for i in range(len(codes))
    ]
    strata.sort(key=lambda s: (-s.target_share, s.code))

    has_best = best is not None and best.sum() > 0
    by_continent = _by_continent(strata)
    comparable = size > 0
    effective = _post_stratified_size(shares, drawn) if weights is None else kish_effective_size(weights)
    return SplitBalance(
        split=split,
        size=size,
        strata=tuple(strata),
        continents=by_continent,
        effective_size=effective,
        effective_size_basis="post-stratification" if weights is None else "design",
        cells_covered=int(np.unique(np.asarray(cells, dtype=np.int64)).size),
        cells_with_supply=cells_with_supply,
        tv_to_target=total_variation(drawn, shares) if comparable else None,
        kl_to_target=kl_divergence(drawn, shares) if comparable else None,
        tv_best=total_variation(best, shares) if best is not None and has_best else None,
        tv_to_best=total_variation(drawn, best) if best is not None and has_best and comparable else None,
        kl_to_best=kl_divergence(drawn, best) if best is not None and has_best and comparable else None,
        tv_by_continent=total_variation([c.achieved for c in by_continent], [c.target_share for c in by_continent])
        if comparable
        else None,
        nearest_val_km=None if nearest_val_km is None else DistanceSummary.of(nearest_val_km),
        excluded=dict(excluded or {}),
        shortfalls=_shortfalls(strata),
    )


def _post_stratified_size(shares: Floats, achieved: npt.NDArray[np.int64]) -> float:
    there = achieved > 0
    rows = achieved[there]
    per_row = shares[there] / rows
    return kish_effective_size(np.repeat(per_row, rows))


def _by_continent(strata: Sequence[StratumBalance]) -> tuple[ContinentBalance, ...]:
    size = sum(s.achieved for s in strata)
    allocated = sum(s.allocated or 0 for s in strata)
    known = all(s.allocated is not None for s in strata) and allocated > 0
    rows = []
    for code in {s.continent for s in strata}:
        members = [s for s in strata if s.continent == code]
        achieved = sum(s.achieved for s in members)
        rows.append(
            ContinentBalance(
                code=code,
                name=CONTINENT_NAMES.get(code, code),
                target_share=sum(s.target_share for s in members),
                best_share=sum(s.allocated or 0 for s in members) / allocated if known else None,
                achieved_share=achieved / size if size else 0.0,
                achieved=achieved,
            )
        )
    return tuple(sorted(rows, key=lambda c: (-c.target_share, c.code)))


def _shortfalls(strata: Sequence[StratumBalance]) -> tuple[Shortfall, ...]:
    # Rounding moves a quota by less than one row, so a full row under it can only come from a cap.
    short = [
        Shortfall(
            code=s.code,
            name=s.name,
            quota=s.quota,
            supply=s.supply,
            allocated=s.allocated,
            missing=s.quota - s.allocated,
        )
        for s in strata
        if s.allocated is not None and s.quota - s.allocated >= 1.0
    ]
    return tuple(sorted(short, key=lambda s: (-s.missing, s.code)))
