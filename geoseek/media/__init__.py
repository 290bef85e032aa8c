"""Photos: reading and removing metadata, decoding, perceptual hashes, panoramas, and fetching."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from geoseek.media.decode import (
    Decoded,
    ImageProblemError,
    PixelLimits,
    decode_image,
    orientation_of,
    strict_decoding,
    upright,
)
from geoseek.media.examine import ExamineSettings
from geoseek.media.exif import PHOTO_SUFFIXES, PhotoMetadata, read_photo_metadata
from geoseek.media.figures import FetchFigures
from geoseek.media.local import PoolFiles, pool_folder
from geoseek.media.panorama import cut_view, find_panorama
from geoseek.media.perceptual import FINE_BITS, HashTable, NearPairs, PerceptualHash, near_pairs, perceptual_hash
from geoseek.media.strip import CleanImage, clean_image, strip_metadata

if TYPE_CHECKING:
    from geoseek.media.download import DownloadSettings
    from geoseek.media.fetch import FetchRequest, FetchResult, describe_fetch, run_fetch

__all__ = [
    "FINE_BITS",
    "PHOTO_SUFFIXES",
    "CleanImage",
    "Decoded",
    "DownloadSettings",
    "ExamineSettings",
    "FetchFigures",
    "FetchRequest",
    "FetchResult",
    "HashTable",
    "ImageProblemError",
    "NearPairs",
    "PerceptualHash",
    "PhotoMetadata",
    "PixelLimits",
    "PoolFiles",
    "clean_image",
    "cut_view",
    "decode_image",
    "describe_fetch",
    "find_panorama",
    "near_pairs",
    "orientation_of",
    "perceptual_hash",
    "pool_folder",
    "read_photo_metadata",
    "run_fetch",
    "strict_decoding",
    "strip_metadata",
    "upright",
]

_ONLINE = {
    "DownloadSettings": "geoseek.media.download",
    "FetchRequest": "geoseek.media.fetch",
    "FetchResult": "geoseek.media.fetch",
    "describe_fetch": "geoseek.media.fetch",
    "run_fetch": "geoseek.media.fetch",
}


def __getattr__(name: str) -> Any:
    """Load what speaks to the network only when it is asked for: reading EXIF should not cost an HTTP client."""
    if name in _ONLINE:
        return getattr(import_module(_ONLINE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
