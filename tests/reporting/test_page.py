from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from geoseek.reporting import DARK, LIGHT, count, kilometres, number, percent, points, render_page, series_index

TEMPLATE = """{% extends "page.html" %}
{% block title %}{{ title }}{% endblock %}
{% block main %}<p title="{{ title }}">{{ title }} {{ 0.25|percent }}</p>{% endblock %}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t.html").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path


def test_values_are_escaped_everywhere(folder: Path) -> None:
    page = render_page("t.html", folder, title="<script>alert('x')</script>\" onload=\"x")
    assert "<script" not in page
    assert 'onload="' not in page
    assert page.count("&lt;script&gt;") == 3
    assert "25.0 %" in page


def test_frame_forbids_requests_and_scripts_and_has_both_schemes(folder: Path) -> None:
    page = render_page("t.html", folder, title="x")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "prefers-color-scheme: dark" in page
    assert f"--page: {LIGHT.page};" in page
    assert f"--page: {DARK.page};" in page
    assert "@media print" in page
    assert "http:" not in page
    assert "https:" not in page


def test_a_name_that_is_not_given_is_an_error(folder: Path) -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_page("t.html", folder)


def test_numbers_are_readable() -> None:
    assert count(1234567.4) == "1,234,567"
    assert number(1234.5678, 2) == "1,234.57"
    assert number(0.0004) == "<0.001"
    assert number(0.0006) == "0.001"
    assert percent(1) == "100.0 %"
    assert points(-0.0001) == "0.0"
    assert points(0.5) == "+50.0"
    assert kilometres(0.999) == "1.00 km"


def test_known_splits_keep_their_colour() -> None:
    assert series_index(["cot"]) == {"cot": 1}
    assert series_index(["a", "val", "b"]) == {"a": 0, "val": 2, "b": 1}
    many = series_index([f"file{i}" for i in range(20)])
    assert len(many) == 20
    assert set(many.values()) == set(range(len(LIGHT.series)))
