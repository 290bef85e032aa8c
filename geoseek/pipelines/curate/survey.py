"""What is known before anything is curated: all passes over the ledger see the same, and share what they need."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseek.annotation import Ledger, ReviewSettings, StoredAnnotation, Text, near_copies, own_reasoning
from geoseek.endpoints import embedder
from geoseek.pipelines.curate.answers import Answer
from geoseek.pipelines.curate.choose import UNDATED, Candidates, Eligibility, read_candidates
from geoseek.pipelines.curate.guards import Meaning, nearest_by
from geoseek.pipelines.curate.model import note_key
from geoseek.pipelines.curate.samples import SampleTable
from geoseek.pipelines.curate.settings import CurateRules, Standardise
from geoseek.pipelines.curate.texts import clean_text
from geoseek.schemas import Split

SPLITS = tuple(sorted((Split.COT, Split.VAL)))
"""Splits that may have chains of thought, in the order of the tables."""


@dataclass(frozen=True)
class Ground:
    """What all passes over the ledger share."""

    workspace: Path
    ledger: Ledger | None
    rules: CurateRules
    review: ReviewSettings
    samples: SampleTable
    eligibility: Eligibility
    method: Standardise
    answers: dict[str, Answer]


@dataclass(frozen=True)
class Survey:
    """What the first pass over the ledger found.

    Attributes:
        digest: Hash of all that the passes read.
        copies: Annotation -> the earlier one that it nearly equals, in words.
        answers: The answers that the free text of this ledger has.
    """

    digest: str
    copies: dict[str, str]
    answers: dict[str, Answer]


class Meanings:
    """Comparison by meaning, if the extra for it is installed.

    The English model that stands in for the multilingual one is asked about English texts only.
    """

    def __init__(self) -> None:
        self._embedder = embedder()
        self._nearest = nearest_by(self._embedder.similarity_matrix) if self._embedder else None

    def describe(self) -> dict[str, Any] | None:
        """Return what the manifest says about the model."""
        return self._embedder.describe() if self._embedder else None

    def of(self, language: str | None) -> Meaning | None:
        """Return what compares texts of a language."""
        if self._embedder is None or (self._embedder.is_fallback and not (language or "").lower().startswith("en")):
            return None
        return self._nearest


def notes_to_ask(run: Ground) -> list[str]:
    """Return the free text of the samples that have nothing better, each text once, without those that are too long."""
    notes = []
    for split in SPLITS:
        for candidates in read_candidates(run.ledger, split, run.eligibility):
            note = _note(candidates.usable[0]) if candidates.usable else None
            if note and len(note) <= run.rules.text.longest_chars:
                notes.append(note)
    return list(dict.fromkeys(notes))


def _note(stored: StoredAnnotation) -> str | None:
    """Return the free text of an annotation without stages, as it is asked about and kept."""
    said = stored.annotation
    return clean_text(said.note or "") if said is not None and said.chain is None else None


def survey_ledger(run: Ground) -> Survey:
    """Read the ledger once: what it says, which reasoning is a near-copy, which notes have answers."""
    digest = hashlib.sha256()
    dated: list[tuple[str, str, str]] = []
    author: dict[str, str] = {}
    answers: dict[str, Answer] = {}
    for split in SPLITS:
        for candidates in read_candidates(run.ledger, split, run.eligibility):
            add_to(digest, candidates)
            for stored in candidates.usable:
                note = _note(stored)
                answer = run.answers.get(note_key(note, run.rules.standardise)) if note else None
                if answer is not None:
                    answers[answer.key] = answer
            if candidates.usable:
                best = candidates.usable[0]
                dated.append((best.created_at or UNDATED, best.id, own_reasoning(best)))
                author[best.id] = best.annotator
    texts = (Text(key, words[: run.rules.text.longest_chars]) for _, key, words in sorted(dated))
    found = near_copies(texts, similarity=run.rules.copies.similarity, least_letters=run.rules.copies.least_letters)
    copies = {copy.key: f"{copy.similarity:.0%} like {copy.original} by {author[copy.original]}" for copy in found}
    return Survey(digest.hexdigest(), copies, answers)


def add_to(digest: Any, candidates: Candidates) -> None:
    """Add all that decides the result of one sample to the hash of the ledger."""
    for stored in candidates.usable:
        said = stored.annotation.model_dump_json() if stored.annotation else ""
        digest.update(f"{stored.id}\n{stored.version}\n{stored.status}\n{said}\n".encode("utf-8", "surrogatepass"))
    for refused in candidates.rejects:
        digest.update(refused.model_dump_json().encode("utf-8", "surrogatepass"))
