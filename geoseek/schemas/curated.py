"""What `geoseek curate` and `geoseek tag` leave for the export."""

from __future__ import annotations

from pydantic import Field

from geoseek.schemas.annotation import ChainOfThought, ClueBox, LocatabilityBand, SceneTag
from geoseek.schemas.enums import DescribedCode, Split
from geoseek.schemas.records import Int32, Record


class FieldOrigin(Record):
    """Who wrote a field."""

    field: str = Field(description="name of the field, e.g. `chain.country` or `picture`")
    origin: str = Field(description="human, rule, synthetic or `model NAME`; for `picture`, photo or synthetic")


class CuratedChain(Record):
    """The chain of thought of a sample, standardised and checked."""

    sample_id: str = Field(description="id of the sample")
    split: Split = Field(description="split of the sample")
    annotation_id: str = Field(description="annotation it comes from")
    annotation_version: Int32 = Field(description="version of that annotation")
    annotator: str = Field(description="pseudonym")
    reviewed: bool = Field(description="a reviewer accepted or edited it")
    chain: ChainOfThought = Field(description="the chain of thought")
    clue_boxes: tuple[ClueBox, ...] = Field(description="boxes drawn on the picture")
    language: str | None = Field(description="language of the words as BCP 47, where known")
    config_version: Int32 | None = Field(description="version of the labelling page; null for imports")
    handbook_version: Int32 | None = Field(description="version of the handbook; null for imports")
    warnings: tuple[str, ...] = Field(description="codes of checks that only warn")
    origins: tuple[FieldOrigin, ...] = Field(description="who wrote what")


class CurateRejectReason(DescribedCode):
    """Why an annotation is not among the curated chains. `read = kept + rejected` holds for every run."""

    NO_SAMPLE = "no_sample", "there is no such sample (any more), or its picture was replaced"
    NOT_SUBMITTED = "not_submitted", "skipped, deleted or quarantined"
    REJECTED = "rejected", "a reviewer rejected it"
    NOT_ACCEPTED = "not_accepted", "nobody has accepted it, and the settings ask for that"
    NO_CHAIN = "no_chain", "a rating without a chain of thought"
    ANOTHER_CHOSEN = "another_chosen", "another annotation of the same sample was chosen"
    TO_REVIEW = "to_review", "a check or the standardisation asks for a reviewer first"
    CHECK_FAILED = "check_failed", "a check whose setting is `drop`"
    UNUSABLE_TEXT = "unusable_text", "text that cannot be stored: too long, or nothing but control characters"
    NOT_STANDARDISED = "not_standardised", "free text that could not be brought into three stages"


class CurateReject(Record):
    """An annotation that was read and left out of the curated chains."""

    sample_id: str = Field(description="id of the sample")
    split: Split = Field(description="split of the sample")
    annotation_id: str = Field(description="id of the annotation")
    annotation_version: Int32 = Field(description="its version")
    annotator: str = Field(description="pseudonym")
    reason: CurateRejectReason = Field(description="code out of CurateRejectReason")
    checks: tuple[str, ...] = Field(description="codes of the checks that decided")
    detail: str | None = Field(description="what exactly was wrong")


class SubScores(Record):
    """Parts of the locatability rating, 0..10 each."""

    image_clarity: float | None = Field(None, description="sharpness, light, nothing in the way")
    text_amount: float | None = Field(None, description="amount of text that can be read")
    cultural_landscape: float | None = Field(None, description="distinctiveness of what people have built")
    natural_landscape: float | None = Field(None, description="distinctiveness of nature")
    vehicles_and_people: float | None = Field(None, description="what vehicles and people give away")


class Rating(Record):
    """One source's locatability rating and scene tags of a sample."""

    origin: str = Field(description="`human` (median and majority over annotators), or `model NAME`")
    raters: Int32 = Field(description="how many ratings are behind it")
    locatability_score: float | None = Field(description="0..10 in halves")
    scene_tags: tuple[SceneTag, ...] = Field(description="tags answered with yes")
    scene_tags_maybe: tuple[SceneTag, ...] = Field(description="tags answered with maybe")
    scene_tags_no: tuple[SceneTag, ...] = Field(
        (), description="tags answered with no; a tag in none of the three lists was not asked"
    )
    sub_scores: SubScores = Field(description="parts of the rating")
    main_clues: tuple[str, ...] = Field(description="the clues that decide the locatability")


class TaggedSample(Record):
    """Locatability and scene tags of a sample, from all sources, and those that the export uses."""

    sample_id: str = Field(description="id of the sample")
    split: Split = Field(description="split of the sample")
    origin: str = Field(description="origin of the rating that is exported")
    locatability_score: float | None = Field(description="0..10 in halves")
    locatability_band: LocatabilityBand | None = Field(description="band of the score")
    scene_tags: tuple[SceneTag, ...] = Field(description="tags answered with yes")
    scene_tags_maybe: tuple[SceneTag, ...] = Field(description="tags answered with maybe")
    sub_scores: SubScores = Field(description="parts of the rating")
    main_clues: tuple[str, ...] = Field(description="the clues that decide the locatability")
    ratings: tuple[Rating, ...] = Field(description="what each source said")


class TagRejectReason(DescribedCode):
    """Why a rating does not count, or a rated sample is left out. `read = kept + rejected` holds for every run."""

    NO_SAMPLE = "no_sample", "there is no such sample (any more), or its picture was replaced"
    NOT_SUBMITTED = "not_submitted", "skipped, deleted or quarantined"
    REJECTED = "rejected", "a reviewer rejected it"
    NOT_ACCEPTED = "not_accepted", "nobody has accepted it, and the settings ask for that"
    NO_RATING = "no_rating", "an annotation with neither a score nor scene tags"
    LATER_CHOSEN = "later_chosen", "the same annotator rated the sample again later"
    MISSING_IMAGE = "missing_image", "the picture to be shown to the model is not there"
    CHANGED_IMAGE = "changed_image", "the picture is no longer the one that was fetched (SHA-256)"
    UNREADABLE_IMAGE = "unreadable_image", "the picture cannot be prepared for the model"
    MODEL_FAILED = "model_failed", "the model gave no usable answer; `fault` says why"
    OUT_OF_RANGE = "out_of_range", "the score lies outside of the locatability range that was asked for"


class TagReject(Record):
    """A rating that does not count, or a rated sample that is left out."""

    sample_id: str = Field(description="id of the sample")
    split: Split = Field(description="split of the sample")
    origin: str = Field(description="who rated: a pseudonym, or `model NAME`; for a sample, origin of its rating")
    annotation_id: str | None = Field(description="id of the annotation; null for models and for samples")
    reason: TagRejectReason = Field(description="code out of TagRejectReason")
    fault: str | None = Field(description="code of the endpoint's fault, where a model was asked")
    detail: str | None = Field(description="what exactly was wrong")
