"""The draw on a frame, against the same design computed unit by unit in plain numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from geoseek.sampling.cells import collect_cells, count_cells
from geoseek.sampling.draw import design_inclusion, draw
from geoseek.sampling.frame import FramePart
from geoseek.sampling.hashing import permanent_random_numbers, stream_key
from geoseek.sampling.pareto import pareto_ranking

COUNTRIES = 3
CELLS = 64_800


def _part(folder: Path, key: npt.NDArray[np.int32], identity: npt.NDArray[np.uint64]) -> FramePart:
    folder.mkdir(parents=True)
    key.tofile(folder / "key")
    identity.tofile(folder / "id")
    return FramePart(folder, 0, 0, 0, len(key), len(key), {}, 0, 0, 0)


def _frame(tmp_path: Path, rows: int = 5000) -> tuple[list[FramePart], npt.NDArray[np.int32], npt.NDArray[np.uint64]]:
    rng = np.random.default_rng(0)
    cell = rng.choice(40, rows, p=np.arange(1, 41) / 820) + 30_000
    country = rng.choice(COUNTRIES, rows, p=[0.9, 0.09, 0.01])
    key = (country * CELLS + cell).astype(np.int32)
    identity = rng.integers(0, 2**63, rows).astype(np.uint64)
    pieces = np.array_split(np.arange(rows), 3)
    return [_part(tmp_path / str(i), key[p], identity[p]) for i, p in enumerate(pieces)], key, identity


@pytest.mark.parametrize("slack_case", [(300, 40, 5), (4000, 400, 20), (1, 1, 1), (0, 10, 0)])
def test_equals_the_brute_force_ranking(tmp_path: Path, slack_case: tuple[int, int, int]) -> None:
    parts, key, identity = _frame(tmp_path)
    table = collect_cells(parts, COUNTRIES)
    count, _ = count_cells(parts, table, None)
    people = np.power(10.0, 1.0 + np.arange(len(table)) % 6)
    take = np.array(slack_case)
    reserve = np.array([30, 5, 2])
    design = design_inclusion(table, people, count, take, reserve)
    stream = stream_key(3, "loc")
    drawn = draw(parts, table, design, status=None, key=stream)
    prn = permanent_random_numbers(identity, stream)
    position = table.locate(key)
    ranking = pareto_ranking(prn, design.inclusion[position])
    offsets = np.cumsum([0, *(part.kept for part in parts)])
    for country in range(COUNTRIES):
        mine = drawn.country == country
        found = (offsets[drawn.part] + drawn.position)[mine]
        units = np.flatnonzero(table.country[position] == country)
        wanted = min(len(units), take[country] + reserve[country]) if take[country] else 0
        best = units[np.lexsort((prn[units], ranking[units]))][:wanted]
        assert found.tolist() == best.tolist()
        assert drawn.rank[mine].tolist() == list(range(1, wanted + 1))
        assert (~drawn.reserve[mine]).sum() == min(take[country], wanted)


def test_inclusion_probabilities_sum_to_the_take_and_follow_log_population(tmp_path: Path) -> None:
    parts, _, _ = _frame(tmp_path)
    table = collect_cells(parts, COUNTRIES)
    count, _ = count_cells(parts, table, None)
    people = np.power(10.0, 1.0 + np.arange(len(table)) % 6)
    take = np.array([60, 10, 2])
    design = design_inclusion(table, people, count, take, np.zeros(3, dtype=np.int64))
    sums = np.bincount(table.country, design.inclusion * count)
    assert np.allclose(sums, take)
    first = table.country == 0
    expected = np.log1p(people[first])
    assert (design.inclusion < 1).all()
    assert np.allclose((design.inclusion * count)[first], 60 * expected / expected.sum())


def test_small_strata_store_the_exact_probability(tmp_path: Path) -> None:
    """Two units of sizes 1 and 3, one drawn: Pareto sampling favours the larger a little less than the target."""
    identity = np.array([1, 2], dtype=np.uint64)
    parts = [_part(tmp_path / "a", np.array([5, 6], dtype=np.int32), identity)]
    table = collect_cells(parts, 1)
    count, _ = count_cells(parts, table, None)
    people = np.expm1(np.array([1.0, 3.0]))
    design = design_inclusion(table, people, count, np.array([1]), np.array([0]))
    assert np.allclose(design.inclusion, [0.25, 0.75])
    assert design.exact.tolist() == [True]
    rng = np.random.default_rng(1)
    u = rng.uniform(size=(200_000, 2))
    first = (pareto_ranking(u, design.inclusion).argmin(axis=1) == 0).mean()
    assert design.reported[0] == pytest.approx(first, abs=4 * np.sqrt(0.25 / 200_000))
    assert design.reported[0] != pytest.approx(0.25, abs=1e-3)


def test_status_column_keeps_rows_out(tmp_path: Path) -> None:
    parts, _, _ = _frame(tmp_path)
    for part in parts:
        part.set_status("loc", (np.arange(part.kept) % 2).astype(np.uint8))
    table = collect_cells(parts, COUNTRIES)
    count, _ = count_cells(parts, table, "loc")
    assert count.sum() == sum((part.kept + 1) // 2 for part in parts)
    design = design_inclusion(table, np.ones(len(table)), count, np.array([500, 50, 5]), np.zeros(3, dtype=np.int64))
    drawn = draw(parts, table, design, status="loc", key=stream_key(0, "loc"))
    assert len(drawn) == 555
    assert (drawn.position % 2 == 0).all()
