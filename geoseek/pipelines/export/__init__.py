"""Write the splits as a dataset that others can load: Parquet shards, a card, Croissant, checksums."""

from geoseek.pipelines.export.licences import LICENCES_FILE, Permission, Terms, licence_terms, strictest
from geoseek.pipelines.export.request import ExportRequest, ExportResult, ImageMode
from geoseek.pipelines.export.run import describe_export, run_export

__all__ = [
    "LICENCES_FILE",
    "ExportRequest",
    "ExportResult",
    "ImageMode",
    "Permission",
    "Terms",
    "describe_export",
    "licence_terms",
    "run_export",
    "strictest",
]
