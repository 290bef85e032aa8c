"""The released GeoSeek data set (arXiv 2602.12617): Parquet with its field names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoseek.formats.base import Format, RowWriter, WriteOptions
from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.hubcard import write_hub_card
from geoseek.formats.incoming import IncomingImages, chain_fields, number_of, text_of
from geoseek.formats.records import ExchangeRecord, place_fields
from geoseek.formats.rowfiles import FileRow, plain_value
from geoseek.formats.sinks import ParquetRows, hub_schema
from geoseek.schemas import LocatabilityBand, SceneTag, Split, parse_chain, render_json

IMAGE, LAT, LNG, SOLUTION, COT, SCORE, TAGS = "image", "lat", "lng", "solution", "cot", "Locatability Score", "cls"
_KNOWN = {IMAGE, LAT, LNG, SOLUTION, COT, SCORE, TAGS, "id"}


class GeoseekHf(Format):
    """One configuration per split, one row per picture."""

    name = "geoseek-hf"
    summary = "the field names of the released GeoSeek data set, for `datasets`"
    splits = (Split.COT, Split.LOC, Split.VAL)
    readable = True
    needed = ((IMAGE,), (LAT,), (LNG,))

    @contextmanager
    def open_writer(self, folder: Path, stem: str, options: WriteOptions) -> Iterator[RowWriter]:
        """Write `data/STEM/train-00000-of-00001.parquet` (val: `validation`)."""
        with ParquetRows(
            folder / "data" / stem,
            _part(stem),
            hub_schema(_schema(stem)),
            uncompressed=(f"{IMAGE}.bytes",),
            shard_mb=options.shard_mb,
        ) as rows:
            yield _Writer(rows, _schema(stem).names)

    def finish(self, folder: Path, stems: Iterable[str]) -> None:
        """Write the card that names the configurations."""
        write_hub_card(folder, {stem: {_part(stem): f"data/{stem}/{_part(stem)}-*.parquet"} for stem in stems})

    def from_row(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        """Return the record of a row of any of the three splits."""
        text = text_of(row, COT, required=False)
        fields, parsed = chain_fields(text)
        solution = text_of(row, SOLUTION, required=False)
        said = parse_chain(solution) if solution is not None else parsed
        score = _score(row)
        source_id = text_of(row, "id", required=False) or f"{at.name}#{at.row}"
        return ExchangeRecord(
            id=source_id if ":" in source_id else f"{self.name}:{source_id}",
            split=_split(row),
            source=self.name,
            source_id=source_id,
            lat=number_of(row, LAT, low=-90, high=90),
            lng=number_of(row, LNG, low=-180, high=180),
            locatability_score=score,
            locatability_band=None if score is None else LocatabilityBand.of(score),
            scene_tags=_tags(row.get(TAGS)),
            **place_fields(None if said is None else said.answer),
            **fields,
            **images.fields(row.get(IMAGE)),
            further={name: plain_value(value) for name, value in row.items() if name not in _KNOWN},
        )


class _Writer:
    def __init__(self, rows: ParquetRows, names: list[str]) -> None:
        self._rows, self._names = rows, names

    def add(self, record: ExchangeRecord) -> None:
        if record.lat is None or record.lng is None:
            raise RowFault(FormatRejectReason.NO_POSITION)
        if COT in self._names and record.chain is None and record.text is None and record.split is Split.COT:
            raise RowFault(FormatRejectReason.NO_CHAIN)
        row = {
            IMAGE: None if record.image is None else record.image.model_dump(),
            LAT: record.lat,
            LNG: record.lng,
            SOLUTION: record.solution,
            COT: render_json(record.chain) if record.chain is not None else record.text,
            SCORE: record.locatability_score,
            TAGS: None if record.scene_tags is None else [tag.value for tag in record.scene_tags],
            "id": record.id,
        }
        self._rows.write({name: row[name] for name in self._names})


def _schema(stem: str) -> Any:
    import pyarrow as pa

    columns: dict[str, pa.DataType] = {
        IMAGE: pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        LAT: pa.float64(),
        LNG: pa.float64(),
        SOLUTION: pa.string(),
        COT: pa.string(),
        SCORE: pa.float64(),
        TAGS: pa.list_(pa.string()),
        "id": pa.string(),
    }
    left_out = {Split.COT.value: {SCORE, TAGS}, Split.LOC.value: {COT, SCORE, TAGS}, Split.VAL.value: {COT}}
    return pa.schema([(name, kind) for name, kind in columns.items() if name not in left_out.get(stem, ())])


def _part(stem: str) -> str:
    return "validation" if stem == Split.VAL.value else "train"


def _split(row: Mapping[str, Any]) -> Split | None:
    """Return the split that the columns of a row belong to."""
    if SCORE in row and COT not in row:
        return Split.VAL
    return Split.COT if COT in row and SCORE not in row else Split.LOC if COT not in row else None


def _score(row: Mapping[str, Any]) -> float | None:
    return number_of(row, SCORE, low=0, high=10, required=False)


def _tags(value: Any) -> tuple[SceneTag, ...] | None:
    """Return the scene tags of a list, or of a text with commas or semicolons."""
    if value is None:
        return None
    names = value.replace(";", ",").split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RowFault(FormatRejectReason.WRONG_TYPE, f"{TAGS}: {str(value)[:60]!r} is no list of tags")
    plain = ["_".join(name.strip().casefold().replace("/", " and ").split()) for name in names if name.strip()]
    unknown = [name for name in plain if name not in SceneTag.__members__.values()]
    if unknown:
        raise RowFault(FormatRejectReason.WRONG_TYPE, f"{TAGS}: {unknown[0][:60]!r} is no tag")
    return tuple(SceneTag(name) for name in dict.fromkeys(plain))
