"""Files of others become records; what cannot be used is rejected with a code, and the rest comes through."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.formats import (
    ExchangeRecord,
    FormatFigures,
    FormatReject,
    convert_format,
    export_records,
    read_format,
    write_format,
)
from geoseek.formats.rowfiles import iter_file_rows
from geoseek.media import read_photo_metadata
from geoseek.schemas import EmbeddedImage, InputError, SceneTag, Split
from tests.formats.exports import embedded, jpeg

_KEPT = {"lat", "lng", "image", "chain"}
_LOST = {
    ("geoseek-hf", Split.VAL): {"chain"},
    ("gre-seed", Split.COT): {"chain"},
    ("geovista", Split.VAL): {"chain"},
    ("geovista", Split.COT): {"lat", "lng"},
}
_GRE = {"image": "a.jpg", "gt_lat": 1.5, "gt_lon": "2.5"}


def _records(name: str, path: Path, **options: Any) -> list[ExchangeRecord]:
    found = list(read_format(name, path, **options))
    assert not [one for one in found if isinstance(one, FormatReject)]
    return [one for one in found if isinstance(one, ExchangeRecord)]


def _said(text: str) -> dict[str, Any]:
    return {**_GRE, "conversations": [{"from": "human", "value": "<image>?"}, {"from": "gpt", "value": text}]}


def _write(folder: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    (folder / "a.jpg").write_bytes(jpeg(1, position=True))
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("geoseek-hf", Split.COT),
        ("geoseek-hf", Split.LOC),
        ("geoseek-hf", Split.VAL),
        ("gre-cot", Split.COT),
        ("gre-seed", Split.COT),
        ("gre-bench", Split.VAL),
        ("geovista", Split.COT),
        ("geovista", Split.VAL),
    ],
)
def test_what_was_written_is_read_back(name: str, split: Split, export_dir: Path, tmp_path: Path) -> None:
    write_format(name, export_dir, tmp_path, [split])
    back = _records(name, tmp_path)
    given_records = list(export_records(export_dir, split))
    assert len(back) == len(given_records)
    lost = _LOST.get((name, split), set())
    for old, new in zip(given_records, back, strict=True):
        assert {field: getattr(new, field) for field in _KEPT - lost} == {
            field: getattr(old, field) for field in _KEPT - lost
        }
        if name != "gre-seed" and (name, old.chain) != ("gre-bench", None):
            assert new.answer == old.answer
        if name == "geoseek-hf":
            assert (new.id, new.split, new.locatability_score) == (old.id, split, old.locatability_score)
            assert new.scene_tags == old.scene_tags
        assert not new.repairs


def test_judge_examples_are_read_with_their_verdict(export_dir: Path, tmp_path: Path) -> None:
    write_format("gre-judge", export_dir, tmp_path / "one")
    back = _records("gre-judge", tmp_path / "one")
    assert Counter(one.predicted_right for one in back) == {True: 5, False: 4}
    assert [one.chain is not None for one in back] == [one.predicted_right for one in back]
    convert_format("gre-judge", tmp_path / "one", "gre-judge", tmp_path / "two")
    assert (tmp_path / "two" / "rows.json").read_bytes() == (tmp_path / "one" / "cot.json").read_bytes()


def test_released_files_with_other_habits_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": [{"bytes": jpeg(1, position=True), "path": "1.jpg"}] * 2,
            "solution": ["<answer>Chad；Ouaddaï；Abéché</answer>", None],
            "lat": ["13.8", "1"],
            "lng": [20.8, 2.0],
            "Locatability Score": [6, None],
            "cls": ["Sign, mountains/rivers", None],
            "extra": [1.5, float("nan")],
        }
    )
    pq.write_table(table, tmp_path / "val.parquet")
    first, second = _records("geoseek-hf", tmp_path)
    assert (first.country, first.region, first.place) == ("Chad", "Ouaddaï", "Abéché")
    assert (first.split, first.lat, first.locatability_band) == (Split.VAL, 13.8, "moderate")
    assert first.scene_tags == (SceneTag.SIGN, SceneTag.MOUNTAINS_AND_RIVERS)
    assert first.further == {"extra": 1.5}
    assert (second.scene_tags, second.solution, second.further) == (None, None, {"extra": None})
    assert first.image is not None
    assert first.image.bytes is not None
    (tmp_path / "clean.jpg").write_bytes(first.image.bytes)
    assert b"Camera of Ana" not in first.image.bytes
    assert first.image == embedded(first.image.bytes)
    assert read_photo_metadata(tmp_path / "clean.jpg").lat is None


def test_reasoning_is_repaired_or_kept_as_it_is(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        _said("```json\n{'CountryIdentification': {'Conclusion': 'Chad',}, 'FinalAnswer': 'Chad'}\n```"),
        _said("<think>Red soil, so the Sahel. <image></think><answer>Chad; Kanem</answer>"),
        _said("13.8, 20.8"),
    )
    repaired, prose, numbers = _records("gre-cot", path)
    assert repaired.chain is not None
    assert "code_fence" in repaired.repairs
    assert (prose.chain, prose.chain_failure, prose.region) == (None, "no_json", "Kanem")
    assert prose.reasoning == "<think>Red soil, so the Sahel. &lt;image></think><answer>Chad; Kanem</answer>"
    assert (numbers.country, numbers.lat, numbers.lng) == (None, 1.5, 2.5)
    figures = FormatFigures()
    for one in (repaired, prose, numbers):
        figures.add(one)
    assert (figures.read, figures.kept, figures.repaired) == (3, 3, 1)
    assert figures.repairs["code_fence"] == 1
    assert figures.chain_failures["no_json"] == 1


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ('{"image": "a.jp', "broken_json", "Unterminated"),
        ("[1, 2]", "not_a_row", "list"),
        ({**_GRE, "image": "b.jpg"}, "missing_image", "b.jpg"),
        ({**_GRE, "image": "../../secret.jpg"}, "unsafe_path", "secret"),
        ({**_GRE, "image": "/etc/hostname"}, "unsafe_path", "hostname"),
        ({**_GRE, "image": "a\x00.jpg"}, "missing_image", ""),
        ({**_GRE, "image": "rows.jsonl"}, "unreadable_image", ""),
        ({**_GRE, "image": 7}, "wrong_type", "int"),
        ({**_GRE, "image": None}, "no_image", None),
        ({"image": "a.jpg", "gt_lat": 1}, "missing_field", "gt_lon"),
        ({**_GRE, "gt_lat": "north"}, "wrong_type", "gt_lat"),
        ({**_GRE, "gt_lat": True}, "wrong_type", "gt_lat"),
        ({**_GRE, "gt_lon": 181}, "out_of_range", "gt_lon"),
        ('{"image": "a.jpg", "gt_lat": NaN, "gt_lon": 1}', "out_of_range", "gt_lat"),
        ('{"a":' * 100_000, "broken_json", ""),
        ({**_GRE, "gt_lat": 10**400}, "wrong_type", "gt_lat"),
        ({**_GRE, "image": "\ud800.jpg"}, "missing_image", ""),
        ('{"image": "a.jpg", "gt_lat": 1, "gt_lon": 1, "x": ' + "[" * 900 + "]" * 900 + "}", "wrong_type", "deeply"),
    ],
)
def test_bad_rows_are_rejected_and_the_next_one_comes_through(
    row: Any, reason: str, detail: str | None, tmp_path: Path
) -> None:
    path = _write(tmp_path, _GRE, row, _GRE)
    first, bad, last = read_format("gre-seed", path)
    assert isinstance(first, ExchangeRecord)
    assert isinstance(last, ExchangeRecord)
    assert isinstance(bad, FormatReject)
    assert (bad.reason, bad.row, bad.file) == (reason, 1, "rows.jsonl")
    assert (bad.detail is None) if detail is None else (detail in str(bad.detail))


@pytest.mark.parametrize(
    "turns", [None, "hello", [], ["hello"], [{"from": "ghost", "value": "x"}], [{"from": "gpt", "value": 7}]]
)
def test_conversations_of_another_shape(turns: Any, tmp_path: Path) -> None:
    path = _write(tmp_path, {**_GRE, "conversations": turns}, _said("Chad"))
    for name, fitting in (("gre-cot", ExchangeRecord), ("gre-judge", FormatReject)):
        bad, good = read_format(name, path)
        assert isinstance(bad, FormatReject)
        assert isinstance(good, fitting)


def test_an_array_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    text = json.dumps([_GRE, {**_GRE, "note": "x" * 3_000_000}, _GRE], indent=1)
    path = _write(tmp_path, text[:-40], name="rows.json")
    first, second, bad = read_format("gre-seed", path)
    assert isinstance(first, ExchangeRecord)
    assert isinstance(second, ExchangeRecord)
    assert len(second.further["note"]) == 3_000_000
    assert isinstance(bad, FormatReject)
    assert bad.reason == "truncated_file"


@given(rows=st.lists(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.floats(0, 1)))))
def test_arrays_are_read_like_the_standard_decoder_does(
    rows: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    assert [at.content for at in iter_file_rows(path)] == rows


@given(data=st.binary(max_size=300))
def test_any_bytes_are_rows_or_rejects(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    for start in (b"", b"[", b'[{"image": "a"}, '):
        path.write_bytes(start + data)
        for one in read_format("gre-seed", path):
            assert isinstance(one, FormatReject)


def test_broken_parquet_and_missing_columns_are_told_before_any_work(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": ["a.jpg"], "lat": [1.0], "Lng": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"no column 'lng'. The nearest is 'Lng'"):
        list(read_format("geoseek-hf", tmp_path))
    (tmp_path / "a.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        list(read_format("geoseek-hf", tmp_path))
    with pytest.raises(InputError, match="does not exist"):
        list(read_format("geoseek-hf", tmp_path / "nowhere"))
    (tmp_path / "a.csv").write_text("image\n")
    with pytest.raises(InputError, match=r"none of .json"):
        list(read_format("geoseek-hf", tmp_path / "a.csv"))


def test_wrong_types_in_parquet(tmp_path: Path) -> None:
    columns = {"image": [b"no image", None, jpeg(1), jpeg(1)], "lat": [1.0, 1.0, None, 1.0], "lng": [1.0] * 4}
    pq.write_table(pa.table({**columns, "cls": [None, None, None, "clouds"]}), tmp_path / "a.parquet")
    found = list(read_format("geoseek-hf", tmp_path))
    reasons = [one.reason.value for one in found if isinstance(one, FormatReject)]
    assert reasons == ["unreadable_image", "no_image", "missing_field", "wrong_type"]


def test_geovista_bench_as_it_is_published(tmp_path: Path) -> None:
    (tmp_path / "raw_image" / "u1").mkdir(parents=True)
    (tmp_path / "raw_image" / "u1" / "p.jpg").write_bytes(jpeg(5))
    (tmp_path / "data" / "test").mkdir(parents=True)
    place = {"lat": 48.1, "lng": 7.4, "country": "France", "state": "Alsace", "city": "Colmar"}
    rows = [
        {"id": "u1", "raw_image_path": "raw_image/u1/p.jpg", "metadata": json.dumps(place)},
        {"id": "u2", "raw_image_path": "raw_image/u2/p.jpg", "metadata": json.dumps(place)},
        {"id": "u3", "raw_image_path": "raw_image/u1/p.jpg", "metadata": "{"},
        {"id": "u4", "raw_image_path": "raw_image/u1/p.jpg", "metadata": "{}"},
    ]
    shown = {"data_type": "panorama", "preview": {"bytes": jpeg(6), "path": None}}
    table = pa.Table.from_pylist([{**row, **shown} for row in rows])
    pq.write_table(table, tmp_path / "data" / "test" / "data-00000-of-00001.parquet")
    whole, preview, *bad = read_format("geovista", tmp_path)
    assert isinstance(whole, ExchangeRecord)
    assert isinstance(preview, ExchangeRecord)
    assert (whole.image, preview.image) == (embedded(jpeg(5)), embedded(jpeg(6)))
    assert (whole.id, whole.answer, whole.picture) == ("geovista:u1", "France; Alsace; Colmar", "panorama")
    assert [one.reason.value for one in bad if isinstance(one, FormatReject)] == ["broken_json", "missing_field"]


def test_conversations_with_tools_come_through_unchanged(export_dir: Path, tmp_path: Path) -> None:
    write_format("geovista", export_dir, tmp_path / "one", [Split.COT])
    convert_format("geovista", tmp_path / "one", "geovista", tmp_path / "two")
    one, two = (pq.read_table(tmp_path / name / "cold_start").to_pylist() for name in ("one", "two"))
    assert one == two
    assert len(one[0]["images"]) == 2


def test_sets_are_mixed_into_another_format(export_dir: Path, tmp_path: Path) -> None:
    write_format("geoseek-hf", export_dir, tmp_path / "one")
    result = convert_format("geoseek-hf", tmp_path / "one", "swift-grpo", tmp_path / "two")
    assert (result.figures["read"], result.figures["kept"]) == (13, 13)
    assert result.files == ("cot.jsonl", "loc.jsonl", "rejects.jsonl", "sources.jsonl", "val.jsonl")
    direct = tmp_path / "three"
    write_format("swift-sft", export_dir, direct)
    convert_format("geoseek-hf", tmp_path / "one", "swift-sft", tmp_path / "four")
    assert (tmp_path / "four" / "cot.jsonl").read_bytes() == (direct / "cot.jsonl").read_bytes()
    rejects = (tmp_path / "four" / "rejects.jsonl").read_text().splitlines()
    assert {json.loads(line)["reason"] for line in rejects} == {"no_chain"}


def test_pictures_may_lie_elsewhere_or_stay_unread(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    path = _write(pictures, _GRE).rename(tmp_path / "rows.jsonl")
    (rejected,) = read_format("gre-seed", path)
    assert isinstance(rejected, FormatReject)
    (found,) = _records("gre-seed", path, images=pictures)
    assert found.image is not None
    assert found.image.bytes is not None
    (bare,) = _records("gre-seed", path, with_images=False)
    assert bare.image == EmbeddedImage(bytes=None, path="a.jpg")
