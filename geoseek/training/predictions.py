"""From a model's text to a prediction, and files of predictions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from geoseek.geo import Gazetteer, load_gazetteer
from geoseek.schemas import Decoding, InputError, Prediction, parse_chain

UNKNOWN_DECODING = Decoding(temperature=None, top_p=None, max_tokens=None, max_pixels=None, seed=None)


@cache
def shared_gazetteer() -> Gazetteer:
    """Return the gazetteer, loaded once per process."""
    return load_gazetteer()


def prediction_of(
    sample_id: str, text: str, *, model: str, decoding: Decoding = UNKNOWN_DECODING, gazetteer: Gazetteer | None = None
) -> Prediction:
    """Read what a model said: its chain, its answer, and where the answer lies. Never raises for any text.

    Args:
        sample_id: Id of the sample.
        text: The model's words: a chain as JSON, the tagged form, or an answer alone.
        model: Name of the model.
        decoding: How the text was drawn.
        gazetteer: Finds the answer's coordinates; default: the shared one.
    """
    parsed = parse_chain(text)
    location = (gazetteer or shared_gazetteer()).locate(parsed.answer or "")
    return Prediction(
        id=sample_id,
        text=text,
        chain=parsed.chain,
        failure=None if parsed.failure is None else parsed.failure.code.value,
        repairs=tuple(sorted({repair.code.value for repair in parsed.repairs})),
        answer=parsed.answer,
        lat=location.lat,
        lng=location.lng,
        level=location.level.value,
        country_code=location.country_code or None,
        error=None,
        model=model,
        decoding=decoding,
    )


def failed_prediction(sample_id: str, error: str, *, model: str, decoding: Decoding = UNKNOWN_DECODING) -> Prediction:
    """Return the row of a picture that no text was had for."""
    return Prediction(
        id=sample_id,
        text=None,
        chain=None,
        failure=None,
        repairs=(),
        answer=None,
        lat=None,
        lng=None,
        level="none",
        country_code=None,
        error=error,
        model=model,
        decoding=decoding,
    )


def iter_predictions(path: Path) -> Iterator[Prediction]:
    """Yield the predictions of a JSON lines file as `geoseek infer` writes it.

    Raises:
        InputError: The file cannot be read, or a line is no prediction.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _read_line(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read {path}: {error}.") from error


def _read_line(path: Path, number: int, line: str) -> Prediction:
    try:
        return Prediction.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{path}, line {number} is no prediction: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            hint="`geoseek infer` writes such files; docs/evaluating.md tells which others can be scored.",
        ) from None
