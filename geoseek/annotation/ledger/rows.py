"""Rows of the ledger as they are handed out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from geoseek.schemas import Annotation, AnnotationStatus, Split


class Purpose(StrEnum):
    """What a project is for."""

    ANNOTATE = "annotate"
    ADJUDICATE = "adjudicate"


class TaskState(StrEnum):
    """Where a task stands: decided on, known to be on the server, or taken away from its annotator."""

    PLANNED = "planned"
    PUSHED = "pushed"
    RETIRED = "retired"


class AnnotationState(StrEnum):
    """What happened to an annotation on the server, whatever the review says."""

    SUBMITTED = "submitted"
    SKIPPED = "skipped"
    DELETED = "deleted"
    QUARANTINED = "quarantined"


class Verdict(StrEnum):
    """What a reviewer decided."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EDITED = "edited"


@dataclass(frozen=True)
class Annotator:
    """A person, known to everybody else by a pseudonym."""

    name: str
    email: str | None = field(default=None, repr=False)
    server_user_id: int | None = None
    active: bool = True


@dataclass(frozen=True)
class Project:
    """A project on a server: the work of one annotator in one split."""

    id: int
    server: str
    server_project_id: int
    purpose: Purpose
    annotator: str
    split: Split
    config_version: int
    handbook_version: int
    cursor: str | None


@dataclass(frozen=True)
class Task:
    """A sample that was given to an annotator; `round` counts how often, where it came back after a rejection."""

    key: str
    purpose: Purpose
    sample_id: str
    split: Split
    stratum: str
    annotator: str
    state: TaskState
    project: int | None = None
    server_task_id: int | None = None
    data_digest: str | None = None
    draft: str | None = None
    planned_at: str | None = None
    pushed_at: str | None = None
    retired_reason: str | None = None
    round: int = 1


@dataclass(frozen=True)
class Note:
    """A remark of the decoder or a rule about an annotation: a code and what exactly it met."""

    code: str
    detail: str


@dataclass(frozen=True)
class NewAnnotation:
    """What came from a server or a file, before it is compared with what the ledger has.

    Attributes:
        id: `studio:IDENTITY:NUMBER` or `file:DIGEST`; stable over versions.
        digest: Of everything the annotator said and of `state`; decides whether this is a new version.
        annotation: Without a version of its own (the ledger numbers it); None where nothing was said.
        raw: The JSON text as it came.
    """

    id: str
    purpose: Purpose
    task_key: str | None
    sample_id: str
    split: Split
    annotator: str
    state: AnnotationState
    digest: str
    origin: str
    raw: str
    annotation: Annotation | None = None
    reason: str | None = None
    problems: tuple[Note, ...] = ()
    config_version: int | None = None
    handbook_version: int | None = None
    lead_time_s: float | None = None
    created_at: str | None = None
    updated_at: str | None = None


@dataclass(frozen=True)
class Decision:
    """What a reviewer decided about one version of an annotation."""

    annotation_id: str
    version: int
    verdict: Verdict
    reviewer: str
    reason: str | None = None
    consequence: Literal["queue", "reserve"] | None = None
    edited: Annotation | None = None
    decided_at: str | None = None


@dataclass(frozen=True)
class StoredAnnotation:
    """One version of an annotation with what the review made of it.

    Attributes:
        annotation: What counts: the reviewer's edited form where there is one, with `status` and `version` filled in;
            None where nothing was said (skipped, deleted, undecodable).
        replaced: The annotator's own words where a reviewer's edit stands in for them.
        seen_at: When the ledger learned of this version, ISO 8601 in UTC.
    """

    id: str
    version: int
    purpose: Purpose
    task_key: str | None
    sample_id: str
    split: Split
    annotator: str
    state: AnnotationState
    reason: str | None
    problems: tuple[Note, ...]
    digest: str
    lead_time_s: float | None
    created_at: str | None
    updated_at: str | None
    origin: str
    seen_at: str
    annotation: Annotation | None
    flags: tuple[Note, ...]
    decision: Decision | None
    replaced: Annotation | None = None

    @property
    def said(self) -> Annotation | None:
        """What the annotator said, whatever a reviewer made of it: agreement is about people, not about the outcome."""
        return self.replaced or self.annotation

    @property
    def status(self) -> AnnotationStatus:
        """Accepted, rejected, or submitted while nobody has decided."""
        if self.decision is None:
            return AnnotationStatus.SUBMITTED
        rejected = self.decision.verdict is Verdict.REJECTED
        return AnnotationStatus.REJECTED if rejected else AnnotationStatus.ACCEPTED

    @property
    def in_review(self) -> bool:
        """A rule found something, and nobody has decided."""
        return bool(self.flags) and self.decision is None and self.state is AnnotationState.SUBMITTED
