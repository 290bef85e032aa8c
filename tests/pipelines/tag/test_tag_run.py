from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geoseek.pipelines import Preference, RatingSource
from geoseek.pipelines.tag.settings import load_tag_rules
from geoseek.schemas import InputError, OutputError, Split, TaggedSample, UsageError, arrow_schema
from geoseek.workspace import exclusive
from tests.endpoints.stub_server import ChatServer
from tests.pipelines.tag.world import TagWorld, rater


def test_every_band_has_its_scores(world: TagWorld) -> None:
    for sample, score in enumerate((0, 3.5, 4, 9.5, 10)):
        world.rate(sample, score)
    result = world.tag()
    assert [row["locatability_band"] for row in world.tagged().values()] == [
        "unlocatable",
        "extremely low",
        "low",
        "high",
        "extremely high",
    ]
    (split,) = result.figures.splits
    assert sum(split.scores) == split.scored == 5
    assert pq.read_schema(world.curated / "tags.parquet").equals(arrow_schema(TaggedSample))


def test_range_keeps_its_ends_and_lists_the_others(world: TagWorld) -> None:
    for sample, score in enumerate((2.5, 3, 9, 9.5, None)):
        world.rate(sample, score)
    result = world.tag(score_range=(3, 9))
    assert list(world.tagged()) == ["pool:val-1", "pool:val-2", "pool:val-4"]
    assert world.left_out() == [("pool:val-0", "out_of_range"), ("pool:val-3", "out_of_range")]
    (split,) = result.figures.splits
    assert split.rated == split.kept + split.out_of_range == 5
    assert any("no score" in notice for notice in result.figures.notices)


def test_range_of_the_settings_holds_unless_another_is_given(world: TagWorld) -> None:
    (world.folder / "geoseek.yaml").write_text("tag: {locatability_range: [3, 9]}\n")
    world.rate(0, 1)
    world.tag()
    assert not world.tagged()
    world.tag(score_range=(0, 10))
    assert list(world.tagged()) == ["pool:val-0"]


def test_running_twice_changes_nothing(world: TagWorld) -> None:
    world.rate(0, 5)
    assert not world.tag().up_to_date
    before = world.files()
    assert world.tag().up_to_date
    assert not world.tag(force=True).up_to_date
    assert world.files() == before
    assert str(world.folder).encode() not in b"".join(before.values())


def test_anything_that_matters_makes_it_stale(world: TagWorld) -> None:
    world.rate(0, 5)
    world.tag()
    world.rate(1, 5)
    assert not world.tag().up_to_date
    (world.curated / "tags.parquet").write_bytes(b"")
    assert not world.tag().up_to_date
    (world.folder / "geoseek.yaml").write_text("tag: {locatability_range: [6, 9]}\n")
    assert not world.tag().up_to_date
    assert world.tag().up_to_date


def test_workspace_without_ledger_or_ratings(world: TagWorld) -> None:
    (world.folder / "work" / "annotation").rmdir()
    result = world.tag()
    assert world.tagged() == {}
    assert result.figures.notices == ("nobody has rated any of these samples",)
    assert result.figures.splits[0].unrated == 5
    assert not (world.folder / "work" / "annotation").exists()


def test_workspace_without_samples(tmp_path: Path) -> None:
    world = TagWorld(tmp_path / "empty", {Split.VAL: 0})
    with pytest.raises(InputError, match="no samples"):
        world.tag()


def test_bringing_up_to_date_keeps_what_was_asked_for(world: TagWorld, server: ChatServer) -> None:
    """The export's call must neither drop splits, nor a model's answers, nor ask anybody."""
    world.rate(0, 5)
    world.rate(1, 5, split=Split.COT)
    world.ask(server, splits=(Split.VAL, Split.COT), use=Preference.MODEL, score_range=(1, 9))
    before, asked = world.files(), len(server.asked)
    assert world.tag(splits=(Split.VAL,)).up_to_date
    assert world.files() == before
    world.rate(2, 5)
    result = world.tag(splits=(Split.VAL,))
    assert len(server.asked) == asked
    assert result.figures.use == "model"
    assert result.figures.locatability_range == (1, 9)
    assert len(world.tagged()["pool:val-2"]["ratings"]) == 2
    assert "pool:cot-1" in world.tagged()


def test_answers_outlive_a_run_without_them(world: TagWorld, server: ChatServer) -> None:
    world.rate(0, 5)
    world.ask(server)
    asked = len(server.asked)
    world.tag(source=RatingSource.HUMAN, as_last_time=False)
    assert list(world.tagged()) == ["pool:val-0"]
    world.ask(server)
    assert len(world.tagged()) == 5
    assert len(server.asked) == asked


def test_a_second_process_is_told_to_wait(world: TagWorld) -> None:
    with exclusive(world.curated, doing="tagging"), pytest.raises(OutputError, match="Another process is tagging"):
        world.tag()


def test_a_failed_write_leaves_the_old_result(world: TagWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.rate(0, 5)
    world.tag()
    before = world.files()
    world.rate(1, 5)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="No space left"):
        patch.setattr("geoseek.pipelines.tag.outputs.pq.write_table", full)
        world.tag()
    assert world.files() == before


def test_damaged_files_are_named(world: TagWorld, server: ChatServer) -> None:
    server.usual = rater()
    world.ask(server)
    (world.curated / "tag-answers.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"tag-answers\.parquet"):
        world.tag()
    (world.curated / "tag-answers.parquet").unlink()
    (world.curated / "tags-manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"tags-manifest\.json"):
        world.tag()


def test_settings_of_the_workspace_go_before_the_reference(world: TagWorld) -> None:
    (world.folder / "pipelines").mkdir()
    path = world.folder / "pipelines" / "tag.yaml"
    path.write_text("longest_side: 512\n")
    rules = load_tag_rules(world.folder)
    assert rules.longest_side == 512
    assert "locatability" in rules.locatability_prompt
    path.write_text("longest_sid: 512\n")
    with pytest.raises(UsageError, match="longest_side"):
        load_tag_rules(world.folder)


def test_figures_are_in_a_file(world: TagWorld) -> None:
    world.rate(0, 5)
    figures = world.tag().figures
    assert json.loads((world.curated / "tags.json").read_text()) == figures.model_dump(mode="json")
