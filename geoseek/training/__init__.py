"""Recipes, ms-swift runs, rewards, inference and evaluation.

The rewards are in `geoseek.training.rewards`, the tiny model for tests in `geoseek.training.tiny`. Nothing here imports
torch, transformers or ms-swift before it is needed.
"""

from geoseek.training.checkpoints import Checkpoint
from geoseek.training.data import DataSource
from geoseek.training.evaluate import EvaluateRequest, EvaluateResult, EvaluateSettings, run_evaluate
from geoseek.training.infer import InferRequest, InferResult, run_infer
from geoseek.training.launch import TrainRequest, TrainResult, describe_train, run_train
from geoseek.training.predictions import iter_predictions, prediction_of
from geoseek.training.recipes import Recipe, StageRecipe, load_recipe, recipe_names

__all__ = [
    "Checkpoint",
    "DataSource",
    "EvaluateRequest",
    "EvaluateResult",
    "EvaluateSettings",
    "InferRequest",
    "InferResult",
    "Recipe",
    "StageRecipe",
    "TrainRequest",
    "TrainResult",
    "describe_train",
    "iter_predictions",
    "load_recipe",
    "prediction_of",
    "recipe_names",
    "run_evaluate",
    "run_infer",
    "run_train",
]
