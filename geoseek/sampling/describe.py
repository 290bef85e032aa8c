"""`geoseek sample --dry-run`: what a request would do, in words."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from geoseek.geo import CONTINENT_NAMES, load_countries, load_country_index
from geoseek.sampling.inputs import load_inputs
from geoseek.sampling.members import split_file
from geoseek.sampling.plan import make_target
from geoseek.sampling.run import SampleRequest
from geoseek.workspace import display_path


def describe_request(request: SampleRequest) -> str:
    """Describe pools, target and outputs of a request; the pools are opened, but not read.

    Raises:
        UsageError: The request is wrong.
        InputError: A pool cannot be opened.
    """
    settings = request.settings
    inputs = load_inputs(settings)
    countries = load_countries()
    index = load_country_index(Path(settings.boundaries) if settings.boundaries else None)
    target = make_target(settings, countries, index.codes)
    lines = ["Dry run: nothing is drawn and nothing is written.", "", "Pools"]
    for group in inputs.groups:
        for number in group.pools:
            pool = inputs.pools[number]
            share = f", {group.share:.0%} of every split" if len(inputs.groups) > 1 else ""
            lines.append(f"  {pool.name}: {pool.format}, {max(1, len(pool.files))} file(s){share}")
            lines += [f"    {notice}" for notice in pool.notices]
    lines += ["", "Splits"]
    lines += [f"  {split}: {settings.sizes.get(split, 0):,} rows" for split in request.splits]
    lines += ["", "Target by continent (" + ", ".join(f"{n} {v:.2f}" for n, v in target.coefficients.items()) + ")"]
    shares: dict[str, float] = defaultdict(float)
    for code, share_of_country in zip(target.codes, target.share, strict=True):
        shares[countries[code].continent] += float(share_of_country)
    for continent, value in sorted(shares.items(), key=lambda item: -item[1]):
        if value:
            lines.append(f"  {CONTINENT_NAMES[continent]:<14}{100 * value:5.1f} %")
    written = [split_file(split) for split in request.splits]
    shown = display_path(request.output, Path.cwd())
    lines += ["", f"Would write to {shown}: {', '.join(written)}, reserve, rejects, figures, manifest"]
    return "\n".join(lines)
