"""The labelling page: its controls, its text for each split, the handbook, and the codec of what annotators enter."""

from geoseek.annotation.forms.controls import (
    BOX_LABELS,
    CONTROLS,
    IMAGE,
    SUB_SCORES,
    Control,
    Kind,
    StagePart,
    controls_of,
    stage_control,
    sub_score_control,
    tag_control,
)
from geoseek.annotation.forms.decode import TaskContext, decode_annotation
from geoseek.annotation.forms.draft import validate_draft
from geoseek.annotation.forms.encode import encode_results
from geoseek.annotation.forms.form import Form, load_form
from geoseek.annotation.forms.handbook import Handbook, load_handbook
from geoseek.annotation.forms.problems import Problem, ProblemNote

__all__ = [
    "BOX_LABELS",
    "CONTROLS",
    "IMAGE",
    "SUB_SCORES",
    "Control",
    "Form",
    "Handbook",
    "Kind",
    "Problem",
    "ProblemNote",
    "StagePart",
    "TaskContext",
    "controls_of",
    "decode_annotation",
    "encode_results",
    "load_form",
    "load_handbook",
    "stage_control",
    "sub_score_control",
    "tag_control",
    "validate_draft",
]
