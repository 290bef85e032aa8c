from __future__ import annotations

from pathlib import Path

from PIL import Image

from geoseek.demo.sheet import ENTRIES, main, scene_sheet

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_sheet_is_a_grid() -> None:
    sheet = scene_sheet(ENTRIES[:4], (96, 72))
    assert sheet.size == (3 * 102 + 6, 2 * 96 + 6)


def test_main_writes_a_small_png(tmp_path: Path) -> None:
    main([str(tmp_path / "sheet.png")])
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG"
    assert (tmp_path / "sheet.png").stat().st_size < 700_000


def test_docs_show_twelve_countries() -> None:
    assert len({entry.code for entry in ENTRIES}) == 12
    text = (DOCS / "scenes.md").read_text(encoding="utf-8")
    assert "images/scenes.png" in text
    assert all(entry.country in text for entry in ENTRIES)
    assert (DOCS / "images" / "scenes.png").stat().st_size < 700_000
