"""Answer pictures in batches that shrink when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from geoseek.training.infer.engine import InferStoppedError, Outcome
from geoseek.training.infer.pictures import PictureProblemError, Question

LESS_MEMORY = (
    "Lower --batch-size, then --max-pixels or --max-tokens; or take a smaller model, or a machine with more memory."
)
_OUT_OF_MEMORY = "out_of_memory: not even one picture at a time fits; lower --max-pixels or --max-tokens"

_Picture = TypeVar("_Picture")


class DeviceMemoryError(Exception):
    """A batch does not fit into memory."""


@dataclass(frozen=True)
class Answer:
    """What a model made of one picture: a text, or an error."""

    text: str | None
    error: str | None


def batched_outcomes(
    pictures: Iterable[tuple[Question, _Picture | PictureProblemError]],
    answer: Callable[[Sequence[tuple[Question, _Picture]]], Sequence[Answer]],
    batch_size: int,
) -> Iterator[Outcome]:
    """Yield the outcomes in the order of the pictures.

    A batch that does not fit is cut into halves, and all later ones are as small. A single picture that does not fit
    becomes an error, unless no picture was answered before it: then none will be.

    Args:
        pictures: Questions with their picture, or with what is wrong with it.
        answer: Answers a batch; raises `DeviceMemoryError` if it does not fit.
        batch_size: Pictures at once.

    Raises:
        InferStoppedError: Memory is too small for any picture.
    """
    shrinking = _Shrinking(answer, batch_size)
    batch: list[tuple[Question, _Picture | PictureProblemError]] = []
    for one in pictures:
        batch.append(one)
        if len(batch) >= shrinking.size:
            yield from shrinking.outcomes(batch)
            batch = []
    yield from shrinking.outcomes(batch)


class _Shrinking:
    def __init__(self, answer: Callable[..., Sequence[Answer]], size: int) -> None:
        self._answer = answer
        self._answered = False
        self.size = size

    def outcomes(self, batch: Sequence[tuple[Question, object]]) -> Iterator[Outcome]:
        good = [one for one in batch if not isinstance(one[1], PictureProblemError)]
        answers = iter(self._answers(good))
        for question, picture in batch:
            if isinstance(picture, PictureProblemError):
                yield Outcome(question, None, str(picture))
            else:
                found = next(answers)
                yield Outcome(question, found.text, found.error)

    def _answers(self, batch: Sequence[tuple[Question, object]]) -> list[Answer]:
        done: list[Answer] = []
        while len(done) < len(batch):
            part = batch[len(done) : len(done) + self.size]
            try:
                done.extend(self._answer(part))
            except DeviceMemoryError as error:
                if len(part) > 1:
                    self.size = len(part) // 2
                    continue
                if not self._answered and not done:
                    raise InferStoppedError(
                        f"Out of memory with a single picture: {error}.", hint=LESS_MEMORY
                    ) from None
                done.append(Answer(None, _OUT_OF_MEMORY))
            else:
                self._answered = True
        return done
