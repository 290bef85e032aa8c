from __future__ import annotations

import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from geoseek.annotation.forms import CONTROLS, Form, controls_of, load_form, load_handbook, stage_control, tag_control
from geoseek.annotation.forms.controls import SUB_SCORES, StagePart, sub_score_control
from geoseek.schemas import Annotation, InputError, SceneTag, Split, StageName
from geoseek.workspace import reference_root

REFERENCE = reference_root() / "annotation"
PAGE = (REFERENCE / "label_config.xml").read_text(encoding="utf-8")


def workspace_with(folder: Path, page: str) -> Path:
    (folder / "annotation").mkdir()
    (folder / "annotation" / "label_config.xml").write_text(page, encoding="utf-8")
    return folder


def parsed(form: Form) -> ET.Element:
    return ET.fromstring(form.xml)  # noqa: S314 - our own page


def names(form: Form) -> set[str]:
    return {element.get("name", "") for element in parsed(form).iter() if element.get("toName")}


@pytest.mark.parametrize("split", list(Split))
def test_reference_page_asks_what_the_split_needs(tmp_path: Path, split: Split) -> None:
    form = load_form(tmp_path, split)
    assert names(form) == set(controls_of(split))
    assert form.digest == hashlib.sha256(form.xml.encode()).hexdigest()
    assert load_form(tmp_path, split) == form
    rated = {"locatability", "main_clues", *map(tag_control, SceneTag), *map(sub_score_control, SUB_SCORES)}
    assert names(form) & rated == (rated if split is Split.VAL else set())


def test_only_the_country_stage_is_mandatory(tmp_path: Path) -> None:
    page = parsed(load_form(tmp_path, Split.COT))
    required = {element.get("name") for element in page.iter() if element.get("required") == "true"}
    assert required == {stage_control(StageName.COUNTRY, part) for part in StagePart} | {"final_answer"}


def test_every_control_fills_a_field_of_the_record() -> None:
    assert {control.field.split(".")[0] for control in CONTROLS.values()} <= set(Annotation.model_fields)


def test_keys_are_unique_and_leave_the_page_its_own(tmp_path: Path) -> None:
    page = parsed(load_form(tmp_path, Split.VAL))
    keys = [element.get("hotkey") for element in page.iter() if element.get("hotkey")]
    assert len(keys) == len(set(keys))
    assert not {"u", "v", "h", "r", "enter", "escape", "backspace", "alt+r", "alt+h", "alt+l", "alt+m"} & set(keys)
    waiting = [e for e in page.iter() if e.tag in {"Choice", "Label", "Number"} and not e.get("hotkey")]
    assert not waiting, "Label Studio gives leftover keys to controls that have none"


def test_texts_have_a_placeholder(tmp_path: Path) -> None:
    page = parsed(load_form(tmp_path, Split.VAL))
    assert all(text.get("placeholder") for text in page.iter("TextArea")), "the orange frame needs one"


def test_own_page_goes_before_the_reference(tmp_path: Path) -> None:
    reference = load_form(tmp_path, Split.COT)
    own = load_form(workspace_with(tmp_path, PAGE.replace("Final answer", "Réponse 最終")), Split.COT)
    assert "Réponse 最終" in own.xml
    assert own.digest != reference.digest


def test_line_ends_do_not_make_a_new_version(tmp_path: Path) -> None:
    reference = load_form(tmp_path, Split.VAL)
    (workspace_with(tmp_path, "") / "annotation" / "label_config.xml").write_bytes(
        b"\xef\xbb\xbf" + PAGE.replace("\n", "\r\n").encode()
    )
    assert load_form(tmp_path, Split.VAL) == reference


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name="country_clues"', 'name="country_clue"', ["'country_clue'", "did you mean 'country_clues'?"]),
        ('name="country_clues"', 'name="shoe_size"', ["no field", "'shoe_size'", "missing: country_clues"]),
        ('name="region_clues" toName="image"', 'name="region_clues" toName="photo"', ["'photo'", "toName must be"]),
        ('<Choice value="Moderate" hotkey="w"/>', '<Choice value="Medium"/>', ["Medium", "Low, Moderate, High"]),
        ('<Label value="Region clue"', '<Label value="Regional clue"', ["clue_boxes", "Region clue, Precise clue"]),
        ('<Choice value="no" hotkey="shift+t"/>', "", ["tag_manmade offers yes, maybe", "yes, no, maybe"]),
        ('name="locatability" toName="image" min="0" max="10"', 'name="locatability" toName="image"', ['max="10"']),
        ('name="region_reasoning"', 'name="region_reasoning" required="true"', ["region_reasoning must not be"]),
        (' required="true" requiredMessage="The final answer is missing."', "", ["final_answer must be required"]),
        ('choice="single"', 'choice="multiple"', ["one choice"]),
        ('value="$image"', 'value="$photo"', ["one picture"]),
        ('name="region_clues"', 'name="country_clues"', ["'country_clues' is used 2 times"]),
        ("</View>\n</View>", "</View>", ["not well-formed", "line"]),
    ],
)
def test_page_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert old in PAGE
    with pytest.raises(InputError) as caught:
        load_form(workspace_with(tmp_path, PAGE.replace(old, new)), Split.VAL)
    assert "annotation/label_config.xml" in caught.value.message
    for word in words:
        assert word in caught.value.message
    assert caught.value.hint


def test_unreadable_page(tmp_path: Path) -> None:
    folder = workspace_with(tmp_path, "")
    (folder / "annotation" / "label_config.xml").write_bytes("<View>é</View>".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        load_form(folder, Split.COT)


def test_rating_may_be_dropped_from_other_splits_only(tmp_path: Path) -> None:
    page = re.sub(r'<Number name="locatability".*?/>', "", PAGE)
    folder = workspace_with(tmp_path, page)
    assert load_form(folder, Split.COT).split is Split.COT
    with pytest.raises(InputError, match="missing: locatability"):
        load_form(folder, Split.VAL)


def test_handbook_is_safe_to_show(tmp_path: Path) -> None:
    reference = load_handbook(tmp_path)
    assert ">Scene tags</h2>" in reference.html
    assert "<table>" in reference.html
    assert 'class="gs-handbook"' in reference.html
    assert ".gs-handbook table" in load_form(tmp_path, Split.COT).xml
    assert "<img" not in reference.html
    assert "[Picture: Drawn street in winter" in reference.html
    assert 'href="#' not in reference.html
    (tmp_path / "annotation").mkdir()
    path = tmp_path / "annotation" / "HANDBOOK.md"
    path.write_text("# Réglement 🌍\n<script>alert(1)</script> [x](javascript:alert(1)) ![p](a.png)", encoding="utf-8")
    own = load_handbook(tmp_path)
    assert "<script" not in own.html
    assert 'href="javascript' not in own.html
    assert ">Réglement 🌍</h1>" in own.html
    assert own.digest != reference.digest
    path.write_text("  \n")
    with pytest.raises(InputError, match="empty"):
        load_handbook(tmp_path)


def test_handbook_covers_what_the_page_asks() -> None:
    text = (REFERENCE / "HANDBOOK.md").read_text(encoding="utf-8")
    for tag in SceneTag:
        words = {"manmade": "man-made", "mountains_and_rivers": "mountains, rivers"}.get(tag.value, tag.value)
        assert f"\n| {words} |" in text
    for name in re.findall(r"\]\((images/[^)]+)\)", text):
        assert (REFERENCE / name).is_file()
    for band in ("unlocatable", "extremely low", "low", "moderate", "high", "extremely high"):
        assert f"| {band} |" in text
