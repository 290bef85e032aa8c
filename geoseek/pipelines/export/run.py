"""Run an export: bring the stages before it up to date, plan, write shards, and put everything in place at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseek import __version__
from geoseek.pipelines.export.before import bring_up_to_date, out_of_range_samples
from geoseek.pipelines.export.build import PICTURE_FAULTS, Build, is_intact
from geoseek.pipelines.export.exported import ExportedSplit
from geoseek.pipelines.export.figures import merge_figures, withheld
from geoseek.pipelines.export.outputs import publish_files, read_exported, require_own_folder
from geoseek.pipelines.export.plan import SplitPlan, plan_split
from geoseek.pipelines.export.request import ExportRequest, ExportResult, ImageMode
from geoseek.pipelines.export.sources import CURATED, SAMPLES, Workspace
from geoseek.schemas import ExportRejectReason, Split
from geoseek.workspace import exclusive, file_fingerprint, read_manifest, recover, stable_digest


@dataclass(frozen=True)
class _Plans:
    """The splits that an export will hold.

    Attributes:
        all: Every split, in the order val, loc, cot.
        kept: Splits that nobody asked for, whose files are there already and still right.
        notices: What happened to other splits of the folder.
    """

    all: tuple[SplitPlan, ...]
    kept: dict[Split, ExportedSplit]
    notices: tuple[str, ...]


def run_export(request: ExportRequest, *, force: bool = False) -> ExportResult:
    """Write the splits of a workspace as a dataset.

    `geoseek curate` and `geoseek tag` are run first where they are stale, without a model and without sending
    anything. Splits that the folder holds already stay, as long as what they were made from is unchanged. A run that
    was killed goes on with the shards that were finished; the old export stays until the new one is complete.

    Args:
        request: What to export, and where to.
        force: Write everything anew.

    Raises:
        UsageError: A split was not drawn.
        InputError: A table of the workspace is damaged, or the pictures belong to another draw.
        OutputError: The folder holds other things, cannot be written, or another run holds it.
    """
    workspace = Workspace(request.workspace)
    wanted = workspace.require_splits(request.splits)
    require_own_folder(request.output)
    before = bring_up_to_date(request.workspace, wanted)
    with exclusive(request.output, doing="exporting"):
        recover(request.output)
        exported = read_exported(request.output)
        plans = _plans(request, workspace, wanted, exported)
        key = _request_key(request, plans)
        finished = {} if force else _finished(request, plans, exported)
        notices = (*before, *plans.notices, *_notices(request, plans))
        if len(finished) == len(plans.all) and _is_complete(request.output, key):
            return ExportResult(_figures(finished.values()), up_to_date=True, notices=notices)
        build = Build(request.output)
        if force:
            build.clear()
        build.keep_only(plans.all)
        splits = {}
        for plan in plans.all:
            entries = finished[plan.split].shards if plan.split in finished else build.write(request, workspace, plan)
            splits[plan.split] = ExportedSplit.of(plan, entries)
        fresh = {plan.split: plan for plan in plans.all if plan.split not in finished}
        publish_files(request, splits, fresh, build, key)
        build.clear()
    return ExportResult(_figures(splits.values()), up_to_date=False, notices=(*notices, *_fault_notices(splits)))


def describe_export(request: ExportRequest) -> str:
    """Say in words what an export would write, without writing anything.

    Raises:
        UsageError: A split was not drawn.
        InputError: A table of the workspace is damaged.
        OutputError: The folder holds other things.
    """
    workspace = Workspace(request.workspace)
    wanted = workspace.require_splits(request.splits)
    require_own_folder(request.output)
    plans = _plans(request, workspace, wanted, read_exported(request.output))
    lines = []
    for plan in plans.all:
        state = "; is there already" if plan.split in plans.kept else ""
        lines.append(
            f"{plan.split.value}: {plan.rows:,} of {plan.read:,} rows in {len(plan.shards):,} files, "
            f"{plan.image_bytes / 1e6:,.1f} MB of pictures{state}"
        )
    lines += [*plans.notices, *_notices(request, plans)]
    lines.append("Stale chains and ratings would be made first (geoseek curate, geoseek tag); nothing is sent.")
    return "\n".join([*lines, f"Into {request.output}. Nothing was written."])


def _plans(
    request: ExportRequest, workspace: Workspace, wanted: Sequence[Split], exported: dict[Split, ExportedSplit]
) -> _Plans:
    plans, kept, notices = [], {}, []
    drawn = workspace.drawn_splits()
    for split in Split:
        if split not in wanted and split not in exported:
            continue
        plan = None
        if split in drawn:
            plan = plan_split(request, workspace, split, out_of_range_samples(request.workspace, split))
        if plan and split in wanted:
            plans.append(plan)
        elif plan and exported[split].key == plan.key:
            plans.append(plan)
            kept[split] = exported[split]
        else:
            notices.append(
                f"{split.value} was exported from other data or with other settings and is taken out; export it again "
                f"with --split {split.value}."
            )
    return _Plans(tuple(plans), kept, tuple(notices))


def _finished(
    request: ExportRequest, plans: _Plans, exported: dict[Split, ExportedSplit]
) -> dict[Split, ExportedSplit]:
    """Return the splits whose files are in place, unchanged."""
    found = {}
    for plan in plans.all:
        there = exported.get(plan.split)
        if there and there.key == plan.key and all(is_intact(one, request.output / one.name) for one in there.shards):
            found[plan.split] = there
    return found


def _request_key(request: ExportRequest, plans: _Plans) -> str:
    """Return a digest of everything that decides the files beside the shards."""
    folder = request.workspace
    described_by = [folder / SAMPLES / "balance.json", folder / SAMPLES / "manifest.json", folder / CURATED]
    return stable_digest(
        {
            "version": __version__,
            "settings": request.settings.model_dump(mode="json"),
            "splits": {plan.split.value: plan.key for plan in plans.all},
            "described_by": [file_fingerprint(path) for path in described_by if path.is_file()],
            "curated": (read_manifest(folder / CURATED) or {}).get("key"),
        }
    )


def _is_complete(output: Path, key: str) -> bool:
    """Return whether a folder holds the result of a request; the sizes of the shards are checked elsewhere."""
    manifest = read_manifest(output)
    if manifest is None or manifest.get("key") != key:
        return False
    small = {name: entry for name, entry in manifest["outputs"].items() if not name.startswith("data/")}
    return all(
        (output / name).is_file() and file_fingerprint(output / name)["digest"] == digest
        for name, digest in small.items()
    )


def _figures(splits: Any) -> dict[str, dict[str, Any]]:
    return {split.split.value: split.to_figures() for split in splits}


def _notices(request: ExportRequest, plans: _Plans) -> list[str]:
    notices = []
    for plan in plans.all:
        name = plan.split.value
        if plan.not_fetched and request.images is not ImageMode.NONE:
            notices.append(
                f"{name}: {plan.not_fetched:,} rows name a picture that was never fetched; they are exported without. "
                "Run `geoseek fetch` first to have them in the files."
            )
        if not plan.rows:
            notices.append(_empty(plan))
    return notices


def _empty(plan: SplitPlan) -> str:
    if plan.split is Split.COT:
        return "cot has no rows: nobody has annotated its pictures, or no annotation passed `geoseek curate`."
    return f"{plan.split.value} has no rows."


def _fault_notices(splits: dict[Split, ExportedSplit]) -> list[str]:
    notices = []
    for split, exported in splits.items():
        codes = exported.reject_counts()
        notices += [
            f"{split.value}: {codes[reason.value]:,} rows are left out: {reason.description}."
            for reason in ExportRejectReason
            if reason in PICTURE_FAULTS and reason.value in codes
        ]
        held_back = withheld(merge_figures(entry.figures for entry in exported.shards))
        if held_back:
            words = ", ".join(f"{count:,} {permission}" for permission, count in sorted(held_back.items()))
            notices.append(
                f"{split.value}: the licence of some pictures does not grant redistribution ({words}); these are "
                "published by reference only."
            )
    return notices
