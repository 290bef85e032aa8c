"""Running a training through ms-swift: interrupted and resumed, watched, explained when it fails, written down."""

from geoseek.training.launch.describe import describe_train
from geoseek.training.launch.failures import TrainingFailedError, TrainingInterruptedError
from geoseek.training.launch.request import StageOutcome, TrainRequest, TrainResult, with_agent_policy
from geoseek.training.launch.run import run_train

__all__ = [
    "StageOutcome",
    "TrainRequest",
    "TrainResult",
    "TrainingFailedError",
    "TrainingInterruptedError",
    "describe_train",
    "run_train",
    "with_agent_policy",
]
