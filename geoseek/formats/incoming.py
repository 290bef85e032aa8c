"""Fields and pictures of rows that others have written."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.media import clean_image
from geoseek.schemas import EmbeddedImage, InputError, ParsedChain, parse_chain

_ADDRESS = ("http://", "https://")


def text_of(row: Mapping[str, Any], *names: str, required: bool = True) -> str | None:
    """Return the first of some fields that is there, as text.

    Raises:
        RowFault: None of them is there although one is required, or it is no text.
    """
    for name in names:
        value = row.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, str):
            return whole_text(value)
        raise RowFault(FormatRejectReason.WRONG_TYPE, f"{name}: {type(value).__name__} instead of text")
    if required:
        raise RowFault(FormatRejectReason.MISSING_FIELD, " or ".join(names))
    return None


def number_of(row: Mapping[str, Any], *names: str, low: float, high: float, required: bool = True) -> float | None:
    """Return the first of some fields that is there, as a number; numbers in quotes are taken.

    Raises:
        RowFault: None of them is there although one is required, it is no number, or it is out of range.
    """
    name = next((name for name in names if row.get(name) is not None), None)
    if name is None:
        if required:
            raise RowFault(FormatRejectReason.MISSING_FIELD, " or ".join(names))
        return None
    value = row[name]
    try:
        number = float("" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        raise RowFault(FormatRejectReason.WRONG_TYPE, f"{name}: {str(value)[:40]!r} is not a number") from None
    if not (math.isfinite(number) and low <= number <= high):
        raise RowFault(FormatRejectReason.OUT_OF_RANGE, f"{name}: {number} is not in {low}..{high}")
    return number


def whole_text(text: str) -> str:
    """Return a text without halves of UTF-16 pairs, which no Parquet file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def chain_fields(text: str | None) -> tuple[dict[str, Any], ParsedChain | None]:
    """Return the fields of a record that a reasoning text fills, and what the parser found.

    A text that is no chain is kept as it is; `chain_failure` then says why.
    """
    if text is None:
        return {}, None
    parsed = parse_chain(text)
    codes = tuple(dict.fromkeys(repair.code.value for repair in parsed.repairs))
    if parsed.chain is not None:
        return {"chain": parsed.chain, "repairs": codes}, parsed
    failure = None if parsed.failure is None else parsed.failure.code.value
    return {"text": text, "chain_failure": failure}, parsed


@dataclass(frozen=True)
class IncomingImages:
    """Fetches the pictures that rows hold or name.

    Attributes:
        root: Folder that paths start from; none may lead out of it.
        wanted: Read them; otherwise only paths are kept.
    """

    root: Path
    wanted: bool = True

    def fields(self, value: Any) -> dict[str, Any]:
        """Return the fields of a record that a picture fills.

        Args:
            value: `{bytes, path}`, bytes, a path or an address.

        Raises:
            RowFault: There is no picture, it is not where the row says, or it is no image.
        """
        image = self.image(value)
        return {"image": image, "image_sha256": _digest_in(image)}

    def image(self, value: Any) -> EmbeddedImage:
        """Return a picture without its metadata, named by its content; see `fields`."""
        data, path = self._parts(value)
        if data is None and path is not None and self.wanted and not path.startswith(_ADDRESS):
            data = self._read(path)
        if not self.wanted or (data is None and path is not None):
            return EmbeddedImage(bytes=None, path=path)
        if not data:
            raise RowFault(FormatRejectReason.NO_IMAGE)
        try:
            clean = clean_image(data)
        except InputError as error:
            raise RowFault(FormatRejectReason.UNREADABLE_IMAGE, error.message) from None
        return EmbeddedImage(bytes=clean.data, path=f"{hashlib.sha256(clean.data).hexdigest()}{clean.suffix}")

    @staticmethod
    def _parts(value: Any) -> tuple[bytes | None, str | None]:
        if isinstance(value, dict):
            data, path = value.get("bytes"), value.get("path")
            if isinstance(data, bytes | None) and isinstance(path, str | None):
                return data, whole_text(path) if path else None
        elif isinstance(value, bytes):
            return value, None
        elif isinstance(value, str | None):
            return None, whole_text(value) if value else None
        raise RowFault(FormatRejectReason.WRONG_TYPE, f"picture: {type(value).__name__}")

    def _read(self, path: str) -> bytes:
        # Links are followed: a download cache consists of them. Only the words of the row are not trusted.
        root = Path(os.path.normpath(self.root.absolute()))
        file = Path(os.path.normpath(root / path))
        if not file.is_relative_to(root):
            raise RowFault(FormatRejectReason.UNSAFE_PATH, path[:200])
        try:
            return file.read_bytes()
        except (OSError, ValueError):
            raise RowFault(FormatRejectReason.MISSING_IMAGE, path[:200]) from None


def _digest_in(image: EmbeddedImage) -> str | None:
    return None if image.bytes is None or image.path is None else image.path.partition(".")[0]
