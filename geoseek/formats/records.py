"""The row that all formats are read into and written from."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from geoseek.formats.codes import FormatRejectReason
from geoseek.schemas import (
    ChainOfThought,
    ClueBox,
    EmbeddedImage,
    Int32,
    LocatabilityBand,
    Record,
    SceneTag,
    Split,
    render_answer,
    render_json,
    render_solution,
    split_answer,
)

IMAGE_MARK = "<image>"
"""Where a picture stands in a conversation."""

_MARK = re.compile(r"<((?:image|video|audio)>)")


class Turn(Record):
    """One turn of a conversation."""

    speaker: str = Field(description="human or gpt")
    text: str = Field(description="what is said; `<image>` stands for the next picture")

    @property
    def unmarked(self) -> str:
        """What is said; in words of a model, which show no pictures, nothing can be taken for their mark."""
        return self.text if self.speaker == "human" else unmarked_text(self.text)


class ExchangeRecord(Record):
    """A row on its way from one format to another; what a format does not know is null.

    Rows of an export fit in completely: what has no field of its own is kept in `further`.
    """

    id: str = Field(description="`source:source_id`")
    split: Split | None = Field(None, description="val, loc or cot; null where the format does not tell")
    image: EmbeddedImage | None = Field(None, description="the picture, or its address")
    further_images: tuple[EmbeddedImage, ...] = Field((), description="pictures that later turns of `turns` show")
    image_sha256: str | None = Field(None, description="SHA-256 (hex) of the bytes in `image`")
    width: Int32 | None = Field(None, description="pixels across, as displayed")
    height: Int32 | None = Field(None, description="pixels down, as displayed")
    picture: str | None = Field(None, description="photo, panorama, view, satellite or synthetic")
    lat: float | None = Field(None, description="latitude in degrees, WGS 84", ge=-90, le=90)
    lng: float | None = Field(None, description="longitude in degrees, WGS 84", ge=-180, le=180)
    country_code: str | None = Field(None, description="ISO 3166-1 alpha-2")
    country: str | None = Field(None, description="name of the country")
    region: str | None = Field(None, description="state, province or landscape")
    place: str | None = Field(None, description="town, road or spot")
    chain: ChainOfThought | None = Field(None, description="the chain of thought, where the text is one")
    text: str | None = Field(None, description="reasoning as the file has it, where it is no chain of ours")
    clue_boxes: tuple[ClueBox, ...] = Field((), description="boxes around clues, percent of the picture")
    locatability_score: float | None = Field(None, description="0..10 in halves", ge=0, le=10)
    locatability_band: LocatabilityBand | None = Field(None, description="band of the score")
    scene_tags: tuple[SceneTag, ...] | None = Field(None, description="tags that hold; null where nobody was asked")
    scene_tags_maybe: tuple[SceneTag, ...] = Field((), description="tags that may hold")
    turns: tuple[Turn, ...] = Field((), description="a conversation that no other field can hold")
    system: str | None = Field(None, description="system prompt of that conversation")
    predicted_text: str | None = Field(None, description="what a model said, to be judged")
    predicted_answer: str | None = Field(None, description="its answer")
    predicted_right: bool | None = Field(None, description="the verdict on it")
    source: str | None = Field(None, description="name of the pool or format")
    source_id: str | None = Field(None, description="id there")
    license: str | None = Field(None, description="licence of the image as the source states it")
    attribution: str | None = Field(None, description="whom to credit")
    repairs: tuple[str, ...] = Field((), description="codes of what was put right in the chain's text")
    chain_failure: str | None = Field(None, description="why the text gives no chain")
    further: dict[str, Any] = Field({}, description="everything else, under its own name")

    @property
    def answer(self) -> str:
        """Where the picture was taken, as `Country; Region; Place`, as far as it is known.

        >>> ExchangeRecord(id="a:1", country="Chad", place="Abéché").answer
        'Chad; ; Abéché'
        """
        return render_answer([self.country or "", self.region or "", self.place or ""])

    @property
    def solution(self) -> str | None:
        """The answer as an answer element; null if nothing is known."""
        return render_solution(self.answer) if self.answer else None

    @property
    def has_only_addresses(self) -> bool:
        """Whether the pixels of a picture are somewhere else."""
        pictures = (self.image, *self.further_images)
        return any(one is not None and one.bytes is None and one.path is not None for one in pictures)

    @property
    def reasoning(self) -> str | None:
        """The chain in its tagged form, closed by the true answer where it is known; else the text of the file.

        Nothing in it can be taken for the place of a picture.
        """
        if self.chain is None:
            return None if self.text is None else unmarked_text(self.text)
        return f"<think>{unmarked_json(self.chain)}</think> {render_solution(self.answer or self.chain.final_answer)}"


class FormatReject(Record):
    """A row that did not come through."""

    file: str = Field(description="file, relative to what was read; for exports the split")
    row: int = Field(description="0-based row in that file")
    id: str | None = Field(description="id of the row, where it has one")
    reason: FormatRejectReason = Field(description="code out of FormatRejectReason")
    detail: str | None = Field(description="what exactly was wrong")


Found = ExchangeRecord | FormatReject


def unmarked_json(chain: ChainOfThought) -> str:
    r"""Return the JSON of a chain in which no text can be taken for a mark such as `<image>`.

    Training tools count such marks; in JSON `<` may be written as `\u003c`.
    """
    return render_json(chain).replace("<", r"\u003c")


def unmarked_text(text: str) -> str:
    """Return a text in which nothing can be taken for the mark of a picture, a video or a sound.

    >>> unmarked_text("<think>see <image></think>")
    '<think>see &lt;image></think>'
    """
    return _MARK.sub(r"&lt;\1", text)


def place_fields(answer: str | None) -> dict[str, str | None]:
    """Return country, region and place of an answer, for the fields of a record.

    >>> place_fields("Chad; Ouaddaï; Abéché; market")
    {'country': 'Chad', 'region': 'Ouaddaï', 'place': 'Abéché; market'}
    """
    country, region, *rest = (*split_answer(answer or ""), "", "")
    place = "; ".join(part for part in rest if part)
    return {"country": country or None, "region": region or None, "place": place or None}
