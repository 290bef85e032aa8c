"""What a command of the review needs of a workspace."""

from __future__ import annotations

from pathlib import Path

from geoseek.annotation.agreement import NameBook, read_truth
from geoseek.annotation.ledger import Ledger
from geoseek.annotation.review.checks import References
from geoseek.annotation.review.run import RulesRun, run_rules
from geoseek.annotation.review.settings import load_review_settings


def load_references(workspace: Path) -> References:
    """Return what the annotations of a workspace are held against.

    Raises:
        UsageError: `annotation/review.yaml` has an unknown key or a value out of range.
        InputError: A file of the workspace cannot be read.
    """
    from geoseek.geo import load_gazetteer

    gazetteer = load_gazetteer()
    return References(load_review_settings(workspace), gazetteer, NameBook(gazetteer))


def refresh_flags(workspace: Path, ledger: Ledger, references: References | None = None) -> RulesRun:
    """Apply the rules of the workspace to everything that nobody has decided on.

    Args:
        workspace: Folder of the workspace.
        ledger: Open.
        references: Of this workspace, if they were loaded before.

    Raises:
        UsageError: See `load_references`.
        InputError: See `load_references`.
    """
    return run_rules(ledger, references or load_references(workspace), read_truth(workspace))
