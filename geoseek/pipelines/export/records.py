"""From what the stages say about a row to the record that is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geoseek.pipelines.export.pictures import PublishedPicture
from geoseek.pipelines.export.sources import RowSources
from geoseek.schemas import (
    CotRecord,
    CuratedChain,
    LocRecord,
    Sample,
    Split,
    SubScores,
    TaggedSample,
    ValRecord,
    parse_record,
    render_answer,
    render_json,
    render_solution,
)

_SYNTHETIC = "synthetic"
_FROM_SAMPLE = tuple(LocRecord.model_fields.keys() & Sample.model_fields.keys() - {"image"})
_FROM_CHAIN = tuple(CotRecord.model_fields.keys() & CuratedChain.model_fields.keys())
_FROM_TAGS = tuple(ValRecord.model_fields.keys() & TaggedSample.model_fields.keys())
_UNRATED: Mapping[str, Any] = {
    "locatability_score": None,
    "locatability_band": None,
    "scene_tags": (),
    "scene_tags_maybe": (),
    "sub_scores": SubScores().model_dump(),
    "main_clues": (),
    "ratings": (),
}


def export_record(split: Split, row: RowSources, picture: PublishedPicture) -> dict[str, Any]:
    """Return the record of a row as plain values.

    Args:
        split: The split; a row of cot needs a chain.
        row: What the stages say.
        picture: Its picture.
    """
    record = {
        **{name: row.sample[name] for name in _FROM_SAMPLE},
        **_picture_fields(row, picture),
        "solution": solution_of(row.sample),
    }
    if split is Split.COT and row.chain is not None:
        chain = parse_record(row.chain["chain"])
        record |= {**{name: row.chain[name] for name in _FROM_CHAIN}, "cot": render_json(chain)}
    elif split is Split.VAL:
        tags = row.tags or _UNRATED
        record |= {name: tags[name] for name in _FROM_TAGS}
        record["chain"] = row.chain["chain"] if row.chain else None
        rated = [name for name in ("locatability_score", "scene_tags") if row.tags and row.tags[name]]
        ratings = [{"field": name, "origin": tags["origin"]} for name in rated]
        record["origins"] = [*(row.chain["origins"] if row.chain else ()), *ratings]
    return record


def _picture_fields(row: RowSources, picture: PublishedPicture) -> dict[str, Any]:
    image = row.image or {}
    known = picture.data is not None or picture.path is not None
    kind = image.get("kind")
    return {
        "image": {"bytes": picture.data, "path": picture.path} if known else None,
        "image_sha256": picture.sha256,
        "width": image.get("width"),
        "height": image.get("height"),
        "picture": _SYNTHETIC if kind and _SYNTHETIC in (row.sample["license"] or "").casefold() else kind,
    }


def solution_of(sample: Mapping[str, Any]) -> str:
    """Return the answer element of a row: country, region and place, as far as they are known.

    >>> solution_of({"country": "China", "region": "Anhui", "place": "Hefei"})
    '<answer> China; Anhui; Hefei </answer>'
    """
    return render_solution(render_answer([sample["country"], sample["region"] or "", sample["place"] or ""]))
