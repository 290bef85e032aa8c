from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.training.infer.batches import Answer, DeviceMemoryError, batched_outcomes
from geoseek.training.infer.engine import InferStoppedError
from geoseek.training.infer.pictures import Item, PictureProblemError, Question

Batch = Sequence[tuple[Question, int]]


def pictures(weights: Sequence[int | None]) -> list[tuple[Question, int | PictureProblemError]]:
    """Return pictures of so much weight; None for a broken one."""
    return [
        (Question(n, Item(str(n), None)), PictureProblemError("corrupt: it") if weight is None else weight)
        for n, weight in enumerate(weights)
    ]


class Device:
    """Answers a batch if its weight fits."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []

    def __call__(self, batch: Batch) -> list[Answer]:
        self.sizes.append(len(batch))
        if sum(weight for _, weight in batch) > self.room:
            raise DeviceMemoryError("CUDA out of memory")
        return [Answer(f"text {question.position}", None) for question, _ in batch]


@given(st.lists(st.one_of(st.none(), st.integers(1, 3)), max_size=40), st.integers(3, 20), st.integers(1, 12))
def test_every_picture_has_one_outcome_in_its_place(weights: list[int | None], room: int, size: int) -> None:
    device = Device(room)
    found = list(batched_outcomes(pictures(weights), device, size))
    assert [outcome.question.position for outcome in found] == list(range(len(weights)))
    for outcome, weight in zip(found, weights, strict=True):
        if weight is None:
            assert (outcome.text, outcome.error) == (None, "corrupt: it")
        else:
            assert (outcome.text, outcome.error) == (f"text {outcome.question.position}", None)
    assert all(1 <= used <= size for used in device.sizes)


def test_batches_stay_small_once_memory_ran_out() -> None:
    device = Device(3)
    list(batched_outcomes(pictures([1] * 12), device, 8))
    assert device.sizes == [8, 4, 2, 2, 2, 2, 2, 2]


def test_one_picture_that_is_too_large_is_an_error_row() -> None:
    found = list(batched_outcomes(pictures([1, 9, 1]), Device(3), 1))
    assert [outcome.text for outcome in found] == ["text 0", None, "text 2"]
    assert str(found[1].error).startswith("out_of_memory: ")
    assert "--max-pixels" in str(found[1].error)


def test_memory_that_never_suffices_stops_and_names_the_settings() -> None:
    with pytest.raises(InferStoppedError, match="Out of memory with a single picture") as caught:
        list(batched_outcomes(pictures([9, 9, 9, 9]), Device(3), 4))
    for setting in ("--batch-size", "--max-pixels", "--max-tokens"):
        assert setting in str(caught.value)
