"""How good predictions are: distances, GeoScores, names and chains of thought, with intervals, in groups, compared."""

from geoseek.training.evaluate.chains import EmbeddingMatcher, StepMatcher
from geoseek.training.evaluate.core import Evaluated, Tools, evaluate
from geoseek.training.evaluate.judge import JudgeError, JudgeMatcher
from geoseek.training.evaluate.metrics import geoscore_geoagent, geoscore_osv5m
from geoseek.training.evaluate.readers import read_predictions
from geoseek.training.evaluate.result import (
    FIGURES,
    RADII_KM,
    ChainFigures,
    Difference,
    Estimate,
    EvaluateReject,
    EvaluateRejectReason,
    EvaluateSettings,
    Evaluation,
    GroupFigures,
    Outcome,
    SetFigures,
    Unit,
)
from geoseek.training.evaluate.run import EvaluateRequest, EvaluateResult, describe_evaluate, run_evaluate
from geoseek.training.evaluate.tables import PredictionSet, ScoredRows, TruthTable
from geoseek.training.evaluate.truth import read_truth_files, read_truth_split, truth_table
from geoseek.training.evaluate.words import (
    DENOMINATORS,
    chain_table,
    difference_table,
    difference_text,
    figure_text,
    headline_table,
    outcome_table,
)

__all__ = [
    "DENOMINATORS",
    "FIGURES",
    "RADII_KM",
    "ChainFigures",
    "Difference",
    "EmbeddingMatcher",
    "Estimate",
    "EvaluateReject",
    "EvaluateRejectReason",
    "EvaluateRequest",
    "EvaluateResult",
    "EvaluateSettings",
    "Evaluated",
    "Evaluation",
    "GroupFigures",
    "JudgeError",
    "JudgeMatcher",
    "Outcome",
    "PredictionSet",
    "ScoredRows",
    "SetFigures",
    "StepMatcher",
    "Tools",
    "TruthTable",
    "Unit",
    "chain_table",
    "describe_evaluate",
    "difference_table",
    "difference_text",
    "evaluate",
    "figure_text",
    "geoscore_geoagent",
    "geoscore_osv5m",
    "headline_table",
    "outcome_table",
    "read_predictions",
    "read_truth_files",
    "read_truth_split",
    "run_evaluate",
    "truth_table",
]
