"""Arrow and JSON schemas derived from the record models."""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

_SCALARS: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
}


def _arrow_type(annotation: Any) -> tuple[pa.DataType, bool]:
    """Return the Arrow type of a Python annotation, and whether it may be null."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in args if arg is not type(None))
        return _arrow_type(inner)[0], True
    if origin is typing.Annotated:
        markers = [arg for arg in args[1:] if isinstance(arg, str)]
        return (pa.type_for_alias(markers[0]), False) if markers else _arrow_type(args[0])
    if origin in (list, tuple):
        return pa.list_(_arrow_type(args[0])[0]), False
    if origin is dict:
        return pa.map_(_arrow_type(args[0])[0], _arrow_type(args[1])[0]), False
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return pa.string(), False
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(list(arrow_schema(annotation))), False
    return _SCALARS[annotation], False


def arrow_schema(model: type[BaseModel]) -> pa.Schema:
    """Derive the Arrow schema of a record model; field descriptions become field metadata.

    >>> from geoseek.schemas import Candidate
    >>> arrow_schema(Candidate).field("lat").type
    DataType(double)
    """
    fields = []
    hints = typing.get_type_hints(model, include_extras=True)
    for name, info in model.model_fields.items():
        arrow_type, nullable = _arrow_type(hints[name])
        metadata = {"description": info.description} if info.description else None
        fields.append(pa.field(name, arrow_type, nullable=nullable, metadata=metadata))
    return pa.schema(fields)


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a record model."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
