"""ms-swift itself reads what is written for it: every row, and every picture from the folder that it is told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from geoseek.formats import convert_format, write_format
from geoseek.schemas import Split
from geoseek.training.preflight.machine import run_probe
from tests.formats.exports import write_export

_READ = """
import json, sys
from swift.dataset import load_dataset
from swift.template.vision_utils import load_image
found = {}
for file in sys.argv[1:]:
    rows, _ = load_dataset([file], strict=True, load_from_cache_file=False, remove_unused_columns=False)
    sizes = [[load_image(image["path"]).size for image in row["images"]] for row in rows]
    roles = [[message["role"] for message in row["messages"]] for row in rows]
    found[file] = {"columns": rows.column_names, "sizes": sizes, "roles": roles}
print(json.dumps(found))
"""


@pytest.mark.train
@pytest.mark.slow
def test_swift_reads_every_row_and_picture(tmp_path: Path) -> None:
    export, target = write_export(tmp_path / "export"), tmp_path / "swift"
    write_format("geovista", export, tmp_path / "geovista", [Split.COT])
    convert_format("geovista", tmp_path / "geovista", "swift-sft", target / "tools")
    write_format("swift-grpo", export, target / "grpo", [Split.COT])
    write_format("swift-judge", export, target / "judge")
    for folder in target.iterdir():
        _merge_pictures(folder, target)
    files = [str(target / name) for name in ("tools/rows.jsonl", "grpo/cot.jsonl", "judge/cot.jsonl")]
    environment = {**os.environ, "ROOT_IMAGE_DIR": str(target), "MODELSCOPE_CACHE": str(tmp_path / "cache")}
    found = run_probe(_READ, environment, *files)
    assert isinstance(found, dict), found
    tools, grpo, judge = (found[file] for file in files)
    assert tools["sizes"] == [[[96, 72], [48, 36]], *[[[96, 72]]] * 4]
    assert tools["roles"][0] == ["system", "user", "assistant", "user", "assistant"]
    assert grpo["sizes"] == [[[96, 72]]] * 5
    assert {"solution", "lat", "lng", "country_code", "country", "region", "place"} <= set(grpo["columns"])
    assert (len(judge["sizes"]), "solution" in judge["columns"]) == (9, True)


def _merge_pictures(folder: Path, target: Path) -> None:
    """Put the pictures of all sets into one folder: names by content cannot collide."""
    if not (folder / "images").is_dir():
        return
    (target / "images").mkdir(exist_ok=True)
    for picture in (folder / "images").iterdir():
        picture.replace(target / "images" / picture.name)
    assert json.loads((folder / "manifest.json").read_text())["figures"]["rejected"] == {}
