"""A dataset is damaged in one place; the check that is meant for it, and no other, must say so."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin

from geoseek.annotation import Ledger
from geoseek.media import strip_metadata
from geoseek.pipelines import ExportCheck, Severity, validate_request
from geoseek.pipelines.export.features import export_schema
from geoseek.pipelines.export.records import solution_of
from geoseek.pipelines.validate.run import private_addresses
from geoseek.schemas import InputError, Split
from tests.pipelines.validate.datasets import (
    chain,
    codes,
    picture,
    rows,
    set_chain,
    validated,
    with_picture,
    write_checksums,
    write_dataset,
    write_shard,
)

Row = dict[str, Any]
VAL, LOC, COT = Split.VAL, Split.LOC, Split.COT
CUT = {"undecodable_image", "image_metadata"}
OWN = 77
"""A seed that no row of the dataset has."""


def test_nothing_wrong(dataset: Path) -> None:
    found = validated(dataset)
    assert found.counts == {}
    assert found.is_valid
    assert found.figures == {
        "val": {"files": 2, "rows": 5, "pictures": 5, "references": 0},
        "loc": {"files": 2, "rows": 6, "pictures": 6, "references": 0},
        "cot": {"files": 2, "rows": 4, "pictures": 4, "references": 0},
    }
    assert any("Capture sequences" in sentence for sentence in found.skipped)


def exif_with_position() -> bytes:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (59.0, 0.0, 0.0)}
    return exif.tobytes()


def png_with_text() -> bytes:
    buffer = io.BytesIO()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "taken by Ann")
    Image.open(io.BytesIO(picture(OWN))).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return strip_metadata(picture(OWN, exif=exif.tobytes()))


def chain_with(**changes: Any) -> Row:
    whole = chain()
    return {**whole, "country": {**whole["country"], **changes}}


def change(**values: Any) -> Callable[[Row], None]:
    return lambda row: row.update(values)


ROW_DAMAGES: list[tuple[str, Split, Callable[[Row], None], set[str]]] = [
    ("latitude", LOC, change(lat=91.0), {"position"}),
    ("not a number", LOC, change(lng=float("nan")), {"position"}),
    ("country", LOC, change(country_code="QQ", stratum="QQ"), {"position"}),
    ("continent", LOC, change(continent="AS"), {"position"}),
    ("id", LOC, change(source_id="other"), {"inconsistent"}),
    ("stratum", LOC, change(stratum="NO"), {"inconsistent"}),
    ("weight", LOC, change(design_weight=3.9), {"inconsistent"}),
    ("probability", LOC, change(inclusion_probability=0.0), {"inconsistent"}),
    ("solution", LOC, change(solution="<answer> Norway </answer>"), {"solution"}),
    ("solution of another place", VAL, change(place="Elsewhere"), {"solution"}),
    ("quarter", VAL, change(locatability_score=7.25), {"score"}),
    ("band", VAL, change(locatability_band="high"), {"score"}),
    ("unknown band", VAL, change(locatability_band="splendid"), {"malformed_row"}),
    ("band of no score", VAL, change(locatability_score=None), {"score"}),
    ("unknown tag", VAL, change(scene_tags=["castle"]), {"malformed_row"}),
    ("sub-score", VAL, lambda row: row["sub_scores"].update(text_amount=11.0), {"score"}),
    ("tag twice", VAL, change(scene_tags_maybe=["plants"]), {"inconsistent"}),
    ("cot is no JSON", COT, change(cot="Sweden, surely"), {"chain"}),
    ("cot of another chain", COT, lambda row: row.update(chain=chain_with(conclusion="Norway")), {"chain"}),
    ("cot with repairs", COT, lambda row: row.update(cot=f"```json\n{row['cot']}\n```"), {"chain"}),
    ("uncertainty", COT, lambda row: row.update(chain=chain_with(uncertainty="None")), {"malformed_row"}),
    ("box beyond", COT, lambda row: row["clue_boxes"][0].update(x=90.0), {"clue_box"}),
    ("box of no clue", COT, lambda row: row["clue_boxes"][0].update(clue_index=2), {"clue_box"}),
    ("box of no stage", COT, lambda row: row["clue_boxes"][0].update(stage="precise"), {"clue_box"}),
    ("coordinates", COT, lambda row: set_chain(row, chain_with(reasoning="Near 59.27412, 15.21339.")), {"leak"}),
    ("metadata", COT, lambda row: set_chain(row, chain_with(clues=["EXIF", "trees"])), {"leak"}),
    ("file name", COT, lambda row: row["clue_boxes"][0].update(note="IMG_20230101.jpg"), {"leak"}),
    ("address", VAL, change(main_clues=["see https://example.org/a"]), {"leak"}),
    ("e-mail", COT, lambda row: set_chain(row, chain_with(reasoning="ask ann@example.org")), {"email_address"}),
    ("annotator", COT, change(annotator="ann@example.org"), {"email_address"}),
    ("licence", LOC, change(license="all rights reserved"), {"licence"}),
    ("no licence", LOC, change(license=None), {"licence"}),
    ("nobody to credit", LOC, change(attribution=None), {"attribution"}),
    ("hash", LOC, change(image_sha256="0" * 64), {"image_hash"}),
    ("name", LOC, lambda row: row["image"].update(path="photo.jpg"), {"image_hash"}),
    ("width", LOC, change(width=63), {"image_size"}),
    ("EXIF", LOC, lambda row: with_picture(row, picture(OWN, exif=exif_with_position())), {"image_metadata"}),
    ("JPEG comment", LOC, lambda row: with_picture(row, picture(OWN, comment=b"hello")), {"image_metadata"}),
    ("PNG text", LOC, lambda row: with_picture(row, png_with_text()), {"image_metadata"}),
    ("bytes behind the end", LOC, lambda row: with_picture(row, row["image"]["bytes"] + b"x"), {"image_metadata"}),
    ("cut off", LOC, lambda row: with_picture(row, row["image"]["bytes"][:400]), CUT),
    ("no picture", LOC, lambda row: with_picture(row, b"<html>"), CUT),
    ("local path", LOC, change(image={"bytes": None, "path": "photos/a.jpg"}), {"image_address"}),
    ("token", LOC, change(image={"bytes": None, "path": "https://example.org/a?token=1"}), {"image_address"}),
]  # fmt: skip


@pytest.mark.parametrize(("split", "damage", "expected"), [pytest.param(*rest, id=name) for name, *rest in ROW_DAMAGES])
def test_damaged_row(tmp_path: Path, split: Split, damage: Callable[[Row], None], expected: set[str]) -> None:
    several = rows()
    damage(several[split][2])
    found = validated(write_dataset(tmp_path, several))
    assert codes(found) == expected
    (finding,) = found.examples[ExportCheck(min(expected))][:1]
    assert finding.file == f"data/{split.value}/{'validation' if split is VAL else 'train'}-00000-of-00002.parquet"
    assert finding.row == 1
    assert finding.id == several[split][2]["id"]


@pytest.mark.parametrize(
    ("split", "damage"),
    [
        pytest.param(LOC, change(image=None, picture=None, width=None, height=None), id="no picture at all"),
        pytest.param(LOC, change(image={"bytes": None, "path": "https://example.org/a.jpg"}), id="address"),
        pytest.param(LOC, change(license="CC0-1.0 synthetic", attribution=None), id="public domain"),
        pytest.param(COT, lambda row: set_chain(row, chain_with(reasoning="About 59° N, on the A45.")), id="about"),
        pytest.param(
            COT, lambda row: set_chain(row, chain_with(reasoning="يسار\u0000 <script> 北京 🙂")), id="scripts"
        ),
        pytest.param(VAL, change(locatability_score=None, locatability_band=None), id="not rated"),
    ],
)
def test_unusual_and_right(tmp_path: Path, split: Split, damage: Callable[[Row], None]) -> None:
    several = rows()
    damage(several[split][0])
    assert codes(validated(write_dataset(tmp_path, several))) == set()


def test_region_that_is_not_known(tmp_path: Path) -> None:
    several = rows()
    row = several[LOC][0]
    row.update(region=None)
    row.update(solution=solution_of(row))
    assert codes(validated(write_dataset(tmp_path, several))) == set()


def test_turned_picture_is_measured_as_displayed(tmp_path: Path) -> None:
    several = rows()
    with_picture(several[LOC][0], turned())
    assert codes(validated(write_dataset(tmp_path / "a", several))) == {"image_size"}
    several[LOC][0].update(width=48, height=64)
    assert codes(validated(write_dataset(tmp_path / "b", several))) == set()


def test_id_twice_in_a_split(tmp_path: Path) -> None:
    several = rows()
    several[LOC][3] = several[LOC][0]
    assert codes(validated(write_dataset(tmp_path, several))) == {"duplicate_id"}


def test_row_in_two_splits(tmp_path: Path) -> None:
    several = rows()
    several[COT][0] |= several[LOC][0]
    found = validated(write_dataset(tmp_path, several))
    assert codes(found) == {"shared_id", "shared_image", "near_duplicate"}
    assert found.examples[ExportCheck.SHARED_ID][0].value == "also in loc"


def test_recompressed_picture_in_two_splits(tmp_path: Path) -> None:
    several = rows()
    buffer = io.BytesIO()
    Image.open(io.BytesIO(several[VAL][0]["image"]["bytes"])).save(buffer, "JPEG", quality=90)
    with_picture(several[LOC][0], strip_metadata(buffer.getvalue()))
    assert codes(validated(write_dataset(tmp_path, several))) == {"near_duplicate"}


@pytest.mark.parametrize(("metres", "is_near"), [(950, True), (1050, False)])
def test_row_near_to_val(tmp_path: Path, metres: float, is_near: bool) -> None:
    several = rows()
    several[COT][0].update(lat=several[VAL][0]["lat"] + metres / 111_194.9, lng=several[VAL][0]["lng"])
    assert codes(validated(write_dataset(tmp_path, several))) == ({"too_near"} if is_near else set())


def test_loc_and_cot_may_be_neighbours(tmp_path: Path) -> None:
    several = rows()
    several[COT][0].update(lat=several[LOC][0]["lat"])
    assert codes(validated(write_dataset(tmp_path, several))) == set()


def test_unknown_separation_is_said(dataset: Path) -> None:
    manifest = json.loads((dataset / "manifest.json").read_text())
    (dataset / "manifest.json").write_text(json.dumps(manifest | {"separation_km": None}))
    write_checksums(dataset)
    found = validated(dataset)
    assert found.is_valid
    assert any("distance between val" in sentence for sentence in found.skipped)


# files


def test_changed_byte(dataset: Path) -> None:
    path = dataset / "data/loc/train-00001-of-00002.parquet"
    data = bytearray(path.read_bytes())
    place = data.index(b"\xff\xd9", len(data) // 3) - 5
    data[place] ^= 0x40
    path.write_bytes(data)
    found = validated(dataset)
    assert "checksum" in codes(found)
    assert codes(found) <= {"checksum", "image_hash", "undecodable_image", "image_metadata", "unreadable_file"}


def test_half_a_file(dataset: Path) -> None:
    path = dataset / "data/loc/train-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:5000])
    found = validated(dataset)
    assert codes(found) == {"checksum", "unreadable_file", "count", "card"}
    assert "<" not in found.examples[ExportCheck.UNREADABLE_FILE][0].value


def test_shard_gone(dataset: Path) -> None:
    (dataset / "data/loc/train-00001-of-00002.parquet").unlink()
    assert codes(validated(dataset)) == {"missing_file", "shard_names", "count", "card"}


def test_shard_of_an_older_export(dataset: Path) -> None:
    folder = dataset / "data/loc"
    shutil.copy(folder / "train-00000-of-00002.parquet", folder / "train-00000-of-00003.parquet")
    found = codes(validated(dataset))
    assert {"unlisted_file", "shard_names", "duplicate_id", "count"} <= found


@pytest.mark.parametrize(
    "name", ["data/extra.parquet", "data/loc/notes.txt", "data/loc/deep/train-00000-of-00001.parquet"]
)
def test_stray_file_among_the_shards(dataset: Path, name: str) -> None:
    (dataset / name).parent.mkdir(exist_ok=True)
    (dataset / name).write_text("?")
    assert codes(validated(dataset)) == {"unlisted_file", "shard_names"}


def test_unlisted_file_is_a_warning(dataset: Path) -> None:
    (dataset / "run-log.json").write_text("{}")
    (dataset / ".lock").touch()
    found = validated(dataset)
    assert codes(found) == {"unlisted_file"}
    assert found.is_valid
    assert found.number(Severity.WARNING) == 1


@pytest.mark.parametrize("line", ["0123  README.md", f"{'0' * 64}  ../../secret", f"{'0' * 64}  /etc/passwd"])
def test_broken_checksum_lines(dataset: Path, line: str) -> None:
    with (dataset / "SHA256SUMS").open("a") as file:
        file.write(f"{line}\n")
    found = validated(dataset)
    assert codes(found) == {"checksum"}
    assert line.split()[1] in found.examples[ExportCheck.CHECKSUM][0].value


def test_schema(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    schema = export_schema(LOC)
    position = schema.get_field_index("width")
    schema = schema.set(position, pa.field("width", pa.int64())).append(pa.field("surprise", pa.string()))
    schema = schema.remove(schema.get_field_index("stratum"))
    write_shard(folder / "data/loc/train-00000-of-00002.parquet", LOC, rows()[LOC][::2], schema)
    write_checksums(folder)
    found = validated(folder)
    assert "schema" in codes(found)
    values = [finding.value for finding in found.examples[ExportCheck.SCHEMA]]
    assert values == ["width is int64, expected int32", "stratum is missing", "surprise is not declared"]


def test_columns_without_the_metadata_of_datasets(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    name = "data/loc/train-00000-of-00002.parquet"
    write_shard(folder / name, LOC, rows()[LOC][::2], export_schema(LOC).remove_metadata())
    write_checksums(folder)
    assert "metadata huggingface" in validated(folder).examples[ExportCheck.SCHEMA][0].value


def test_count_in_the_manifest(dataset: Path) -> None:
    text = (dataset / "manifest.json").read_text().replace('"rows": 6', '"rows": 7')
    (dataset / "manifest.json").write_text(text)
    write_checksums(dataset)
    assert codes(validated(dataset)) == {"count"}


def test_large_row_group_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseek.pipelines.validate.shards._ROW_GROUP_BYTES", 1000)
    found = validated(write_dataset(tmp_path))
    assert codes(found) == {"row_group_size"}
    assert found.is_valid


# papers


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("README.md", "# no YAML\n", "card"),
        ("README.md", "---\n: [\n---\n", "card"),
        ("CITATION.cff", "title: [", "citation"),
        ("CITATION.cff", "title: only\ntype: dataset\n", "citation"),
        ("croissant.json", "{", "croissant"),
        ("croissant.json", '{"name": "nothing else"}', "croissant"),
        ("manifest.json", "[1]", "manifest"),
        ("manifest.json", "{", "manifest"),
    ],
)
def test_broken_paper(dataset: Path, name: str, text: str, expected: str) -> None:
    (dataset / name).write_text(text)
    write_checksums(dataset)
    assert codes(validated(dataset)) == {expected}


def test_manifest_that_names_a_local_path(dataset: Path) -> None:
    content = json.loads((dataset / "manifest.json").read_text()) | {"from": "/home/ann/pool"}
    (dataset / "manifest.json").write_text(json.dumps(content))
    write_checksums(dataset)
    assert codes(validated(dataset)) == {"manifest"}


def test_croissant_of_other_files(dataset: Path) -> None:
    path = dataset / "croissant.json"
    shard = hashlib.sha256((dataset / "data/val/validation-00000-of-00002.parquet").read_bytes()).hexdigest()
    path.write_text(path.read_text().replace(shard, "f" * 64))
    write_checksums(dataset)
    found = validated(dataset)
    assert codes(found) == {"croissant"}
    assert shard in found.examples[ExportCheck.CROISSANT][0].value


def test_without_mlcroissant_it_says_so(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlcroissant", None)
    found = validated(dataset)
    assert found.is_valid
    assert any("mlcroissant is not installed" in sentence for sentence in found.skipped)


def test_script_in_the_card(dataset: Path) -> None:
    with (dataset / "README.md").open("a") as file:
        file.write("`<script>` in code is harmless.\n\n<script>alert(1)</script>\n")
    write_checksums(dataset)
    found = validated(dataset)
    assert codes(found) == {"card"}
    assert "active markup" in found.examples[ExportCheck.CARD][0].value


# the ledger's addresses


@pytest.mark.parametrize("name", ["README.md", "rejects.parquet", "data/loc"])
def test_private_address_anywhere(tmp_path: Path, name: str) -> None:
    several = rows()
    if name == "data/loc":
        several[LOC][0]["attribution"] = "Ann, ANN@example.org"
    folder = write_dataset(tmp_path, several)
    if name == "README.md":
        with (folder / name).open("a") as file:
            file.write("Ask Ann@Example.org\n")
    elif name == "rejects.parquet":
        pq.write_table(pa.table({"detail": ["by ann@example.org"]}), folder / name)
    write_checksums(folder)
    assert validated(folder).is_valid
    found = validated(folder, private=frozenset({"ann@example.org"}))
    assert codes(found) == {"email_address"}
    (finding,) = found.examples[ExportCheck.EMAIL_ADDRESS]
    assert finding.file.startswith(name)
    assert finding.value == "a…@e…"


def test_addresses_come_from_the_ledger(tmp_path: Path) -> None:
    assert private_addresses(tmp_path) == frozenset()
    assert not (tmp_path / "work").exists()
    (tmp_path / "work" / "annotation").mkdir(parents=True)
    with Ledger(tmp_path / "work" / "annotation") as ledger, ledger.transaction():
        ledger.add_annotator("ann-1", email="Ann@Example.org")
        ledger.add_annotator("ann-2")
    assert private_addresses(tmp_path) == {"ann@example.org"}
    assert validate_request(tmp_path, tmp_path).private == {"ann@example.org"}


# the result


def test_examples_are_few_and_all_are_counted(tmp_path: Path) -> None:
    several = rows()
    for row in several[LOC]:
        row["license"] = "ask me\nplease " + "x" * 500
    found = validated(write_dataset(tmp_path, several), examples=2)
    assert found.counts == {ExportCheck.LICENCE: 6}
    assert len(found.examples[ExportCheck.LICENCE]) == 2
    value = found.examples[ExportCheck.LICENCE][0].value
    assert "\n" not in value
    assert len(value) == 200
    assert found.to_json()["checks"]["licence"]["count"] == 6


def test_validating_changes_nothing(dataset: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}
    validated(dataset)
    assert {path: path.stat().st_mtime_ns for path in dataset.rglob("*")} == before


@pytest.mark.parametrize("make", [False, True])
def test_no_export(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "export"
    if make:
        folder.mkdir()
    with pytest.raises(InputError, match="export"):
        validated(folder)
