"""Ask a model where pictures were taken."""

from geoseek.training.infer.engine import EngineName, InferStoppedError, QuestionForm
from geoseek.training.infer.run import InferRequest, InferResult, describe_infer, run_infer
from geoseek.training.infer.target import predictions_path

__all__ = [
    "EngineName",
    "InferRequest",
    "InferResult",
    "InferStoppedError",
    "QuestionForm",
    "describe_infer",
    "predictions_path",
    "run_infer",
]
