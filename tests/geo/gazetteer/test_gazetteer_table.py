from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from geoseek.geo.distance import haversine_km
from geoseek.geo.gazetteer.build import centroids
from geoseek.geo.gazetteer.fuzzy import KeyCache, Keys, allowed_edits
from geoseek.geo.gazetteer.table import NameTable, hash_key, table_arrays

ROWS = st.lists(
    st.tuples(
        st.text(max_size=6),
        st.integers(0, 50),
        st.floats(-5, 5, width=32),
        st.integers(0, 3),
    ),
    max_size=40,
)


def _table(rows: list[tuple[str, int, float, int]]) -> NameTable:
    arrays = table_arrays(
        [row[0] for row in rows],
        np.array([row[1] for row in rows], dtype=np.int32),
        np.array([row[2] for row in rows], dtype=np.float32),
        np.array([row[3] for row in rows], dtype=np.uint8),
    )
    return NameTable(*(arrays[f"table_{name}"].data for name in ("hash", "entity", "bucket", "rank")))


@pytest.fixture(scope="module")
def small_table() -> NameTable:
    return _table([("a", 1, 0.0, 0), ("a", 2, 3.0, 3), ("b", 5, 1.0, 0), ("c", 9, 0.0, 3)])


def test_the_best_row_comes_first(small_table: NameTable) -> None:
    assert small_table.find("a") == [2, 1]
    assert small_table.find("b") == [5]
    assert small_table.find("d") == []
    assert small_table.find("") == []


def test_strict_answers_keep_the_best_standing(small_table: NameTable) -> None:
    assert small_table.find_strict("a") == [1]
    assert small_table.find_strict("c") == [9]
    assert small_table.find_strict("d") == []


@given(ROWS)
def test_table_answers_like_a_dictionary(rows: list[tuple[str, int, float, int]]) -> None:
    table = _table(rows)
    for key in {row[0] for row in rows} | {"nothing"}:
        mine = sorted(((-score, entity) for name, entity, score, _ in rows if name == key))
        assert table.find(key) == [entity for _, entity in mine]


def test_hashes_are_the_same_everywhere() -> None:
    assert hash_key("PCNhefei") == 0x34A073FBD8F5A364
    assert hash_key("\ud800") == hash_key("?")


@given(st.text("abcd", min_size=1, max_size=12), st.lists(st.text("abcd", min_size=1, max_size=12), max_size=30))
def test_nearest_keys_are_those_of_a_full_scan(key: str, known: list[str]) -> None:
    names = sorted(set(known), key=lambda name: (len(name), name))
    edits, entities = Keys(names, list(range(len(names)))).near(key)
    distances = {i: OSA.distance(key, name) for i, name in enumerate(names)}
    least = min(distances.values(), default=99)
    if least <= allowed_edits(key) and allowed_edits(key):
        assert edits == least
        assert sorted(entities) == [i for i, distance in distances.items() if distance == least]
    else:
        assert (edits, entities) == (0, [])


def test_cache_of_keys_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseek.geo.gazetteer.fuzzy.MAX_KEYS_IN_MEMORY", 5)
    loaded: list[int] = []

    def load(unit: int) -> Keys:
        loaded.append(unit)
        return Keys(["a", "b"], [unit, unit])

    cache = KeyCache(load)
    for unit in (1, 2, 1, 3, 1, 2):
        assert cache.get(unit).entities == [unit, unit]
    assert loaded == [1, 2, 3, 2]


def test_centroid_is_a_member_and_outliers_hardly_move_it() -> None:
    lat, lng = np.array([10.0, 10.1, 10.2, 60.0]), np.array([5.0, 5.1, 5.0, 90.0])
    middle = centroids(lat, lng, np.ones(4), np.zeros(4, dtype=np.int64), 2)
    assert (middle[0][0], middle[1][0]) in set(zip(lat, lng, strict=True))
    assert middle[0][0] < 11
    assert np.isnan(middle[0][1])


def test_centroid_knows_no_antimeridian() -> None:
    lat, lng = np.array([-17.0, -17.2, -16.8]), np.array([179.5, -179.9, -179.0])
    middle = centroids(lat, lng, np.ones(3), np.zeros(3, dtype=np.int64), 1)
    assert float(haversine_km(middle[0][0], middle[1][0], -17.0, -179.8)) < 100


def test_centroid_follows_the_weights() -> None:
    lat, lng = np.array([0.0, 1.0, 2.0]), np.zeros(3)
    middle = centroids(lat, lng, np.array([1.0, 1.0, 10.0]), np.zeros(3, dtype=np.int64), 1)
    assert middle[0][0] == 2.0
