"""Files of other tools: write an export for them, read theirs."""

from geoseek.formats.base import Format, WriteOptions
from geoseek.formats.codes import FormatRejectReason
from geoseek.formats.exports import export_records, read_export
from geoseek.formats.prompts import (
    GRPO_QUESTION,
    JUDGE_SYSTEM,
    SFT_QUESTION,
    SYSTEM,
    TOOLS_QUESTION,
    TOOLS_SYSTEM,
    judge_question,
)
from geoseek.formats.records import IMAGE_MARK, ExchangeRecord, FormatReject, Turn
from geoseek.formats.registry import FORMATS, find_format
from geoseek.formats.run import (
    FormatFigures,
    FormatResult,
    convert_format,
    load_predictions,
    read_format,
    write_format,
)
from geoseek.formats.sinks import hub_schema, leaf_paths

__all__ = [
    "FORMATS",
    "GRPO_QUESTION",
    "IMAGE_MARK",
    "JUDGE_SYSTEM",
    "SFT_QUESTION",
    "SYSTEM",
    "TOOLS_QUESTION",
    "TOOLS_SYSTEM",
    "ExchangeRecord",
    "Format",
    "FormatFigures",
    "FormatReject",
    "FormatRejectReason",
    "FormatResult",
    "Turn",
    "WriteOptions",
    "convert_format",
    "export_records",
    "find_format",
    "hub_schema",
    "judge_question",
    "leaf_paths",
    "load_predictions",
    "read_export",
    "read_format",
    "write_format",
]
