"""What an annotator says about a picture: the chain of thought, clue boxes, locatability and scene tags."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, field_validator

from geoseek.schemas.enums import DescribedCode, Split
from geoseek.schemas.records import Int32, Record


class StageName(StrEnum):
    """The stages of a chain, in their order; only the first is mandatory."""

    COUNTRY = "country"
    REGION = "region"
    PRECISE = "precise"


class Uncertainty(StrEnum):
    """How sure the annotator is of the conclusion of a stage."""

    LOW = "Low"
    MODERATE = "Moderate"
    HIGH = "High"


class SceneTag(DescribedCode):
    """The ten tags of a scene (arXiv 2602.12617, section 3); each is answered with yes, no or maybe."""

    MANMADE = "manmade", "anything built or shaped by people takes up a good part of the picture"
    TRAFFIC = "traffic", "vehicles, lanes, road markings, traffic lights or traffic signs"
    BUILDINGS = "buildings", "houses or other buildings whose style can be made out"
    SIGN = "sign", "signs, boards or plates, whether or not they can be read"
    LANGUAGE = "language", "writing whose language or script can be recognised"
    NATURAL = "natural", "a landscape that nature rather than people has shaped"
    PLANTS = "plants", "plants whose kind or growth says something about the place"
    MOUNTAINS_AND_RIVERS = "mountains_and_rivers", "mountains, hills, rivers, lakes or the sea"
    WEATHER = "weather", "weather, light or season that narrows the place down"
    AGRICULTURAL = "agricultural", "fields, crops, orchards, pastures or livestock"


class TagAnswer(StrEnum):
    """Whether a scene tag holds."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


class LocatabilityBand(StrEnum):
    """Six bands of the locatability score: [0], (0, 4), [4, 6), [6, 8), [8, 10), [10]."""

    UNLOCATABLE = "unlocatable"
    EXTREMELY_LOW = "extremely low"
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    EXTREMELY_HIGH = "extremely high"

    @classmethod
    def of(cls, score: float) -> Self:
        """Return the band of a score.

        >>> [LocatabilityBand.of(score).value for score in (0, 0.5, 4, 7.5, 9.5, 10)]
        ['unlocatable', 'extremely low', 'low', 'moderate', 'high', 'extremely high']
        """
        if not 0 <= score <= 10:
            raise ValueError(f"a locatability score lies in 0..10, not {score}")
        for limit, band in ((0, "UNLOCATABLE"), (4, "EXTREMELY_LOW"), (6, "LOW"), (8, "MODERATE"), (10, "HIGH")):
            if score < limit or score == limit == 0:
                return cls[band]
        return cls["EXTREMELY_HIGH"]


class AnnotationStatus(StrEnum):
    """Where an annotation stands in the review."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class Stage(Record):
    """One stage of a chain: what is seen, what follows from it, how sure that is."""

    clues: tuple[str, ...] = Field(description="visible clues, one each")
    reasoning: str = Field(description="from the clues to the conclusion")
    conclusion: str = Field(description="short answer of this stage")
    uncertainty: Uncertainty = Field(description="Low, Moderate or High")


class ChainOfThought(Record):
    """Three stages in their order, and the answer they lead to."""

    country: Stage = Field(description="which country")
    region: Stage | None = Field(None, description="which state, province or landscape; optional")
    precise: Stage | None = Field(None, description="which town, road or spot; optional")
    final_answer: str = Field(description="`Country; Region; Specific Location`, as far as it goes")

    def stages(self) -> dict[StageName, Stage]:
        """Return the stages that are there, in their order."""
        given = {name: getattr(self, name.value) for name in StageName}
        return {name: stage for name, stage in given.items() if stage is not None}


class ClueBox(Record):
    """A box drawn on the picture around a clue; percent of the picture as displayed (EXIF orientation applied)."""

    stage: StageName = Field(description="country, region or precise")
    clue_index: Int32 | None = Field(description="index into the clues of that stage; null if the note matches none")
    x: float = Field(description="left edge, percent of the width")
    y: float = Field(description="upper edge, percent of the height")
    w: float = Field(description="width, percent of the width")
    h: float = Field(description="height, percent of the height")
    note: str | None = Field(description="what the annotator wrote about the box")


class Annotation(Record):
    """One version of what one annotator said about one sample."""

    id: str = Field(description="id of the annotation, stable over its versions")
    version: Int32 = Field(description="1, 2, ...: every change makes a new version")
    sample_id: str = Field(description="id of the sample")
    split: Split = Field(description="split of the sample")
    annotator: str = Field(description="pseudonym")
    status: AnnotationStatus = Field(description="submitted, accepted, rejected or superseded")
    chain: ChainOfThought | None = Field(description="the chain of thought; null for free-text notes")
    clue_boxes: tuple[ClueBox, ...] = Field(description="boxes drawn on the picture")
    locatability_score: float | None = Field(description="0..10 in halves; null where it was not asked")
    scene_tags: dict[str, str] = Field(description="scene tag -> yes, no or maybe; empty where not asked")
    sub_scores: dict[str, float] = Field(description="parts of the locatability rating, 0..10 each")
    main_clues: tuple[str, ...] = Field(description="the clues that decide the locatability")
    note: str | None = Field(description="free text of a volunteer, or a remark")
    language: str | None = Field(description="language of the words as BCP 47, where known")
    config_version: Int32 | None = Field(description="version of the labelling configuration; null for imports")
    handbook_version: Int32 | None = Field(description="version of the handbook; null for imports")
    lead_time_s: float | None = Field(description="seconds the annotator spent, as the server counts them")
    created_at: str | None = Field(description="ISO 8601 in UTC")
    updated_at: str | None = Field(description="ISO 8601 in UTC")
    provenance: dict[str, str] = Field(
        description="field -> human, model NAME, rule or synthetic; `picture` -> photo or synthetic"
    )

    @field_validator("scene_tags")
    @classmethod
    def _known_tags(cls, tags: dict[str, str]) -> dict[str, str]:
        for tag, answer in tags.items():
            SceneTag(tag), TagAnswer(answer)
        return tags

    @field_validator("locatability_score")
    @classmethod
    def _half_steps(cls, score: float | None) -> float | None:
        if score is not None and not (0 <= score <= 10 and score * 2 == int(score * 2)):
            raise ValueError("a locatability score lies in 0..10, in halves")
        return score
