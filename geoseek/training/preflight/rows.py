"""Are the rows to learn from whole, and their pictures there?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoseek.formats import IMAGE_MARK
from geoseek.media import ImageProblemError, PixelLimits, decode_image
from geoseek.training.data import StageData
from geoseek.training.preflight.findings import Check, Finding, fault, ok, warning
from geoseek.training.preflight.values import whole
from geoseek.training.recipes import Recipe, StageRecipe

DECODED_SAMPLE = 32
"""Pictures of a stage that are decoded; of the others it is looked at whether they are there."""

_ANY_SIZE = PixelLimits(smallest=1, largest=500_000_000)
_ROLES = ("system", "user", "assistant")
_VERDICTS = ("True", "False")
_WRITE_AGAIN = "Delete the folder {folder}; the next run writes it anew. (--force trains all anew.)"


class RowFaultError(Exception):
    """A row cannot be learnt from."""


@dataclass
class RowFigures:
    """What was seen in the rows of a stage.

    Attributes:
        rows: Rows.
        without_solution: Rows of GRPO without a name of the place.
        longest_chars: Characters of the longest conversation.
        most_pictures: Pictures of the row that has most.
        largest_pixels: Pixels of the largest picture among those decoded.
        pictures: Paths of pictures, each once.
        faults: What was wrong, by line, counted from 1.
    """

    rows: int = 0
    without_solution: int = 0
    longest_chars: int = 0
    most_pictures: int = 0
    largest_pixels: int = 0
    pictures: dict[str, None] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)


def check_rows(recipe: Recipe, stage_name: str, data: StageData, figures: RowFigures) -> Iterator[Finding]:
    """Read every row of a stage, decode some pictures; yield what is wrong.

    Args:
        recipe: The recipe.
        stage_name: The stage.
        data: Its rows.
        figures: Filled with what is seen.
    """
    stage = recipe.stages[stage_name]
    remedy = _WRITE_AGAIN.format(folder=f"{data.root.parent.name}/{data.root.name}")
    try:
        _read(stage, data.file, figures)
    except (OSError, UnicodeDecodeError) as error:
        yield fault(Check.DATA, f"{data.file.name} cannot be read: {error}.", remedy, stage=stage_name)
        return
    if figures.faults:
        first, reason = next(iter(figures.faults.items()))
        message = f"{len(figures.faults):,} of {figures.rows:,} rows are broken; line {first}: {reason}."
        yield fault(Check.DATA, message, remedy, stage=stage_name)
    elif figures.rows == 0:
        yield fault(Check.DATA, f"{data.file.name} is empty.", remedy, stage=stage_name)
    else:
        left_out = sum(data.rejected.values())
        more = f" ({left_out:,} of {data.read:,} were left out)" if left_out else ""
        yield ok(Check.DATA, f"{figures.rows:,} rows{more}.", stage=stage_name)
    yield from _enough(recipe, stage_name, figures)
    yield from _names(stage, stage_name, figures)
    yield from _pictures(stage_name, data, figures, remedy)


def _read(stage: StageRecipe, file: Path, figures: RowFigures) -> None:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            figures.rows += 1
            try:
                row = json.loads(line)
                _check_row(stage, row)
            except RowFaultError as error:
                figures.faults[number] = str(error)
                continue
            except (ValueError, RecursionError):
                figures.faults[number] = "no JSON"
                continue
            figures.without_solution += not row.get("solution")
            figures.longest_chars = max(figures.longest_chars, sum(len(one["content"]) for one in row["messages"]))
            figures.most_pictures = max(figures.most_pictures, len(row["images"]))
            figures.pictures.update(dict.fromkeys(row["images"]))


def _check_row(stage: StageRecipe, row: Any) -> None:
    if not isinstance(row, dict):
        raise RowFaultError("not an object")
    messages, images = row.get("messages"), row.get("images")
    if not isinstance(messages, list) or not messages:
        raise RowFaultError("no messages")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise RowFaultError(f"a message whose role is none of {', '.join(_ROLES)}")
        if not isinstance(message.get("content"), str) or not message["content"].strip():
            raise RowFaultError(f"an empty message of the {message['role']}")
    last = "assistant" if stage.method == "sft" else "user"
    if messages[-1]["role"] != last:
        raise RowFaultError(f"the last message is not of the {last}")
    if not isinstance(images, list) or not images or not all(isinstance(path, str) and path for path in images):
        raise RowFaultError("no picture")
    marks = sum(message["content"].count(IMAGE_MARK) for message in messages)
    if marks != len(images):
        raise RowFaultError(f"{len(images)} pictures, and {marks} times {IMAGE_MARK}")
    if stage.data == "swift-judge" and row.get("solution") not in _VERDICTS:
        raise RowFaultError("solution is neither True nor False")
    if stage.data == "swift-grpo":
        for name, limit in (("lat", 90), ("lng", 180)):
            value = row.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise RowFaultError(f"{name} is no number")
            if abs(value) > limit:
                raise RowFaultError(f"{name} is {value}, out of range")


def _enough(recipe: Recipe, stage_name: str, figures: RowFigures) -> Iterator[Finding]:
    """Yield an error if not even one batch can be made: ms-swift leaves incomplete ones out of GRPO."""
    stage = recipe.stages[stage_name]
    completions = recipe.completions_per_generation(stage_name)
    if stage.method != "grpo" or completions is None:
        return
    prompts = completions // max(whole(stage, "num_generations"), 1)
    if 0 < figures.rows < prompts:
        yield fault(
            Check.DATA,
            f"{figures.rows} rows are fewer than the {prompts} pictures of one batch: there would be no step.",
            "Lower gradient_accumulation_steps or per_device_train_batch_size, or use more rows.",
            stage=stage_name,
        )


def _names(stage: StageRecipe, stage_name: str, figures: RowFigures) -> Iterator[Finding]:
    """Yield what rewards that compare names would miss."""
    by_name = [name for name in ("geo_semantic", "hierarchical") if getattr(stage.rewards, name) is not None]
    consistency = stage.rewards.geo_consistency
    if consistency is not None and consistency.against == "truth":
        by_name.append("geo_consistency")
    if stage.data != "swift-grpo" or not by_name or not figures.without_solution:
        return
    message = f"{figures.without_solution:,} of {figures.rows:,} rows do not name their place, as {by_name[0]} needs."
    remedy = f"Take {', '.join(by_name)} out of the rewards (such as --set rewards.{by_name[0]}=null), or use rows "
    remedy += "with a solution."
    kind = fault if figures.without_solution == figures.rows else warning
    yield kind(Check.DATA, message, remedy, stage=stage_name)


def _pictures(stage_name: str, data: StageData, figures: RowFigures, remedy: str) -> Iterator[Finding]:
    missing = [path for path in figures.pictures if not (data.root / path).is_file()]
    if missing:
        message = f"{len(missing):,} of {len(figures.pictures):,} pictures are not there, the first is {missing[0]}."
        yield fault(Check.IMAGES, message, remedy, stage=stage_name)
        return
    sample = list(figures.pictures)[:: math.ceil(len(figures.pictures) / DECODED_SAMPLE) or 1]
    broken = []
    for path in sample:
        try:
            image = decode_image((data.root / path).read_bytes(), _ANY_SIZE).image
            figures.largest_pixels = max(figures.largest_pixels, image.width * image.height)
        except (OSError, ImageProblemError) as error:
            broken.append(f"{path}: {error}")
    if broken:
        message = f"{len(broken)} of {len(sample)} pictures that were decoded are broken; {broken[0]}."
        yield fault(Check.IMAGES, message, remedy, stage=stage_name)
    elif sample:
        message = f"{len(figures.pictures):,} pictures are there; {len(sample)} were decoded."
        yield ok(Check.IMAGES, message, stage=stage_name)
