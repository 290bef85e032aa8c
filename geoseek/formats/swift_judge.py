"""Rows for ms-swift that teach a model to judge: GRPO with the reward `gre_judge` (arXiv 2505.18700, stage RL-I)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geoseek.formats.base import Format, RowWriter, WriteOptions
from geoseek.formats.gre_judge import JudgeExamples
from geoseek.formats.prompts import JUDGE_SYSTEM
from geoseek.formats.records import ExchangeRecord
from geoseek.formats.sinks import ImageFolder, JsonRows
from geoseek.formats.swift import IMAGES, MESSAGES, question
from geoseek.schemas import Split


class SwiftJudge(Format):
    """The examples of `gre-judge` as questions; the verdict is the column `solution`."""

    name = "swift-judge"
    summary = "ms-swift, GRPO: predictions to be judged True or False"
    splits = (Split.COT,)

    @contextmanager
    def open_writer(self, folder: Path, stem: str, options: WriteOptions) -> Iterator[RowWriter]:
        """Write `STEM.jsonl` and the pictures."""
        with JsonRows(folder / f"{stem}.jsonl") as rows:
            yield _Writer(rows, ImageFolder(folder, upright=True), JudgeExamples(options.predictions))


class _Writer:
    def __init__(self, rows: JsonRows, images: ImageFolder, examples: JudgeExamples) -> None:
        self._rows, self._images, self._examples = rows, images, examples

    def add(self, record: ExchangeRecord) -> None:
        examples = self._examples.of(record)
        paths = [self._images.add(record.image)]
        for one in examples:
            messages = question(JUDGE_SYSTEM, one.question)
            self._rows.write({IMAGES: paths, MESSAGES: messages, "solution": one.verdict, "id": record.id})
