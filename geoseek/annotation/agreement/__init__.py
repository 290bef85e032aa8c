"""How far annotators agree: with each other, and with where the photos were taken."""

from geoseek.annotation.agreement.coefficients import (
    Coefficient,
    Distance,
    cohen_kappa,
    fleiss_kappa,
    kappa,
    nominal_alpha,
    ordered_alpha,
    raw_agreement,
    spearman,
    wilson_interval,
)
from geoseek.annotation.agreement.figures import (
    AgreementFigures,
    AnnotatorFigures,
    LevelFigures,
    SampleFigures,
    ScoreFigures,
    Share,
    SpreadFigures,
    TagFigures,
)
from geoseek.annotation.agreement.inputs import has_ledger, ledger_if_any, open_existing_ledger, read_truth
from geoseek.annotation.agreement.names import Answer, NameBook
from geoseek.annotation.agreement.table import DISPUTED_FROM_KM, HALF_FILLED, SampleTruth, agreement
from geoseek.annotation.agreement.words import agreement_lines, minutes, outlier_words, padded

__all__ = [
    "DISPUTED_FROM_KM",
    "HALF_FILLED",
    "AgreementFigures",
    "AnnotatorFigures",
    "Answer",
    "Coefficient",
    "Distance",
    "LevelFigures",
    "NameBook",
    "SampleFigures",
    "SampleTruth",
    "ScoreFigures",
    "Share",
    "SpreadFigures",
    "TagFigures",
    "agreement",
    "agreement_lines",
    "cohen_kappa",
    "fleiss_kappa",
    "has_ledger",
    "kappa",
    "ledger_if_any",
    "minutes",
    "nominal_alpha",
    "open_existing_ledger",
    "ordered_alpha",
    "outlier_words",
    "padded",
    "raw_agreement",
    "read_truth",
    "spearman",
    "wilson_interval",
]
