"""A workspace with a ledger that tests fill annotation by annotation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from geoseek.annotation import AnnotationState, Decision, Ledger, Verdict
from geoseek.pipelines import CurateRequest, CurateResult, run_curate
from geoseek.schemas import ChainOfThought, Split
from tests.annotation.review.makers import chain, new, stored
from tests.annotation.workspaces import make_workspace

REASON = {
    "FR": "White plates with blue ends and a yellow warning sign, and a café with the word tabac above its door.",
    "DE": "Half-timbered houses stand along a road with white posts, and a yellow town sign names a Landkreis.",
}


class World:
    """A workspace; samples are named `pool:SPLIT-NUMBER`, even ones lie in France, odd ones in Germany."""

    def __init__(self, folder: Path, sizes: Mapping[Split, int] | None = None) -> None:
        self.folder = make_workspace(folder, sizes or {Split.COT: 8, Split.VAL: 2}, strata=("FR", "DE"))
        (self.folder / "work" / "annotation").mkdir(parents=True)
        self._number = 0

    @property
    def curated(self) -> Path:
        """Return the folder of the results."""
        return self.folder / "work" / "curated"

    def ledger(self) -> Ledger:
        """Open the ledger."""
        return Ledger(self.folder / "work" / "annotation")

    def settings(self, text: str) -> None:
        """Write pipelines/curate.yaml."""
        (self.folder / "pipelines").mkdir(exist_ok=True)
        (self.folder / "pipelines" / "curate.yaml").write_text(text, encoding="utf-8")

    def add(
        self,
        sample: int,
        said: ChainOfThought | str | None,
        verdict: Verdict | None = None,
        *,
        split: Split = Split.COT,
        annotator: str = "ana",
        state: AnnotationState = AnnotationState.SUBMITTED,
        **fields: Any,
    ) -> str:
        """Add an annotation, of stages or of free text, and what a reviewer decided; return its id."""
        self._number += 1
        if isinstance(said, str):
            fields |= {"note": said, "provenance": {"note": "human", "picture": "photo"}}
            said = None
        row = stored(
            self._number,
            said,
            state=state,
            sample_id=f"pool:{split.value}-{sample}",
            split=split,
            annotator=annotator,
            **fields,
        )
        with self.ledger() as ledger, ledger.transaction():
            ledger.add_annotator(annotator)
            ledger.add_annotation(new(row))
            if verdict is not None:
                ledger.add_decision(Decision(row.id, 1, verdict, "lead"))
        return row.id

    def run(self, **wishes: Any) -> CurateResult:
        """Curate."""
        force = wishes.pop("force", False)
        return run_curate(CurateRequest(self.folder, **wishes), force=force)

    def kept(self) -> dict[str, dict[str, Any]]:
        """Return sample -> curated chain."""
        return {row["sample_id"]: row for row in self._rows("cot.parquet")}

    def rejects(self) -> dict[str, dict[str, Any]]:
        """Return annotation -> reject."""
        return {row["annotation_id"]: row for row in self._rows("rejects.parquet")}

    def files(self) -> dict[str, bytes]:
        """Return the bytes of the results."""
        return {path.name: path.read_bytes() for path in sorted(self.curated.glob("[!.]*"))}

    def _rows(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.curated / name).to_pylist()
        return rows


def french(**wishes: Any) -> ChainOfThought:
    """Return a chain that concludes France."""
    return chain("France", **{"reasoning": REASON["FR"], "clues": ("white plates with blue ends",), **wishes})


def german(**wishes: Any) -> ChainOfThought:
    """Return a chain that concludes Germany."""
    return chain("Germany", **{"reasoning": REASON["DE"], "clues": ("yellow town sign",), **wishes})
