"""The ledger of the annotation: nothing in it is ever overwritten but the state of a task."""

from geoseek.annotation.ledger.files import LedgerError, back_up, back_up_if_due, backups, restore
from geoseek.annotation.ledger.ledger import LEDGER_NAME, Ledger, utc_now
from geoseek.annotation.ledger.mirror import Mirror
from geoseek.annotation.ledger.rows import (
    AnnotationState,
    Annotator,
    Decision,
    NewAnnotation,
    Note,
    Project,
    Purpose,
    StoredAnnotation,
    Task,
    TaskState,
    Verdict,
)

__all__ = [
    "LEDGER_NAME",
    "AnnotationState",
    "Annotator",
    "Decision",
    "Ledger",
    "LedgerError",
    "Mirror",
    "NewAnnotation",
    "Note",
    "Project",
    "Purpose",
    "StoredAnnotation",
    "Task",
    "TaskState",
    "Verdict",
    "back_up",
    "back_up_if_due",
    "backups",
    "restore",
    "utc_now",
]
