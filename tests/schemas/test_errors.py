from __future__ import annotations

from geoseek.schemas import GeoSeekError, InputError, MissingExtraError, OutputError, UsageError, unknown_name


def test_usage_is_2_and_failure_is_1() -> None:
    assert UsageError("x").exit_code == 2
    assert {InputError("x").exit_code, OutputError("x").exit_code, GeoSeekError("x").exit_code} == {1}


def test_missing_extra_names_the_remedy() -> None:
    error = MissingExtraError("rasterio", extra="raster", purpose="--population-raster")
    assert "rasterio" in error.message
    assert "geoseek[raster]" in str(error)


def test_unknown_name_without_a_near_match_lists_all() -> None:
    error = unknown_name("split", "zzz", ["val", "loc"])
    assert "did you mean" not in error.message
    assert error.hint == "Known: loc, val."
