"""What agreement and status read from a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from geoseek.annotation.agreement.table import SampleTruth
from geoseek.annotation.ledger import LEDGER_NAME, Ledger
from geoseek.schemas import InputError, Split

ANNOTATION_FOLDER = Path("work") / "annotation"
_COLUMNS = ["id", "country_code", "lat", "lng"]


def read_truth(workspace: Path) -> dict[str, SampleTruth]:
    """Return where each sample was taken: from the members of the splits, and the drawn rows they came from.

    Raises:
        InputError: A file is not what `geoseek sample` or `geoseek fetch` writes.
    """
    drawn = workspace / "work" / "samples"
    files = [*(drawn / f"{split.value}.parquet" for split in Split), workspace / "work" / "images" / "members.parquet"]
    truth: dict[str, SampleTruth] = {}
    for path in files:
        if path.exists():
            columns = _read(path).to_pydict()
            rows = zip(*(columns[name] for name in _COLUMNS), strict=True)
            truth |= {key: SampleTruth(code, lat, lng) for key, code, lat, lng in rows}
    return truth


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, columns=_COLUMNS).select(_COLUMNS)
    except (pa.ArrowException, KeyError, OSError) as error:
        raise InputError(
            f"{path} is not a table of samples: {error}.",
            hint="Write it again: `geoseek sample`, then `geoseek fetch`.",
        ) from error


def has_ledger(workspace: Path) -> bool:
    """Return whether anything was ever annotated in a workspace."""
    return (workspace / ANNOTATION_FOLDER / LEDGER_NAME).exists()


@contextmanager
def ledger_if_any(workspace: Path) -> Iterator[Ledger | None]:
    """Open the ledger of a workspace; None if there is none.

    Raises:
        LedgerError: It cannot be used.
    """
    if not has_ledger(workspace):
        yield None
        return
    with open_existing_ledger(workspace) as ledger:
        yield ledger


def open_existing_ledger(workspace: Path) -> Ledger:
    """Open the ledger of a workspace; unlike `Ledger`, never create one.

    Raises:
        InputError: There is none.
        LedgerError: It cannot be used.
    """
    folder = workspace / ANNOTATION_FOLDER
    if not has_ledger(workspace):
        raise InputError(
            f"There is no {LEDGER_NAME} in {folder}: nothing was annotated yet.",
            hint="Give out work with `geoseek annotate push`, or bring finished work with `geoseek annotate import`.",
        )
    return Ledger(folder)
