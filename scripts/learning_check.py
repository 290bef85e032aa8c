"""Does a model learn where pictures were taken? Drawn scenes of twelve countries, SFT, GRPO, held-out scenes.

Everything runs through the commands that a user has; docs/learning-check.md tells what came out.

    python scripts/learning_check.py work/learning-check
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from geoseek.demo import annotate, create_demo_workspace, draw_sample
from geoseek.sampling import SampleRequest, run_sample
from geoseek.schemas import GeoSeekError, Split
from geoseek.workspace import CONFIG_NAME, SampleSettings, create_workspace, write_text

COUNTRIES = ("US", "GB", "JP", "TH", "FI", "BR", "CN", "GR", "AU", "IN", "MX", "NG")
"""Chosen by eye, before any training, for looking different in the drawings, among those with enough places."""

SEED = 20260212
SIZE = (320, 240)
CLUES = 3
RECIPE = Path(__file__).with_suffix(".yaml")
SUMMARY = "learning-check.json"
DECODING = ("--temperature", "0", "--max-tokens", "160", "--batch-size", "32")
SHOWN = ("country_name", "country_position", "accuracy_750km", "accuracy_2500km", "median_km", "geoscore_geoagent")


@dataclass(frozen=True)
class Scale:
    """How large the check is.

    Attributes:
        countries: ISO 3166-1 alpha-2 codes.
        per_country: Scenes of each country in every split.
        overrides: What is set over the recipe.
        stages: Stages of the recipe that are trained.
        spare: Further places of each country, to take over from those that lie too near to a held-out one.
        beats: The lower end of the interval must lie above so many times the share of the most frequent country.
    """

    countries: tuple[str, ...]
    per_country: Mapping[Split, int]
    overrides: tuple[str, ...] = ()
    stages: tuple[str, ...] = ("sft", "grpo")
    spare: int = 0
    beats: float = 2.0


FULL = Scale(COUNTRIES, {Split.COT: 150, Split.LOC: 20, Split.VAL: 40})
SHORT = Scale(
    ("EG", "FI", "TH"),
    {Split.COT: 50, Split.LOC: 2, Split.VAL: 20},
    ("sft.max_steps=120", "sft.save_steps=120"),
    stages=("sft",),
    spare=4,
    beats=1.0,
)


def main() -> int:
    """Run the check; the exit code is 1 where the model has not learnt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the workspace is made; what is there already is kept")
    parser.add_argument("--short", action="store_true", help="three countries, two minutes: what `make test` runs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in `geoseek train`")
    chosen = parser.parse_args()
    scale = SHORT if chosen.short else FULL
    folder: Path = chosen.folder.resolve()
    try:
        if not (folder / CONFIG_NAME).is_file():
            make_workspace(folder, scale)
        summary = train_and_score(folder, scale, [*scale.overrides, *chosen.set])
    except GeoSeekError as error:
        print(f"Error: {error.message} {error.hint or ''}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(summary, indent=1))
    return 0 if summary["has_learnt"] else 1


def make_workspace(folder: Path, scale: Scale) -> None:
    """Make a workspace with drawn scenes at real places, the same number for every country."""
    everything = sum(scale.per_country.values()) + scale.spare
    create_workspace(folder)
    with tempfile.TemporaryDirectory() as scratch:
        request = SampleRequest(
            SampleSettings(
                sizes={Split.LOC: everything * len(scale.countries)},
                reserve=0.0,
                countries=scale.countries,
                min_per_country=everything,
            ),
            seed=SEED,
            splits=(Split.LOC,),
            output=Path(scratch),
            report=False,
        )
        run_sample(request)
        places = pq.read_table(Path(scratch) / "loc.parquet").to_pylist()
    create_demo_workspace(folder, places, seed=SEED, size=SIZE, annotated=0)
    sizes = {split.value: count * len(scale.countries) for split, count in scale.per_country.items()}
    sample = {
        "pools": ["demo=pool/pool.csv"],
        "sizes": sizes,
        "countries": list(scale.countries),
        "max_share": round(1 / len(scale.countries) + 1e-4, 4),
        "reserve": 0.0,
    }
    config = {"seed": SEED, "design": "sampling/geoagent.yaml", "sample": sample}
    geoseek(folder, "sample", config=config)
    write_annotations(folder, {row["id"]: row for row in places})
    geoseek(folder, "fetch")
    geoseek(folder, "annotate", "import", str(folder / "annotation" / "short-chains.json"))
    geoseek(folder, "export")


def write_annotations(folder: Path, places: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a short chain for every scene of the split cot: what is visible, and the country."""
    rows = pq.read_table(folder / "work" / "samples" / "cot.parquet").to_pylist()
    tasks = []
    for row in rows:
        scene = draw_sample(places[row["source_id"]], seed=SEED, size=SIZE)
        tasks.append(shortened(annotate(scene, {**row, "image": row["image"]}), str(row["country"])))
    write_text(folder / "annotation" / "short-chains.json", json.dumps(tasks, ensure_ascii=False))


def shortened(task: dict[str, Any], country: str) -> dict[str, Any]:
    """Return an example annotation with the country stage alone, and without words that are too small to read."""
    (annotation,) = task["annotations"]
    results = {result["from_name"]: result for result in annotation["result"]}
    listed = [results[name]["value"]["text"] for name in ("country_clues", "region_clues") if name in results]
    clues = list(itertools.chain(*listed))
    readable = [clue for clue in clues if "“" not in clue]
    results["country_clues"]["value"]["text"] = readable[-CLUES:] or clues[:1]
    results["country_reasoning"]["value"]["text"] = [f"Streets of {country} look like this."]
    results["final_answer"]["value"]["text"] = [country]
    kept = ("country_clues", "country_reasoning", "country_conclusion", "country_uncertainty", "final_answer")
    return {**task, "annotations": [{**annotation, "result": [results[name] for name in kept]}]}


def train_and_score(folder: Path, scale: Scale, overrides: Iterable[str]) -> dict[str, Any]:
    """Train stage by stage, ask for the held-out scenes after each, compare; return and write the figures."""
    changes = [word for change in overrides for word in ("--set", change)]
    files = []
    for stage in scale.stages:
        geoseek(folder, "train", "--recipe", str(RECIPE), "--stage", stage, *changes, "--output", str(run_of(folder)))
        files.append(folder / "runs" / "predictions" / f"{stage}.jsonl")
        model = str(run_of(folder) / stage)
        geoseek(folder, "infer", "--split", "val", "--model", model, *DECODING, "-o", str(files[-1]))
    result = folder / "runs" / "evaluation"
    geoseek(folder, "evaluate", *map(str, files), "--split", "val", "--no-chains", "--output", str(result))
    summary = summarised(json.loads((result / "evaluation.json").read_text(encoding="utf-8")), folder, scale)
    write_text(folder / SUMMARY, json.dumps(summary, indent=1) + "\n")
    return summary


def summarised(evaluation: Mapping[str, Any], folder: Path, scale: Scale) -> dict[str, Any]:
    """Return the figures that the check is about; it has passed if the model has learnt."""
    truth = pq.read_table(folder / "work" / "samples" / "val.parquet", columns=["country_code"])
    counts = Counter(truth["country_code"].to_pylist())
    majority = max(counts.values()) / sum(counts.values())
    sets = dict(zip(scale.stages, evaluation["sets"], strict=True))
    figures = {
        stage: {name: estimate(of["overall"]["estimates"][name]) for name in SHOWN} for stage, of in sets.items()
    }
    return {
        "countries": len(counts),
        "held_out_scenes": sum(counts.values()),
        "majority_share": majority,
        "figures": figures,
        "differences": {
            found["figure"]: estimate(found["difference"])
            for found in evaluation["differences"]
            if found["figure"] in SHOWN
        },
        "by_country": {
            group["name"]: [of_country(of, group["name"]) for of in sets.values()]
            for group in sorted(evaluation["sets"][0]["countries"], key=lambda group: str(group["name"]))
        },
        "has_learnt": (figures["sft"]["country_name"][1] or 0.0) > scale.beats * majority,
    }


def of_country(figures: Mapping[str, Any], code: str) -> float | None:
    """Return the share of a country's scenes whose country was named."""
    groups = {group["name"]: group for group in figures["countries"]}
    value: float | None = groups[code]["estimates"]["country_name"]["value"]
    return value


def estimate(found: Mapping[str, Any]) -> list[float | None]:
    """Return a figure and the ends of its interval."""
    return [found[name] if found[name] is None else round(found[name], 4) for name in ("value", "low", "high")]


def run_of(folder: Path) -> Path:
    """Return the folder of the training run."""
    return folder / "runs" / "learning-check"


def geoseek(folder: Path, *words: str, config: Mapping[str, Any] | None = None) -> None:
    """Run a command of GeoSeek in the workspace, printing it; what it needs in `geoseek.yaml` is written first.

    Raises:
        GeoSeekError: It failed.
    """
    if config is not None:
        write_text(folder / CONFIG_NAME, json.dumps(config, indent=1) + "\n")
    command = [sys.executable, "-m", "geoseek", *words, "--workspace", str(folder)]
    print("$", shlex.join(["geoseek", *command[3:]]), file=sys.stderr, flush=True)
    done = subprocess.run(command, check=False, stdout=sys.stderr, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode:
        raise GeoSeekError(f"geoseek {words[0]} failed.", hint="What it said stands above.")


if __name__ == "__main__":
    sys.exit(main())
