"""Text files as checked UTF-8, compressed or not: a wrong encoding is found where it begins."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from geoseek.schemas import InputError, UsageError

BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def check_encoding_name(encoding: str) -> str:
    """Return Python's name of a character encoding.

    Raises:
        UsageError: There is no such encoding.
    """
    try:
        info = codecs.lookup(encoding)
        "".encode(info.name)
    except (LookupError, ValueError) as error:
        raise UsageError(
            f"Unknown encoding {encoding!r}.", hint="Common ones: utf-8, latin-1, cp1252, utf-16, gb18030, shift_jis."
        ) from error
    return info.name


class Utf8Stream:
    """A file-like object that gives the text of a file in UTF-8, without byte order mark, checking as it goes.

    Args:
        path: The file; gzip is recognised by its content.
        encoding: How its characters are encoded.

    Raises:
        InputError: From any call: the file does not exist, is not in that encoding, or its compression is broken.
    """

    def __init__(self, path: Path, encoding: str = "utf-8") -> None:
        self._path = path
        self._encoding = check_encoding_name(encoding)
        self._is_utf8 = self._encoding in ("utf-8", "utf-8-sig")
        self._decoder = codecs.getincrementaldecoder("utf-8" if self._is_utf8 else self._encoding)()
        self._consumed = 0
        self._lines = 0
        self._buffer = b""
        self._ended = False
        self.failure: InputError | None = None
        self._file = self._open()
        self._first = True

    def _open(self) -> IO[bytes] | gzip.GzipFile:
        try:
            with self._path.open("rb") as probe:
                magic = probe.read(2)
            return gzip.GzipFile(self._path) if magic == _GZIP_MAGIC else self._path.open("rb")
        except FileNotFoundError as error:
            raise InputError(f"{self._path} does not exist.") from error
        except OSError as error:
            raise InputError(f"{self._path} cannot be opened: {error.strerror}.") from error

    closed = False

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self.closed = True

    def __enter__(self) -> Utf8Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def readable(self) -> bool:
        """Return True: this is how pyarrow asks."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return False: checking needs to see every byte once."""
        return False

    def unread(self, data: bytes) -> None:
        """Put bytes back in front of what is still to be read."""
        self._buffer = data + self._buffer

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes of UTF-8, fewer only at the end of the file; all that is left if negative."""
        blocks, have = [self._buffer], len(self._buffer)
        while not self._ended and (size < 0 or have < size):
            block = self._next_block()
            blocks.append(block)
            have += len(block)
        data = b"".join(blocks)
        if size < 0:
            self._buffer = b""
            return data
        self._buffer = data[size:]
        return data[:size]

    def lines(self) -> Iterator[bytes]:
        r"""Yield the lines that are left, without their ends; only `\n` (or `\r\n`) ends a line."""
        rest = b""
        while block := self.read(BLOCK_BYTES):
            pieces = (rest + block).split(b"\n")
            rest = pieces.pop()
            yield from pieces
        if rest:
            yield rest

    def _next_block(self) -> bytes:
        try:
            raw = self._file.read(BLOCK_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self._fail(f"{self._path} is not a complete gzip file: {error}.", "Download it again.") from error
        except OSError as error:
            raise self._fail(f"{self._path} cannot be read: {error}.", None) from error
        self._ended = not raw
        if self._first and raw:
            self._first = False
            self._check_byte_order_mark(raw)
            if self._is_utf8 and raw.startswith(codecs.BOM_UTF8):
                raw = raw[3:]
                self._consumed = 3
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(raw, final=self._ended)
        except UnicodeError as error:
            raise self._wrong_encoding(error, raw, pending) from error
        self._consumed += len(raw)
        data = raw if self._is_utf8 else text.removeprefix("\ufeff").encode("utf-8", "surrogatepass")
        self._lines += data.count(b"\n")
        return data

    def _check_byte_order_mark(self, raw: bytes) -> None:
        for mark, name in _BYTE_ORDER_MARKS.items():
            if raw.startswith(mark) and not self._encoding.startswith(name):
                raise self._fail(
                    f"{self._path} is encoded in {name.upper()}, not in {self._encoding} (byte order mark at byte 0).",
                    f"Read it with --encoding {name}.",
                )

    def _wrong_encoding(self, error: UnicodeError, raw: bytes, pending: int) -> InputError:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        offset = self._consumed - pending + start
        line = self._lines + raw[: max(start - pending, 0)].count(b"\n") + 1
        reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
        return self._fail(
            f"{self._path} is not encoded in {self._encoding}: byte {offset} (line {line}), {reason}.",
            "Say which encoding it has, for example --encoding latin-1 or --encoding cp1252.",
        )

    def _fail(self, message: str, hint: str | None) -> InputError:
        self.failure = InputError(message, hint=hint)
        return self.failure
