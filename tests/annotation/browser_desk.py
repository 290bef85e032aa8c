"""An annotator at the page: a real browser without a screen, and the moves that tests make in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from geoseek.annotation.forms import StagePart, stage_control
from geoseek.schemas import Stage, StageName, Uncertainty

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_KEYS = {StageName.COUNTRY: "qwe", StageName.REGION: "asd", StageName.PRECISE: "zxc"}
PATIENCE_MS = 90_000
SETTLE_MS = 500
"""A click right after a box was drawn counts as part of the drawing; the page does not say when it no longer does."""


def chromium() -> str:
    """Return the path of the browser; a machine without one fails the test rather than hiding it."""
    named = os.environ.get("GEOSEEK_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if not found:
        pytest.fail("These tests need Chromium: install the package chromium, or name one in GEOSEEK_CHROMIUM.")
    return found


@contextmanager
def open_browser(profile: Path, size: tuple[int, int] = (1366, 768)) -> Iterator[Page]:
    """Open a page in a fresh profile."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail("These tests need the Python package playwright: install the extra dev.")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            args=list(FLAGS),
            viewport={"width": size[0], "height": size[1]},
            headless=True,
        )
        try:
            context.set_default_timeout(PATIENCE_MS)
            yield context.new_page()
        finally:
            context.close()


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    """Sign in through the server's own form."""
    page.goto(f"{url}/user/login/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda address: "/user/login" not in address)


def open_next_task(page: Page, url: str, project: int) -> None:
    """Open the stream of tasks of a project, read the handbook (so to speak), and wait for page and picture."""
    page.goto(f"{url}/projects/{project}/data?labeling=1")
    page.wait_for_selector(".gs-root")
    close_handbook(page, project)
    page.wait_for_function("() => document.querySelector('.gs-root img')?.complete")


def close_handbook(page: Page, project: int) -> None:
    """Close the instructions, if the project is one that opens with them."""
    shown = page.evaluate("id => fetch(`/api/projects/${id}`).then(answer => answer.json())", project)
    if shown["show_instruction"]:
        button = page.get_by_label("Close modal")
        button.click()
        button.wait_for(state="hidden")


def field(page: Page, control: str) -> Locator:
    """Return the input of a control."""
    return page.locator(f'.gs-root [name="{control}"]')


def enter(page: Page, control: str, words: str, key: str = "Enter") -> None:
    """Type words and have the page keep them; a dialog that is still closing may swallow the key once."""
    from playwright.sync_api import TimeoutError as NotThereError

    kept = page.locator('.gs-root [data-testid="textarea-region"]', has_text=words.splitlines()[0]).first
    field(page, control).fill(words)
    field(page, control).press(key)
    try:
        kept.wait_for(timeout=PATIENCE_MS / 10)
    except NotThereError:
        field(page, control).press(key)
        kept.wait_for()


def fill_stage(page: Page, name: StageName, stage: Stage) -> None:
    """Fill a stage the way an annotator does: Enter, Shift + Enter, and a key for the uncertainty."""
    for clue in stage.clues:
        enter(page, stage_control(name, StagePart.CLUES), clue)
    enter(page, stage_control(name, StagePart.REASONING), stage.reasoning, "Shift+Enter")
    enter(page, stage_control(name, StagePart.CONCLUSION), stage.conclusion)
    page.keyboard.press(_KEYS[name][list(Uncertainty).index(stage.uncertainty)])


def draw_box(page: Page, label_key: str, corners: Sequence[float], note: str) -> None:
    """Draw a box (x, y, x, y in shares of the picture), click it and write its note without pressing Enter."""
    picture = page.locator(".gs-root .lsf-image").bounding_box()
    assert picture

    def point(x: float, y: float) -> tuple[float, float]:
        return picture["x"] + x * picture["width"], picture["y"] + y * picture["height"]

    left, upper, right, lower = corners
    page.keyboard.press(label_key)
    page.mouse.move(*point(left, upper))
    page.mouse.down()
    page.mouse.move(*point(right, lower), steps=5)
    page.mouse.up()
    page.wait_for_timeout(SETTLE_MS)
    page.mouse.click(*point((left + right) / 2, (upper + lower) / 2))
    field(page, "clue_note").fill(note)


def answer_tags(page: Page, keys: Mapping[str, str]) -> None:
    """Answer scene tags by their keys: key -> yes, no or maybe."""
    for key, answer in keys.items():
        page.keyboard.press({"yes": "", "no": "Shift+", "maybe": "Alt+"}[answer] + key)


def submit(page: Page) -> None:
    """Press Submit and wait until the server has the annotation."""
    with page.expect_response(
        lambda answer: "/annotations" in answer.url and answer.request.method == "POST" and answer.status == 201
    ):
        page.get_by_role("button", name="Submit").first.click()
