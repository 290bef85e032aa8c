"""The rows of a stage: from the export or a set of others, once, with every picture, or with words that help."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from geoseek.schemas import InputError, LocRecord, Split, UsageError
from geoseek.training.data import DataSource, StageData, data_file, prepare_data
from geoseek.training.recipes import StageRecipe
from tests.formats.exports import jpeg, loc_record, write_export, write_split

SFT = StageRecipe(method="sft", split=Split.COT, data="swift-sft")
GRPO = StageRecipe.model_validate(
    {"method": "grpo", "split": "loc", "data": "swift-grpo", "rewards": {"geo_spatial": {}}}
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    write_export(folder / "export")
    return folder


def _rows(data: StageData) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.file.read_text(encoding="utf-8").splitlines()]


def _gre(folder: Path, *images: str) -> DataSource:
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg(1))
    rows = [{"image": image, "gt_lat": 1.5, "gt_lon": 2.5} for image in images]
    (folder / "seed.json").write_text(json.dumps(rows), encoding="utf-8")
    return DataSource(folder / "seed.json", "gre-seed")


def test_an_export_is_written_once(workspace: Path, tmp_path: Path) -> None:
    source = DataSource.of_workspace(workspace)
    first = prepare_data(SFT, source, tmp_path / "data")
    assert (first.rows, first.read, first.rejected, first.up_to_date) == (5, 5, {}, False)
    assert first.file == data_file(SFT, tmp_path / "data") == tmp_path / "data" / "cot.jsonl"
    for row in _rows(first):
        assert not Path(row["images"][0]).is_absolute()
        assert (first.root / row["images"][0]).is_file()
    again = prepare_data(SFT, source, tmp_path / "data")
    assert again.up_to_date
    assert again.fingerprint == first.fingerprint
    assert not prepare_data(SFT, source, tmp_path / "data", force=True).up_to_date


def test_the_fingerprint_stands_for_the_content_wherever_it_lies(workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace / "export", tmp_path / "copy")
    found = {
        prepare_data(GRPO, DataSource(path), tmp_path / name).fingerprint
        for name, path in (("one", workspace / "export"), ("two", tmp_path / "copy"))
    }
    assert len(found) == 1
    assert prepare_data(SFT, DataSource(tmp_path / "copy"), tmp_path / "three").fingerprint not in found


def test_rows_without_a_picture_are_counted(workspace: Path, tmp_path: Path) -> None:
    data = prepare_data(GRPO, DataSource.of_workspace(workspace), tmp_path / "data")
    assert (data.read, data.rows, data.rejected) == (4, 3, {"only_address": 1})
    (reject,) = (data.root / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(reject)["id"] == "pool:loc-3"


def test_a_set_in_another_format(tmp_path: Path) -> None:
    data = prepare_data(GRPO, _gre(tmp_path / "gre", "a.jpg", "gone.jpg"), tmp_path / "data")
    assert (data.file.name, data.rows, data.rejected) == ("loc.jsonl", 1, {"missing_image": 1})
    shutil.copy(tmp_path / "gre" / "a.jpg", tmp_path / "gre" / "gone.jpg")
    data = prepare_data(GRPO, DataSource(tmp_path / "gre" / "seed.json", "gre-seed"), tmp_path / "data")
    assert (data.rows, data.rejected) == (2, {})


def test_pictures_of_a_set_may_lie_elsewhere(tmp_path: Path) -> None:
    source = _gre(tmp_path / "gre", "a.jpg")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "gre" / "a.jpg").rename(tmp_path / "pictures" / "a.jpg")
    elsewhere = DataSource(source.path, source.format, images=tmp_path / "pictures")
    assert prepare_data(GRPO, elsewhere, tmp_path / "data").rows == 1
    with pytest.raises(UsageError, match="pictures inside"):
        DataSource(source.path, images=tmp_path / "pictures")


def test_nothing_usable_says_what_to_do(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)There is no export.*geoseek export"):
        prepare_data(SFT, DataSource.of_workspace(tmp_path), tmp_path / "one")
    by_reference = [loc_record(n, reference=True) for n in range(2)]
    write_split(tmp_path / "export", Split.LOC, by_reference, LocRecord)
    with pytest.raises(InputError, match=r"(?s)2 only_address.*--images embed.*rejects.jsonl"):
        prepare_data(GRPO, DataSource.of_workspace(tmp_path), tmp_path / "two")
    with pytest.raises(InputError, match=r"(?s)1 missing_image.*Name the folder"):
        prepare_data(GRPO, _gre(tmp_path / "gre", "gone.jpg"), tmp_path / "three")
    with pytest.raises(InputError, match=r"(?s)1 no_chain.*split cot"):
        prepare_data(SFT, DataSource(_gre(tmp_path / "more", "a.jpg").path, "gre-seed"), tmp_path / "four")
    with pytest.raises(UsageError, match="did you mean 'gre-seed'"):
        prepare_data(GRPO, DataSource(workspace, "gre-sead"), tmp_path / "five")
    with pytest.raises(InputError, match="does not exist"):
        prepare_data(GRPO, DataSource(tmp_path / "nowhere", "gre-seed"), tmp_path / "six")


def test_a_set_without_rows_of_the_split(workspace: Path, tmp_path: Path) -> None:
    from geoseek.formats import write_format

    write_format("geoseek-hf", workspace / "export", tmp_path / "hf", [Split.VAL])
    with pytest.raises(InputError, match="has no rows of the split loc"):
        prepare_data(GRPO, DataSource(tmp_path / "hf", "geoseek-hf"), tmp_path / "data")


def test_a_file_is_no_export(tmp_path: Path) -> None:
    source = _gre(tmp_path / "gre", "a.jpg")
    with pytest.raises(UsageError, match="is a file, and an export is a folder") as caught:
        prepare_data(SFT, DataSource(source.path), tmp_path / "data")
    assert "--data-format" in (caught.value.hint or "")
    assert not (tmp_path / "data").exists()


def test_a_killed_write_leaves_nothing_behind(workspace: Path, tmp_path: Path) -> None:
    staging = tmp_path / "data" / ".staging"
    staging.mkdir(parents=True)
    (staging / "cot.jsonl").write_text('{"images": ["half', encoding="utf-8")
    data = prepare_data(SFT, DataSource.of_workspace(workspace), tmp_path / "data")
    assert (data.rows, len(_rows(data))) == (5, 5)
    assert not staging.exists()
