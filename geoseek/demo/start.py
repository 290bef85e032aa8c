"""`geoseek init --demo`: a workspace that needs no download, from real places to a sample of drawn scenes."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geoseek.demo.annotations import annotate
from geoseek.demo.fonts import require_fonts
from geoseek.demo.workspace import DemoWorkspace, create_demo_workspace, draw_sample
from geoseek.sampling import SampleRequest, anchor_paths, run_sample
from geoseek.schemas import Split
from geoseek.workspace import (
    CONFIG_NAME,
    SampleSettings,
    create_workspace,
    load_config,
    plain_os_errors,
    write_text,
)

PLACES = 240
"""Scenes in the pool; the sizes below leave some for the reserve."""

SEED = 20260212
_CONFIG = f"""\
# A demo workspace: every picture is drawn by GeoSeek, none is a photograph. See docs/scenes.md.
seed: {SEED}
design: sampling/geoagent.yaml

sample:
  pools: [demo=pool/pool.csv]
  sizes: {{val: 30, loc: 120, cot: 60}}

train:
  recipe: cpu-smoke
"""


def start_demo(target: Path) -> DemoWorkspace:
    """Make a demo workspace: a pool of drawn scenes at places that the built-in pool gives, sampled, with annotations.

    Equal versions give equal bytes. If a step fails, nothing is left. Takes about fifteen seconds.

    Raises:
        MissingExtraError: A font package is not installed.
        OutputError: `target` exists already, or cannot be written.
    """
    require_fonts()
    create_workspace(target)
    try:
        with tempfile.TemporaryDirectory(prefix="geoseek-demo-") as scratch:
            draw = SampleRequest(
                SampleSettings(sizes={Split.LOC: PLACES}, reserve=0.0),
                seed=SEED,
                splits=(Split.LOC,),
                output=Path(scratch),
                report=False,
            )
            run_sample(draw)
            places = pq.read_table(Path(scratch) / "loc.parquet")
        made = create_demo_workspace(target, places, seed=SEED, annotated=0)
        write_text(target / CONFIG_NAME, _CONFIG)
        config = load_config(target)
        output = target / "work" / "samples"
        run_sample(
            SampleRequest(anchor_paths(config.sample, target), config.seed, tuple(Split), output, workspace=target)
        )
        samples = pa.concat_tables([pq.read_table(output / f"{split}.parquet") for split in (Split.VAL, Split.COT)])
        annotations = target / "annotation" / "demo-annotations.json"
        tasks = _annotations(samples, places)
        write_text(annotations, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
    except BaseException:
        with plain_os_errors(target):
            shutil.rmtree(target, ignore_errors=True)
        raise
    return replace(made, annotations=annotations, annotated=len(tasks))


def _annotations(samples: pa.Table, places: pa.Table) -> list[dict[str, Any]]:
    """Annotate the val and cot samples by rule, from what their scenes show."""
    place_of = {row["id"]: row for row in places.to_pylist()}
    tasks = []
    for row in samples.to_pylist():
        scene = draw_sample(place_of[row["source_id"]], seed=SEED)
        tasks.append(annotate(scene, {**row, "image": f"pool/{row['image']}"}))
    return tasks
