"""Chains of thought: steps, which of them match, and what that makes of a set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from geoseek.endpoints import Embedder
from geoseek.schemas import ChainOfThought, StageName
from geoseek.training.evaluate import EmbeddingMatcher, EvaluateSettings, Tools
from geoseek.training.evaluate.chains import (
    ChainPair,
    StepKind,
    StepMatch,
    chain_steps,
    compare_chains,
    compared_steps,
    same_conclusions,
)
from tests.training.evaluate.tables import chain

SETTINGS = EvaluateSettings(resamples=200)


class FirstLetters:
    """A model that finds sentences alike if they begin with the same letter."""

    def encode(self, sentences: list[str], /, **_: object) -> npt.NDArray[np.float32]:
        return np.eye(256, dtype=np.float32)[[ord(text[0]) % 256 if text else 0 for text in sentences]]


class Scripted:
    """Gives verdicts that were made before."""

    name, is_fallback, threshold = "scripted", False, None

    def __init__(self, verdicts: Sequence[StepMatch | None]) -> None:
        self._verdicts = list(verdicts)

    def match(self, pairs: Sequence[ChainPair]) -> list[StepMatch | None]:
        return self._verdicts[: len(pairs)]


def matcher(tools: Tools) -> EmbeddingMatcher:
    return EmbeddingMatcher(Embedder(FirstLetters(), name="letters", revision="1"), tools.gazetteer, 0.6)


def test_steps_are_clues_sentences_and_conclusions() -> None:
    steps = chain_steps(chain("Chad", "Ouaddaï", clues=("sand", " ", "—"), reasoning="It is dry. Camels! \n Chad?"))
    assert [(step.stage.value, step.kind.value, step.text) for step in steps[:5]] == [
        ("country", "clue", "sand"),
        ("country", "reasoning", "It is dry."),
        ("country", "reasoning", "Camels!"),
        ("country", "reasoning", "Chad?"),
        ("country", "conclusion", "Chad"),
    ]
    assert {step.stage for step in steps} == {StageName.COUNTRY, StageName.REGION}


def test_stages_that_the_reference_leaves_out_are_not_held_against_the_model() -> None:
    model, reference = compared_steps((chain("Chad", "Ouaddaï", "Abéché"), chain("Chad")))
    assert {step.stage for step in model} == {StageName.COUNTRY}
    assert len(model) == len(reference) == 3


def test_steps_match_by_meaning_within_their_stage(tools: Tools) -> None:
    said = chain("Peru", clues=("dust", "a bus"), reasoning="Llamas.")
    meant = chain("Peru", clues=("desert",), reasoning="Buses are red. Long shadows. Mild.")
    (match,) = matcher(tools).match([(said, meant)])
    assert match is not None
    # dust ~ desert, Llamas ~ Long, Peru; "a bus" begins with a small letter like nothing else.
    assert match.supported == [True, False, True, True]
    assert match.covered == [True, False, True, False, True]


def test_a_step_of_another_stage_is_no_support(tools: Tools) -> None:
    said = chain("Peru", "Lima region", clues=("dust",), reasoning="")
    country = said.country.model_copy(update={"clues": ("x",)})
    (match,) = matcher(tools).match([(said, said.model_copy(update={"country": country}))])
    assert match is not None
    assert match.supported == [False, True, True, True]


@pytest.mark.parametrize(
    ("said", "stages"),
    [
        (chain("中国", "安徽省", "合肥市"), {"country", "region", "precise"}),
        (chain("China", "Anhui", "Wuhu"), {"country", "region"}),
        (chain("Japan", "Anhui", "Hefei"), set[str]()),
        (chain("China"), {"country"}),
    ],
)
def test_conclusions_match_by_name(tools: Tools, said: ChainOfThought, stages: set[str]) -> None:
    found = same_conclusions((said, chain("China", "Anhui", "Hefei")), tools.gazetteer)
    assert {name.value for name in found} == stages


def test_rows_without_a_chain_count_nothing_unless_the_denominator_says_so() -> None:
    references = {0: chain("Chad"), 1: chain("Peru")}
    verdict = StepMatch([True, True, False], [True, False, True])
    found = compare_chains(references, {0: chain("Chad")}, Scripted([verdict]), SETTINGS)
    assert found is not None
    assert (found.rows, found.with_chain, found.judged) == (2, 1, 1)
    assert found.stages["all"].precision.value == pytest.approx(1 / 3)
    assert found.stages["all"].f1.rows == 2
    answered = SETTINGS.model_copy(update={"denominator": "answered"})
    alone = compare_chains(references, {0: chain("Chad")}, Scripted([verdict]), answered)
    assert alone is not None
    assert alone.stages["all"].recall.value == pytest.approx(2 / 3)
    assert alone.stages["country"].f1.rows == 1
    assert alone.stages["precise"].f1.rows == 0


def test_rows_that_the_judge_failed_on_are_counted_apart() -> None:
    references = {row: chain("Chad") for row in range(3)}
    found = compare_chains(references, references, Scripted([None, StepMatch([True] * 3, [True] * 3), None]), SETTINGS)
    assert found is not None
    assert (found.with_chain, found.judged) == (3, 1)
    assert found.stages["all"].f1.value == 1.0


def test_no_reference_no_figures() -> None:
    assert compare_chains({}, {}, Scripted([]), SETTINGS) is None


def test_kinds() -> None:
    assert [kind.value for kind in StepKind] == ["clue", "reasoning", "conclusion"]
