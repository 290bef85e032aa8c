"""The rewards for form, and the judge's."""

from __future__ import annotations

import pytest

from geoseek.schemas import ChainOfThought, Stage, Uncertainty, render_json, render_tagged
from geoseek.training.rewards import Truth, answer_format, format_reward, gre_judge
from geoseek.training.rewards.settings import FormatSettings


def stage(conclusion: str) -> Stage:
    return Stage(clues=("a sign",), reasoning="so it is", conclusion=conclusion, uncertainty=Uncertainty.LOW)


CHAIN = ChainOfThought(
    country=stage("China"), region=stage("Anhui"), precise=stage("Hefei"), final_answer="China; Anhui; Hefei"
)
COUNTRY_ONLY = ChainOfThought(country=stage("China"), region=None, precise=None, final_answer="China")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (render_tagged(CHAIN), None),
        (render_tagged(CHAIN).replace("</think> ", "</think>\n\n"), None),
        (render_json(CHAIN), "no_tags"),
        (render_tagged(COUNTRY_ONLY), "missing_stage"),
        (render_tagged(CHAIN).replace("</think>", ""), "unclosed_tag"),
        (f"Well. {render_tagged(CHAIN)}", "text_around"),
        (render_tagged(CHAIN).replace('"}', '",}'), "trailing_comma"),
        ("<think>so it is</think> <answer>China; Anhui; Hefei</answer>", "no_json"),
        (render_tagged(CHAIN)[:80], "unclosed_tag"),
        ("", "empty"),
    ],
)
def test_chain_form(text: str, problem: str | None) -> None:
    batch = format_reward([text])
    assert batch.values == [float(problem is None)]
    assert batch.details[0].get("problem") == problem


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("<think>a\nb</think>\n<answer>c</answer>\n", True),
        ("<think></think><answer></answer>", True),
        (render_tagged(CHAIN), True),
        ("<think>a</think> so <answer>c</answer>", False),
        ("<answer>c</answer><think>a</think>", False),
        ("<think>a</think><answer>b</answer><answer>c</answer>", False),
        ("<think>a<think>b</think></think><answer>c</answer>", False),
        ("<think>a</think>", False),
    ],
)
def test_tags_form(text: str, *, right: bool) -> None:
    assert format_reward([text], FormatSettings(form="tags")).values == [float(right)]


@pytest.mark.parametrize(("text", "right"), [("True", True), (" false.\n", True), ("True, as", False), ("Yes", False)])
def test_verdict_form(text: str, *, right: bool) -> None:
    assert format_reward([text], FormatSettings(form="verdict")).values == [float(right)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<answer>China; Anhui; Hefei</answer>", None),
        ("<answer>中国；安徽；合肥</answer>", None),
        ("<answer>China; Anhui</answer>", None),
        (render_json(CHAIN), None),
        ("<answer>China</answer>", "wrong_parts"),
        ("<answer>China; ; Hefei</answer>", "wrong_parts"),
        ("<answer>China; Anhui; Hefei; Shushan</answer>", "wrong_parts"),
        ("<answer>China, Anhui, Hefei</answer>", "wrong_parts"),
        ("<answer>China; Anhui</answer><answer>Chad; Chari</answer>", "several_answers"),
        ("<answer></answer>", "no_answer"),
        ("", "no_answer"),
    ],
)
def test_answer_form(text: str, problem: str | None) -> None:
    batch = answer_format([text])
    assert batch.values == [float(problem is None)]
    assert batch.details[0].get("problem") == problem


@pytest.mark.parametrize(
    ("text", "solution", "value"),
    [
        ("True", "True", 1.0),
        ("TRUE.", "<answer>true</answer>", 1.0),
        ("<think>It may be True. No.</think>\nFalse", "False", 1.0),
        ("False at first, but then: True", "True", 1.0),
        ("<think>so it is true", "True", 1.0),
        ("<think>so it is true</think>", "True", 1.0),
        ("True", "False", 0.0),
        ("untrue", "True", 0.0),
        ("", "False", 0.0),
        ("True", "", 0.0),
        ("", "", 0.0),
    ],
)
def test_judge(text: str, solution: str, value: float) -> None:
    assert gre_judge([text], [Truth(solution=solution)]).values == [value]
