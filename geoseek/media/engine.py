"""Get many images at once: downloads on an event loop, files and decoding in threads."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from geoseek.media.addresses import Resolver, resolve
from geoseek.media.decode import ImageProblemError, strict_decoding
from geoseek.media.download import Downloader, DownloadError, DownloadSettings
from geoseek.media.examine import ExamineSettings, Failure, Outcome, examine, failure_of
from geoseek.media.local import PoolFiles, is_url, parquet_row, read_file, read_rows
from geoseek.schemas import GeoSeekError, ImageKind

_WAITING_PER_DECODER = 2


@dataclass(frozen=True)
class Item:
    """An image to get.

    Attributes:
        number: Given back with the outcome.
        reference: URL, path, or row of a Parquet file.
        source: Its pool.
        kind: What it is, where that is known.
        stored: The file in which it was stored before; it is then read from there.
    """

    number: int
    reference: str
    source: str
    kind: ImageKind | None
    stored: Path | None


Done = Callable[[int, Outcome], None]
"""Takes the number of an item and its outcome; called in one thread, in any order."""


@dataclass
class Engine:
    """Gets images.

    Attributes:
        folder: Where they are stored.
        download: How to behave towards servers.
        examine: What is asked of an image.
        files: Finds the pools' files.
        workers: Threads that decode.
        resolver: Replaces the system's name resolution.
    """

    folder: Path
    download: DownloadSettings
    examine: ExamineSettings
    files: PoolFiles
    workers: int
    resolver: Resolver = resolve

    def run(self, items: Sequence[Item], done: Done) -> None:
        """Get all items; `done` is called for each as soon as it is there.

        Raises:
            OutputError: The folder cannot be written.
        """
        try:
            with strict_decoding(self.examine.limits):
                asyncio.run(self._run(items, done))
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _run(self, items: Sequence[Item], done: Done) -> None:
        loop = asyncio.get_running_loop()
        urls = [item for item in items if item.stored is None and is_url(item.reference)]
        rest = [item for item in items if not (item.stored is None and is_url(item.reference))]
        queue = deque(_by_turns(urls))
        decoders = ThreadPoolExecutor(self.workers, thread_name_prefix="decode")
        readers = ThreadPoolExecutor(1, thread_name_prefix="read")
        stop = threading.Event()
        broken: list[Exception] = []

        def deliver(number: int, outcome: Outcome) -> None:
            try:
                done(number, outcome)
            except GeoSeekError as error:
                # The event loop would only log it.
                broken.append(error)
                stop.set()

        def report(number: int, outcome: Outcome) -> None:
            loop.call_soon_threadsafe(deliver, number, outcome)

        async def serve(downloader: Downloader) -> None:
            while queue:
                item = queue.popleft()
                try:
                    data, attempts = await downloader.get(item.reference)
                except DownloadError as error:
                    done(item.number, Failure(error.reason, error.detail, error.attempts))
                    continue
                found = await loop.run_in_executor(decoders, self._examine, data, item.kind)
                done(item.number, replace(found, attempts=attempts) if isinstance(found, Failure) else found)

        try:
            async with Downloader(self.download, self.resolver) as downloader, asyncio.TaskGroup() as tasks:
                for _ in range(min(self.download.connections, len(queue))):
                    tasks.create_task(serve(downloader))
                if rest:
                    await loop.run_in_executor(readers, self._read_all, rest, decoders, report, stop)
                    if broken:
                        raise broken[0]
        finally:
            stop.set()
            readers.shutdown(cancel_futures=True)
            decoders.shutdown(cancel_futures=True)

    def _examine(self, data: bytes, kind: ImageKind | None) -> Outcome:
        try:
            return examine(data, self.folder, self.examine, kind)
        except ImageProblemError as error:
            return failure_of(error)

    def _read_all(
        self,
        items: Iterable[Item],
        decoders: ThreadPoolExecutor,
        report: Callable[[int, Outcome], None],
        stop: threading.Event,
    ) -> None:
        """Read files and Parquet rows in this thread, and have them decoded in others, a few ahead at most."""
        waiting: deque[tuple[Item, Future[Outcome]]] = deque()

        def settle(left: int) -> None:
            while len(waiting) > left:
                item, future = waiting.popleft()
                report(item.number, future.result())

        def hand_over(item: Item, found: bytes | ImageProblemError) -> None:
            if isinstance(found, ImageProblemError):
                report(item.number, failure_of(found))
                return
            settle(_WAITING_PER_DECODER * self.workers)
            waiting.append((item, decoders.submit(self._examine, found, item.kind)))

        for item, found in self._contents(items):
            if stop.is_set():
                return
            hand_over(item, found)
        settle(0)

    def _contents(self, items: Iterable[Item]) -> Iterable[tuple[Item, bytes | ImageProblemError]]:
        """Yield the bytes of files, and after them those of Parquet rows, each file being read once."""
        tables: dict[tuple[Path, str], dict[int, list[Item]]] = defaultdict(lambda: defaultdict(list))
        for item in items:
            row = None if item.stored else parquet_row(item.reference)
            try:
                path = item.stored or self.files.find(row.file if row else item.reference, item.source)
                if row is not None:
                    tables[path, row.column][row.row].append(item)
                    continue
                found: bytes | ImageProblemError = read_file(path, self.download.max_bytes)
            except ImageProblemError as error:
                found = error
            yield item, found
        for (path, column), rows in sorted(tables.items()):
            for number, found in read_rows(path, column, rows, self.download.max_bytes):
                yield from ((item, found) for item in rows[number])


def _by_turns(items: Iterable[Item]) -> Iterable[Item]:
    """Take the hosts in turns, so that one host's limit does not hold up the others."""
    hosts: dict[str, deque[Item]] = defaultdict(deque)
    for item in items:
        hosts[_host(item.reference) or ""].append(item)
    while hosts:
        for name in list(hosts):
            yield hosts[name].popleft()
            if not hosts[name]:
                del hosts[name]


def _host(reference: str) -> str | None:
    try:
        return urlsplit(reference).hostname
    except ValueError:
        return None


def host_of(reference: str) -> str | None:
    """Return the host of an URL, as records show it; None for files.

    >>> host_of("https://img.example:8443/a.jpg"), host_of("photos/a.jpg")
    ('img.example', None)
    """
    return _host(reference) if is_url(reference) else None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
