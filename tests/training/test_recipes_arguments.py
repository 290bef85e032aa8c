"""The arguments of ms-swift, as read from the text of the installed release."""

from __future__ import annotations

import ast
import doctest
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from geoseek.schemas import UsageError
from geoseek.training.recipes import SwiftArgument, arguments, swift_arguments, swift_version

ROOT_CLASSES = """
from dataclasses import dataclass
from typing import List, Literal, Optional
from swift.trainers import Seq2SeqTrainingArguments
from .tuner_args import TunerArguments

@dataclass
class SftArguments(TunerArguments, Seq2SeqTrainingArguments):
    dataset: List[str]
    learning_rate: Optional[float] = None

@dataclass
class RLHFArguments(SftArguments):
    beta: Optional[float] = None
"""
TUNER_CLASSES = """
class TunerArguments:
    learning_rate: str = "overridden"
    tuner_type: Literal['lora', 'full', None] = None
    not_a_field = 1

    def method(self) -> None:
        local: int = 1
"""
TRAINER_CLASSES = """
from transformers.training_args import TrainingArguments as HfTrainingArguments

class Seq2SeqTrainingArguments(HfTrainingArguments):
    logging_steps: int = 5
"""
TRANSFORMERS_CLASSES = """
class TrainingArguments:
    logging_steps: float = 500
    optim: OptimizerNames | str = "adamw"
    report_to: None | str | list[str] = None
"""


@pytest.fixture
def made_up_swift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a package in the layout of ms-swift before the installed one, with four small classes."""
    for name, text in {
        "swift/__init__.py": "raise ImportError('must not be imported')",
        "swift/arguments/sft_args.py": ROOT_CLASSES,
        "swift/arguments/tuner_args.py": TUNER_CLASSES,
        "swift/trainers/arguments.py": TRAINER_CLASSES,
        "transformers/__init__.py": "raise ImportError('must not be imported')",
        "transformers/training_args.py": TRANSFORMERS_CLASSES,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "swift", raising=False)
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    monkeypatch.setattr(arguments, "swift_version", lambda: "0.0")
    arguments._read_arguments.cache_clear()
    yield tmp_path
    arguments._read_arguments.cache_clear()


def argument(annotation: str) -> SwiftArgument:
    return arguments._argument(ast.parse(annotation, mode="eval").body)


def test_doctests() -> None:
    assert doctest.testmod(arguments).failed == 0
    assert doctest.testmod(arguments).attempted > 0


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        ("int", [3, -1], ["3", 3.5, True, [3]]),
        ("Optional[int]", [3], ["x"]),
        ("float", [3, 0.5], ["x", True]),
        ("bool", [True], ["true", 1]),
        ("str", ["x", 3, True], [["x"]]),
        ("List[str]", [["x"], "x"], []),
        ("Literal['left', 'right', None]", ["left"], ["both"]),
        ("Literal[1, 2, 'float8']", [1, "float8"], [3]),
        ("Optional[Union[dict, str]]", [{"a": 1}, "zero3"], [[1]]),
        ("dict[str, Any] | str | None", [{"a": 1}, "x"], [[1]]),
        ("None | str | list[str]", ["x", ["x"]], []),
        ("IntervalStrategy | str", ["steps", 3, [1]], []),
        ("str | None | Literal[False]", ["x", False], []),
    ],
)
def test_values_are_compared_with_the_declared_type(annotation: str, right: list[Any], wrong: list[Any]) -> None:
    found = argument(annotation)
    assert [value for value in right if not found.takes(value)] == []
    assert [value for value in wrong if found.takes(value)] == []


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("float", "a number"),
        ("bool", "true or false"),
        ("Literal['a', 'b']", "one of a, b"),
        ("None | str | list[str]", "text or a list"),
    ],
)
def test_types_are_described_for_people(annotation: str, words: str) -> None:
    assert argument(annotation).describe() == words


@pytest.mark.usefixtures("made_up_swift")
def test_fields_are_those_of_the_class_and_its_bases_and_nothing_is_imported() -> None:
    found = swift_arguments("grpo")
    assert found is not None
    assert set(found) == {"beta", "dataset", "learning_rate", "tuner_type", "logging_steps", "optim", "report_to"}
    assert found["learning_rate"].types == (int, float), "the class comes before its bases"
    assert found["logging_steps"].types == (int,), "the trainer's class comes before that of transformers"
    assert found["tuner_type"].choices == ("lora", "full")
    assert "beta" not in (swift_arguments("sft") or {})


def test_a_release_of_another_layout_is_not_checked(made_up_swift: Path) -> None:
    (made_up_swift / "swift" / "trainers" / "arguments.py").unlink()
    assert swift_arguments("sft") is None
    arguments.check_arguments("sft", {"anything": 1}, "test")


def test_without_ms_swift_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "swift_version", lambda: None)
    assert swift_arguments("sft") is None
    arguments.check_arguments("sft", {"anything": 1}, "test")


@pytest.mark.skipif(swift_version() is None, reason="ms-swift is not installed")
@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("sft", {"lora_rnk": 8}, "did you mean 'lora_rank'"),
        ("sft", {"num_generations": 8}, "Unknown argument of ms-swift"),
        ("sft", {"lora_rank": "many"}, "ms-swift takes a whole number"),
        ("grpo", {"vllm_mode": "local"}, "ms-swift takes one of server, colocate"),
    ],
)
def test_faults_are_found_in_the_installed_release(method: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        arguments.check_arguments(method, given, "recipe.yaml: stages.x.swift")
    assert words in str(caught.value)
    assert "recipe.yaml: stages.x.swift" in str(caught.value)
