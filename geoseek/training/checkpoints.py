"""A trained model: where its weights lie, and what is needed to load them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from pydantic import Field

from geoseek.schemas import InputError, Record
from geoseek.workspace import file_fingerprint, write_text

CHECKPOINT_FILE = "checkpoint.json"
ADAPTER_CONFIG = "adapter_config.json"
PIXELS_PER_TOKEN = 28 * 28
"""Qwen2.5-VL: patches of 14 x 14 pixels, 2 x 2 of them to a token (arXiv 2502.13923)."""

WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model.bin")
_LONGEST_HEADER_BYTES = 100_000_000
RUNS = "runs"
_DECIDING = (*WEIGHTS, "*config*.json", "tokenizer*", "vocab*", "merges*", "chat_template*")


class Checkpoint(Record):
    """What a finished stage leaves for the next stage and for inference.

    Paths are relative to the folder of the file; a name on a hub has no folder there and is kept as it is.
    """

    model: str = Field(description="folder with the whole model, or its name on a hub")
    adapter: str | None = Field(
        description="folder with LoRA weights on top of it; null where all weights were trained"
    )
    model_type: str | None = Field(description="`--model_type` of ms-swift")
    template: str | None = Field(description="`--template` of ms-swift")
    torch_dtype: str | None = Field(description="bfloat16, float16 or float32")
    max_pixels: int | None = Field(description="pictures with more pixels are made smaller")
    max_tokens: int | None = Field(None, description="longest text that its training drew, in tokens")
    recipe: str = Field(description="name of the recipe")
    stage: str = Field(description="name of the stage")
    question: str = Field(description="sft or grpo: which of the two questions the model was trained to answer")

    def write(self, folder: Path) -> None:
        """Write `checkpoint.json`."""
        write_text(folder / CHECKPOINT_FILE, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `checkpoint.json` of a run or stage, paths made absolute.

        Raises:
            InputError: There is none, or it is damaged.
        """
        path = folder / CHECKPOINT_FILE
        if not path.is_file():
            raise InputError(
                f"{folder} has no {CHECKPOINT_FILE}: no stage of this run has finished.",
                hint="Run `geoseek train` first, or name a model with --model.",
            )
        try:
            found = cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}.", hint="Run the stage again.") from error
        anchored = {name: _anchored(getattr(found, name), folder) for name in ("model", "adapter")}
        return found.model_copy(update=anchored)


def run_folder(workspace: Path, recipe: str) -> Path:
    """Return the folder of a recipe's run; the recipe is a name or a file.

    >>> run_folder(Path(), "cpu-smoke").as_posix(), run_folder(Path(), "mine/qwen2.5-b.yaml").as_posix()
    ('runs/cpu-smoke', 'runs/qwen2.5-b')
    """
    path = Path(recipe)
    return workspace / RUNS / (path.stem if path.suffix in (".yaml", ".yml") else path.name)


def is_whole_safetensors(path: Path) -> bool:
    """Return whether a safetensors file is as long as its header says; the weights themselves are not read."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(path.stat().st_size, _LONGEST_HEADER_BYTES):
                return False
            header = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return path.stat().st_size == 8 + length + max(map(int, ends), default=0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False


def model_files(folder: Path) -> dict[str, str]:
    """Return the digest of every file that decides what a model or adapter answers: weights, configuration, words.

    What the optimizer and the training left is passed over; large files are sampled (`file_fingerprint`).
    """
    paths = {path for pattern in _DECIDING for path in folder.glob(pattern) if path.is_file()}
    return {path.name: str(file_fingerprint(path)["digest"]) for path in sorted(paths)}


def _anchored(value: str | None, folder: Path) -> str | None:
    if value is None or not (folder / value).is_dir():
        return value
    return str((folder / value).resolve())
