"""Quality of chains of thought: how many of their steps a reference chain supports, and the reverse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geoseek.geo import Gazetteer
from geoseek.schemas import ChainOfThought, StageName, render_answer
from geoseek.training.evaluate.intervals import BoolArray, FloatArray, bootstrap, random_of, resamples_for
from geoseek.training.evaluate.metrics import mean_estimate
from geoseek.training.evaluate.result import ChainFigures, EvaluateSettings, StageAgreement
from geoseek.training.names import TrueNames, name_hits

if TYPE_CHECKING:
    from geoseek.endpoints import Embedder

ALL_STAGES = "all"

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=[^a-z\d\s])|(?<=[。！？।])\s*|\n+")
_LETTER = re.compile(r"\w")


class StepKind(StrEnum):
    """What a step is taken from."""

    CLUE = "clue"
    REASONING = "reasoning"
    CONCLUSION = "conclusion"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a chain.

    Attributes:
        stage: The stage it belongs to.
        kind: A clue, a sentence of the reasoning, or the conclusion.
        text: Its words.
    """

    stage: StageName
    kind: StepKind
    text: str


ChainPair = tuple[ChainOfThought, ChainOfThought]
"""The model's chain and the reference."""


@dataclass(frozen=True, slots=True)
class StepMatch:
    """Which steps of two chains find support in the other one.

    Attributes:
        supported: One per step of the model's chain: whether the reference supports it.
        covered: One per step of the reference: whether the model's chain has it.
    """

    supported: Sequence[bool]
    covered: Sequence[bool]


class StepMatcher(Protocol):
    """Decides which steps say the same."""

    @property
    def name(self) -> str:
        """What decides, for reports."""

    @property
    def is_fallback(self) -> bool:
        """Whether it stands in for what was meant."""

    @property
    def threshold(self) -> float | None:
        """Likeness from which two steps say the same; None if there is no such number."""

    def match(self, pairs: Sequence[ChainPair]) -> list[StepMatch | None]:
        """Return a match per pair; None where there is no verdict."""


def chain_steps(chain: ChainOfThought, stages: Iterable[StageName] = tuple(StageName)) -> list[Step]:
    """Return the steps of a chain: every clue, every sentence of the reasoning, and the conclusion of each stage.

    Args:
        chain: The chain.
        stages: Only these stages.
    """
    wanted = set(stages)
    steps: list[Step] = []
    for name, stage in chain.stages().items():
        if name not in wanted:
            continue
        steps.extend(Step(name, StepKind.CLUE, clue.strip()) for clue in stage.clues if _LETTER.search(clue))
        steps.extend(Step(name, StepKind.REASONING, sentence) for sentence in split_sentences(stage.reasoning))
        if _LETTER.search(stage.conclusion):
            steps.append(Step(name, StepKind.CONCLUSION, stage.conclusion.strip()))
    return steps


def split_sentences(text: str) -> list[str]:
    """Split a text after full stops, question and exclamation marks of many scripts, and at line ends.

    >>> split_sentences("Cars keep left. The poles are wooden, approx. 8 m! 车在左边。路很窄。")
    ['Cars keep left.', 'The poles are wooden, approx. 8 m!', '车在左边。', '路很窄。']
    """
    return [piece.strip() for piece in _SENTENCE_END.split(text) if _LETTER.search(piece)]


def compared_steps(pair: ChainPair) -> tuple[list[Step], list[Step]]:
    """Return the steps of both chains, the model's only in stages that the reference has: they are optional there."""
    model, reference = pair
    return chain_steps(model, reference.stages()), chain_steps(reference)


class EmbeddingMatcher:
    """Matches steps by meaning: clues and reasoning by the likeness of sentences, conclusions by the names in them.

    A clue or a sentence is supported if any clue or sentence of the same stage of the other chain is at least as like
    it as the threshold. A conclusion is supported if it names the same country, region or place
    (`geoseek.training.names`).

    Args:
        embedder: Turns sentences into vectors.
        gazetteer: Compares names.
        threshold: Cosine from which two steps say the same.
    """

    def __init__(self, embedder: Embedder, gazetteer: Gazetteer, threshold: float) -> None:
        self._embedder = embedder
        self._gazetteer = gazetteer
        self.threshold: float | None = threshold
        self._least = threshold

    @property
    def name(self) -> str:
        """The model."""
        return self._embedder.name

    @property
    def is_fallback(self) -> bool:
        """Whether the model stands in for the one that was meant."""
        return self._embedder.is_fallback

    def match(self, pairs: Sequence[ChainPair]) -> list[StepMatch | None]:
        """Return the match of each pair; each distinct sentence is turned into a vector once."""
        steps = [compared_steps(pair) for pair in pairs]
        texts = sorted({step.text for both in steps for side in both for step in side})
        vectors = self._embedder.encode(texts or [""])
        number = {text: at for at, text in enumerate(texts)}

        def alike(model: Sequence[Step], reference: Sequence[Step]) -> BoolArray:
            rows, columns = ([number[step.text] for step in side] for side in (model, reference))
            found: BoolArray = vectors[rows] @ vectors[columns].T >= self._least
            return found

        return [
            match_steps(model, reference, alike(model, reference), same_conclusions(pair, self._gazetteer))
            for pair, (model, reference) in zip(pairs, steps, strict=True)
        ]


def match_steps(
    model: Sequence[Step],
    reference: Sequence[Step],
    alike: BoolArray,
    agreed: frozenset[StageName],
) -> StepMatch:
    """Return which steps are supported.

    Args:
        model: Steps of the model.
        reference: Steps of the reference.
        alike: Whether two steps say the same, shape (model, reference); counts within a stage, conclusions aside.
        agreed: Stages whose conclusions name the same.
    """
    comparable = np.array(
        [[a.stage is b.stage and StepKind.CONCLUSION not in (a.kind, b.kind) for b in reference] for a in model],
        dtype=np.bool_,
    ).reshape(len(model), len(reference))
    says_same = alike & comparable

    def verdicts(steps: Sequence[Step], axis: int) -> list[bool]:
        found: list[bool] = np.any(says_same, axis=axis).tolist()
        return [
            step.stage in agreed if step.kind is StepKind.CONCLUSION else hit
            for step, hit in zip(steps, found, strict=True)
        ]

    return StepMatch(verdicts(model, 1), verdicts(reference, 0))


def same_conclusions(pair: ChainPair, gazetteer: Gazetteer) -> frozenset[StageName]:
    """Return the stages whose conclusions name the same country, region or place."""
    model, reference = ({name: stage.conclusion for name, stage in chain.stages().items()} for chain in pair)
    said = render_answer([model.get(name, "") for name in StageName])
    meant = TrueNames(*(reference.get(name, "") for name in StageName))
    hits = name_hits(said, meant, gazetteer)
    right = {StageName.COUNTRY: hits.country, StageName.REGION: hits.region, StageName.PRECISE: hits.place}
    return frozenset(name for name in model.keys() & reference.keys() if right[name])


def step_scores(supported: Sequence[bool], covered: Sequence[bool]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of one chain, in the way of GeoRC (arXiv 2601.21278).

    Precision is the share of the model's steps that the reference supports, recall the share of the reference's steps
    that the model has, F1 their harmonic mean. Without any step a share is 0.

    By hand: 1 of 2 and 3 of 4 give 2 * (1/2 * 3/4) / (1/2 + 3/4) = 3/5.

    >>> step_scores([True, False], [True, True, True, False])
    (0.5, 0.75, 0.6)
    >>> step_scores([], [False])
    (0.0, 0.0, 0.0)
    """
    precision, recall = (sum(side) / len(side) if side else 0.0 for side in (supported, covered))
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def compare_chains(
    references: Mapping[int, ChainOfThought],
    predicted: Mapping[int, ChainOfThought],
    matcher: StepMatcher,
    settings: EvaluateSettings,
) -> ChainFigures | None:
    """Return how far predicted chains agree with the reference chains; None without a reference.

    A row without a predicted chain has 0 for everything, unless the denominator is `answered`.

    Args:
        references: Row -> reference chain.
        predicted: Row -> predicted chain.
        matcher: Decides which steps say the same.
        settings: Denominator, resamples, seed, confidence.
    """
    if not references:
        return None
    rows = sorted(references.keys() & predicted.keys())
    pairs = [(predicted[row], references[row]) for row in rows]
    matches = matcher.match(pairs)
    scores: list[dict[str, tuple[float, float, float]]] = [
        _row_scores(pair, match) for pair, match in zip(pairs, matches, strict=True) if match is not None
    ]
    if settings.denominator == "all":
        scores += [
            dict.fromkeys((ALL_STAGES, *references[row].stages()), (0.0, 0.0, 0.0))
            for row in sorted(references.keys() - predicted.keys())
        ]
    return ChainFigures(
        rows=len(references),
        with_chain=len(rows),
        judged=sum(match is not None for match in matches),
        matched_by=matcher.name,
        is_fallback=matcher.is_fallback,
        threshold=matcher.threshold,
        stages={name: _agreement(scores, name, settings) for name in (ALL_STAGES, *StageName)},
    )


def _row_scores(pair: ChainPair, match: StepMatch) -> dict[str, tuple[float, float, float]]:
    """Return the scores of one row, over all stages and of each stage that the reference has."""
    model, reference = compared_steps(pair)
    found = {ALL_STAGES: step_scores(match.supported, match.covered)}
    for name in pair[1].stages():
        supported = [hit for step, hit in zip(model, match.supported, strict=True) if step.stage is name]
        covered = [hit for step, hit in zip(reference, match.covered, strict=True) if step.stage is name]
        found[name] = step_scores(supported, covered)
    return found


def _agreement(
    scores: Sequence[Mapping[str, tuple[float, float, float]]], stage: str, settings: EvaluateSettings
) -> StageAgreement:
    values = np.array([row[stage] for row in scores if stage in row], dtype=np.float64).reshape(-1, 3)
    resamples = resamples_for(len(values), settings.resamples)
    draws: FloatArray = np.empty((0, 3))
    if len(values):
        random = random_of(settings.seed, "chains", stage)
        counts = np.ones(values.shape, dtype=np.bool_)
        draws = bootstrap(values, counts, (), resamples=resamples, random=random).ratios
    precision, recall, f1 = (
        mean_estimate(values[:, at], draws[:, at], settings, resamples, is_share=False) for at in range(3)
    )
    return StageAgreement(precision=precision, recall=recall, f1=f1)
