"""What `geoseek validate` looks for, and how grave each finding is."""

from __future__ import annotations

from enum import StrEnum

from geoseek.schemas import DescribedCode


class Severity(StrEnum):
    """Whether a finding keeps a dataset from being published."""

    ERROR = "error"
    WARNING = "warning"


class ExportCheck(DescribedCode):
    """The checks, in the order in which they are reported."""

    UNLISTED_FILE = "unlisted_file", "a file that SHA256SUMS does not name; it is not published"
    MISSING_FILE = "missing_file", "a file that belongs to the dataset is not there"
    CHECKSUM = "checksum", "a file is not the one that SHA256SUMS names"
    UNREADABLE_FILE = "unreadable_file", "a file cannot be read as what its name says"
    SHARD_NAMES = "shard_names", "the files of a split are not numbered 0..N-1 of N, or a stray one lies among them"
    SCHEMA = "schema", "a column is missing, is not declared, or has another type"
    ROW_GROUP_SIZE = "row_group_size", "a row group has more than 100 MB, which dataset viewers refuse"
    COUNT = "count", "manifest, card and files do not agree on the number of rows"

    MALFORMED_ROW = "malformed_row", "a value is not one of those that the record declares"
    DUPLICATE_ID = "duplicate_id", "two rows of a split have the same id"
    POSITION = "position", "latitude, longitude, country or continent cannot be right"
    INCONSISTENT = "inconsistent", "columns that follow from each other contradict each other"
    SOLUTION = "solution", "the solution is not the answer that country, region and place of the row give"
    SCORE = "score", "the locatability is no half between 0 and 10, or its band is another one"
    CHAIN = "chain", "`cot` is not the JSON of the chain in the same row"
    CLUE_BOX = "clue_box", "a box lies outside of the picture, or points at a clue that is not there"

    UNDECODABLE_IMAGE = "undecodable_image", "a picture cannot be decoded completely"
    IMAGE_HASH = "image_hash", "a picture is not the one that image_sha256 and its name say"
    IMAGE_SIZE = "image_size", "a picture has another width or height than the row says"
    IMAGE_METADATA = "image_metadata", "a picture still carries metadata (EXIF, GPS, XMP, IPTC, comments, ...)"
    IMAGE_ADDRESS = "image_address", "the address of a picture is a local path, or holds a credential"

    SHARED_ID = "shared_id", "a row stands in two splits"
    SHARED_IMAGE = "shared_image", "the same file is the picture of rows in two splits"
    NEAR_DUPLICATE = "near_duplicate", "rows of two splits show nearly the same picture"
    TOO_NEAR = "too_near", "a row of loc or cot lies nearer to one of val than the separation allows"

    LEAK = "leak", "an annotator's text holds coordinates, an address, a file name, or talks of GPS or metadata"
    EMAIL_ADDRESS = "email_address", "a text holds an e-mail address, or an address out of the ledger"
    LICENCE = "licence", "a picture is in the files though its licence does not grant that"
    ATTRIBUTION = "attribution", "a licence asks for the author, and the row names none"

    MANIFEST = "manifest", "manifest.json is missing, damaged, or names a path of the machine it was made on"
    CARD = "card", "README.md is no dataset card that `datasets` and the Hub understand"
    CROISSANT = "croissant", "croissant.json is not valid, or does not describe these files"
    CITATION = "citation", "CITATION.cff is not a citation file"

    @property
    def severity(self) -> Severity:
        """How grave a finding of this check is."""
        return Severity.WARNING if self in _WARNINGS else Severity.ERROR


_WARNINGS = frozenset({ExportCheck.UNLISTED_FILE, ExportCheck.ROW_GROUP_SIZE, ExportCheck.ATTRIBUTION})
