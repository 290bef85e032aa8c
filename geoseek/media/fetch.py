"""`geoseek fetch`: the pictures of a sample, and the state of every split once the dead ones are replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from geoseek import __version__
from geoseek.media.addresses import Resolver, resolve
from geoseek.media.download import DownloadSettings
from geoseek.media.engine import Engine, Item, host_of
from geoseek.media.examine import ExamineSettings, Failure, Outcome, Picture, is_stored, remove_leftovers
from geoseek.media.figures import FetchFigures, fetch_figures
from geoseek.media.journal import Journal, JournalKey, files_of
from geoseek.media.local import PoolFiles, is_url
from geoseek.media.members import Entry, Selection, all_pairs, select_members
from geoseek.media.outputs import Findings, figures_of, is_complete, remove_unused, write_outputs
from geoseek.media.perceptual import FINE_BITS
from geoseek.media.samples import DrawnSplit, read_drawn, require_samples
from geoseek.schemas import ImageKind, ImageRejectReason, Split, UsageError
from geoseek.workspace import exclusive, progress_bar, read_manifest, recover, stable_digest

Render = Callable[[FetchFigures], str]
"""Makes the report page; this room knows nothing of pages."""


@dataclass(frozen=True)
class FetchRequest:
    """What to fetch, from where, and how.

    Attributes:
        samples: Folder that `geoseek sample` wrote.
        output: Folder of the images.
        splits: Splits asked for by name; none means all that are there.
        download: Behaviour towards servers.
        examine: What is asked of an image.
        files: Finds the pools' files.
        kinds: Pool -> what its images are, where that is known; "" stands for all pools.
        fine_bits: Largest distance of near-duplicates, in bits out of 256.
        photo_pools: Pools that are folders of photos: their images lie where the listing found them, and that folder
            is then theirs.
        given_back: (split, sample) that the review of the annotations rejected: the reserve stands in for them.
        workers: Threads that decode.
        resolver: Replaces the system's name resolution.
    """

    samples: Path
    output: Path
    splits: tuple[Split, ...]
    download: DownloadSettings
    examine: ExamineSettings
    files: PoolFiles
    kinds: Mapping[str, ImageKind] = field(default_factory=dict)
    fine_bits: int = FINE_BITS
    photo_pools: frozenset[str] = frozenset()
    given_back: frozenset[tuple[Split, str]] = frozenset()
    workers: int = 1
    resolver: Resolver = resolve


@dataclass(frozen=True)
class FetchResult:
    """What a run left in its folder.

    Attributes:
        figures: Counts; None if there was nothing to fetch.
        up_to_date: The folder held this result already.
        nothing: Why there is nothing to fetch, in words; None if there was something.
    """

    figures: FetchFigures | None
    up_to_date: bool = False
    nothing: str | None = None


def run_fetch(
    request: FetchRequest, *, render: Render | None = None, force: bool = False, retry_failed: bool = False
) -> FetchResult:
    """Fetch the images of the drawn rows, and of reserve rows in place of those that are dead.

    Besides the requested splits, those that were fetched into the folder before, and have not been drawn anew since,
    are kept and brought up to date: near-duplicates are judged across all of them. Every outcome is remembered as
    soon as it is there, so that a run that was killed goes on where it stood, and ends with the same bytes.

    Args:
        request: What to fetch.
        render: Makes `report.html`.
        force: Forget everything, and fetch again.
        retry_failed: Ask again for images whose server failed.

    Raises:
        UsageError: The request cannot be met.
        InputError: A sample file cannot be read.
        OutputError: The folder cannot be written, or another run holds it.
    """
    recover(request.samples)
    drawn, notices = _splits(request)
    if all(entry is None for split in drawn for entry in split.entries):
        return FetchResult(None, nothing=_say_nothing(drawn))
    request = _with_photo_folders(request, drawn)
    _require_folders(request, drawn)
    key = _request_key(request, drawn, report=render is not None)
    with exclusive(request.output, doing="fetching images"):
        recover(request.output)
        remove_leftovers(request.output)
        if not (force or retry_failed) and is_complete(request.output, key):
            return FetchResult(figures_of(request.output), up_to_date=True)
        with Journal(request.output) as journal:
            if force:
                journal.forget()
            elif retry_failed:
                journal.forget_transient()
            findings = _resolve(request, drawn, journal)
            figures = _figures(request, drawn, findings, notices)
            page = render(figures) if render else None
            write_outputs(request.output, drawn, findings, figures, page, _manifest(request, drawn, key))
            journal.rewrite()
        remove_unused(request.output)
    return FetchResult(figures)


def describe_fetch(request: FetchRequest) -> str:
    """Say in words what a run would ask for, without asking for anything.

    Raises:
        UsageError: The request cannot be met.
        InputError: A sample file cannot be read.
    """
    drawn, notices = _splits(request)
    lines = []
    for split in drawn:
        hosts: Counter[str] = Counter()
        rows = zip(split.entries, split.rows["image"].to_pylist(), strict=True)
        for image in (image for entry, image in rows if entry and entry.drawn and image is not None):
            hosts[host_of(image) or "files"] += 1
        spare = sum(entry is not None and not entry.drawn for entry in split.entries)
        places = ", ".join(f"{count:,} from {name}" for name, count in hosts.most_common(5))
        more = f" and {len(hosts) - 5} other hosts" if len(hosts) > 5 else ""
        what = f"{places}{more}; {spare:,} in reserve" if hosts else "no images"
        lines.append(f"{split.split.value}: {hosts.total():,} images: {what}")
    return "\n".join([*lines, *notices, f"Into {request.output}. Nothing was fetched."])


def _splits(request: FetchRequest) -> tuple[list[DrawnSplit], list[str]]:
    """Return the splits to work on: those asked for, and those that the folder holds already."""
    found = read_drawn(request.samples, list(Split))
    require_samples(request.samples, request.splits, found)
    if not request.splits:
        return found, []
    earlier = (read_manifest(request.output) or {}).get("splits", {})
    drawn, notices = [], []
    for split in found:
        name = split.split.value
        if split.split in request.splits or earlier.get(name) == split.digest:
            drawn.append(split)
        elif name in earlier:
            notices.append(f"{name} was drawn anew since it was fetched and is left out; fetch it with --split {name}")
    return drawn, notices


def _say_nothing(drawn: Sequence[DrawnSplit]) -> str:
    rows = sum(split.without_images for split in drawn)
    sources = sorted({source for split in drawn for source in split.rows["source"].to_pylist()})
    return (
        f"Nothing to fetch: none of the {rows:,} rows names an image (pool {', '.join(sources)}). "
        "The built-in pool geonames has places only; draw from a pool of photos with `geoseek sample --pool PATH`."
    )


def _with_photo_folders(request: FetchRequest, drawn: Sequence[DrawnSplit]) -> FetchRequest:
    """Add the folder of each pool of photos: an image's path without its id, which is its path below the folder."""
    folders = {name: list(paths) for name, paths in request.files.folders.items()}
    for split in drawn:
        columns = (split.rows[name].to_pylist() for name in ("source", "source_id", "image"))
        for source, source_id, image in zip(*columns, strict=True):
            if source in request.photo_pools and image is not None and image.endswith(f"/{source_id}"):
                root = Path(image.removesuffix(source_id))
                found = [base / root for base in request.files.bases if (base / root).is_dir()]
                if found and found[0] not in folders.setdefault(source, []):
                    folders[source].append(found[0])
    return replace(request, files=replace(request.files, folders=folders))


def _require_folders(request: FetchRequest, drawn: Sequence[DrawnSplit]) -> None:
    """Stop before any work if a pool has images in files and nothing says in which folder they may lie."""
    for split in drawn:
        pairs = zip(split.rows["source"].to_pylist(), split.rows["image"].to_pylist(), strict=True)
        for source, image in pairs:
            if image is not None and not is_url(image) and not request.files.folders.get(source):
                raise UsageError(
                    f"Pool {source!r} has images in files ({image[:120]}), but its folder is not known.",
                    hint=f"Name it with --pool-folder {source}=FOLDER. Only files inside it are read.",
                )


def _settings(request: FetchRequest) -> dict[str, Any]:
    """Return the settings that decide the result."""
    return {
        "min_pixels": request.examine.limits.smallest,
        "max_pixels": request.examine.limits.largest,
        "max_bytes": request.download.max_bytes,
        "pano_views": request.examine.pano_views,
        "fov_deg": request.examine.fov_deg,
        "kinds": {name or "all": kind.value for name, kind in sorted(request.kinds.items())},
        "near_duplicate_bits": request.fine_bits,
        "allow_private": request.download.allow_private,
    }


def _request_key(request: FetchRequest, drawn: Sequence[DrawnSplit], *, report: bool) -> str:
    splits = {split.split.value: split.digest for split in drawn}
    content = {"version": __version__, "settings": _settings(request), "splits": splits, "report": report}
    given_back = {"given_back": sorted(request.given_back)} if request.given_back else {}
    return stable_digest(content | given_back)


def _manifest(request: FetchRequest, drawn: Sequence[DrawnSplit], key: str) -> dict[str, Any]:
    splits = {split.split.value: split.digest for split in drawn}
    return {"stage": "fetch", "geoseek": __version__, "key": key, "settings": _settings(request), "splits": splits}


def _journal_keys(request: FetchRequest, split: DrawnSplit) -> Iterator[tuple[Entry, JournalKey, Item | None]]:
    """Yield entry, key and item of every row that belongs to a pool with images; no item if the row has none."""
    settings = {key: value for key, value in _settings(request).items() if key in _PER_IMAGE}
    columns = (split.rows[name].to_pylist() for name in ("source", "image"))
    for entry, source, image in zip(split.entries, *columns, strict=True):
        if entry is None:
            continue
        kind = request.kinds.get(source, request.kinds.get(""))
        place = None if image is None or is_url(image) else source
        key = JournalKey(stable_digest([place, image]), stable_digest([kind, settings]))
        yield entry, key, None if image is None else Item(0, image, source, kind, None)


def _resolve(request: FetchRequest, drawn: Sequence[DrawnSplit], journal: Journal) -> Findings:
    """Fetch, look who is missing, fetch their stand-ins, and so on until all splits are final."""
    rows = {entry: (key, item) for split in drawn for entry, key, item in _journal_keys(request, split)}
    known: dict[JournalKey, Outcome] = {}
    engine = Engine(request.output, request.download, request.examine, request.files, request.workers, request.resolver)

    def outcome(entry: Entry) -> Outcome | None:
        key, item = rows[entry]
        if (entry.split, entry.id) in request.given_back:
            return Failure(ImageRejectReason.REVIEW, None)
        if item is None:
            return Failure(ImageRejectReason.NO_IMAGE, None)
        if key not in known and (found := journal.recall(key)):
            known[key] = found
        return known.get(key)

    with progress_bar(total=None, label="Fetching images", unit="images") as bar:

        def get(entries: Sequence[Entry]) -> None:
            keys = list(dict.fromkeys(rows[entry][0] for entry in entries))
            by_key = {rows[entry][0]: rows[entry][1] for entry in entries}
            items = [
                Item(number, item.reference, item.source, item.kind, journal.stored(key.reference))
                for number, key in enumerate(keys)
                if (item := by_key[key])
            ]

            def done(number: int, found: Outcome) -> None:
                known[keys[number]] = found
                journal.add(keys[number], found)
                bar.update(1)

            bar.total = (bar.total or 0) + len(items)
            engine.run(items, done)

        while True:
            selection = select_members(rows, outcome, fine_bits=request.fine_bits)
            if not selection.needed:
                lost = [
                    member.entry for member in selection.members if not _is_there(request.output, outcome(member.entry))
                ]
                if not lost:
                    break
                for entry in lost:
                    known.pop(rows[entry][0], None)
                get(lost)
            else:
                get(selection.needed)
    return _findings(request, selection, rows, outcome)


def _is_there(folder: Path, found: Outcome | None) -> bool:
    return isinstance(found, Picture) and all(is_stored(folder / file.path, file.bytes) for file in files_of(found))


def _findings(
    request: FetchRequest,
    selection: Selection,
    rows: Mapping[Entry, tuple[JournalKey, Item | None]],
    outcome: Callable[[Entry], Outcome | None],
) -> Findings:
    looked_at = [member.entry for member in selection.members] + [one.entry for one in selection.rejected]
    pictures = {entry: found for entry in looked_at if isinstance(found := outcome(entry), Picture)}
    pairs = all_pairs(selection, pictures.get, fine_bits=request.fine_bits)
    hosts = {entry: host_of(item.reference) if (item := rows[entry][1]) else None for entry in looked_at}
    return Findings(selection, pictures, pairs, hosts)


def _figures(
    request: FetchRequest, drawn: Sequence[DrawnSplit], findings: Findings, notices: Sequence[str]
) -> FetchFigures:
    remarks = list(notices)
    missing = sum(findings.selection.unreplaced.values())
    if missing:
        remarks.append(
            f"{missing:,} rows could not be replaced: the reserve of their country is used up; "
            "draw a larger one with `geoseek sample --reserve`"
        )
    for reason, advice in _ADVICE.items():
        count = sum(one.failure.reason is reason for one in findings.selection.rejected)
        if count and not (reason is ImageRejectReason.FORBIDDEN_ADDRESS and request.download.allow_private):
            remarks.append(f"{count:,} images: {reason.description}; {advice}")
    shown = {name: value for name, value in _settings(request).items() if name != "kinds"}
    return fetch_figures(
        findings.selection,
        findings.pictures,
        findings.pairs,
        findings.hosts,
        without_images={split.split: split.without_images for split in drawn},
        settings={**shown, "kinds": ", ".join(f"{n or 'all'}={k.value}" for n, k in request.kinds.items()) or "found"},
        notices=remarks,
    )


_PER_IMAGE = frozenset(["min_pixels", "max_pixels", "max_bytes", "pano_views", "fov_deg"])
"""Settings on which the remembered outcome of one image depends."""

_ADVICE = {
    ImageRejectReason.FORBIDDEN_ADDRESS: "--allow-private lets them pass",
    ImageRejectReason.FORBIDDEN_PATH: "--pool-folder NAME=FOLDER names another folder",
}
