"""Markdown in which nothing that people or pools wrote can become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from geoseek.reporting import count, number, percent

_TEMPLATES = Path(__file__).parents[1] / "templates"
_SPECIAL = re.compile(r"([\\`*_\[\]{}|~$#!@:])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def escape(text: str, longest: int = 500) -> str:
    r"""Return text as Markdown shows it: one line, no markup, no HTML, no steering of the writing direction.

    >>> escape("<script>a_b</script>|\n**x**")
    '&lt;script&gt;a\\_b&lt;/script&gt;\\| \\*\\*x\\*\\*'
    """
    plain = _UNSEEN.sub(" ", text).strip()
    return _quoted(plain if len(plain) <= longest else plain[: longest - 1] + "…")


def with_code(text: str) -> Markup:
    """Return text of our own, in which backticks mark code.

    >>> str(with_code("is `a_b`; <c>"))
    'is `a_b`; &lt;c&gt;'
    """
    parts = text.split("`")
    shown = (f"`{part}`" if number % 2 else _quoted(part) for number, part in enumerate(parts))
    return Markup("".join(shown))  # noqa: S704 - escaped


def _quoted(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", "".join(_HTML.get(letter, letter) for letter in text))


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markup:
    """Return a table; numbers are set to the right, texts are escaped."""
    content = [list(row) for row in rows]
    right = [bool(content) and all(not isinstance(row[i], str) for row in content) for i in range(len(heads))]
    lines = [_line(heads), "|" + "|".join(" ---: " if to_right else " --- " for to_right in right) + "|"]
    return Markup("\n".join([*lines, *(_line(row) for row in content)]))  # noqa: S704 - every cell is escaped


def render(template: str, **context: Any) -> str:
    """Render a Markdown template; every value but `Markup` is escaped on its way in."""
    environment = Environment(  # noqa: S701 - the finalizer escapes, for Markdown and HTML
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"count": count, "number": number, "percent": percent}
    return environment.get_template(template).render(**context)


def _line(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(_shown(cell) for cell in cells) + " |"


def _shown(value: Any) -> str:
    if isinstance(value, Markup):
        return str(value)
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return count(value)
    return escape(str(value))
