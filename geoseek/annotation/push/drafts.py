"""Drafts of models: read and checked as a whole, shown to annotators as predictions that fill the page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, field_validator

from geoseek.annotation.forms import Form, encode_results, validate_draft
from geoseek.annotation.projects.tasks import act_on_tasks, in_chunks, select_tasks
from geoseek.annotation.push.subjects import write_table
from geoseek.schemas import ChainOfThought, ClueBox, InputError, Record, SceneTag, Split, TagAnswer
from geoseek.workspace import stable_digest

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

DRAFT_REJECTS = "draft-rejects.csv"
_TASKS_PER_REQUEST = 200


class DraftRow(Record):
    """A line of a file of drafts."""

    sample_id: str = Field(description="id of the sample", min_length=1)
    model: str = Field(description="name of the model", min_length=1, max_length=200)
    chain: ChainOfThought = Field(description="the chain of thought")
    boxes: tuple[ClueBox, ...] = Field((), description="clue boxes, percent of the picture")
    score: float | None = Field(
        None, description="locatability, 0..10 in halves; val only", ge=0, le=10, multiple_of=0.5
    )
    tags: dict[SceneTag, TagAnswer] = Field({}, description="scene tag -> yes, no or maybe; val only")

    @field_validator("model")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if name != name.strip() or not name.isprintable():
            raise ValueError("the name of a model is one line without spaces around it")
        return name


@dataclass(frozen=True)
class Draft:
    """A draft in the form in which the server stores it.

    Attributes:
        model: Name of the model.
        results: The `result` of the prediction.
        mark: Model and digest of the results: what the ledger remembers.
    """

    model: str
    results: list[dict[str, Any]]
    mark: str

    def prediction(self) -> dict[str, Any]:
        """Return the prediction as a task is imported with it."""
        return {"model_version": self.model, "result": self.results}


def make_draft(model: str, results: list[dict[str, Any]]) -> Draft:
    """Return a draft; equal ones have equal marks."""
    return Draft(model, results, f"{model} {stable_digest(results)}")


def read_drafts(
    path: Path, split_of: Mapping[str, Split], forms: Mapping[Split, Form], rejects: Path
) -> dict[str, Draft]:
    """Read a JSONL file of drafts; one that is not right keeps all of them from being sent.

    Args:
        path: The file; see `DraftRow` for its lines.
        split_of: Split of every sample that is given out.
        forms: The page of each split.
        rejects: Where the lines that are not right are listed (row, sample, reason).

    Returns:
        Sample -> draft.

    Raises:
        InputError: The file cannot be read, lines are not right, or a split has drafts of several models.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot read the drafts in {path}: {error}.", hint="It must be a JSONL file in UTF-8."
        ) from error
    found: dict[str, Draft] = {}
    wrong: list[tuple[int, str, str]] = []
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        sample, draft = _read_line(line, split_of, forms)
        if isinstance(draft, str):
            wrong.append((row, sample, draft))
        elif sample in found:
            wrong.append((row, sample, "a second draft for this sample"))
        else:
            found[sample] = draft
    if wrong:
        write_table(rejects, ("row", "sample_id", "reason"), wrong)
        row, sample, reason = wrong[0]
        raise InputError(
            f"{path}, row {row} (sample {sample or '?'}): {reason}",
            hint=f"{len(wrong):,} of {len(found) + len(wrong):,} drafts are not right; all are listed in {rejects}. "
            "Nothing was sent.",
        )
    rejects.unlink(missing_ok=True)
    _require_one_model(path, found, split_of)
    return found


def _read_line(line: str, split_of: Mapping[str, Split], forms: Mapping[Split, Form]) -> tuple[str, Draft | str]:
    """Return the sample of a line and its draft, or why it is not right."""
    try:
        raw = json.loads(line)
    except ValueError as error:
        return "", f"not JSON: {error}"
    sample = str(raw.get("sample_id", "")) if isinstance(raw, dict) else ""
    try:
        row = DraftRow.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        return sample, f"{'.'.join(map(str, first['loc']))} is {first['input']!r:.200}: {first['msg']}"
    split = split_of.get(sample)
    if split is None:
        return sample, "no sample of this name is given out to annotators"
    tags = {tag.value: answer.value for tag, answer in row.tags.items()}
    if split is not Split.VAL and (row.score is not None or tags):
        return sample, f"the page of the split {split.value} asks for no score and no tags"
    results = encode_results(row.chain, boxes=row.boxes, score=row.score, tags=tags, split=split)
    try:
        validate_draft(forms[split], results)
    except InputError as error:
        return sample, error.message
    return sample, make_draft(row.model, results)


def _require_one_model(path: Path, drafts: Mapping[str, Draft], split_of: Mapping[str, Split]) -> None:
    models = Counter((split_of[sample], draft.model) for sample, draft in drafts.items())
    for split in Split:
        names = sorted(model for place, model in models if place is split)
        if len(names) > 1:
            raise InputError(
                f"{path} has drafts of {len(names)} models for the split {split.value}: {', '.join(names)}.",
                hint="Label Studio fills the pages of a project from one model only. Give one file per model, and push "
                "the one that annotators shall see.",
            )


def sync_drafts(studio: Studio, project: int, drafts: Mapping[int, Draft]) -> Iterator[list[int]]:
    """Give tasks their drafts, in place of those that they have; tasks that somebody has begun keep what they have.

    Args:
        studio: The server.
        project: Number of the project there.
        drafts: Number of the task -> its draft.

    Yields:
        The numbers of tasks that have their drafts now, some at a time.

    Raises:
        StudioError: With `uncertain=True` if the server may have done it all the same; doing it again is harmless.
    """
    fields = "id,total_annotations,cancelled_annotations,drafts,predictions"
    for some in in_chunks(sorted(drafts), _TASKS_PER_REQUEST):
        tasks = list(select_tasks(studio, project, some, fields))
        free = [t for t in tasks if not (t["total_annotations"] or t["cancelled_annotations"] or t["drafts"])]
        right = {task["id"] for task in tasks if _marks(task["predictions"]) == [drafts[task["id"]].mark]}
        wrong = [task for task in free if task["id"] not in right]
        with_others = [task["id"] for task in wrong if task["predictions"]]
        if with_others:
            act_on_tasks(studio, project, "delete_tasks_predictions", with_others, doing="removing older drafts")
        if wrong:
            body = [{"task": task["id"], **drafts[task["id"]].prediction()} for task in wrong]
            path = f"/api/projects/{project}/import/predictions"
            studio.send_json("POST", path, body, doing=f"adding {len(body):,} drafts")
        yield sorted(right | {task["id"] for task in wrong})


def _marks(predictions: Sequence[Mapping[str, Any]]) -> list[str]:
    return [make_draft(str(one["model_version"]), one["result"]).mark for one in predictions]
