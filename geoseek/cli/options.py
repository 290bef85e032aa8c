"""Options that several verbs share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from geoseek.schemas import Split

Workspace = Annotated[
    Path | None,
    typer.Option("--workspace", help="Workspace folder. Default: the nearest parent folder that has a geoseek.yaml."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all random choices. Default: geoseek.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON on stdout, and nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; read and write nothing large.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars, no table; errors only.")]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="FIELD=COLUMN,...", help="Name columns that are not recognised: lat=y,lng=x,id=key."
    ),
]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Character encoding of text files. Default: utf-8.")]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="NAMES",
        help="Terms of the country target: population,area,roads (the paper's coefficients, renormalised over those "
        "named) or roads=0.5,population=0.2,area=0.3.",
    ),
]
Impute = Annotated[
    str | None,
    typer.Option(
        "--impute-missing",
        metavar="FIGURE=METHOD,...",
        help="Fill in missing reference figures, e.g. roads=median-density. Default: they count 0, and are reported.",
    ),
]
Raster = Annotated[
    str | None,
    typer.Option("--population-raster", metavar="FILE.tif", help="People per pixel instead of the GeoNames estimate."),
]
Boundaries = Annotated[
    str | None,
    typer.Option("--boundaries", metavar="FILE.csv", help="Overrides rows of the table of disputed areas."),
]
Tolerance = Annotated[
    float | None,
    typer.Option("--offshore-tolerance-km", min=0, max=200, help="Points this near to land join it. Default: 10."),
]
Countries = Annotated[
    str | None, typer.Option("--countries", metavar="CODES", help="Only these countries, e.g. FR,DE,JPN.")
]
Exclude = Annotated[
    str | None, typer.Option("--exclude", metavar="CODES", help="Leave these countries out. Default: AQ.")
]


def split_names(names: list[str] | None) -> tuple[Split, ...]:
    """Return the named splits in their own order; none for none.

    Raises:
        UsageError: A name that is no split.
    """
    from geoseek.schemas import Split, unknown_name

    for name in names or ():
        if name not in set(Split):
            raise unknown_name("split", name, list(Split))
    return tuple(split for split in Split if split.value in (names or ()))


def comma_list(text: str | None) -> list[str] | None:
    """Split `a,b` into its parts; None stays None.

    >>> comma_list("FR, DE")
    ['FR', 'DE']
    """
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def comma_pairs(text: str | None, option: str) -> dict[str, str] | None:
    """Split `a=b,c=d` into a dictionary; None stays None.

    Raises:
        UsageError: A part without `=`, or a name given twice.

    >>> comma_pairs("lat=y,lng=x", "--columns")
    {'lat': 'y', 'lng': 'x'}
    """
    from geoseek.schemas import UsageError

    parts = comma_list(text)
    if parts is None:
        return None
    pairs: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise UsageError(f"{option}: {part!r} is not NAME=VALUE.", hint=f"Write {option} NAME=VALUE,NAME=VALUE.")
        if name in pairs:
            raise UsageError(f"{option}: {name!r} is given twice.", hint="Give each name once.")
        pairs[name] = value
    return pairs
