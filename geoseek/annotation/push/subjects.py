"""The samples that people annotate, with their pictures, as `geoseek fetch` left them."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geoseek.annotation.push.assign import Subject
from geoseek.schemas import InputError, Split
from geoseek.workspace import recover, write_text

IMAGES = Path("work", "images")
REJECTED_SAMPLES = Path("work", "annotation", "rejected-samples.csv")
"""The samples that the review gave back to the reserve; `geoseek fetch` reads it, and takes the next in line."""


@dataclass(frozen=True)
class Picture:
    """The picture of a sample.

    Attributes:
        file: Name in `work/images`.
        sha256: Of the file, hex.
        mime: Its media type.
    """

    file: str
    sha256: str
    mime: str


@dataclass(frozen=True)
class SplitSubjects:
    """The members of a split.

    Attributes:
        split: The split.
        pictures: Sample -> its picture.
    """

    split: Split
    pictures: dict[Subject, Picture]


def read_subjects(workspace: Path, splits: Sequence[Split]) -> list[SplitSubjects]:
    """Read the members of some splits; a split that was not fetched has none.

    Raises:
        InputError: The pictures were not fetched, or the tables are damaged.
    """
    folder = workspace / IMAGES
    recover(folder)
    members = _read(folder / "members.parquet", ("id", "split", "stratum"))
    images = _read(folder / "images.parquet", ("id", "split", "view", "path", "sha256", "mime"))
    images = images.filter(pc.equal(images["view"], 0))
    found = []
    for split in splits:
        pictures = {id_: Picture(*rest) for id_, *rest in _rows(images, split, ("id", "path", "sha256", "mime"))}
        subjects = [Subject(id_, stratum) for id_, stratum in _rows(members, split, ("id", "stratum"))]
        missing = [subject.id for subject in subjects if subject.id not in pictures]
        if missing:
            raise InputError(
                f"{folder}: {len(missing):,} members of {split.value} have no picture, the first is {missing[0]}.",
                hint="The tables do not belong together. Run `geoseek fetch --force`.",
            )
        found.append(SplitSubjects(split, {subject: pictures[subject.id] for subject in subjects}))
    return found


def _rows(table: pa.Table, split: Split, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    part = table.filter(pc.equal(table["split"], split.value))
    yield from zip(*(part[name].to_pylist() for name in names), strict=True)


def _read(path: Path, wanted: Sequence[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(wanted))
    except FileNotFoundError as error:
        raise InputError(
            f"There are no pictures: {path} does not exist.", hint="Run `geoseek sample`, then `geoseek fetch`."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}.", hint="Run `geoseek fetch` again.") from error


def write_rejected_samples(workspace: Path, samples: Collection[tuple[Split, str]]) -> None:
    """List every sample that the review ever gave back to the reserve; no file if there is none."""
    rows = [(split.value, sample) for split, sample in samples]
    write_table(workspace / REJECTED_SAMPLES, ("split", "sample_id"), rows)


def read_rejected_samples(workspace: Path) -> frozenset[tuple[Split, str]]:
    """Return the samples that the review gave back to the reserve.

    Raises:
        InputError: The list is damaged.
    """
    path = workspace / REJECTED_SAMPLES
    if not path.exists():
        return frozenset()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return frozenset((Split(row["split"]), row["sample_id"]) for row in csv.DictReader(file))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", hint="Delete it; `geoseek annotate push` writes it again."
        ) from error


def write_table(path: Path, header: Sequence[str], rows: Collection[tuple[str | int, ...]]) -> None:
    """Write a small CSV file, sorted; none if there is nothing to say."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([tuple(header), *sorted(rows)])
    write_text(path, text.getvalue())
