"""The reward by meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.endpoints import FALLBACK_MODEL, Embedder
from geoseek.schemas import MissingExtraError
from geoseek.training.rewards import Resources, Truth, gated_similarity, geo_semantic
from geoseek.training.rewards.semantic import answer_names
from geoseek.training.rewards.settings import GeoSemanticSettings

HEFEI = Truth(solution="<answer>China; Anhui; Hefei</answer>")
UNIT = st.floats(0, 1)


class Model:
    """A sentence model that knows the angle of some names, and is asked for each name once."""

    def __init__(self, degrees: dict[str, float]) -> None:
        self.degrees = degrees
        self.asked: list[str] = []

    def encode(self, sentences: list[str], /, **_: Any) -> Any:
        self.asked += sentences
        angles = np.radians([self.degrees.get(sentence, 90.0) for sentence in sentences])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def resources_of(model: Model) -> Resources:
    return Resources(embedder=Embedder(model, name="drawn", revision="1"))


def test_gates_and_weights_by_hand() -> None:
    model = Model({"China": 0, "Anhui": 0, "Hefei": 0, "Cathay": 30, "Hubei": 55, "Jiangsu": 65, "Mongolia": 60})
    said = [
        "China; Anhui; Hefei",
        "Cathay; Hubei; Hefei",  # cos 30° = 0.866, cos 55° = 0.574: both gates open
        "China; Jiangsu; Hefei",  # cos 65° = 0.423: the place is shut out
        "Mongolia; Anhui; Hefei",  # cos 60° = 0.5: all but the country is shut out
        "China; ; Hefei",
        "",
    ]
    batch = geo_semantic(said, [HEFEI] * len(said), resources=resources_of(model))
    expected = [1.0, 0.1 * 0.8660 + 0.6 * 0.5736 + 0.3, 0.1 + 0.6 * 0.4226, 0.1 * 0.5, 0.1, 0.0]
    assert batch.values == pytest.approx(expected, abs=1e-3)
    assert batch.details[3]["similarity"] == {"country": 0.5, "region": 1.0, "place": 1.0}


def test_each_distinct_name_is_embedded_once() -> None:
    model = Model({})
    geo_semantic(["China; Anhui; Hefei", "China; Hubei; Wuhan"] * 50, [HEFEI] * 100, resources=resources_of(model))
    assert sorted(model.asked) == ["Anhui", "China", "Hefei", "Hubei", "Wuhan"]


def test_nan_of_the_model_is_no_likeness() -> None:
    model = Model(dict.fromkeys(("China", "Anhui", "Hefei"), np.nan))
    batch = geo_semantic(["China; Anhui; Hefei"], [HEFEI], resources=resources_of(model))
    assert batch.values == [0.0]


def test_truth_may_be_in_columns() -> None:
    model = Model({"China": 0, "Anhui": 0, "Hefei": 0})
    truth = Truth(country="China", region="Anhui", place="Hefei")
    assert geo_semantic(["China; Anhui; Hefei"], [truth], resources=resources_of(model)).values == pytest.approx([1.0])
    assert geo_semantic(["China; Anhui; Hefei"], [Truth()], resources=resources_of(model)).values == [0.0]


@given(UNIT, UNIT, UNIT)
def test_the_sum_stays_in_bounds(country: float, region: float, place: float) -> None:
    assert 0 <= gated_similarity((country, region, place)) <= 1 + 1e-9


@given(st.text(), st.text(), st.text())
def test_names_keep_their_position(country: str, region: str, place: str) -> None:
    names = answer_names(f"{country};{region};{place}")
    assert len(names) == 3


def test_without_the_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseek.endpoints.embeddings.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="sentence-transformers"):
        geo_semantic(["China; Anhui; Hefei"], [HEFEI], resources=Resources())
    assert geo_semantic([""], [HEFEI], resources=Resources()).values == [0.0]


@pytest.mark.train
def test_the_offline_model_knows_near_from_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path))
    settings = GeoSemanticSettings(model=FALLBACK_MODEL, device="cpu")
    said = ["China; Anhui Province; Hefei City", "France; Brittany; Rennes"]
    near, far = geo_semantic(said, [HEFEI, HEFEI], settings, Resources()).values
    assert near is not None
    assert far is not None
    assert near > 0.6 > far >= 0
    assert any((tmp_path / "embeddings").iterdir())
