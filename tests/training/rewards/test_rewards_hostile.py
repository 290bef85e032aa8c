"""No completion and no truth makes a reward raise, or give anything but finite numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoseek.endpoints import Embedder
from geoseek.training.rewards import REWARDS, Resources, RewardBatch, RewardsSettings, format_reward, read_truth
from geoseek.training.rewards.settings import FormatSettings

PURE = [name for name, reward in REWARDS.items() if not reward.is_async]
DEFAULTS = RewardsSettings.model_validate({name: {} for name in REWARDS}).used()

FRAGMENTS = st.sampled_from(
    [
        *(
            "<think>",
            "</think>",
            "<answer>",
            "</answer>",
            "{",
            "}",
            "[",
            '"',
            ";",
            "；",
            ",",
            ":",
            "\\u",
            "\ud800",
            "\x00",
        ),
        *('{"CountryIdentification": {"Clues": ["', '"Conclusion": "China"', '"FinalAnswer": "', "```json", "True"),
        *("China; Anhui; Hefei", "中国；安徽；合肥", "Россия", "السعودية", "France", "NaN", "None", "🇫🇷", "\u202e"),
    ]
)
COMPLETIONS = st.lists(
    st.one_of(st.lists(st.one_of(FRAGMENTS, st.text(max_size=20)), max_size=12).map("".join), st.none()), max_size=6
)
COLUMN = st.one_of(
    st.none(),
    st.lists(
        st.one_of(
            *(st.floats(), st.integers(), st.text(max_size=30), st.none(), st.booleans(), st.lists(st.integers())),
            st.sampled_from(["<answer>China; Anhui; Hefei</answer>", "False", "<answer>", "; ;", "Tchad"]),
        ),
        max_size=7,
    ),
)
COLUMNS = st.dictionaries(
    st.sampled_from(["solution", "lat", "lng", "country_code", "country", "region", "place", "id"]), COLUMN
)


class MadModel:
    """A sentence model that goes wrong."""

    def encode(self, sentences: list[str], /, **_: Any) -> Any:
        found = np.zeros((len(sentences), 3))
        for at, sentence in enumerate(sentences):
            found[at] = [np.nan, np.inf, 1.0] if len(sentence) % 2 else [1e15, -1.0, 0.0]
        return found


RESOURCES = Resources(embedder=Embedder(MadModel(), name="mad", revision="1"))


def compute(name: str, completions: list[Any], columns: dict[str, Any]) -> RewardBatch:
    truth = read_truth(len(completions), columns)
    found: RewardBatch = REWARDS[name].compute(completions, truth, DEFAULTS[name], RESOURCES)
    return found


def check(name: str, completions: list[Any], columns: dict[str, Any]) -> None:
    batch = compute(name, completions, columns)
    assert len(batch.values) == len(batch.details) == len(completions)
    assert all(value is not None and math.isfinite(value) and value >= 0 for value in batch.values)
    json.dumps(batch.details, allow_nan=False)
    assert batch == compute(name, completions, columns)


@pytest.mark.parametrize("name", PURE)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(completions=COMPLETIONS, columns=COLUMNS)
def test_any_completion_and_truth(name: str, completions: list[Any], columns: dict[str, Any]) -> None:
    check(name, completions, columns)


HUGE = {
    "words": "x " * 500_000,
    "half a JSON": '<think>{"CountryIdentification": {"Clues": ["a", "' + "b" * 1_000_000,
    "open tags": "<answer>" * 125_000,
    "separators": ";" * 1_000_000,
    "many answers": "<answer>China; Anhui; Hefei</answer>" * 28_000,
    "a long answer": f"<answer>China; Anhui; {'Hefei ' * 170_000}</answer>",
    "scripts": "合肥 Москва الرياض " * 60_000,
    "verdicts": "True " * 200_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HUGE.items()])
def test_a_megabyte(text: str) -> None:
    columns = {"solution": ["<answer>China; Anhui; Hefei</answer>"], "lat": [31.86], "lng": [117.28]}
    for name in PURE:
        check(name, [text], columns)
        assert len(json.dumps(compute(name, [text], columns).details)) < 5_000
    for form in ("tags", "verdict"):
        assert format_reward([text], FormatSettings.model_validate({"form": form})).values == [0.0]


@pytest.mark.slow
def test_a_megabyte_of_thoughts_has_its_form_and_answer() -> None:
    text = f"<think>{'so it is ' * 120_000}</think>\n<answer>China; Anhui; Hefei</answer>"
    assert format_reward([text], FormatSettings(form="tags")).values == [1.0]
    assert compute("hierarchical", [text], {"solution": ["China; Anhui; Hefei"]}).values == [4.0]
