"""The report page: what it says, what it escapes, and what its map shows."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from geoseek.geo import load_countries
from geoseek.reporting import DARK, LIGHT, equal_earth
from geoseek.reporting.projection import X_MAX, Y_MAX
from geoseek.training.evaluate import (
    FIGURES,
    Evaluated,
    EvaluateSettings,
    Outcome,
    PredictionSet,
    Tools,
    TruthTable,
    Unit,
    evaluate,
    figure_text,
    truth_table,
)
from geoseek.training.evaluate.error_map import LIMITS_KM, NOWHERE, draw_error_map, error_classes
from geoseek.training.evaluate.report import along, along_km, group_tables, pairs, render_report, second_is_better
from geoseek.training.evaluate.tables import OUTCOME_CODES
from geoseek.training.evaluate.truth import TrueRow
from tests.training.evaluate.tables import truth_of

SETTINGS = EvaluateSettings(resamples=100)
EVIL = '<script>alert("1")</script>&<img src=x onerror=alert(2)>'
VOID = {"meta", "img", "source", "input", "br", "link"}


def said(name: str, truth: TruthTable, shift_deg: Sequence[float | None], answer: str = "France") -> PredictionSet:
    """Return answers this far north of the truth; None is unlocatable."""
    shift = np.array([np.nan if one is None else one for one in shift_deg])
    located = np.isfinite(shift)
    return PredictionSet(
        name,
        f"{name}.csv",
        np.where(located, OUTCOME_CODES[Outcome.LOCATED], OUTCOME_CODES[Outcome.UNLOCATABLE]).astype(np.int8),
        truth.lat + shift,
        np.where(located, truth.lng, np.nan),
        [answer] * len(truth),
        ["place" if one else "" for one in located],
        read=len(truth),
    )


def evaluated(tools: Tools, *shifts: Sequence[float | None], rows: int = 8, **changed: object) -> Evaluated:
    truth = truth_of(rows)
    sets = [said(f"model {at}", truth, shift) for at, shift in enumerate(shifts)]
    settings = EvaluateSettings.model_validate({**SETTINGS.model_dump(), **changed})
    return evaluate(sets, truth, settings, tools)


class Outline(HTMLParser):
    """Collects ids, links, addresses and text of a page, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        self.addresses += [str(given[name]) for name in ("src", "srcset") if given.get(name)]
        assert not any(name.startswith("on") for name in given)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what closes itself, in drawings, as opened and closed."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def finish(self) -> Outline:
        self.close()
        assert self._open == []
        return self


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser.finish()


@pytest.fixture(scope="module")
def one(tools: Tools) -> Evaluated:
    return evaluated(tools, [0.1, 0.1, 1, 1, 4, 20, 40, None])


@pytest.fixture(scope="module")
def two(tools: Tools) -> Evaluated:
    good, bad = [0.01] * 39 + [None], [30.0] * 40
    return evaluated(tools, good, bad, rows=40)


def test_page_shows_every_figure_with_its_interval(one: Evaluated) -> None:
    page = outline(render_report(one))
    overall = one.evaluation.sets[0].overall
    for key, figure in FIGURES.items():
        value, _, interval = figure_text(overall.estimates[key], figure.unit).partition(" (")
        assert figure.label in page.text
        assert value in page.text
        assert interval.removesuffix(")") in page.text
    assert "7 of 8 rows of val have an answer with coordinates" in page.text
    assert "8 = 8 counted + 0 rejected" in page.text


def test_page_is_one_file_whose_links_lead_somewhere(two: Evaluated) -> None:
    page = outline(render_report(two))
    assert "script" not in page.tags
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert {
        "figures",
        "comparison",
        "curve",
        "map",
        "bands",
        "tags",
        "continents",
        "countries",
        "worst",
        "rows",
    } <= set(page.ids)


def test_equal_figures_give_equal_bytes(one: Evaluated) -> None:
    assert render_report(one) == render_report(one)


def test_names_and_answers_from_files_are_escaped(tools: Tools) -> None:
    rows = [TrueRow(EVIL + str(n), 10.0 + n, 20.0, "TD", EVIL, EVIL, EVIL) for n in range(3)]
    truth = truth_table(EVIL, rows)
    hostile = replace(said(EVIL, truth, [1, 2, 3], EVIL), models=(EVIL,), notices=(EVIL,), levels=[EVIL] * 3, file=EVIL)
    page = render_report(evaluate([hostile, replace(hostile, name="b" + EVIL)], truth, SETTINGS, tools, [EVIL]))
    assert "<script" not in page
    assert "<img src=x" not in page
    assert outline(page).text.count('alert("1")') > 10


def test_other_denominator_is_named_wherever_its_figures_are(tools: Tools) -> None:
    shifts = ([0.1, 0.1, 1, 1, 4, 20, 40, None], [0.1] * 8)
    page = render_report(evaluated(tools, *shifts, denominator="answered"))
    assert page.index("Denominator answered") < page.index("<main")
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL))
    for name in ("figures", "comparison", "curve", "bands", "tags", "continents", "countries", "rows", "method"):
        assert "denominator answered" in sections[name].lower(), name
    assert "denominator answered" not in render_report(evaluated(tools, *shifts)).lower()


def test_clear_differences_name_the_better_set(two: Evaluated) -> None:
    (pair,) = pairs(two.evaluation)
    found = {difference.figure: difference for difference in pair.differences}
    assert (pair.first, pair.second) == (0, 1)
    assert not second_is_better(found["accuracy_25km"])
    assert not second_is_better(found["mean_km"])
    page = render_report(two)
    clear = [one for one in pair.differences if one.p_holm is not None and one.p_holm <= 0.05]
    assert len(clear) >= 5
    assert page.count("</i>better</td>") == len(clear)
    assert "39 : 0" not in page
    assert "0 : 39" in page


def test_axis_of_differences_holds_all_of_a_unit(two: Evaluated) -> None:
    (pair,) = pairs(two.evaluation)
    for one in pair.differences:
        if one.difference.value is not None:
            ends = (one.difference.value, one.difference.low or 0.0, one.difference.high or 0.0)
            assert max(map(abs, ends)) <= pair.reach(one)


def test_too_few_permutations_are_told(tools: Tools, two: Evaluated) -> None:
    assert "raise --resamples" in render_report(two)
    enough = evaluated(tools, [0.1] * 8, [1.0] * 8, resamples=1000)
    assert "raise --resamples" not in render_report(enough)


def test_equal_sets_have_nothing_clear(tools: Tools) -> None:
    page = render_report(evaluated(tools, [1.0] * 8, [1.0] * 8))
    assert "</i>better</td>" not in page


@pytest.mark.parametrize("denominator", ["all", "answered"])
def test_nothing_is_located(tools: Tools, denominator: str) -> None:
    page = outline(render_report(evaluated(tools, [None] * 8, denominator=denominator)))
    assert "No answer has coordinates." in page.text
    assert "0 of 8 rows of val have an answer with coordinates." in page.text


def test_many_countries_are_all_in_the_full_table(tools: Tools) -> None:
    codes = [country.code for country in load_countries()][:26]
    rows = [TrueRow(f"p:{n:03}", float(n), float(n), code, code) for n, code in enumerate(codes)]
    truth = truth_table("val", rows)
    found = evaluate([said("one", truth, [0.1] * len(rows))], truth, SETTINGS, tools)
    tables = {table.anchor: table for table in group_tables(found.evaluation.sets)}
    assert set(tables) == {"continents", "countries"}
    assert (len(tables["countries"].groups), tables["countries"].shown) == (26, 20)
    page = render_report(found)
    assert "all 26 countries" in page
    for at, group in enumerate(tables["countries"].groups):
        label = html.escape(group.label)
        assert (f'<td class="name">{label}</td>' in page) == (at < 20)
        assert f"<tr><td>{label}</td>" in page


@given(st.floats(0, 20_015))
def test_class_of_an_error_is_the_number_of_limits_that_it_exceeds(distance_km: float) -> None:
    (found,) = error_classes(np.array([distance_km])).tolist()
    assert found == sum(distance_km > limit for limit in LIMITS_KM) < NOWHERE


@given(st.floats(0, 21_000), st.floats(0, 21_000))
def test_axis_keeps_the_order(near: float, far: float) -> None:
    low, high = sorted((near, far))
    assert 0 <= along_km(low) <= along_km(high) <= 1
    assert 0 <= along(low, Unit.POINTS) <= along(high, Unit.POINTS) <= 1


def pixels(uri: str) -> Image.Image:
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        return picture.convert("RGBA")


def test_map_has_a_dot_in_the_colour_of_its_class_where_the_truth_is(one: Evaluated) -> None:
    found = draw_error_map(one)
    (layers,) = found.sets
    assert layers.counts == (2, 2, 1, 1, 1, 1)
    classes = error_classes(one.rows[0].distance_km)
    for row, number in enumerate(classes.tolist()):
        x, y = equal_earth(one.truth.lat[row], one.truth.lng[row])
        place = (
            int((float(x) / X_MAX + 1) / 2 * found.width),
            int((1 - float(y) / Y_MAX) / 2 * found.height),
        )
        for theme, uri in ((LIGHT, layers.dots[number].light), (DARK, layers.dots[number].dark)):
            colour = theme.muted if number == NOWHERE else theme.errors[number]
            *rgb, opacity = pixels(uri).getpixel(place)  # type: ignore[misc]
            assert opacity > 200
            assert rgb == [round(255 * part) for part in to_rgb(colour)]


def test_map_draws_ways_of_far_errors_only(one: Evaluated, tools: Tools) -> None:
    far = sum(row.distance_km > 200 for row in one.evaluation.sets[0].worst)
    (layers,) = draw_error_map(one).sets
    assert layers.way_count == far == 3
    assert layers.ways is not None
    (near,) = draw_error_map(evaluated(tools, [0.1] * 8)).sets
    assert (near.ways, near.way_count) == (None, 0)
