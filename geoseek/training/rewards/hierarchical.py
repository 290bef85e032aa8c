"""The reward of GeoVista: the finest level whose name is right."""

from __future__ import annotations

from collections.abc import Sequence

from geoseek.training.names import NameHits, TrueNames, name_hits
from geoseek.training.rewards.base import SHARED, Details, Resources, RewardBatch, Truth, read_completion, shown
from geoseek.training.rewards.settings import HierarchicalSettings

_DEFAULT = HierarchicalSettings()


def hierarchical(
    completions: Sequence[str],
    truth: Sequence[Truth],
    settings: HierarchicalSettings = _DEFAULT,
    resources: Resources = SHARED,
) -> RewardBatch:
    """Reward the finest level whose name is right (arXiv 2511.15705).

    Names are compared by rule, in any script; `geoseek.training.names` says how. A name that the truth does not have
    is never hit.

    Args:
        completions: Texts of the model.
        truth: One row per completion: its solution, or the columns country, region and place.
        settings: Factor from level to level.
        resources: The gazetteer.

    Returns:
        `level_reward`; the details have answer and level (`place`, `region`, `country` or `none`).
    """
    known: dict[tuple[str, Truth], NameHits] = {}

    def row(completion: str, true: Truth) -> tuple[float, Details]:
        answer = read_completion(completion).answer or ""
        hits = known.get((answer, true))
        if hits is None:
            names = TrueNames(*true.parts, country_code=true.country_code)
            hits = known[answer, true] = name_hits(answer, names, resources.gazetteer)
        return level_reward(hits, settings.beta), {"answer": shown(answer), "level": hits.level}

    return RewardBatch.of(row(text, true) for text, true in zip(completions, truth, strict=True))


def level_reward(hits: NameHits, beta: float = 2.0) -> float:
    """Return `beta^2` for the place, `beta` for the region, 1 for the country, else 0 (arXiv 2511.15705, beta = 2).

    >>> [level_reward(NameHits(True, True, True)), level_reward(NameHits(True, True)), level_reward(NameHits(True))]
    [4.0, 2.0, 1.0]
    >>> level_reward(NameHits()), level_reward(NameHits(True, True, True), beta=3)
    (0.0, 9.0)
    """
    return float({"place": beta**2, "region": beta, "country": 1.0, "none": 0.0}[hits.level])
