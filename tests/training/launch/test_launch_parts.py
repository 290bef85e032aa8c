"""Failures in words, the log as steps, whole and torn checkpoints, several machines."""

from __future__ import annotations

import contextlib
import doctest
import json
import math
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.schemas import InputError, UsageError
from geoseek.training.launch import curves, failures, log, nodes, saved, state
from geoseek.training.launch.failures import explain, failed, find_failure, last_lines
from geoseek.training.launch.log import LogFollower, Step, keep_steps, parse_steps, read_steps
from geoseek.training.launch.nodes import joined, node_rank, stages_to_join
from geoseek.training.launch.saved import drop_checkpoints, is_resumable, is_whole, newest_checkpoint, weights_digest
from tests.training.launch.fake_swift import _save as save

SAID = {
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 39.25 GiB. GPU 0 has 79.4 GiB": "cuda_memory",
    "RuntimeError: CUDA error: out of memory": "cuda_memory",
    "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`": "vllm_memory",
    "Free memory on device (20.1/23.6 GiB) on startup is less than desired GPU memory utilization": "vllm_memory",
    "ValueError: Image features and image tokens do not match, tokens: 120, features: 128": "image_tokens",
    "RuntimeError: The server socket has failed to listen on any local network address. EADDRINUSE": "port",
    "[rank3]:[E] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5)": "nccl",
    "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:268": "nccl",
    "OSError: [Errno 28] No space left on device": "no_space",
    "ValueError: remaining_argv: ['--num_generatoins', '8']": "unknown_argument",
    "huggingface_hub.errors.LocalEntryNotFoundError: cannot find the requested files": "download",
    "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error": "no_access",
    "RuntimeError: probability tensor contains either `inf`, `nan` or element < 0": "nan",
    "RuntimeError: operator torchvision::nms does not exist": "torchvision",
    "ModuleNotFoundError: No module named 'msgspec'": "missing_package",
    "ImportError: FlashAttention2 has been toggled on, but it cannot be used due to": "flash_attention",
    "ValueError: generation_batch_size (6) must be divisible by the global batch size": "generations",
    "RuntimeError: DataLoader worker (pid 12) is killed by signal: Bus error.": "shared_memory",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory": "host_memory",
    "AgentError: The agent of the reward geo_consistency, m at http://h:1, cannot be used: x": "agent_unreachable",
    "RuntimeError: Found no NVIDIA driver on your system.": "no_cuda",
}


@pytest.mark.parametrize("module", [curves, failures, log, nodes, saved, state])
def test_examples_in_the_docs(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.failed == 0


@pytest.mark.parametrize(("words", "code"), SAID.items(), ids=SAID.values())
def test_known_failures(words: str, code: str) -> None:
    known = find_failure(f"Traceback (most recent call last):\n  File x\n{words}\n")
    assert known is not None
    assert known.code == code


def test_nothing_known_is_found_in_a_sound_log() -> None:
    assert find_failure("[INFO:swift] Saving model checkpoint to x\n{'loss': 1.2, 'memory(GiB)': 70.1}") is None
    assert (
        explain("strange", 3, "sft", {})[0] == "Stage sft failed: ms-swift ended with an error. (ms-swift: exit code 3)"
    )


def test_settings_to_lower_are_shown_with_their_values() -> None:
    _, remedy = explain("CUDA out of memory", 1, "grpo", {"num_generations": 8, "MAX_PIXELS": "200000", "beta": 1})
    assert "num_generations (now 8), MAX_PIXELS (now 200000): --set grpo.NAME=VALUE" in remedy
    assert "beta" not in remedy
    assert "deepspeed: zero3_offload" in remedy


def test_secrets_do_not_reach_the_message() -> None:
    said = (
        "token=hf_abcdefghijklmnop Authorization: Bearer abc.def https://user:pw@hub.example GEOSEEK_AGENT_KEY=s3cret"
    )
    words = str(failed(said, 1, "sft", {}, "swift.log"))
    for secret in ("hf_abc", "abc.def", "user:pw", "s3cret"):
        assert secret not in words


@given(st.text())
def test_any_output_can_be_told(text: str) -> None:
    assert len(last_lines(text)) <= failures.TAIL_LINES
    assert str(failed(text, 1, "sft", {}, "swift.log")).startswith("Stage sft failed")


@given(st.lists(st.text()))
def test_any_log_can_be_read(lines: list[str]) -> None:
    parse_steps([*lines, "[]", "1", '{"global_step/max_steps": 3}'])


def test_numbers_that_are_none() -> None:
    (step,) = parse_steps(['{"loss": NaN, "grad_norm": Infinity, "x": true, "global_step/max_steps": "1/2"}'])
    assert step.is_broken
    assert math.isnan(step.metrics["loss"])
    assert "x" not in step.metrics
    assert not Step(1, 2, {"loss": 1.0, "grad_norm": math.inf}).is_broken


def test_log_is_cut_back_to_a_step(tmp_path: Path) -> None:
    rows = [{"loss": 1.0, "global_step/max_steps": f"{step}/9"} for step in range(1, 6)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "logging.jsonl").write_text(text + '{"loss": 0.1, "glob')
    keep_steps(tmp_path, 3)
    assert [step.number for step in read_steps(tmp_path)] == [1, 2, 3]
    keep_steps(tmp_path / "none", 3)


def test_follower_waits_for_whole_lines(tmp_path: Path) -> None:
    follower = LogFollower(tmp_path)
    assert follower.new_steps() == []
    path = tmp_path / "logging.jsonl"
    path.write_text('{"loss": 1.0, "global_step/max_steps": "1/2"}\n{"loss": 0.5, "global')
    assert [step.number for step in follower.new_steps()] == [1]
    with path.open("a") as file:
        file.write('_step/max_steps": "2/2"}\n')
    assert [step.number for step in follower.new_steps()] == [2]
    assert follower.new_steps() == []


@pytest.fixture
def output(tmp_path: Path) -> Path:
    for step in (2, 4):
        (tmp_path / "swift").mkdir(exist_ok=True)
        save(tmp_path / "swift", step, 4, {"tuner_type": "full"})
    return tmp_path / "swift"


def test_newest_whole_checkpoint(output: Path) -> None:
    assert newest_checkpoint(output) == output / "checkpoint-4"
    assert newest_checkpoint(output, before=4) == output / "checkpoint-2"
    assert newest_checkpoint(output / "none") is None
    (output / "checkpoint-7").mkdir()
    (output / "checkpoint-best").mkdir()
    assert newest_checkpoint(output) == output / "checkpoint-4"
    drop_checkpoints(output, after=2)
    assert sorted(path.name for path in output.iterdir()) == ["checkpoint-2", "checkpoint-best"]


@pytest.mark.parametrize("name", ["trainer_state.json", "model.safetensors", "optimizer.pt", "config.json"])
@pytest.mark.parametrize("left", [0, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_noticed(output: Path, name: str, left: float) -> None:
    path = output / "checkpoint-4" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content))])
    assert not is_whole(output / "checkpoint-4", 4)
    assert newest_checkpoint(output) == output / "checkpoint-2"


def test_a_shard_that_is_missing_is_noticed(output: Path) -> None:
    index = output / "checkpoint-4" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    assert not is_whole(output / "checkpoint-4", 4)


def test_weights_alone_cannot_be_gone_on_with(output: Path) -> None:
    (output / "checkpoint-4" / "optimizer.pt").unlink()
    assert is_whole(output / "checkpoint-4", 4)
    assert not is_resumable(output / "checkpoint-4")


def test_digest_of_weights_is_theirs_alone(output: Path, tmp_path: Path) -> None:
    before = weights_digest(output / "checkpoint-4")
    shutil.copytree(output / "checkpoint-4", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "optimizer.pt").unlink()
    assert weights_digest(tmp_path / "elsewhere") == before
    assert weights_digest(output / "checkpoint-2") != before


def test_rank_of_a_machine() -> None:
    with pytest.raises(UsageError, match="NODE_RANK is 'two'"):
        node_rank({"NODE_RANK": "two"})


def test_machines_join_the_stages_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNODES", "2")
    stages = stages_to_join(tmp_path, ["sft", "grpo", "rl"], poll_s=0.01, longest_wait_s=100)
    # The second stage was kept: the first machine never starts it.
    with joined(tmp_path, "sft", tmp_path / "sft" / "checkpoint-2"):
        assert next(stages) == ("sft", tmp_path / "sft" / "checkpoint-2")
    with contextlib.ExitStack() as running:
        later = threading.Timer(0.1, lambda: running.enter_context(joined(tmp_path, "rl", None)))
        later.start()
        assert next(stages) == ("rl", None)
        later.join()
    assert not (tmp_path / "cluster.json").exists()
    assert list(stages) == []


def test_a_first_machine_that_never_starts(tmp_path: Path) -> None:
    with joined(tmp_path, "sft", None):
        assert not (tmp_path / "cluster.json").exists()
    with pytest.raises(InputError, match="started no stage"):
        next(stages_to_join(tmp_path, ["sft"], poll_s=0.01, longest_wait_s=0.05))
