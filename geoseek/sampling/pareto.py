"""Pareto order sampling inside one stratum: a fixed size, probabilities proportional to size, keyed by random numbers.

Every unit has a permanent random number u, uniform on (0, 1), and a target inclusion probability pi proportional to
its size measure. The n units with the smallest ranking u (1 - pi) / (pi (1 - u)) are the sample. The design is Rosén's
(B. Rosén, "Asymptotic theory for order sampling" and "On sampling with probability proportional to size", Journal of
Statistical Planning and Inference 62, 1997, pp. 135-158 and 159-191); among the order sampling designs with given
targets its estimators have the smallest asymptotic variance. What it realises differs from the targets by an error
that vanishes as sum(pi (1 - pi)) grows; `exact_inclusion` gives the probabilities realised.

Units of one cell share size and target, so cells, not units, are the rows of most arrays here.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from geoseek.schemas import UsageError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SMALL_STRATUM = 200
"""Units up to which the exact inclusion probabilities are worth their cost, about 10 ms at most.

In strata of this size the largest relative difference between target and exact value was 1 % (median 0.03 %) over
random designs with sizes log(1 + P_c) / n_c; it was 28 % (median 1.2 %) in strata of 10 units.
"""

# With 97 nodes up to sinh(x) = 40 the probabilities are exact to 1e-13 (absolute; 1e-9 relative) for up to 200 units
# whose sizes span six orders of magnitude. The law of the count narrows with the square root of the number of units,
# so more units need more nodes.
_QUADRATURE_NODES = 97
_QUADRATURE_REACH = math.asinh(40.0)


def target_inclusion(size: npt.ArrayLike, count: npt.ArrayLike, n: int) -> FloatArray:
    """Return the target inclusion probability of a unit, per cell: pi = min(1, lambda * size), summing to n.

    A unit whose share of n would exceed 1 is taken for certain, and the shares of the others are computed anew from
    what is left, until none exceeds 1 (take-all iteration). Sums are exactly rounded, so the order of the cells does
    not matter.

    Args:
        size: Size measure of one unit, shape (cells,), positive. For eq. 12 of arXiv 2602.12617: log(1 + P_c) / n_c.
        count: Units per cell, shape (cells,), at least 1.
        n: Sample size, 0 <= n <= sum(count).

    Returns:
        Shape (cells,), inside [0, 1]; `sum(count * pi)` is n to rounding.

    Raises:
        UsageError: A size is not positive and finite, a count is below 1, or n is out of range.

    >>> target_inclusion([1.0, 1.0, 4.0], [2, 1, 1], 2).round(4).tolist()
    [0.3333, 0.3333, 1.0]
    """
    sizes = np.asarray(size, dtype=np.float64)
    counts = np.asarray(count, dtype=np.int64)
    if sizes.ndim != 1 or sizes.shape != counts.shape:
        raise UsageError(f"Sizes {sizes.shape} and counts {counts.shape} must be vectors of one length.")
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise UsageError("A size measure is not positive and finite.", hint="Leave out cells that cannot be drawn.")
    if (counts < 1).any():
        raise UsageError("A cell has no unit.", hint="Leave out cells without candidates.")
    _check_sample_size(n, int(counts.sum()))

    pi = np.ones(sizes.shape)
    uncertain = np.arange(len(sizes))
    left = n
    while len(uncertain) and left < counts[uncertain].sum():
        pi[uncertain] = left * sizes[uncertain] / math.fsum(sizes[uncertain] * counts[uncertain])
        certain = pi[uncertain] >= 1
        if not certain.any():
            break
        pi[uncertain[certain]] = 1.0
        left -= int(counts[uncertain[certain]].sum())
        uncertain = uncertain[~certain]
    return pi


def pareto_ranking(u: npt.ArrayLike, pi: npt.ArrayLike) -> FloatArray:
    """Return the ranking variable of Pareto order sampling: the smaller, the earlier a unit is drawn.

    Q = u (1 - pi) / (pi (1 - u)) (Rosén 1997). Take-all units (pi = 1), all of which would get 0, get u - 1 instead:
    they come before all others, in the order of u. Units with pi = 0 get infinity. At one pi, Q never falls as u
    rises.

    Args:
        u: Permanent random numbers, strictly inside (0, 1).
        pi: Target inclusion probabilities inside [0, 1], of a shape that broadcasts with `u`.

    Returns:
        The rankings; equal ones (a matter of rounding) are to be ordered by u, then by id.

    >>> pareto_ranking([0.5, 0.5, 0.25], [0.5, 0.8, 1.0]).round(6).tolist()
    [1.0, 0.25, -0.75]
    """
    numbers = np.asarray(u, dtype=np.float64)
    targets = np.asarray(pi, dtype=np.float64)
    with np.errstate(divide="ignore", over="ignore"):
        ranking = (numbers / (1 - numbers)) * ((1 - targets) / targets)
    return np.where(targets >= 1, numbers - 1, ranking)


def ranking_threshold_u(q: npt.ArrayLike, pi: npt.ArrayLike) -> FloatArray:
    """Return the u below which a unit with target pi has a ranking below q: the inverse of `pareto_ranking`.

    For filtering a stream before the rankings are computed. The result is rounded up by a few units in the last
    place: no unit whose computed ranking is below q is lost, and a filter lets practically nothing else pass.

    Args:
        q: Rankings, at least -1 (infinity is allowed: everything passes).
        pi: Target inclusion probabilities inside [0, 1], of a shape that broadcasts with `q`.

    Returns:
        Inside [0, 1].

    >>> ranking_threshold_u(0.25, [0.5, 0.8, 1.0]).round(6).tolist()
    [0.2, 0.5, 1.0]
    """
    rankings, targets = np.broadcast_arrays(np.asarray(q, dtype=np.float64), np.asarray(pi, dtype=np.float64))
    everything = np.isposinf(rankings)
    odds = np.where(everything, 0.0, np.maximum(rankings, 0.0))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        below = 1 / (1 + (1 - targets) / targets / odds)
    below = np.where(odds == 0, 0.0, below)
    below = np.where(targets >= 1, np.clip(rankings + 1, 0.0, 1.0), below)
    return np.where(everything, 1.0, np.minimum(below * (1 + 1e-14), 1.0))


def draw(pi: npt.ArrayLike, u: npt.ArrayLike, n: int) -> IntArray:
    """Draw n units by Pareto order sampling.

    Args:
        pi: Target inclusion probabilities of the units, shape (units,), inside [0, 1].
        u: Permanent random numbers, shape (units,), strictly inside (0, 1).
        n: Sample size, 0 <= n <= units. With the same `pi`, a larger n continues the ranks: a reserve.

    Returns:
        Indices of the units drawn, in the order of their ranks; ties by u, then by position.

    Raises:
        UsageError: A value is outside its range, or n is.

    >>> draw([0.2, 0.9, 0.9], [0.5, 0.5, 0.3], 2).tolist()
    [2, 1]
    """
    targets = np.asarray(pi, dtype=np.float64)
    numbers = np.asarray(u, dtype=np.float64)
    if targets.ndim != 1 or targets.shape != numbers.shape:
        raise UsageError(
            f"Probabilities {targets.shape} and random numbers {numbers.shape} must be vectors of one length."
        )
    _check_probabilities(targets)
    if not ((numbers > 0) & (numbers < 1)).all():
        raise UsageError("A random number is not strictly between 0 and 1.")
    _check_sample_size(n, len(numbers))
    order: IntArray = np.lexsort((numbers, pareto_ranking(numbers, targets)))[:n]
    return order


def exact_inclusion(pi: npt.ArrayLike, n: int) -> FloatArray:
    """Return the inclusion probabilities that Pareto order sampling of size n realises, per unit.

    Args:
        pi: Target inclusion probabilities of the units, shape (units,), inside [0, 1].
        n: Sample size, 0 <= n <= units.

    Returns:
        Shape (units,); sums to n. See `exact_inclusion_by_cell` for method, accuracy and cost.

    Raises:
        UsageError: A probability or n is out of range.

    >>> exact_inclusion([0.5, 0.5, 1.0], 2).round(9).tolist()
    [0.5, 0.5, 1.0]
    """
    cells, cell_of_unit, count = np.unique(np.asarray(pi, dtype=np.float64), return_inverse=True, return_counts=True)
    return exact_inclusion_by_cell(cells, count, n)[cell_of_unit]


def exact_inclusion_by_cell(pi: npt.ArrayLike, count: npt.ArrayLike, n: int) -> FloatArray:
    """Return the inclusion probabilities that Pareto order sampling of size n realises, per unit of each cell.

    Unit i is drawn if fewer than n others rank before it: with F_j the distribution function of ranking j,

        P(i drawn) = integral of P(fewer than n of the others rank below q) dF_i(q).

    The number of others below q is a sum of independent indicators (Poisson-binomial law). Its law over all units comes
    from the convolution recursion, and leaving one unit out of it from the inverse recursion, run in the direction in
    which rounding errors do not grow. With q = exp(sinh(x)), F_j is a logistic function of sinh(x) and the trapezoidal
    rule converges exponentially (double-exponential quadrature: H. Takahasi & M. Mori, Publications of the RIMS 9,
    1974, pp. 721-741); the error is below 1e-12. Another way is in N. Aires, "Algorithms to find exact inclusion
    probabilities for conditional Poisson sampling and Pareto pi-ps sampling designs", Methodology and Computing in
    Applied Probability 1, 1999, pp. 457-469.

    Take-all units (pi = 1) rank before all others and units with pi = 0 after them, as in `pareto_ranking`.
    Cost: O(units * (units + cells)) for each of about 100 nodes; 10 ms for 200 units in 200 cells.

    Args:
        pi: Target inclusion probability of a unit, shape (cells,), inside [0, 1].
        count: Units per cell, shape (cells,).
        n: Sample size, 0 <= n <= sum(count).

    Returns:
        Shape (cells,); `sum(count * result)` is n.

    Raises:
        UsageError: A probability or n is out of range.
    """
    targets = np.asarray(pi, dtype=np.float64)
    counts = np.asarray(count, dtype=np.int64)
    _check_probabilities(targets)
    _check_sample_size(n, int(counts.sum()))
    inclusion = np.zeros(targets.shape)
    for tier in (targets >= 1, (targets > 0) & (targets < 1), targets == 0):
        units = int(counts[tier].sum())
        taken = min(n, units)
        n -= taken
        if taken == 0:
            continue
        if taken == units or (targets[tier] == targets[tier][0]).all():
            inclusion[tier] = taken / units
        else:
            inclusion[tier] = _integrate(targets[tier], counts[tier], taken)
    return inclusion


def _integrate(pi: FloatArray, count: IntArray, n: int) -> FloatArray:
    nodes = math.ceil(_QUADRATURE_NODES * max(1.0, math.sqrt(int(count.sum()) / SMALL_STRATUM)))
    x, step = np.linspace(-_QUADRATURE_REACH, _QUADRATURE_REACH, nodes, retstep=True)
    log_odds = np.sinh(x)[:, None] + (np.log(pi) - np.log1p(-pi))
    tail = np.exp(-np.abs(log_odds))
    below = np.where(log_odds > 0, 1.0, tail) / (1 + tail)
    density = tail / (1 + tail) ** 2
    fewer = _fewer_than_n_others(below, count, n)
    # Whether a unit with pi near 1 is left out is decided late, where its own density is no longer steep.
    rare = pi <= 0.5
    integral = (step * np.cosh(x)) @ (density * np.where(rare, fewer, 1 - fewer))
    return np.asarray(np.where(rare, integral, 1 - integral), dtype=np.float64)


def _fewer_than_n_others(below: FloatArray, count: IntArray, n: int) -> FloatArray:
    """Return P(fewer than n of the other units are below), shape (nodes, cells), for a unit of each cell.

    With p the unit's own probability, C the law of the count over all units and D the law without the unit,
    C(k) = (1 - p) D(k) + p D(k - 1) for distribution functions, and likewise for survival functions. Solving for D(k)
    multiplies errors by p / (1 - p), solving for D(k - 1) by (1 - p) / p: the first is used for p <= 1/2, on the
    distribution function from 0 upwards, the second for p > 1/2, on the survival function from the top downwards.
    """
    law = _law_of_count(below, count)
    at_most = np.cumsum(law, axis=0)[:, :, None]
    at_least = np.cumsum(law[::-1], axis=0)[::-1][:, :, None]

    rare = below <= 0.5
    p = np.where(rare, below, 0.0)
    scale, ratio = 1 / (1 - p), p / (1 - p)
    fewer = np.zeros_like(below)
    for k in range(n):
        fewer = at_most[k] * scale - ratio * fewer

    p = np.where(rare, 1.0, below)
    scale, ratio = 1 / p, (1 - p) / p
    enough = np.zeros_like(below)
    for k in range(len(law) - 1, n, -1):
        enough = at_least[k] * scale - ratio * enough
    return np.where(rare, fewer, 1 - enough)


def _law_of_count(below: FloatArray, count: IntArray) -> FloatArray:
    """Return P(exactly k units are below), shape (units + 1, nodes): the Poisson-binomial law by convolution."""
    law = np.zeros((int(count.sum()) + 1, len(below)))
    law[0] = 1.0
    added = 0
    for cell, units in enumerate(count.tolist()):
        p = below[:, cell]
        for _ in range(units):
            added += 1
            law[1 : added + 1] = law[1 : added + 1] * (1 - p) + law[:added] * p
            law[0] *= 1 - p
    return law


def _check_probabilities(pi: FloatArray) -> None:
    if not ((pi >= 0) & (pi <= 1)).all():
        raise UsageError("An inclusion probability is not between 0 and 1.")


def _check_sample_size(n: int, units: int) -> None:
    if not 0 <= n <= units:
        raise UsageError(f"Cannot draw {n} of {units} units.", hint=f"Allowed: 0 to {units}.")
