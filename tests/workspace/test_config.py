from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.schemas import InputError, Split, UsageError
from geoseek.workspace import DEFAULT_SIZES, Settings, find_workspace, load_config, validate_settings


def _workspace(folder: Path, text: str) -> Path:
    (folder / "geoseek.yaml").write_text(text, encoding="utf-8")
    return folder


def test_an_empty_file_is_a_workspace_with_defaults(tmp_path: Path) -> None:
    config = load_config(_workspace(tmp_path, ""))
    assert config.sample.sizes == DEFAULT_SIZES == {Split.VAL: 3000, Split.LOC: 20000, Split.COT: 10000}
    assert config.sample.pools == ("geonames",)


def test_design_file_gives_what_the_section_does_not(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text("separation_km: 7\nreserve: 0.5\n")
    config = load_config(_workspace(tmp_path, "design: d.yaml\nsample: {reserve: 0.2}\n"))
    assert (config.sample.separation_km, config.sample.reserve) == (7, 0.2)


def test_nearest_parent_is_found(tmp_path: Path) -> None:
    _workspace(tmp_path, "")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_workspace(inner) == tmp_path.resolve()


def test_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No geoseek\.yaml") as caught:
        find_workspace(tmp_path)
    assert "geoseek init" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample: {separtion_km: 1}", "did you mean 'sample.separation_km'"),
        ("sead: 1", "did you mean 'seed'"),
        ("sample: {reserve: -1}", r"sample\.reserve is -1"),
        ("sample: {sizes: {train: 5}}", r"sample\.sizes"),
        ("seed: many", "seed is 'many'"),
    ],
)
def test_wrong_settings_name_the_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_config(_workspace(tmp_path, text))


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2", "\x00"])
def test_what_is_no_mapping_is_an_input_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        load_config(_workspace(tmp_path, text))


def test_a_setting_without_default_is_asked_for() -> None:
    class Needs(Settings):
        size: int

    with pytest.raises(UsageError, match=r"^mine\.yaml: size is missing") as caught:
        validate_settings(Needs, {}, origin="mine.yaml")
    assert "give it a value" in (caught.value.hint or "")


def test_design_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        load_config(_workspace(tmp_path, "design: nowhere.yaml"))
