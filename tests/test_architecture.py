"""The layering table of the architecture, held by reading every import of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "geoseek"
_GROUND = {"schemas", "workspace"}
_TOOLS = _GROUND | {"geo", "media", "endpoints", "reporting", "formats"}
MAY_IMPORT = {
    "schemas": set[str](),
    "workspace": {"schemas"},
    "geo": _GROUND,
    "media": _GROUND,
    "endpoints": _GROUND,
    "reporting": _GROUND | {"geo"},
    "formats": _GROUND | {"media"},
    "sampling": _TOOLS,
    "annotation": _TOOLS,
    "pipelines": _TOOLS | {"sampling", "annotation"},
    "training": _TOOLS,
    "demo": _TOOLS | {"sampling"},
}
FORBIDDEN = {
    "sampling": {"torch", "label_studio_sdk", "transformers", "swift"},
    "annotation": {"torch", "transformers", "swift"},
    "training": {"label_studio_sdk"},
}


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        if len(parts) > 1:
            yield parts[0], path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize(("room", "path"), [pytest.param(r, p, id=str(p.relative_to(PACKAGE))) for r, p in _modules()])
def test_module_keeps_to_its_room(room: str, path: Path) -> None:
    for name in _imports(path):
        top, *inner = name.split(".")
        assert top not in FORBIDDEN.get(room, set()), f"{path} imports {name}"
        if top == "geoseek" and inner and inner[0] != room and room != "cli":
            assert inner[0] in MAY_IMPORT[room], f"{path}: {room} may not import {inner[0]}"
            assert len(inner) == 1, f"{path}: import {name} through the door geoseek.{inner[0]}"


def test_every_room_is_in_the_table() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms - {"cli"} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", [pytest.param(p, id=str(p.relative_to(PACKAGE))) for _, p in _modules()])
def test_module_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_reference_folders_hold_no_python_package() -> None:
    for name in ("sampling", "annotation", "schemas", "pipelines", "training"):
        assert not list((PACKAGE.parent / name).rglob("*.py"))
