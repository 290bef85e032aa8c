"""A tiny Qwen2.5-VL of the real classes, to try the training code on without a download or a GPU."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseek.endpoints import without_progress_bars
from geoseek.schemas import InputError, MissingExtraError, UsageError
from geoseek.workspace import transaction

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""Qwen's special tokens in the order of their ids."""

FIRST_SPECIAL_ID = 151_643
"""Id of the first special token of Qwen; ms-swift's template `qwen2_5_vl` holds the ids as constants."""

TINY_TEMPLATE = "geoseek_tiny"
"""Name of the template for ms-swift that takes the ids from the tokenizer, so that the vocabulary can be small."""

TINY_TEMPLATE_PATH = Path(__file__).with_name("swift_template.py")
"""What ms-swift's `--external_plugins` needs for that template."""

_MAX_LEARNT = 8_000
_PATCH, _MERGE = 14, 2


@dataclass(frozen=True)
class TinyShape:
    """Sizes of a tiny model.

    Attributes:
        hidden_size: Width of the language model.
        layers: Layers of the language model.
        heads: Attention heads of the language model; a head is `hidden_size / heads` wide, a multiple of 8.
        vision_hidden_size: Width of the vision tower.
        vision_layers: Layers of the vision tower; only the last sees the whole picture at once.
        vision_heads: Attention heads of the vision tower.
        vision_window: Side of the windows of the other layers, in pixels of the picture that the model is given.
    """

    hidden_size: int = 64
    layers: int = 2
    heads: int = 2
    vision_hidden_size: int = 96
    vision_layers: int = 2
    vision_heads: int = 3
    vision_window: int = 112

    def __post_init__(self) -> None:
        for width, heads, name in (
            (self.hidden_size, self.heads, "hidden_size"),
            (self.vision_hidden_size, self.vision_heads, "vision_hidden_size"),
        ):
            if min(width, heads) < 1 or width % (8 * heads):
                raise UsageError(
                    f"{name} {width} cannot be shared by {heads} heads.",
                    hint=f"Choose a multiple of {8 * max(heads, 1)}: every head needs a multiple of 8.",
                )
        if min(self.layers, self.vision_layers) < 1:
            raise UsageError("A model needs at least one layer on each side.", hint="Set layers and vision_layers.")


def build_tiny(
    folder: Path,
    *,
    seed: int,
    texts: Iterable[str] = (),
    shape: TinyShape = TinyShape(),
    qwen_ids: bool = True,
) -> Path:
    """Write a randomly initialised Qwen2.5-VL with processor and tokenizer.

    Equal arguments give equal bytes. The tokenizer knows every byte, and the frequent pieces of `texts` as one token
    each, so that chains of thought in their words become short. The model knows nothing: train it first.

    With `qwen_ids` the special tokens have Qwen's ids and everything before them is filled up: 151,657 tokens, most
    of the weights (10 million in all) and nearly all of the time of a step, but ms-swift's own template fits. Without,
    the vocabulary ends where the texts end: a step takes a tenth of the time, and needs the template `TINY_TEMPLATE`.

    Args:
        folder: Where the checkpoint goes; an earlier one there is replaced.
        seed: Seed of the weights.
        texts: Words that the model will be trained on, see `texts_of`.
        shape: Sizes.
        qwen_ids: Whether the special tokens have Qwen's ids.

    Returns:
        `folder`.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        OutputError: The folder cannot be written.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", extra="train", purpose="Building a tiny model") from error
    tokenizer = _tokenizer(texts, qwen_ids=qwen_ids)
    processor = _processor(tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.Qwen2_5_VLForConditionalGeneration(_config(shape, tokenizer))
    end, padding = (tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>"))
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=padding,
        eos_token_id=[end, padding],
        pad_token_id=padding,
        suppress_tokens=[token for token in tokenizer.all_special_ids if token not in {end, padding}],
    )
    with transaction(folder) as staging, without_progress_bars():
        model.save_pretrained(staging)
        processor.save_pretrained(staging)
    return folder


def register_tiny_template() -> None:
    """Make ms-swift know `TINY_TEMPLATE`; a second call changes nothing.

    Raises:
        MissingExtraError: ms-swift is not installed.
    """
    try:
        from swift.template import TEMPLATE_MAPPING, register_template
        from swift.template.templates.qwen import Qwen2_5VLTemplate, QwenTemplateMeta
    except ImportError as error:
        raise MissingExtraError(error.name or "ms-swift", extra="train", purpose="The tiny model") from error

    class TinyTemplate(Qwen2_5VLTemplate):  # type: ignore[misc]  # ms-swift has no types
        image_token_id = property(lambda self: self.processor.image_token_id)
        video_token_id = property(lambda self: self.processor.video_token_id)

    if TINY_TEMPLATE not in TEMPLATE_MAPPING:
        register_template(QwenTemplateMeta(TINY_TEMPLATE, template_cls=TinyTemplate))


def texts_of(*files: Path) -> Iterator[str]:
    """Yield the words of files for ms-swift: every turn, and the solutions.

    Raises:
        InputError: A file cannot be read, or a line is no JSON object.
    """
    for path in files:
        try:
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    yield from _words(json.loads(line), f"{path}, line {number}")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}.") from error


def _words(row: Any, where: str) -> Iterator[str]:
    if not isinstance(row, dict):
        raise InputError(f"{where} is no JSON object.", hint="Rows for ms-swift have the key `messages`.")
    for message in row.get("messages", ()):
        yield str(message.get("content", ""))
    if isinstance(row.get("solution"), str):
        yield row["solution"]


def _tokenizer(texts: Iterable[str], *, qwen_ids: bool) -> Any:
    """Return a tokenizer of Qwen's class: bytes, pieces learnt from the texts, fillers if any, special tokens."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    blank = Qwen2Tokenizer(vocab={}, merges=[])
    learner = Tokenizer(models.BPE())
    learner.normalizer = blank.backend_tokenizer.normalizer
    learner.pre_tokenizer = blank.backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=_MAX_LEARNT,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    learnt = json.loads(learner.to_str())["model"]
    vocabulary: dict[str, int] = learnt["vocab"]
    first = FIRST_SPECIAL_ID if qwen_ids else len(vocabulary)
    fillers = {f"<filler {index}>": index for index in range(len(vocabulary), first)}
    tokenizer = Qwen2Tokenizer(
        vocab={**vocabulary, **fillers, SPECIAL_TOKENS[0]: first},
        merges=[tuple(pair) for pair in learnt["merges"]],
        model_max_length=32_768,
    )
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return tokenizer


def _processor(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    pictures = {"patch_size": _PATCH, "merge_size": _MERGE}
    return Qwen2_5_VLProcessor(Qwen2VLImageProcessor(**pictures), tokenizer, Qwen2VLVideoProcessor(**pictures))


def _config(shape: TinyShape, tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig

    special = dict(zip(SPECIAL_TOKENS, tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)), strict=True))
    rotary = shape.hidden_size // shape.heads // 2
    sections = [rotary - 2 * (rotary * 3 // 8), rotary * 3 // 8, rotary * 3 // 8]
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": shape.hidden_size,
            "initializer_range": shape.hidden_size**-0.5,
            "intermediate_size": 3 * shape.hidden_size,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.heads,
            "max_position_embeddings": 32_768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": sections},
            "bos_token_id": special["<|endoftext|>"],
            "eos_token_id": special["<|im_end|>"],
            "pad_token_id": special["<|endoftext|>"],
        },
        vision_config={
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_hidden_size,
            "initializer_range": shape.vision_hidden_size**-0.5,
            "intermediate_size": 3 * shape.vision_hidden_size,
            "num_heads": shape.vision_heads,
            "out_hidden_size": shape.hidden_size,
            "patch_size": _PATCH,
            "spatial_merge_size": _MERGE,
            "window_size": shape.vision_window,
            "fullatt_block_indexes": [shape.vision_layers - 1],
        },
        image_token_id=special["<|image_pad|>"],
        video_token_id=special["<|video_pad|>"],
        vision_start_token_id=special["<|vision_start|>"],
        vision_end_token_id=special["<|vision_end|>"],
        tie_word_embeddings=True,
    )
