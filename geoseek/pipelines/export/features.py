"""The columns of a dataset in the words of Hugging Face: in the Parquet metadata, and in the card's YAML.

Both are derived from the record models. Lists are written as `[item]`, a form that every version of `datasets` since 2
reads.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from geoseek.formats import hub_schema
from geoseek.schemas import CotRecord, LocRecord, Split, ValRecord, arrow_schema

RECORDS: dict[Split, type[BaseModel]] = {Split.VAL: ValRecord, Split.LOC: LocRecord, Split.COT: CotRecord}
IMAGE_COLUMN = "image"
IMAGE_BYTES = f"{IMAGE_COLUMN}.bytes"
_DTYPES = {"double": "float64", "string": "string", "int32": "int32", "int64": "int64", "bool": "bool"}


def export_schema(split: Split) -> pa.Schema:
    """Return the Arrow schema of a split, with the metadata by which `datasets` and the viewer decode images."""
    return hub_schema(arrow_schema(RECORDS[split]), [IMAGE_COLUMN])


def yaml_features(split: Split) -> list[dict[str, Any]]:
    """Return the features of a split as `dataset_info` of a card lists them."""
    return [{"name": field.name, **_yaml(field)} for field in arrow_schema(RECORDS[split])]


def column_table(split: Split, without: Split | None = None) -> list[tuple[str, str, str]]:
    """Return name, type and meaning of the columns of a split, from its model.

    Args:
        split: The split.
        without: Leave out the columns that this split has too.
    """
    known = set(arrow_schema(RECORDS[without]).names) if without else set[str]()
    return [
        (field.name, _words(field), (field.metadata or {}).get(b"description", b"").decode())
        for field in arrow_schema(RECORDS[split])
        if field.name not in known
    ]


def _yaml(field: pa.Field) -> dict[str, Any]:
    return {"dtype": "image"} if field.name == IMAGE_COLUMN else _yaml_of(field.type)


def _yaml_of(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **_yaml_of(field.type)} for field in kind]}
    if pa.types.is_list(kind):
        item = _yaml_of(kind.value_type)
        (inner,) = item.values() if set(item) in ({"dtype"}, {"struct"}) else (item,)
        return {"list": inner}
    return {"dtype": _DTYPES[str(kind)]}


def _words(field: pa.Field) -> str:
    return "image" if field.name == IMAGE_COLUMN else _words_of(field.type)


def _words_of(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return "record"
    if pa.types.is_list(kind):
        inner = _words_of(kind.value_type)
        return f"list of {inner}s"
    return _DTYPES[str(kind)]
