"""Recipes: what is trained, on which data, with which rewards and which arguments of ms-swift."""

from geoseek.training.recipes.arguments import SwiftArgument, swift_arguments, swift_version
from geoseek.training.recipes.load import load_recipe, recipe_names
from geoseek.training.recipes.model import CPU_ONLY, TINY_MODEL, Recipe, StageRecipe, SwiftValue

__all__ = [
    "CPU_ONLY",
    "TINY_MODEL",
    "Recipe",
    "StageRecipe",
    "SwiftArgument",
    "SwiftValue",
    "load_recipe",
    "recipe_names",
    "swift_arguments",
    "swift_version",
]
