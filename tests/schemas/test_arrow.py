from __future__ import annotations

import pyarrow as pa
from pydantic import Field

from geoseek.schemas import Candidate, Record, RejectReason, Sample, Split, arrow_schema, json_schema
from geoseek.schemas.records import Int32


class _Inner(Record):
    name: str = Field(description="a name")


class _Outer(Record):
    words: list[str]
    inner: _Inner
    maybe: _Inner | None
    tags: dict[str, str]
    split: Split
    count: Int32 | None
    flag: bool


def test_types_nullability_and_descriptions_follow_the_model() -> None:
    schema = arrow_schema(_Outer)
    assert schema.field("words").type == pa.list_(pa.string())
    assert schema.field("inner").type.field("name").type == pa.string()
    assert not schema.field("inner").nullable
    assert schema.field("maybe").nullable
    assert schema.field("tags").type == pa.map_(pa.string(), pa.string())
    assert schema.field("split").type == pa.string()
    assert schema.field("count").type == pa.int32()
    assert schema.field("count").nullable


def test_sample_extends_candidate_in_the_order_of_the_contract() -> None:
    names = arrow_schema(Sample).names
    assert names[: len(arrow_schema(Candidate).names)] == arrow_schema(Candidate).names
    contract = [
        "split",
        "rank",
        "country_code",
        "country",
        "continent",
        "region",
        "place",
        "place_distance_km",
        "cell",
        "stratum",
    ]
    assert names[len(arrow_schema(Candidate).names) :][: len(contract)] == contract
    assert all(field.metadata[b"description"] for field in arrow_schema(Sample))


def test_json_schema_is_closed_and_describes_every_field() -> None:
    schema = json_schema(Sample)
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(arrow_schema(Sample).names)
    assert all("description" in entry for entry in schema["properties"].values())


def test_every_reject_reason_is_explained() -> None:
    assert all(reason.description for reason in RejectReason)
    assert RejectReason("null_island") is RejectReason.NULL_ISLAND
