"""Several rewards as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from geoseek.schemas import UsageError, unknown_name


def weighted_sum(parts: Mapping[str, Sequence[float | None]], weights: Mapping[str, float]) -> list[float]:
    """Add up rewards, each times its weight: `R = 1.5 R_spa + 1.0 R_sem + 0.5 R_con` (arXiv 2602.12617, section 5.1).

    ms-swift does the same during training.

    Args:
        parts: Name -> values of the completions; None is left out of the sum, as 0 is.
        weights: Name -> factor; those that are not given count once.

    Returns:
        One sum per completion.

    Raises:
        UsageError: A weight is given for a reward that is not there, or the rewards differ in length.

    1.5 * 0.5 + 0.4 + 0.5 * 0.1 = 1.2, and without the third 1.15:

    >>> parts = {"geo_spatial": [0.5, 0.5], "geo_semantic": [0.4, 0.4], "geo_consistency": [0.1, None]}
    >>> weights = {"geo_spatial": 1.5, "geo_semantic": 1.0, "geo_consistency": 0.5}
    >>> [round(total, 6) for total in weighted_sum(parts, weights)]
    [1.2, 1.15]
    """
    for name in weights:
        if name not in parts:
            raise unknown_name("reward", name, parts)
    if len({len(values) for values in parts.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values):,}" for name, values in parts.items())
        raise UsageError(f"The rewards are not of the same completions: {lengths}.", hint="Give all the same batch.")
    return [
        sum((weights.get(name, 1.0) * value for name, value in zip(parts, row, strict=True) if value is not None), 0.0)
        for row in zip(*parts.values(), strict=True)
    ]
