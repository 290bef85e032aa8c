"""`pipelines/curate.yaml`: what follows from each check, thresholds, and the words that a model is asked with."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field, PositiveInt, field_validator

from geoseek.pipelines.curate.codes import DEFAULT_ACTIONS, Action, CurateCheck
from geoseek.pipelines.curate.language import known_language
from geoseek.workspace import Settings, display_path, read_yaml, reference_root, validate_settings

SETTINGS_FILE = "pipelines/curate.yaml"


class Standardise(StrEnum):
    """How free text is brought into stages."""

    OFF = "off"
    RULES = "rules"
    ENDPOINT = "endpoint"


class TextRules(Settings):
    """Section `text`."""

    language: str | None = Field(None, description="language that all annotations must be in (BCP 47); null: any")
    least_letters: int = Field(20, ge=0, description="letters of a stage's reasoning from which on it says enough")
    longest_chars: PositiveInt = Field(
        20_000, description="one text with more characters makes the annotation unusable"
    )

    @field_validator("language")
    @classmethod
    def _is_known(cls, language: str | None) -> str | None:
        if language is not None and not known_language(language):
            raise ValueError(f"{language!r} is not a known language tag such as en, pt-BR or zh-Hant")
        return language


class CopyRules(Settings):
    """Section `copies`."""

    similarity: float = Field(0.9, ge=0.5, le=1, description="1 - edits / length from which texts are nearly equal")
    least_letters: int = Field(80, ge=20, description="shorter reasoning is not compared")


class StandardiseRules(Settings):
    """Section `standardise`: free text through a model."""

    prompt: str = Field("", description="what the model is told; empty: the prompt that ships with GeoSeek")
    clue_support: float = Field(0.85, ge=0.5, le=1, description="share of a clue's letters that the note must hold")
    sentence_support: float = Field(0.5, ge=0, le=1, description="share of a sentence's words that the note must hold")
    meaning_support: float = Field(0.75, ge=0.5, le=1, description="cosine that counts as support, where installed")
    max_tokens: PositiveInt = Field(1500, description="length of one answer at most")
    concurrency: PositiveInt = Field(8, description="requests at the same time")
    requests_per_minute: float | None = Field(None, gt=0, description="limit on requests; null: none")
    price_in: float | None = Field(None, ge=0, description="money for a million prompt tokens, to count the cost")
    price_out: float | None = Field(None, ge=0, description="money for a million completion tokens")


class CurateRules(Settings):
    """The whole of `pipelines/curate.yaml`."""

    checks: dict[CurateCheck, Action] = Field({}, description="check -> drop, review, warn or ignore")
    text: TextRules = Field(TextRules(), description="what is asked of texts")
    copies: CopyRules = Field(CopyRules(), description="near-copies")
    standardise: StandardiseRules = Field(StandardiseRules(), description="free text through a model")

    def action(self, check: CurateCheck) -> Action:
        """Return what follows from a finding of a check."""
        return self.checks.get(check, DEFAULT_ACTIONS[check])


def load_curate_rules(workspace: Path) -> CurateRules:
    """Read the workspace's `pipelines/curate.yaml`, or the reference copy where the workspace has none.

    Raises:
        UsageError: Unknown key or value out of range, with the key's full name.
        InputError: The file cannot be read or is no YAML.
    """
    own = workspace / SETTINGS_FILE
    path = own if own.is_file() else reference_root() / SETTINGS_FILE
    rules = validate_settings(CurateRules, read_yaml(path), origin=display_path(path, workspace))
    if rules.standardise.prompt.strip():
        return rules
    shipped = validate_settings(CurateRules, read_yaml(reference_root() / SETTINGS_FILE), origin=SETTINGS_FILE)
    prompt = {"prompt": shipped.standardise.prompt}
    return rules.model_copy(update={"standardise": rules.standardise.model_copy(update=prompt)})
