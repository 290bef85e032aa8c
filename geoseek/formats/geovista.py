"""GeoVista (arXiv 2511.15705): the cold start for agents with tools, and the bench."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoseek.formats.base import Format, RowWriter, WriteOptions
from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.cutouts import Cutout, cut_out, preview
from geoseek.formats.gre import conversation, last_said
from geoseek.formats.hubcard import write_hub_card
from geoseek.formats.incoming import IncomingImages, chain_fields, number_of, text_of
from geoseek.formats.prompts import TOOLS_QUESTION, TOOLS_SYSTEM, ZOOM_TOOL
from geoseek.formats.records import IMAGE_MARK, ExchangeRecord, Turn, place_fields
from geoseek.formats.rowfiles import FileRow, plain_value
from geoseek.formats.sinks import ImageFolder, ParquetRows, content_name, hub_schema
from geoseek.schemas import EmbeddedImage, Split

SYSTEM, CONVERSATIONS, IMAGES = "system", "conversations", "images"
ID, RAW_IMAGE, PREVIEW, METADATA, DATA_TYPE = "id", "raw_image_path", "preview", "metadata", "data_type"
_COLD_START, _BENCH = "cold_start", "bench"
_DATA_TYPES = {"panorama": "panorama", "satellite": "satellite"}
_COUNTRY, _STATE, _CITY = ("country", "country_name"), ("province_or_state", "state", "province", "region"), ("city",)
_MAX_ZOOMS = 3


class GeoVista(Format):
    """Rows with a chain become the cold start, rows of val the bench."""

    name = "geovista"
    summary = "GeoVista, cold start (from cot) and bench (from val)"
    splits = (Split.COT, Split.VAL)
    readable = True
    needed = ((CONVERSATIONS, RAW_IMAGE),)

    @contextmanager
    def open_writer(self, folder: Path, stem: str, options: WriteOptions) -> Iterator[RowWriter]:
        """Write `cold_start/STEM-*.parquet`, or for val `bench/test-*.parquet` and `raw_image/`."""
        if stem == Split.VAL.value:
            schema = hub_schema(_bench_schema(), [PREVIEW])
            with ParquetRows(
                folder / _BENCH, "test", schema, uncompressed=(f"{PREVIEW}.bytes",), shard_mb=options.shard_mb
            ) as rows:
                yield _BenchWriter(rows, ImageFolder(folder, "raw_image"))
        else:
            pictures = (f"{IMAGES}.list.element.bytes",)
            with ParquetRows(
                folder / _COLD_START, stem, _cold_schema(), uncompressed=pictures, shard_mb=options.shard_mb
            ) as rows:
                yield _ColdStartWriter(rows)

    def finish(self, folder: Path, stems: Iterable[str]) -> None:
        """Write the card that names the configurations."""
        bench = {_BENCH: {"test": f"{_BENCH}/test-*.parquet"}}
        cold = {_COLD_START: {"train": f"{_COLD_START}/*.parquet"}}
        named = set(stems)
        is_bench = Split.VAL.value in named
        write_hub_card(folder, {**(cold if named - {Split.VAL.value} else {}), **(bench if is_bench else {})})

    def from_row(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        """Return the record of a row of either set."""
        return self._bench(row, at, images) if RAW_IMAGE in row else self._cold_start(row, at, images)

    def _cold_start(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        turns = conversation(row.get(CONVERSATIONS))
        fields, parsed = chain_fields(last_said(turns))
        pictures = row.get(IMAGES)
        if not isinstance(pictures, list) or not pictures:
            raise RowFault(FormatRejectReason.MISSING_FIELD, IMAGES)
        return ExchangeRecord(
            **self._identity(row, at),
            **place_fields(parsed.answer if parsed is not None else None),
            **fields,
            **images.fields(pictures[0]),
            further_images=tuple(images.image(picture) for picture in pictures[1:]),
            system=text_of(row, SYSTEM, required=False),
            turns=tuple(Turn(speaker=speaker, text=text) for speaker, text in turns),
            further=_further(row, {SYSTEM, CONVERSATIONS, IMAGES, ID}),
        )

    def _bench(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        metadata = _metadata(row.get(METADATA))
        return ExchangeRecord(
            **self._identity(row, at),
            split=Split.VAL,
            picture=text_of(row, DATA_TYPE, required=False),
            lat=number_of(metadata, "lat", "latitude", low=-90, high=90),
            lng=number_of(metadata, "lng", "lon", "longitude", low=-180, high=180),
            country=text_of(metadata, *_COUNTRY, required=False),
            region=text_of(metadata, *_STATE, required=False),
            place=text_of(metadata, *_CITY, required=False),
            **self._bench_picture(row, at, images),
            further={METADATA: plain_value(metadata), **_further(row, {ID, RAW_IMAGE, PREVIEW, METADATA, DATA_TYPE})},
        )

    def _bench_picture(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> dict[str, Any]:
        """Return the picture itself, from the folder of the table or one above it; without it, the preview."""
        path = text_of(row, RAW_IMAGE)
        if images.wanted:
            for root in (images.root, *list(images.root.parents)[: at.name.count("/")]):
                if (root / str(path)).is_file():
                    return IncomingImages(root).fields(path)
            if row.get(PREVIEW) is not None:
                return images.fields(row[PREVIEW])
        return images.fields(path)

    def _identity(self, row: Mapping[str, Any], at: FileRow) -> dict[str, Any]:
        source_id = text_of(row, ID, "uid", required=False) or f"{at.name}#{at.row}"
        own = source_id if ":" in source_id else f"{self.name}:{source_id}"
        return {"id": own, "source": self.name, "source_id": source_id}


class _ColdStartWriter:
    def __init__(self, rows: ParquetRows) -> None:
        self._rows = rows

    def add(self, record: ExchangeRecord) -> None:
        if record.reasoning is None and not record.turns:
            raise RowFault(FormatRejectReason.NO_CHAIN)
        if record.image is None or (record.image.bytes is None and record.image.path is None):
            raise RowFault(FormatRejectReason.NO_IMAGE)
        if record.turns:
            turns, pictures = list(record.turns), [record.image, *record.further_images]
        else:
            turns, pictures = _conversation_of(record)
        self._rows.write(
            {
                ID: record.id,
                SYSTEM: record.system or TOOLS_SYSTEM,
                CONVERSATIONS: [{"from": turn.speaker, "value": turn.text} for turn in turns],
                IMAGES: [picture.model_dump() for picture in pictures],
            }
        )


class _BenchWriter:
    def __init__(self, rows: ParquetRows, images: ImageFolder) -> None:
        self._rows, self._images = rows, images

    def add(self, record: ExchangeRecord) -> None:
        if record.lat is None or record.lng is None:
            raise RowFault(FormatRejectReason.NO_POSITION)
        data = record.image.bytes if record.image is not None else None
        small = None if data is None or record.image is None else _preview(record.image, data)
        path = self._images.add(record.image)
        metadata = {
            "uid": record.id,
            "lat": record.lat,
            "lng": record.lng,
            _COUNTRY[0]: record.country,
            _STATE[0]: record.region,
            _CITY[0]: record.place,
        }
        self._rows.write(
            {
                ID: record.id,
                RAW_IMAGE: path,
                PREVIEW: small,
                METADATA: json.dumps(metadata, ensure_ascii=False),
                DATA_TYPE: _DATA_TYPES.get(record.picture or "", "photo"),
            }
        )


def _preview(image: EmbeddedImage, data: bytes) -> dict[str, Any]:
    stem = content_name(image).partition(".")[0]
    return {"bytes": preview(data), "path": f"{stem}.jpg"}


def _conversation_of(record: ExchangeRecord) -> tuple[list[Turn], list[EmbeddedImage]]:
    """Return question and answer; in between, a look at each of the first boxes that the annotator drew."""
    turns = [Turn(speaker="human", text=f"{IMAGE_MARK}\n{TOOLS_QUESTION}")]
    whole = record.image or EmbeddedImage(bytes=None, path=None)
    pictures = [whole]
    boxes = record.clue_boxes[:_MAX_ZOOMS] if record.chain is not None and whole.bytes is not None else ()
    for cutout in cut_out(whole.bytes or b"", boxes):
        turns += _zoom_turns(record, cutout)
        pictures.append(cutout.image)
    return [*turns, Turn(speaker="gpt", text=record.reasoning or "")], pictures


def _zoom_turns(record: ExchangeRecord, cutout: Cutout) -> list[Turn]:
    """Return the call of the tool and its result; the thought is the clue that the box stands for."""
    thought = _clue_of(record, cutout) or "A part of the picture deserves a closer look."
    call = json.dumps({"name": ZOOM_TOOL, "arguments": {"bbox_2d": list(cutout.pixels)}})
    return [
        Turn(speaker="gpt", text=f"<think>{thought}</think><tool_call>{call}</tool_call>"),
        Turn(speaker="human", text=f"<tool_response>{IMAGE_MARK}</tool_response>"),
    ]


def _clue_of(record: ExchangeRecord, cutout: Cutout) -> str | None:
    stage = record.chain.stages().get(cutout.box.stage) if record.chain is not None else None
    index = cutout.box.clue_index
    clue = stage.clues[index] if stage is not None and index is not None and 0 <= index < len(stage.clues) else None
    text = clue or cutout.box.note
    return None if text is None else text.replace("<", "‹").replace(">", "›")


def _metadata(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RowFault(FormatRejectReason.BROKEN_JSON, f"{METADATA}: {str(error)[:100]}") from None
    if value is None:
        raise RowFault(FormatRejectReason.MISSING_FIELD, METADATA)
    if not isinstance(value, dict):
        raise RowFault(FormatRejectReason.WRONG_TYPE, f"{METADATA}: {type(value).__name__} instead of an object")
    return value


def _further(row: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    return {name: plain_value(value) for name, value in row.items() if name not in known}


def _cold_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            (ID, pa.string()),
            (SYSTEM, pa.string()),
            (CONVERSATIONS, pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))),
            (IMAGES, pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ]
    )


def _bench_schema() -> Any:
    import pyarrow as pa

    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    texts = [(name, pa.string()) for name in (METADATA, DATA_TYPE)]
    return pa.schema([(ID, pa.string()), (RAW_IMAGE, pa.string()), (PREVIEW, picture), *texts])
