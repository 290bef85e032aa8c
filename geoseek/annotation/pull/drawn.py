"""Which pictures are drawn, not photographed: what is said about them must never pass for work on photos."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geoseek.schemas import InputError
from geoseek.workspace import recover

_MARK = "synthetic"


def drawn_samples(workspace: Path) -> frozenset[str]:
    """Return the members whose licence says `synthetic`, as that of the drawn scenes does; none before `fetch`.

    Raises:
        InputError: The table of members is damaged.
    """
    folder = workspace / "work" / "images"
    recover(folder)
    path = folder / "members.parquet"
    if not path.is_file():
        return frozenset()
    try:
        table = pq.read_table(path, columns=["id", "license"])
        return frozenset(table.filter(pc.match_substring(table["license"], _MARK))["id"].to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}.", hint="Run `geoseek fetch` again.") from error
