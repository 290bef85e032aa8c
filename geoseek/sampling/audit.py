"""`geoseek audit`: the balance report of any existing set of coordinates."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseek import __version__
from geoseek.geo import CELLS, NearbyIndex, load_countries, load_country_index
from geoseek.sampling.balance import (
    BalanceReport,
    BenchmarkProximity,
    FoldedTerritory,
    MissingFigure,
    PoolSummary,
    split_balance,
)
from geoseek.sampling.frame import Frame, FrameSettings, build_frame
from geoseek.sampling.inputs import pool_fingerprint, read_coordinates
from geoseek.sampling.outputs import BALANCE_FILE, REJECTS_FILE, reject_counts, scalars, weight_map, write_rejects
from geoseek.sampling.plan import make_target
from geoseek.sampling.pools import open_pool, parse_pool
from geoseek.sampling.run import load_population, pool_notices
from geoseek.schemas import InputError
from geoseek.workspace import SampleSettings, exclusive, file_fingerprint, transaction, write_manifest, write_text

MAP_POINTS = 20_000
DISTANCES_KM = (1.0, 5.0, 25.0)
"""Distances at which the share of points near a benchmark is given."""


@dataclass(frozen=True)
class AuditRequest:
    """What is audited, and against what.

    Attributes:
        files: One or more sets; each is reported like a split. `[NAME=]PATH`, in any pool format.
        settings: The target (weights, countries in scope, population, boundaries) and how to read the files.
        against: Benchmarks; the share of points near them is reported.
        output: Folder of the report.
        workers: Threads that read.
        report: Whether to draw the report.
    """

    files: tuple[str, ...]
    settings: SampleSettings
    against: tuple[Path, ...]
    output: Path
    workers: int = 2
    report: bool = True


def run_audit(request: AuditRequest) -> BalanceReport:
    """Report the balance of existing sets of coordinates; nothing is drawn.

    Raises:
        UsageError: Malformed options.
        InputError: A file cannot be read, or no row of it is usable.
        OutputError: The output folder cannot be written.
    """
    settings = request.settings
    countries = load_countries()
    index = load_country_index(Path(settings.boundaries) if settings.boundaries else None)
    target = make_target(settings, countries, index.codes)
    pools = [
        open_pool(parse_pool(text), columns=settings.columns, encoding=settings.encoding) for text in request.files
    ]
    benchmarks = [(path, *read_coordinates(path, settings)[:2]) for path in request.against]
    with exclusive(request.output, doing="auditing"), tempfile.TemporaryDirectory(prefix="geoseek-audit-") as scratch:
        frame_settings = FrameSettings(settings.offshore_tolerance_km, settings.boundaries, False, False)
        frame = build_frame(pools, frame_settings, Path(scratch), workers=request.workers)
        sets = [_Set.of(frame, number) for number in range(len(pools))]
        population = load_population(settings, index, countries)
        report = BalanceReport(
            title="Balance of " + ", ".join(pool.name for pool in pools),
            splits=tuple(
                split_balance(
                    split=found.name,
                    codes=index.codes,
                    names=[countries[code].name for code in index.codes],
                    continents=[countries[code].continent for code in index.codes],
                    target=target.share,
                    achieved=np.bincount(found.country, minlength=len(index.codes)),
                    cells=found.cell,
                )
                for found in sets
            ),
            read=frame.read,
            kept=frame.kept,
            rejects=reject_counts(frame, 0),
            pools=tuple(
                PoolSummary(
                    name=pool.name, format=pool.format, rows=sum(p.read for p in frame.parts if p.pool == number)
                )
                for number, pool in enumerate(pools)
            ),
            weights=target.coefficients,
            population_source=scalars(population.source),
            missing_figures=tuple(
                MissingFigure(code=entry["code"], name=entry["name"], figure=entry["figure"])
                for entry in target.missing
            ),
            folded=tuple(FoldedTerritory(**entry) for entry in target.folded),
            notices=tuple(pool_notices(frame, settings.offshore_tolerance_km)),
            against=tuple(
                found.proximity(path.name, NearbyIndex(lat, lng)) for path, lat, lng in benchmarks for found in sets
            ),
        )
        with transaction(request.output) as staging:
            write_text(staging / BALANCE_FILE, json.dumps(report.to_json(), indent=1, sort_keys=True) + "\n")
            write_rejects(frame.rejects(), staging / REJECTS_FILE)
            if request.report:
                from geoseek.sampling.report import render_report

                points = {found.name: found.map_points() for found in sets}
                render_report(report, points, weight_map(index, population), staging)
            write_manifest(
                staging,
                {
                    "stage": "audit",
                    "geoseek": __version__,
                    "files": [{"name": pool.name, "format": pool.format, **pool_fingerprint(pool)} for pool in pools],
                    "against": [{"file": path.name, **file_fingerprint(path)} for path in request.against],
                    "country_index": index.key,
                    "population": population.source,
                    "coefficients": target.coefficients,
                },
            )
    return report


@dataclass(frozen=True)
class _Set:
    """The usable rows of one audited file."""

    name: str
    lat: npt.NDArray[np.float64]
    lng: npt.NDArray[np.float64]
    country: npt.NDArray[np.int64]
    cell: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]

    @classmethod
    def of(cls, frame: Frame, pool: int) -> _Set:
        columns: dict[str, list[npt.NDArray[np.float64]]] = {"lat": [], "lng": [], "key": [], "id": []}
        for part in frame.parts:
            if part.pool == pool:
                for name, values in columns.items():
                    values.append(part.column(name))
        lat, lng, key, ids = (np.concatenate(values) for values in columns.values())
        name = frame.pools[pool].name
        if not len(lat):
            raise InputError(
                f"{name}: none of the {frame.read:,} rows has a usable position.",
                hint="Check the columns with --columns lat=...,lng=...",
            )
        return cls(name, lat, lng, (key // CELLS).astype(np.int64), (key % CELLS).astype(np.int64), np.argsort(ids))

    def map_points(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return at most `MAP_POINTS` points for the map: those with the smallest id hashes."""
        chosen = self.order[:MAP_POINTS]
        return self.lat[chosen], self.lng[chosen]

    def proximity(self, file: str, points: NearbyIndex) -> BenchmarkProximity:
        """Return the share of rows near the points of a benchmark."""
        near = [float(points.within(self.lat, self.lng, km).mean()) for km in DISTANCES_KM]
        return BenchmarkProximity(
            file=file, split=self.name, within_1_km=near[0], within_5_km=near[1], within_25_km=near[2]
        )
