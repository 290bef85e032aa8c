"""What went wrong in ms-swift, in words, and which setting of the recipe helps."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from geoseek.schemas import GeoSeekError

TAIL_LINES = 12
_SHOWN_CHARS = 300
_NOISE = re.compile(r"^\s*(\d+%\|.*|Train:.*it/s.*|Train:.*s/it.*)?$")
_SECRET = re.compile(
    r"\bhf_[A-Za-z0-9]{8,}|\bsk-[A-Za-z0-9_-]{8,}|(?<=[Bb]earer )\S+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?<=_KEY=)\S+|(?<=_TOKEN=)\S+"
)


class TrainingFailedError(GeoSeekError):
    """ms-swift ended with an error; the message says why, the hint what to change, then come its last lines."""


class TrainingInterruptedError(GeoSeekError):
    """The user ended a training; the hint says how to go on."""

    exit_code = 130


@dataclass(frozen=True)
class Failure:
    """A known way to fail.

    Attributes:
        code: Short name.
        pattern: Found in what ms-swift printed.
        message: What happened.
        remedy: What to do.
        lower: Settings that help when they are lowered; shown with their values, if the stage has them.
    """

    code: str
    pattern: re.Pattern[str]
    message: str
    remedy: str
    lower: tuple[str, ...] = ()


_MEMORY_SETTINGS = (
    "per_device_train_batch_size",
    "num_generations",
    "max_completion_length",
    "max_length",
    "vllm_gpu_memory_utilization",
    "MAX_PIXELS",
    "max_pixels",
)


def _failure(code: str, pattern: str, message: str, remedy: str, lower: tuple[str, ...] = ()) -> Failure:
    return Failure(code, re.compile(pattern, re.IGNORECASE), message, remedy, lower)


# From the particular to the general: the first that is found is told.
_KNOWN = (
    _failure(
        "agent_unreachable",
        r"the agent of the reward geo_consistency.*cannot be used|the reward geo_consistency needs an agent",
        "The agent of geo_consistency could not be reached.",
        "The lines below name its address and fault. Start it or correct its address, then go on with --resume; or add "
        "--on-agent-error zero or skip to train on without its word.",
    ),
    _failure(
        "vllm_memory",
        r"no available memory for the cache blocks|free memory on device.*less than desired gpu memory"
        r"|larger than the maximum number of tokens that can be stored in KV cache",
        "vLLM found too little GPU memory for the rollouts.",
        "Set vllm_gpu_memory_utilization so that vLLM and the training both fit (0.3 to 0.5 with colocate), and lower "
        "what a rollout needs. `sleep_level: 1` and `offload_optimizer: true` free memory between the two.",
        ("vllm_gpu_memory_utilization", "vllm_max_model_len", "max_completion_length", "num_generations", "MAX_PIXELS"),
    ),
    _failure(
        "cuda_memory",
        r"cuda out of memory|outofmemoryerror|cuda error: out of memory|cublas_status_alloc_failed"
        r"|hip out of memory|nvml_success == r internal assert",
        "The GPU ran out of memory.",
        "Raise gradient_accumulation_steps by as much as the batch size falls. Further: `deepspeed: zero3_offload`, "
        "`gradient_checkpointing: true`, `quant_bits: 4` with `quant_method: bnb` (QLoRA), a smaller model, more GPUs. "
        "If much is reserved but not allocated: env PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True.",
        _MEMORY_SETTINGS,
    ),
    _failure(
        "host_memory",
        r"defaultcpuallocator: can't allocate memory|std::bad_alloc|^memoryerror|cannot allocate memory",
        "The machine ran out of main memory.",
        "Lower dataloader_num_workers and dataset_num_proc, use no offload to the CPU, or take a larger machine.",
        ("dataloader_num_workers", "dataset_num_proc", "per_device_train_batch_size"),
    ),
    _failure(
        "shared_memory",
        r"insufficient shared memory|out of shared memory|unable to (open|write to).*shared memory|bus error",
        "The shared memory of the machine (/dev/shm) is too small for the workers that load data.",
        "Set dataloader_num_workers to 0, or give the container more shared memory (docker: --shm-size 16g).",
        ("dataloader_num_workers",),
    ),
    _failure(
        "no_space",
        r"no space left on device|disk quota exceeded|errno 28|enforce fail at inline_container",
        "The disk is full.",
        "Free some space or choose another folder with --output. Lower save_total_limit, or set save_only_model (then "
        "a run cannot be resumed).",
        ("save_total_limit",),
    ),
    _failure(
        "image_tokens",
        r"(image|video) features and (image|video) tokens do not match",
        "A row's text was cut in the middle of a picture, or the model's special tokens have other ids than its "
        "template expects.",
        "Raise max_length, or lower MAX_PIXELS so that a picture takes fewer tokens. With a model of your own: its "
        "tokenizer must keep the ids of Qwen's special tokens.",
        ("MAX_PIXELS", "max_length"),
    ),
    _failure(
        "generations",
        r"must be (evenly )?divisible by.*num_generations|generation_batch_size \(\d+\) must be",
        "The completions of one question do not fit evenly into a batch.",
        "per_device_train_batch_size x processes x gradient_accumulation_steps must be a multiple of num_generations.",
        ("num_generations", "per_device_train_batch_size", "gradient_accumulation_steps"),
    ),
    _failure(
        "unknown_argument",
        r"remaining_argv: \[|unexpected keyword argument|unrecognized arguments|invalid choice",
        "This version of ms-swift does not know an argument of the recipe.",
        "GeoSeek is tested with ms-swift 4.6; `geoseek doctor` shows yours. Correct the name under `swift:`, or "
        "install that version.",
    ),
    _failure(
        "nan",
        r"probability tensor contains either .?inf|loss is nan|nan loss|found nan in",
        "The model's numbers became NaN.",
        "Use bfloat16 rather than float16, keep max_grad_norm at 1, and look for broken rows; then train the stage "
        "anew with --force.",
        ("learning_rate",),
    ),
    _failure(
        "torchvision",
        r"operator torchvision::nms does not exist",
        "torch and torchvision do not belong together.",
        "Install both anew: pip install --force-reinstall 'geoseek[train]'",
    ),
    _failure(
        "flash_attention",
        r"flashattention\d? has been toggled on|flash_attn.*(not (been )?(installed|found)|seems to be not installed)",
        "The recipe asks for flash-attention, which is not installed.",
        "Install flash-attn, or set attn_impl to sdpa.",
    ),
    _failure(
        "no_cuda",
        r"found no nvidia driver|torch not compiled with cuda|doesn't support bf16/gpu|no cuda gpus are available",
        "The recipe needs a GPU, and torch finds none.",
        "Check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or train with the recipe cpu-smoke.",
    ),
    _failure(
        "missing_package",
        r"modulenotfounderror: no module named|importerror: .*(pip install|not installed)",
        "A package that this recipe needs is not installed.",
        "Install what the last lines name; pip install 'geoseek[train]' brings what every recipe needs.",
    ),
    _failure(
        "port",
        r"eaddrinuse|address already in use|server socket has failed to listen",
        "The port through which the processes find each other is taken.",
        "Set another one: MASTER_PORT=29511 geoseek train ... Look for a training that still runs.",
    ),
    _failure(
        "nccl",
        r"watchdog caught collective operation timeout|nccl(internal|system|unhandledcuda|remote)?error"
        r"|nccl error|nccl timeout|collective operation timeout",
        "The GPUs lost each other (NCCL).",
        "Often one process died or ran out of memory first: look further up in the log. NCCL_DEBUG=INFO says more; "
        "raise ddp_timeout if a step is only slow; on several nodes check the network and NCCL_SOCKET_IFNAME.",
    ),
    _failure(
        "gpu_fault",
        r"uncorrectable ecc|cuda error: an illegal memory access|device-side assert|cuda error: unspecified launch",
        "The GPU reported a fault.",
        "Go on with --resume. If it comes again at the same step: CUDA_LAUNCH_BLOCKING=1 shows where; if at another, "
        "suspect the GPU.",
    ),
    _failure(
        "no_access",
        r"gatedrepoerror|repository not found|repositorynotfounderror|401 client error|403 client error"
        r"|is not a valid model identifier|not a local folder and is not",
        "The model does not exist on the hub, or needs access rights.",
        "Check `model:` of the recipe; accept the model's licence on its page and log in (hf auth login), or name a "
        "folder.",
    ),
    _failure(
        "download",
        r"localentrynotfounderror|offlinemodeisenabled|max retries exceeded|name or service not known"
        r"|temporary failure in name resolution|couldn't connect to|connectionerror|readtimeout",
        "A file could not be downloaded, most likely the model.",
        "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE; or download the model once and name its folder: --set "
        "model=FOLDER",
    ),
)

_SIGNALS = {
    signal.SIGKILL: (
        "Something killed ms-swift (SIGKILL): most often the system, because main memory was full.",
        "Look at the system's log (dmesg). Lower dataloader_num_workers, or ask for more memory. --resume goes on.",
    ),
    signal.SIGTERM: (
        "Something ended ms-swift (SIGTERM), for example a cluster whose time was up.",
        "--resume goes on from the last checkpoint.",
    ),
    signal.SIGSEGV: (
        "ms-swift crashed (SIGSEGV).",
        "Most often packages do not belong together: compare the versions of `geoseek doctor` with docs/training.md.",
    ),
    signal.SIGBUS: (
        "ms-swift crashed (SIGBUS): most often the shared memory of the machine (/dev/shm) is too small.",
        "Set dataloader_num_workers to 0, or give the container more shared memory.",
    ),
}


def explain(output: str, exit_code: int, stage: str, settings: Mapping[str, object]) -> tuple[str, str]:
    """Say why ms-swift failed and what helps.

    Args:
        output: The end of what it printed.
        exit_code: Its exit code.
        stage: Name of the stage.
        settings: Arguments and environment of the stage, by name, to show the values of those to be lowered.

    Returns:
        The message and the remedy.

    >>> explain("torch.OutOfMemoryError: CUDA out of memory.", 1, "grpo", {"num_generations": 8})[0]
    'Stage grpo failed: The GPU ran out of memory. (ms-swift: exit code 1)'
    >>> explain("", 137, "sft", {})[0]
    'Stage sft failed: Something killed ms-swift (SIGKILL): most often the system, because main memory was full. \
(ms-swift: exit code 137)'
    """
    message, remedy = "ms-swift ended with an error.", "Its last lines say more; the whole is in the log."
    known = find_failure(output)
    number = signal_of(exit_code)
    if known is not None:
        message, remedy = known.message, " ".join(filter(None, [_lowering(known.lower, stage, settings), known.remedy]))
    elif number in _SIGNALS:
        message, remedy = _SIGNALS[number]
    return f"Stage {stage} failed: {message} (ms-swift: exit code {exit_code})", remedy


def find_failure(output: str) -> Failure | None:
    """Return the known failure that an output tells of; None if there is none.

    >>> find_failure("OSError: [Errno 28] No space left on device").code
    'no_space'
    """
    return next((failure for failure in _KNOWN if failure.pattern.search(output)), None)


def signal_of(exit_code: int) -> signal.Signals | None:
    """Return the signal that ended a process, from its exit code or that of the programs around it.

    A shell and the guard report 128 + N; Python's `sys.exit(-N)`, with which ms-swift passes on the end of its own
    child, becomes 256 - N.

    >>> signal_of(137) is signal_of(247) is signal.SIGKILL
    True
    >>> signal_of(1) is None
    True
    """
    for number in (exit_code - 128, 256 - exit_code):
        if number in {member.value for member in signal.Signals}:
            return signal.Signals(number)
    return None


def last_lines(output: str, count: int = TAIL_LINES) -> list[str]:
    r"""Return the last lines that say something: without progress bars, long ones shortened, secrets struck out.

    >>> last_lines("start\nTrain:  50%|##   | 1/2 [00:01<00:01,  1.0s/it]\rValueError: no\n\n")
    ['start', 'ValueError: no']
    """
    said = [line.rstrip() for line in re.split(r"[\r\n]+", output) if not _NOISE.match(line)]
    return [_SECRET.sub("***", line)[:_SHOWN_CHARS] for line in said[-count:]]


def failed(output: str, exit_code: int, stage: str, settings: Mapping[str, object], log: str) -> TrainingFailedError:
    """Build the error for a stage whose ms-swift failed.

    Args:
        output: The end of what it printed.
        exit_code: Its exit code.
        stage: Name of the stage.
        settings: Arguments and environment of the stage.
        log: Where the whole output is.
    """
    message, remedy = explain(output, exit_code, stage, settings)
    return TrainingFailedError(message, hint=_with_tail(remedy, last_lines(output), log))


def _with_tail(remedy: str, lines: Sequence[str], log: str) -> str:
    shown = [f"Last lines of {log}:", *(f"  {line}" for line in lines)] if lines else [f"Its output is in {log}."]
    return "\n".join([remedy, *shown])


def _lowering(names: Sequence[str], stage: str, settings: Mapping[str, object]) -> str:
    found = [f"{name} (now {settings[name]})" for name in names if name in settings]
    if not names:
        return ""
    if not found:
        return f"Lower {', '.join(names)} (--set {stage}.NAME=VALUE)."
    return f"Lower {', '.join(found)}: --set {stage}.NAME=VALUE."
