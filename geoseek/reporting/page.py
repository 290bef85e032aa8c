"""The frame of every HTML page: one self-contained file, everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from geoseek.reporting.palette import DARK, LIGHT, Theme

TEMPLATES = Path(__file__).parent / "templates"
"""Templates that all pages share: `page.html` (the frame), `parts.html` (building blocks), `style.css`."""


def render_page(template: str, folder: Path, **context: Any) -> str:
    """Render a page that extends `page.html`.

    Every value is escaped on its way into the page. The content security policy of the frame forbids scripts and
    every request, so that even a mistake in a template could not load or run anything.

    Args:
        template: File name of the template, in `folder`.
        folder: Folder with the room's own templates.
        **context: What the template shows; a name that it uses and that is not given is an error.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": count,
        "number": number,
        "percent": percent,
        "points": points,
        "kilometres": kilometres,
    }
    return environment.get_template(template).render(**context, light=LIGHT, dark=DARK, css_variables=css_variables)


def css_variables(theme: Theme) -> Markup:
    """Return the theme as CSS custom properties, so that pages, plots and maps share their colours."""
    plain = {
        "page": theme.page,
        "surface": theme.surface,
        "tint": theme.tint,
        "ink": theme.ink,
        "muted": theme.muted,
        "line": theme.line,
        "accent": theme.accent,
        "good": theme.good,
        "warn": theme.warn,
        "ramp": ", ".join(theme.ramp),
    }
    plain |= {f"s{i}": colour for i, colour in enumerate(theme.series)}
    plain |= {f"e{i}": colour for i, colour in enumerate(theme.errors)}
    # Constants of this package, not user input: no escaping is needed.
    return Markup(" ".join(f"--{name}: {value};" for name, value in plain.items()))  # noqa: S704


def count(value: float) -> str:
    """Format a whole number.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{round(value):,}"


def number(value: float, digits: int = 3) -> str:
    """Format a real number to a number of decimals, keeping a trace of what rounds to nothing.

    >>> number(0.12345), number(0.00001), number(0)
    ('0.123', '<0.001', '0.000')
    """
    smallest = 10.0**-digits
    if 0 < value < smallest / 2:
        return f"<{smallest:.{digits}f}"
    return f"{value:,.{digits}f}"


def percent(value: float, digits: int = 1) -> str:
    """Format a share as a percentage.

    >>> percent(0.1234), percent(0.0001), percent(0)
    ('12.3 %', '<0.1 %', '0.0 %')
    """
    return number(100 * value, digits) + " %"


def points(value: float, digits: int = 1) -> str:
    """Format a difference of shares in percentage points, signed.

    >>> points(0.0123), points(-0.2), points(0.00001)
    ('+1.2', '−20.0', '0.0')
    """
    rounded = round(100 * value, digits)
    if rounded == 0:
        return f"{0:.{digits}f}"
    return f"{'+' if rounded > 0 else '−'}{abs(rounded):.{digits}f}"


def kilometres(value: float) -> str:
    """Format a distance with as many digits as are of use.

    >>> kilometres(0.512), kilometres(12.34), kilometres(1234.5)
    ('0.51 km', '12.3 km', '1,234 km')
    """
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} km"
