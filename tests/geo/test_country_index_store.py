from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from geoseek.geo import CountryIndex, country_index_store, load_country_index
from geoseek.geo.boundaries import unit_codes
from geoseek.schemas import OutputError

SQUARES = {"AA": shapely.box(0, 0, 1, 1), "BB": shapely.box(1, 0, 2.5, 1)}
TWO_PROCESSES = """
import geopandas as gpd, numpy as np, shapely
from geoseek.geo import country_index_store as store
table = gpd.GeoDataFrame({"code": ["AA", "BB"]}, geometry=[shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2.5, 1)])
store.unit_codes = lambda boundaries: {"a": "AA", "b": "BB"}
store.load_country_polygons = lambda boundaries: table
print(store.load_country_index().locate(np.array([0.5, 0.5, 5.0]), np.array([0.5, 2.0, 5.0]))[0].tolist())
"""


@pytest.fixture
def squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two square countries in an empty cache; counts how often an index is built."""
    built: list[int] = []
    table = gpd.GeoDataFrame({"code": list(SQUARES)}, geometry=list(SQUARES.values()))
    original: Callable[..., object] = country_index_store.build_arrays

    def counted(*arguments: object) -> object:
        built.append(1)
        return original(*arguments)

    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(country_index_store, "_loaded", {})
    monkeypatch.setattr(country_index_store, "unit_codes", lambda _: {"a": "AA", "b": "BB"})
    monkeypatch.setattr(country_index_store, "load_country_polygons", lambda _: table)
    monkeypatch.setattr(country_index_store, "build_arrays", counted)
    return built


def forget() -> None:
    country_index_store._loaded.clear()


def answers(index: CountryIndex) -> list[int]:
    found: list[int] = index.locate(np.array([0.5, 0.5, 5.0]), np.array([0.5, 2.0, 5.0]))[0].tolist()
    return found


def cache_file(folder: Path) -> Path:
    (path,) = (folder / "country-index").iterdir()
    return path


def test_built_once_then_read_then_shared(squares: list[int], tmp_path: Path) -> None:
    first = load_country_index()
    assert load_country_index() is first
    forget()
    second = load_country_index()
    assert len(squares) == 1
    assert (first.codes, first.key) == (second.codes, second.key)
    assert answers(first) == answers(second) == [0, 1, -1]
    assert cache_file(tmp_path).suffix == ".npz"


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "other"])
def test_a_damaged_cache_is_built_again(squares: list[int], tmp_path: Path, damage: str) -> None:
    load_country_index()
    path = cache_file(tmp_path)
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[len(content) // 2] ^= 0xFF
    elif damage == "empty":
        content = bytearray()
    path.write_bytes(content)
    if damage == "other":
        with path.open("wb") as file:
            np.savez(file, top=np.arange(3))
    forget()
    assert answers(load_country_index()) == [0, 1, -1]
    assert len(squares) == 2
    forget()
    load_country_index()
    assert len(squares) == 2, "the damaged file was replaced"


def test_equal_polygons_give_equal_bytes(squares: list[int], tmp_path: Path) -> None:
    load_country_index()
    path = cache_file(tmp_path)
    first = path.read_bytes()
    path.unlink()
    forget()
    load_country_index()
    assert path.read_bytes() == first


def test_an_unwritable_cache_says_what_to_do(
    squares: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "country-index").mkdir()

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", no_space)
    with pytest.raises(OutputError, match="GEOSEEK_CACHE_DIR"):
        load_country_index()
    assert list((tmp_path / "country-index").iterdir()) == []


@pytest.mark.slow
def test_two_processes_build_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path))
    root = str(Path(__file__).parents[2])
    both = [
        subprocess.Popen([sys.executable, "-c", TWO_PROCESSES], stdout=subprocess.PIPE, text=True, cwd=root)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["[0, 1, -1]"] * 2
    assert cache_file(tmp_path).suffix == ".npz"


@pytest.mark.slow
def test_a_boundary_table_changes_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path))
    mine = tmp_path / "mine.csv"
    mine.write_text("unit,country_code\nKosovo,RS\nSiachen Glacier,\n", encoding="utf-8")
    index = load_country_index(mine)
    country, _ = index.locate(np.array([42.6, 44.8, 35.4]), np.array([21.0, 20.5, 77.2]))
    assert [index.codes[i] if i >= 0 else None for i in country] == ["RS", "RS", None]
    assert "XK" not in index.codes
    assert set(index.codes) == {code for code in unit_codes(mine).values() if code}
    assert index.key != load_country_index().key
