"""`annotation/review.yaml`: what the review looks for, and from where on it is worth a look."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from geoseek.annotation.review.rules import Rule
from geoseek.workspace import Settings, display_path, read_yaml, reference_root, validate_settings

SETTINGS_FILE = "annotation/review.yaml"


class TruthSettings(Settings):
    """Section `truth`: the conclusions against the place where the picture was taken."""

    region_km: float | None = Field(None, gt=0, description="a concluded region farther from the sample is flagged")
    place_km: float | None = Field(None, gt=0, description="a concluded place farther from the sample is flagged")


class AgreementSettings(Settings):
    """Section `agreement`: several annotations of one sample against each other."""

    levels: tuple[Literal["country", "region", "precise"], ...] = Field(
        ("country", "region"), description="stages whose conclusions must name the same"
    )
    apart_km: float = Field(200.0, gt=0, description="concluded places farther apart are flagged")


class ClueSettings(Settings):
    """Section `clues`."""

    least_letters: int = Field(2, ge=1, le=100, description="a clue with fewer letters and digits says nothing")
    generic: tuple[str, ...] = Field((), description="clues that fit anywhere; case, accents and articles do not count")


class LeakSettings(Settings):
    """Section `leaks`: words that are not visible in any picture."""

    words: tuple[str, ...] = Field(("GPS", "EXIF", "metadata"), description="flagged wherever they stand as words")
    map_hosts: tuple[str, ...] = Field((), description="parts of addresses of map and picture search services")


class PaceSettings(Settings):
    """Section `pace`: seconds spent on a sample, as the server counts them."""

    floor_s: float = Field(60.0, ge=0, description="only what took less can be too fast")
    share_of_own_median: float = Field(
        0.33, gt=0, le=1, description="too fast is less than this share of the annotator's own median"
    )
    own_at_least: int = Field(5, ge=1, description="annotations needed for a median; before, the floor alone counts")
    always_below_s: float = Field(15.0, ge=0, description="too fast whatever the median is")


class CopySettings(Settings):
    """Section `copies`: reasoning that was written before."""

    similarity: float = Field(0.9, ge=0.5, le=1, description="1 - edits / length from which texts are nearly equal")
    least_letters: int = Field(80, ge=20, description="shorter reasoning is not compared")


class ReviewSettings(Settings):
    """The whole of `annotation/review.yaml`."""

    ignore: tuple[Rule, ...] = Field((), description="rules that are not applied")
    truth: TruthSettings = Field(TruthSettings(), description="conclusions against the ground truth")
    agreement: AgreementSettings = Field(AgreementSettings(), description="annotations of one sample")
    clues: ClueSettings = Field(ClueSettings(), description="clues that say nothing")
    leaks: LeakSettings = Field(LeakSettings(), description="knowledge that is not in the picture")
    pace: PaceSettings = Field(PaceSettings(), description="lead times")
    copies: CopySettings = Field(CopySettings(), description="near-copies")


def load_review_settings(workspace: Path) -> ReviewSettings:
    """Read the workspace's `annotation/review.yaml`, or the reference copy where the workspace has none.

    Raises:
        UsageError: Unknown key or value out of range, with the key's full name.
        InputError: The file cannot be read or is no YAML.
    """
    own = workspace / SETTINGS_FILE
    path = own if own.is_file() else reference_root() / SETTINGS_FILE
    return validate_settings(ReviewSettings, read_yaml(path), origin=display_path(path, workspace))
