"""Rows for ms-swift: supervised fine-tuning and GRPO."""

from __future__ import annotations

from typing import Any

from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.jsonrows import JsonFormat
from geoseek.formats.prompts import GRPO_QUESTION, SFT_QUESTION, SYSTEM
from geoseek.formats.records import IMAGE_MARK, ExchangeRecord, unmarked_json
from geoseek.schemas import Split


class _Swift(JsonFormat):
    suffix = ".jsonl"
    image_field = "images"
    several_images = True


class SwiftSft(_Swift):
    """Conversations whose answer is the JSON of the chain."""

    name = "swift-sft"
    summary = "ms-swift, supervised fine-tuning: messages and images"
    splits = (Split.COT,)

    def row_of(self, record: ExchangeRecord) -> dict[str, Any]:
        """Return system prompt, question and answer."""
        if record.chain is None:
            raise RowFault(FormatRejectReason.NO_CHAIN)
        return {"messages": [*_question(SFT_QUESTION), {"role": "assistant", "content": unmarked_json(record.chain)}]}


class SwiftGrpo(_Swift):
    """Questions without an answer, and the columns that rewards need."""

    name = "swift-grpo"
    summary = "ms-swift, GRPO: messages and images, solution and position for the rewards"
    splits = (Split.LOC,)

    def row_of(self, record: ExchangeRecord) -> dict[str, Any]:
        """Return system prompt and question, and what the rewards compare with."""
        if record.solution is None:
            raise RowFault(FormatRejectReason.NO_ANSWER)
        if record.lat is None or record.lng is None:
            raise RowFault(FormatRejectReason.NO_POSITION)
        return {
            "messages": _question(GRPO_QUESTION),
            "solution": record.solution,
            "lat": record.lat,
            "lng": record.lng,
            "country_code": record.country_code,
            "country": record.country,
            "region": record.region,
            "place": record.place,
            "id": record.id,
        }


def _question(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"{IMAGE_MARK}{text}"}]
