"""Can the model that a training starts from be read?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from geoseek.training.checkpoints import ADAPTER_CONFIG, is_whole_safetensors
from geoseek.training.preflight.findings import Check, Finding, fault, ok
from geoseek.training.preflight.machine import run_probe
from geoseek.training.recipes import TINY_MODEL

_CONFIG = "config.json"
_ADAPTER_WEIGHTS = "adapter_model*"
_TOKENIZERS = ("tokenizer.json", "vocab.json", "tokenizer.model", "tokenizer_config.json")
_WEIGHTS, _INDEX = ("*.safetensors", "*.bin"), "*.safetensors.index.json"
_LOOK = """
import json, sys
name, hub = sys.argv[1:]
if hub == "hf":
    from huggingface_hub import snapshot_download
else:
    from modelscope import snapshot_download
try:
    folder = str(snapshot_download(name, local_files_only=True))
except Exception:
    folder = None
print(json.dumps({"folder": folder}))
"""
_ASK = """
import json, sys
name, hub = sys.argv[1:]
fault = None
try:
    if hub == "hf":
        from huggingface_hub import HfApi, constants
        if constants.HF_HUB_OFFLINE:
            fault = "HF_HUB_OFFLINE forbids to download it"
        else:
            HfApi().model_info(name, timeout=20)
    else:
        from modelscope.hub.api import HubApi
        HubApi().get_model(name)
except Exception as error:
    fault = f"the hub answers {type(error).__name__}"
print(json.dumps({"fault": fault}))
"""


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        model: Name on a hub, a folder, or `tiny`.
        adapter: Folder of LoRA weights on top of it.
        use_hf: The name belongs to the Hugging Face hub; otherwise to ModelScope.
    """

    model: str
    adapter: str | None = None
    use_hf: bool = True


def find_model(start: Start, workspace: Path, environment: Mapping[str, str], findings: list[Finding]) -> Path | None:
    """Return the folder of a model if it is on this machine, and note what is wrong with it.

    Args:
        start: The model.
        workspace: Folder that relative paths start from.
        environment: Variables that name hubs and caches.
        findings: Get what is found.
    """
    if start.adapter is not None:
        findings.append(_whole_or_not(Path(start.adapter), adapter_problems(Path(start.adapter)), "The adapter "))
    if start.model == TINY_MODEL:
        findings.append(ok(Check.CHECKPOINT, "The tiny model is built on this machine."))
        return None
    folder = workspace / Path(start.model).expanduser()
    if folder.is_dir():
        findings.append(_whole_or_not(folder, folder_problems(folder)))
        return folder
    if start.model.startswith(("/", ".", "~")) or start.model.count("/") != 1:
        remedy = "Correct `model` in the recipe (--set model=)."
        findings.append(fault(Check.CHECKPOINT, f"There is no folder {start.model}.", remedy))
        return None
    return _on_hub(start, environment, findings)


def _whole_or_not(folder: Path, problems: Iterable[str], what: str = "") -> Finding:
    found = "; ".join(problems)
    if not found:
        return ok(Check.CHECKPOINT, f"{what}{folder.name} is whole.")
    again = "Fetch the model again, or name another one; a checkpoint of a stage is made anew with --force."
    return fault(Check.CHECKPOINT, f"{what}{folder.name}: {found}.", again)


def folder_problems(folder: Path) -> Iterator[str]:
    """Yield what a folder lacks to be a model: configuration, tokenizer, weights that are whole."""
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            yield f"{_CONFIG} is no object"
    except FileNotFoundError:
        yield f"there is no {_CONFIG}"
    except (OSError, ValueError):
        yield f"{_CONFIG} cannot be read"
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        yield "there is no tokenizer"
    files = [path for pattern in _WEIGHTS for path in sorted(folder.glob(pattern)) if path.name != "training_args.bin"]
    if not files:
        yield "there are no weights"
    yield from _missing_parts(folder)
    yield from _cut_off(files)


def adapter_problems(folder: Path) -> Iterator[str]:
    """Yield what a folder lacks to be an adapter."""
    if not (folder / ADAPTER_CONFIG).is_file():
        yield f"there is no {ADAPTER_CONFIG}"
    files = sorted(folder.glob(_ADAPTER_WEIGHTS))
    if not files:
        yield "there are no weights"
    yield from _cut_off(files)


def _cut_off(files: Iterable[Path]) -> Iterator[str]:
    yield from (
        f"{path.name} is cut off" for path in files if path.suffix == ".safetensors" and not is_whole_safetensors(path)
    )


def _missing_parts(folder: Path) -> Iterator[str]:
    """Yield the parts that the index of a model in several files names and that are not there."""
    for index in folder.glob(_INDEX):
        try:
            named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            yield f"{index.name} cannot be read"
            continue
        lacking = sorted(name for name in named if not (folder / name).is_file())
        if lacking:
            yield f"{len(lacking)} of {len(named)} files of weights are missing, the first is {lacking[0]}"


def _on_hub(start: Start, environment: Mapping[str, str], findings: list[Finding]) -> Path | None:
    """Return the folder in the hub's cache if the whole model is there; else note whether it can be downloaded."""
    hub, word = ("the Hugging Face hub", "hf") if start.use_hf else ("ModelScope", "ms")
    local = run_probe(_LOOK, environment, start.model, word)
    folder = None if isinstance(local, str) or local["folder"] is None else Path(local["folder"])
    if folder is not None and not any(folder_problems(folder)):
        findings.append(ok(Check.CHECKPOINT, f"{start.model} has been downloaded."))
        return folder
    here = "not on this machine" if folder is None else "on this machine only in part"
    answer = run_probe(_ASK, environment, start.model, word)
    problem = answer if isinstance(answer, str) else answer["fault"]
    if problem is None:
        findings.append(ok(Check.CHECKPOINT, f"{start.model} is {here}, and will be downloaded from {hub}."))
    else:
        remedy = (
            "Look at its name, the network and HF_ENDPOINT; or download it first; or name a folder with --set model=."
        )
        findings.append(fault(Check.CHECKPOINT, f"{start.model} is {here}, and {problem} ({hub}).", remedy))
    return folder
