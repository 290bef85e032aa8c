"""The tiny model: the real classes, equal bytes, a tokenizer that knows the words it was given."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from geoseek.schemas import InputError, MissingExtraError, UsageError
from geoseek.training.tiny import (
    FIRST_SPECIAL_ID,
    SPECIAL_TOKENS,
    TINY_TEMPLATE,
    TINY_TEMPLATE_PATH,
    TinyShape,
    build_tiny,
    texts_of,
)

TEXTS = ["The road is lined with palms, so this is Thailand."] * 3 + ['{"Conclusion": "Ελλάδα"}'] * 3
BUILD = (
    "import sys; from pathlib import Path; from geoseek.training.tiny import build_tiny;"
    "build_tiny(Path(sys.argv[1]), seed=int(sys.argv[2]), texts=sys.argv[3:], qwen_ids=False)"
)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    }


def built(folder: Path, seed: int) -> dict[str, str]:
    """Build in another process, with another hash seed."""
    env = {**os.environ, "PYTHONHASHSEED": str(seed), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", BUILD, str(folder), "5", *TEXTS], check=True, env=env, capture_output=True)
    return digests(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny") / "model", seed=5, texts=TEXTS, qwen_ids=False)


@pytest.fixture(scope="module")
def processor(tiny: Path) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(tiny)


@pytest.mark.train
@pytest.mark.slow
def test_equal_seeds_give_equal_bytes_in_every_process(tiny: Path, tmp_path: Path) -> None:
    here, there = digests(tiny), built(tmp_path / "there", 1)
    assert {"config.json", "model.safetensors", "tokenizer.json", "processor_config.json"} <= set(here)
    assert here == there
    other = digests(build_tiny(tmp_path / "other", seed=6, texts=TEXTS, qwen_ids=False))
    assert {name for name in here if here[name] != other[name]} == {"model.safetensors"}


@pytest.mark.train
def test_classes_are_those_of_qwen(tiny: Path, processor: Any) -> None:
    config = json.loads((tiny / "config.json").read_text())
    assert config["architectures"] == ["Qwen2_5_VLForConditionalGeneration"]
    assert type(processor).__name__ == "Qwen2_5_VLProcessor"
    assert processor.image_token_id == config["image_token_id"] < config["text_config"]["vocab_size"]


@pytest.mark.train
@pytest.mark.parametrize(
    "text", [TEXTS[0], "Ünïcode 日本語 \r\n\t <|im_end|> 🏔", "", '{"a": "\\u003c"}', " ", "한국어"]
)
def test_every_text_survives_the_tokenizer(processor: Any, text: str) -> None:
    ids = processor.tokenizer(text)["input_ids"]
    assert processor.tokenizer.decode(ids) == text


@pytest.mark.train
def test_words_that_were_given_are_single_tokens(processor: Any) -> None:
    words = processor.tokenizer(" Thailand")["input_ids"]
    assert len(words) == 1
    assert len(processor.tokenizer(" Mongolia")["input_ids"]) > 3
    assert [len(processor.tokenizer(token)["input_ids"]) for token in SPECIAL_TOKENS] == [1] * len(SPECIAL_TOKENS)


@pytest.mark.train
def test_ids_of_qwen_are_kept_on_request(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    folder = build_tiny(tmp_path / "model", seed=5, shape=TinyShape(hidden_size=32, heads=4))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected = list(range(FIRST_SPECIAL_ID, FIRST_SPECIAL_ID + len(SPECIAL_TOKENS)))
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == expected
    assert tokenizer.convert_tokens_to_ids("<|image_pad|>") == 151_655
    config = AutoConfig.from_pretrained(folder)
    assert (config.image_token_id, config.video_token_id) == (151_655, 151_656)
    assert config.text_config.vocab_size == len(tokenizer) == 151_657


@pytest.mark.train
def test_pictures_change_what_the_model_says(tiny: Path, processor: Any) -> None:
    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(tiny).eval()
    text = "<|vision_start|><|image_pad|><|vision_end|>Where?"

    def logits(colour: str) -> Any:
        inputs = processor(text=[text], images=[Image.new("RGB", (112, 84), colour)], return_tensors="pt")
        with torch.no_grad():
            return model(**inputs).logits[0, -1]

    assert torch.equal(logits("green"), logits("green"))
    assert not torch.allclose(logits("green"), logits("orange"))


@pytest.mark.train
def test_an_earlier_model_is_replaced_whole(tmp_path: Path) -> None:
    folder = build_tiny(tmp_path / "model", seed=5, texts=TEXTS, qwen_ids=False)
    before = digests(folder)
    (folder / "model.safetensors").write_bytes(b"torn")
    assert digests(build_tiny(folder, seed=5, texts=TEXTS, qwen_ids=False)) == before


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"hidden_size": 30}, "hidden_size 30 cannot be shared by 2 heads"),
        ({"hidden_size": 0}, "hidden_size 0"),
        ({"heads": 0}, "by 0 heads"),
        ({"vision_hidden_size": 12}, "vision_hidden_size 12"),
        ({"layers": 0}, "at least one layer"),
    ],
)
def test_sizes_that_cannot_be(shape: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TinyShape(**shape)


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_missing_package_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=package) as caught:
        build_tiny(tmp_path / "model", seed=1)
    assert "geoseek[train]" in str(caught.value.hint)
    assert not (tmp_path / "model").exists()


def test_texts_are_every_turn_and_the_solutions(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Peru"}]},
        {"messages": [{"role": "user", "content": "And here?"}], "solution": "Chile", "lat": 1.0},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert list(texts_of(path, path)) == ["Where?", "Peru", "And here?", "Chile"] * 2


@pytest.mark.parametrize("line", ['{"messages": ', "[1]"])
def test_rows_that_are_no_rows(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"messages": []}\n' + line)
    with pytest.raises(InputError, match=r"rows\.jsonl"):
        list(texts_of(path))
    with pytest.raises(InputError, match="cannot be read"):
        list(texts_of(tmp_path / "none.jsonl"))


def test_importing_needs_no_torch() -> None:
    heavy = "('torch', 'swift', 'transformers')"
    code = f"import sys, geoseek.training.tiny; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.train
@pytest.mark.slow
def test_swift_loads_the_template_once() -> None:
    code = (
        "from swift.utils import import_external_file\n"
        "from swift.template import TEMPLATE_MAPPING\n"
        f"import_external_file({str(TINY_TEMPLATE_PATH)!r})\n"
        f"first = TEMPLATE_MAPPING[{TINY_TEMPLATE!r}]\n"
        "from geoseek.training.tiny import register_tiny_template\n"
        "register_tiny_template()\n"
        f"print(TEMPLATE_MAPPING[{TINY_TEMPLATE!r}] is first, first.template_cls.version)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1] == "True v2_5"
