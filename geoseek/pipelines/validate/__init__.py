"""Re-read a finished export and check it."""

from geoseek.pipelines.validate.codes import ExportCheck, Severity
from geoseek.pipelines.validate.findings import Finding
from geoseek.pipelines.validate.run import ValidateRequest, ValidateResult, run_validate, validate_request

__all__ = [
    "ExportCheck",
    "Finding",
    "Severity",
    "ValidateRequest",
    "ValidateResult",
    "run_validate",
    "validate_request",
]
