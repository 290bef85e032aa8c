"""The card says what is there, and shows what people wrote as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from geoseek.pipelines import run_export
from geoseek.pipelines.export.markdown import escape
from geoseek.schemas import Split
from tests.pipelines.export.worlds import World, chain, full_world

HOSTILE = "<script>alert(1)</script> | **b** `c` [x](javascript:alert(1)) \u202egnp.exe 漢字 שלום $$x$$ <!-- "


def _html(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def test_hostile_words_are_shown_as_text(tmp_path: Path) -> None:
    world = World(tmp_path).draw(Split.COT, 1, attribution=HOSTILE, licences=("CC BY 4.0",), country=HOSTILE).fetch()
    world.curate({world.ids[Split.COT][0]: chain(HOSTILE)})
    run_export(world.request(title=f"A {HOSTILE}"))
    text = (tmp_path / "export" / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
    html = _html(text)
    assert "<script" not in html
    assert "<!--" not in html
    assert 'href="javascript' not in html
    assert "\u202e" not in text
    assert "漢字 שלום" in html
    assert "&lt;script&gt;" in html


def test_card_counts_what_is_there(exported: tuple[World, Path]) -> None:
    text = (exported[1] / "README.md").read_text(encoding="utf-8")
    assert "| extremely low | 2 |" in text
    assert "| sign | 6 | 0 |" in text
    assert "| weather | 0 | 6 |" in text
    assert "| Asia | 2 | 3 | 2 | 7 |" in text
    assert "[GeoNames](https://www.geonames.org/)" in text
    assert "![Where the pictures were taken](assets/map.png)" in text
    assert "dual-use" in text
    assert "0x" not in text.replace("0x0", "")


def test_card_changes_with_the_settings_alone(tmp_path: Path) -> None:
    world = full_world(tmp_path)
    run_export(world.request())
    shard = tmp_path / "export" / "data" / "loc" / "train-00000-of-00001.parquet"
    written = shard.stat().st_mtime_ns
    result = run_export(world.request(title="Another name", license="CC-BY-NC-4.0"))
    assert not result.up_to_date
    assert shard.stat().st_mtime_ns == written
    text = (tmp_path / "export" / "README.md").read_text(encoding="utf-8")
    assert "# Another name" in text
    assert "license: cc-by-nc-4.0" in text


@given(st.text())
def test_escaped_text_is_one_line_without_markup(text: str) -> None:
    shown = escape(text)
    assert "\n" not in shown
    html = _html(f"- x {shown} y")
    assert html.count("<") == 4 if html.startswith("<ul>\n<li>x") else pytest.fail(html)
