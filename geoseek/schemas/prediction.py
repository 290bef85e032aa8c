"""What a model says about a picture, and where that is."""

from __future__ import annotations

from pydantic import Field

from geoseek.schemas.annotation import ChainOfThought
from geoseek.schemas.records import Int32, Record


class Decoding(Record):
    """How a text was drawn from a model; null where the server's or the checkpoint's own default held."""

    temperature: float | None = Field(description="0 takes the likeliest token every time")
    top_p: float | None = Field(description="share of the probability that tokens are drawn from")
    max_tokens: Int32 | None = Field(description="longest text in tokens")
    max_pixels: Int32 | None = Field(description="pictures with more pixels are made smaller")
    seed: int | None = Field(description="seed of the draw")


class Prediction(Record):
    """One answer of one model; a picture without an answer has one too, with its error."""

    id: str = Field(description="id of the sample; of a photo outside of a split its path relative to what was given")
    text: str | None = Field(description="what the model said; null if there is an error")
    chain: ChainOfThought | None = Field(description="the chain of thought; null where the text gives none")
    failure: str | None = Field(description="why the text gives no chain: code out of ParseFailure")
    repairs: tuple[str, ...] = Field(description="codes of what was put right in the chain's text")
    answer: str | None = Field(description="`Country; Region; Place` as the model wrote it; null where it gives none")
    lat: float | None = Field(description="latitude of the answer in degrees, WGS 84; null if it is not found")
    lng: float | None = Field(description="longitude of the answer in degrees")
    level: str = Field(description="how far the gazetteer resolved the answer (`geoseek.geo.Level`)")
    country_code: str | None = Field(description="country of the answer, ISO 3166-1 alpha-2; null if unknown")
    error: str | None = Field(description="why there is no text")
    model: str = Field(description="name of the model or checkpoint")
    decoding: Decoding = Field(description="how the text was drawn")
