"""Rows for ms-swift: supervised fine-tuning and GRPO; the judge's rows are in `swift_judge`."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.jsonrows import JsonFormat
from geoseek.formats.prompts import GRPO_QUESTION, SFT_QUESTION, SYSTEM
from geoseek.formats.records import IMAGE_MARK, ExchangeRecord, unmarked_json, unmarked_text
from geoseek.schemas import ChainOfThought, EmbeddedImage, Split, render_solution

IMAGES, MESSAGES = "images", "messages"
_ROLES = {"human": "user", "gpt": "assistant"}


class _Swift(JsonFormat):
    suffix = ".jsonl"
    image_field = IMAGES
    several_images = True
    upright = True


class SwiftSft(_Swift):
    """Conversations whose answer is the JSON of the chain; conversations of other sets stay as they are."""

    name = "swift-sft"
    summary = "ms-swift, supervised fine-tuning: messages and images"
    splits = (Split.COT,)
    asked = SFT_QUESTION

    def row_of(self, record: ExchangeRecord) -> dict[str, Any]:
        """Return system prompt, question and answer."""
        if record.turns:
            return {MESSAGES: _conversation(record)}
        if record.chain is None:
            raise RowFault(FormatRejectReason.NO_CHAIN)
        answer = {"role": "assistant", "content": self.answer_of(record.chain)}
        return {MESSAGES: [*question(SYSTEM, self.asked), answer]}

    def answer_of(self, chain: ChainOfThought) -> str:
        """Return a chain as the model shall write it."""
        return unmarked_json(chain)

    def pictures_of(self, record: ExchangeRecord) -> tuple[EmbeddedImage | None, ...]:
        """Return the picture, and those that a conversation shows later."""
        return (record.image, *record.further_images) if record.turns else (record.image,)


class SwiftSftTagged(SwiftSft):
    """Conversations with the question and the form of answer that GRPO uses; others' stay as they are."""

    name = "swift-sft-tagged"
    summary = "ms-swift, supervised fine-tuning on the question and the form of answer that GRPO uses"
    asked = GRPO_QUESTION

    def answer_of(self, chain: ChainOfThought) -> str:
        """Return the chain in `<think>`, its answer in `<answer>`."""
        return f"<think>{unmarked_json(chain)}</think> {unmarked_text(render_solution(chain.final_answer))}"


class SwiftGrpo(_Swift):
    """Questions without an answer, and the columns that rewards need."""

    name = "swift-grpo"
    summary = "ms-swift, GRPO: messages and images, solution and position for the rewards"
    splits = (Split.LOC,)

    def row_of(self, record: ExchangeRecord) -> dict[str, Any]:
        """Return system prompt and question, and what the rewards compare with; unknown names are empty."""
        if record.lat is None or record.lng is None:
            raise RowFault(FormatRejectReason.NO_POSITION)
        return {
            MESSAGES: question(SYSTEM, GRPO_QUESTION),
            "solution": record.solution or "",
            "lat": record.lat,
            "lng": record.lng,
            "country_code": record.country_code or "",
            "country": record.country or "",
            "region": record.region or "",
            "place": record.place or "",
            "id": record.id,
        }


def question(system: str, text: str) -> list[dict[str, str]]:
    """Return the messages of a question about one picture."""
    return [{"role": "system", "content": system}, {"role": "user", "content": f"{IMAGE_MARK}{text}"}]


def _conversation(record: ExchangeRecord) -> list[dict[str, str]]:
    """Return the messages of a conversation that was read from another set.

    Raises:
        RowFault: It is not question, answer, question, answer; or its pictures and their marks do not fit.
    """
    for number, (turn, speaker) in enumerate(zip(record.turns, cycle(_ROLES), strict=False)):
        if turn.speaker != speaker or not turn.text.strip():
            raise RowFault(FormatRejectReason.NO_CONVERSATION, f"turn {number} is not what a {speaker} says")
    if len(record.turns) % 2:
        raise RowFault(FormatRejectReason.NO_CONVERSATION, "the last turn is a question")
    pictures = 1 + len(record.further_images)
    marks = sum(turn.text.count(IMAGE_MARK) for turn in record.turns if turn.speaker == "human")
    if marks not in (pictures, 0) or (marks == 0 and pictures > 1):
        raise RowFault(FormatRejectReason.NO_CONVERSATION, f"{pictures} pictures, and {marks} times {IMAGE_MARK}")
    messages = [{"role": _ROLES[turn.speaker], "content": turn.unmarked} for turn in record.turns]
    if marks == 0:
        messages[0]["content"] = f"{IMAGE_MARK}{messages[0]['content']}"
    return [{"role": "system", "content": record.system or SYSTEM}, *messages]
