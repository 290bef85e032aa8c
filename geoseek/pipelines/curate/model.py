"""Free text through a model: what it is asked, and what of its answer may stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geoseek.endpoints import ChatRequest, Message
from geoseek.geo import Gazetteer
from geoseek.pipelines.curate.codes import CurateCheck, Finding
from geoseek.pipelines.curate.guards import Source, sentences
from geoseek.pipelines.curate.notes import NotStandardisedError, countries_named, split_note
from geoseek.pipelines.curate.settings import StandardiseRules
from geoseek.pipelines.curate.standard import StandardForm
from geoseek.pipelines.curate.texts import clean_text
from geoseek.schemas import ChainOfThought, Stage, StageName, Uncertainty, render_answer
from geoseek.workspace import stable_digest

_STAGE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["clues", "reasoning", "conclusion", "uncertainty"],
    "properties": {
        "clues": {"type": "array", "items": {"type": "string"}},
        "reasoning": {"type": "string"},
        "conclusion": {"type": "string"},
        "uncertainty": {"type": "string", "enum": [level.value for level in Uncertainty]},
    },
}
ANSWER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": [name.value for name in StageName],
    "properties": {
        name.value: _STAGE_SCHEMA if name is StageName.COUNTRY else {"anyOf": [_STAGE_SCHEMA, {"type": "null"}]}
        for name in StageName
    },
}
"""What a model has to answer: the three stages; the second and third may be null."""


def note_key(note: str, rules: StandardiseRules) -> str:
    """Return the hash under which the answer for a note is kept; another prompt asks anew."""
    return stable_digest([rules.prompt, rules.max_tokens, ANSWER_SCHEMA, note])


def note_request(note: str, rules: StandardiseRules) -> ChatRequest:
    """Return the question for a note."""
    return ChatRequest(
        (Message.system(rules.prompt), Message.user(f"<note>\n{note}\n</note>")),
        schema=ANSWER_SCHEMA,
        max_tokens=rules.max_tokens,
    )


def guarded_form(
    answer: Mapping[str, Any], model: str, source: Source, rules: StandardiseRules, gazetteer: Gazetteer
) -> StandardForm:
    """Keep of a model's answer what the annotator's words support.

    Clues and finer stages without support go, as do sentences of the reasoning that the words do not cover, or that
    bring in a name or a number. A country that the words do not conclude is no matter of removing: it is a finding of
    its own.

    Raises:
        NotStandardisedError: Nothing is left of the country's stage.
    """
    stages: dict[str, Stage] = {}
    removed: list[str] = []
    for name in StageName:
        said = answer.get(name.value)
        if said is None:
            continue
        conclusion = clean_text(said["conclusion"])
        if name is not StageName.COUNTRY and not source.holds(conclusion, likeness=rules.clue_support):
            removed.append(f"the conclusion {conclusion!r} of the {name}")
            continue
        stages[name.value] = _supported_stage(said, conclusion, source, rules, removed)
    country = stages[StageName.COUNTRY.value]
    if not country.conclusion or not (country.clues or country.reasoning):
        raise NotStandardisedError("nothing that the model wrote about the country is in the annotator's words")
    chain = ChainOfThought(
        country=country,
        region=stages.get("region"),
        precise=stages.get("precise"),
        final_answer=render_answer(stages[name].conclusion if name in stages else "" for name in StageName),
    )
    findings = [Finding(CurateCheck.MODEL_WROTE, model)]
    changed = _changed_country(country.conclusion, source, rules, gazetteer)
    if changed:
        findings.append(Finding(CurateCheck.CONCLUSION_CHANGED, changed))
    if removed:
        findings.append(Finding(CurateCheck.UNSUPPORTED, "; ".join(removed)))
    return StandardForm(chain, f"model {model}", tuple(findings), len(removed))


def _supported_stage(
    said: Mapping[str, Any], conclusion: str, source: Source, rules: StandardiseRules, removed: list[str]
) -> Stage:
    clues, spoken = [], []
    for clue in map(clean_text, said["clues"]):
        if source.holds(clue, likeness=rules.clue_support, meaning=rules.meaning_support) and not source.invented(clue):
            clues.append(clue)
        elif clue:
            removed.append(f"the clue {clue!r}")
    for sentence in sentences(clean_text(said["reasoning"])):
        covered = source.says(sentence, share=rules.sentence_support, meaning=rules.meaning_support)
        if covered and not source.invented(sentence):
            spoken.append(sentence)
        else:
            removed.append(f"the sentence {sentence!r}")
    return Stage(
        clues=tuple(dict.fromkeys(clues)),
        reasoning=" ".join(spoken),
        conclusion=conclusion,
        uncertainty=Uncertainty(said["uncertainty"]),
    )


def _changed_country(conclusion: str, source: Source, rules: StandardiseRules, gazetteer: Gazetteer) -> str | None:
    """Return how the concluded country differs from the words; None if it does not."""
    code = gazetteer.locate(conclusion).country_code
    named = {mention.country_code for mention in countries_named(source.text, gazetteer)}
    if not (code and code in named) and not source.holds(conclusion, likeness=rules.clue_support):
        return f"{conclusion!r} is not in the annotator's words"
    try:
        by_rules = split_note(source.text, gazetteer).country.conclusion
    except NotStandardisedError:
        return f"{conclusion!r}, where the words name several countries" if len(named) > 1 else None
    if gazetteer.same_place_name(conclusion, by_rules, "country"):
        return None
    return f"{conclusion!r}, where the words conclude {by_rules!r}"
