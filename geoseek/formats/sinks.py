"""Files that formats write: JSON, JSON lines, Parquet, pictures."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.cutouts import turned_upright
from geoseek.media import clean_image
from geoseek.schemas import EmbeddedImage, InputError

IMAGE_FOLDER = "images"
_MB = 1_000_000
_GROUP_BYTES = 50 * _MB
_GROUP_ROWS = 100
_CONTENT_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,5}")


def content_name(image: EmbeddedImage) -> str:
    """Return `<sha256>.<ext>` of a picture with bytes.

    Raises:
        RowFault: It has no such name yet, and its bytes are no image.
    """
    if image.path is not None and _CONTENT_NAME.fullmatch(image.path):
        return image.path
    data = image.bytes or b""
    try:
        return f"{hashlib.sha256(data).hexdigest()}{clean_image(data).suffix}"
    except InputError as error:
        raise RowFault(FormatRejectReason.UNREADABLE_IMAGE, error.message) from None


def json_text(value: Any) -> bytes:
    """Return a value as one line of JSON; halves of UTF-16 pairs leave as escapes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


class ImageFolder:
    """Pictures as files that are named by their content.

    Args:
        folder: Folder that paths in the rows start from.
        name: Folder of the pictures in it.
        upright: Write pictures as they are displayed, for tools that do not know EXIF orientation.
    """

    def __init__(self, folder: Path, name: str = IMAGE_FOLDER, *, upright: bool = False) -> None:
        self._folder = folder
        self._name = name
        self._upright = upright

    def add(self, image: EmbeddedImage | None) -> str:
        """Write a picture and return its path; return the address of one that is published by reference.

        Raises:
            RowFault: There is neither a picture nor an address.
        """
        if image is None or (image.bytes is None and image.path is None):
            raise RowFault(FormatRejectReason.NO_IMAGE)
        if image.bytes is None:
            return str(image.path)
        if self._upright:
            image = turned_upright(image)
        path = f"{self._name}/{content_name(image)}"
        target = self._folder / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(image.bytes or b"")
        return path


class JsonRows:
    """A file of JSON rows, one per line, as lines or as one array.

    Args:
        path: The file; `.json` makes an array.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("wb")
        self._array = path.suffix == ".json"
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._array and kind is None:
            self._file.write(b"\n]\n" if self._rows else b"[]\n")
        self._file.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Write a row."""
        line = json_text(row)
        if self._array:
            self._file.write((b",\n" if self._rows else b"[\n") + line)
        else:
            self._file.write(line + b"\n")
        self._rows += 1


class ParquetRows:
    """Parquet files `STEM-00000-of-00003.parquet` of bounded size, with row groups of bounded size.

    Args:
        folder: Folder of the files.
        stem: Begin of their names.
        schema: Arrow schema (`hub_schema` for columns with pictures).
        uncompressed: Paths of the columns whose values do not compress, such as `image.bytes`.
        shard_mb: Size of a file in megabytes.
    """

    def __init__(
        self, folder: Path, stem: str, schema: Any, *, uncompressed: Iterable[str] = (), shard_mb: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._stem, self._schema = folder, stem, schema
        self._uncompressed = frozenset(uncompressed)
        self._limit = shard_mb * _MB
        self._parts: list[Path] = []
        self._writer: Any = None
        self._waiting: list[Mapping[str, Any]] = []
        self._waiting_bytes = self._shard_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            if not self._parts:
                self._open()
        if self._writer is not None:
            self._writer.close()
        if kind is None:
            for number, part in enumerate(self._parts):
                part.rename(self._folder / f"{self._stem}-{number:05d}-of-{len(self._parts):05d}.parquet")

    def write(self, row: Mapping[str, Any]) -> None:
        """Write a row."""
        size = _bytes_in(row)
        if self._waiting_bytes + size > min(_GROUP_BYTES, self._limit):
            self._flush()
        if self._writer is not None and self._shard_bytes + self._waiting_bytes + size > self._limit:
            self._flush()
            self._writer.close()
            self._writer = None
        self._waiting.append(row)
        self._waiting_bytes += size
        if len(self._waiting) == _GROUP_ROWS:
            self._flush()

    def _open(self) -> None:
        import pyarrow.parquet as pq

        part = self._folder / f".{self._stem}-{len(self._parts)}.part"
        self._parts.append(part)
        names = leaf_paths(self._schema)
        compression = {name: "NONE" if name in self._uncompressed else "ZSTD" for name in names}
        plain = [name for name in names if name not in self._uncompressed]
        self._writer = pq.ParquetWriter(
            part,
            self._schema,
            compression=compression,
            use_dictionary=plain,
            write_statistics=plain,
            write_page_index=True,
        )
        self._shard_bytes = 0

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._waiting:
            return
        if self._writer is None:
            self._open()
        self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._shard_bytes += self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0


def hub_schema(schema: Any, images: Iterable[str] = ("image",)) -> Any:
    """Return an Arrow schema with the metadata by which `datasets` and the dataset viewer decode pictures.

    Args:
        schema: Arrow schema; picture columns are structs of `bytes` and `path`.
        images: Names of the picture columns.
    """
    pictures = frozenset(images)
    features = {field.name: {"_type": "Image"} if field.name in pictures else _feature(field.type) for field in schema}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}}, separators=(",", ":"))})


def _feature(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    if pa.types.is_list(kind):
        return [_feature(kind.value_type)]
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}


def leaf_paths(schema: Any) -> list[str]:
    """Return the dotted paths of the columns as Parquet stores them."""
    return [path for field in schema for path in _leaves(field.name, field.type)]


def _leaves(path: str, kind: Any) -> list[str]:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _leaves(f"{path}.{field.name}", field.type)]
    return _leaves(f"{path}.list.element", kind.value_type) if pa.types.is_list(kind) else [path]


def _bytes_in(value: Any) -> int:
    """Return the size of a value in memory, near enough."""
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_bytes_in, value.values()))
    return sum(map(_bytes_in, value)) if isinstance(value, list | tuple) else 8
