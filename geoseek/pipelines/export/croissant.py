"""Croissant metadata (version 1.0), derived from the record models.

Every configuration is a file set of its Parquet files and a record set. Columns that hold records inside records are
left to Parquet; texts, numbers, lists of texts and the picture are described.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from geoseek.pipelines.export.facts import ExportFacts, SplitFacts
from geoseek.pipelines.export.features import IMAGE_COLUMN, export_schema
from geoseek.pipelines.export.plan import file_pattern

_TYPES = {
    "string": "sc:Text",
    "double": "sc:Float",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "bool": "sc:Boolean",
}
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def render_croissant(facts: ExportFacts) -> dict[str, Any]:
    """Return the metadata as JSON-LD."""
    settings = facts.settings
    content: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": settings.title,
        "description": settings.description or "Street-level pictures with the place where each was taken.",
        "version": settings.version,
        "citeAs": f"{'; '.join(facts.authors)}: {settings.title}, version {settings.version}",
        "license": facts.terms.url or facts.terms.name,
        "creator": [{"@type": "sc:Organization", "name": name} for name in facts.authors],
        "keywords": ["geolocation", "street view", "chain of thought"],
        "distribution": [_file_set(one) for one in facts.splits],
        "recordSet": [_record_set(one) for one in facts.splits],
        "rai:dataCollection": "Drawn by a stratified, weighted design from pools of geotagged street-level pictures.",
        "rai:dataUseCases": "Training and evaluation of models that geolocate pictures and explain how.",
        "rai:personalSensitiveInformation": "Pictures of public places, without metadata; annotators by pseudonym.",
        "rai:dataBiases": "Pools of pictures follow roads and volunteers; every row has its design weight.",
    }
    if settings.url:
        content["url"] = settings.url
    return content


def _file_set(one: SplitFacts) -> dict[str, Any]:
    name = one.split.value
    return {
        "@type": "cr:FileSet",
        "@id": f"{name}-files",
        "name": f"{name}-files",
        "description": f"Parquet files of {name}; their hashes are in SHA256SUMS.",
        "encodingFormat": "application/x-parquet",
        "includes": file_pattern(one.split),
    }


def _record_set(one: SplitFacts) -> dict[str, Any]:
    name = one.split.value
    with_pictures = bool(one.figures.get("pictures", {}).get("embedded"))
    fields = [_field(name, column) for column in export_schema(one.split)]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{one.rows:,} rows.",
        "key": {"@id": f"{name}/id"},
        "field": [field for field in fields if field and (with_pictures or field["name"] != IMAGE_COLUMN)],
    }


def _field(record_set: str, column: pa.Field) -> dict[str, Any] | None:
    kind = column.type
    extra: dict[str, Any] = {}
    source: dict[str, Any] = {"fileSet": {"@id": f"{record_set}-files"}, "extract": {"column": column.name}}
    if column.name == IMAGE_COLUMN:
        extra["dataType"] = "sc:ImageObject"
        source["transform"] = {"jsonPath": "bytes"}
    elif pa.types.is_list(kind) and str(kind.value_type) in _TYPES:
        extra |= {"dataType": _TYPES[str(kind.value_type)], "repeated": True}
    elif str(kind) in _TYPES:
        extra["dataType"] = _TYPES[str(kind)]
    else:
        return None
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "description": (column.metadata or {}).get(b"description", b"").decode(),
        **extra,
        "source": source,
    }
