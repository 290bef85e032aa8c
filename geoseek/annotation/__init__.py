"""Expert chain-of-thought annotation on a Label Studio server: projects, push, pull, ledger, agreement, review."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoseek.annotation.agreement import (
        AgreementFigures,
        Coefficient,
        Distance,
        NameBook,
        SampleTruth,
        agreement_lines,
        cohen_kappa,
        has_ledger,
        kappa,
        ledger_if_any,
        open_existing_ledger,
        read_truth,
        spearman,
    )
    from geoseek.annotation.exchange import ExportRequest, ImportFormat, ImportRequest, export_file, import_file
    from geoseek.annotation.ledger import (
        LEDGER_NAME,
        AnnotationState,
        Annotator,
        Decision,
        Ledger,
        LedgerError,
        NewAnnotation,
        Note,
        Purpose,
        StoredAnnotation,
        Verdict,
        restore,
    )
    from geoseek.annotation.review.checks import Context, References, check, own_reasoning
    from geoseek.annotation.review.copies import Text, near_copies
    from geoseek.annotation.review.leaks import find_leaks
    from geoseek.annotation.review.rules import Rule
    from geoseek.annotation.review.settings import ReviewSettings, load_review_settings

__all__ = [
    "LEDGER_NAME",
    "AgreementFigures",
    "AnnotationState",
    "Annotator",
    "Coefficient",
    "Context",
    "Decision",
    "Distance",
    "ExportRequest",
    "ImportFormat",
    "ImportRequest",
    "Ledger",
    "LedgerError",
    "NameBook",
    "NewAnnotation",
    "Note",
    "Purpose",
    "References",
    "ReviewSettings",
    "Rule",
    "SampleTruth",
    "StoredAnnotation",
    "Text",
    "Verdict",
    "agreement_lines",
    "check",
    "cohen_kappa",
    "export_file",
    "find_leaks",
    "has_ledger",
    "import_file",
    "kappa",
    "ledger_if_any",
    "load_review_settings",
    "near_copies",
    "open_existing_ledger",
    "own_reasoning",
    "read_truth",
    "restore",
    "spearman",
]

_ROOMS = {
    "agreement": (
        "AgreementFigures",
        "Coefficient",
        "Distance",
        "NameBook",
        "SampleTruth",
        "agreement_lines",
        "cohen_kappa",
        "kappa",
        "has_ledger",
        "ledger_if_any",
        "open_existing_ledger",
        "read_truth",
        "spearman",
    ),
    "exchange": (
        "ExportRequest",
        "ImportFormat",
        "ImportRequest",
        "export_file",
        "import_file",
    ),
    "ledger": (
        "LEDGER_NAME",
        "AnnotationState",
        "Annotator",
        "Decision",
        "Ledger",
        "LedgerError",
        "NewAnnotation",
        "Note",
        "Purpose",
        "StoredAnnotation",
        "Verdict",
        "restore",
    ),
    "review.checks": (
        "Context",
        "References",
        "check",
        "own_reasoning",
    ),
    "review.copies": (
        "Text",
        "near_copies",
    ),
    "review.leaks": ("find_leaks",),
    "review.rules": ("Rule",),
    "review.settings": (
        "ReviewSettings",
        "load_review_settings",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a room when something of it is asked for: reading a ledger needs neither SciPy nor the gazetteer."""
    if name in _ROOM_OF:
        return getattr(import_module(f"geoseek.annotation.{_ROOM_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
