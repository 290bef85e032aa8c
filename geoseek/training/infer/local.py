"""Run a model on this machine with ms-swift's engines."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import re
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from geoseek.endpoints import Spent
from geoseek.formats import IMAGE_MARK, SYSTEM
from geoseek.schemas import Decoding, GeoSeekError, InputError, MissingExtraError, UsageError
from geoseek.training.checkpoints import ADAPTER_CONFIG, PIXELS_PER_TOKEN, Checkpoint
from geoseek.training.infer.batches import Answer, DeviceMemoryError, batched_outcomes
from geoseek.training.infer.engine import EngineName, InferStoppedError, Outcome, QuestionForm
from geoseek.training.infer.pictures import Question, pixels_of, prepared
from geoseek.training.tiny import TINY_TEMPLATE, register_tiny_template
from geoseek.workspace import progress_bar, stable_digest

_LORA_RANK = 16
_AHEAD = 8
_PROMPT_TOKENS = 4096
_OOM_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")
_GPU_FAULT = "cuda error"
_HUB_VARIABLE = "USE_HF"
"""With it a user tells ms-swift which hub is meant."""

_QUIET = {
    "LOG_LEVEL": "ERROR",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
_NOT_A_NUMBER = "not_a_number: the model computed NaN or infinite values (broken weights, or float16 overflows)"


def require_packages(engine: EngineName) -> None:
    """Check that what a local engine needs is installed, without importing it.

    Raises:
        MissingExtraError: torch or ms-swift is missing.
        UsageError: vLLM is missing.
    """
    for module, package in (("torch", "torch"), ("swift", "ms-swift")):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(package, extra="train", purpose="Running a model on this machine")
    if engine is EngineName.VLLM and importlib.util.find_spec("vllm") is None:
        raise UsageError(
            "--engine vllm needs the package vllm, which is not installed.",
            hint="Install vllm for your version of CUDA, or use --engine transformers.",
        )


class LocalEngine:
    """A model in this process.

    Args:
        checkpoint: The model.
        engine: transformers or vllm.
        form: Which question is asked.
        decoding: How texts are drawn.
        batch_size: Pictures at once; fewer as soon as memory runs out.

    Raises:
        InputError: The model cannot be loaded.
        InferStoppedError: It does not fit into memory.
    """

    def __init__(
        self, checkpoint: Checkpoint, engine: EngineName, form: QuestionForm, decoding: Decoding, batch_size: int
    ) -> None:
        self._form = form
        self._decoding = decoding
        self._batch_size = batch_size
        with _calm():
            try:
                self._swift = _load(checkpoint, engine, batch_size, decoding)
            except GeoSeekError:
                raise
            except Exception as error:
                if _is_memory(error):
                    raise InferStoppedError(
                        f"The model {checkpoint.model} does not fit into memory.",
                        hint="Take a smaller or quantised model, a GPU with more memory, or an --endpoint.",
                    ) from error
                raise InputError(
                    f"The model {checkpoint.model} cannot be loaded: {type(error).__name__}: {_first_line(error)}.",
                    hint="Check the folder or the name. A model on the Hugging Face hub (USE_HF=0: ModelScope) is "
                    "downloaded; HF_HUB_OFFLINE forbids that.",
                ) from error
        self._watch = _NumberWatch(self._swift.model) if engine is EngineName.TRANSFORMERS else None
        self._max_pixels = _whole_patches(decoding.max_pixels, self._swift.processor)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    @property
    def spent(self) -> Spent | None:
        """Return None: nothing was asked of a server."""
        return None

    def outcomes(self, questions: Iterable[Question], total: int) -> Generator[Outcome]:
        """Yield the outcomes in the order of the questions; batches shrink when memory runs out.

        Raises:
            InferStoppedError: Memory is too small for a single picture.
        """
        pictures = prepared(questions, pixels_of, ahead=self._batch_size + _AHEAD)
        with progress_bar(total=total, label="Locating", unit="pictures") as bar:
            for outcome in batched_outcomes(pictures, self._answer, self._batch_size):
                bar.update(1)
                yield outcome

    def _answer(self, batch: Sequence[tuple[Question, Image.Image]]) -> list[Answer]:
        from swift.infer_engine import InferRequest

        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{IMAGE_MARK}{self._form.text}"},
        ]
        limits = {} if self._max_pixels is None else {"max_pixels": self._max_pixels}
        requests = [
            InferRequest(messages=[dict(turn) for turn in messages], images=[picture], chat_template_kwargs=limits)
            for _, picture in batch
        ]
        self._seed([question.item.id for question, _ in batch])
        try:
            with _calm():
                replies = self._generate(requests)
        except _AllBrokenError:
            return [Answer(None, _NOT_A_NUMBER) for _ in batch]
        except Exception as error:
            if _is_memory(error):
                raise DeviceMemoryError(_first_line(error)) from None
            if _GPU_FAULT in str(error).lower():
                # After such a fault everything that this process asks of the GPU fails.
                raise InferStoppedError(
                    f"The GPU failed: {_first_line(error)}.",
                    hint="What was answered is kept. Run the same command again; a smaller --batch-size may help.",
                ) from error
            if len(batch) > 1:
                # One picture may spoil the whole batch.
                return [answer for one in batch for answer in self._answer([one])]
            return [Answer(None, _model_failed(error))]
        # Requests that could not be encoded never became rows of the batch.
        row = itertools.count()
        return [self._read(reply, -1 if isinstance(reply, Exception) else next(row)) for reply in replies]

    def _generate(self, requests: list[Any]) -> list[Any]:
        from swift.infer_engine import RequestConfig

        decoding = self._decoding
        config = RequestConfig(
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            max_tokens=decoding.max_tokens,
            seed=decoding.seed,
            logprobs=self._watch is None,
        )
        if self._watch is not None:
            self._watch.start()
        replies: list[Any] = self._swift.infer(requests, config, use_tqdm=False)
        return replies

    def _read(self, reply: Any, row: int) -> Answer:
        if isinstance(reply, Exception):
            if _is_memory(reply):
                raise DeviceMemoryError(_first_line(reply))
            return Answer(None, _model_failed(reply))
        choice = reply.choices[0]
        broken = self._watch.broken(row) if self._watch is not None else _has_odd_numbers(choice.logprobs)
        if broken:
            return Answer(None, _NOT_A_NUMBER)
        return Answer(str(choice.message.content or ""), None)

    def _seed(self, ids: list[str]) -> None:
        """Draw the same texts for the same batch, whatever was drawn before it."""
        if self._watch is None or not self._decoding.temperature:
            return
        import torch

        torch.manual_seed(int(stable_digest([self._decoding.seed, ids])[:15], 16))


def _load(checkpoint: Checkpoint, engine: EngineName, batch_size: int, decoding: Decoding) -> Any:
    """Return ms-swift's engine with the model; nothing of the arguments it was trained with is taken up silently."""
    try:
        import torch
        from swift.infer_engine import TransformersEngine
        from swift.model import get_model_processor, get_processor
        from swift.template import get_template
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise MissingExtraError(
            error.name or "ms-swift", extra="train", purpose="Running a model on this machine"
        ) from error
    transformers_logging.disable_progress_bar()
    if checkpoint.template == TINY_TEMPLATE:
        register_tiny_template()
    dtype = None if checkpoint.torch_dtype is None else getattr(torch, checkpoint.torch_dtype)
    # Names of models are those of the hub that `geoseek train` uses, unless the user says otherwise.
    use_hf = None if _HUB_VARIABLE in os.environ else True
    options = {"torch_dtype": dtype, "model_type": checkpoint.model_type, "use_hf": use_hf}
    adapters = [checkpoint.adapter] if checkpoint.adapter is not None else None
    try:
        if engine is EngineName.VLLM:
            from swift.infer_engine import VllmEngine

            processor = get_processor(checkpoint.model, **options)
            template = get_template(processor, template_type=checkpoint.template)
            found = VllmEngine(
                checkpoint.model,
                template=template,
                adapters=adapters,
                max_num_seqs=batch_size,
                max_model_len=_length(decoding, processor),
                max_lora_rank=_lora_rank(checkpoint.adapter),
                limit_mm_per_prompt={"image": 1},
                seed=decoding.seed,
                **options,
            )
        else:
            model, processor = get_model_processor(checkpoint.model, **options)
            template = get_template(processor, template_type=checkpoint.template)
            found = TransformersEngine(model, template=template, adapters=adapters, max_batch_size=batch_size)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            _missing_package(error), extra="train", purpose=f"The model {checkpoint.model}"
        ) from error
    found.strict = False
    return found


def _length(decoding: Decoding, processor: Any) -> int | None:
    """Return the tokens that a question and its answer need: with less to reserve, vLLM fits into more GPUs."""
    if decoding.max_pixels is None or decoding.max_tokens is None:
        return None
    needed = _PROMPT_TOKENS + decoding.max_pixels // PIXELS_PER_TOKEN + decoding.max_tokens
    own = processor.model_info.max_model_len
    return needed if own is None else min(needed, int(own))


def _lora_rank(adapter: str | None) -> int:
    """Return the rank that vLLM has to make room for."""
    if adapter is None:
        return _LORA_RANK
    try:
        settings = json.loads((Path(adapter) / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        return max(_LORA_RANK, int(settings["r"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{adapter} is no LoRA adapter: its {ADAPTER_CONFIG} cannot be read.", hint="Name its folder."
        ) from error


def _whole_patches(max_pixels: int | None, processor: Any) -> int | None:
    """Return the limit in whole patches, as ms-swift rounds the limit of a training."""
    pictures = getattr(processor, "image_processor", None)
    side = getattr(pictures, "patch_size", None), getattr(pictures, "merge_size", None)
    if max_pixels is None or not isinstance(side[0], int) or not isinstance(side[1], int):
        return max_pixels
    patch = (side[0] * side[1]) ** 2
    return max(max_pixels // patch, 1) * patch


class _AllBrokenError(Exception):
    """Every row of a batch is NaN."""


class _NumberWatch:
    """Looks at the scores of every token, and keeps NaN away from the draw, where it would end the process's GPU."""

    def __init__(self, model: Any) -> None:
        self._rows: Any = None
        model.get_output_embeddings().register_forward_hook(self._look)

    def start(self) -> None:
        """Begin a batch."""
        self._rows = None

    def broken(self, row: int) -> bool:
        """Return whether a row of the batch met values that are no numbers."""
        return self._rows is not None and bool(self._rows[row])

    def _look(self, module: Any, inputs: Any, scores: Any) -> Any:  # noqa: ARG002 - torch's signature of a hook
        import torch

        broken = ~torch.isfinite(scores[:, -1]).all(dim=-1)
        self._rows = broken if self._rows is None or len(self._rows) != len(broken) else self._rows | broken
        if bool(self._rows.all()):
            raise _AllBrokenError
        return torch.nan_to_num(scores)


def _has_odd_numbers(logprobs: Any) -> bool:
    tokens = (logprobs or {}).get("content") or ()
    return any(not -float("inf") < token["logprob"] < float("inf") for token in tokens)


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Keep what libraries print off stdout, which holds data alone, and their hints for programmers off stderr."""
    own = {name: value for name, value in _QUIET.items() if name not in os.environ}
    os.environ.update(own)
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in own:
            os.environ.pop(name, None)


def _is_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(one in words for one in _OOM_WORDS)


def _model_failed(error: BaseException) -> str:
    return f"model_failed: {type(error).__name__}: {_first_line(error)}"


def _missing_package(error: ModuleNotFoundError) -> str:
    """Return the name of a missing package; ms-swift puts it into a sentence."""
    name = str(error.name or error)
    quoted = re.search(r"'([\w.-]+)'", name)
    return quoted[1] if quoted else name


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:300].rstrip(".")
