"""What a run of `geoseek curate` counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import Field

from geoseek.pipelines.curate.checks import Outcome
from geoseek.pipelines.curate.codes import Action, CurateCheck, Finding
from geoseek.pipelines.curate.settings import CurateRules, Standardise
from geoseek.pipelines.curate.standard import BY_RULE, StandardForm
from geoseek.schemas import CuratedChain, CurateReject, CurateRejectReason, GeoSeekError, Record, Split

MAX_EXAMPLES = 5
_LONGEST_DETAIL = 300


class Example(Record):
    """An annotation of which a check found something."""

    sample_id: str = Field(description="id of the sample")
    annotation_id: str = Field(description="id of the annotation")
    detail: str = Field(description="what the check met")


class CheckFigures(Record):
    """One check over all annotations that were looked at."""

    check: CurateCheck = Field(description="code out of CurateCheck")
    action: Action = Field(description="what the settings say")
    found: int = Field(description="annotations of which it found something")
    dropped: int = Field(description="of these, left out for it")
    to_review: int = Field(description="of these, left out until a reviewer has seen them")
    warned: int = Field(description="of these, kept with a warning")
    examples: tuple[Example, ...] = Field(description="the first few")


class SplitFigures(Record):
    """The annotations of one split."""

    split: Split = Field(description="the split")
    samples: int = Field(description="samples that there are")
    annotations: int = Field(description="annotations read")
    kept: int = Field(description="chains of thought kept")
    rejected: int = Field(description="annotations left out")


class StandardiseFigures(Record):
    """What became of the free text that was looked at."""

    method: Standardise = Field(description="off, rules or endpoint")
    model: str | None = Field(description="model that was asked, if any")
    notes: int = Field(description="notes that were looked at")
    by_rules: int = Field(description="divided by rules")
    by_model: int = Field(description="divided by the model")
    failed: int = Field(description="could not be divided")
    unsupported_removed: int = Field(description="clues, stages and sentences of the model that went")
    without_answer: int = Field(description="notes for which the model has given no answer")
    prompt_tokens: int = Field(description="tokens of the answers used, as counted by the server")
    completion_tokens: int = Field(description="the same")


class CurateFigures(Record):
    """All that a run counted: `read = kept + rejected` in every split."""

    splits: tuple[SplitFigures, ...] = Field(description="per split")
    reasons: dict[CurateRejectReason, int] = Field(description="reject reason -> annotations")
    checks: tuple[CheckFigures, ...] = Field(description="per check, the gravest first")
    standardise: StandardiseFigures = Field(description="free text")
    remarks: tuple[str, ...] = Field(description="what a reader should know")

    @property
    def read(self) -> int:
        """Annotations read."""
        return sum(split.annotations for split in self.splits)

    @property
    def kept(self) -> int:
        """Chains kept."""
        return sum(split.kept for split in self.splits)

    @property
    def rejected(self) -> int:
        """Annotations left out."""
        return sum(split.rejected for split in self.splits)


class Tally:
    """Counts while a run goes on."""

    def __init__(self) -> None:
        self.reasons: Counter[CurateRejectReason] = Counter()
        self._read: Counter[Split] = Counter()
        self._kept: Counter[Split] = Counter()
        self._found: Counter[CurateCheck] = Counter()
        self._outcomes: Counter[tuple[CurateCheck, Action]] = Counter()
        self._examples: dict[CurateCheck, list[Example]] = {}
        self.forms: Counter[str] = Counter()
        self.failed = 0
        self.unsupported = 0
        self.without_answer = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def add_read(self, split: Split, number: int) -> None:
        """Count annotations that were read."""
        self._read[split] += number

    def add_form(self, form: StandardForm) -> None:
        """Count free text that was brought into stages."""
        self.forms["rules" if form.author == BY_RULE else "model"] += 1
        self.unsupported += form.removed

    def add_findings(self, sample_id: str, annotation_id: str, findings: Iterable[Finding], outcome: Outcome) -> None:
        """Count what the checks found about one annotation."""
        deciding = {finding.check for finding in outcome.deciding}
        by_check: dict[CurateCheck, Finding] = {}
        for finding in findings:
            by_check.setdefault(finding.check, finding)
        for check, finding in by_check.items():
            self._found[check] += 1
            if check in deciding:
                self._outcomes[check, outcome.action] += 1
            examples = self._examples.setdefault(check, [])
            if len(examples) < MAX_EXAMPLES:
                examples.append(
                    Example(sample_id=sample_id, annotation_id=annotation_id, detail=finding.detail[:_LONGEST_DETAIL])
                )

    def add_result(self, result: CuratedChain | CurateReject) -> None:
        """Count what became of one annotation."""
        if isinstance(result, CuratedChain):
            self._kept[result.split] += 1
        else:
            self.reasons[result.reason] += 1

    def figures(
        self,
        rules: CurateRules,
        samples: dict[Split, int],
        method: Standardise,
        model: str | None,
        remarks: Iterable[str],
    ) -> CurateFigures:
        """Return the counts as a record.

        Raises:
            GeoSeekError: Something was lost: a fault of GeoSeek.
        """
        rejected = self.reasons.total()
        if self._read.total() != self._kept.total() + rejected:
            raise GeoSeekError(
                f"{self._read.total():,} annotations were read, but {self._kept.total():,} kept and {rejected:,} "
                "rejected.",
                hint="This is a fault of GeoSeek; nothing was written.",
            )
        return CurateFigures(
            splits=tuple(
                SplitFigures(
                    split=split,
                    samples=number,
                    annotations=self._read[split],
                    kept=self._kept[split],
                    rejected=self._read[split] - self._kept[split],
                )
                for split, number in sorted(samples.items())
            ),
            reasons={reason: self.reasons[reason] for reason in CurateRejectReason if self.reasons[reason]},
            checks=tuple(self._check_figures(check, rules) for check in CurateCheck),
            standardise=StandardiseFigures(
                method=method,
                model=model,
                notes=self.forms.total() + self.failed,
                by_rules=self.forms["rules"],
                by_model=self.forms["model"],
                failed=self.failed,
                unsupported_removed=self.unsupported,
                without_answer=self.without_answer,
                prompt_tokens=self.prompt_tokens,
                completion_tokens=self.completion_tokens,
            ),
            remarks=tuple(remarks),
        )

    def _check_figures(self, check: CurateCheck, rules: CurateRules) -> CheckFigures:
        return CheckFigures(
            check=check,
            action=rules.action(check),
            found=self._found[check],
            dropped=self._outcomes[check, Action.DROP],
            to_review=self._outcomes[check, Action.REVIEW],
            warned=self._outcomes[check, Action.WARN],
            examples=tuple(self._examples.get(check, ())),
        )
