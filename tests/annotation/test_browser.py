"""The labelling page in a real browser: what annotators enter is what `pull` brings back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from geoseek.annotation.ledger import Ledger
from geoseek.annotation.pull.run import PullRequest, run_pull
from geoseek.annotation.push.run import PushRequest, run_push
from geoseek.annotation.server import Studio, connect, invite
from geoseek.annotation.server.home import load_secrets, server_home
from geoseek.schemas import Annotation, ChainOfThought, SceneTag, Split, Stage, StageName, Uncertainty
from tests.annotation.browser_desk import (
    answer_tags,
    close_handbook,
    draw_box,
    enter,
    field,
    fill_stage,
    open_browser,
    open_next_task,
    sign_in,
    submit,
)
from tests.annotation.workspaces import make_workspace

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.slow, pytest.mark.xdist_group("studio")]

CHAIN = ChainOfThought(
    country=Stage(
        clues=("panneau « Café Zoë »", "看板「東京駅」", "🚗 on the left"),
        reasoning="Kanji with kana: 日本語.\nLeft-hand traffic 🚙 rules out 中国 — naïvely speaking.",
        conclusion="日本 (Japan)",
        uncertainty=Uncertainty.LOW,
    ),
    region=Stage(
        clues=("tall grey façades",),
        reasoning="Ein großes Bahnhofsgebäude aus Ziegeln.",
        conclusion="Kantō",
        uncertainty=Uncertainty.MODERATE,
    ),
    precise=Stage(
        clues=("brick station",),
        reasoning="Кирпичный вокзал, купола справа.",
        conclusion="Chiyoda",
        uncertainty=Uncertainty.HIGH,
    ),
    final_answer="Japan; Kantō; 千代田区 🗼",
)
HANDBOOK_SECONDS = 5
"""How long after an entry the handbook says a draft is saved."""


@dataclass(frozen=True)
class Desk:
    """An annotator's browser, signed in, and the annotator's projects."""

    page: Page
    studio: Studio
    workspace: Path
    projects: dict[Split, int]

    def open(self, split: Split) -> Page:
        """Open the next task of a split."""
        open_next_task(self.page, self.studio.url, self.projects[split])
        return self.page

    def pulled(self, split: Split) -> list[Annotation]:
        """Pull, and return what the ledger has of a split."""
        run_pull(PullRequest(self.workspace, splits=(split,)), self.studio)
        with Ledger(self.workspace / "work" / "annotation") as ledger:
            kept = [stored.annotation for stored in ledger.annotations()]
        return [annotation for annotation in kept if annotation and annotation.split is split]


@pytest.fixture(scope="module")
def desk(studio_server: tuple[Studio, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    shared, server_workspace = studio_server
    token = load_secrets(server_home(server_workspace)).token
    assert token
    workspace = make_workspace(tmp_path_factory.mktemp("desk") / "workspace", dict.fromkeys(Split, 2))
    with connect(shared.url, token, say=lambda _: None) as studio:
        account = invite(studio, workspace, "zoe@example.org")
        assert account.password
        with Ledger(workspace / "work" / "annotation") as ledger:
            ledger.add_annotator("otter", email=account.email, server_user_id=account.user_id)
        pushed = run_push(PushRequest(workspace, tuple(Split), overlap=1, overlap_share=0), studio)
        projects = {project.split: int(project.url.rstrip("/").rpartition("/")[2]) for project in pushed.projects}
        with open_browser(tmp_path_factory.mktemp("profile")) as page:
            sign_in(page, studio.url, account.email, account.password)
            yield Desk(page, studio, workspace, projects)


def test_words_come_back_as_they_were_typed(desk: Desk) -> None:
    page = desk.open(Split.COT)
    for name, stage in CHAIN.stages().items():
        fill_stage(page, name, stage)
    draw_box(page, "1", (0.2, 0.3, 0.5, 0.6), "2")
    field(page, "final_answer").fill(CHAIN.final_answer)
    submit(page)
    (annotation,) = desk.pulled(Split.COT)
    assert annotation.chain == CHAIN
    assert annotation.annotator == "otter"
    (box,) = annotation.clue_boxes
    assert (box.stage, box.clue_index, box.note) == (StageName.COUNTRY, 1, "2")
    assert (box.x, box.y, box.w, box.h) == pytest.approx((20, 30, 30, 30), abs=2)
    assert annotation.provenance["chain.country"] == "human"
    assert (annotation.config_version, annotation.handbook_version) == (1, 1)
    assert annotation.scene_tags == {}


def test_rating_and_tags_by_keyboard(desk: Desk) -> None:
    page = desk.open(Split.VAL)
    fill_stage(page, StageName.COUNTRY, CHAIN.country)
    enter(page, "final_answer", CHAIN.final_answer)
    answers = dict(
        zip(SceneTag, ("yes", "no", "maybe", "yes", "no", "maybe", "yes", "no", "maybe", "yes"), strict=True)
    )
    answer_tags(page, dict(zip("tyiopgbnjk", answers.values(), strict=True)))
    for _ in range(13):
        page.keyboard.press("l")
    submit(page)
    (annotation,) = desk.pulled(Split.VAL)
    assert annotation.locatability_score == 6.5
    assert annotation.scene_tags == {tag.value: answer for tag, answer in answers.items()}
    assert annotation.chain == CHAIN.model_copy(update={"region": None, "precise": None})


def test_reload_keeps_what_the_handbook_says(desk: Desk) -> None:
    page = desk.open(Split.LOC)
    with page.expect_response(lambda answer: "/drafts" in answer.url and answer.ok) as draft:
        enter(page, "country_clues", "kept clue é 漢 🚦")
        field(page, "country_reasoning").fill("typed, not entered")
        words = field(page, "country_reasoning")
        shown = words.evaluate("words => getComputedStyle(words.form, '::after').content")
        assert "Not kept yet: press Shift + Enter" in shown
    assert "typed, not entered" not in (draft.value.request.post_data or "")
    page.reload()
    page.wait_for_selector(".gs-root")
    close_handbook(page, desk.projects[Split.LOC])
    page.locator('[data-testid="textarea-region"]', has_text="kept clue é 漢 🚦").wait_for()
    assert field(page, "country_reasoning").input_value() == ""


def test_refused_submit_stops_the_drafts_until_the_next_one(desk: Desk) -> None:
    page = desk.open(Split.LOC)
    page.get_by_role("button", name="Submit").first.click()
    page.get_by_text("missing.").wait_for()
    page.get_by_role("button", name="OK").last.click()
    page.get_by_text("missing.").wait_for(state="hidden")
    drafts: list[Request] = []
    page.on("request", lambda request: drafts.append(request) if "/drafts" in request.url else None)
    fill_stage(page, StageName.COUNTRY, CHAIN.country)
    enter(page, "final_answer", "Japan")
    page.wait_for_timeout((HANDBOOK_SECONDS + 3) * 1000)
    assert not drafts, "drafts are saved after a refused submit: the handbook and the README may drop their warning"
    submit(page)
    (annotation,) = desk.pulled(Split.LOC)
    assert annotation.chain
    assert annotation.chain.final_answer == "Japan"
    assert annotation.chain.country.clues[-3:] == CHAIN.country.clues
