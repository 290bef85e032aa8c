"""Every format is written and loaded back by the tool that it is for, or by a plain reader of its file type."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geoseek.formats import (
    FORMATS,
    WriteOptions,
    convert_format,
    load_predictions,
    read_export,
    read_format,
    write_format,
)
from geoseek.formats.sinks import ParquetRows
from geoseek.schemas import (
    EmbeddedImage,
    InputError,
    OutputError,
    Split,
    UsageError,
    ValRecord,
    arrow_schema,
    parse_chain,
)
from tests.formats.exports import ADDRESS, PLACES, cot_record, jpeg, loc_record, val_record, write_split


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _check_picture(target: Path, path: str, data: bytes) -> None:
    assert path == f"images/{hashlib.sha256(data).hexdigest()}.jpg"
    assert (target / path).read_bytes() == data


def _load(target: Path, name: str, cache: Path) -> Any:
    return datasets.load_dataset(str(target), name, cache_dir=str(cache))


def test_export_is_read_as_it_was_written(export_dir: Path) -> None:
    rows = list(read_export(export_dir, Split.LOC))
    assert [row["id"] for row in rows] == ["pool:loc-0", "pool:loc-2", "pool:loc-1", "pool:loc-3"]
    assert rows[0] == loc_record(0).model_dump()
    (first, *_) = read_export(export_dir, Split.VAL, columns=["id", "image"], images=False)
    assert first == {"id": "pool:val-0", "image": {"path": val_record(0).image.path}}  # type: ignore[union-attr]


def test_export_that_is_not_there(export_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no split cot"):
        list(read_export(tmp_path, Split.COT))
    with pytest.raises(InputError, match="no column 'latitude'"):
        list(read_export(export_dir, Split.COT, columns=["latitude"]))
    with pytest.raises(InputError, match="no split cot"):
        write_format("swift-sft", tmp_path, tmp_path / "out")


def test_swift_sft(export_dir: Path, tmp_path: Path) -> None:
    result = write_format("swift-sft", export_dir, tmp_path)
    assert result.figures["kept"] == result.figures["read"] == 5
    rows = _lines(tmp_path / "cot.jsonl")
    for n, row in enumerate(rows):
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
        assert row["messages"][1]["content"].startswith("<image>")
        assert "".join(message["content"] for message in row["messages"]).count("<image>") == 1
        assert parse_chain(row["messages"][2]["content"], strict=True).chain == cot_record(n).chain
        (path,) = row["images"]
        _check_picture(tmp_path, path, jpeg(n))


def test_swift_grpo(export_dir: Path, tmp_path: Path) -> None:
    write_format("swift-grpo", export_dir, tmp_path)
    rows = {row["id"]: row for row in _lines(tmp_path / "loc.jsonl")}
    row = rows["pool:loc-0"]
    assert [message["role"] for message in row["messages"]] == ["system", "user"]
    assert (row["lat"], row["lng"], row["country"]) == (10.25, -20.5, "France")
    assert row["solution"] == "<answer> France; Alsace; Colmar </answer>"
    assert rows["pool:loc-3"]["images"] == [ADDRESS]
    loaded = datasets.load_dataset("json", data_files=str(tmp_path / "loc.jsonl"), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].num_rows == 4


def test_gre_files(export_dir: Path, tmp_path: Path) -> None:
    for name in ("gre-cot", "gre-seed", "gre-bench"):
        write_format(name, export_dir, tmp_path / name)
    (first, *_) = json.loads((tmp_path / "gre-cot" / "cot.json").read_text(encoding="utf-8"))
    assert set(first) == {"image", "conversations", "gt_lat", "gt_lon"}
    assert [turn["from"] for turn in first["conversations"]] == ["human", "gpt"]
    assert "<image>" not in first["conversations"][1]["value"]
    assert parse_chain(first["conversations"][1]["value"], strict=True).chain == cot_record(0).chain
    _check_picture(tmp_path / "gre-cot", first["image"], jpeg(0))
    (seed, *_) = json.loads((tmp_path / "gre-seed" / "loc.json").read_text(encoding="utf-8"))
    assert set(seed) == {"image", "instructions", "gt_lat", "gt_lon"}
    bench = json.loads((tmp_path / "gre-bench" / "val.json").read_text(encoding="utf-8"))
    assert set(bench[0]) == {"sample_id", "image_path", "gt_cot", "gt_lat", "gt_lon"}
    assert [row["gt_cot"] is None for row in bench] == [True, False, True, True]


def test_gre_judge_makes_wrong_examples_of_other_countries(export_dir: Path, tmp_path: Path) -> None:
    write_format("gre-judge", export_dir, tmp_path)
    rows = json.loads((tmp_path / "cot.json").read_text(encoding="utf-8"))
    verdicts = [row["conversations"][-1]["value"] for row in rows]
    assert verdicts == ["True", "True", "False", "True", "False", "True", "False", "True", "False"]
    truth = {(10.25 + n): PLACES[n % 3][0] for n in range(5)}
    for row, verdict in zip(rows, verdicts, strict=True):
        said = row["predicted_answer"].split(";")[0]
        assert (said == truth[row["gt_lat"]]) is (verdict == "True")
        assert parse_chain(row["predicted_cot"]).chain is not None


def test_gre_judge_takes_predictions(export_dir: Path, tmp_path: Path) -> None:
    lines = [
        {"sample_id": "pool:cot-0", "text": "<answer> france; ALSACE; Ostheim </answer>"},
        {"sample_id": "pool:cot-1", "text": "<answer> Chad; Kanem </answer>"},
        {"sample_id": "pool:cot-2", "text": "I cannot say.", "answer": "Japan", "right": True},
    ]
    (tmp_path / "said.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    options = WriteOptions(predictions=load_predictions(tmp_path / "said.jsonl"))
    result = write_format("gre-judge", export_dir, tmp_path / "out", options=options)
    assert result.figures["rejected"] == {"no_prediction": 2}
    rows = json.loads((tmp_path / "out" / "cot.json").read_text(encoding="utf-8"))
    assert [row["conversations"][-1]["value"] for row in rows] == ["True", "False", "True"]
    (tmp_path / "said.jsonl").write_text('{"text": "?"}', encoding="utf-8")
    with pytest.raises(InputError, match="row 0"):
        load_predictions(tmp_path / "said.jsonl")


def test_geoseek_hf_loads_with_datasets(export_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_format("geoseek-hf", export_dir, target)
    val = _load(target, "val", tmp_path / "cache")["validation"]
    assert {"image", "solution", "Locatability Score", "cls", "lat", "lng"} <= set(val.column_names)
    assert val[1]["cls"] == ["sign", "mountains_and_rivers"]
    assert val[1]["Locatability Score"] == 2.5
    assert val[1]["image"].size == (96, 72)
    cot = _load(target, "cot", tmp_path / "cache")["train"]
    assert parse_chain(cot[0]["cot"], strict=True).chain == cot_record(0).chain
    loc = _load(target, "loc", tmp_path / "cache")["train"].cast_column("image", datasets.Image(decode=False))
    assert max(row["image"]["path"] for row in loc) == ADDRESS


def test_geovista_cold_start_and_bench(export_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_format("geovista", export_dir, target)
    cold = pd.read_parquet(target / "cold_start")
    assert set(cold.columns) == {"id", "system", "conversations", "images"}
    with_box, plain = cold.iloc[0], cold.iloc[1]
    marks = [turn["value"].count("<image>") for turn in with_box["conversations"] if turn["from"] == "human"]
    assert marks == [1, 1]
    assert len(with_box["images"]) == 2
    call = with_box["conversations"][1]["value"]
    assert call.startswith("<think>left-hand traffic</think><tool_call>")
    arguments = json.loads(call.partition("<tool_call>")[2].removesuffix("</tool_call>"))["arguments"]
    assert arguments == {"bbox_2d": [10, 7, 58, 43]}
    assert Image.open(io.BytesIO(with_box["images"][1]["bytes"])).size == (48, 36)
    assert len(plain["images"]) == 1
    assert _load(target, "cold_start", tmp_path / "cache")["train"].num_rows == 5
    assert plain["conversations"][-1]["value"].endswith("<answer> Chad; Ouaddaï; Abéché </answer>")
    bench = _load(target, "bench", tmp_path / "cache")["test"]
    assert set(bench.column_names) == {"id", "raw_image_path", "preview", "metadata", "data_type"}
    assert json.loads(bench[0]["metadata"])["city"] == "Colmar"
    assert bench[0]["preview"].size == (96, 72)
    assert (target / bench[0]["raw_image_path"]).read_bytes() == jpeg(0)


def test_webdataset(export_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_format("webdataset", export_dir, target, [Split.LOC, Split.VAL])
    with tarfile.open(target / "val-00000.tar") as tar:
        names = tar.getnames()
        assert names[:2] == ["00000000.jpg", "00000000.json"]
        content: Any = tar.extractfile("00000001.json")
        row = json.load(content)
    assert row["design_weight"] == 2.0
    assert row["sub_scores"]["image_clarity"] == 7.0
    assert row["chain"]["country"]["uncertainty"] == "Moderate"
    loaded = datasets.load_dataset(
        "webdataset", data_files=str(target / "val-*.tar"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert [row["json"]["id"] for row in loaded] == [f"pool:val-{n}" for n in range(4)]
    assert loaded[0]["jpg"].size == (96, 72)
    with tarfile.open(target / "loc-00000.tar") as tar:
        assert tar.getnames()[-1] == "00000003.json"


@pytest.mark.parametrize("name", FORMATS)
def test_equal_exports_give_equal_bytes_and_nothing_is_done_twice(name: str, export_dir: Path, tmp_path: Path) -> None:
    contents = []
    for target in (tmp_path / "one", tmp_path / "two"):
        assert not write_format(name, export_dir, target).up_to_date
        assert write_format(name, export_dir, target).up_to_date
        contents.append({p.relative_to(target): p.read_bytes() for p in target.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]
    assert str(tmp_path).encode() not in b"".join(contents[0].values())


def test_small_shards_hold_all_rows(tmp_path: Path) -> None:
    big = jpeg(99, (1800, 1400))
    rows = [val_record(n).model_copy(update={"image": None}) for n in range(4)]
    assert len(big) * 12 > 1_000_000
    schema = arrow_schema(ValRecord)
    with ParquetRows(tmp_path, "train", schema, uncompressed=("image.bytes",), shard_mb=1) as sink:
        for row in rows * 3:
            sink.write({**row.model_dump(), "image": {"bytes": big, "path": None}})
    files = sorted(tmp_path.glob("*"))
    assert len(files) > 1
    assert files[-1].name == f"train-{len(files) - 1:05d}-of-{len(files):05d}.parquet"
    assert [row for file in files for row in pq.read_table(file, columns=["id"]).to_pylist()] == [
        {"id": row.id} for row in rows * 3
    ]
    column = pq.ParquetFile(files[0]).metadata.row_group(0).column(1)
    assert (column.path_in_schema, column.compression) == ("image.bytes", "UNCOMPRESSED")


def test_rows_that_cannot_be_written_are_listed(export_dir: Path, tmp_path: Path) -> None:
    result = write_format("swift-sft", export_dir, tmp_path, [Split.VAL])
    assert (result.figures["read"], result.figures["kept"]) == (4, 1)
    assert result.figures["rejected"] == {"no_chain": 3}
    assert [row["id"] for row in _lines(tmp_path / "rejects.jsonl")] == ["pool:val-0", "pool:val-2", "pool:val-3"]


def test_licences_travel(export_dir: Path, tmp_path: Path) -> None:
    write_format("gre-seed", export_dir, tmp_path / "one")
    sources = _lines(tmp_path / "one" / "sources.jsonl")
    assert [(row["id"], row["license"], row["attribution"]) for row in sources] == [
        (f"pool:loc-{n}", "CC0-1.0", "Ana") for n in (0, 2, 1, 3)
    ]
    assert "GeoNames" in (tmp_path / "one" / "NOTICE.txt").read_text()
    convert_format("gre-seed", tmp_path / "one", "swift-sft", tmp_path / "two")
    assert not (tmp_path / "two" / "NOTICE.txt").exists()
    assert _lines(tmp_path / "two" / "sources.jsonl") == []


def test_pictures_that_no_preview_can_be_made_of_leave_nothing_behind(tmp_path: Path) -> None:
    rows = [val_record(n) for n in range(2)]
    cut = EmbeddedImage(bytes=jpeg(0)[:400], path=f"{'0' * 64}.jpg")
    write_split(tmp_path / "export", Split.VAL, [rows[0].model_copy(update={"image": cut}), rows[1]], ValRecord)
    result = write_format("geovista", tmp_path / "export", tmp_path / "out")
    assert result.figures["rejected"] == {"unreadable_image": 1}
    assert len(list((tmp_path / "out" / "raw_image").iterdir())) == 1


def test_old_files_go_and_foreign_files_stay(export_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_format("geoseek-hf", export_dir, target)
    (target / "notes.txt").write_text("mine")
    write_format("gre-seed", export_dir, target)
    assert not (target / "README.md").exists()
    assert (target / "loc.json").exists()
    assert (target / "notes.txt").read_text() == "mine"
    with pytest.raises(OutputError, match="not written by this command"):
        write_format("gre-seed", export_dir, export_dir)


def test_a_failed_write_leaves_the_old_files(export_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_format("gre-cot", export_dir, target)
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    broken = tmp_path / "broken" / "data" / "cot"
    broken.mkdir(parents=True)
    (good,) = (export_dir / "data" / "cot").glob("*.parquet")
    (broken / good.name).write_bytes(good.read_bytes()[:-50])
    with pytest.raises(InputError, match="cannot be read"):
        write_format("gre-cot", tmp_path / "broken", target)
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == before


def test_unknown_names_give_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'swift-grpo'"):
        write_format("swift-grop", Path(), Path())
    with pytest.raises(UsageError, match="can be written, but not read"):
        list(read_format("swift-sft", Path()))
