"""The annotators' handbook, and its form for the instruction panel of a project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geoseek.annotation.forms.form import digest_of, read_text_file, workspace_file
from geoseek.schemas import InputError
from geoseek.workspace import display_path

if TYPE_CHECKING:
    from markdown_it.token import Token

HANDBOOK_FILE = "HANDBOOK.md"
STYLE_CLASS = "gs-handbook"
"""The panel drops inline styles and keeps classes; the labelling page has the styles of this one."""


@dataclass(frozen=True)
class Handbook:
    """The handbook for annotators.

    Attributes:
        text: The Markdown.
        digest: SHA-256 (hex) of the text.
        html: What the projects show as their instruction: no pictures, no raw HTML, no scripts.
    """

    text: str
    digest: str
    html: str


def load_handbook(workspace: Path) -> Handbook:
    """Read `annotation/HANDBOOK.md` of the workspace, or the reference copy.

    Raises:
        InputError: It cannot be read, or is empty.
    """
    path = workspace_file(workspace, HANDBOOK_FILE)
    shown = display_path(path, workspace)
    text = read_text_file(path, shown)
    if not text.strip():
        raise InputError(f"{shown} is empty.", hint="Write down what annotators should know, or delete the file.")
    return Handbook(text, digest_of(text), _html(text))


def _html(text: str) -> str:
    """Render Markdown for the instruction panel; raw HTML is escaped, and of pictures only their words stay."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("js-default")
    tokens = markdown.parse(text)
    for token in tokens:
        token.children = [_readable(child) for child in _without_inner_links(token.children or [])]
    rendered = markdown.renderer.render(tokens, markdown.options, {})
    return f'<div class="{STYLE_CLASS}">\n{rendered}</div>\n'


def _readable(token: Token) -> Token:
    """Put the description of a picture in its place."""
    if token.type != "image":
        return token
    from markdown_it.token import Token

    return Token("text", "", 0, content=f"[Picture: {token.content}. It is in the handbook's file.]")


def _without_inner_links(tokens: list[Token]) -> Iterator[Token]:
    """Leave out links to headings, which would lead the labelling page away."""
    inner = False
    for token in tokens:
        if token.type == "link_open":
            inner = str(token.attrGet("href")).startswith("#")
        if not (inner and token.type in {"link_open", "link_close"}):
            yield token
