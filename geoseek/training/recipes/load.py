"""Finding, merging and validating recipes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geoseek.schemas import UsageError, unknown_name
from geoseek.training.recipes.checks import check_recipe
from geoseek.training.recipes.model import Recipe
from geoseek.training.recipes.overrides import apply_overrides
from geoseek.workspace import display_path, read_yaml, reference_root, validate_settings

RECIPE_FOLDER = "training"
_SUFFIXES = (".yaml", ".yml")


def recipe_names(workspace: Path) -> list[str]:
    """Return the names of the recipes in the workspace and of those that come with GeoSeek, sorted."""
    return sorted(_recipe_files(workspace))


def load_recipe(name: str, workspace: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe with all that it inherits, change single values, and check it.

    Args:
        name: A name in `training/` of the workspace, one that comes with GeoSeek, or a path to a YAML file.
        workspace: The workspace.
        overrides: `key=value` with a dotted key, as in `--set`; later ones win. The value is read as YAML.

    Returns:
        The recipe, with the values of its `base` merged in.

    Raises:
        UsageError: No such recipe, an unknown key (with the nearest one), a value that is not allowed, or recipes
            that are each other's base.
        InputError: A file is not YAML.
    """
    path = _find(name, workspace)
    origin = display_path(path, workspace)
    raw = _inherited(path, workspace, ())
    if "name" in raw:
        raise UsageError(f"{origin}: name cannot be set.", hint="The name of a recipe is that of its file.")
    raw = apply_overrides(raw, overrides, origin)
    recipe = validate_settings(Recipe, {**raw, "name": path.stem}, origin=origin)
    check_recipe(recipe, origin)
    return recipe


def _recipe_files(workspace: Path) -> dict[str, Path]:
    folders = (reference_root() / RECIPE_FOLDER, workspace / RECIPE_FOLDER)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*")) if path.suffix in _SUFFIXES}


def _find(name: str, workspace: Path) -> Path:
    files = _recipe_files(workspace)
    if name in files:
        return files[name]
    if Path(name).suffix in _SUFFIXES or Path(name).name != name:
        for candidate in (Path(name), workspace / name):
            if candidate.is_file():
                return candidate.resolve()
        raise UsageError(f"There is no recipe {name}.", hint=f"Known recipes: {', '.join(sorted(files))}.")
    raise unknown_name("recipe", name, files)


def _inherited(path: Path, workspace: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        chain = " -> ".join(found.stem for found in (*seen, path))
        raise UsageError(f"Recipes are each other's base: {chain}.", hint="Remove one of the `base:` lines.")
    raw = read_yaml(path)
    base = raw.get("base")
    if base is None:
        return raw
    if not isinstance(base, str):
        raise UsageError(f"{display_path(path, workspace)}: base is {base!r}.", hint="Expected: the name of a recipe.")
    return merged(_inherited(_find(base, workspace), workspace, (*seen, path)), raw)


def merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `own` over it; mappings are merged, and null takes a value of `base` away.

    >>> merged({"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": None}, "c": 4})
    {'a': {'x': 1}, 'b': 3, 'c': 4}
    """
    result = dict(base)
    for key, value in own.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            under = result.get(key)
            result[key] = merged(under if isinstance(under, dict) else {}, value)
        else:
            result[key] = value
    return result
