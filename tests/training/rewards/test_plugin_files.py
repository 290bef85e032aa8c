from __future__ import annotations

import json
import math
import stat
from pathlib import Path

import pytest

from geoseek.schemas import InputError, UsageError
from geoseek.training.rewards.base import RewardBatch, Truth
from geoseek.training.rewards.log import RewardLog
from geoseek.training.rewards.settings import GeoSpatialSettings, RewardsSettings
from geoseek.training.rewards.spec import PLUGIN_PATH, RewardsFile, rewards_path

ROWS = [Truth(id="a:1"), Truth(id="b:\ud800")]
BATCH = RewardBatch.of([(0.5, {"level": "place", "name": "Łódź"}), (None, {"left_out": True})])


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_written_for_each_completion(tmp_path: Path) -> None:
    log = RewardLog(tmp_path / "new" / "rewards-log.jsonl")
    log.append("geo_spatial", 3, ROWS, BATCH)
    log.append("format", None, ROWS[:1], RewardBatch([1.0], [{}]))
    assert lines(log.path) == [
        {"step": 3, "id": "a:1", "reward": "geo_spatial", "value": 0.5, "level": "place", "name": "Łódź"},
        {"step": 3, "id": "b:?", "reward": "geo_spatial", "value": None, "left_out": True},
        {"step": None, "id": "a:1", "reward": "format", "value": 1.0},
    ]


def test_a_torn_line_is_ended_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "rewards-log.jsonl"
    path.write_text('{"step": 1}\n{"ste', encoding="utf-8")
    RewardLog(path).append("format", 2, ROWS[:1], RewardBatch([1.0], [{}]))
    torn, last = path.read_text(encoding="utf-8").splitlines()[1:]
    assert torn == '{"ste'
    assert json.loads(last)["step"] == 2


def test_every_rank_has_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rewards-log.jsonl"
    for rank in (0, 1, 12):
        RewardLog(path, rank).append("format", rank, ROWS[:1], RewardBatch([1.0], [{}]))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "rewards-log.jsonl",
        "rewards-log.rank1.jsonl",
        "rewards-log.rank12.jsonl",
    ]


def test_a_log_that_cannot_be_written_is_told_about_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    log = RewardLog(tmp_path / "file" / "rewards-log.jsonl")
    for step in range(3):
        log.append("format", step, ROWS[:1], RewardBatch([1.0], [{}]))
    assert len(caplog.records) == 1
    assert "no longer logged" in caplog.text


def test_a_value_that_is_not_finite_reaches_neither_log_nor_training(tmp_path: Path) -> None:
    batch = RewardBatch.of([(math.nan, {}), (math.inf, {})])
    log = RewardLog(tmp_path / "rewards-log.jsonl")
    log.append("geo_spatial", 1, ROWS, batch)
    assert batch.values == [0.0, 0.0]
    assert [line["problem"] for line in lines(log.path)] == ["not_finite"] * 2


def test_the_settings_of_the_rewards_survive_the_file(tmp_path: Path) -> None:
    plan = RewardsFile(rewards=RewardsSettings(geo_spatial=GeoSpatialSettings(cutoff_km=2000)), log="seen.jsonl")
    plan.write(tmp_path / "rewards.json")
    first = (tmp_path / "rewards.json").read_bytes()
    assert RewardsFile.read(tmp_path / "rewards.json") == plan
    plan.write(tmp_path / "rewards.json")
    assert (tmp_path / "rewards.json").read_bytes() == first


@pytest.mark.parametrize("content", ["", "{", '{"rewards": {"geo_spacial": {}}}', '{"rewards": {}, "logg": 1}', "[]"])
def test_a_damaged_file_names_itself(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rewards.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"rewards\.json"):
        RewardsFile.read(path)
    with pytest.raises(InputError, match="cannot be read"):
        RewardsFile.read(tmp_path / "none.json")


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    assert rewards_path({"GEOSEEK_REWARDS": str(tmp_path / "rewards.json")}) == tmp_path / "rewards.json"
    with pytest.raises(UsageError, match="GEOSEEK_REWARDS is not set"):
        rewards_path({})


def test_the_plugin_is_a_file_beside_the_rewards() -> None:
    assert stat.S_ISREG(PLUGIN_PATH.stat().st_mode)
    assert "import swift" not in PLUGIN_PATH.with_name("registry.py").read_text(encoding="utf-8")
