"""An estimate of the memory that a training takes on each GPU.

It adds up what is known beforehand, and is no promise: kernels, fragmentation and long rows add to it. In bytes, for P
weights of b bytes, T of them trained, a batch of B rows of s tokens, and a model of L layers of width h with V tokens:

- weights: P b; at 4 bits P / 2, and 2 bytes for each weight of the two word matrices (arXiv 2305.14314).
- training: gradients, two moments of Adam and a 32-bit copy, 14 T beside 16-bit weights and 12 T beside 32-bit ones
  (arXiv 1910.02054, section 3.1). LoRA has T = sum of rank x (in + out) over the linear layers, and weights of its
  own: 16 T.
- DeepSpeed shares these out among N GPUs: ZeRO-1 and ZeRO-2 the second line, ZeRO-3 both (same source, figure 1; the
  gradients, which ZeRO-1 does not share, are counted as if it did).
- reference: P b once more where GRPO with beta above 0 trains all weights; the second copy of a LoRA adapter is small
  and not counted.
- activations: 34 s B h for a layer in 16 bits without attention maps (arXiv 2205.05198, section 4); with gradient
  checkpointing 2 s B h for each layer, and one layer in full.
- logits: B s V (b + 8), with their 32-bit copy and its gradient; in GRPO s counts the completion alone.
- cache: 2 key-value rows per token and layer while completions are drawn without vLLM.
- vLLM beside the training: its share of the GPU, at once with the rest, or in turns with it if it sleeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from geoseek.training.checkpoints import PIXELS_PER_TOKEN
from geoseek.training.preflight.findings import Check, Finding, ok, warning
from geoseek.training.preflight.machine import Machine
from geoseek.training.preflight.rows import RowFigures
from geoseek.training.preflight.shapes import ModelShape
from geoseek.training.preflight.values import DTYPE_BYTES, number, switched_on, whole
from geoseek.training.recipes import CPU_ONLY, Recipe

_GB = 10**9
_RUNTIME_BYTES = int(1.5 * _GB)
"""CUDA's context, kernels and communication buffers; a round figure."""

_MODEL_MAX_PIXELS = 16384 * PIXELS_PER_TOKEN
_CHARS_PER_TOKEN = 3
_TIGHT = 0.9
_LEAST_CACHE_BYTES = _GB


@dataclass(frozen=True)
class Load:
    """What a stage asks of one GPU.

    Attributes:
        dtype_bytes: b.
        bits: Bits of frozen weights where they are quantised, else None.
        rank: Of LoRA; None where all weights are trained.
        batch: B, rows at a time.
        tokens: s, with the pictures.
        logit_tokens: Tokens of a row whose logits are needed.
        gpus: N, GPUs that DeepSpeed shares out among.
        zero: Stage of ZeRO; 0 for none.
        offload: DeepSpeed keeps the second line of the formula, and with ZeRO-3 the weights, in the machine's memory.
        checkpointing: Gradient checkpointing.
        reference: A reference model of its own is needed.
        draws: Completions are drawn by the training process itself.
        vllm_bytes: Share of vLLM.
        vllm_parallel: GPUs that one vLLM spreads the weights over.
        vllm_sleeps: vLLM gives its memory back while weights are trained.
    """

    dtype_bytes: int
    batch: int
    tokens: int
    logit_tokens: int
    bits: int | None = None
    rank: int | None = None
    gpus: int = 1
    zero: int = 0
    offload: bool = False
    checkpointing: bool = True
    reference: bool = False
    draws: bool = False
    vllm_bytes: int = 0
    vllm_parallel: int = 1
    vllm_sleeps: bool = False


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes per GPU by what they are for; `total` is the most at one time."""

    total: int
    parts: dict[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the parts in words, the largest first.

        >>> MemoryEstimate(3_000_000_000, {"weights": 2_000_000_000, "logits": 1_000_000_000}).describe()
        'weights 2.0, logits 1.0 GB'
        """
        shown = sorted(((size, name) for name, size in self.parts.items() if size >= _GB / 20), reverse=True)
        return ", ".join(f"{name} {size / _GB:.1f}" for size, name in shown) + " GB"


def estimate_memory(shape: ModelShape, load: Load) -> MemoryEstimate:
    """Return the memory per GPU; see the top of this module for the formula.

    >>> from geoseek.training.preflight.shapes import QWEN25_VL
    >>> found = estimate_memory(QWEN25_VL["7b"], Load(dtype_bytes=2, batch=1, tokens=1000, logit_tokens=1000, rank=64))
    >>> found.parts["weights"] == 2 * 8_292_166_656 and found.parts["training"] == 16 * 161_480_704
    True
    >>> found.parts["activations"] == 2 * 1000 * 3584 * 28 + 34 * 1000 * 3584
    True
    >>> found.parts["logits"] == 1000 * 152064 * 10
    True
    """
    shared, shared_weights = (load.gpus if load.zero >= stage else 1 for stage in (1, 3))
    weights = _weights(shape, load) // shared_weights
    trained = shape.parameters if load.rank is None else shape.lora_parameters(load.rank)
    per_weight = (14 if load.dtype_bytes == 2 else 12) if load.rank is None else 16
    training = trained * per_weight // shared
    if load.offload:
        training, weights = 0, 0 if load.zero >= 3 else weights
    layer = 17 * load.dtype_bytes * load.tokens * load.batch * shape.hidden
    kept = load.dtype_bytes * load.tokens * load.batch * shape.hidden * shape.layers
    cache = load.batch * load.tokens * shape.layers * shape.key_values * load.dtype_bytes
    parts = {
        "weights": weights,
        "training": training,
        "reference": shape.parameters * load.dtype_bytes // shared_weights if load.reference else 0,
        "activations": kept + layer if load.checkpointing else layer * shape.layers,
        "logits": load.batch * load.logit_tokens * shape.vocabulary * (load.dtype_bytes + 8),
        "cache": cache if load.draws else 0,
        "vLLM": load.vllm_bytes,
        "runtime": _RUNTIME_BYTES,
    }
    total = sum(parts.values())
    if load.vllm_sleeps:
        total -= min(load.vllm_bytes, parts["activations"] + parts["logits"])
    return MemoryEstimate(total, parts)


def _weights(shape: ModelShape, load: Load) -> int:
    if load.bits is None:
        return shape.parameters * load.dtype_bytes
    words = 2 * shape.vocabulary * shape.hidden
    return words * 2 + max(shape.parameters - words, 0) * load.bits // 8


def load_of(recipe: Recipe, stage_name: str, figures: RowFigures, gpu_bytes: int) -> Load:
    """Return what a stage asks of one GPU.

    Args:
        recipe: The recipe.
        stage_name: The stage.
        figures: The longest conversation, and the largest picture that was decoded.
        gpu_bytes: Memory of a GPU, for vLLM's share.
    """
    stage = recipe.stages[stage_name]
    swift, is_grpo = stage.swift, stage.method == "grpo"
    completion = whole(stage, "max_completion_length") if is_grpo else 0
    pixels = min(recipe.max_pixels(stage_name) or _MODEL_MAX_PIXELS, figures.largest_pixels or _MODEL_MAX_PIXELS)
    prompt = figures.most_pictures * -(-pixels // PIXELS_PER_TOKEN) + figures.longest_chars // _CHARS_PER_TOKEN
    longest = whole(stage, "max_length")
    tokens = (min(prompt, longest) if longest else prompt) + completion
    zero, offload = _zero(swift.get("deepspeed"))
    by_vllm = is_grpo and switched_on(stage, "use_vllm")
    colocated = by_vllm and swift.get("vllm_mode", "colocate") == "colocate"
    return Load(
        dtype_bytes=DTYPE_BYTES[recipe.torch_dtype],
        batch=whole(stage, "per_device_train_batch_size"),
        tokens=tokens,
        logit_tokens=completion or tokens,
        bits=whole(stage, "quant_bits") or None,
        rank=whole(stage, "lora_rank") if stage.trains_adapter else None,
        gpus=max(recipe.gpus, 1),
        zero=zero,
        offload=offload,
        checkpointing=swift.get("gradient_checkpointing", True) is not False,
        reference=is_grpo and not stage.trains_adapter and number(stage, "beta") > 0,
        draws=is_grpo and not by_vllm,
        vllm_bytes=int(number(stage, "vllm_gpu_memory_utilization") * gpu_bytes) if colocated else 0,
        vllm_parallel=max(whole(stage, "vllm_tensor_parallel_size"), 1),
        vllm_sleeps=colocated and number(stage, "sleep_level") > 0,
    )


def _zero(deepspeed: Any) -> tuple[int, bool]:
    """Return the stage of ZeRO and whether it offloads, from ms-swift's names; a file of settings tells neither.

    >>> _zero("zero3_offload"), _zero(None)
    ((3, True), (0, False))
    """
    name = str(deepspeed or "")
    digit = name.removeprefix("zero")[:1]
    return (int(digit) if name.startswith("zero") and digit in "0123" and digit else 0), name.endswith("_offload")


def check_memory(
    recipe: Recipe, stage_name: str, shape: ModelShape | None, figures: RowFigures, machine: Machine
) -> Iterator[Finding]:
    """Yield an estimate of the memory per GPU, against what the GPUs have."""
    if recipe.gpus == CPU_ONLY or not machine.gpus:
        return
    if shape is None:
        yield ok(Check.MEMORY, "Not estimated: the size of the model is not known.", stage=stage_name)
        return
    smallest = min(machine.gpus, key=lambda gpu: gpu.free_bytes)
    load = load_of(recipe, stage_name, figures, smallest.total_bytes)
    found = estimate_memory(shape, load)
    words = f"An estimate of {found.total / _GB:.0f} GB per GPU ({found.describe()})"
    has = f"{smallest.name} has {smallest.free_bytes / _GB:.0f} GB free of {smallest.total_bytes / _GB:.0f}"
    if found.total > smallest.free_bytes:
        yield warning(Check.MEMORY, f"{words}, but {has}.", _remedy(load), stage=stage_name)
    elif found.total > _TIGHT * smallest.free_bytes:
        yield warning(Check.MEMORY, f"{words}, and {has}: that is close.", _remedy(load), stage=stage_name)
    else:
        yield ok(Check.MEMORY, f"{words}; {has}.", stage=stage_name)
    copy = shape.parameters * load.dtype_bytes // load.vllm_parallel
    if 0 < load.vllm_bytes < copy + _LEAST_CACHE_BYTES:
        yield warning(
            Check.MEMORY,
            f"vLLM gets {load.vllm_bytes / _GB:.0f} GB per GPU, and its copy of the weights alone takes "
            f"{copy / _GB:.0f}.",
            "Raise vllm_gpu_memory_utilization or vllm_tensor_parallel_size, or set use_vllm=false (slower).",
            stage=stage_name,
        )


def _remedy(load: Load) -> str:
    """Return what takes less memory, what changes the result least first."""
    steps = []
    if load.batch > 1:
        steps.append("per_device_train_batch_size (and raise gradient_accumulation_steps)")
    if load.vllm_bytes:
        steps.append("vllm_gpu_memory_utilization" + ("" if load.vllm_sleeps else ", or set sleep_level=1"))
    steps.append("max_completion_length" if load.draws or load.vllm_bytes else "max_length")
    steps.append("max_pixels")
    others = []
    if load.zero < 3 and load.gpus > 1:
        others.append("deepspeed=zero3")
    elif not load.offload and load.gpus > 1:
        others.append("deepspeed=zero3_offload")
    if load.rank is None:
        others.append("tuner_type=lora")
    elif load.bits is None and load.zero < 3:
        others.append("quant_method=bnb quant_bits=4")
    if not load.checkpointing:
        others.append("gradient_checkpointing=true")
    return f"Lower {', then '.join(steps)}." + (f" Or set {' or '.join(others)}." if others else "")
