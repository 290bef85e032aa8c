from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoseek.sampling.pools import delimited, open_pool, parse_pool
from geoseek.schemas import InputError, UsageError

GOOD = "id,lat,lng\na,48.85,2.35\nb,-33.86,151.2\n"


def refused(path: Path, message: str | None = None, **options: Any) -> InputError:
    """Return the error of opening and reading a pool."""
    with pytest.raises(InputError, match=message) as caught:
        pool = open_pool(parse_pool(f"p={path}"), **options)
        for fragment in pool.fragments():
            for _ in pool.scan(fragment, sequence=False):
                pass
    return caught.value


def test_plain(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.csv"
    path.write_text(GOOD)
    found = whole(path)
    assert (found.ids, found.lat, found.lng, found.rejects) == (["a", "b"], [48.85, -33.86], [2.35, 151.2], [])
    assert found.pool.format == "csv"
    assert found.pool.files == (path,)
    assert found.pool.file_names == ("a.csv",)
    assert found.pool.notices == []


def test_every_reason_with_the_text_as_read(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "dirty.csv"
    path.write_text(
        "id,lat,lng\n"
        "ok,1,180\n"
        ",1,2\n"
        "m,,2\n"
        'c,"48,85",2.35\n'
        "n,nan,2\n"
        "r,139.7,35.6\n"
        "h,1e300,2\n"
        "z,0,0.0\n"
        "short,1\n"
        "long,1,2,3\n"
        "\n"
        "end,2,3\n"
    )
    found = whole(path)
    assert found.rows == [(0, 0), (0, 10)]
    assert found.lng == [-180.0, 3.0]
    assert found.reasons == {
        1: "missing_id",
        2: "missing_coordinate",
        3: "non_numeric_coordinate",
        4: "non_numeric_coordinate",
        5: "out_of_range",
        6: "out_of_range",
        7: "null_island",
        8: "malformed_row",
        9: "malformed_row",
    }
    by_row = {reject["row"]: reject for reject in found.rejects}
    assert by_row[3] == {
        "source": "p",
        "file": "dirty.csv",
        "row": 3,
        "reason": "non_numeric_coordinate",
        "source_id": "c",
        "lat": "48,85",
        "lng": "2.35",
        "detail": "decimal comma; write a point",
    }
    assert by_row[4]["lat"] == "nan"
    assert by_row[5]["detail"] == "in range if lat and lng are exchanged"
    assert by_row[8]["detail"] == "2 fields instead of 3: short,1"


def test_quotes_newlines_markup_and_emoji_in_ids(tmp_path: Path, whole: Callable[..., Any]) -> None:
    ids = ['<script>alert("1")</script>', "two\nlines", "a,b", "🗺️", "  padded ", "'", "x\ty"]
    path = tmp_path / "ids.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "lat", "lng"])
        writer.writerows([one, 1, number] for number, one in enumerate(ids, 1))
    found = whole(path)
    assert found.ids == ids
    assert [record["source_id"] for record in found.fields()] == ids


@pytest.mark.parametrize(
    ("name", "delimiter", "notice"),
    [
        ("a.csv", ";", "delimited by semicolons"),
        ("a.csv", "\t", "delimited by tabs"),
        ("a.tsv", "\t", None),
        ("a.txt", "|", "delimited by vertical bars"),
        ("a.tsv", ",", "delimited by commas"),
    ],
)
def test_delimiters(name: str, delimiter: str, notice: str | None, tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / name
    path.write_text(GOOD.replace(",", delimiter))
    found = whole(path)
    assert found.ids == ["a", "b"]
    assert found.pool.notices == ([f"{name} is {notice}"] if notice else [])


def test_byte_order_mark_crlf_and_quoted_header(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbf"id","lat","two\r\nlines","lng"\r\na,48.85,x,2.35\r\nb,1,"y\r\nz",2\r\n')
    found = whole(path)
    assert found.ids == ["a", "b"]
    assert found.lng == [2.35, 2.0]


def test_gzip(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(GOOD.encode()))
    assert whole(path).ids == ["a", "b"]


def test_numbers_written_as_floats_are_the_same_ids(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,lat,lng\n123.0,1,2\n007,1,3\n1.50,1,4\n")
    assert whole(path).ids == ["123", "007", "1.50"]


def test_no_id_column(tmp_path: Path, whole: Callable[..., Any]) -> None:
    one, other = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("lat,lng,url\n1,2,u\n3,4,\n-0.0,5,v\n")
    other.write_text("url,lng,lat\nv,5,0\nu,2.0,1.00\n,4,3\n")
    first, second = whole(one), whole(other)
    assert sorted(first.ids) == sorted(second.ids)
    assert len(set(first.ids)) == 3
    assert [record["source_id"] for record in first.fields("image")] == first.ids
    assert "no column with ids: ids are made from position and image" in first.pool.notices


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"id,lat,lng\n", "has column names but no rows"),
        (b"id,lat,lng", "has column names but no rows"),
        (b"id,breite,laenge\na,1,2\n", "no column for latitude and longitude"),
        ("id,lat,lng\nStraße,1,2\n".encode("latin-1"), r"not encoded in utf-8: byte 15 \(line 2\)"),
        (GOOD.encode("utf-16"), "encoded in UTF-16, not in utf-8"),
        (GOOD.encode("utf-16-le"), "zero byte"),
        (gzip.compress(GOOD.encode() * 1000, mtime=0)[:-20], "not a complete gzip file"),
        (gzip.compress(GOOD.encode(), mtime=0)[:12] + b"rubbish", "gzip|cannot be read"),
    ],
)
def test_unusable(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    error = refused(path, message)
    assert str(path) in error.message
    assert error.hint


def test_a_wrong_encoding_far_inside_is_found_and_placed(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    body = b"".join(b"n%d,1,2,x\n" % number for number in range(300_000))
    path.write_bytes(b"id,lat,lng,city\n" + body + b"z,1,2,Malm\xf6\n")
    error = refused(path)
    offset = 16 + len(body) + 10
    assert f"byte {offset} (line 300002)" in error.message
    assert "--encoding" in (error.hint or "")


def test_other_encodings(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.csv"
    for encoding in ("latin-1", "utf-16", "utf-8-sig", "cp1252"):
        path.write_bytes("id,lat,lng\nMalmö,1,2\n".encode(encoding))
        assert whole(path, encoding=encoding).ids == ["Malmö"]
    path.write_bytes(("id,lat,lng\n" + "ö,1,2\n" * 400_000).encode("utf-16"))
    assert whole(path, encoding="utf-16").ids == ["ö"] * 400_000
    with pytest.raises(UsageError, match="Unknown encoding"):
        open_pool(parse_pool(str(path)), encoding="latin-15")
    with pytest.raises(UsageError, match="Unknown encoding"):
        open_pool(parse_pool(str(path)), encoding="base64")


def test_a_quote_that_is_never_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1 << 12)
    path = tmp_path / "a.csv"
    path.write_text('id,lat,lng\na,1,2\n"b,1,2\n' + "c,1,2\n" * 5000)
    error = refused(path)
    assert "does not end" in error.message
    assert "quote" in (error.hint or "")


def test_error_in_one_file_names_it(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(GOOD if number != 1 else "a,b\n1,2\n")
    assert str(tmp_path / "1.csv") in refused(tmp_path).message


def test_duplicate_and_unnamed_columns(tmp_path: Path, whole: Callable[..., Any]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,lat,lng,lat,\na,1,2,9,x\n")
    assert whole(path).lat == [1.0]


def test_take_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Callable[..., Any]) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1 << 10)
    path = tmp_path / "a.csv"
    lines = [f"n{number},{number % 80 + 1},2,u{number}" if number % 7 else f"n{number},1" for number in range(2000)]
    path.write_text("\n".join(["id,lat,lng,url", *lines, ""]))
    found = whole(path)
    assert len(found.rows) + len(found.rejects) == 2000
    assert found.ids == [f"n{row}" for _, row in found.rows]
    assert all(row % 7 == 0 for row in found.reasons)
    rows = np.array([1, 2, 3, 500, 1002, 1999], dtype=np.int64)
    assert found.pool.take(0, rows, ["image"]).to_pylist() == [
        {"source_id": f"n{row}", "image": f"u{row}"} for row in rows
    ]
    assert found.pool.take(0, np.empty(0, dtype=np.int64), ["image"]).num_rows == 0
    with pytest.raises(InputError, match="1 of 2 rows"):
        found.pool.take(0, np.array([1, 7], dtype=np.int64), [])
    with pytest.raises(UsageError, match="did you mean 'image'"):
        found.pool.take(0, rows, ["imge"])


CELL = st.one_of(
    st.sampled_from(
        ["", "0", "1.5", "-33", "91", "nan", "inf", "1e300", "1e400", "48,85", " 7 ", "x", '"', "a\nb", "🙂"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=5),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=5), min_size=1, max_size=12),
    block=st.sampled_from([64, 256, 1 << 20]),
)
def test_every_row_is_accounted_for(
    rows: list[list[str]], block: int, tmp_path: Path, whole: Callable[..., Any]
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["id", "lat", "lng", "sequence"])
    writer.writerows(rows)
    path = tmp_path / "dirty.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK_BYTES", max(block, 4 * max(len(line) for line in rows) * 40))
        found = whole(path, sequence=True)
    kept = {row for _, row in found.rows}
    assert kept | set(found.reasons) == set(range(len(rows)))
    assert len(found.rows) + len(found.rejects) == len(rows)
    for row, cells in enumerate(rows):
        if len(cells) != 4:
            assert found.reasons[row] == "malformed_row"
        elif not cells[0]:
            assert found.reasons[row] == "missing_id"
    assert found.sequence == [rows[row][3] or None for _, row in found.rows]
