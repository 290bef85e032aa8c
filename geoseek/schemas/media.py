"""Records and codes of the images that `geoseek fetch` leaves in a workspace."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from geoseek.schemas.enums import DescribedCode, Split
from geoseek.schemas.records import Int32, Record, Sample


class ImageKind(StrEnum):
    """What a picture is, by the way it was taken."""

    PHOTO = "photo"
    PANORAMA = "panorama"
    VIEW = "view"
    SATELLITE = "satellite"


class ImageRejectReason(DescribedCode):
    """Why a sample has no usable picture. `candidates asked for = images + rejects` holds for every run."""

    NO_IMAGE = "no_image", "the pool names no image for this row, though it does for others"
    BAD_REFERENCE = "bad_reference", "the image is neither an URL, nor a path, nor a row of a Parquet file"
    FORBIDDEN_SCHEME = "forbidden_scheme", "an URL of another kind than http and https"
    FORBIDDEN_ADDRESS = (
        "forbidden_address",
        "the host has a private, loopback, link-local or otherwise not public address",
    )
    FORBIDDEN_PATH = "forbidden_path", "the path leaves the folder of its pool, by `..`, by a link or as it stands"
    MISSING_FILE = "missing_file", "there is no such file, or no such row in it"
    UNKNOWN_HOST = "unknown_host", "the host's name has no address"
    CONNECTION = "connection", "no connection, no valid certificate, or the connection broke"
    TIMEOUT = "timeout", "the server did not answer, or did not finish, in time"
    HTTP_STATUS = "http_status", "the server answered with an error status"
    REDIRECTS = "redirects", "more redirects than allowed, or one without a target"
    INCOMPLETE = "incomplete", "fewer or other bytes came than the server announced"
    TOO_LARGE = "too_large", "more bytes than --max-bytes"
    EMPTY = "empty", "zero bytes"
    NOT_AN_IMAGE = "not_an_image", "the bytes are no image, for example a web page"
    UNSUPPORTED_FORMAT = "unsupported_format", "an image of a format that is not read (SVG; HEIC without its plug-in)"
    CORRUPT = "corrupt", "the image is damaged or cut off"
    TOO_SMALL = "too_small", "fewer pixels than --min-pixels"
    TOO_MANY_PIXELS = "too_many_pixels", "more pixels than --max-pixels; it was not decoded"
    NEAR_DUPLICATE = "near_duplicate", "the same picture belongs to an earlier split"
    REVIEW = "review", "the review of the annotations gave the sample back to the reserve"


class ImageRecord(Record):
    """One picture of one sample: the file as it was fetched, or a view cut from it."""

    id: str = Field(description="id of the sample")
    split: Split = Field(description="val, loc or cot")
    view: Int32 = Field(description="0: the picture as fetched; 1, 2, ...: views cut from it")
    kind: ImageKind = Field(description="photo, panorama, view or satellite")
    sha256: str = Field(description="SHA-256 of the file, hex")
    path: str = Field(description="file name in the folder of this table: `<sha256>.<ext>`")
    mime: str = Field(description="media type, found from the content")
    bytes: int = Field(description="size of the file")
    width: Int32 = Field(description="pixels across, as displayed (after `orientation` is applied)")
    height: Int32 = Field(description="pixels down, as displayed")
    orientation: Int32 = Field(description="EXIF orientation 1..8 of the stored file; 1 where it has none")
    mode: str = Field(description="pixel format of the stored file in Pillow's terms: RGB, L, CMYK, I;16, ...")
    animated: bool = Field(description="the file has several frames; only the first is used")
    phash: str = Field(description="64-bit perceptual hash, hex")
    phash_fine: str = Field(description="256-bit perceptual hash, hex; decides about near-duplicates")
    host: str | None = Field(description="host that served it; null for files")
    pano_heading_deg: float | None = Field(description="compass heading of a panorama's centre, where it states one")
    view_yaw_deg: float | None = Field(description="of a view: degrees clockwise from the panorama's centre")
    view_pitch_deg: float | None = Field(description="of a view: degrees above the horizon")
    view_fov_deg: float | None = Field(description="of a view: horizontal and vertical field of view in degrees")


class Member(Sample):
    """A sample whose picture is there: what the later stages work on."""

    replaces: str | None = Field(description="id of the drawn row for which this reserve row stands in; null if drawn")


class ImageReject(Record):
    """A sample whose picture was asked for and cannot be used."""

    id: str = Field(description="id of the sample")
    split: Split = Field(description="val, loc or cot")
    stratum: str = Field(description="country of the sample")
    rank: Int32 = Field(description="its rank inside (split, stratum)")
    reason: ImageRejectReason = Field(description="code out of ImageRejectReason")
    detail: str | None = Field(description="what exactly was wrong")
    attempts: Int32 = Field(description="requests made, redirects not counted; 0 for files")
    host: str | None = Field(description="host that was asked; null for files")
    replaced_by: str | None = Field(description="reserve row that stands in for it; null if none or itself a reserve")


class ImagePair(Record):
    """Two samples that show the same picture."""

    id_a: str = Field(description="sample of the earlier split; inside one split, of the earlier (stratum, rank)")
    id_b: str = Field(description="the other sample")
    split_a: Split = Field(description="split of id_a")
    split_b: Split = Field(description="split of id_b")
    distance: Int32 = Field(description="bits in which the 256-bit perceptual hashes differ")
    identical: bool = Field(description="the files are equal byte for byte")
    replaced: bool = Field(description="id_b was left out because of id_a")
