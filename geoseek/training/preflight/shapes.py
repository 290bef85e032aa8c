"""How large a model is, from its configuration; nothing is downloaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BILLION = 10**9
_SIZE_IN_NAME = re.compile(r"(?<![A-Za-z0-9])(\d+(?:\.\d+)?)\s*[bB](?![A-Za-z])")
_PATCHES_PER_TOKEN = 4


@dataclass(frozen=True)
class VisionShape:
    """The vision tower of Qwen2.5-VL (arXiv 2502.13923, table 1); the defaults are those of all its sizes."""

    hidden: int = 1280
    intermediate: int = 3420
    layers: int = 32
    patch: int = 14
    frames: int = 2

    def parameters(self, hidden_out: int) -> int:
        """Return the number of weights, the part that leads to the language model included."""
        wide = self.hidden * _PATCHES_PER_TOKEN
        attention = 4 * self.hidden * self.hidden + 4 * self.hidden
        mlp = 3 * self.hidden * self.intermediate + 2 * self.intermediate + self.hidden
        patches = self.hidden * 3 * self.frames * self.patch**2
        merger = self.hidden + wide * wide + wide + wide * hidden_out + hidden_out
        return self.layers * (attention + mlp + 2 * self.hidden) + patches + merger


@dataclass(frozen=True)
class ModelShape:
    """What the memory of a training depends on.

    Attributes:
        parameters: All weights.
        hidden: Width of the language model.
        layers: Its depth.
        intermediate: Width inside its feed-forward part.
        key_values: Width of keys and values together of one layer: 2 x heads of keys x size of a head.
        vocabulary: Number of tokens.
        is_guess: Read off the model's name: only `parameters` is more than a rule of thumb.
    """

    parameters: int
    hidden: int
    layers: int
    intermediate: int
    key_values: int
    vocabulary: int
    is_guess: bool = False

    def lora_parameters(self, rank: int) -> int:
        """Return the weights of LoRA on all linear layers of the language model: rank x (in + out) of each.

        >>> QWEN25_VL["7b"].lora_parameters(64)
        161480704
        """
        keys = self.key_values // 2
        attention = 2 * (self.hidden + self.hidden) + 2 * (self.hidden + keys)
        return self.layers * rank * (attention + 3 * (self.hidden + self.intermediate))


def qwen_shape(
    hidden: int,
    layers: int,
    intermediate: int,
    key_values: int,
    vocabulary: int,
    *,
    tied: bool = False,
    vision: VisionShape | None = None,
) -> ModelShape:
    """Return the shape of a model built like Qwen2.5 (biases on queries, keys and values; gated feed-forward).

    Args:
        hidden: Width.
        layers: Depth.
        intermediate: Width inside the feed-forward part.
        key_values: Width of keys and values together.
        vocabulary: Number of tokens.
        tied: The embedding is the output layer too.
        vision: The vision tower, if there is one.

    >>> qwen_shape(3584, 28, 18944, 1024, 152064, vision=VisionShape()).parameters
    8292166656
    """
    attention = 2 * hidden * hidden + hidden + (hidden + 1) * key_values
    per_layer = attention + 3 * hidden * intermediate + 2 * hidden
    words = vocabulary * hidden * (1 if tied else 2)
    seen = vision.parameters(hidden) if vision is not None else 0
    return ModelShape(words + layers * per_layer + hidden + seen, hidden, layers, intermediate, key_values, vocabulary)


_TOWER = VisionShape()
QWEN25_VL = {
    "3b": qwen_shape(2048, 36, 11008, 512, 151936, tied=True, vision=_TOWER),
    "7b": qwen_shape(3584, 28, 18944, 1024, 152064, vision=_TOWER),
    "32b": qwen_shape(5120, 64, 27648, 2048, 152064, vision=VisionShape(intermediate=3456)),
    "72b": qwen_shape(8192, 80, 29568, 2048, 152064, vision=VisionShape(intermediate=3456)),
}
"""Sizes of Qwen2.5-VL: widths and depths of arXiv 2502.13923, table 1, and of the models' own configurations."""


def shape_of(model: str, folder: Path | None) -> ModelShape | None:
    """Return the shape of a model, or None if it cannot be told.

    Args:
        model: Its name.
        folder: Where it lies, if it is on this machine: then its `config.json` counts.
    """
    if folder is not None:
        found = _from_config(folder / "config.json")
        if found is not None:
            return found
    return shape_by_name(model)


def shape_by_name(model: str) -> ModelShape | None:
    """Return the shape of a well-known model, or one that only its name tells the size of.

    >>> shape_by_name("Qwen/Qwen2.5-VL-7B-Instruct") == QWEN25_VL["7b"]
    True
    >>> shape_by_name("org/other-13B").parameters
    13000000000
    """
    size = _SIZE_IN_NAME.search(model.rpartition("/")[2])
    if size is None:
        return None
    if "qwen2.5-vl" in model.lower() and f"{size[1]}b" in QWEN25_VL:
        return QWEN25_VL[f"{size[1]}b"]
    parameters = int(float(size[1]) * _BILLION)
    like = min(QWEN25_VL.values(), key=lambda one: abs(one.parameters - parameters))
    return ModelShape(
        parameters, like.hidden, like.layers, like.intermediate, like.key_values, like.vocabulary, is_guess=True
    )


def _from_config(path: Path) -> ModelShape | None:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        text = {**config, **(config.get("text_config") or {})}
        heads, hidden = text["num_attention_heads"], text["hidden_size"]
        size = text.get("head_dim") or hidden // heads
        return qwen_shape(
            hidden,
            text["num_hidden_layers"],
            text["intermediate_size"],
            2 * size * (text.get("num_key_value_heads") or heads),
            text["vocab_size"],
            tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            vision=_vision(config.get("vision_config")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return None


def _vision(config: Mapping[str, Any] | None) -> VisionShape | None:
    if not config:
        return None
    return VisionShape(
        hidden=config.get("hidden_size", _TOWER.hidden),
        intermediate=config.get("intermediate_size", _TOWER.intermediate),
        layers=config.get("depth", _TOWER.layers),
        patch=config.get("patch_size", _TOWER.patch),
        frames=config.get("temporal_patch_size", _TOWER.frames),
    )
