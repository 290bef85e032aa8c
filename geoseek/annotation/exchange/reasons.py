"""Why an entry of an imported file is left out, and the entries as they are written out."""

from __future__ import annotations

from dataclasses import dataclass

from geoseek.schemas import DescribedCode


class ImportRejectReason(DescribedCode):
    """Why an entry is not in the ledger. `read = new + changed + unchanged + rejected` holds for every import."""

    MALFORMED_ROW = "malformed_row", "the row is not JSON, not a record, or has another number of fields"
    BAD_RECORD = "bad_record", "a field is missing or has a value that the record does not allow"
    EMPTY = "empty", "nothing was said: no chain, no rating, no tag, no note"
    NO_REFERENCE = "no_reference", "the entry names no sample: neither id, nor image, nor coordinates"
    UNKNOWN_SAMPLE = "unknown_sample", "no sample of this workspace has that id, image or position"
    AMBIGUOUS_SAMPLE = "ambiguous_sample", "several samples have that image or position"


@dataclass(frozen=True)
class ImportReject:
    """An entry that was read and left out.

    Attributes:
        row: Where it stands: line of a text file (from 1), or `task N, annotation M` (from 1) of a JSON export.
        detail: What exactly was wrong.
        raw: The entry as it was read.
    """

    row: str
    reason: ImportRejectReason
    detail: str
    raw: str


class EntryError(ValueError):
    """An entry that cannot be used, on its way to becoming an `ImportReject`."""

    def __init__(self, reason: ImportRejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
