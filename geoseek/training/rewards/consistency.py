"""The consistency reward, pure part: what an agent is asked about a completion, and what its conclusions earn.

R_con of arXiv 2602.12617: the sum over the stages of w_i * p_i * [agent's conclusion == wanted conclusion]. The agent
sees the reasoning of a stage and the conclusions of the stages before it, never the stage's own conclusion (unless the
reasoning itself gives it away, which the paper allows). Wanted is the truth (the paper) or the model's own conclusion
(its released script).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from geoseek.geo import Gazetteer
from geoseek.schemas import ChainOfThought, StageName
from geoseek.training.rewards.base import LEVELS, Details, NameLevel, Truth
from geoseek.training.rewards.settings import GeoConsistencySettings

_LEVEL: dict[StageName, NameLevel] = dict(zip(StageName, LEVELS, strict=True))
_SEPARATORS = re.compile("[,;，；、]")
_LONGEST_NAME = 200
"""Characters of a conclusion that are compared and logged; no name of a place is longer."""


@dataclass(frozen=True, slots=True)
class StageQuestion:
    """What the agent gets to see of one stage.

    Attributes:
        stage: Which stage.
        reasoning: Its reasoning.
        earlier: Conclusions of the stages before it, with their stages.
    """

    stage: StageName
    reasoning: str
    earlier: tuple[tuple[StageName, str], ...]


@dataclass(frozen=True, slots=True)
class StageCheck:
    """One stage of a completion, ready to be judged.

    Attributes:
        question: What the agent is asked; None where no answer could earn anything.
        wanted: The conclusion that it should come to; empty if there is none.
        above: Names of the country and the region that the wanted conclusion lies in, as far as they are known.
        factor: Length factor p_i, in [0, 1].
        weight: Weight of the stage, w_i.
    """

    question: StageQuestion | None
    wanted: str
    above: tuple[str, ...]
    factor: float
    weight: float


def length_factor(characters: int, settings: GeoConsistencySettings) -> float:
    """Return p_i: how much of its reward a reasoning of that length can earn (arXiv 2602.12617).

    0 below `short_chars`, 1 above `long_chars`, between them 1 / (1 + exp(-steepness * (x - 0.5))) with
    x = (characters - short_chars) / (long_chars - short_chars).

    >>> [round(length_factor(n, GeoConsistencySettings()), 4) for n in (89, 90, 145, 200, 201)]
    [0.0, 0.018, 0.5, 0.982, 1.0]
    >>> round(length_factor(100, GeoConsistencySettings(short_chars=90, long_chars=130)), 4)  # 1 / (1 + exp(2))
    0.1192
    """
    if characters < settings.short_chars:
        return 0.0
    if characters > settings.long_chars:
        return 1.0
    x = (characters - settings.short_chars) / max(1, settings.long_chars - settings.short_chars)
    # The logistic function, written so that no steepness overflows.
    return 0.5 * (1.0 + math.tanh(settings.steepness * (x - 0.5) / 2))


def consistency_value(checks: Sequence[StageCheck], agrees: Sequence[bool]) -> float:
    """Return the sum of w_i * p_i over the stages whose conclusions agree.

    With the weights (0.1, 0.6, 0.3), the factors 1, 0.5 and 1, and agreement on country and region:
    0.1 * 1 + 0.6 * 0.5 = 0.4.

    >>> stages = [StageCheck(None, "", (), p, w) for p, w in ((1.0, 0.1), (0.5, 0.6), (1.0, 0.3))]
    >>> round(consistency_value(stages, [True, True, False]), 12)
    0.4
    """
    return sum(check.weight * check.factor for check, equal in zip(checks, agrees, strict=True) if equal)


def stage_questions(chain: ChainOfThought) -> dict[StageName, StageQuestion]:
    """Return what the agent may see of each stage: the reasoning, and what was concluded before.

    >>> from geoseek.schemas import Stage, Uncertainty
    >>> def stage(why: str, what: str) -> Stage:
    ...     return Stage(clues=(), reasoning=why, conclusion=what, uncertainty=Uncertainty.LOW)
    >>> chain = ChainOfThought(country=stage("Andes", "Peru"), region=stage("coast", "Lima"), final_answer="Peru; Lima")
    >>> asked = stage_questions(chain)
    >>> asked[StageName.COUNTRY].earlier, [text for _, text in asked[StageName.REGION].earlier]
    ((), ['Peru'])
    """
    earlier: tuple[tuple[StageName, str], ...] = ()
    questions = {}
    for name, stage in chain.stages().items():
        questions[name] = StageQuestion(name, stage.reasoning.strip(), earlier)
        if conclusion := _name(stage.conclusion):
            earlier = (*earlier, (name, conclusion))
    return questions


def stage_checks(chain: ChainOfThought, truth: Truth, settings: GeoConsistencySettings) -> dict[StageName, StageCheck]:
    """Return the stages of a completion with what is wanted of the agent, and what that would earn.

    A stage that can earn nothing (its reasoning is too short, nothing is wanted, its weight is 0) has no question.
    """
    wanted = _wanted(chain, truth, settings)
    questions = stage_questions(chain)
    checks = {}
    for place, (name, weight) in enumerate(zip(StageName, settings.stage_weights, strict=True)):
        if name not in questions:
            continue
        factor = length_factor(len(questions[name].reasoning), settings)
        asked = questions[name] if factor * weight and wanted[name] else None
        above = tuple(takewhile(bool, list(wanted.values())[:place]))
        checks[name] = StageCheck(asked, wanted[name], above, factor, weight)
    return checks


def _wanted(chain: ChainOfThought, truth: Truth, settings: GeoConsistencySettings) -> dict[StageName, str]:
    if settings.against == "truth":
        return dict(zip(StageName, map(_name, truth.parts), strict=True))
    stages = chain.stages()
    return {name: _name(stages[name].conclusion) if name in stages else "" for name in StageName}


def _name(text: str) -> str:
    return " ".join(text[: 4 * _LONGEST_NAME].split())[:_LONGEST_NAME]


def same_conclusion(said: str, check: StageCheck, stage: StageName, gazetteer: Gazetteer) -> bool:
    """Whether the agent's conclusion names the wanted country, region or place.

    Names are the same if they are equal up to case, accents and administrative words, if they are names of one unit in
    any script, or if the gazetteer finds the same unit for both as addresses ("Munich, Bavaria" and "München").
    """
    said = _name(said)
    if not said or not check.wanted:
        return False
    level = _LEVEL[stage]
    country, region = (*check.above, None, None)[:2]
    one, other = (_without_above(name, check.above, gazetteer) for name in (said, check.wanted))
    if gazetteer.same_place_name(one, other, level, country=country, region=region):
        return True
    unit = _unit(one, check.above, level, gazetteer)
    return unit is not None and unit == _unit(other, check.above, level, gazetteer)


def _without_above(name: str, above: tuple[str, ...], gazetteer: Gazetteer) -> str:
    """Return an address without the parts that name the country or region above, if anything is left."""
    parts = [part for part in map(str.strip, _SEPARATORS.split(name)) if part]
    if len(parts) < 2:
        return name
    country = above[0] if above else None
    known = list(zip(above, LEVELS, strict=False))
    kept = [
        part
        for part in parts
        if not any(
            gazetteer.same_place_name(part, upper, level, country=None if level == "country" else country)
            for upper, level in known
        )
    ]
    return ", ".join(kept) or name


def _unit(name: str, above: tuple[str, ...], level: NameLevel, gazetteer: Gazetteer) -> str | None:
    """Return the unit that an address of this level means, as text that is the same for the same unit."""
    found = gazetteer.locate("; ".join((*above, name)))
    if level == "country":
        return found.country_code or None
    # Where the name is not known, the lookup falls back to the region or country above it.
    if not found.matched or found.matched not in name:
        return None
    if found.geoname_id is not None:
        return f"#{found.geoname_id}"
    return f"{found.country_code}/{found.region}/{found.place}" if found.region else None


def judge(
    checks: Mapping[StageName, StageCheck], said: Mapping[StageName, str], gazetteer: Gazetteer
) -> tuple[float, Details]:
    """Return the reward of one completion and what it was made of.

    Args:
        checks: Its stages.
        said: Conclusions of the agent; a stage without one does not agree.
        gazetteer: Knows the names.
    """
    agrees = [same_conclusion(said.get(name, ""), check, name, gazetteer) for name, check in checks.items()]
    seen = {
        name.value: {
            "agent": _name(said[name]) if name in said else None,
            "wanted": check.wanted,
            "agrees": equal,
            "factor": round(check.factor, 6),
        }
        for (name, check), equal in zip(checks.items(), agrees, strict=True)
    }
    return consistency_value(list(checks.values()), agrees), {"stages": seen}
