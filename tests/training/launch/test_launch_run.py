"""Whole runs with a stand-in for ms-swift: in order, again, failing, interrupted, killed, resumed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from geoseek.schemas import OutputError, UsageError
from geoseek.training.checkpoints import Checkpoint
from geoseek.training.data import prepare_data
from geoseek.training.launch import (
    TrainingFailedError,
    TrainRequest,
    describe_train,
    run,
    run_train,
    with_agent_policy,
)
from geoseek.training.launch.nodes import joined
from geoseek.training.preflight import Check, PreflightError
from geoseek.training.preflight.findings import fault, warning
from geoseek.training.recipes import load_recipe
from geoseek.workspace import exclusive
from tests.pipelines.export.worlds import files_of

Asked = Callable[..., TrainRequest]
Faults = Callable[[str], None]


def loss_steps(folder: Path) -> list[int]:
    lines = (folder / "swift" / "logging.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [int(row["global_step/max_steps"].split("/")[0]) for row in rows if "loss" in row]


def test_stages_run_in_order_each_from_the_one_before(asked: Asked, place: Path) -> None:
    request = asked()
    result = run_train(request)
    assert [(stage.name, stage.state, stage.steps) for stage in result.stages] == [
        ("sft", "trained", 6),
        ("grpo", "trained", 4),
    ]
    assert [stage.rows for stage in result.stages] == [7, 9]
    assert result.stages[0].first["loss"] == pytest.approx(1.6)
    assert result.stages[0].last["loss"] == pytest.approx(2 * 0.8**6)
    assert result.stages[1].last["rewards/GeoSpatial/mean"] == pytest.approx(0.2)
    grpo = json.loads((request.output / "grpo" / "swift" / "args.json").read_text())
    assert grpo["adapters"] == str(request.output / "sft" / "swift" / "checkpoint-6")
    assert grpo["model"] == str(place / "models" / "base")
    assert grpo["reward_funcs"] == "geo_spatial"
    rewards = json.loads((request.output / "grpo" / "rewards.json").read_text())
    assert rewards["rewards"]["geo_spatial"]["scale_km"] == 200
    found = Checkpoint.read(request.output)
    assert found.stage == "grpo"
    assert found.question == "grpo"
    assert found.adapter == str(request.output / "grpo" / "swift" / "checkpoint-4")
    assert found.model == str(place / "models" / "base")
    assert Checkpoint.read(request.output / "sft").question == "sft"


def test_curves_are_a_picture_and_a_table(asked: Asked) -> None:
    result = run_train(asked())
    assert result.curves is not None
    with Image.open(result.curves) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
    with (result.output / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["stage"], row["step"]) for row in rows] == [
        *(("sft", str(step)) for step in range(1, 7)),
        *(("grpo", str(step)) for step in range(1, 5)),
    ]
    assert float(rows[-1]["reward"]) == pytest.approx(0.4)
    assert rows[0]["kl"] == ""
    assert "elapsed_time" not in rows[0]


def test_a_full_training_hands_over_the_whole_model(asked: Asked) -> None:
    request = asked("sft.tuner_type=full", "grpo.tuner_type=full")
    run_train(request)
    grpo = json.loads((request.output / "grpo" / "swift" / "args.json").read_text())
    assert grpo["model"] == str(request.output / "sft" / "swift" / "checkpoint-6")
    assert "adapters" not in grpo
    assert Checkpoint.read(request.output).adapter is None


def test_twice_changes_nothing_and_starts_nothing(
    asked: Asked, fake_swift: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked()
    run_train(request)
    before = files_of(request.output)
    fake_swift("kill:0")
    monkeypatch.setattr(run, "run_preflight", lambda _: pytest.fail("a preflight for nothing"))
    result = run_train(request)
    assert result.up_to_date
    assert [stage.state for stage in result.stages] == ["up to date"] * 2
    assert files_of(request.output) == before


def test_equal_runs_give_equal_manifests_without_paths_of_the_machine(asked: Asked, place: Path) -> None:
    first = asked(output=place / "runs" / "a")
    second = asked(output=place / "runs" / "b")
    run_train(first)
    run_train(second)
    manifest = (first.output / "manifest.json").read_bytes()
    assert manifest == (second.output / "manifest.json").read_bytes()
    assert str(place).encode() not in manifest
    assert (first.output / "curves.png").read_bytes() == (second.output / "curves.png").read_bytes()
    content = json.loads(manifest)
    sft = content["stages"]["sft"]
    assert sft["values"]["seed"] == 3
    assert sft["data"]["rows"] == 7
    assert sft["data"]["source"] == "export"
    assert "models/base" in sft["command"]["arguments"]
    assert "sft/swift" in sft["command"]["arguments"]
    assert content["stages"]["grpo"]["values"]["start"] == sft["checkpoint"]["weights"]
    assert "ms-swift" in sft["versions"]


def test_one_stage_by_name_or_method(asked: Asked) -> None:
    request = asked(stages=("sft",))
    assert [stage.name for stage in run_train(request).stages] == ["sft"]
    assert Checkpoint.read(request.output).stage == "sft"
    assert [stage.state for stage in run_train(asked(stages=("grpo",))).stages] == ["trained"]
    with pytest.raises(UsageError, match="'gpro'; did you mean 'grpo'"):
        run_train(asked(stages=("gpro",)))


def test_method_selects_all_its_stages(asked: Asked, place: Path) -> None:
    text = (place / "training" / "small.yaml").read_text().replace("  sft:", "  warmup:").replace("  grpo:", "  rl:")
    (place / "training" / "named.yaml").write_text(text)
    recipe = load_recipe("named", place)
    assert asked(recipe=recipe, stages=("sft",)).selected() == ("warmup",)
    assert asked(recipe=recipe, stages=("rl", "warmup")).selected() == ("warmup", "rl")


def test_a_later_stage_needs_the_one_before(asked: Asked) -> None:
    with pytest.raises(UsageError, match="starts from the checkpoint of stage sft") as caught:
        run_train(asked(stages=("grpo",)))
    assert "Train sft first" in str(caught.value)


def test_out_of_memory_names_the_settings_and_the_last_lines(asked: Asked, fake_swift: Faults) -> None:
    fake_swift("oom:3")
    with pytest.raises(TrainingFailedError) as caught:
        run_train(asked())
    words = str(caught.value)
    assert "Stage sft failed: The GPU ran out of memory. (ms-swift: exit code 1)" in words
    assert "per_device_train_batch_size (now 4)" in words
    assert "Last lines of runs/small/sft/swift.log:" in words
    assert "Tried to allocate 2.00 GiB" in words
    assert not (asked().output / "sft" / "manifest.json").exists()
    assert (asked().output / "curves.png").exists()


def test_killed_by_the_system(asked: Asked, fake_swift: Faults) -> None:
    fake_swift("kill:1")
    with pytest.raises(TrainingFailedError, match=r"SIGKILL.*main memory was full"):
        run_train(asked())


def test_broken_numbers_end_the_run(asked: Asked, fake_swift: Faults) -> None:
    fake_swift("nan:5")
    with pytest.raises(TrainingFailedError, match="no numbers from step 5 on") as caught:
        run_train(asked())
    assert "learning_rate" in str(caught.value)
    fake_swift("")
    with pytest.raises(UsageError, match="interrupted at step 4 of 6"):
        run_train(asked())
    assert run_train(asked(resume=True)).stages[0].state == "resumed"


def test_an_interrupted_stage_asks_what_to_do_with_it(asked: Asked, fake_swift: Faults) -> None:
    fake_swift("kill:5")
    with pytest.raises(TrainingFailedError):
        run_train(asked())
    fake_swift("")
    with pytest.raises(UsageError, match="interrupted at step 4 of 6") as caught:
        run_train(asked())
    assert "--resume" in str(caught.value)
    result = run_train(asked(resume=True))
    assert [stage.state for stage in result.stages] == ["resumed", "trained"]
    assert loss_steps(asked().output / "sft") == [1, 2, 3, 4, 5, 6]
    assert "resume_from_checkpoint" in json.loads((asked().output / "sft" / "swift" / "args.json").read_text())


def test_a_torn_checkpoint_is_passed_over(asked: Asked, fake_swift: Faults) -> None:
    fake_swift("torn:4")
    with pytest.raises(TrainingFailedError):
        run_train(asked())
    folder = asked().output / "sft" / "swift"
    assert (folder / "checkpoint-4" / "model.safetensors").exists()
    fake_swift("")
    with pytest.raises(UsageError, match="interrupted at step 2 of 6"):
        run_train(asked())
    run_train(asked(resume=True))
    assert loss_steps(asked().output / "sft") == [1, 2, 3, 4, 5, 6]


def test_without_a_checkpoint_it_starts_again(asked: Asked, fake_swift: Faults) -> None:
    fake_swift("kill:1")
    with pytest.raises(TrainingFailedError):
        run_train(asked())
    fake_swift("")
    assert [stage.state for stage in run_train(asked()).stages] == ["trained", "trained"]


def test_done_but_not_recorded_is_only_recorded(asked: Asked, fake_swift: Faults) -> None:
    run_train(asked())
    folder = asked().output / "grpo"
    manifest = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").unlink()
    (folder / "checkpoint.json").unlink()
    fake_swift("kill:0")
    assert [stage.state for stage in run_train(asked()).stages] == ["up to date", "resumed"]
    assert (folder / "manifest.json").read_bytes() == manifest


def test_other_values_are_never_trained_over(asked: Asked) -> None:
    run_train(asked())
    with pytest.raises(UsageError, match=r"Stage grpo .*finished.*swift.num_generations: 4 -> 2") as caught:
        run_train(asked("grpo.num_generations=2"))
    assert "--output DIR" in str(caught.value)
    assert "--force" in str(caught.value)
    result = run_train(asked("grpo.num_generations=2", stages=("grpo",), force=True))
    assert [stage.state for stage in result.stages] == ["trained"]


def test_resume_takes_smaller_batches_but_no_value_that_has_no_effect(asked: Asked, fake_swift: Faults) -> None:
    fake_swift("oom:3")
    with pytest.raises(TrainingFailedError):
        run_train(asked())
    fake_swift("")
    with pytest.raises(UsageError, match=r"cannot go on with other values.*learning_rate"):
        run_train(asked("sft.learning_rate=2.0e-3", resume=True))
    result = run_train(asked("sft.per_device_train_batch_size=1", resume=True))
    assert any("per_device_train_batch_size: 4 -> 1" in notice for notice in result.notices)
    manifest = json.loads((asked().output / "sft" / "manifest.json").read_text())
    assert manifest["changed_on_resume"] == ["swift.per_device_train_batch_size: 4 -> 1"]


def test_force_and_resume_contradict(asked: Asked) -> None:
    with pytest.raises(UsageError, match="contradict"):
        asked(resume=True, force=True)


def test_lost_weights_are_trained_again(asked: Asked) -> None:
    run_train(asked())
    (asked().output / "grpo" / "swift" / "checkpoint-4" / "adapter_model.safetensors").write_bytes(b"short")
    with pytest.raises(UsageError, match=r"interrupted at step 2 of 4.*damaged or gone"):
        run_train(asked())
    assert [stage.state for stage in run_train(asked(resume=True)).stages] == ["up to date", "resumed"]


def test_preflight_errors_stop_and_warnings_are_told(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run_preflight", lambda _: [fault(Check.GPUS, "There is no GPU.", "Buy one.")])
    with pytest.raises(PreflightError, match=r"There is no GPU. Buy one."):
        run_train(asked())
    assert not (asked().output / "sft").exists()
    monkeypatch.setattr(run, "run_preflight", lambda _: [warning(Check.MEMORY, "Tight.", "Lower it.", stage="sft")])
    assert "Stage sft: Tight. Lower it." in run_train(asked()).notices


def test_the_folder_is_held_by_one(asked: Asked) -> None:
    request = asked()
    with exclusive(request.output, doing="training"), pytest.raises(OutputError, match="Another process is training"):
        run_train(request)


def test_nothing_else_is_trained_over(asked: Asked, place: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    for taken in (place / "export", place, tmp_path / "notes"):
        before = sorted(path for path in taken.rglob("*") if "runs" not in path.parts)
        with pytest.raises(UsageError, match="holds other things than a training"):
            run_train(asked(output=taken))
        assert sorted(path for path in taken.rglob("*") if "runs" not in path.parts) == before


def test_an_empty_folder_may_be_the_output(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".lock").touch()
    assert run_train(asked(output=tmp_path / "new")).stages[0].state == "trained"


def test_a_dry_run_shows_the_calls_and_writes_nothing(asked: Asked, place: Path) -> None:
    before = files_of(place)
    words = describe_train(asked())
    assert "swift sft" in words
    assert "--rlhf_type grpo" in words
    assert f"--adapters {place}/runs/small/sft/swift/checkpoint-LAST" in words
    assert "GEOSEEK_REWARDS=" in words
    assert files_of(place) == before


def test_policy_for_the_agent(asked: Asked) -> None:
    recipe = asked("grpo.rewards.geo_consistency={}").recipe
    changed = with_agent_policy(recipe, "zero").stages["grpo"].rewards.geo_consistency
    assert changed is not None
    assert changed.on_agent_error == "zero"
    with pytest.raises(UsageError, match="asks no agent"):
        with_agent_policy(asked().recipe, "zero")


def test_another_machine_runs_ms_swift_beside_the_first(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    run_train(asked(stages=("sft",)))
    monkeypatch.setenv("NNODES", "2")
    monkeypatch.setenv("NODE_RANK", "1")
    first = asked(stages=("grpo",))
    prepare_data(first.recipe.stages["grpo"], first.source, first.data_folder("grpo"))
    with joined(first.output, "grpo", None):
        result = run_train(first)
    assert result.stages == ()
    assert (first.folder("grpo") / "swift-node1.log").read_text() == "run sh: rlhf on 9 rows\n"
    assert not (first.folder("grpo") / "manifest.json").exists()
