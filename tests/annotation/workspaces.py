"""Small workspaces as `geoseek fetch` leaves them, for the tests of what comes after it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pydantic import BaseModel

from geoseek.schemas import ImageKind, ImageRecord, Member, Split, arrow_schema
from geoseek.workspace import CONFIG_NAME


def jpeg(seed: int) -> bytes:
    """Return a tiny picture that says where and when it was taken, as a photo would."""
    image = Image.new("RGB", (64, 48), (seed * 37 % 256, seed * 91 % 256, seed * 13 % 256))
    exif = Image.Exif()
    exif[0x0132] = "2020:02:02 02:02:02"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif, comment=b"Place de la Concorde")
    return buffer.getvalue()


def member(split: Split, number: int, stratum: str = "FR") -> dict[str, Any]:
    """Return a member named `pool:SPLIT-NUMBER`."""
    source_id = f"{split.value}-{number}"
    return Member(
        id=f"pool:{source_id}", source="pool", source_id=source_id, lat=48.8, lng=2.3, image=f"{source_id}.jpg",
        captured_at="2020-02-02", sequence_id=None, license=None, attribution=None, orientation=None, split=split,
        rank=number + 1, country_code=stratum, country="France", continent="EU", region=None, place=None,
        place_distance_km=None, cell=1, stratum=stratum, inclusion_probability=0.5, design_weight=2.0, prn=0.5,
        replaces=None,
    ).model_dump()  # fmt: skip


def make_workspace(
    folder: Path, sizes: Mapping[Split, int], *, strata: Sequence[str] = ("FR", "DE", "JP"), pictures: int | None = None
) -> Path:
    """Write `geoseek.yaml` and the tables and pictures of a fetch.

    Args:
        folder: The workspace.
        sizes: Members of each split.
        strata: Taken in turn.
        pictures: How many different pictures there are; default: one for each member.
    """
    members = [
        member(split, number, strata[number % len(strata)]) for split, size in sizes.items() for number in range(size)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).write_text("seed: 1\n", encoding="utf-8")
    write_members(folder, members, pictures=pictures)
    return folder


def write_members(workspace: Path, members: Sequence[Mapping[str, Any]], *, pictures: int | None = None) -> None:
    """Write the tables of a fetch, and the picture of every member."""
    folder = workspace / "work" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number, row in enumerate(members):
        seed = int(str(row["source_id"]).rpartition("-")[2]) if pictures is None else number % pictures
        data = jpeg(seed + 1000 * list(Split).index(row["split"]) if pictures is None else seed)
        records.append(picture_record(folder, row, data))
    _write(folder / "members.parquet", Member, members)
    _write(folder / "images.parquet", ImageRecord, records)


def picture_record(folder: Path, row: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    """Store a picture, and return its row of the table of pictures."""
    sha256 = hashlib.sha256(data).hexdigest()
    if not (folder / f"{sha256}.jpg").exists():
        (folder / f"{sha256}.jpg").write_bytes(data)
    return ImageRecord(
        id=row["id"], split=row["split"], view=0, kind=ImageKind.PHOTO, sha256=sha256, path=f"{sha256}.jpg",
        mime="image/jpeg", bytes=len(data), width=64, height=48, orientation=1, mode="RGB", animated=False,
        phash="0" * 16, phash_fine="0" * 64, host=None, pano_heading_deg=None, view_yaw_deg=None,
        view_pitch_deg=None, view_fov_deg=None,
    ).model_dump()  # fmt: skip


def _write(path: Path, model: type[BaseModel], rows: Sequence[Mapping[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(model)), path)
