"""`CITATION.cff`: how to cite the dataset (Citation File Format 1.2.0)."""

from __future__ import annotations

from typing import Any

import yaml

from geoseek.pipelines.export.facts import ExportFacts


def render_citation(facts: ExportFacts) -> str:
    """Return the file; it carries no date, so that equal inputs give equal bytes."""
    settings = facts.settings
    content: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this dataset, please cite it as below, and the creators of the pictures you show.",
        "type": "dataset",
        "title": settings.title,
        "version": settings.version,
        "authors": [{"name": name} for name in facts.authors],
    }
    if settings.description:
        content["abstract"] = settings.description
    if settings.url:
        content["url"] = settings.url
    if facts.terms.spdx:
        content["license"] = facts.terms.spdx
    content["references"] = [
        {
            "type": "article",
            "title": "GeoAgent: Learning to Geolocate Everywhere with Reinforced Geographic Characteristics",
            "authors": [{"name": "The authors of GeoAgent"}],
            "identifiers": [{"type": "other", "value": "arXiv:2602.12617"}],
        }
    ]
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
