"""`geoseek sample`: pools in, splits out, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geoseek.geo import (
    CountryIndex,
    CountryTable,
    PopulationGrid,
    load_countries,
    load_country_index,
    raster_population,
    settlement_population,
)
from geoseek.sampling.allocation import largest_remainder, scale_sizes
from geoseek.sampling.cells import CellTable, collect_cells, count_cells
from geoseek.sampling.draw import Design, design_inclusion, draw
from geoseek.sampling.duplicates import mark_duplicates
from geoseek.sampling.exclusions import Exclusion, Members, exclude
from geoseek.sampling.frame import Frame, FramePart, FrameSettings, build_frame, frame_key
from geoseek.sampling.hashing import stream_key
from geoseek.sampling.inputs import PoolGroup, SampleInputs
from geoseek.sampling.members import members_of, read_reserve, read_samples
from geoseek.sampling.plan import Allocation, Target, allocate_split, make_target
from geoseek.sampling.records import sample_records
from geoseek.schemas import RejectReason, Sample, Split, UsageError, arrow_schema
from geoseek.workspace import SampleSettings, recover

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SampleRequest:
    """Everything that decides a sample.

    Attributes:
        settings: The design.
        seed: Seed of all permanent random numbers.
        splits: Splits to draw; the others in `output` are left as they are and honoured.
        output: Folder of the result.
        explicit_sizes: The sizes were asked for on purpose: fail rather than shrink them.
        previous: Folder of an earlier result whose membership is frozen.
        workers: Threads that read the pools.
        report: Whether to draw the report.
        workspace: Images inside this folder are recorded by their path relative to it.
    """

    settings: SampleSettings
    seed: int
    splits: tuple[Split, ...]
    output: Path
    explicit_sizes: bool = False
    previous: Path | None = None
    workers: int = 2
    report: bool = True
    workspace: Path | None = None


@dataclass
class SplitDraw:
    """What was decided and drawn for one split."""

    split: Split
    size: int
    allocations: list[Allocation]
    designs: list[Design]
    excluded: dict[str, int]
    records: pa.Table
    reserve: pa.Table
    frozen: int


@dataclass
class SampleRun:
    """The state of a run, from which outputs and report are written."""

    request: SampleRequest
    inputs: SampleInputs
    frame: Frame
    countries: CountryTable
    population: PopulationGrid
    target: Target
    table: CellTable
    people: npt.NDArray[np.float64]
    duplicates: int
    draws: list[SplitDraw] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    others: dict[Split, pa.Table] = field(default_factory=dict)

    @property
    def index(self) -> CountryIndex:
        """The country index of the frame."""
        return self.frame.index


def draw_splits(
    request: SampleRequest, inputs: SampleInputs, scratch: Path, *, executor: Executor | None = None
) -> SampleRun:
    """Read the pools and draw the requested splits; nothing is written but the frame under `scratch`.

    Raises:
        UsageError: The request cannot be met (sizes, countries, shares, ...).
        InputError: A pool or another input cannot be read.
        OutputError: `scratch` cannot be written.
    """
    settings = request.settings
    sizes = {split: settings.sizes.get(split, 0) for split in Split if split in request.splits}
    if not any(sizes.values()):
        raise UsageError(
            "Nothing to draw: " + ", ".join(f"{split} has size 0" for split in sizes) + ".",
            hint="Give sizes with --sizes val=N,loc=N,cot=N or in geoseek.yaml.",
        )
    others = _other_splits(request)
    frozen = _frozen(request)
    countries = load_countries()
    index = load_country_index(Path(settings.boundaries) if settings.boundaries else None)
    target = make_target(settings, countries, index.codes)
    frame_settings = FrameSettings(
        offshore_tolerance_km=settings.offshore_tolerance_km,
        boundaries=settings.boundaries,
        check_duplicates=not settings.assume_unique_ids,
        with_sequences=True,
    )
    read_as = [[pool.name, pool.format, found] for pool, found in zip(inputs.pools, inputs.pool_prints, strict=True)]
    name = frame_key([read_as, settings.columns, settings.encoding], frame_settings, index.key)
    folder = scratch / f".frame-{name}"
    frame = build_frame(inputs.pools, frame_settings, folder, workers=request.workers, executor=executor)
    duplicates = 0 if settings.assume_unique_ids else mark_duplicates(frame, folder / "duplicates")
    population = load_population(settings, index, countries)
    table = collect_cells(frame.parts, len(index.codes), workers=request.workers)
    run = SampleRun(
        request=request,
        inputs=inputs,
        frame=frame,
        countries=countries,
        population=population,
        target=target,
        table=table,
        people=population.people(table.country, table.cell),
        duplicates=duplicates,
        others=others,
    )
    run.notices += pool_notices(frame, settings.offshore_tolerance_km)
    members = {split: members_of([rows, read_reserve(request.output, split)]) for split, rows in others.items()}
    members |= {split: members_of([rows]) for split, rows in frozen.items()}
    waiting = {split: max(0, sizes[split] - frozen[split].num_rows) for split in sizes}
    for split in sizes:
        drawn = _draw_split(run, split, waiting, members, frozen[split], scratch)
        run.draws.append(drawn)
        members[split] = members_of([drawn.records, drawn.reserve])
        del waiting[split]
    return run


def load_population(settings: SampleSettings, index: CountryIndex, countries: CountryTable) -> PopulationGrid:
    """Return people per (country, cell): from the raster of the settings, else estimated from settlements."""
    if settings.population_raster:
        return raster_population(Path(settings.population_raster), index)
    return settlement_population(index, countries)


def _other_splits(request: SampleRequest) -> dict[Split, pa.Table]:
    """Read the splits that are there already and are not drawn now."""
    recover(request.output)
    found = {split: read_samples(request.output, split) for split in Split if split not in request.splits}
    return {split: table for split, table in found.items() if table is not None}


def _frozen(request: SampleRequest) -> dict[Split, pa.Table]:
    """Read the membership that `previous` freezes."""
    frozen = {split: arrow_schema(Sample).empty_table() for split in Split if split in request.splits}
    if request.previous is None:
        return frozen
    recover(request.previous)
    found = {split: read_samples(request.previous, split) for split in frozen}
    if all(table is None for table in found.values()):
        raise UsageError(
            f"--previous {request.previous}: there is no sample in that folder.",
            hint="Name the folder that holds val.parquet, loc.parquet or cot.parquet.",
        )
    return {split: frozen[split] if table is None else table for split, table in found.items()}


def _draw_split(
    run: SampleRun,
    split: Split,
    waiting: Mapping[Split, int],
    members: Mapping[Split, Members],
    frozen: pa.Table,
    scratch: Path,
) -> SplitDraw:
    """Draw one split on the frame that its exclusions leave; `waiting` holds the rows that are still to be drawn."""
    request, workers = run.request, run.request.workers
    status, excluded = exclude(
        run.frame,
        split,
        members=dict(members),
        avoid=run.inputs.avoided,
        separation_km=request.settings.separation_km,
        seed=request.seed,
        folder=scratch / ".sequences",
    )
    parts = [[part for part in run.frame.parts if part.pool in group.pools] for group in run.inputs.groups]
    in_scope = run.target.in_scope[run.table.country]
    counts, shared = [], []
    for group_parts in parts:
        available, later = count_cells(group_parts, run.table, status, later=Exclusion.SEQUENCE_MATE, workers=workers)
        counts.append(np.where(in_scope, available, 0))
        shared.append(np.where(in_scope, later, 0))
        excluded["out_of_scope"] += int(later[~in_scope].sum())
    waiting = _feasible_sizes(run, split, waiting, counts, shared)
    shares = np.array([group.share for group in run.inputs.groups])
    group_sizes = {s: largest_remainder(shares * rows, rows) for s, rows in waiting.items()}
    key = stream_key(request.seed, split.value)
    rank_offset = _last_ranks(frozen, run.index)
    result = SplitDraw(
        split, waiting[split] + frozen.num_rows, [], [], dict(+excluded), frozen, frozen.slice(0, 0), frozen.num_rows
    )
    for number, group in enumerate(run.inputs.groups):
        allocation = allocate_split(
            run.target,
            request.settings,
            _per_country(run, counts[number]),
            _per_country(run, shared[number]),
            {s: int(rows[number]) for s, rows in group_sizes.items()},
            split,
            _country_counts(_of_group(frozen, run, group), run.index),
        )
        design = design_inclusion(run.table, run.people, counts[number], allocation.take, allocation.reserve)
        drawn = draw(parts[number], run.table, design, status=status, key=key, workers=workers)
        drawn = replace(drawn, rank=drawn.rank + rank_offset[drawn.country])
        records = sample_records(
            run.frame,
            parts[number],
            drawn,
            run.table.cell,
            split,
            run.countries,
            workspace=request.workspace,
        )
        in_reserve = pa.array(drawn.reserve)
        result.records = pa.concat_tables([result.records, records.filter(pc.invert(in_reserve))])
        result.reserve = pa.concat_tables([result.reserve, records.filter(in_reserve)])
        result.allocations.append(allocation)
        result.designs.append(design)
    order = [("stratum", "ascending"), ("rank", "ascending"), ("id", "ascending")]
    result.records, result.reserve = result.records.sort_by(order), result.reserve.sort_by(order)
    return result


def _per_country(run: SampleRun, count: IntArray) -> IntArray:
    return np.bincount(run.table.country, count, minlength=len(run.index.codes)).astype(np.int64)


def _feasible_sizes(
    run: SampleRun, split: Split, waiting: Mapping[Split, int], counts: list[IntArray], shared: list[IntArray]
) -> dict[Split, int]:
    """Return the sizes that the frame can fill: default sizes shrink in proportion, explicit ones must fit.

    Args:
        run: The run.
        split: The split that is drawn now.
        waiting: Rows to be drawn for it and for the splits after it.
        counts: Candidates that this split may take, per group of pools and cell.
        shared: Candidates that this split or a later one may take.

    Raises:
        UsageError: An explicit size is larger than the supply.
    """
    usable = ((run.target.share > 0) | (run.request.settings.min_per_country > 0))[run.table.country]
    groups = run.inputs.groups

    def supply(available: list[IntArray]) -> int:
        return min(int(count[usable].sum() / group.share) for group, count in zip(groups, available, strict=True))

    sizes = dict(waiting)
    for names, available in ((list(waiting), supply(shared)), ([split], supply(counts))):
        wanted = sum(sizes[name] for name in names)
        if wanted <= available:
            continue
        text = " + ".join(f"{name} {sizes[name]:,}" for name in names)
        if run.request.explicit_sizes:
            raise UsageError(
                f"{wanted:,} rows are asked for ({text}), but only {available:,} candidates are available.",
                hint="Lower --sizes, add a --pool, or relax --separation-km, --avoid, --countries or --exclude.",
            )
        scaled = scale_sizes({name.value: sizes[name] for name in names}, available)
        sizes |= {name: scaled[name.value] for name in names}
        shown = ", ".join(f"{name} {sizes[name]:,}" for name in names)
        run.notices.append(
            f"{available:,} candidates are available for {wanted:,} rows ({text}): scaled down to {shown}."
        )
    return sizes


def _of_group(table: pa.Table, run: SampleRun, group: PoolGroup) -> pa.Table:
    names = pa.array([run.frame.pools[number].name for number in group.pools])
    return table.filter(pc.is_in(table["source"], names))


def _country_counts(table: pa.Table, index: CountryIndex) -> IntArray:
    position = pc.index_in(table["stratum"], pa.array(index.codes)).to_numpy()
    return np.bincount(position.astype(np.int64), minlength=len(index.codes)).astype(np.int64)


def _last_ranks(table: pa.Table, index: CountryIndex) -> IntArray:
    """Return the largest rank of each country in a table; ranks of new rows go on from there."""
    position = pc.index_in(table["stratum"], pa.array(index.codes)).to_numpy().astype(np.int64)
    last = np.zeros(len(index.codes), dtype=np.int64)
    np.maximum.at(last, position, table["rank"].to_numpy())
    return last


def pool_notices(frame: Frame, tolerance_km: float) -> list[str]:
    """Return what a reader must know about the pools of a frame, in words."""
    notices = [f"{pool.name}: {notice}" for pool in frame.pools for notice in pool.notices]
    nearshore = sum(part.nearshore for part in frame.parts)
    if nearshore:
        notices.append(
            f"{nearshore:,} points lie off the polygons, at most {tolerance_km:g} km from land, and were given the "
            "nearest country."
        )
    for number, pool in enumerate(frame.pools):
        notice = swap_notice(pool.name, [part for part in frame.parts if part.pool == number])
        if notice:
            notices.append(notice)
    return notices


def swap_notice(pool: str, parts: Sequence[FramePart]) -> str | None:
    """Say so if latitude and longitude of a pool look exchanged.

    A point at sea is on land after the exchange in about three cases of ten by chance; the notice needs six in ten,
    and one row in twenty rejected.
    """
    misplaced = sum(
        part.rejects.get(reason, 0)
        for part in parts
        for reason in (RejectReason.NOT_ON_LAND, RejectReason.OUT_OF_RANGE)
    )
    swappable = sum(part.swappable for part in parts)
    read = sum(part.read for part in parts)
    if misplaced * 20 < read or swappable * 10 < misplaced * 6 or not misplaced:
        return None
    return (
        f"{pool}: latitude and longitude look exchanged: {misplaced:,} of {read:,} rows are not on land, and "
        f"{swappable:,} of them would be if the two were swapped. Check --columns lat=...,lng=..."
    )
