"""`geoseek.yaml`: the settings of a workspace, validated, with errors that name the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, field_validator

from geoseek.schemas import InputError, Split, UsageError, unknown_name
from geoseek.workspace.paths import CONFIG_NAME

DEFAULT_SIZES = {Split.VAL: 3_000, Split.LOC: 20_000, Split.COT: 10_000}
"""Sizes of the published dataset (arXiv 2602.12617, appendix B.1)."""


class Settings(BaseModel):
    """Base of all configuration sections: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SettingsT = TypeVar("SettingsT", bound=Settings)


class SampleSettings(Settings):
    """Section `sample`, and the form of every design file under `sampling/`."""

    pools: tuple[str, ...] = Field(("geonames",), description="pools, as in --pool: [NAME=]PATH[:SHARE] or geonames")
    columns: dict[str, str] = Field({}, description="our field name -> the pool's column name")
    encoding: str = Field("utf-8", description="encoding of text pools")
    sizes: dict[Split, NonNegativeInt] = Field(DEFAULT_SIZES, description="rows per split")
    weights: dict[str, float] = Field(
        {"roads": 0.5, "population": 0.2, "area": 0.3}, description="coefficients of eq. 11, renormalised to sum to 1"
    )
    impute_missing: dict[str, str] = Field({}, description="figure -> method for countries without that figure")
    offshore_tolerance_km: float = Field(
        10.0, ge=0, le=200, description="points at most so far from land join the nearest country"
    )
    separation_km: float = Field(1.0, ge=0, le=1000, description="no loc or cot row this near to a val row")
    avoid: tuple[str, ...] = Field((), description="FILE[:KM]: no loc or cot row within KM of these coordinates")
    reserve: float = Field(0.1, ge=0, le=10, description="extra ranked rows per country, as a fraction of its quota")
    min_per_country: int = Field(0, ge=0, description="rows for every country that has so many candidates")
    max_share: float = Field(1.0, gt=0, le=1, description="largest fraction of a split that one country may hold")
    countries: tuple[str, ...] = Field((), description="only these countries (ISO alpha-2 or alpha-3)")
    exclude: tuple[str, ...] = Field(("AQ",), description="never these countries (ISO alpha-2 or alpha-3)")
    population_raster: str | None = Field(None, description="GeoTIFF with people per pixel; default: GeoNames estimate")
    boundaries: str | None = Field(None, description="CSV that overrides rows of the table of disputed areas")
    assume_unique_ids: bool = Field(False, description="skip the check for duplicate ids")


class AnnotateSettings(Settings):
    """Section `annotate`."""

    splits: tuple[Split, ...] = Field((Split.COT, Split.VAL), description="splits that people annotate")
    overlap_share: float = Field(0.1, ge=0, le=1, description="share of the samples that several people annotate")
    overlap: int = Field(2, ge=1, le=20, description="how many people annotate each of those")
    reviewer: str = Field("lead", description="pseudonym under which decisions of the review are stored")


class CurateSettings(Settings):
    """Section `curate`; the checks are in `pipelines/curate.yaml`."""

    require_accepted: bool = Field(False, description="only annotations that a reviewer accepted or edited")


class ExportSettings(Settings):
    """Section `export`."""

    title: str = Field("Street-level geolocation dataset", min_length=1, description="name of the dataset on its card")
    version: str = Field("1.0.0", pattern=r"^\d+\.\d+\.\d+$", description="version of the dataset, MAJOR.MINOR.PATCH")
    description: str | None = Field(None, description="a sentence or two about the dataset, for its card")
    authors: tuple[str, ...] = Field((), description="whom to cite; default: `The authors of TITLE`")
    url: str | None = Field(None, pattern="^https?://", description="home page of the dataset")
    license: str | None = Field(None, description="licence of what your annotators wrote, as an SPDX id")
    images: Literal["embed", "reference", "none"] = Field(
        "embed", description="pictures in the files, by their address, or left out"
    )
    shard_mb: int = Field(500, ge=1, le=5_000, description="size of a Parquet file in megabytes (10^6 bytes)")
    row_group_mb: int = Field(50, ge=1, le=100, description="size of a row group in megabytes; one row may exceed it")
    row_group_rows: int = Field(100, ge=1, le=100_000, description="rows of a row group with pictures")


class TagSettings(Settings):
    """Section `tag`; prompts and pictures for models are in `pipelines/tag.yaml`."""

    use: Literal["human", "model"] = Field(
        "human", description="whose rating is exported where there are both; the other one where there is only that"
    )
    locatability_range: tuple[float, float] | None = Field(
        None, description="lowest and highest score that is kept, e.g. [3, 9]; null: all"
    )
    require_accepted: bool = Field(False, description="only ratings that a reviewer accepted or edited")

    @field_validator("locatability_range")
    @classmethod
    def _lies_on_the_scale(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        if limits is not None and not 0 <= limits[0] <= limits[1] <= 10:
            raise ValueError("two numbers, lowest first, between 0 and 10, such as [3, 9]")
        return limits


class TrainSettings(Settings):
    """Section `train`; recipes are in `training/`."""

    recipe: str = Field(
        "cpu-smoke", min_length=1, description="recipe of `geoseek train`: a name in training/, or a file"
    )


class WorkspaceConfig(Settings):
    """The whole of `geoseek.yaml`."""

    seed: int = Field(0, ge=0, lt=2**63, description="seed of every random choice in this workspace")
    design: str | None = Field(None, description="design file under the workspace that `sample` starts from")
    sample: SampleSettings = Field(SampleSettings(), description="settings of `geoseek sample`")
    annotate: AnnotateSettings = Field(AnnotateSettings(), description="settings of `geoseek annotate`")
    export: ExportSettings = Field(ExportSettings(), description="settings of `geoseek export`")
    curate: CurateSettings = Field(CurateSettings(), description="settings of `geoseek curate`")
    tag: TagSettings = Field(TagSettings(), description="settings of `geoseek tag`")
    train: TrainSettings = Field(TrainSettings(), description="settings of `geoseek train`")


def load_config(workspace: Path) -> WorkspaceConfig:
    """Read `geoseek.yaml`; where it names a `design`, that file gives the settings that `sample:` does not.

    Raises:
        UsageError: Unknown key, value of the wrong type or out of range, with the key's full name.
        InputError: The file is not YAML, or the design file does not exist.
    """
    path = workspace / CONFIG_NAME
    raw = read_yaml(path)
    design = raw.get("design")
    if design is not None:
        base = read_yaml(workspace / str(design))
        raw = {**raw, "sample": {**base, **(raw.get("sample") or {})}}
    return validate_settings(WorkspaceConfig, raw, origin=str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        InputError: The file cannot be read, is not YAML, or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not valid YAML: {error}.", hint="Check indentation, quotes and encoding."
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold `key: value` pairs, not {type(content).__name__}.")
    return content


def validate_settings(model: type[SettingsT], raw: dict[str, Any], *, origin: str) -> SettingsT:
    """Validate raw settings; the first problem becomes an error in words.

    Raises:
        UsageError: With the dotted name of the key, the value found, and what is allowed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        location = tuple(str(part) for part in first["loc"])
        dotted = ".".join(location)
        if first["type"] == "extra_forbidden":
            raise unknown_name(f"setting in {origin}:", dotted, _known_keys(model, location[:-1])) from error
        if first["type"] == "missing":
            raise UsageError(f"{origin}: {dotted} is missing.", hint="It has no default: give it a value.") from error
        raise UsageError(
            f"{origin}: {dotted} is {first['input']!r}.", hint=f"Expected: {first['msg'].lower()}."
        ) from error


def _known_keys(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    kind: Any = model
    for part in path:
        kind = _inside(kind, part)
    return [".".join((*path, name)) for name in kind.model_fields]


def _inside(kind: Any, part: str) -> Any:
    """Return what lies under a key of settings, or of a mapping to settings; `Settings | None` is `Settings`."""
    found = kind.model_fields[part].annotation if _is_model(kind) else get_args(kind)[-1]
    return next(filter(_is_model, get_args(found)), found) if get_origin(found) is not dict else found


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
