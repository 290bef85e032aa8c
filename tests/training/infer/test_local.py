"""The engine of ms-swift with the tiny model: what it says is noise, what becomes of it is not."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geoseek.formats import GRPO_QUESTION, IMAGE_MARK, SFT_QUESTION, SYSTEM
from geoseek.schemas import Decoding, InputError
from geoseek.training.checkpoints import Checkpoint
from geoseek.training.infer import EngineName, InferRequest, InferStoppedError, QuestionForm, run_infer
from geoseek.training.infer.engine import Outcome
from geoseek.training.infer.local import LocalEngine, _is_memory, _NumberWatch
from geoseek.training.infer.pictures import Item, Question, pixels_of
from geoseek.training.tiny import build_tiny
from tests.formats.exports import jpeg, write_export
from tests.training.infer.stub import png, rows

pytestmark = [pytest.mark.train, pytest.mark.slow]

DECODING = Decoding(temperature=0, top_p=None, max_tokens=12, max_pixels=28 * 28 * 16, seed=None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of `geoseek train` in a workspace with an export."""
    workspace = tmp_path_factory.mktemp("local")
    (workspace / "geoseek.yaml").write_text("seed: 3\ntrain: {recipe: cpu-smoke}\n")
    write_export(workspace / "export")
    folder = workspace / "runs" / "cpu-smoke"
    build_tiny(folder / "model", seed=1)
    Checkpoint(
        model="model",
        adapter=None,
        model_type="qwen2_5_vl",
        template="qwen2_5_vl",
        torch_dtype="float32",
        max_pixels=28 * 28 * 16,
        recipe="cpu-smoke",
        stage="sft",
        question="sft",
    ).write(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(run: Path) -> LocalEngine:
    return LocalEngine(Checkpoint.read(run), EngineName.TRANSFORMERS, QuestionForm.GRPO, DECODING, batch_size=3)


@pytest.fixture
def engine(loaded: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    """Return the engine; what a test does to it is undone."""
    for name in ("_decoding", "_batch_size"):
        monkeypatch.setattr(loaded, name, getattr(loaded, name))
    return loaded


def questions(count: int) -> list[Question]:
    return [Question(n, Item(f"photo of Paris {n}.jpg", jpeg(n, (112, 84), position=True))) for n in range(count)]


def ask(engine: LocalEngine, count: int) -> list[Outcome]:
    return list(engine.outcomes(questions(count), count))


def test_split_by_the_last_checkpoint(run: Path) -> None:
    workspace = run.parents[1]
    request = InferRequest(workspace, max_tokens=8, batch_size=3)
    result = run_infer(request)
    assert result.output == run / "predictions" / "val.jsonl"
    found = rows(result)
    assert [row.id for row in found] == [f"pool:val-{n}" for n in range(4)]
    for row in found:
        assert row.error is None
        assert row.text is not None
        assert (row.model, row.decoding.max_pixels) == ("cpu-smoke/sft", 28 * 28 * 16)
    content = result.output.read_bytes()
    assert run_infer(request).up_to_date
    assert run_infer(replace(request, force=True, batch_size=2)).output.read_bytes() == content
    manifest = json.loads((run / "predictions" / "val.manifest.json").read_text())
    assert manifest["question"] == "sft"
    assert "model.safetensors" in manifest["model"]["model"]["files"]
    assert "torch" in manifest["versions"]
    assert str(workspace) not in json.dumps(manifest)


def test_model_sees_pixels_and_the_words_of_training(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    generate = engine._generate

    def spy(requests: list[Any]) -> list[Any]:
        seen.extend(requests)
        return generate(requests)

    monkeypatch.setattr(engine, "_generate", spy)
    ask(engine, 2)
    for request in seen:
        assert request.messages == [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{IMAGE_MARK}{GRPO_QUESTION}"},
        ]
        (picture,) = request.images
        assert (picture.mode, picture.size, picture.info) == ("RGB", (112, 84), {})
        assert not picture.getexif()
        assert "Paris" not in repr(request)
    assert SFT_QUESTION != GRPO_QUESTION


def test_pictures_are_as_large_as_in_training(engine: LocalEngine) -> None:
    from swift.infer_engine import InferRequest as Asked
    from swift.infer_engine import RequestConfig

    def tokens(max_pixels: int) -> int:
        asked = Asked(
            messages=[{"role": "user", "content": "<image>?"}],
            images=[pixels_of(png((560, 280), "red"))],
            chat_template_kwargs={"max_pixels": max_pixels},
        )
        (reply,) = engine._swift.infer([asked], RequestConfig(max_tokens=1, temperature=0), use_tqdm=False)
        return int(reply.usage.prompt_tokens)

    # 560 x 280 pixels are 20 x 10 tokens of 28 x 28 pixels; with room for 50 they are 10 x 5.
    assert tokens(10**6) - tokens(50 * 28 * 28) == 200 - 50


def test_broken_weights_become_errors_and_not_words(engine: LocalEngine) -> None:
    import torch

    weights = engine._swift.model.get_output_embeddings().weight
    kept = weights.data[7].clone()
    try:
        weights.data[7] = torch.nan
        outcomes = ask(engine, 4)
    finally:
        weights.data[7] = kept
    assert [outcome.text for outcome in outcomes] == [None] * 4
    assert all(str(outcome.error).startswith("not_a_number: ") for outcome in outcomes)
    assert all(outcome.error is None for outcome in ask(engine, 4))


def test_only_the_rows_with_nan_are_marked() -> None:
    import torch

    class Model:
        head = torch.nn.Identity()

        def get_output_embeddings(self) -> Any:
            return self.head

    model = Model()
    watch = _NumberWatch(model)
    scores = torch.zeros(3, 2, 5)
    scores[1, -1, 2] = torch.nan
    scores[2, 0, 2] = torch.inf
    cleaned = model.head(scores)
    assert torch.isfinite(cleaned[:, -1]).all()
    model.head(torch.zeros(3, 1, 5))
    assert [watch.broken(row) for row in range(3)] == [False, True, False]
    watch.start()
    assert not watch.broken(1)


def test_draw_depends_on_the_seed_alone(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {}
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        monkeypatch.setattr(engine, "_decoding", DECODING.model_copy(update={"temperature": 1.5, "seed": seed}))
        texts[name] = [outcome.text for outcome in ask(engine, 3)]
    assert texts["first"] == texts["again"] != texts["other"]


def test_memory_that_runs_out_makes_batches_smaller(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    sizes: list[int] = []
    generate = engine._generate

    def narrow(requests: list[Any]) -> list[Any]:
        sizes.append(len(requests))
        if len(requests) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return generate(requests)

    monkeypatch.setattr(engine, "_generate", narrow)
    assert all(outcome.text is not None for outcome in ask(engine, 5))
    assert sizes == [3, 1, 1, 1, 1, 1]

    def nothing_fits(requests: list[Any]) -> list[Any]:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(engine, "_generate", nothing_fits)
    with pytest.raises(InferStoppedError) as caught:
        ask(engine, 5)
    for setting in ("--batch-size", "--max-pixels", "--max-tokens"):
        assert setting in str(caught.value)


def test_gpu_that_fails_ends_the_run(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(requests: list[Any]) -> list[Any]:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(engine, "_generate", broken)
    with pytest.raises(InferStoppedError, match="device-side assert"):
        ask(engine, 5)


def test_what_counts_as_out_of_memory() -> None:
    import torch

    assert _is_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert _is_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert _is_memory(MemoryError())
    assert not _is_memory(RuntimeError("shape mismatch"))


def test_one_picture_cannot_spoil_its_batch(engine: LocalEngine) -> None:
    strip = Question(1, Item("strip.png", png((4000, 1), "red")))
    mixed = [questions(1)[0], strip, questions(3)[2]]
    outcomes = list(engine.outcomes(mixed, 3))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert str(outcomes[1].error).startswith("model_failed: ")


def test_adapter_on_top(run: Path, loaded: LocalEngine, tmp_path: Path) -> None:
    import peft
    import transformers

    adapter = tmp_path / "lora"
    whole = Checkpoint.read(run)
    model = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(whole.model)
    settings = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    peft.get_peft_model(model, settings).save_pretrained(adapter)
    tuned = LocalEngine(
        whole.model_copy(update={"adapter": str(adapter)}), EngineName.TRANSFORMERS, QuestionForm.GRPO, DECODING, 3
    )
    assert any("lora" in name for name, _ in tuned._swift.model.named_parameters())
    assert [one.text for one in ask(tuned, 3)] != [one.text for one in ask(loaded, 3)]


def test_vllm_is_called_as_ms_swift_defines_it(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM itself needs a GPU; the names of its arguments do not."""
    import swift.infer_engine

    source = Path(swift.infer_engine.__file__).with_name("vllm_engine.py").read_text(encoding="utf-8")
    (engine,) = (
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "VllmEngine"
    )
    (start,) = (node for node in engine.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    called: list[dict[str, Any]] = []

    class Recorder:
        def __init__(self, model: str, *, template: Any, **options: Any) -> None:
            self.processor = template.processor
            called.append({"model_id_or_path": model, "template": template, **options})

        def infer(self, requests: list[Any], config: Any, use_tqdm: bool) -> list[Any]:
            assert config.logprobs
            assert not use_tqdm
            tokens = [{"logprob": -0.1}, {"logprob": float("nan")}]
            message = SimpleNamespace(content="x")
            choices = [SimpleNamespace(message=message, logprobs={"content": tokens[:end]}) for end in (1, 2)]
            return [SimpleNamespace(choices=[choices[n % 2]]) for n, _ in enumerate(requests)]

    monkeypatch.setitem(vars(swift.infer_engine), "VllmEngine", Recorder)
    monkeypatch.delenv("USE_HF", raising=False)
    (tmp_path / "adapter_config.json").write_text('{"r": 64}')
    checkpoint = Checkpoint.read(run).model_copy(update={"adapter": str(tmp_path)})
    found = ask(LocalEngine(checkpoint, EngineName.VLLM, QuestionForm.GRPO, DECODING, batch_size=4), 2)
    assert [outcome.text for outcome in found] == ["x", None]
    assert str(found[1].error).startswith("not_a_number")
    (options,) = called
    assert set(options) <= {argument.arg for argument in (*start.args.args, *start.args.kwonlyargs)}
    assert (options["max_lora_rank"], options["max_num_seqs"]) == (64, 4)
    assert options["max_model_len"] == 4096 + 16 + 12
    assert options["use_hf"] is True


def test_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    checkpoint = Checkpoint(
        model=str(tmp_path),
        adapter=None,
        model_type="qwen2_5_vl",
        template="qwen2_5_vl",
        torch_dtype=None,
        max_pixels=None,
        recipe="",
        stage="",
        question="grpo",
    )
    with pytest.raises(InputError, match="cannot be loaded"):
        LocalEngine(checkpoint, EngineName.TRANSFORMERS, QuestionForm.GRPO, DECODING, 1)
