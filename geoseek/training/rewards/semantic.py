"""How like the names of an answer are to the true ones, by meaning."""

from __future__ import annotations

import math
from collections.abc import Sequence

from geoseek.schemas import split_answer
from geoseek.training.rewards.base import (
    LEVELS,
    SHARED,
    Details,
    Resources,
    RewardBatch,
    Truth,
    read_completion,
    shown,
)
from geoseek.training.rewards.settings import GeoSemanticSettings

_DEFAULT = GeoSemanticSettings()
_Names = tuple[str, str, str]


def geo_semantic(
    completions: Sequence[str],
    truth: Sequence[Truth],
    settings: GeoSemanticSettings = _DEFAULT,
    resources: Resources = SHARED,
) -> RewardBatch:
    """Reward names like the true ones, by the cosine of sentence embeddings (R_sem of arXiv 2602.12617, section 5.1).

    The sentence model sees each distinct name once; its vectors are kept on disk.

    Args:
        completions: Texts of the model.
        truth: One row per completion: its solution, or the columns country, region and place.
        settings: Weights, gates, model and device.
        resources: The sentence model.

    Returns:
        `gated_similarity`; a name that is missing on either side has likeness 0. The details have the answer and the
        three likenesses before the gates.

    Raises:
        MissingExtraError: The packages for sentence models are not installed.
        InputError: The model that the settings name cannot be had.
    """
    said = [answer_names(read_completion(text).answer or "") for text in completions]
    true = [row.parts for row in truth]
    likeness = _likenesses(said, true, settings, resources)
    return RewardBatch.of(
        _row(names, [likeness.get(pair, 0.0) for pair in zip(names, known, strict=True)], settings)
        for names, known in zip(said, true, strict=True)
    )


def gated_similarity(
    similarities: Sequence[float],
    weights: Sequence[float] = (0.1, 0.6, 0.3),
    country_gate: float = 0.7,
    region_gate: float = 0.5,
) -> float:
    """Return the weighted sum of the likenesses of country, region and place, as far as the gates let through.

    `0.1 s_country + 0.6 s_region + 0.3 s_place`; the region counts only if s_country >= 0.7, and the place only if the
    region counts and s_region >= 0.5 (arXiv 2602.12617, section 5.1, and the released script).

    0.1 * 0.9 + 0.6 * 0.8 + 0.3 * 0.5 = 0.72; with s_region = 0.4 the place is shut out: 0.09 + 0.24; and with
    s_country = 0.6 the region is too: 0.06.

    >>> [round(gated_similarity(s), 6) for s in ((0.9, 0.8, 0.5), (0.9, 0.4, 0.5), (0.6, 0.8, 0.5))]
    [0.72, 0.33, 0.06]
    """
    country, region, place = similarities
    total = weights[0] * country
    if country >= country_gate:
        total += weights[1] * region
        if region >= region_gate:
            total += weights[2] * place
    return total


def answer_names(answer: str) -> _Names:
    """Return country, region and place of an answer; what comes after the place belongs to it.

    >>> answer_names("China；Anhui; Hefei; Shushan"), answer_names("China")
    (('China', 'Anhui', 'Hefei; Shushan'), ('China', '', ''))
    """
    parts = split_answer(answer)
    country, region = (*parts, "", "")[:2]
    return country, region, "; ".join(parts[2:])


def _likenesses(
    said: Sequence[_Names], true: Sequence[_Names], settings: GeoSemanticSettings, resources: Resources
) -> dict[tuple[str, str], float]:
    """Return the likeness of each distinct pair of names in the same position."""
    rows = zip(said, true, strict=True)
    pairs = list(dict.fromkeys(pair for row in rows for pair in zip(*row, strict=True) if all(pair)))
    if not pairs:
        return {}
    model = resources.embedder(settings.model, settings.device)
    found = model.similarity(*([pair[side] for pair in pairs] for side in (0, 1))).tolist()
    return {pair: value if math.isfinite(value) else 0.0 for pair, value in zip(pairs, found, strict=True)}


def _row(names: _Names, similarities: list[float], settings: GeoSemanticSettings) -> tuple[float, Details]:
    value = gated_similarity(similarities, settings.stage_weights, settings.country_gate, settings.region_gate)
    seen = {level: round(likeness, 4) for level, likeness in zip(LEVELS, similarities, strict=True)}
    return value, {"answer": shown("; ".join(names).rstrip("; ")), "similarity": seen}
