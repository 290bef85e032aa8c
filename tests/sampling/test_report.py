from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from geoseek.geo import cell_of
from geoseek.sampling.balance import (
    BalanceReport,
    BenchmarkProximity,
    FoldedTerritory,
    MissingFigure,
    PoolSummary,
    Shortfall,
    SplitBalance,
    split_balance,
)
from geoseek.sampling.report import render_report, terminal_table
from geoseek.sampling.report_words import verdict, why
from geoseek.schemas import OutputError, RejectReason

Floats = npt.NDArray[np.float64]
Points = dict[str, tuple[Floats, Floats]]

RINGS = [np.array([[-20.0, -30.0], [-20.0, 35.0], [50.0, 35.0], [50.0, -30.0], [-20.0, -30.0]])]
HOSTILE = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>"


def make_split(
    name: str, countries: int, rows: int, *, pool: bool = True, seed: int = 1, country: str = "Country"
) -> tuple[SplitBalance, tuple[Floats, Floats]]:
    rng = np.random.default_rng(seed)
    target = rng.dirichlet(np.full(countries, 0.3))
    allocated = rng.multinomial(rows, target)
    allocated[0] = 0
    rows = int(allocated.sum())
    lat, lng = rng.uniform(-30, 35, rows), rng.uniform(-20, 50, rows)
    continents = ["AF", "AS", "EU", "NA", "OC", "SA"]
    extra: dict[str, Any] = {}
    if pool:
        extra = {
            "supply": allocated * 2,
            "allocated": allocated,
            "reserve": allocated // 10,
            "weights": rng.uniform(1, 5, rows),
            "cells_with_supply": 5000,
            "nearest_val_km": rng.uniform(1, 90, rows),
            "excluded": {"near_other_split": 12, "taken": 7},
        }
    balance = split_balance(
        split=name,
        codes=[f"{i:02d}" for i in range(countries)],
        names=[f"{country} {i}" for i in range(countries)],
        continents=[continents[i % 6] for i in range(countries)],
        target=target,
        achieved=allocated,
        cells=cell_of(lat, lng),
        **extra,
    )
    return balance, (lat, lng)


def make_report(*names: str, **options: Any) -> tuple[BalanceReport, Points]:
    made = {name: make_split(name, 40, 300, seed=i, **options) for i, name in enumerate(names)}
    report = BalanceReport(
        title=options.get("country", "Balance of the sample"),
        splits=tuple(balance for balance, _ in made.values()),
        read=1010,
        kept=1000,
        rejects={"null_island": 3, "not_on_land": 7},
        pools=(PoolSummary(name="osv", format="Parquet", rows=1010, share=0.625),),
        weights={"roads": 0.5, "population": 0.2, "area": 0.3},
        population_source={"kind": "settlements", "places": 12345},
        missing_figures=(MissingFigure(code="EH", name="Western Sahara", figure="roads", quota_lost=12.5),),
        folded=(FoldedTerritory(code="GF", name="French Guiana", into="FR"),),
        notices=("Mind the gap.",),
        against=(BenchmarkProximity(file="b.csv", split="loc", within_1_km=0.0123, within_5_km=0.1, within_25_km=0.5),),
        seed=7,
        settings={"separation_km": 1.0, "flag": True, "nothing": None, "max_share": 1.0},
    )
    return report, {name: points for name, (_, points) in made.items()}


def render(folder: Path, report: BalanceReport, points: Points, *, weights: bool = True) -> tuple[str, list[Path]]:
    lat, lng = (a.ravel() + 0.5 for a in np.mgrid[-30:35, -20:50])
    weight_map = (cell_of(lat, lng), np.abs(lat) + 1) if weights else None
    folder.mkdir(exist_ok=True)
    files = render_report(report, points, weight_map, folder, rings=RINGS)
    return (folder / "report.html").read_text(encoding="utf-8"), files


def test_page_shows_what_the_report_holds(tmp_path: Path) -> None:
    report, points = make_report("val", "loc", "cot")
    page, files = render(tmp_path, report, points)
    assert [path.name for path in files] == [
        "report.html",
        "map.png",
        "map-val.png",
        "map-loc.png",
        "map-cot.png",
        "continents.png",
        "countries.png",
    ]
    assert all(path.stat().st_size > 1000 for path in files)
    for text in (
        "1,010 rows read = 1,000 kept + 10 left out.",
        RejectReason.NULL_ISLAND.description,
        "Mind the gap.",
        "Western Sahara",
        "French Guiana",
        "62.5 %",
        "1.23 %",
        "12,345",
        "no candidate in the pool",
        "member or reserve of another split",
        "All 40 countries of loc",
        "Separation (km)",
        "CC BY 4.0",
    ):
        assert text in page, text
    assert page.count("<details>") == 3
    assert page.count('class="layer layer-') == 3


def test_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page, _ = render(tmp_path, *make_report("val", "loc"))
    assert not re.search(r"https?:", page)
    assert not re.search(r"<(script|link|iframe|object|form|base)\b", page, re.IGNORECASE)
    assert "url(" not in page
    assert "@import" not in page
    assert set(re.findall(r'\b(?:src|srcset)="([^"]{0,22})', page)) == {"data:image/png;base64,"}
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)', page))
    for anchor in re.findall(r'href="#([^"]*)', page):
        assert f'id="{anchor}"' in page
    assert "Content-Security-Policy" in page
    assert "prefers-color-scheme: dark" in page


@pytest.mark.slow
def test_two_renders_are_byte_identical(tmp_path: Path) -> None:
    report, points = make_report("val", "loc")
    _, first = render(tmp_path / "a", report, points)
    _, second = render(tmp_path / "b", BalanceReport.model_validate_json(report.model_dump_json()), points)
    assert [a.name for a in first] == [b.name for b in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))


def test_hostile_names_are_escaped_and_stay_in_the_folder(tmp_path: Path) -> None:
    report, _ = make_report(HOSTILE, "../../x", "../..;x", country=HOSTILE, pool=False)
    points = {split.split: (np.array([1.0]), np.array([2.0])) for split in report.splits}
    report = report.model_copy(
        update={
            "notices": (HOSTILE,),
            "rejects": {HOSTILE: 10},
            "pools": (PoolSummary(name=HOSTILE, format=HOSTILE, rows=1),),
            "weights": {HOSTILE: 1.0},
            "population_source": {HOSTILE: HOSTILE},
            "settings": {HOSTILE: HOSTILE},
            "missing_figures": (MissingFigure(code=HOSTILE, name=HOSTILE, figure=HOSTILE),),
            "folded": (FoldedTerritory(code=HOSTILE, name=HOSTILE, into=HOSTILE),),
            "against": (BenchmarkProximity(file=HOSTILE, split=HOSTILE, within_1_km=0, within_5_km=0, within_25_km=0),),
        }
    )
    page, files = render(tmp_path / "out", report, points)
    assert "<script" not in page
    assert "<img src=x" not in page
    assert 'onerror=alert(2)"' not in page
    assert "&lt;script&gt;" in page
    assert {path.parent for path in files} == {tmp_path / "out"}
    assert len({path.name for path in files}) == len(files)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_audit_of_coordinates_only(tmp_path: Path) -> None:
    report, points = make_report("im2gps3k.csv", pool=False)
    page, files = render(tmp_path, report, points, weights=False)
    assert "map-im2gps3k-csv.png" in [path.name for path in files]
    assert "would have to move to another country" in page
    assert "Distance to the best the pool allows" not in page
    assert "on offer" not in page
    assert "Cell weight" not in page
    assert "once every country is weighted" in page


def test_no_split_at_all(tmp_path: Path) -> None:
    page, files = render(tmp_path, BalanceReport(title="Nothing", splits=()), {})
    assert [path.name for path in files] == ["report.html", "map.png"]
    assert "There is no split to report on." in page
    assert terminal_table(BalanceReport(title="Nothing", splits=())).strip().startswith("rows")


@pytest.mark.parametrize("pool", [True, False])
def test_empty_split(tmp_path: Path, pool: bool) -> None:
    split, points = make_split("loc", 10, 0, pool=pool)
    report = BalanceReport(title="Empty", splits=(split,))
    page, files = render(tmp_path, report, {"loc": points})
    assert "map-loc.png" not in [path.name for path in files]
    assert "There is no row to report on." in page
    assert not re.search(r"\bnan\b", re.sub(r'"data:[^"]*"', "", page), re.IGNORECASE)
    assert re.search(r"^loc +0 +0 +- +-", terminal_table(report), re.MULTILINE)


@pytest.mark.slow
def test_a_large_report_stays_small(tmp_path: Path) -> None:
    made = {name: make_split(name, 250, rows) for name, rows in (("val", 3_000), ("loc", 20_000), ("cot", 10_000))}
    report = BalanceReport(title="Large", splits=tuple(balance for balance, _ in made.values()), read=1, kept=1)
    page, _ = render(tmp_path, report, {name: points for name, (_, points) in made.items()})
    assert len(page) < 2_000_000


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    report, points = make_report("loc")
    with pytest.raises(OutputError, match=r"Cannot write"):
        render(tmp_path, report, points)


def test_terminal_table_fits_eighty_columns() -> None:
    report, _ = make_report("val", "loc", "cot", "one more split with a very long name\n\x1b[31m", "a", "b")
    text = terminal_table(report)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert text.count("target") == 3  # the heading of the first table, and of two tables by continent
    assert re.search(r"^val +\d+ +\d+ +\d+\.\d % +0\.0 % +\d+ / 5,000$", text, re.MULTILINE)
    assert re.search(r"^Africa +\d+\.\d +\d+\.\d", text, re.MULTILINE)


def test_verdict_names_who_is_to_blame() -> None:
    split, _ = make_split("loc", 40, 300)
    assert "This pool allows no better" in verdict(split)
    off = split.model_copy(update={"tv_to_target": 0.3, "tv_to_best": 0.2, "tv_best": 0.1})
    assert verdict(off).endswith("the pool would allow 10.0 %.")
    rounded = split.model_copy(update={"shortfalls": ()})
    assert verdict(rounded).endswith("that is the rounding to whole rows.")
    met = split.model_copy(update={"tv_to_target": 0.001, "tv_to_best": 0.0})
    assert verdict(met).endswith("the target is met.")


@pytest.mark.parametrize(
    ("supply", "allocated", "max_share", "expected"),
    [
        (0, 0, 1.0, "no candidate"),
        (5, 5, 1.0, "all candidates are taken"),
        (50, 5, 1.0, "shared with the other splits"),
        (500, 10, 0.1, "--max-share 0.1"),
    ],
)
def test_why_a_stratum_falls_short(supply: int, allocated: int, max_share: float, expected: str) -> None:
    short = Shortfall(code="AA", name="Ay", quota=20, supply=supply, allocated=allocated, missing=20 - allocated)
    assert expected in why(short, 100, max_share)
