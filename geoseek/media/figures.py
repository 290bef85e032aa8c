"""The figures of a fetch: what came, what did not and why, and what stands in for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from geoseek.media.examine import Picture
from geoseek.media.members import Entry, Pair, Selection
from geoseek.schemas import ImageRejectReason, Split


@dataclass(frozen=True)
class SplitFigures:
    """One split.

    Attributes:
        split: Its name.
        wanted: Rows drawn whose pool has images.
        alive: Members.
        stand_ins: Members that are reserve rows.
        missing: Members that could not be replaced, the reserve being used up.
        asked: Pictures asked for: members and rejects.
        rejected: Rejects by code.
        without_images: Rows drawn from pools without images; nothing was asked for.
    """

    split: str
    wanted: int
    alive: int
    stand_ins: int
    missing: int
    asked: int
    rejected: dict[str, int]
    without_images: int


@dataclass(frozen=True)
class CountryFigures:
    """One country, over all splits.

    Attributes:
        stratum: Country code.
        asked: Pictures asked for.
        non_response: Of these, how many could not be had, near-duplicates not counted.
        near_duplicates: How many were left out as near-duplicates.
        missing: Members that could not be replaced.
        rejected: Rejects by code.
    """

    stratum: str
    asked: int
    non_response: int
    near_duplicates: int
    missing: int
    rejected: dict[str, int]


@dataclass(frozen=True)
class FetchFigures:
    """Everything that the report shows.

    Attributes:
        splits: Per split, in the order of Split.
        countries: Per country with rejects, those with the highest share of non-response first.
        hosts: Per host that failed: pictures asked for and not had, by code. Files count under "files".
        kinds: Files by kind, views included.
        formats: Files as fetched, by media type.
        files: Distinct files in the folder.
        bytes: Their size.
        pairs_inside: Near-duplicate pairs inside a split.
        pairs_across: The same across splits.
        replaced_duplicates: Rows left out for a near-duplicate in an earlier split.
        identical_pairs: Pairs whose files are equal byte for byte.
        settings: Settings that the reader should know.
        notices: Remarks.
    """

    splits: tuple[SplitFigures, ...]
    countries: tuple[CountryFigures, ...]
    hosts: dict[str, dict[str, int]]
    kinds: dict[str, int]
    formats: dict[str, int]
    files: int
    bytes: int
    pairs_inside: int
    pairs_across: int
    replaced_duplicates: int
    identical_pairs: int
    settings: dict[str, str | int | float | bool]
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> FetchFigures:
        """Read figures back."""
        return cls(
            **{
                **found,
                "splits": tuple(SplitFigures(**entry) for entry in found["splits"]),
                "countries": tuple(CountryFigures(**entry) for entry in found["countries"]),
                "notices": tuple(found["notices"]),
            }
        )


def fetch_figures(
    selection: Selection,
    pictures: Mapping[Entry, Picture],
    pairs: Sequence[Pair],
    hosts: Mapping[Entry, str | None],
    *,
    without_images: Mapping[Split, int],
    settings: Mapping[str, str | int | float | bool],
    notices: Iterable[str],
) -> FetchFigures:
    """Count.

    Args:
        selection: The final state.
        pictures: Picture of every member, and of every near-duplicate that was left out.
        pairs: Near-duplicates.
        hosts: Host of every entry that was asked for; None for files.
        without_images: Rows of pools without images per split; its keys are the splits to report.
        settings: See `FetchFigures`.
        notices: See `FetchFigures`.
    """
    alive = [pictures[member.entry] for member in selection.members]
    files = {file.path: file.bytes for p in alive for file in (p.file, *(view.file for view in p.views))}
    across = sum(pair.a.split is not pair.b.split for pair in pairs)
    by_host: dict[str, Counter[str]] = {}
    for one in selection.rejected:
        if one.failure.reason is not ImageRejectReason.NEAR_DUPLICATE:
            by_host.setdefault(hosts[one.entry] or "files", Counter())[one.failure.reason.value] += 1
    kinds = Counter(picture.kind.value for picture in alive)
    kinds["view"] += sum(len(picture.views) for picture in alive)
    return FetchFigures(
        splits=tuple(_split(selection, split, without_images[split]) for split in Split if split in without_images),
        countries=_countries(selection),
        hosts={name: _sorted(by_host[name]) for name in sorted(by_host)},
        kinds=_sorted(kinds),
        formats=_sorted(Counter(picture.file.mime for picture in alive)),
        files=len(files),
        bytes=sum(files.values()),
        pairs_inside=len(pairs) - across,
        pairs_across=across,
        replaced_duplicates=len(selection.causes),
        identical_pairs=sum(pictures[pair.a].file.sha256 == pictures[pair.b].file.sha256 for pair in pairs),
        settings=dict(settings),
        notices=tuple(notices),
    )


def _split(selection: Selection, split: Split, without_images: int) -> SplitFigures:
    members = [member for member in selection.members if member.entry.split is split]
    rejected = Counter(one.failure.reason.value for one in selection.rejected if one.entry.split is split)
    missing = sum(count for (one, _), count in selection.unreplaced.items() if one is split)
    return SplitFigures(
        split=split.value,
        wanted=len(members) + missing,
        alive=len(members),
        stand_ins=sum(not member.entry.drawn for member in members),
        missing=missing,
        asked=len(members) + rejected.total(),
        rejected=_sorted(rejected),
        without_images=without_images,
    )


def _countries(selection: Selection) -> tuple[CountryFigures, ...]:
    alive = Counter(member.entry.stratum for member in selection.members)
    rejected: dict[str, Counter[str]] = {}
    for one in selection.rejected:
        rejected.setdefault(one.entry.stratum, Counter())[one.failure.reason.value] += 1
    missing: Counter[str] = Counter()
    for (_, stratum), count in selection.unreplaced.items():
        missing[stratum] += count
    found = []
    for stratum, codes in rejected.items():
        duplicates = codes[ImageRejectReason.NEAR_DUPLICATE.value]
        asked = alive[stratum] + codes.total()
        dead = codes.total() - duplicates
        found.append(CountryFigures(stratum, asked, dead, duplicates, missing[stratum], _sorted(codes)))
    return tuple(sorted(found, key=lambda one: (-one.non_response / one.asked, one.stratum)))


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts) if counts[name]}
