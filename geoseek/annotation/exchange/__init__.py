"""Annotations of other tools come in here, and ours go out: Label Studio JSON, our own JSON Lines, notes."""

from geoseek.annotation.exchange.exporting import ExportRequest, export_file
from geoseek.annotation.exchange.importing import ImportRequest, ImportResult, import_file
from geoseek.annotation.exchange.matching import SampleIndex, read_sample_index
from geoseek.annotation.exchange.readers import NOTE_COLUMNS, ImportFormat
from geoseek.annotation.exchange.reasons import ImportReject, ImportRejectReason

__all__ = [
    "NOTE_COLUMNS",
    "ExportRequest",
    "ImportFormat",
    "ImportReject",
    "ImportRejectReason",
    "ImportRequest",
    "ImportResult",
    "SampleIndex",
    "export_file",
    "import_file",
    "read_sample_index",
]
