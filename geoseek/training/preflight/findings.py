"""What a preflight says: one finding per thing that was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from geoseek.schemas import DescribedCode, GeoSeekError, Record


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    OK = "ok"


class Check(DescribedCode):
    """What was looked at."""

    PACKAGES = "packages", "the Python packages that the recipe needs, and their versions"
    GPUS = "gpus", "the GPUs, against those that the batch sizes are meant for"
    MEMORY = "memory", "an estimate of the memory per GPU"
    CHECKPOINT = "checkpoint", "the model or checkpoint to start from"
    DATA = "data", "the rows to learn from"
    IMAGES = "images", "the pictures of these rows"
    AGENT = "agent", "the endpoint of the consistency reward"
    EMBEDDING = "embedding", "the sentence model of the semantic reward"
    DISK = "disk", "the space for checkpoints"
    OUTPUT = "output", "the folder of the run"


class Finding(Record):
    """What was found in one place."""

    code: Check = Field(description="what was looked at")
    severity: Severity = Field(description="error: the run would fail; warning: it may; ok")
    message: str = Field(description="what was found")
    remedy: str | None = Field(None, description="what to do about it")
    stage: str | None = Field(None, description="stage that it is about; null for all")


def ok(code: Check, message: str, *, stage: str | None = None) -> Finding:
    """Return a finding that needs nothing to be done."""
    return Finding(code=code, severity=Severity.OK, message=message, stage=stage)


def warning(code: Check, message: str, remedy: str, *, stage: str | None = None) -> Finding:
    """Return a finding that a run may be started in spite of."""
    return Finding(code=code, severity=Severity.WARNING, message=message, remedy=remedy, stage=stage)


def fault(code: Check, message: str, remedy: str, *, stage: str | None = None) -> Finding:
    """Return a finding that a run would fail for."""
    return Finding(code=code, severity=Severity.ERROR, message=message, remedy=remedy, stage=stage)


class PreflightError(GeoSeekError):
    """A run that would fail was not started.

    Args:
        findings: The errors among them are named.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [one for one in self.findings if one.severity is Severity.ERROR]
        lines = [f"  {one.code.value}: {one.message} {one.remedy or ''}".rstrip() for one in errors]
        many = "1 thing" if len(errors) == 1 else f"{len(errors)} things"
        super().__init__(
            "\n".join([f"The training was not started: {many} would make it fail.", *lines]),
            hint="Put this right and run the same command again.",
        )


def stop_on_errors(findings: Iterable[Finding]) -> None:
    """Do nothing if no finding is an error.

    Raises:
        PreflightError: There are errors.
    """
    found = tuple(findings)
    if any(one.severity is Severity.ERROR for one in found):
        raise PreflightError(found)
