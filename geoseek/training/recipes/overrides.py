"""`--set key=value`: single values of a recipe from the command line."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import BaseModel

from geoseek.schemas import UsageError, unknown_name
from geoseek.training.recipes.arguments import swift_arguments
from geoseek.training.recipes.model import Recipe, StageRecipe, number_of
from geoseek.training.rewards.settings import RewardsSettings

_EXAMPLE = "Write it as key=value, for example --set grpo.swift.learning_rate=1e-6."
_FREE = ("env", "swift")


def apply_overrides(raw: Mapping[str, Any], overrides: Sequence[str], origin: str) -> dict[str, Any]:
    """Return the values of a recipe file with single ones changed.

    A key is dotted. `stages.` may be left out before the name of a stage, and `swift.` before the name of one of
    ms-swift's arguments. Null takes a value away.

    Args:
        raw: The recipe as read, with its base merged in.
        overrides: `key=value`, in this order; the value is read as YAML.
        origin: Where the recipe comes from, for messages.

    Raises:
        UsageError: No `=`, a value that is not YAML, or a key that the recipe does not know.
    """
    result = copy.deepcopy(dict(raw))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {text!r} is not of the form key=value.", hint=_EXAMPLE)
        path = _resolve(key.strip(), result, origin)
        _put(result, path, _value(value, text))
    return result


def _value(text: str, override: str) -> Any:
    try:
        return number_of(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UsageError(f"--set {override!r}: the value is not YAML.", hint="Put it into quotes.") from error


def _resolve(key: str, raw: Mapping[str, Any], origin: str) -> tuple[str, ...]:
    """Return the full path of a key, or explain what is wrong with it."""
    found = raw.get("stages")
    stages: dict[str, Any] = found if isinstance(found, dict) else {}
    parts = tuple(key.split("."))
    if parts[0] in stages and parts[0] not in Recipe.model_fields:
        parts = ("stages", *parts)
    head = parts[0]
    if head in {"name", "base"} or head not in Recipe.model_fields:
        raise _unknown_head(key, stages, origin)
    if head == "env" and len(parts) == 2:
        return parts
    if head != "stages":
        if len(parts) > 1:
            raise _unknown(origin, key, _keys(Recipe, without=("name", "base", "stages")))
        return parts
    if len(parts) < 3 or parts[1] not in stages:
        raise _unknown(origin, key, [f"{name}.{field}" for name in stages for field in StageRecipe.model_fields])
    return ("stages", parts[1], *_within_stage(parts[2:], key, parts[1], stages[parts[1]], origin))


def _within_stage(parts: tuple[str, ...], key: str, name: str, stage: Any, origin: str) -> tuple[str, ...]:
    values: Mapping[str, Any] = stage if isinstance(stage, dict) else {}
    method = values.get("method")
    if parts[0] == "rewards":
        return _within_rewards(parts, key, name, values, origin)
    if parts[0] in _FREE:
        if len(parts) == 2:
            return parts
        raise UsageError(f"--set {key}: a name must follow after {parts[0]}.", hint=_EXAMPLE)
    if len(parts) == 1 and parts[0] in StageRecipe.model_fields:
        return parts
    known = _arguments(method)
    if len(parts) == 1 and parts[0] in {*known, *(values.get("swift") or {})}:
        return ("swift", *parts)
    error = _unknown(origin, key, [f"{name}.{field}" for field in (*StageRecipe.model_fields, *known)])
    raise UsageError(
        error.message,
        hint=f"A stage has {', '.join(StageRecipe.model_fields)}; arguments of ms-swift are {name}.swift.NAME.",
    )


def _within_rewards(
    parts: tuple[str, ...], key: str, name: str, stage: Mapping[str, Any], origin: str
) -> tuple[str, ...]:
    fields = RewardsSettings.model_fields
    if len(parts) not in {2, 3} or parts[1] not in fields:
        raise _unknown(origin, key, [f"{name}.rewards.{reward}" for reward in fields])
    if len(parts) == 3:
        reward = parts[1]
        given = stage.get("rewards") or {}
        if given.get(reward) is None:
            raise UsageError(
                f"--set {key}: stage {name} does not use the reward {reward}.",
                hint=f"Add it first: --set {name}.rewards.{reward}={{}}",
            )
        parameters = _keys(_settings_of(reward))
        if parts[2] not in parameters:
            raise _unknown(origin, key, [f"{name}.rewards.{reward}.{parameter}" for parameter in parameters])
    return parts


def _settings_of(reward: str) -> type[BaseModel]:
    annotation: Any = RewardsSettings.model_fields[reward].annotation
    return next(part for part in annotation.__args__ if isinstance(part, type) and issubclass(part, BaseModel))


def _keys(model: type[BaseModel], without: Iterable[str] = ()) -> list[str]:
    return [name for name in model.model_fields if name not in without]


def _arguments(method: Any) -> Collection[str]:
    """Return the names of ms-swift's arguments for a method; none where ms-swift is not installed."""
    return (swift_arguments(method) or {}) if method in {"sft", "grpo"} else ()


def _unknown_head(key: str, stages: Mapping[str, Any], origin: str) -> UsageError:
    """Build the error for a key whose first part is unknown; names that belong to stages are shown with them."""
    head = key.partition(".")[0]
    own = [*_keys(Recipe, without=("name", "base", "stages")), *stages]
    if not get_close_matches(head, own, n=1):
        by_stage = {
            name: {*StageRecipe.model_fields, *_arguments(stage.get("method") if isinstance(stage, dict) else None)}
            for name, stage in stages.items()
        }
        close = get_close_matches(head, sorted(set().union(*by_stage.values())), n=1)
        having = [name for name, known in by_stage.items() if known.intersection(close)]
        meant = [f"{name}.{close[0]}{key[len(head) :]}" for name in having]
        if meant:
            return UsageError(
                f"Unknown key for --set in {origin}: {key!r}; did you mean {' or '.join(map(repr, meant))}?",
                hint="What belongs to a stage is set as STAGE.NAME=VALUE.",
            )
    return _unknown(origin, head, own)


def _unknown(origin: str, key: str, known: Iterable[str]) -> UsageError:
    return unknown_name(f"key for --set in {origin}:", key, known)


def _put(raw: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        inner = raw.get(part)
        raw[part] = inner if isinstance(inner, dict) else {}
        raw = raw[part]
    if value is None:
        raw.pop(path[-1], None)
    else:
        raw[path[-1]] = value
