"""One annotation on its way to a curated chain, or to a reject with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from geoseek.annotation import StoredAnnotation
from geoseek.pipelines.curate.answers import Answer
from geoseek.pipelines.curate.checks import Examiner, decide
from geoseek.pipelines.curate.choose import Candidates, is_reviewed, reject
from geoseek.pipelines.curate.codes import Action, CurateCheck, Finding
from geoseek.pipelines.curate.figures import Tally
from geoseek.pipelines.curate.guards import Meaning, Source
from geoseek.pipelines.curate.model import guarded_form, note_key
from geoseek.pipelines.curate.notes import NotStandardisedError
from geoseek.pipelines.curate.samples import SampleTable
from geoseek.pipelines.curate.settings import Standardise
from geoseek.pipelines.curate.standard import StandardForm, form_by_rules
from geoseek.pipelines.curate.texts import UnusableTextError, clean_chain, clean_text, require_length
from geoseek.schemas import (
    Annotation,
    CuratedChain,
    CurateReject,
    CurateRejectReason,
    FieldOrigin,
    render_record,
)

MeaningFor = Callable[[str | None], Meaning | None]
"""From the language of a text to what compares by meaning in it."""

_EXPORTED_FIELDS = ("chain", "clue_boxes", "picture")


@dataclass
class Curator:
    """Curates annotations one by one, and counts.

    Attributes:
        examiner: Knows the checks.
        samples: Where the pictures were taken.
        method: How free text is brought into stages.
        answers: Key of a note -> what a model said.
        copies: Annotation -> the earlier one that its reasoning nearly equals, in words.
        meaning: Compares by meaning, where that is installed.
        tally: What was counted so far.
        proposals: Free text in stages that waits for a reviewer, in the form that `geoseek annotate import` reads.
    """

    examiner: Examiner
    samples: SampleTable
    method: Standardise
    answers: Mapping[str, Answer]
    copies: Mapping[str, str]
    meaning: MeaningFor
    tally: Tally = field(default_factory=Tally)
    proposals: list[dict[str, Any]] = field(default_factory=list)

    def curate(self, candidates: Candidates) -> list[CuratedChain | CurateReject]:
        """Return what becomes of the annotations of one sample: the best that passes the checks is kept."""
        results: list[CuratedChain | CurateReject] = list(candidates.rejects)
        kept: StoredAnnotation | None = None
        several = candidates.accepted > 1
        for stored in candidates.usable:
            if kept is not None:
                checks = (CurateCheck.TWO_ACCEPTED.value,) if several and is_reviewed(stored) else ()
                results.append(reject(stored, CurateRejectReason.ANOTHER_CHOSEN, f"chosen was {kept.id}", checks))
                continue
            found = self._curate_one(stored, several=several)
            results.append(found)
            if isinstance(found, CuratedChain):
                kept = stored
        for result in results:
            self.tally.add_read(result.split, 1)
            self.tally.add_result(result)
        return results

    def _curate_one(self, stored: StoredAnnotation, *, several: bool) -> CuratedChain | CurateReject:
        said = stored.annotation
        if said is None:
            raise ValueError(f"{stored.id} has nothing to curate.")
        longest = self.examiner.rules.text.longest_chars
        try:
            chain, form = said.chain, None
            if chain is None:
                form = self._standard_form(said, longest)
                chain = form.chain
            clean = clean_chain(chain, said.clue_boxes, longest_chars=longest)
        except UnusableTextError as error:
            return reject(stored, CurateRejectReason.UNUSABLE_TEXT, str(error))
        except NotStandardisedError as error:
            self.tally.failed += 1
            return reject(stored, CurateRejectReason.NOT_STANDARDISED, str(error))
        standard = said.model_copy(update={"chain": clean.chain, "clue_boxes": clean.boxes})
        findings = list(form.findings) if form else []
        findings += self.examiner.examine(
            replace(stored, annotation=standard), self.samples.find(stored.split, stored.sample_id)
        )
        if clean.controls:
            findings.append(Finding(CurateCheck.CONTROL_CHARACTERS, f"{clean.controls:,} characters"))
        if stored.id in self.copies:
            findings.append(Finding(CurateCheck.NEAR_COPY, self.copies[stored.id]))
        if several and is_reviewed(stored):
            findings.append(Finding(CurateCheck.TWO_ACCEPTED, "see the rejects for the others"))
        return self._decided(stored, standard, form, findings)

    def _decided(
        self, stored: StoredAnnotation, standard: Annotation, form: StandardForm | None, findings: list[Finding]
    ) -> CuratedChain | CurateReject:
        outcome = decide(findings, self.examiner.rules, reviewed=is_reviewed(stored))
        self.tally.add_findings(stored.sample_id, stored.id, findings, outcome)
        codes = tuple(dict.fromkeys(finding.check.value for finding in outcome.deciding))
        if outcome.action is Action.WARN:
            return _curated(stored, standard, form, codes)
        if form is not None and outcome.action is Action.REVIEW:
            self.proposals.append(_proposal(stored, standard, form))
        reason = CurateRejectReason.CHECK_FAILED if outcome.action is Action.DROP else CurateRejectReason.TO_REVIEW
        return reject(stored, reason, "; ".join(finding.detail for finding in outcome.deciding), codes)

    def _standard_form(self, said: Annotation, longest: int) -> StandardForm:
        """Bring free text into stages: by the model's answer where there is one, else by rules."""
        require_length("the note", said.note or "", longest)
        note = clean_text(said.note or "")
        if not note:
            raise UnusableTextError("the note has nothing but control characters")
        answer = self.answers.get(note_key(note, self.examiner.rules.standardise))
        if answer is not None:
            form = self._by_model(note, answer, said.language)
        else:
            missing = self.method is Standardise.ENDPOINT
            because = "the model has given no answer" if missing else ""
            self.tally.without_answer += missing
            form = form_by_rules(note, self.examiner.gazetteer, because=because)
        self.tally.add_form(form)
        return form

    def _by_model(self, note: str, answer: Answer, language: str | None) -> StandardForm:
        self.tally.prompt_tokens += answer.prompt_tokens
        self.tally.completion_tokens += answer.completion_tokens
        rules, gazetteer = self.examiner.rules.standardise, self.examiner.gazetteer
        return guarded_form(answer.data, answer.model, Source(note, self.meaning(language)), rules, gazetteer)


def _curated(
    stored: StoredAnnotation, standard: Annotation, form: StandardForm | None, warnings: tuple[str, ...]
) -> CuratedChain:
    if standard.chain is None:
        raise ValueError(f"{stored.id} has no chain.")
    return CuratedChain(
        sample_id=stored.sample_id,
        split=stored.split,
        annotation_id=stored.id,
        annotation_version=stored.version,
        annotator=stored.annotator,
        reviewed=is_reviewed(stored),
        chain=standard.chain,
        clue_boxes=standard.clue_boxes,
        language=standard.language,
        config_version=standard.config_version,
        handbook_version=standard.handbook_version,
        warnings=warnings,
        origins=tuple(FieldOrigin(field=name, origin=author) for name, author in _origins(standard, form).items()),
    )


def _origins(standard: Annotation, form: StandardForm | None) -> dict[str, str]:
    """Return field -> who wrote it, for what is exported; of free text, who wrote the words and who divided them."""
    known = standard.provenance
    origins = {name: author for name, author in known.items() if name.split(".")[0] in _EXPORTED_FIELDS}
    if form is not None and standard.chain is not None:
        origins["note"] = known.get("note", "human")
        origins |= {f"chain.{name.value}": form.author for name in standard.chain.stages()}
        origins["chain.final_answer"] = form.author
    return dict(sorted(origins.items()))


def _proposal(stored: StoredAnnotation, standard: Annotation, form: StandardForm) -> dict[str, Any]:
    if standard.chain is None:
        raise ValueError(f"{stored.id} has no chain.")
    return {
        "id": stored.id,
        "sample_id": stored.sample_id,
        "annotator": stored.annotator,
        "note": standard.note,
        "language": standard.language,
        "chain": render_record(standard.chain),
        "provenance": {**standard.provenance, "chain": form.author},
    }
