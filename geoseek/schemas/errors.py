"""The one family of exceptions that GeoSeek raises on purpose."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GeoSeekError(Exception):
    """Something the user can act on.

    The command line prints `message`, then `hint`, and exits with `exit_code`; there is no traceback unless
    `GEOSEEK_DEBUG=1`.

    Args:
        message: What was wrong: the file, the row, the value.
        hint: What is allowed, and what to do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class UsageError(GeoSeekError):
    """The request itself cannot be carried out: an unknown name, an impossible size, contradictory options."""

    exit_code = 2


class InputError(GeoSeekError):
    """A file that was given cannot be used: empty, truncated, of another encoding, without the columns needed."""


class OutputError(GeoSeekError):
    """The result cannot be written: no permission, no space, a file in the way."""


class MissingExtraError(GeoSeekError):
    """An optional package is not installed.

    Args:
        package: The package that could not be imported.
        extra: The extra of GeoSeek that brings it.
        purpose: What it is needed for.
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed.",
            hint=f"Install it with: pip install 'geoseek[{extra}]'",
        )


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Build the error for a name that is not one of the known ones, with the nearest match if there is one.

    >>> print(unknown_name("weight", "raods", ["area", "population", "roads"]))
    Unknown weight 'raods'; did you mean 'roads'?
    Known: area, population, roads.
    """
    names = sorted(map(str, known))
    close = get_close_matches(name, names, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return UsageError(f"Unknown {kind} {name!r}{guess}", hint=f"Known: {', '.join(names)}.")
