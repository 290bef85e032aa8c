r"""GeoJSON, read as a stream of features.

Not left to GDAL: its reader garbles some escaped characters beyond the Basic Multilingual Plane (those whose first
half is, for example, `\uD836`), so that two ids could become one; seen with GDAL 3.12.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from geoseek.sampling.pools.base import ReadOptions
from geoseek.sampling.pools.geometry import foreign_crs
from geoseek.sampling.pools.jsonlines import JsonLinesReader, Record
from geoseek.sampling.pools.text import BLOCK_BYTES, Utf8Stream
from geoseek.schemas import InputError

_GEOMETRY = "geometry"
_LONGEST_VALUE = 64 << 20
_WHITESPACE = " \t\r\n\x1e"


@dataclass
class GeoJsonReader(JsonLinesReader):
    """GeoJSON (RFC 7946): a feature collection, or features one after the other. Compressed or not.

    The columns are the properties of the features, their geometry, and their `id`, which a property of that name
    overrides. A `crs` member (GeoJSON 2008) is honoured if it stands before the features.
    """

    format: ClassVar[str] = "geojson"
    suffixes: ClassVar[tuple[str, ...]] = (".geojson", ".geojson.gz", ".geojsonl", ".geojsons", ".geojsonseq")

    @classmethod
    def open(cls, path: Path, options: ReadOptions) -> GeoJsonReader:
        """Find the properties and the reference system.

        Raises:
            InputError: The file is empty, of another encoding, not JSON, or holds no features.
        """
        columns = cls._find_columns(path, options.encoding)
        with Utf8Stream(path, options.encoding) as stream:
            scanner = _Scanner(stream, path)
            next(scanner.features(), None)
        reader = cls(path, columns, encoding=options.encoding, geometry=_GEOMETRY, crs=_crs(scanner, path))
        if reader.crs is not None:
            reader.notices.append(f"{path.name} is in {reader.crs[:40]}; positions are converted to WGS 84")
        return reader

    @classmethod
    def _records(cls, stream: Utf8Stream, path: Path) -> Iterator[tuple[str, Record | str]]:
        scanner = _Scanner(stream, path)
        crs_before = None
        for number, feature in enumerate(scanner.features(), start=1):
            if number == 1:
                crs_before = _crs(scanner, path)
            yield f"feature {number}", _flat(feature)
        if _crs(scanner, path) != crs_before:
            raise InputError(
                f"{path} names its reference system only after the features.",
                hint='Move the "crs" member to the front, or write the file again in WGS 84.',
            )


def _flat(feature: Any) -> Record | str:
    """Return the properties, geometry and id of a feature as one object, or what is wrong with it."""
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        return "not a feature"
    properties = feature.get("properties")
    flat: Record = dict(properties) if isinstance(properties, dict) else {}
    flat[_GEOMETRY] = feature.get(_GEOMETRY)
    if flat.get("id") is None and feature.get("id") is not None:
        flat["id"] = feature["id"]
    return flat


def _crs(scanner: _Scanner, path: Path) -> str | None:
    named = scanner.members.get("crs")
    if not isinstance(named, dict):
        return None
    properties = named.get("properties")
    return foreign_crs(properties.get("name") if isinstance(properties, dict) else str(named), str(path))


class _Scanner:
    """Walks through a JSON text that may be larger than memory, one feature at a time.

    Attributes:
        members: The members of the collection seen so far, apart from `features`.
    """

    def __init__(self, stream: Utf8Stream, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._decode_bytes = codecs.getincrementaldecoder("utf-8")().decode
        self._decode_json = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._passed = 0
        self._ended = False
        self.members: dict[str, Any] = {}

    def features(self) -> Iterator[Any]:
        """Yield the features.

        Raises:
            InputError: The text is not JSON, ends too early, or holds something else.
        """
        found_any = False
        while self._peek():
            self._expect("{")
            self.members = {}
            has_features = False
            while self._peek() != "}":
                key = self._value()
                self._expect(":")
                if key == "features":
                    has_features = found_any = True
                    yield from self._array()
                else:
                    self.members[str(key)] = self._value()
                if self._peek() == ",":
                    self._at += 1
            self._expect("}")
            if not has_features:
                if self.members.get("type") != "Feature":
                    raise self._error("an object that is neither a feature nor a collection of features")
                found_any = True
                yield self.members
                self.members = {}
        if not found_any:
            raise InputError(f"{self._path} is empty.", hint="A GeoJSON pool needs a feature collection.")

    def _array(self) -> Iterator[Any]:
        self._expect("[")
        while self._peek() != "]":
            yield self._value()
            if self._peek() == ",":
                self._at += 1
            elif self._peek() != "]":
                raise self._error("a comma or ] is missing")
        self._expect("]")

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decode_json(self._text, self._at)
            except RecursionError as error:
                raise self._error("nested too deeply") from error
            except ValueError as error:
                # The value may go on in what has not been read yet.
                if self._ended or len(self._text) - self._at > _LONGEST_VALUE:
                    raise self._error(str(error)) from error
                self._read_more()
                continue
            if end < len(self._text) or self._ended:
                self._at = end
                return value
            self._read_more()

    def _peek(self) -> str:
        """Return the next character that is not white space, empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _WHITESPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._read_more()

    def _expect(self, character: str) -> None:
        found = self._peek()
        if found != character:
            raise self._error(f"{character!r} expected, not {found!r}" if found else "it ends too early")
        self._at += 1

    def _read_more(self) -> None:
        # Reading as much again as is held keeps the cost of retrying a long value linear.
        block = self._stream.read(max(BLOCK_BYTES, len(self._text) - self._at))
        self._passed += self._at
        self._text = self._text[self._at :] + self._decode_bytes(block, final=not block)
        self._at = 0
        self._ended = not block

    def _error(self, what: str) -> InputError:
        return InputError(
            f"{self._path} cannot be read as GeoJSON near character {self._passed + self._at}: {what[:120]}.",
            hint="The file may be truncated or damaged; download or write it again.",
        )
