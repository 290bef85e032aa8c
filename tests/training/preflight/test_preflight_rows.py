"""Every row is read, every picture looked for, some are decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.training.preflight.findings import Check, Finding
from geoseek.training.preflight.rows import DECODED_SAMPLE, RowFigures, check_rows
from tests.formats.exports import jpeg
from tests.training.preflight.recipes import PICTURE, faults, grpo_row, recipe, rows_of, sft_row, warnings


def _found(folder: Path, stage: str, *rows: Any, **changes: Any) -> tuple[list[Finding], RowFigures]:
    figures = RowFigures()
    one = recipe(**changes)
    return list(check_rows(one, stage, rows_of(folder, *rows), figures)), figures


def test_whole_rows(tmp_path: Path) -> None:
    found, figures = _found(tmp_path, "sft", sft_row(), sft_row())
    assert [(one.code, one.message) for one in found] == [
        (Check.DATA, "2 rows."),
        (Check.IMAGES, "1 pictures are there; 1 were decoded."),
    ]
    assert (figures.rows, figures.most_pictures, figures.largest_pixels) == (2, 1, 96 * 72)
    assert figures.longest_chars == len("<image>Where?Chad")
    found, _ = _found(tmp_path, "grpo", *[grpo_row()] * 8)
    assert not faults(found)


_KEYS = st.sampled_from(["messages", "images", "lat", "lng", "solution", "role", "content", "user"])


@pytest.mark.parametrize(
    ("stage", "row", "reason"),
    [
        ("sft", "{", "no JSON"),
        ("sft", "[" * 100_000, "no JSON"),
        ("sft", "[]", "not an object"),
        ("sft", {}, "no messages"),
        ("sft", sft_row(messages=[]), "no messages"),
        ("sft", sft_row(messages=[{"role": "robot", "content": "x"}]), "a message whose role"),
        ("sft", sft_row(messages=["x"]), "a message whose role"),
        ("sft", sft_row(messages=[{"role": "user", "content": "<image>"}]), "the last message is not of the assistant"),
        (
            "sft",
            sft_row(messages=[{"role": "user", "content": "<image>"}, {"role": "assistant", "content": " "}]),
            "an empty message of the assistant",
        ),
        ("sft", sft_row(images=[]), "no picture"),
        ("sft", sft_row(images=None), "no picture"),
        ("sft", sft_row(images=[PICTURE, PICTURE]), "2 pictures, and 1 times <image>"),
        ("grpo", sft_row(), "the last message is not of the user"),
        ("grpo", grpo_row(lat=None), "lat is no number"),
        ("grpo", grpo_row(lat=True), "lat is no number"),
        ("grpo", '{"lat": NaN}', "no messages"),
        ("grpo", grpo_row(lat=float("nan")), "lat is no number"),
        ("grpo", grpo_row(lng=181), "lng is 181, out of range"),
    ],
)
def test_broken_rows_are_named(stage: str, row: Any, reason: str, tmp_path: Path) -> None:
    whole = sft_row() if stage == "sft" else grpo_row()
    found, _ = _found(tmp_path / "data" / stage, stage, *[whole] * 8, row)
    (message,) = faults(found)
    assert message.startswith(f"1 of 9 rows are broken; line 9: {reason}")
    (finding,) = [one for one in found if one.message == message]
    assert finding.remedy is not None
    assert f"data/{stage}" in finding.remedy
    assert finding.stage == stage


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(PICTURE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(row=st.dictionaries(_KEYS, _JSON), stage=st.sampled_from(["sft", "grpo"]))
def test_any_row_is_whole_or_named(row: Any, stage: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = sft_row() if stage == "sft" else grpo_row()
    data = rows_of(tmp_path_factory.mktemp("rows"), whole, {**whole, **row})
    figures = RowFigures()
    list(check_rows(recipe(), stage, data, figures))
    assert figures.rows == 2
    assert set(figures.faults) <= {2}


def test_verdicts_of_a_judge(tmp_path: Path) -> None:
    stages = {"judge": {"method": "grpo", "split": "cot", "data": "swift-judge", "rewards": {"gre_judge": {}}}}
    rows = [grpo_row(solution=word) for word in ("True", "False", "true")]
    found, _ = _found(tmp_path, "judge", *rows, stages=stages)
    assert faults(found) == ["1 of 3 rows are broken; line 3: solution is neither True nor False."]


def test_no_rows_and_no_file(tmp_path: Path) -> None:
    found, _ = _found(tmp_path, "sft")
    assert faults(found) == ["rows.jsonl is empty."]
    data = rows_of(tmp_path, sft_row())
    data.file.unlink()
    assert "cannot be read" in faults(list(check_rows(recipe(), "sft", data, RowFigures())))[0]


def test_fewer_rows_than_one_batch_of_grpo(tmp_path: Path) -> None:
    swift = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4, "num_generations": 8}
    found, _ = _found(tmp_path, "grpo", *[grpo_row()] * 3, grpo=swift)
    assert faults(found) == ["3 rows are fewer than the 4 pictures of one batch: there would be no step."]
    found, _ = _found(tmp_path, "grpo", *[grpo_row()] * 4, grpo=swift)
    assert not faults(found)


def test_rewards_that_compare_names_need_names(tmp_path: Path) -> None:
    rewards: dict[str, Any] = {"geo_semantic": {}, "geo_spatial": {}}
    found, _ = _found(tmp_path, "grpo", grpo_row(solution=""), grpo_row(), rewards=rewards)
    assert warnings(found) == ["1 of 2 rows do not name their place, as geo_semantic needs."]
    found, _ = _found(tmp_path, "grpo", grpo_row(solution=""), rewards=rewards)
    assert faults(found) == ["1 of 1 rows do not name their place, as geo_semantic needs."]
    found, _ = _found(tmp_path, "grpo", grpo_row(solution=""))
    assert not faults(found)
    assert not warnings(found)
    found, _ = _found(tmp_path, "grpo", grpo_row(solution=""), rewards={"geo_consistency": {"against": "own"}})
    assert not faults(found)


def test_missing_and_broken_pictures(tmp_path: Path) -> None:
    found, _ = _found(tmp_path, "sft", sft_row(), sft_row(images=["images/b.jpg"]))
    assert faults(found) == ["1 of 2 pictures are not there, the first is images/b.jpg."]
    data = rows_of(tmp_path, sft_row(), picture=jpeg(1)[:500])
    (message,) = faults(list(check_rows(recipe(), "sft", data, RowFigures())))
    assert message.startswith(f"1 of 1 pictures that were decoded are broken; {PICTURE}: ")


def test_a_sample_of_many_pictures_is_decoded(tmp_path: Path) -> None:
    data = rows_of(tmp_path, *[sft_row(images=[f"images/{n}.jpg"]) for n in range(100)])
    for n in range(100):
        (tmp_path / f"images/{n}.jpg").write_bytes(jpeg(1))
    found = list(check_rows(recipe(), "sft", data, RowFigures()))
    assert found[-1].message == "100 pictures are there; 25 were decoded."
    assert DECODED_SAMPLE >= 25
