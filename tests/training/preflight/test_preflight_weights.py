"""A model to start from: whole, in pieces, on a hub."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from geoseek.training.checkpoints import is_whole_safetensors
from geoseek.training.preflight import weights
from geoseek.training.preflight.findings import Finding, Severity
from geoseek.training.preflight.weights import Start, find_model, folder_problems
from tests.training.preflight.recipes import faults


def _tensors(path: Path, *, missing: int = 0) -> None:
    header = json.dumps(
        {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    )
    content = len(header).to_bytes(8, "little") + header.encode() + bytes(16)
    path.write_bytes(content[: len(content) - missing])


def _model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    _tensors(folder / "model.safetensors")
    return folder


def _find(start: Start, workspace: Path, **environment: str) -> tuple[Path | None, list[Finding]]:
    findings: list[Finding] = []
    return find_model(start, workspace, environment, findings), findings


def test_a_whole_model_in_the_workspace(tmp_path: Path) -> None:
    _model(tmp_path / "models" / "mine")
    for name in ("models/mine", str(tmp_path / "models" / "mine")):
        folder, (found,) = _find(Start(name), tmp_path)
        assert folder == tmp_path / "models" / "mine"
        assert found.severity is Severity.OK
    assert _find(Start("tiny"), tmp_path)[1][0].severity is Severity.OK


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda at: (at / "config.json").unlink(), "there is no config.json"),
        (lambda at: (at / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda at: (at / "config.json").write_text("[]"), "config.json is no object"),
        (lambda at: (at / "tokenizer.json").unlink(), "there is no tokenizer"),
        (lambda at: (at / "model.safetensors").unlink(), "there are no weights"),
        (lambda at: _tensors(at / "model.safetensors", missing=1), "model.safetensors is cut off"),
        (lambda at: (at / "model.safetensors").write_bytes(b"version https://git-lfs"), "model.safetensors is cut off"),
        (
            lambda at: (at / "model.safetensors.index.json").write_text(
                json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}})
            ),
            "1 of 2 files of weights are missing, the first is model-2.safetensors",
        ),
        (
            lambda at: (at / "model.safetensors.index.json").write_text("[]"),
            "model.safetensors.index.json cannot be read",
        ),
    ],
)
def test_models_in_pieces(spoil: Any, problem: str, tmp_path: Path) -> None:
    folder = _model(tmp_path / "models" / "mine")
    assert not list(folder_problems(folder))
    spoil(folder)
    assert list(folder_problems(folder)) == [problem]
    (message,) = faults(_find(Start("models/mine"), tmp_path)[1])
    assert message == f"mine: {problem}."


def test_adapters(tmp_path: Path) -> None:
    _model(tmp_path / "models" / "mine")
    adapter = tmp_path / "sft" / "checkpoint-2"
    adapter.mkdir(parents=True)
    start = Start("models/mine", str(adapter))
    assert faults(_find(start, tmp_path)[1]) == [
        "The adapter checkpoint-2: there is no adapter_config.json; there are no weights."
    ]
    (adapter / "adapter_config.json").write_text("{}")
    _tensors(adapter / "adapter_model.safetensors", missing=3)
    assert faults(_find(start, tmp_path)[1]) == ["The adapter checkpoint-2: adapter_model.safetensors is cut off."]
    _tensors(adapter / "adapter_model.safetensors")
    assert not faults(_find(start, tmp_path)[1])


def test_broken_headers_are_not_whole(tmp_path: Path) -> None:
    for content in (b"", b"\xff" * 8, b"\x02" + bytes(7) + b"[]", b"\x02" + bytes(7) + b"{"):
        (tmp_path / "a.safetensors").write_bytes(content)
        assert not is_whole_safetensors(tmp_path / "a.safetensors")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for name in ("/nowhere/at/all", "./models/mine", "models", "a/b/c"):
        (message,) = faults(_find(Start(name), tmp_path)[1])
        assert message == f"There is no folder {name}."


def _answers(monkeypatch: pytest.MonkeyPatch, folder: Path | None, fault: str | None) -> list[tuple[str, ...]]:
    asked: list[tuple[str, ...]] = []

    def probe(script: str, _: Any, *arguments: str) -> dict[str, Any]:
        asked.append(arguments)
        return {"fault": fault} if "fault" in script else {"folder": None if folder is None else str(folder)}

    monkeypatch.setattr(weights, "run_probe", probe)
    return asked


def test_names_on_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _answers(monkeypatch, None, None)
    folder, (found,) = _find(Start("org/model"), tmp_path)
    words = "org/model is not on this machine, and will be downloaded from the Hugging Face hub."
    assert (folder, found.message) == (None, words)
    assert asked == [("org/model", "hf")] * 2
    asked = _answers(monkeypatch, None, "the hub answers RepositoryNotFoundError")
    (message,) = faults(_find(Start("org/model", use_hf=False), tmp_path)[1])
    assert message == "org/model is not on this machine, and the hub answers RepositoryNotFoundError (ModelScope)."
    assert asked == [("org/model", "ms")] * 2


def test_models_in_the_cache_of_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = _model(tmp_path / "cache" / "model")
    asked = _answers(monkeypatch, cached, "the hub answers ConnectionError")
    folder, (found,) = _find(Start("org/model"), tmp_path)
    assert (folder, found.message) == (cached, "org/model has been downloaded.")
    assert len(asked) == 1
    (cached / "model.safetensors").unlink()
    folder, (found,) = _find(Start("org/model"), tmp_path)
    assert folder == cached
    assert found.severity is Severity.ERROR
    assert found.message.startswith("org/model is on this machine only in part, and the hub answers ConnectionError")
    _answers(monkeypatch, cached, None)
    assert not faults(_find(Start("org/model"), tmp_path)[1])


def test_probes_that_fail_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "run_probe", lambda *_: "ModuleNotFoundError: No module named 'huggingface_hub'")
    (message,) = faults(_find(Start("org/model"), tmp_path)[1])
    assert "No module named 'huggingface_hub'" in message


def test_a_name_that_is_not_on_this_machine_when_offline(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    (message,) = faults(_find(Start("org/model"), tmp_path, **environment)[1])
    assert "is not on this machine, and HF_HUB_OFFLINE forbids to download it" in message
