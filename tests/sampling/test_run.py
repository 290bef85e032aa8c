from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from geoseek.sampling import run as run_module
from geoseek.schemas import InputError, Sample, Split, UsageError, arrow_schema
from geoseek.workspace import RUN_LOG_NAME, read_manifest, read_run_log
from tests.support import Draw, Read, Write, distance_km

SIZES = {"val": 150, "loc": 900, "cot": 450}


@pytest.fixture(scope="session")
def pool(candidates: pd.DataFrame, write_pool: Write, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(candidates, tmp_path_factory.mktemp("pools") / "pool.parquet")


def _ids(read: Read, output: str = "samples") -> dict[str, set[str]]:
    return {name: set(read(name, output)["id"]) for name in ("val", "loc", "cot", "reserve")}


def test_sizes_schema_and_accounting(pool: Path, draw: Draw, read: Read, tmp_path: Path) -> None:
    result = draw(pool, sizes=SIZES)
    for name, size in SIZES.items():
        assert pq.read_schema(tmp_path / "samples" / f"{name}.parquet").equals(arrow_schema(Sample))
        table = read(name)
        assert len(table) == size
        assert (table["split"] == name).all()
        assert (table["stratum"] == table["country_code"]).all()
        assert np.allclose(table["design_weight"] * table["inclusion_probability"], 1)
        assert table["prn"].between(0, 1, inclusive="neither").all()
        per_country = table.sort_values("rank").groupby("country_code")["rank"]
        assert all(ranks.tolist() == list(range(1, len(ranks) + 1)) for _, ranks in per_country)
    rejects = read("rejects")
    report = result.report
    assert report.read == 12_000 == report.kept + sum(report.rejects.values())
    assert rejects["reason"].value_counts().to_dict() == report.rejects


def test_weights_estimate_the_frame(pool: Path, draw: Draw, read: Read) -> None:
    """The Horvitz-Thompson estimate of the number of candidates is near the number of candidates."""
    result = draw(pool, sizes={"loc": 2000}, splits=(Split.LOC,))
    weight = read("loc")["design_weight"].to_numpy()
    covered = [s.supply for s in result.report.splits[0].strata if s.achieved and s.supply]
    spread = np.sqrt(np.sum(weight * (weight - 1)))
    assert abs(weight.sum() - sum(covered)) < 4 * spread


@pytest.mark.slow
def test_order_files_format_and_workers_do_not_matter(
    candidates: pd.DataFrame, pool: Path, draw: Draw, read: Read, write_pool: Write, tmp_path: Path
) -> None:
    draw(pool, sizes=SIZES)
    expected = {name: read(name) for name in ("val", "loc", "cot", "reserve")}
    shuffled = candidates.sample(frac=1, random_state=3)
    for number, piece in enumerate(np.array_split(np.arange(len(shuffled)), 7)):
        write_pool(shuffled.iloc[piece], tmp_path / "parts" / f"{number}.parquet")
    shuffled.iloc[::-1].to_csv(tmp_path / "all.csv.gz", index=False)
    shuffled.to_json(tmp_path / "all.jsonl", orient="records", lines=True, double_precision=15)
    for number, (source, workers) in enumerate(
        [("parts", 1), ("parts/*.parquet", 2), ("all.csv.gz", 2), ("all.jsonl", 1)]
    ):
        draw(f"pool={tmp_path / source}", sizes=SIZES, workers=workers, output=f"again-{number}")
        for name, table in expected.items():
            again = read(name, f"again-{number}")
            assert again["id"].tolist() == table["id"].tolist(), (source, name)
            assert np.allclose(again["inclusion_probability"], table["inclusion_probability"], rtol=1e-12)
            assert np.array_equal(again["prn"], table["prn"])


@pytest.mark.slow
def test_two_runs_are_byte_identical(pool: Path, draw: Draw, tmp_path: Path) -> None:
    draw(pool, sizes=SIZES, report=True)
    draw(pool, sizes=SIZES, report=True, output="again", workers=1)
    first, second = tmp_path / "samples", tmp_path / "again"
    own = {".lock", RUN_LOG_NAME}
    names = sorted(path.name for path in first.iterdir() if path.name not in own)
    assert names == sorted(path.name for path in second.iterdir() if path.name not in own)
    assert {"val.parquet", "reserve.parquet", "rejects.parquet", "report.html", "manifest.json"} <= set(names)
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_splits_are_apart_by_id_sequence_and_distance(pool: Path, draw: Draw, read: Read) -> None:
    draw(pool, sizes=SIZES, separation_km=3.0)
    tables = {name: read(name) for name in SIZES}
    reserve = read("reserve")
    everything = pd.concat([*tables.values(), reserve])
    assert everything["id"].is_unique
    val = pd.concat([tables["val"], reserve[reserve["split"] == "val"]])
    assert val["sequence_id"].is_unique
    sequences = everything.groupby("sequence_id")["split"].nunique()
    assert (sequences == 1).all()
    for name in ("loc", "cot"):
        others = pd.concat([tables[name], reserve[reserve["split"] == name]])
        assert distance_km(others, val).min() >= 3.0


def test_avoided_coordinates_bind_training_splits(
    pool: Path, candidates: pd.DataFrame, draw: Draw, read: Read, tmp_path: Path
) -> None:
    candidates[["lat", "lng"]].iloc[::5].to_csv(tmp_path / "bench.csv", index=False)
    draw(pool, sizes=SIZES, avoid=(f"{tmp_path / 'bench.csv'}:2.5",))
    benchmark = candidates.iloc[::5]
    for name in ("loc", "cot"):
        assert distance_km(read(name), benchmark).min() >= 2.5
    assert distance_km(read("val"), benchmark).min() < 2.5


def test_a_grown_pool_keeps_most_of_the_sample(
    candidates: pd.DataFrame, places: pd.DataFrame, draw: Draw, read: Read, write_pool: Write, tmp_path: Path
) -> None:
    rng = np.random.default_rng(11)
    old = candidates.drop(columns="sequence_id")
    more = old.sample(1200, random_state=1).copy()
    more["id"] = [f"new-{i}" for i in range(len(more))]
    more["lat"] = (more["lat"] + rng.normal(0, 0.02, len(more))).clip(-89, 89)
    write_pool(old, tmp_path / "old.parquet")
    write_pool(pd.concat([old, more]), tmp_path / "grown.parquet")
    sizes = {"loc": 1000}
    draw(f"p={tmp_path / 'old.parquet'}", sizes=sizes, splits=(Split.LOC,), output="old")
    draw(f"p={tmp_path / 'grown.parquet'}", sizes=sizes, splits=(Split.LOC,), output="grown")
    before, after = set(read("loc", "old")["id"]), set(read("loc", "grown")["id"])
    assert len(before & after) / len(before) >= 0.88
    draw(f"p={tmp_path / 'old.parquet'}", sizes=sizes, splits=(Split.LOC,), output="reseeded", seed=6)
    assert len(before & set(read("loc", "reseeded")["id"])) / len(before) < 0.6


def test_previous_freezes_membership_and_tops_up(pool: Path, draw: Draw, read: Read, tmp_path: Path) -> None:
    draw(pool, sizes=SIZES, output="first")
    first = {name: read(name, "first").set_index("id") for name in SIZES}
    larger = {name: int(size * 1.4) for name, size in SIZES.items()}
    draw(pool, sizes=larger, previous=tmp_path / "first", seed=99, output="second")
    second = {name: read(name, "second").set_index("id") for name in SIZES}
    for name, size in larger.items():
        assert len(second[name]) == size
        kept = second[name].loc[first[name].index]
        pd.testing.assert_frame_equal(kept, first[name], check_like=True)
        ranks = second[name].groupby("country_code")["rank"]
        assert (ranks.nunique() == ranks.size()).all()
    everything = pd.concat([*second.values(), read("reserve", "second").set_index("id")])
    assert everything.index.is_unique
    val = second["val"].reset_index()
    assert distance_km(second["loc"].reset_index(), val).min() >= 1.0
    assert distance_km(second["cot"].reset_index(), val).min() >= 1.0


def test_one_split_alone_honours_the_others(pool: Path, draw: Draw, read: Read, tmp_path: Path) -> None:
    draw(pool, sizes=SIZES)
    before = _ids(read)
    manifest = read_manifest(tmp_path / "samples")
    assert manifest is not None
    draw(pool, sizes=SIZES, splits=(Split.LOC,), seed=77)
    after = _ids(read)
    assert after["val"] == before["val"]
    assert after["cot"] == before["cot"]
    assert after["loc"] != before["loc"]
    assert not after["loc"] & (after["val"] | after["cot"])
    assert distance_km(read("loc"), read("val")).min() >= 1.0
    again = read_manifest(tmp_path / "samples")
    assert again is not None
    assert again["splits"]["val"] == manifest["splits"]["val"]
    assert set(again["outputs"]) >= {"val.parquet", "loc.parquet", "cot.parquet"}


def test_an_early_split_does_not_starve_a_later_one(draw: Draw, read: Read, write_pool: Write, tmp_path: Path) -> None:
    """Luxembourg has 30 candidates and is asked for more: each split gets its share of them."""
    rng = np.random.default_rng(1)
    scarce = pd.DataFrame({"lat": rng.uniform(49.6, 49.9, 30), "lng": rng.uniform(6.0, 6.2, 30)})
    plenty = pd.DataFrame({"lat": rng.uniform(47.0, 49.0, 5000), "lng": rng.uniform(1.0, 5.0, 5000)})
    frame = pd.concat([scarce, plenty], ignore_index=True)
    frame["id"] = frame.index.astype(str)
    write_pool(frame, tmp_path / "p.parquet")
    draw(
        tmp_path / "p.parquet",
        sizes={"val": 200, "loc": 400, "cot": 200},
        countries=("LU", "FR"),
        separation_km=0,
        min_per_country=25,
        reserve=0.0,
    )
    counts = [int((read(name)["country_code"] == "LU").sum()) for name in ("val", "loc", "cot")]
    assert counts[0] in (7, 8)
    assert counts[1] in (14, 15, 16)
    assert counts[2] >= 7


def test_default_sizes_shrink_with_a_notice_and_explicit_ones_fail(
    candidates: pd.DataFrame, draw: Draw, read: Read, write_pool: Write, tmp_path: Path
) -> None:
    huge = {"val": 3000, "loc": 20000, "cot": 10000}
    pool = write_pool(candidates.drop(columns="sequence_id"), tmp_path / "pool.parquet")
    result = draw(pool, sizes=huge, separation_km=0)
    assert any("scaled down" in notice for notice in result.report.notices)
    sizes = {name: len(read(name)) for name in huge}
    assert sizes["loc"] / sizes["val"] == pytest.approx(20 / 3, rel=0.05)
    assert sum(sizes.values()) <= 12_000
    with pytest.raises(UsageError, match="33,000 rows are asked for") as caught:
        draw(pool, sizes=huge, explicit_sizes=True, output="other")
    assert "--sizes" in (caught.value.hint or "")


def test_pool_shares_are_kept_in_every_split(
    pool: Path, candidates: pd.DataFrame, draw: Draw, read: Read, write_pool: Write, tmp_path: Path
) -> None:
    other = candidates.copy()
    other["lat"] = other["lat"] + 0.001
    write_pool(other, tmp_path / "b.parquet")
    result = draw(f"a={pool}:0.75", f"b={tmp_path / 'b.parquet'}", sizes=SIZES, separation_km=0)
    for name, size in SIZES.items():
        counts = read(name)["source"].value_counts()
        assert counts["a"] == pytest.approx(0.75 * size, abs=1)
    assert [pool_summary.share for pool_summary in result.report.pools] == [0.75, 0.25]


def test_reserve_goes_on_in_rank_and_does_not_change_the_sample(pool: Path, draw: Draw, read: Read) -> None:
    draw(pool, sizes={"loc": 900}, splits=(Split.LOC,), reserve=0.0, output="none")
    draw(pool, sizes={"loc": 900}, splits=(Split.LOC,), reserve=0.25, output="some")
    assert read("loc", "none")["id"].tolist() == read("loc", "some")["id"].tolist()
    assert len(read("reserve", "none")) == 0
    sample, reserve = read("loc", "some"), read("reserve", "some")
    assert len(reserve) >= 200
    last = sample.groupby("country_code")["rank"].max()
    assert (reserve["rank"].to_numpy() > last.loc[reserve["country_code"]].to_numpy()).all()


def test_countries_exclude_and_largest_share(pool: Path, draw: Draw, read: Read) -> None:
    draw(pool, sizes={"loc": 300}, splits=(Split.LOC,), countries=("FRA", "DE", "IT"), exclude=("IT",), max_share=0.55)
    counts = read("loc")["country_code"].value_counts()
    assert set(counts.index) == {"FR", "DE"}
    assert counts.max() <= 165


def test_running_twice_does_nothing_and_a_change_draws_again(pool: Path, draw: Draw, tmp_path: Path) -> None:
    assert not draw(pool, sizes=SIZES).up_to_date
    stamp = (tmp_path / "samples" / "loc.parquet").stat().st_mtime_ns
    assert draw(pool, sizes=SIZES).up_to_date
    assert (tmp_path / "samples" / "loc.parquet").stat().st_mtime_ns == stamp
    (tmp_path / "samples" / "loc.parquet").unlink()
    assert not draw(pool, sizes=SIZES).up_to_date
    assert not draw(pool, sizes=SIZES, seed=8).up_to_date


def test_one_split_drawn_twice_is_up_to_date(pool: Path, draw: Draw) -> None:
    draw(pool, sizes=SIZES)
    assert not draw(pool, sizes=SIZES, splits=(Split.LOC,), seed=77).up_to_date
    assert draw(pool, sizes=SIZES, splits=(Split.LOC,), seed=77).up_to_date


def test_parts_read_under_another_name_or_other_columns_are_not_taken_up(
    candidates: pd.DataFrame, draw: Draw, read: Read, write_pool: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = write_pool(candidates.assign(other=candidates["lat"] / 2), tmp_path / "p.parquet")
    arguments = {"sizes": {"loc": 200}, "splits": (Split.LOC,)}
    draw(f"b={pool}", **arguments, output="whole")
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(run_module, "collect_cells", _interrupt)
        draw(f"a={pool}", **arguments, columns={"lat": "other"})
    draw(f"b={pool}", **arguments)
    assert read("loc")["id"].tolist() == read("loc", "whole")["id"].tolist()


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_no_frame_or_staging_is_left_behind(pool: Path, draw: Draw, tmp_path: Path) -> None:
    draw(pool, sizes=SIZES)
    assert not [p for p in (tmp_path / "samples").iterdir() if p.name.startswith(".") and p.name != ".lock"]


def test_manifest_names_seeds_versions_inputs_and_no_absolute_path(pool: Path, draw: Draw, tmp_path: Path) -> None:
    draw(pool, sizes=SIZES)
    text = (tmp_path / "samples" / "manifest.json").read_text()
    manifest = read_manifest(tmp_path / "samples")
    assert manifest is not None
    assert str(tmp_path) not in text
    assert manifest["seed"] == 5
    assert manifest["pools"][0]["digest"]
    assert manifest["frame"]["read"] == 12_000
    assert {"numpy", "pyarrow"} <= set(manifest["versions"])
    assert "conditional" in manifest["conditional_on"]
    assert read_run_log(tmp_path / "samples")["pools"] == {"pool": str(pool)}


def test_a_previous_folder_without_samples_is_refused(pool: Path, draw: Draw, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sample"):
        draw(pool, sizes=SIZES, previous=tmp_path)


def test_a_damaged_earlier_split_is_named(pool: Path, draw: Draw, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "val.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(InputError, match=r"val\.parquet"):
        draw(pool, sizes=SIZES, splits=(Split.LOC,))


def test_all_sizes_zero_is_refused(pool: Path, draw: Draw) -> None:
    with pytest.raises(UsageError, match="Nothing to draw"):
        draw(pool, sizes={"val": 0, "loc": 0, "cot": 0})


def test_one_split_of_size_zero_is_an_empty_file(pool: Path, draw: Draw, read: Read) -> None:
    draw(pool, sizes={"val": 0, "loc": 50, "cot": 0})
    assert [len(read(name)) for name in ("val", "loc", "cot")] == [0, 50, 0]
