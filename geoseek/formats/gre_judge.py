"""The Judge set of the GRE suite: is a predicted answer right?

Predictions come from a model (`WriteOptions.predictions`), or they are made: every row then gives one example with its
own chain (True), and one with the chain of the last row before it that lies in another country (False). The order of an
export is a hash of the ids, so that row is as good as drawn, and the same export gives the same examples.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from geoseek.formats.base import Format, RowWriter, WriteOptions
from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.gre import CONVERSATIONS, IMAGE, conversation, exchange, gre_record, position
from geoseek.formats.incoming import IncomingImages, text_of
from geoseek.formats.prompts import JUDGE_SYSTEM, judge_question
from geoseek.formats.records import ExchangeRecord, unmarked_text
from geoseek.formats.rowfiles import FileRow
from geoseek.formats.sinks import ImageFolder, JsonRows
from geoseek.schemas import Split, parse_chain, split_answer

_TEXT, _ANSWER, _RIGHT = "predicted_cot", "predicted_answer", "predicted_right"
_VERDICTS = {"true": True, "false": False}


class GreJudge(Format):
    """Predictions and whether they are right."""

    name = "gre-judge"
    summary = "GRE suite, predictions to be judged True or False"
    splits = (Split.COT,)
    readable = True
    needed = ((IMAGE,), (CONVERSATIONS,), (_ANSWER,))

    @contextmanager
    def open_writer(self, folder: Path, stem: str, options: WriteOptions) -> Iterator[RowWriter]:
        """Write `STEM.json` and the pictures."""
        with JsonRows(folder / f"{stem}.json") as rows:
            yield _JudgeWriter(rows, ImageFolder(folder), JudgeExamples(options.predictions))

    def from_row(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        """Return the record of a row: a prediction with its verdict. Only a right one tells where the picture was."""
        turns = conversation(row.get(CONVERSATIONS))
        verdict = _VERDICTS.get(turns[-1][1].strip().strip(".").casefold()) if turns else None
        if verdict is None:
            raise RowFault(FormatRejectReason.WRONG_TYPE, f"{CONVERSATIONS}: does not end with True or False")
        text, answer = text_of(row, _TEXT, required=False), text_of(row, _ANSWER, required=False)
        plain = gre_record(self.name, row, at, images, text if verdict else None, {CONVERSATIONS, _TEXT, _ANSWER})
        return plain.model_copy(update={"predicted_text": text, "predicted_answer": answer, "predicted_right": verdict})


class _JudgeWriter:
    """Writes one or two examples per record."""

    def __init__(self, rows: JsonRows, images: ImageFolder, examples: JudgeExamples) -> None:
        self._rows, self._images, self._examples = rows, images, examples

    def add(self, record: ExchangeRecord) -> None:
        examples, where = self._examples.of(record), position(record)
        path = self._images.add(record.image)
        for one in examples:
            said = exchange(f"{JUDGE_SYSTEM}\n{one.question}", one.verdict)
            self._rows.write({IMAGE: path, CONVERSATIONS: said, _TEXT: one.text, _ANSWER: one.answer, **where})


class JudgeExample(NamedTuple):
    """A claim about a picture, and whether it is right."""

    text: str
    answer: str
    right: bool

    @property
    def question(self) -> str:
        """The claim as a question, in which nothing can be taken for the mark of a picture."""
        return judge_question(unmarked_text(self.text), unmarked_text(self.answer))

    @property
    def verdict(self) -> str:
        """`True` or `False`."""
        return str(self.right)


class JudgeExamples:
    """Makes the examples of one record after the other.

    Args:
        predictions: id -> what a model said; None makes examples of the records themselves.
    """

    def __init__(self, predictions: Mapping[str, Mapping[str, Any]] | None) -> None:
        self._predictions = predictions
        self._last: ExchangeRecord | None = None
        self._unlike_last: ExchangeRecord | None = None

    def of(self, record: ExchangeRecord) -> list[JudgeExample]:
        """Return the examples of the next record, at least one.

        Raises:
            RowFault: The record gives none.
        """
        examples = list(self._made(record))
        if not examples:
            raise RowFault(FormatRejectReason.NO_CHAIN)
        return examples

    def _made(self, record: ExchangeRecord) -> Iterator[JudgeExample]:
        if self._predictions is not None:
            yield _judged(record, self._predictions.get(record.id))
        elif record.predicted_right is not None:
            yield JudgeExample(record.predicted_text or "", record.predicted_answer or "", record.predicted_right)
        elif record.reasoning is not None and record.answer:
            yield JudgeExample(record.reasoning, record.answer, True)
            donor = self._donor(record)
            if donor is not None and donor.reasoning is not None:
                yield JudgeExample(donor.reasoning, donor.answer, False)

    def _donor(self, record: ExchangeRecord) -> ExchangeRecord | None:
        """Return the last record of another country, and remember this one."""
        if self._last is not None and not _same_country(self._last, record):
            self._unlike_last = self._last
        self._last = _without_pictures(record)
        return self._unlike_last


def _judged(record: ExchangeRecord, prediction: Mapping[str, Any] | None) -> JudgeExample:
    """Return a prediction and whether it is right: as it says itself, or by country and region."""
    if prediction is None:
        raise RowFault(FormatRejectReason.NO_PREDICTION)
    text = text_of(prediction, "text", "raw_text", _TEXT) or ""
    answer = text_of(prediction, "answer", _ANSWER, required=False) or parse_chain(text).answer or ""
    right = prediction.get(_RIGHT, prediction.get("right"))
    if isinstance(right, bool):
        return JudgeExample(text, answer, right)
    if not record.answer:
        raise RowFault(FormatRejectReason.NO_ANSWER)
    return JudgeExample(text, answer, same_region(answer, record.answer))


def same_region(answer: str, truth: str) -> bool:
    """Whether an answer names the true country, and the true region where that is known.

    >>> same_region("FRANCE; Île-de-France; Paris", "France; Île-de-France; Meaux")
    True
    >>> same_region("France", "France; Bretagne")
    False
    """
    said, true = ([_folded(part) for part in split_answer(text)[:2]] for text in (answer, truth))
    return len(said) >= len(true) and said[: len(true)] == true


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _same_country(one: ExchangeRecord, other: ExchangeRecord) -> bool:
    if one.country_code and other.country_code:
        return one.country_code == other.country_code
    return _folded(one.country or "") == _folded(other.country or "")


def _without_pictures(record: ExchangeRecord) -> ExchangeRecord:
    return record.model_copy(update={"image": None, "further_images": (), "further": {}})
