"""Let the server work on the next page while the last one is stored."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")
_LOOK_UP_S = 0.1


def read_ahead(pages: Iterator[T]) -> Iterator[T]:
    """Yield what an iterator yields, one or two items ahead of the reader, in a thread of its own.

    The thread ends with the process, however long the server takes, and after its current item if the reader stops.
    """
    queue: Queue[tuple[T] | BaseException | None] = Queue(maxsize=1)
    stopped = threading.Event()

    def put(item: tuple[T] | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(Full):
                queue.put(item, timeout=_LOOK_UP_S)
                return

    def read() -> None:
        try:
            for page in pages:
                put((page,))
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the pages are read
            put(error)

    threading.Thread(target=read, daemon=True, name="read-ahead").start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        stopped.set()
