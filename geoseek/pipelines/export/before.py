"""The stages before an export: run where they are stale, and only the parts that cost nothing and send nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from geoseek.annotation import has_ledger
from geoseek.pipelines.export.sources import CURATED
from geoseek.schemas import InputError, Split, TagRejectReason

TAG_REJECTS_FILE = "tag-rejects.parquet"


def bring_up_to_date(workspace: Path, splits: Sequence[Split]) -> tuple[str, ...]:
    """Run curate and tag where they are stale.

    Without a ledger there is nothing to curate or to tag, and nothing is run.

    Args:
        workspace: The workspace.
        splits: Splits that will be exported.

    Returns:
        What was done, in sentences.
    """
    if not has_ledger(workspace):
        return ()
    from geoseek.pipelines.curate.run import CurateRequest, run_curate
    from geoseek.pipelines.tag.run import TagRequest, run_tag

    done = []
    if not run_curate(CurateRequest(workspace=workspace)).up_to_date:
        done.append("The annotations were curated first (geoseek curate).")
    if Split.VAL in splits and not run_tag(TagRequest(workspace=workspace, splits=(Split.VAL,))).up_to_date:
        done.append("The ratings of val were summed up first (geoseek tag).")
    return tuple(done)


def out_of_range_samples(workspace: Path, split: Split) -> dict[str, str]:
    """Return the samples that `geoseek tag` keeps out because of their locatability, each with the words for it.

    Raises:
        InputError: The table is damaged.
    """
    path = workspace / CURATED / TAG_REJECTS_FILE
    if not path.exists():
        return {}
    wanted = (pads.field("split") == split.value) & (pads.field("reason") == TagRejectReason.OUT_OF_RANGE.value)
    try:
        rows = pq.read_table(path, columns=["sample_id", "detail"], filters=wanted).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}.", hint="Run `geoseek tag --force`.") from error
    return {row["sample_id"]: row["detail"] or "" for row in rows}
