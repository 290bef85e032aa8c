"""All formats by name."""

from __future__ import annotations

from geoseek.formats.base import Format
from geoseek.formats.geoseek_hf import GeoseekHf
from geoseek.formats.geovista import GeoVista
from geoseek.formats.gre import GreBench, GreCot, GreSeed
from geoseek.formats.gre_judge import GreJudge
from geoseek.formats.swift import SwiftGrpo, SwiftSft, SwiftSftTagged
from geoseek.formats.swift_judge import SwiftJudge
from geoseek.formats.webdataset import WebDataset
from geoseek.schemas import unknown_name

FORMATS: dict[str, Format] = {
    kind.name: kind
    for kind in (
        GeoseekHf(),
        SwiftSft(),
        SwiftSftTagged(),
        SwiftGrpo(),
        SwiftJudge(),
        GreCot(),
        GreJudge(),
        GreSeed(),
        GreBench(),
        GeoVista(),
        WebDataset(),
    )
}


def find_format(name: str) -> Format:
    """Return the format of that name.

    Raises:
        UsageError: There is none; the nearest name is given.
    """
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    return FORMATS[name]
