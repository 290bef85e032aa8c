"""`pipelines/tag.yaml`: what a model is asked, with which pictures, and how hard its server may be used."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field, PositiveInt

from geoseek.pipelines.tag.answers import TagTask
from geoseek.schemas import SceneTag, SubScores
from geoseek.workspace import Settings, display_path, read_yaml, reference_root, validate_settings

SETTINGS_FILE = "pipelines/tag.yaml"


class RatingSource(StrEnum):
    """Whose ratings are taken up."""

    HUMAN = "human"
    ENDPOINT = "endpoint"
    BOTH = "both"

    @property
    def people(self) -> bool:
        """Whether annotators' ratings count."""
        return self is not RatingSource.ENDPOINT

    @property
    def model(self) -> bool:
        """Whether a model's ratings count."""
        return self is not RatingSource.HUMAN


class Preference(StrEnum):
    """Whose rating is exported where there are both."""

    HUMAN = "human"
    MODEL = "model"


class TagRules(Settings):
    """The whole of `pipelines/tag.yaml`."""

    longest_side: int = Field(1024, ge=64, le=8192, description="pixels of the longer side that a picture is sent with")
    jpeg_quality: int = Field(90, ge=30, le=95, description="of pictures that are made smaller or turned")
    temperature: float | None = Field(0.0, ge=0, le=2, description="null leaves it to the server")
    max_tokens: PositiveInt = Field(600, description="length of one answer at most")
    concurrency: PositiveInt = Field(8, description="requests at the same time")
    requests_per_minute: float | None = Field(None, gt=0, description="limit on requests; null: none")
    tokens_per_minute: float | None = Field(None, gt=0, description="limit on tokens; null: none")
    price_in: float | None = Field(None, ge=0, description="money for a million prompt tokens, to count the cost")
    price_out: float | None = Field(None, ge=0, description="money for a million completion tokens")
    locatability_prompt: str = Field(min_length=1, description="question for the locatability; `{parts}`: its parts")
    tags_prompt: str = Field(min_length=1, description="question for the scene tags; `{tags}`: the ten tags")

    def prompt(self, task: TagTask) -> str:
        """Return the text of a question."""
        if task is TagTask.SCENE_TAGS:
            return self.tags_prompt.replace("{tags}", _listed({tag.value: tag.description for tag in SceneTag}))
        parts = {name: info.description or "" for name, info in SubScores.model_fields.items()}
        return self.locatability_prompt.replace("{parts}", _listed(parts))


def _listed(meanings: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {meaning}" for name, meaning in meanings.items())


def load_tag_rules(workspace: Path) -> TagRules:
    """Read the workspace's `pipelines/tag.yaml`; what it does not say is as in the reference copy.

    Raises:
        UsageError: Unknown key or value out of range, with the key's full name.
        InputError: The file cannot be read or is no YAML.
    """
    reference, own = reference_root() / SETTINGS_FILE, workspace / SETTINGS_FILE
    path = own if own.is_file() else reference
    raw = {**read_yaml(reference), **read_yaml(path)}
    return validate_settings(TagRules, raw, origin=display_path(path, workspace))
