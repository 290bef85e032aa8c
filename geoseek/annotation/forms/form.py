"""The labelling page of a split: read from the workspace, cut to the split, checked against the records."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from geoseek.annotation.forms.checking import check_controls
from geoseek.schemas import InputError, Split
from geoseek.workspace import display_path, reference_root

FOLDER = "annotation"
CONFIG_FILE = "label_config.xml"
VAL_ONLY = "gs-val"
"""Class name of the parts of the page that only the val split has."""


@dataclass(frozen=True)
class Form:
    """The labelling page of one split.

    Attributes:
        split: The split.
        xml: Exactly the text that the projects of that split get.
        digest: SHA-256 (hex) of that text.
    """

    split: Split
    xml: str
    digest: str


def workspace_file(workspace: Path, name: str) -> Path:
    """Return a file of the workspace's annotation folder, or the reference copy where the workspace has none."""
    own = workspace / FOLDER / name
    return own if own.is_file() else reference_root() / FOLDER / name


def read_text_file(path: Path, shown: str) -> str:
    """Return the text of a UTF-8 file, with line ends as line feeds.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"Cannot read {shown}: {error.strerror}.", hint="`geoseek init` writes a copy.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{shown} is not UTF-8 (byte {error.start}).", hint="Save it as UTF-8.") from error


def digest_of(text: str) -> str:
    """Return the SHA-256 (hex) of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def load_form(workspace: Path, split: Split) -> Form:
    """Read the labelling page, keep what the split asks, and check it.

    Elements of the class `gs-val` (locatability, scene tags) stay in the val split only; comments are left out.

    Args:
        workspace: Folder of the workspace; `annotation/label_config.xml` in it goes before the reference copy.
        split: The split.

    Raises:
        InputError: The file is no XML, or its controls and the records do not fit together.
    """
    path = workspace_file(workspace, CONFIG_FILE)
    shown = display_path(path, workspace)
    try:
        root = ET.fromstring(read_text_file(path, shown))  # noqa: S314 - the lead's own file
    except ET.ParseError as error:
        raise InputError(f"{shown} is not well-formed XML: {error}.", hint="Mend that line.") from error
    if split is not Split.VAL:
        _drop_val_parts(root)
    check_controls(root, split, shown)
    xml = ET.tostring(root, encoding="unicode").strip() + "\n"
    _check_with_sdk(xml, shown)
    return Form(split, xml, digest_of(xml))


def _drop_val_parts(element: ET.Element) -> None:
    for child in list(element):
        if VAL_ONLY in child.get("className", "").split():
            element.remove(child)
        else:
            _drop_val_parts(child)


def _check_with_sdk(xml: str, shown: str) -> None:
    try:
        label_interface(xml).validate()
    except Exception as error:
        raise InputError(
            f"Label Studio would not accept {shown}: {error}", hint="Compare it with the reference copy."
        ) from error


@lru_cache(maxsize=8)
def label_interface(xml: str) -> Any:
    """Return Label Studio's own view of a page, which checks configurations and drafts; slow to import and build."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own deprecations are not the user's
        from label_studio_sdk.label_interface.interface import LabelInterface

        return LabelInterface(xml)
