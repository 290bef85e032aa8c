"""How many rows each stratum gets: target shares, and their exact integer allocation under bounds.

Pure functions of arrays that are aligned with one sorted tuple of stratum codes (here: countries). Sums are exactly
rounded and ties go to the earlier stratum, so equal inputs give equal integers everywhere.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from geoseek.schemas import UsageError, unknown_name

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DEFAULT_COEFFICIENTS: Mapping[str, float] = {"roads": 0.5, "population": 0.2, "area": 0.3}
"""Coefficients of eq. 11 in arXiv 2602.12617, appendix B.1."""

# Remainders that differ by less are one value: the rounding of `lambda * target` must not decide a tie.
_REMAINDER_DECIMALS = 9
_SUM_TOLERANCE = 1e-9


class InfeasibleDesign(UsageError):  # noqa: N818 - the name says what cannot be met, as the option's reader would
    """No allocation meets the size, the supply and the limits per stratum at once."""


def parse_weights(text: str) -> dict[str, float]:
    """Read the option `--weights`.

    Bare names (`population,area,roads`) take the coefficients of `DEFAULT_COEFFICIENTS`; `name=value` sets them. The
    result is renormalised to sum to 1, in the order of `DEFAULT_COEFFICIENTS`, however the text was ordered.

    Raises:
        UsageError: Unknown or repeated name, bare names mixed with values, a value that is negative or not a finite
            number, or values that sum to 0.

    >>> parse_weights("area,population")
    {'population': 0.4, 'area': 0.6}
    >>> parse_weights("population=3,area=1")
    {'population': 0.75, 'area': 0.25}
    """
    known = ", ".join(sorted(DEFAULT_COEFFICIENTS))
    hint = f"Known: {known}. Write --weights population,area,roads or --weights roads=0.5,population=0.2,area=0.3."
    found: dict[str, float] = {}
    parts = [part.strip() for part in text.split(",")]
    valued = ["=" in part for part in parts]
    for part in parts:
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name:
            raise UsageError(f"--weights {text!r} has an entry without a name.", hint=hint)
        if name not in DEFAULT_COEFFICIENTS:
            raise unknown_name("weight", name, DEFAULT_COEFFICIENTS)
        if name in found:
            raise UsageError(f"--weights names {name} twice.", hint=hint)
        found[name] = _weight(name, value) if "=" in part else DEFAULT_COEFFICIENTS[name]
    if any(valued) and not all(valued):
        raise UsageError(f"--weights {text!r} mixes bare names and values.", hint=hint)
    return _normalised({name: found[name] for name in DEFAULT_COEFFICIENTS if name in found})


def _weight(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"The weight {name}={text} is not allowed.", hint="Allowed: finite numbers from 0 upwards.")
    return value


def _normalised(coefficients: Mapping[str, float]) -> dict[str, float]:
    for name, value in coefficients.items():
        _weight(name, str(value))
    total = sum(sorted(coefficients.values()))
    if not 0 < total < math.inf:
        raise UsageError(
            f"The weights ({', '.join(coefficients) or 'none'}) sum to {total:g}.",
            hint="At least one must be positive.",
        )
    return {name: value / total for name, value in coefficients.items()}


def target_shares(figures: Mapping[str, npt.ArrayLike], coefficients: Mapping[str, float]) -> FloatArray:
    """Return the share of the sample that each stratum should have: eq. 11 of arXiv 2602.12617, appendix B.1.

    t_i = sum over figures f of l_f * x_fi / sum_j x_fj, with the coefficients l renormalised to sum to 1. A missing
    figure (NaN) contributes 0; see `lost_shares`.

    Args:
        figures: Name to figures per stratum (road length in km, population, area in km2, ...), each of shape (strata,).
        coefficients: Name to coefficient l; every name must be in `figures`.

    Returns:
        Shape (strata,), not negative; sums to 1.

    Raises:
        UsageError: A coefficient without figures, a negative or infinite figure, or a figure with a positive
            coefficient whose total is 0.

    >>> target_shares({"roads": [30.0, 10.0], "area": [1.0, 3.0]}, {"roads": 0.5, "area": 0.5}).tolist()
    [0.5, 0.5]
    """
    shares: list[FloatArray] = []
    for name, coefficient in _normalised(coefficients).items():
        figure = np.nan_to_num(_figure(figures, name), nan=0.0)
        total = math.fsum(figure)
        if total > 0:
            shares.append(coefficient * (figure / total))
        elif coefficient > 0:
            raise UsageError(
                f"No country in scope has a figure for {name}, so it cannot weight the sample.",
                hint=f"Leave {name} out of --weights, or widen --countries.",
            )
        else:
            shares.append(np.zeros_like(figure))
    combined = np.asarray(sum(shares), dtype=np.float64)
    return combined / math.fsum(combined)


def lost_shares(
    figures: Mapping[str, npt.ArrayLike], coefficients: Mapping[str, float], imputed: Mapping[str, npt.ArrayLike]
) -> dict[str, FloatArray]:
    """Return the share that strata lost by a missing figure: what the figure would have added to their targets.

    For a missing figure of stratum i, l * y_i / (known total + sum of y over all strata that miss it), where y is the
    imputed figure: exactly the term of eq. 11 after filling in every gap of that figure.

    Args:
        figures: As in `target_shares`; NaN is missing.
        coefficients: As in `target_shares`.
        imputed: Name to figures to fill in (say, at the median density), each of shape (strata,). Only the values at
            gaps are read; NaN there means that nothing can be said, and counts as 0.

    Returns:
        Name to shares of shape (strata,); 0 where the figure is known.

    Raises:
        UsageError: A coefficient without figures or imputed figures; a negative or infinite figure.

    >>> lost_shares({"roads": [30.0, float("nan")]}, {"roads": 1.0}, {"roads": [25.0, 10.0]})["roads"].tolist()
    [0.0, 0.25]
    """
    lost = {}
    for name, coefficient in _normalised(coefficients).items():
        figure = _figure(figures, name)
        missing = np.isnan(figure)
        filled = np.where(missing, np.nan_to_num(_figure(imputed, name), nan=0.0), 0.0)
        total = math.fsum(figure[~missing]) + math.fsum(filled)
        lost[name] = coefficient * filled / total if total > 0 else np.zeros_like(filled)
    return lost


def _figure(figures: Mapping[str, npt.ArrayLike], name: str) -> FloatArray:
    if name not in figures:
        raise unknown_name("figure", name, figures)
    figure = np.asarray(figures[name], dtype=np.float64)
    wrong = np.isinf(figure) | (figure < 0)
    if wrong.any():
        raise UsageError(f"The figure {name} of stratum {int(np.argmax(wrong))} is {figure[wrong][0]:g}.")
    return figure


def water_fill(
    target: npt.ArrayLike, size: int, upper: npt.ArrayLike, lower: npt.ArrayLike | None = None
) -> FloatArray:
    """Return the real-valued quotas q = clip(lambda * target, lower, upper) that sum to `size`.

    What strata at their upper bound cannot take goes to the others in proportion to their targets; among all quotas
    within the bounds, none is nearer to `target * size` in total variation. lambda comes in closed form from the
    segment between two sorted breakpoints (bound / target) in which it lies; O(strata * log(strata)).

    Args:
        target: Shares, shape (strata,), not negative (any scale).
        size: Sum asked for.
        upper: Largest quota per stratum (supply, cap), integers of shape (strata,).
        lower: Smallest quota per stratum; 0 if not given. A stratum whose target is 0 gets exactly this.

    Returns:
        Shape (strata,); sums to `size` up to rounding. Quotas at a bound equal it exactly.

    Raises:
        InfeasibleDesign: No quotas within the bounds sum to `size`.
        UsageError: A negative target, bound or size.

    >>> water_fill([0.5, 0.3, 0.2], 10, [3, 10, 10]).round(6).tolist()
    [3.0, 4.2, 2.8]
    """
    share, most, least = _checked_bounds(target, size, upper, lower)
    reachable = share > 0
    quota = least.copy()
    if not reachable.any():
        return quota
    t, high, low = share[reachable], most[reachable], least[reachable]
    with np.errstate(over="ignore"):
        leaves_low, meets_high = low / t, high / t
    breakpoints = np.unique(np.concatenate([leaves_low, meets_high]))
    left = float(size - int(least[~reachable].sum()))

    def filled_up_to(level: float) -> float:
        return math.fsum(np.clip(level * t, low, high))

    segment = bisect_right(breakpoints, left, key=filled_up_to)
    begin = breakpoints[segment - 1] if segment > 0 else -math.inf
    end = breakpoints[segment] if segment < len(breakpoints) else math.inf
    free = (leaves_low <= begin) & (meets_high >= end)
    filled = np.where(meets_high <= begin, high, low)
    if free.any():
        level = (left - int(filled[~free].sum())) / math.fsum(t[free])
        filled[free] = np.clip(level * t[free], low[free], high[free])
    quota[reachable] = filled
    return quota


def _checked_bounds(
    target: npt.ArrayLike, size: int, upper: npt.ArrayLike, lower: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    share = np.asarray(target, dtype=np.float64)
    most = np.asarray(upper, dtype=np.float64)
    least = np.zeros_like(most) if lower is None else np.asarray(lower, dtype=np.float64)
    if share.ndim != 1 or not share.shape == most.shape == least.shape:
        raise UsageError(
            f"Target {share.shape}, upper {most.shape} and lower {least.shape} must be vectors of one length."
        )
    if not (np.isfinite(share) & (share >= 0)).all():
        raise UsageError("A target share is negative or not finite.")
    if size < 0 or (most < 0).any() or (least < 0).any() or (most % 1).any() or (least % 1).any():
        raise UsageError("Sizes and bounds must be whole numbers from 0 upwards.", hint=f"Size asked for: {size}.")
    if (least > most).any():
        at = int(np.argmax(least > most))
        raise InfeasibleDesign(
            f"Stratum {at} must give at least {int(least[at]):,} rows but can give only {int(most[at]):,}.",
            hint="Lower --min-per-country, raise --max-share, or add a pool.",
        )
    needed = int(least.sum())
    if needed > size:
        raise InfeasibleDesign(
            f"The least numbers per country add up to {needed:,} rows; {size:,} are asked for.",
            hint="Lower --min-per-country, leave out countries (--exclude), or ask for more rows (--sizes).",
        )
    possible = int(np.where(share > 0, most, least).sum())
    if possible < size:
        raise InfeasibleDesign(
            f"{size:,} rows are asked for, but supply and limits per country allow only {possible:,} "
            f"from {int(((share > 0) & (most > 0)).sum()):,} countries.",
            hint="Lower --sizes, raise --max-share, widen --countries or --exclude, or add a pool.",
        )
    return share, most, least


def allocate(target: npt.ArrayLike, size: int, upper: npt.ArrayLike, lower: npt.ArrayLike | None = None) -> IntArray:
    """Allocate `size` rows to strata: `water_fill`, rounded by largest remainder.

    Args:
        target: As in `water_fill`.
        size: Rows in all.
        upper: As in `water_fill`.
        lower: As in `water_fill`.

    Returns:
        int64, shape (strata,): sums to `size`, lower <= m <= upper, and m differs by less than 1 from its quota. Its
        total variation to the target exceeds the best possible one by at most strata / (2 * size).

    Raises:
        InfeasibleDesign: No allocation within the bounds sums to `size`.
        UsageError: A negative target, bound or size.

    >>> allocate([0.5, 0.3, 0.2], 10, [3, 10, 10]).tolist()
    [3, 4, 3]
    """
    return largest_remainder(water_fill(target, size, upper, lower), size)


def largest_remainder(quotas: npt.ArrayLike, size: int) -> IntArray:
    """Round quotas to integers that sum to `size` (Hamilton's method); equal remainders go to the earlier entry.

    Args:
        quotas: Not negative; they sum to `size` up to floating-point rounding.
        size: The sum of the result.

    Returns:
        int64 of the shape of `quotas`; each entry is its quota rounded down or up.

    Raises:
        UsageError: The quotas do not sum to `size`, or one is negative.

    >>> largest_remainder([1.5, 0.25, 1.25], 3).tolist()
    [2, 0, 1]
    """
    exact = np.asarray(quotas, dtype=np.float64)
    if not abs(math.fsum(exact) - size) <= _SUM_TOLERANCE * max(1, size) or (exact < 0).any():
        raise UsageError(f"Quotas that sum to {math.fsum(exact):g} cannot be rounded to {size} rows.")
    rounded = np.floor(exact).astype(np.int64)
    remainder = exact - rounded
    missing = size - int(rounded.sum())
    # A whole quota is never rounded up, also where a remainder next to it rounds to the same 0.
    order = np.lexsort((remainder == 0, -np.round(remainder, _REMAINDER_DECIMALS)))
    rounded[order[:missing]] += 1
    return rounded


def scale_sizes(sizes: Mapping[str, int], supply: int) -> dict[str, int]:
    """Scale sizes down in proportion so that they sum to `supply`; sizes that fit are returned as they are.

    Integer arithmetic with largest remainders; equal remainders go to the earlier name.

    Raises:
        UsageError: A negative size or supply.

    >>> scale_sizes({"val": 3000, "loc": 20000, "cot": 10000}, 500)
    {'val': 45, 'loc': 303, 'cot': 152}
    """
    if supply < 0 or any(size < 0 for size in sizes.values()):
        raise UsageError("Sizes and supply must not be negative.")
    if sum(sizes.values()) <= supply:
        return dict(sizes)
    return dict(zip(sizes, _apportion(supply, list(sizes.values())), strict=True))


def _apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` in proportion to whole-number weights, exactly, by largest remainder."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: -(total * weights[i] % whole))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def split_caps(supply: npt.ArrayLike, sizes: Sequence[int]) -> list[IntArray]:
    """Divide each stratum's supply among splits in proportion to their sizes, so that an early split starves no other.

    Controlled rounding of the table supply_i * size_s / sum(sizes), which exists for every two-way table (L. H. Cox,
    "A constructive procedure for unbiased controlled rounding", Journal of the American Statistical Association 82,
    1987, pp. 520-524): every entry is rounded down or up, every stratum's entries sum to its supply, and every
    split's sum is its exact share rounded down or up. So if the supply suffices for all sizes, no split's caps sum
    to less than its size. Strata are first rounded by largest remainder; then single units move between splits,
    where this costs the least, until the sums of the splits are right.

    Args:
        supply: Candidates per stratum, integers of shape (strata,).
        sizes: Size of each split still to be drawn.

    Returns:
        One int64 array of shape (strata,) per split; they sum to `supply` (all are 0 if all sizes are 0).

    Raises:
        UsageError: A negative supply or size.

    >>> [caps.tolist() for caps in split_caps([1, 1, 1, 1, 12], [1, 3])]
    [[1, 0, 0, 0, 3], [0, 1, 1, 1, 9]]
    """
    stock = [int(units) for units in np.asarray(supply).tolist()]
    if any(units < 0 for units in stock) or any(size < 0 for size in sizes):
        raise UsageError("Sizes and supply must not be negative.")
    whole = sum(sizes)
    if whole == 0:
        return [np.zeros(len(stock), dtype=np.int64) for _ in sizes]
    shape = (len(stock), len(sizes))
    caps = np.array([_apportion(units, sizes) for units in stock], dtype=np.int64).reshape(shape)
    floor = np.array([[units * size // whole for size in sizes] for units in stock], dtype=np.int64).reshape(shape)
    remainder = np.array([[units * size % whole / whole for size in sizes] for units in stock]).reshape(shape)
    fewest = np.array([sum(stock) * size // whole for size in sizes])
    most = np.array([-(-sum(stock) * size // whole) for size in sizes])
    while True:
        sums = caps.sum(axis=0)
        if (sums < fewest).any():
            givers, takers = sums > fewest, sums < fewest
        elif (sums > most).any():
            givers, takers = sums > most, sums < most
        else:
            return [caps[:, split].copy() for split in range(len(sizes))]
        _move_unit(caps, caps > floor, remainder, givers, takers)


def _move_unit(
    caps: IntArray,
    rounded_up: npt.NDArray[np.bool_],
    remainder: FloatArray,
    givers: npt.NDArray[np.bool_],
    takers: npt.NDArray[np.bool_],
) -> None:
    """Move one unit from a giving to a taking split, along the shortest chain of exchanges inside strata (in place)."""
    could_go_up = ~rounded_up & (remainder > 0)
    came_from: dict[int, tuple[int, int] | None] = {int(split): None for split in np.flatnonzero(givers)}
    queue = list(came_from)
    for giver in queue:
        for taker in range(caps.shape[1]):
            exchangeable = np.flatnonzero(rounded_up[:, giver] & could_go_up[:, taker])
            if taker in came_from or not len(exchangeable):
                continue
            cost = remainder[exchangeable, giver] - remainder[exchangeable, taker]
            came_from[taker] = (giver, int(exchangeable[np.argmin(cost)]))
            queue.append(taker)
            if takers[taker]:
                _follow(caps, came_from, taker)
                return
    # Cannot happen: the unrounded table itself proves that such a chain exists.
    raise AssertionError("no controlled rounding was found")


def _follow(caps: IntArray, came_from: Mapping[int, tuple[int, int] | None], end: int) -> None:
    step = came_from[end]
    while step is not None:
        giver, stratum = step
        caps[stratum, giver] -= 1
        caps[stratum, end] += 1
        end, step = giver, came_from[giver]
