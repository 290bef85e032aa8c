"""CSV files of any model: which column is what, and the rows with their lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from pathlib import Path

from geoseek.schemas import InputError

SUFFIXES = (".csv", ".tsv", ".txt")

_DELIMITERS = ",;\t|"
_MAX_CELL_CHARS = 1 << 27
_NOT_WORD = re.compile(r"\W+")


def _names(prefixes: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return each name with each prefix, before and behind it.

    >>> _names(("true",), ("lat",))
    ('true_lat', 'lat_true')
    """
    return tuple(joined for p, n in product(prefixes, names) for joined in (f"{p}_{n}", f"{n}_{p}"))


_LAT, _LNG = ("lat", "latitude"), ("lng", "lon", "long", "longitude")
_PREDICTED = ("pred", "predicted", "prediction", "estimated", "guess")
_TRUE = ("true", "truth", "gt", "target", "actual", "ground_truth")

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "sample_id", "image_id", "img_id", "image", "image_path", "img", "filename", "file_name", "file"),
    "lat": _names(_PREDICTED, _LAT),
    "lng": _names(_PREDICTED, _LNG),
    "answer": ("answer", "predicted_answer", "predicted_address", "prediction", "address", "location"),
    "text": ("text", "response", "output", "completion", "generated_text", "raw"),
    "true_lat": _names(_TRUE, _LAT),
    "true_lng": _names(_TRUE, _LNG),
    "true_country_code": _names(_TRUE, ("country_code",)),
    "true_country": _names(_TRUE, ("country",)),
    "true_region": _names(_TRUE, ("region", "state", "province")),
    "true_place": _names(_TRUE, ("place", "city")),
}
"""Field -> names of its column, the preferred one first; case, spaces and hyphens do not matter."""

_PLAIN_TRUTH = {
    "true_country_code": ("country_code", "iso2"),
    "true_country": ("country",),
    "true_region": ("region", "state", "province"),
    "true_place": ("place", "city"),
}


@dataclass(frozen=True)
class Roles:
    """Which column is what.

    Attributes:
        column: Field of `COLUMN_NAMES` -> index of its column.
        names: Names of all columns.
        notices: How columns were understood that could mean two things.
    """

    column: dict[str, int]
    names: tuple[str, ...]
    notices: tuple[str, ...] = ()

    @property
    def has_truth(self) -> bool:
        """Whether the file gives true positions."""
        return "true_lat" in self.column and "true_lng" in self.column

    @property
    def has_positions(self) -> bool:
        """Whether the file gives predicted positions."""
        return "lat" in self.column and "lng" in self.column


@dataclass(frozen=True)
class Line:
    """A row of the file.

    Attributes:
        number: 1-based line that it begins on.
        cells: One per column; None if the row has another number of cells.
        problem: Why there are no cells.
    """

    number: int
    cells: list[str] | None
    problem: str | None = None


def assign_roles(names: Sequence[str], *, where: str) -> Roles:
    """Decide which column is what.

    `lat` and `lng` are the prediction, unless the file has columns such as `pred_lat` too: then they are the truth.
    Columns such as `country` count only beside a true position; half a position is none.

    Args:
        names: Names of the columns.
        where: The file, for messages.

    Raises:
        InputError: There is no id, or neither a position nor an answer.

    >>> assign_roles(["IMG_ID", "lat", "lng", "true_lat", "true_lon", "country"], where="a.csv").column
    {'id': 0, 'true_lat': 3, 'true_lng': 4, 'lat': 1, 'lng': 2, 'true_country': 5}
    """
    keys = [_NOT_WORD.sub("_", name.strip().casefold()).strip("_") for name in names]
    column = {field: at for field, known in COLUMN_NAMES.items() if (at := _find(keys, known)) is not None}
    for pair in (("lat", "lng"), ("true_lat", "true_lng")):
        if not column.keys() >= set(pair):
            column = {field: at for field, at in column.items() if field not in pair}
    column, notices = _with_plain_position(column, keys, names)
    roles = Roles(column, tuple(names), notices)
    if roles.has_truth:
        for field, known in _PLAIN_TRUTH.items():
            if (at := _find(keys, known)) is not None:
                column.setdefault(field, at)
    _require(roles, keys, where)
    return roles


def _with_plain_position(
    column: dict[str, int], keys: Sequence[str], names: Sequence[str]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Add `lat` and `lng` as what the file does not give under a clearer name, and say so where it could be either."""
    lat, lng = (_find(keys, known) for known in (_LAT, _LNG))
    if lat is None or lng is None:
        return column, ()
    if "lat" not in column:
        unclear, meaning = bool({"answer", "text"} & column.keys()), "predicted"
        found = {**column, "lat": lat, "lng": lng}
    elif "true_lat" not in column:
        unclear, meaning = True, "true"
        found = {**column, "true_lat": lat, "true_lng": lng}
    else:
        return column, ()
    notice = f"{names[lat]} and {names[lng]} are taken for the {meaning} position"
    return found, (notice,) if unclear else ()


def _find(keys: Sequence[str], known: Sequence[str]) -> int | None:
    return next((keys.index(name) for name in known if name in keys), None)


def _require(roles: Roles, keys: Sequence[str], where: str) -> None:
    if "id" not in roles.column:
        raise _missing("id", COLUMN_NAMES["id"], roles, keys, where)
    if not roles.has_positions and not {"answer", "text"} & roles.column.keys():
        wanted = (*_LAT, *_LNG, *COLUMN_NAMES["lat"], *COLUMN_NAMES["lng"], *COLUMN_NAMES["answer"])
        raise _missing("lat and lng, or answer", wanted, roles, keys, where)


def _missing(what: str, known: Sequence[str], roles: Roles, keys: Sequence[str], where: str) -> InputError:
    taken = set(roles.column.values())
    free = [key for at, key in enumerate(keys) if at not in taken]
    near = [(name, close[0]) for name in known if (close := get_close_matches(name, free, n=1, cutoff=0.75))]
    guess = f" Rename {near[0][1]!r} to {near[0][0]!r}?" if near else ""
    return InputError(
        f"{where} has no column {what}. Its columns: {', '.join(map(repr, roles.names)) or 'none'}.",
        hint=f"Needed are `id, lat, lng` or `id, answer`, in a first line with names.{guess} See docs/evaluating.md.",
    )


def read_header(path: Path, *, where: str) -> Roles:
    """Return which column of a file is what.

    Raises:
        InputError: The file cannot be read, is empty, or lacks columns.
    """
    for line in _lines(path, where):
        return assign_roles(line.cells or [], where=where)
    raise InputError(f"{where} is empty.", hint="Needed is a first line with the names of the columns, and rows.")


def iter_lines(path: Path, roles: Roles, *, where: str) -> Iterator[Line]:
    """Yield the rows of a file, without its header and without empty lines.

    Raises:
        InputError: The file cannot be read.
    """
    rows = _lines(path, where)
    next(rows, None)
    for line in rows:
        if line.cells is not None and len(line.cells) != len(roles.names):
            problem = f"{len(line.cells)} cells instead of {len(roles.names)}"
            yield Line(line.number, None, problem)
        else:
            yield line


def _lines(path: Path, where: str) -> Iterator[Line]:
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL_CHARS))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.readline())
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            while True:
                start = reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Line(start, None, str(error))
                    continue
                if any(cell.strip() for cell in cells):
                    yield Line(start, cells)
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8 text.", hint="Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise InputError(f"Cannot read {where}: {error.strerror}.") from error


def _delimiter(header: str) -> str:
    """Return the delimiter of a file, by its first line, which holds names only.

    >>> _delimiter("id;lat;lng"), _delimiter("id")
    (';', ',')
    """
    return max(_DELIMITERS, key=header.count)


def number(cell: str) -> float:
    """Return a cell as a number, NaN where it is none.

    >>> number(" 48.85 "), number("48,85"), number("")
    (48.85, nan, nan)
    """
    try:
        return float("nan") if "_" in cell else float(cell)
    except ValueError:
        return float("nan")
