"""The page of the adjudication: its text, the chains side by side, and what a task carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from geoseek.annotation.forms import Form, encode_results, load_form
from geoseek.annotation.forms.form import digest_of, read_text_file, workspace_file
from geoseek.annotation.review.disputes import Dispute, Rival
from geoseek.schemas import InputError, Split, Stage, StageName
from geoseek.workspace import display_path

CONFIG_FILE = "adjudication_config.xml"
SLOT = "ga-form"
"""Class of the element that the annotators' form is put into."""
VERDICT = "verdict"
OWN = "Own text"
PREFILL = "copy of a chain"
"""Name under which the server keeps the text that a text of one's own starts from."""

_COLORS = {StageName.COUNTRY: "#1f77b4", StageName.REGION: "#ff7f0e", StageName.PRECISE: "#d62728"}
_TITLES = {StageName.COUNTRY: "Country", StageName.REGION: "Region", StageName.PRECISE: "Precise place"}


def load_board(workspace: Path, split: Split) -> Form:
    """Return the page of the adjudication of a split: our frame, with the annotators' form of that split inside.

    Raises:
        InputError: `annotation/adjudication_config.xml` is no XML, or lacks the picture, the chains, the verdict, or
            the place for the form.
    """
    path = workspace_file(workspace, CONFIG_FILE)
    shown = display_path(path, workspace)
    try:
        root = ET.fromstring(read_text_file(path, shown))  # noqa: S314 - the lead's own file
    except ET.ParseError as error:
        raise InputError(f"{shown} is not well-formed XML: {error}.", hint="Mend that line.") from error
    slot = next((element for element in root.iter() if SLOT in element.get("className", "").split()), None)
    needed = {"Image": "$image", "HyperText": "$chains", "Choices": "$verdicts"}
    missing = [tag for tag, value in needed.items() if not _has(root, tag, value)]
    if slot is None or missing:
        wanted = ", ".join(f'<{tag} value="{needed[tag]}">' for tag in missing) or f'<View className="{SLOT}">'
        raise InputError(f"{shown} lacks {wanted}.", hint="Compare it with the reference copy.")
    form = ET.fromstring(load_form(workspace, split).xml)  # noqa: S314 - written by load_form
    _fit_into_frame(form)
    slot.append(form)
    xml = ET.tostring(root, encoding="unicode").strip() + "\n"
    return Form(split, xml, digest_of(xml))


def _has(root: Element, tag: str, value: str) -> bool:
    return any(element.get("value") == value for element in root.iter(tag))


def _fit_into_frame(element: Element) -> None:
    """Take out the picture, as the frame has one, and what is required: the page would insist on it while hidden."""
    for child in list(element):
        if child.tag == "Image":
            element.remove(child)
        else:
            child.attrib.pop("required", None)
            child.attrib.pop("requiredMessage", None)
            _fit_into_frame(child)


def board_data(dispute: Dispute) -> dict[str, Any]:
    """Return what a task shows beside the key and the picture: chains, verdicts, and which version each letter is."""
    letters = [rival.letter for rival in dispute.rivals]
    return {
        "chains": chains_html(dispute),
        "verdicts": [{"value": choice} for choice in (*letters, OWN)],
        "copied": f"“{OWN}” opens the form, filled with a copy of {dispute.base.letter}.",
        "refs": {rival.letter: rival.ref for rival in dispute.rivals},
        "base": dispute.base.letter,
    }


def base_results(dispute: Dispute) -> list[dict[str, Any]]:
    """Return the results that fill the form with the chain to start from."""
    annotation = dispute.base.stored.annotation
    if annotation is None:
        return []
    return encode_results(
        dispute.base.chain,
        boxes=annotation.clue_boxes,
        score=annotation.locatability_score,
        tags=annotation.scene_tags,
        split=dispute.split,
    )


def chains_html(dispute: Dispute) -> str:
    """Return the chains side by side, a column for each, a row for each stage; every text is escaped."""
    columns = f"grid-template-columns:repeat({len(dispute.rivals)},minmax(200px,1fr))"
    cells = [
        _cell(f'<b style="font-size:15px">{rival.letter}</b>', "border-bottom:2px solid #8886")
        for rival in dispute.rivals
    ]
    for name in StageName:
        if any(name in rival.chain.stages() for rival in dispute.rivals):
            cells.append(_stage_title(name, differs=name in dispute.differing))
            cells += [_stage_cell(name, rival.chain.stages().get(name)) for rival in dispute.rivals]
    cells.append(_title("Final answer", "#8889"))
    cells += [_cell(f"<b>{_text(rival.chain.final_answer)}</b>") for rival in dispute.rivals]
    if dispute.split is Split.VAL:
        cells.append(_title("Locatability and scene tags", "#8889"))
        cells += [_cell("<br>".join(_rating(rival))) for rival in dispute.rivals]
    return f'<div style="display:grid;gap:4px 10px;{columns};font-size:13px;line-height:1.4">{"".join(cells)}</div>'


def _cell(content: str, style: str = "") -> str:
    return f'<div style="padding:2px 8px;overflow-wrap:anywhere;{style}">{content}</div>'


def _title(words: str, color: str, note: str = "") -> str:
    style = f"grid-column:1/-1;margin-top:6px;padding:1px 8px;border-left:4px solid {color};font-weight:600"
    return f'<div style="{style}">{words}{note}</div>'


def _stage_title(name: StageName, *, differs: bool) -> str:
    note = ' <span style="font-weight:400;color:#c2410c">the conclusions differ</span>' if differs else ""
    return _title(_TITLES[name], _COLORS[name], note)


def _stage_cell(name: StageName, stage: Stage | None) -> str:
    if stage is None:
        return _cell('<i style="opacity:.7">not given</i>')
    clues = "".join(f"<li>{_text(clue)}</li>" for clue in stage.clues)
    return _cell(
        f"<div><b>{_text(stage.conclusion)}</b> "
        f'<span style="opacity:.7">{stage.uncertainty.value.lower()} uncertainty</span></div>'
        f'<ul style="margin:2px 0;padding-left:18px;list-style:disc">{clues}</ul><div>{_text(stage.reasoning)}</div>',
        f"background:{_COLORS[name]}14;border-radius:4px",
    )


def _rating(rival: Rival) -> Iterator[str]:
    annotation = rival.stored.annotation
    if annotation is not None and annotation.locatability_score is not None:
        yield f"<b>{annotation.locatability_score:g}</b> of 10"
    answers: Mapping[str, str] = annotation.scene_tags if annotation else {}
    for answer in ("yes", "maybe"):
        tags = [tag.replace("_", " ") for tag, given in answers.items() if given == answer]
        if tags:
            yield f"{answer}: {_text(', '.join(tags))}"


def _text(words: str) -> str:
    return escape("".join(char if char.isprintable() or char in "\n\u200c\u200d" else " " for char in words)).replace(
        "\n", "<br>"
    )
