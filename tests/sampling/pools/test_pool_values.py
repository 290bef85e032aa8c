from __future__ import annotations

import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.sampling.pools.coordinates import (
    CODES,
    HUGE,
    all_fine,
    explain,
    find_problems,
    to_degrees,
    wrap_antimeridian,
)
from geoseek.sampling.pools.values import as_orientation, as_text, as_times, derive_ids, empty_texts
from geoseek.schemas import RejectReason


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, 2, None]), ["1", "2", None]),
        (pa.array([2**63], pa.uint64()), ["9223372036854775808"]),
        (pa.array([123.0, 7.25, None, float("nan")]), ["123", "7.25", None, None]),
        (pa.array([123.0, 4.0]), ["123", "4"]),
        (pa.array([1e20]), ["1e+20"]),
        (pa.array([1.5], pa.float32()), ["1.5"]),
        (pa.array(["a", "", None, " x "]), ["a", None, None, " x "]),
        (pa.array(["a", ""], pa.large_string()), ["a", None]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([b"abc", b"\xff\x00"]), ["abc", "ff00"]),
        (pa.array([Decimal("1.50")]), ["1.50"]),
        (pa.array([True, None]), ["True", None]),
        (pa.nulls(2), [None, None]),
        (pa.array(["123.0"]), ["123.0"]),
    ],
)
def test_ids_as_text(values: pa.Array, expected: list[str | None]) -> None:
    assert as_text(values).to_pylist() == expected
    assert as_text(pa.concat_arrays([values, values]).slice(len(values))).to_pylist() == expected


def test_uuids() -> None:
    one = uuid.UUID(int=5)
    assert as_text(pa.array([one.bytes], pa.uuid())).to_pylist() == [str(one)]


def test_strings_are_not_copied() -> None:
    values = pa.array(["a", "b"])
    assert as_text(values) is values


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=8), st.integers(0, 4))
def test_empty_texts(values: list[str | None], start: int) -> None:
    array = pa.array(values, pa.string()).slice(min(start, len(values)))
    expected = [value == "" for value in array.to_pylist()]
    found = empty_texts(array)
    assert (found.tolist() if found is not None else [False] * len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("48.85", 48.85), ("-0.5", -0.5), ("+12", 12.0), (" 7.5\t", 7.5), ("1e2", 100.0), (".5", 0.5), ("5.", 5.0),
        ("1e300", 1e300), ("1e400", HUGE), ("-1e400", HUGE), ("nan", np.inf), ("NaN", np.inf), ("inf", np.inf),
        ("-Infinity", np.inf), ("48,85", np.inf), ("48°51'", np.inf), ("1_0", np.inf), ("0x10", np.inf),
        ("١٢", np.inf), ("--1", np.inf), ("abc", np.inf), ("NULL", np.inf),
    ],
)  # fmt: skip
def test_numbers_in_text(text: str, number: float) -> None:
    for other in ("1.5", "x", " 3"):
        expected = np.inf if other == "x" else float(other)
        found = to_degrees(pa.array([text, other, None, "", "  "]))
        assert found[0] == number
        assert found[1] == expected
        assert np.isnan(found[2:]).all()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_text_and_numbers_agree(numbers: list[float]) -> None:
    texts = pa.array([repr(number) for number in numbers], pa.string())
    assert to_degrees(texts).tolist() == numbers
    with_blank = pa.array([repr(number) for number in numbers] + [" 1 "], pa.string())
    assert to_degrees(with_blank).tolist() == [*numbers, 1.0]


def test_typed_numbers() -> None:
    assert to_degrees(pa.array([1, 2], pa.int32())).tolist() == [1.0, 2.0]
    assert to_degrees(pa.array([Decimal("48.85")])).tolist() == [48.85]
    assert to_degrees(pa.array([1.5], pa.float32())).tolist() == [1.5]
    assert np.isnan(to_degrees(pa.nulls(2))).all()
    assert to_degrees(pa.array(["1.5", "2"]).dictionary_encode()).tolist() == [1.5, 2.0]
    raw = np.array([1.0, 2.0])
    assert np.shares_memory(to_degrees(pa.array(raw)), raw)


def test_problems_in_order_of_precedence() -> None:
    lat = np.array([1.0, np.nan, np.inf, 91.0, 0.0, -90.0, 1e300, 90.0, np.nan, 1.0])
    lng = np.array([2.0, np.inf, 1.0, 0.0, -0.0, 180.0, 0.0, -180.0, 1.0, 181.0])
    no_id = np.zeros(10, dtype=bool)
    no_id[8] = True
    codes = find_problems(lat, lng, no_point=None, no_id=no_id)
    assert [CODES[code] for code in codes] == [
        None,
        RejectReason.MISSING_COORDINATE,
        RejectReason.NON_NUMERIC_COORDINATE,
        RejectReason.OUT_OF_RANGE,
        RejectReason.NULL_ISLAND,
        None,
        RejectReason.OUT_OF_RANGE,
        None,
        RejectReason.MISSING_ID,
        RejectReason.OUT_OF_RANGE,
    ]


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=6))
def test_the_quick_check_agrees_with_the_thorough_one(pairs: list[tuple[float, float]]) -> None:
    lat, lng = (np.array([pair[axis] for pair in pairs], dtype=np.float64) for axis in (0, 1))
    codes = find_problems(lat, lng, no_point=None, no_id=None)
    assert all_fine(lat, lng) == (not codes.any() and not (lng == 180).any())


def test_explanations() -> None:
    assert explain(RejectReason.NON_NUMERIC_COORDINATE, "48,85", "2,35") == "decimal comma; write a point"
    assert explain(RejectReason.NON_NUMERIC_COORDINATE, "x", "2.35") is None
    assert explain(RejectReason.OUT_OF_RANGE, "139.7", "35.6") == "in range if lat and lng are exchanged"
    assert explain(RejectReason.OUT_OF_RANGE, "1e300", "35.6") is None
    assert explain(RejectReason.MISSING_COORDINATE, None, " ") == "lat and lng empty"
    assert explain(RejectReason.MISSING_COORDINATE, "1", None) == "lng empty"


@given(st.floats(-180, 180))
def test_antimeridian(lng: float) -> None:
    wrapped = wrap_antimeridian(np.array([lng]))[0]
    assert -180 <= wrapped < 180
    assert wrapped == lng or lng == 180


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2014:05:26 12:56:02", "2014-05-26T12:56:02"),
        ("2014:05:26 12:56:02.5+02:00", "2014-05-26T12:56:02.5+02:00"),
        ("2014-05-26 12:56:02.0", "2014-05-26T12:56:02"),
        ("2014-05-26T12:56:02Z", "2014-05-26T12:56:02Z"),
        ("20140526125602", "2014-05-26T12:56:02"),
        ("1401108962384", "2014-05-26T12:56:02.384Z"),
        ("1401108962", "2014-05-26T12:56:02Z"),
        ("1401108962000001", "2014-05-26T12:56:02.000001Z"),
        ("2014:13:45 00:00:00", "2014:13:45 00:00:00"),
        ("20149999999999", "20149999999999"),
        ("2014", "2014"),
        ("2014-05", "2014-05"),
        ("unknown", "unknown"),
    ],
)
def test_times(value: str, expected: str) -> None:
    assert as_times(pa.array([value])).to_pylist() == [expected]


def test_typed_times() -> None:
    assert as_times(pa.array([1401108962384, None])).to_pylist() == ["2014-05-26T12:56:02.384Z", None]
    assert as_times(pa.array([1401108962.0])).to_pylist() == ["2014-05-26T12:56:02Z"]
    moment = pa.array([1401108962384, None], pa.timestamp("ms"))
    assert as_times(moment).to_pylist() == ["2014-05-26T12:56:02.384", None]
    assert as_times(moment.cast(pa.timestamp("ns", "Europe/Berlin"))).to_pylist() == ["2014-05-26T12:56:02.384Z", None]
    assert as_times(pa.array([-1], pa.timestamp("s"))).to_pylist() == ["1969-12-31T23:59:59"]
    assert as_times(pa.array([2**62], pa.timestamp("s"))).to_pylist() == [str(2**62)]
    assert as_times(pa.array([16216], pa.date32())).to_pylist() == ["2014-05-26"]


def test_orientations() -> None:
    assert as_orientation(pa.array([1, 8, 9, 0, None])).to_pylist() == [1, 8, None, None, None]
    assert as_orientation(pa.array(["6.0", "N"])).to_pylist() == [6, None]


def test_derived_ids_depend_on_content_only() -> None:
    lat, lng = np.array([1.0, 0.0, 1.0]), np.array([2.0, -0.0, 2.0])
    ids = derive_ids(lat, lng, ["a", None, "b"]).to_pylist()
    assert len(set(ids)) == 3
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)
    assert derive_ids(lat[::-1], -lng[::-1] * -1, ["b", "", "a"]).to_pylist() == ids[::-1]
