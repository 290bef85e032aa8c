"""The short form of the learning check: three countries, held-out scenes, better than chance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.learning_check import SHORT, SUMMARY, shortened

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.xdist_group("trains")
def test_a_model_learns_which_country_a_scene_shows(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "learning_check.py"
    folder = tmp_path / "place"
    command = [sys.executable, str(script), str(folder), "--short"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    summary = json.loads((folder / SUMMARY).read_text())
    assert json.loads(done.stdout) == summary
    assert summary["majority_share"] == pytest.approx(1 / len(SHORT.countries))
    assert summary["held_out_scenes"] == 20 * len(SHORT.countries)
    value, low, high = summary["figures"]["sft"]["country_name"]
    assert summary["majority_share"] < low <= value <= high


def test_a_short_chain_has_no_words_that_are_too_small_to_read() -> None:
    def result(name: str, *text: str) -> dict[str, object]:
        return {"from_name": name, "value": {"text": list(text)}}

    results = [
        result("country_clues", "street name “Main St”", "traffic keeps left", "yellow centre line"),
        result("country_reasoning", "A sign reads “Main St”."),
        result("country_conclusion", "Japan"),
        result("country_uncertainty", "Low"),
        result("region_clues", "palms", "red earth"),
        result("final_answer", "Japan; Okinawa; Naha"),
    ]
    short = shortened({"data": {"id": "a"}, "annotations": [{"result": results, "provenance": "rule"}]}, "Japan")
    texts = {found["from_name"]: found["value"]["text"] for found in short["annotations"][0]["result"]}
    assert texts == {
        "country_clues": ["yellow centre line", "palms", "red earth"],
        "country_reasoning": ["Streets of Japan look like this."],
        "country_conclusion": ["Japan"],
        "country_uncertainty": ["Low"],
        "final_answer": ["Japan"],
    }
