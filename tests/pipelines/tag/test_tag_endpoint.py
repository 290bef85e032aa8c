from __future__ import annotations

import io
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from PIL import Image

from geoseek.pipelines import NoAnswerError, Preference, RatingSource, TagRequest, describe_tag
from geoseek.pipelines.tag.pictures import Picture, PictureProblemError, prepare_picture
from geoseek.schemas import Split, TagRejectReason
from geoseek.workspace import file_fingerprint
from tests.endpoints.stub_server import Asked, Behaviour, ChatServer, fail, raw, say
from tests.pipelines.tag.world import TagWorld, asks_for_tags, locatability, model_at, picture_of, rater, tags


def test_both_ratings_are_kept_and_one_is_exported(world: TagWorld, server: ChatServer) -> None:
    world.rate(0, 3)
    server.usual = rater(8.5, sign="maybe", plants="no", traffic="yes")
    world.ask(server)
    row = world.tagged()["pool:val-0"]
    assert (row["origin"], row["locatability_score"], row["scene_tags"]) == ("human", 3.0, ["plants"])
    human, model = row["ratings"]
    assert (model["origin"], model["locatability_score"], model["raters"]) == ("model stub-vl", 8.5, 1)
    assert (model["scene_tags"], model["scene_tags_maybe"]) == (["traffic"], ["sign"])
    assert len(model["scene_tags_no"]) == 8
    assert model["main_clues"] == ["red soil"]
    assert set(model["sub_scores"].values()) == {5.0}
    assert human["origin"] == "human"
    assert world.tagged()["pool:val-1"]["origin"] == "model stub-vl", "falls back to the other one"

    world.ask(server, use=Preference.MODEL)
    row = world.tagged()["pool:val-0"]
    assert (row["origin"], row["locatability_band"]) == ("model stub-vl", "high")


def test_model_alone(world: TagWorld, server: ChatServer) -> None:
    world.rate(0, 3)
    result = world.ask(server, RatingSource.ENDPOINT)
    assert {row["origin"] for row in world.tagged().values()} == {"model stub-vl"}
    assert result.figures.agreement is None
    assert result.figures.annotations == 0


def test_other_splits_are_asked_about_only_where_nobody_rated(world: TagWorld, server: ChatServer) -> None:
    world.rate(0, 3, split=Split.COT)
    world.ask(server, splits=(Split.COT,))
    assert len(server.asked) == 2 * 3
    assert world.tagged()["pool:cot-0"]["origin"] == "human"


def test_pictures_carry_no_metadata_and_prompts_name_everything(world: TagWorld, server: ChatServer) -> None:
    world.ask(server)
    assert len(server.asked) == 10
    for asked in server.asked:
        picture = picture_of(asked)
        assert b"Exif" not in picture
        assert b"Concorde" not in picture
        prompt = asked["messages"][0]["content"][0]["text"]
        assert ("- mountains_and_rivers: " if asks_for_tags(asked) else "- cultural_landscape: ") in prompt
        assert asked["response_format"]["json_schema"]["strict"] is True
        assert asked["temperature"] == 0
    everything = b"".join(world.files().values()) + (world.folder / "work/cache/replies.sqlite").read_bytes()
    assert b"secret-of-the-stub" not in everything


def test_dry_run_counts_and_sends_nothing(world: TagWorld, server: ChatServer) -> None:
    request = TagRequest(world.folder, source=RatingSource.BOTH, endpoint=model_at(server), as_last_time=False)
    words, plan = describe_tag(request)
    assert plan is not None
    assert len(plan.questions) == 10
    assert plan.prompt_tokens > 10 * 6
    assert "10 requests about 5 pictures" in words
    assert not server.asked
    assert not world.curated.exists()
    world.ask(server)
    assert "0 requests" in describe_tag(request)[0]


def test_cost_is_shown_before_and_counted_after(world: TagWorld, server: ChatServer) -> None:
    (world.folder / "pipelines").mkdir()
    (world.folder / "pipelines" / "tag.yaml").write_text("price_in: 1000000\nprice_out: 0\n")
    request = TagRequest(world.folder, source=RatingSource.BOTH, endpoint=model_at(server), as_last_time=False)
    plan = describe_tag(request)[1]
    assert plan is not None
    assert plan.money == plan.prompt_tokens
    result = world.ask(server)
    assert result.spent is not None
    assert (result.spent.requests, result.spent.prompt_tokens, result.spent.money) == (10, 1000, 1000)
    assert result.figures.model is not None
    assert result.figures.model.prompt_tokens == 1000


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (say(None, refusal="I must not"), "refused"),
        (say("It is a 7, I think."), "not_json"),
        (say(locatability(6.3)), "schema_violation"),
        (say(locatability(11)), "schema_violation"),
        (say('{"main_clues": ["pal', finish="length"), "cut_off"),
        (raw(b"<html>"), "not_an_answer"),
        (fail(429, "slow down"), "rate_limited"),
        (fail(500), "server_error"),
    ],
)
def test_a_fault_is_a_row_and_the_rest_goes_on(
    world: TagWorld, server: ChatServer, behaviour: Behaviour, code: str
) -> None:
    world.ask(server)
    broken = picture_of(next(asked for asked in server.asked if not asks_for_tags(asked)))
    (world.folder / "work/cache/replies.sqlite").unlink()
    (world.curated / "tag-answers.parquet").unlink()

    def sometimes(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        bad = picture_of(asked) == broken and not asks_for_tags(asked)
        (behaviour if bad else rater())(handler, asked)

    server.usual = sometimes
    result = world.ask(server)
    ((sample, fault),) = world.faults()
    assert fault == code
    assert result.figures.model is not None
    assert (result.figures.model.questions, result.figures.model.failed) == (10, 1)
    row = world.tagged()[sample]
    assert row["locatability_score"] is None
    assert row["scene_tags"] == ["plants"], "the other question about it counts"
    assert len(world.tagged()) == 5


def test_one_refusal_for_asking_too_often_is_waited_for(world: TagWorld, server: ChatServer) -> None:
    server.script.extend([fail(429, headers={"Retry-After": "0"}), fail(503)])
    assert world.ask(server).figures.model is not None
    assert not world.faults()


def test_fenced_and_repaired_answers_count(world: TagWorld, server: ChatServer) -> None:
    def chatty(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        text = tags() if asks_for_tags(asked) else locatability(7)
        if len(asked["messages"]) == 1 and not asks_for_tags(asked):
            text = text.replace('"locatability_score": 7', '"locatability_score": 7.3')
        say(f"Sure!\n```json\n{text}\n```")(handler, asked)

    server.usual = chatty
    world.ask(server)
    assert {row["locatability_score"] for row in world.tagged().values()} == {7.0}


def test_a_server_that_never_answers_changes_nothing(world: TagWorld, server: ChatServer) -> None:
    world.rate(0, 5)
    world.ask(server)
    before = world.files()
    (world.folder / "pipelines").mkdir()
    (world.folder / "pipelines" / "tag.yaml").write_text("max_tokens: 601\n")
    server.usual = fail(401, "bad key secret-of-the-stub")
    with pytest.raises(NoAnswerError, match="unauthorized") as caught:
        world.ask(server)
    assert "secret-of-the-stub" not in str(caught.value)
    assert world.files() == before


def test_failures_are_asked_again_and_answers_are_not(world: TagWorld, server: ChatServer) -> None:
    server.usual = lambda handler, asked: (fail(500) if asks_for_tags(asked) else rater())(handler, asked)
    world.ask(server)
    assert len(world.faults()) == 5
    server.asked.clear()
    server.usual = rater()
    assert world.ask(server).figures.model is not None
    assert len(server.asked) == 5
    assert not world.faults()
    before = world.files()
    assert world.ask(server).up_to_date
    assert len(server.asked) == 5
    assert world.files() == before


def test_order_of_the_answers_does_not_matter(world: TagWorld, server: ChatServer) -> None:
    world.ask(server)
    before = world.files()
    for name in ("work/cache/replies.sqlite", "work/curated/tag-answers.parquet", "work/curated/tags-manifest.json"):
        (world.folder / name).unlink()
    (world.folder / "pipelines").mkdir()
    (world.folder / "pipelines" / "tag.yaml").write_text("concurrency: 1\n")
    world.ask(server)
    assert world.files() == before


def test_pictures_that_are_gone_or_changed_are_rows(world: TagWorld, server: ChatServer) -> None:
    gone, changed, *_ = sorted((world.folder / "work" / "images").glob("*.jpg"))
    gone.unlink()
    changed.write_bytes(b"other")
    result = world.ask(server, splits=(Split.VAL, Split.COT))
    reasons = sorted(reason for _, reason in world.left_out())
    assert reasons == ["changed_image"] * 2 + ["missing_image"] * 2
    assert len(world.tagged()) == 7
    assert result.figures.model is not None
    assert result.figures.model.faults == {"changed_image": 2, "missing_image": 2}


def test_answers_about_another_picture_are_left_aside(world: TagWorld, server: ChatServer) -> None:
    world.ask(server)
    (world.folder / "work/images/images.parquet").unlink()
    result = world.tag(splits=(Split.VAL,))
    assert world.tagged() == {}
    assert result.figures.model is not None
    assert result.figures.model.stale == 10


def _picture(folder: Path, image: Image.Image, orientation: int) -> Picture:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera of somebody"
    path = folder / "picture.jpg"
    image.save(path, exif=exif, comment=b"a comment")
    return Picture(path, file_fingerprint(path)["digest"], *image.size)


@pytest.mark.parametrize("side", [64, 200, 4000])
def test_prepared_pictures_are_upright_small_and_bare(tmp_path: Path, side: int) -> None:
    stored = Image.new("RGB", (400, 200), "red")
    stored.paste("blue", (0, 0, 200, 200))
    data = prepare_picture(_picture(tmp_path, stored, 6), longest_side=side, quality=90)
    sent = Image.open(io.BytesIO(data)).convert("RGB")
    assert max(sent.size) == min(side, 400)
    assert sent.height == 2 * sent.width, "turned by a quarter"
    top = sent.getpixel((sent.width // 2, 2))
    assert isinstance(top, tuple)
    assert top[2] > 200, "what was left is up"
    for text in (b"Camera", b"comment", b"Exif"):
        assert text not in data


def test_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_bytes(b"<html>")
    with pytest.raises(PictureProblemError) as caught:
        prepare_picture(Picture(path, file_fingerprint(path)["digest"], 1, 1), longest_side=64, quality=90)
    assert caught.value.reason is TagRejectReason.UNREADABLE_IMAGE


def test_figures_compare_people_and_model(world: TagWorld, server: ChatServer) -> None:
    for sample, score in enumerate((2, 4, 6, 8)):
        world.rate(sample, score)
    server.usual = rater(6, plants="maybe")
    agreement = world.ask(server).figures.agreement
    assert agreement is not None
    assert agreement.samples == 4
    assert agreement.score.mean_difference == 1
    assert agreement.score.spearman.value is None
    assert agreement.score.spearman.reason
    plants = next(one for one in agreement.tags if one.tag.value == "plants")
    assert (plants.same, plants.answers[2][1]) == (0, 4)
    page = (world.curated / "tags-report.html").read_text()
    assert "pool:val-0" in page
    assert json.dumps(agreement.people) == '{"human": 4}'
