"""The files of the GRE suite (arXiv 2505.18700): CoT, Seed and bench; the Judge set is in `gre_judge`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.incoming import IncomingImages, chain_fields, number_of, text_of, whole_text
from geoseek.formats.jsonrows import JsonFormat
from geoseek.formats.prompts import GRPO_QUESTION
from geoseek.formats.records import IMAGE_MARK, ExchangeRecord, Turn, place_fields
from geoseek.formats.rowfiles import FileRow, plain_value
from geoseek.schemas import Split, split_answer

LAT, LON = "gt_lat", "gt_lon"
IMAGE, IMAGE_PATH, CONVERSATIONS = "image", "image_path", "conversations"
_SPEAKERS = {"human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt"}


class GreCot(JsonFormat):
    """Conversations of one question and one reasoned answer."""

    name = "gre-cot"
    summary = "GRE suite, chains of thought for supervised fine-tuning"
    splits = (Split.COT,)
    readable = True
    needed = ((IMAGE,), (CONVERSATIONS,))

    def row_of(self, record: ExchangeRecord) -> dict[str, Any]:
        """Return the conversation and the true position."""
        if record.reasoning is None:
            raise RowFault(FormatRejectReason.NO_CHAIN)
        if record.chain is None and record.turns and not record.further_images:
            said = [{"from": turn.speaker, "value": turn.unmarked} for turn in record.turns]
        else:
            said = exchange(GRPO_QUESTION, record.reasoning)
        return {CONVERSATIONS: said, **position(record)}

    def from_row(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        """Return the record of a row; its chain is in the last thing that the model says.

        Where that is no chain of ours, the whole conversation is kept.
        """
        turns = conversation(row.get(CONVERSATIONS))
        record = gre_record(self.name, row, at, images, last_said(turns), {CONVERSATIONS})
        if record.chain is not None:
            return record
        return record.model_copy(update={"turns": tuple(Turn(speaker=who, text=text) for who, text in turns)})


class GreSeed(JsonFormat):
    """Questions with the true position: for reinforcement learning."""

    name = "gre-seed"
    summary = "GRE suite, questions for reinforcement learning"
    splits = (Split.LOC,)
    readable = True
    needed = ((IMAGE,), (LAT,), (LON,))

    def row_of(self, record: ExchangeRecord) -> dict[str, Any]:
        """Return the question and the true position."""
        return {"instructions": f"{IMAGE_MARK}\n{GRPO_QUESTION}", **position(record)}

    def from_row(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        """Return the record of a row; it has a position and no words of an answer."""
        return gre_record(self.name, _with_position(row), at, images, None, set())


class GreBench(JsonFormat):
    """Pictures with the true position and a reference chain."""

    name = "gre-bench"
    summary = "GRE suite, benchmark"
    splits = (Split.VAL,)
    readable = True
    needed = ((IMAGE_PATH, IMAGE), (LAT,), (LON,))
    image_field = IMAGE_PATH

    def row_of(self, record: ExchangeRecord) -> dict[str, Any]:
        """Return id, reference chain (null without one) and the true position."""
        return {"sample_id": record.id, "gt_cot": record.reasoning, **position(record)}

    def from_row(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        """Return the record of a row; it may have a reference chain."""
        return gre_record(
            self.name, _with_position(row), at, images, text_of(row, "gt_cot", required=False), {"gt_cot"}
        )


def gre_record(
    source: str, row: Mapping[str, Any], at: FileRow, images: IncomingImages, text: str | None, used: set[str]
) -> ExchangeRecord:
    """Return the record that all files of the suite have in common.

    Args:
        source: Name of the format.
        row: The row.
        at: Where it stands.
        images: Fetches pictures.
        text: The reasoning.
        used: Fields that the caller has read; the others are kept in `further`.
    """
    path = row.get(IMAGE, row.get(IMAGE_PATH))
    fields, parsed = chain_fields(text)
    answer = parsed.answer if parsed is not None else None
    own_id = text_of(row, "sample_id", "id", required=False)
    source_id = own_id or (whole_text(path) if isinstance(path, str) else f"{at.name}#{at.row}")
    known = {IMAGE, IMAGE_PATH, LAT, LON, "sample_id", "id", *used}
    return ExchangeRecord(
        id=own_id if own_id and ":" in own_id else f"{source}:{source_id}",
        source=source,
        source_id=source_id,
        lat=number_of(row, LAT, low=-90, high=90, required=False),
        lng=number_of(row, LON, low=-180, high=180, required=False),
        **place_fields(answer if _names_a_place(answer) else None),
        **fields,
        **images.fields(path),
        further={name: plain_value(value) for name, value in row.items() if name not in known},
    )


def position(record: ExchangeRecord) -> dict[str, float]:
    """Return the true position under the names of the suite.

    Raises:
        RowFault: There is none.
    """
    if record.lat is None or record.lng is None:
        raise RowFault(FormatRejectReason.NO_POSITION)
    return {LAT: record.lat, LON: record.lng}


def exchange(question: str, answer: str) -> list[dict[str, str]]:
    """Return a conversation of one question about a picture and its answer."""
    return [{"from": "human", "value": f"{IMAGE_MARK}\n{question}"}, {"from": "gpt", "value": answer}]


def conversation(value: Any) -> list[tuple[str, str]]:
    """Return the turns of a conversation as (human or gpt, text).

    Raises:
        RowFault: It is no list of turns.
    """
    if value is None:
        raise RowFault(FormatRejectReason.MISSING_FIELD, CONVERSATIONS)
    if not isinstance(value, list):
        raise RowFault(FormatRejectReason.WRONG_TYPE, f"{CONVERSATIONS}: {type(value).__name__} instead of a list")
    turns = []
    for number, turn in enumerate(value):
        where = f"{CONVERSATIONS}[{number}]"
        if not isinstance(turn, dict):
            raise RowFault(FormatRejectReason.WRONG_TYPE, f"{where}: {type(turn).__name__} instead of a turn")
        speaker = _SPEAKERS.get(str(turn.get("from")).casefold())
        if speaker is None:
            raise RowFault(FormatRejectReason.WRONG_TYPE, f"{where}: said by {str(turn.get('from'))[:40]!r}")
        turns.append((speaker, text_of(turn, "value", required=False) or ""))
    return turns


def last_said(turns: list[tuple[str, str]]) -> str:
    """Return the last thing that the model says in a conversation.

    Raises:
        RowFault: It says nothing.
    """
    said = [text for speaker, text in turns if speaker == "gpt"]
    if not said:
        raise RowFault(FormatRejectReason.MISSING_FIELD, f"{CONVERSATIONS}: nothing said by gpt")
    return said[-1]


def _with_position(row: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in (LAT, LON):
        if row.get(name) is None:
            raise RowFault(FormatRejectReason.MISSING_FIELD, name)
    return row


def _names_a_place(answer: str | None) -> bool:
    """Whether an answer is a place rather than a pair of coordinates, as the suite also writes it."""
    parts = split_answer(answer or "")
    return bool(parts) and any(character.isalpha() for character in parts[0])
