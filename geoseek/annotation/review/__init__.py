"""The review: rules that put annotations before a reviewer, decisions, and the adjudication of disputes."""

from geoseek.annotation.review.adjudication import PushedDisputes, count_disputes, push_disputes
from geoseek.annotation.review.checks import Context, References, Similar, check
from geoseek.annotation.review.decisions import (
    EDITABLE,
    Handles,
    Outcome,
    accept,
    clean_annotations,
    edit,
    reject,
    review_queue,
)
from geoseek.annotation.review.rules import Rule
from geoseek.annotation.review.run import RulesRun, run_rules
from geoseek.annotation.review.session import refresh_flags
from geoseek.annotation.review.settings import ReviewSettings, load_review_settings
from geoseek.annotation.review.verdicts import PulledVerdicts, pull_verdicts

__all__ = [
    "EDITABLE",
    "Context",
    "Handles",
    "Outcome",
    "PulledVerdicts",
    "PushedDisputes",
    "References",
    "ReviewSettings",
    "Rule",
    "RulesRun",
    "Similar",
    "accept",
    "check",
    "clean_annotations",
    "count_disputes",
    "edit",
    "load_review_settings",
    "pull_verdicts",
    "push_disputes",
    "refresh_flags",
    "reject",
    "review_queue",
    "run_rules",
]
