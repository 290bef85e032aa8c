"""What answers questions: the form that all engines have."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from geoseek.endpoints import Spent
from geoseek.formats import GRPO_QUESTION, SFT_QUESTION
from geoseek.schemas import GeoSeekError
from geoseek.training.infer.pictures import Question


class QuestionForm(StrEnum):
    """Which of the two questions is asked."""

    SFT = "sft"
    GRPO = "grpo"

    @property
    def text(self) -> str:
        """Return the words, the same as in training."""
        return SFT_QUESTION if self is QuestionForm.SFT else GRPO_QUESTION


class EngineName(StrEnum):
    """What runs the model."""

    TRANSFORMERS = "transformers"
    VLLM = "vllm"
    ENDPOINT = "endpoint"


@dataclass(frozen=True)
class Outcome:
    """What came of a question: a text, or an error."""

    question: Question
    text: str | None
    error: str | None = None


class Engine(Protocol):
    """A model that is ready."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the user should be told afterwards."""
        ...

    @property
    def spent(self) -> Spent | None:
        """Return what was used of a server; None for a local model."""
        ...

    def outcomes(self, questions: Iterable[Question], total: int) -> Generator[Outcome]:
        """Yield the outcomes in the order of the questions.

        Raises:
            InferStoppedError: There is no use in asking on.
        """
        ...


class InferStoppedError(GeoSeekError):
    """The model cannot be asked on; what was answered is kept."""
