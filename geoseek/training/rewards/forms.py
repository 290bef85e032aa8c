"""Rewards for the form of a completion, and for the verdict of a judge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from geoseek.schemas import ChainOfThought, ParsedChain, ParseForm, RepairCode
from geoseek.training.rewards.base import Details, RewardBatch, Truth, read_completion, shown
from geoseek.training.rewards.settings import FormatSettings

_FORMAT = FormatSettings()
_ANSWER_PARTS = (2, 3)
_TAG = re.compile("(</?(?:think|answer)>)")
_TAGS_IN_ORDER = ["<think>", "</think>", "<answer>", "</answer>"]
_VERDICT = re.compile(r"(?<!\w)(true|false)(?!\w)", re.IGNORECASE)
_VERDICT_ALONE = re.compile(r"\s*(?:true|false)\.?\s*", re.IGNORECASE)


def format_reward(completions: Sequence[str], settings: FormatSettings = _FORMAT) -> RewardBatch:
    """Reward completions in the form that was asked for: 1 or 0.

    The paper names no such reward; its released script has one, for the two tags (arXiv 2602.12617). Forms:
    - `chain`: all three stages as JSON in `<think>`, then `<answer>`, without anything that had to be repaired;
    - `tags`: `<think>` and then `<answer>`, each once, with anything in them (as the script, and GRE);
    - `verdict`: True or False alone.

    Args:
        completions: Texts of the model.
        settings: Which form.

    Returns:
        1 or 0; the details say why a chain is none, or the first repair that it needed.

    >>> format_reward(["<think>a field</think> <answer>Chad</answer>"], FormatSettings(form="tags")).values
    [1.0]
    >>> format_reward(["<think>a field</think> <answer>Chad</answer>"]).values
    [0.0]
    """
    check = {"chain": _chain_problem, "tags": _tags_problem, "verdict": _verdict_problem}[settings.form]
    return RewardBatch.of(_right_or(check(text)) for text in completions)


def answer_format(completions: Sequence[str]) -> RewardBatch:
    """Reward one answer of the form `Country; Region; Place` or `Country; Region`: 1 or 0.

    The rule of the released script (arXiv 2602.12617), which the paper does not name; the full-width semicolon counts
    here too, and several answers do not.

    Args:
        completions: Texts of the model.

    Returns:
        1 or 0; the details have the answer.

    >>> said = ["<answer>China; Anhui; Hefei</answer>", "<answer>China</answer>", "<answer>; Anhui; Hefei</answer>"]
    >>> answer_format(said).values
    [1.0, 0.0, 0.0]
    """
    return RewardBatch.of(_answer_row(read_completion(text)) for text in completions)


def gre_judge(completions: Sequence[str], truth: Sequence[Truth]) -> RewardBatch:
    """Reward a right verdict about a prediction: 1 or 0 (RL-I of GRE, arXiv 2505.18700).

    Args:
        completions: Texts of the model; their last True or False counts, outside of `<think>` if there is any.
        truth: `solution` is True or False.

    Returns:
        1 or 0; 0 where either verdict is missing. The details have both.

    >>> said = ["<think>False? No.</think> TRUE.", "True", "I cannot say"]
    >>> gre_judge(said, [Truth(solution="True"), Truth(solution="False"), Truth(solution="False")]).values
    [1.0, 0.0, 0.0]
    """
    return RewardBatch.of(_judged(text, true.solution) for text, true in zip(completions, truth, strict=True))


def read_verdict(text: object) -> bool | None:
    """Return the last True or False of a text, or None; what is said inside of `<think>` goes last.

    >>> read_verdict("<think>Is it false?</think><answer>true</answer>"), read_verdict("untrue"), read_verdict("FALSE!")
    (True, None, False)
    """
    if not isinstance(text, str):
        return None
    thoughts, _, rest = text.rpartition("</think>")
    found = _VERDICT.findall(rest) or _VERDICT.findall(thoughts)
    return found[-1].lower() == "true" if found else None


def _right_or(problem: str | None) -> tuple[float, Details]:
    return (1.0, {}) if problem is None else (0.0, {"problem": problem})


def _chain_problem(text: str) -> str | None:
    parsed = read_completion(text)
    if parsed.failure is not None:
        return parsed.failure.code.value
    if parsed.form is not ParseForm.TAGGED:
        return "no_tags"
    if parsed.repairs:
        return parsed.repairs[0].code.value
    return None if _is_complete(parsed.chain) else "missing_stage"


def _is_complete(chain: ChainOfThought | None) -> bool:
    return chain is not None and chain.region is not None and chain.precise is not None


def _tags_problem(text: str) -> str | None:
    pieces = _TAG.split(text) if isinstance(text, str) else []
    outside = pieces[0::4]
    return None if pieces[1::2] == _TAGS_IN_ORDER and not any(map(str.strip, outside)) else "no_tags"


def _verdict_problem(text: str) -> str | None:
    return None if isinstance(text, str) and _VERDICT_ALONE.fullmatch(text) else "no_verdict"


def _answer_row(parsed: ParsedChain) -> tuple[float, Details]:
    seen: Details = {"answer": shown(parsed.answer or "")}
    if not parsed.answer:
        return 0.0, {**seen, "problem": "no_answer"}
    if any(repair.code is RepairCode.SEVERAL_ANSWERS for repair in parsed.repairs):
        return 0.0, {**seen, "problem": "several_answers"}
    well_formed = len(parsed.parts) in _ANSWER_PARTS and all(parsed.parts)
    return (1.0, seen) if well_formed else (0.0, {**seen, "problem": "wrong_parts"})


def _judged(text: str, solution: str) -> tuple[float, Details]:
    said, true = read_verdict(text), read_verdict(solution)
    return float(said is not None and said == true), {"verdict": said, "truth": true}
