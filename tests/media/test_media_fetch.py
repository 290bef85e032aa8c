from __future__ import annotations

import hashlib
import io
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import BaseModel

import geoseek.media.examine
from geoseek.media import (
    DownloadSettings,
    ExamineSettings,
    FetchRequest,
    PixelLimits,
    PoolFiles,
    decode_image,
    describe_fetch,
    run_fetch,
)
from geoseek.schemas import (
    ImageKind,
    ImagePair,
    ImageRecord,
    ImageReject,
    InputError,
    Member,
    OutputError,
    Split,
    UsageError,
    arrow_schema,
)
from geoseek.workspace import exclusive
from tests.media_support import Draw, ImageServer, MakePicture, answer, drawn_image, sample_row, write_rows

TABLES: dict[str, type[BaseModel]] = {
    "images": ImageRecord,
    "members": Member,
    "rejects": ImageReject,
    "pairs": ImagePair,
}


def request(folder: Path, *, splits: Iterable[Split] = (), **changes: Any) -> FetchRequest:
    examine = ExamineSettings(PixelLimits(1000, 4_000_000), changes.pop("pano_views", 0), 90.0)
    download = DownloadSettings(
        "tests/1", tries=2, backoff_s=0.01, timeout_s=5, idle_s=2, max_bytes=2_000_000,
        allow_private=changes.pop("allow_private", True),
    )  # fmt: skip
    usual: dict[str, Any] = {
        "samples": folder / "samples",
        "output": folder / "images",
        "splits": tuple(splits),
        "download": download,
        "examine": examine,
        "files": PoolFiles({"pool": [folder / "pool"]}, [folder]),
        "workers": 2,
    }
    return FetchRequest(**{**usual, **changes})


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    table = pq.read_table(folder / "images" / f"{name}.parquet")
    assert table.schema.names == arrow_schema(TABLES[name]).names
    found: list[dict[str, Any]] = table.to_pylist()
    for row in found:
        TABLES[name].model_validate(row)
    return found


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file of a result, the journal included."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "images").iterdir())
        if path.name != ".lock"
    }


def images_of(folder: Path, split: str) -> list[str]:
    return [row["image"] for row in rows(folder, "members") if row["split"] == split]


def test_the_dead_are_replaced(tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw) -> None:
    good = [server.add(f"/{n}.jpg", picture(n)) for n in range(6)]
    html = server.add("/page.jpg", b"<html>gone</html>")
    cut = server.add("/cut.jpg", picture(77)[:2000])
    draw(
        tmp_path / "samples",
        {Split.VAL: [good[0], html, good[1]], Split.LOC: [cut, server.url("/404.jpg")]},
        {Split.VAL: [good[2], good[3]], Split.LOC: [good[4]]},
    )
    result = run_fetch(request(tmp_path))
    assert result.figures is not None
    assert images_of(tmp_path, "val") == [good[0], good[1], good[2]]
    assert images_of(tmp_path, "loc") == [good[4]]
    replaces = {row["id"]: row["replaces"] for row in rows(tmp_path, "members")}
    assert replaces["pool:val-FR-4"] == "pool:val-FR-2"
    assert replaces["pool:loc-FR-3"] == "pool:loc-FR-1"
    rejects = {row["id"]: (row["reason"], row["attempts"], row["replaced_by"]) for row in rows(tmp_path, "rejects")}
    assert rejects == {
        "pool:val-FR-2": ("not_an_image", 1, "pool:val-FR-4"),
        "pool:loc-FR-1": ("corrupt", 1, "pool:loc-FR-3"),
        "pool:loc-FR-2": ("http_status", 1, None),
    }
    assert server.hits["/3.jpg"] == 0
    loc = result.figures.splits[1]
    assert (loc.wanted, loc.alive, loc.stand_ins, loc.missing, loc.asked) == (2, 1, 1, 1, 3)
    assert result.figures.countries[0].non_response == 3
    assert result.figures.hosts == {"127.0.0.1": {"corrupt": 1, "http_status": 1, "not_an_image": 1}}
    assert any("reserve" in notice for notice in result.figures.notices)


def test_files_are_stored_as_they_came(tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = picture(1, exif=exif)
    draw(tmp_path / "samples", {Split.VAL: [server.add("/a.png", body)]})
    run_fetch(request(tmp_path))
    (row,) = rows(tmp_path, "images")
    digest = hashlib.sha256(body).hexdigest()
    assert (row["sha256"], row["path"], row["bytes"]) == (digest, f"{digest}.jpg", len(body))
    assert (row["width"], row["height"], row["orientation"], row["mime"]) == (240, 320, 6, "image/jpeg")
    assert (row["kind"], row["host"], row["view"]) == ("photo", "127.0.0.1", 0)
    assert (tmp_path / "images" / row["path"]).read_bytes() == body


def test_files_and_parquet_rows_are_read_from_the_pool(tmp_path: Path, picture: MakePicture, draw: Draw) -> None:
    pool = tmp_path / "pool"
    (pool / "deep").mkdir(parents=True)
    (pool / "deep" / "a.jpg").write_bytes(picture(1))
    (tmp_path / "outside.jpg").write_bytes(picture(2))
    (pool / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    table = pa.table({"my image": [{"bytes": picture(n, "PNG"), "path": None} for n in range(10, 40)]})
    pq.write_table(table, pool / "x.parquet", row_group_size=7)
    row = "pool/x.parquet#column=my%20image&row="
    drawn = ["pool/deep/a.jpg", "pool/../outside.jpg", "pool/link.jpg", row + "29", row + "3", row + "30", None]
    draw(tmp_path / "samples", {Split.VAL: drawn})
    run_fetch(request(tmp_path))
    assert images_of(tmp_path, "val") == ["pool/deep/a.jpg", row + "29", row + "3"]
    assert {r["id"][-1]: r["reason"] for r in rows(tmp_path, "rejects")} == {
        "2": "forbidden_path",
        "3": "forbidden_path",
        "6": "missing_file",
        "7": "no_image",
    }
    digests = [row["sha256"] for row in rows(tmp_path, "images")]
    assert digests == [
        hashlib.sha256(data).hexdigest() for data in (picture(1), picture(39, "PNG"), picture(13, "PNG"))
    ]


def test_a_pool_of_photos_needs_no_folder_option(tmp_path: Path, picture: MakePicture) -> None:
    pool = tmp_path / "elsewhere"
    pool.mkdir()
    (pool / "a.jpg").write_bytes(picture(1))
    (tmp_path / "b.jpg").write_bytes(picture(2))
    row = {**sample_row(Split.VAL, 1, str(pool / "a.jpg"), source="mine"), "source_id": "a.jpg"}
    away = {**sample_row(Split.VAL, 2, f"{pool}/../b.jpg", source="mine"), "source_id": "../b.jpg"}
    write_rows(tmp_path / "samples" / "val.parquet", [row])
    bare = PoolFiles({}, [tmp_path])
    with pytest.raises(UsageError, match="folder is not known"):
        run_fetch(request(tmp_path, files=bare))
    run_fetch(request(tmp_path, files=bare, photo_pools=frozenset({"mine"})))
    assert len(rows(tmp_path, "members")) == 1
    write_rows(tmp_path / "samples" / "val.parquet", [row, away])
    run_fetch(request(tmp_path, files=bare, photo_pools=frozenset({"mine"})))
    assert len(rows(tmp_path, "members")) == 1
    assert [r["reason"] for r in rows(tmp_path, "rejects")] == ["forbidden_path"]


def test_private_addresses_need_permission(
    tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw
) -> None:
    draw(tmp_path / "samples", {Split.VAL: [server.add("/a.jpg", picture(1))]})
    result = run_fetch(request(tmp_path, allow_private=False))
    assert not server.hits
    assert [row["reason"] for row in rows(tmp_path, "rejects")] == ["forbidden_address"]
    assert result.figures is not None
    assert any("--allow-private" in notice for notice in result.figures.notices)
    run_fetch(request(tmp_path))
    assert len(rows(tmp_path, "images")) == 1


@pytest.fixture
def copies(tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw) -> dict[str, str]:
    """Draw splits that share pictures: byte for byte, at half the size, at another quality."""
    half = io.BytesIO()
    drawn_image(1).resize((160, 120)).save(half, "PNG")
    urls = {
        name: server.add(f"/{name}", body)
        for name, body in {
            "one": picture(1),
            "one-half": half.getvalue(),
            "two": picture(2),
            "two-worse": picture(2, quality=30),
            "two-again": picture(2),
            **{str(n): picture(n) for n in range(3, 12)},
        }.items()
    }
    drawn = {
        Split.VAL: [urls["one"], urls["3"]],
        Split.LOC: [urls["one-half"], urls["two"], urls["two-again"]],
        Split.COT: [urls["two-worse"], urls["4"]],
    }
    draw(tmp_path / "samples", drawn, {Split.LOC: [urls["one"], urls["5"]], Split.COT: [urls["5"], urls["6"]]})
    return urls


def test_copies_in_later_splits_are_replaced(copies: dict[str, str], tmp_path: Path) -> None:
    result = run_fetch(request(tmp_path))
    assert images_of(tmp_path, "val") == [copies["one"], copies["3"]]
    assert images_of(tmp_path, "loc") == [copies["two"], copies["two-again"], copies["5"]]
    assert images_of(tmp_path, "cot") == [copies["4"], copies["6"]]
    pairs = {(row["id_a"][5:], row["id_b"][5:]): row for row in rows(tmp_path, "pairs")}
    assert {pair for pair, row in pairs.items() if row["replaced"]} == {
        ("val-FR-1", "loc-FR-1"),
        ("val-FR-1", "loc-FR-4"),
        ("loc-FR-2", "cot-FR-1"),
        ("loc-FR-5", "cot-FR-3"),
    }
    inside = pairs["loc-FR-2", "loc-FR-3"]
    assert (inside["replaced"], inside["identical"], inside["distance"]) == (False, True, 0)
    assert pairs["val-FR-1", "loc-FR-4"]["identical"]
    assert not pairs["val-FR-1", "loc-FR-1"]["identical"]
    assert result.figures is not None
    assert result.figures.replaced_duplicates == 4
    assert [row["reason"] for row in rows(tmp_path, "rejects")] == ["near_duplicate"] * 4
    used = {row["path"] for row in rows(tmp_path, "images")}
    assert {path.name for path in (tmp_path / "images").glob("*.jpg")} | {
        path.name for path in (tmp_path / "images").glob("*.png")
    } == used


def test_splits_one_by_one_end_like_all_at_once(copies: dict[str, str], tmp_path: Path) -> None:
    run_fetch(request(tmp_path))
    together = contents(tmp_path)
    shutil.rmtree(tmp_path / "images")
    for split in (Split.COT, Split.LOC, Split.VAL):
        run_fetch(request(tmp_path, splits=[split]))
    apart = contents(tmp_path)
    # The journal also remembers what was needed only as long as the other splits were not there.
    assert apart.pop(".journal.jsonl")
    assert together.pop(".journal.jsonl")
    assert apart == together


def test_a_split_drawn_anew_is_left_out_until_it_is_asked_for(
    tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw
) -> None:
    urls = [server.add(f"/{n}", picture(n)) for n in range(4)]
    draw(tmp_path / "samples", {Split.VAL: urls[:1], Split.LOC: urls[1:2]})
    run_fetch(request(tmp_path))
    draw(tmp_path / "samples", {Split.VAL: urls[:1], Split.LOC: urls[2:3]})
    result = run_fetch(request(tmp_path, splits=[Split.VAL]))
    assert result.figures is not None
    assert any("loc was drawn anew" in notice for notice in result.figures.notices)
    assert {row["split"] for row in rows(tmp_path, "members")} == {"val"}
    run_fetch(request(tmp_path, splits=[Split.LOC]))
    assert {row["split"] for row in rows(tmp_path, "members")} == {"val", "loc"}


def test_again_is_up_to_date(copies: dict[str, str], tmp_path: Path, server: ImageServer) -> None:
    first = run_fetch(request(tmp_path), render=lambda figures: f"<p>{figures.files}</p>")
    before, asked = contents(tmp_path), server.hits.total()
    assert "report.html" in before
    again = run_fetch(request(tmp_path), render=lambda _: "never called")
    assert again.up_to_date
    assert not first.up_to_date
    assert again.figures == first.figures
    assert (contents(tmp_path), server.hits.total()) == (before, asked)


def test_force_fetches_again_and_ends_the_same(copies: dict[str, str], tmp_path: Path, server: ImageServer) -> None:
    run_fetch(request(tmp_path))
    before, asked = contents(tmp_path), server.hits.total()
    run_fetch(request(tmp_path), force=True)
    assert contents(tmp_path) == before
    assert server.hits.total() == 2 * asked


@pytest.mark.parametrize("damage", ["delete", "cut"])
def test_files_that_went_missing_are_fetched_again(
    damage: str, copies: dict[str, str], tmp_path: Path, server: ImageServer
) -> None:
    run_fetch(request(tmp_path))
    before, asked = contents(tmp_path), server.hits.total()
    victim = next((tmp_path / "images").glob("*.jpg"))
    if damage == "delete":
        victim.unlink()
    else:
        victim.write_bytes(b"")
    run_fetch(request(tmp_path))
    assert contents(tmp_path) == before
    assert asked < server.hits.total() <= asked + 2
    assert copies


def test_retry_failed_asks_again(tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw) -> None:
    url = server.add("/a.jpg", b"", status=404)
    spare = server.add("/b.jpg", picture(2))
    draw(tmp_path / "samples", {Split.VAL: [url]}, {Split.VAL: [spare]})
    run_fetch(request(tmp_path))
    assert images_of(tmp_path, "val") == [spare]
    server.add("/a.jpg", picture(1))
    assert run_fetch(request(tmp_path)).up_to_date
    run_fetch(request(tmp_path), retry_failed=True)
    assert images_of(tmp_path, "val") == [url]
    assert server.hits["/b.jpg"] == 1


def test_each_image_is_decoded_once(
    copies: dict[str, str], tmp_path: Path, server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []

    def counting(data: bytes, limits: PixelLimits) -> Any:
        decoded.append(data)
        return decode_image(data, limits)

    monkeypatch.setattr(geoseek.media.examine, "decode_image", counting)
    run_fetch(request(tmp_path))
    assert copies
    assert len(decoded) == server.hits.total() == len(server.hits)


def test_other_settings_work_on_the_stored_files(
    tmp_path: Path, server: ImageServer, draw: Draw, picture: MakePicture
) -> None:
    panorama = np.tile(np.asarray(drawn_image(5, (512, 512))), (1, 2, 1))
    buffer = io.BytesIO()
    Image.fromarray(panorama[:, :1024]).resize((1024, 512)).save(buffer, "PNG")
    draw(tmp_path / "samples", {Split.VAL: [server.add("/p", buffer.getvalue()), server.add("/a", picture(1))]})
    kinds = {"pool": ImageKind.PANORAMA}
    run_fetch(request(tmp_path, kinds=kinds))
    assert [row["kind"] for row in rows(tmp_path, "images")] == ["panorama", "panorama"]
    run_fetch(request(tmp_path, kinds=kinds, pano_views=4))
    found = rows(tmp_path, "images")
    assert [(row["view"], row["kind"]) for row in found] == [
        (0, "panorama"), (1, "view"), (2, "view"), (3, "view"), (4, "view"), (0, "panorama"),
    ]  # fmt: skip
    assert [row["view_yaw_deg"] for row in found[:5]] == [None, 0.0, 90.0, 180.0, 270.0]
    assert {row["id"] for row in found[:5]} == {found[0]["id"]}
    view = found[1]
    assert (view["width"], view["height"], view["view_fov_deg"], view["view_pitch_deg"]) == (326, 326, 90.0, 0.0)
    with Image.open(tmp_path / "images" / view["path"]) as image:
        assert image.size == (326, 326)
    assert server.hits.total() == 2
    satellite = run_fetch(request(tmp_path, kinds={"": ImageKind.SATELLITE}, pano_views=4))
    assert satellite.figures is not None
    assert satellite.figures.kinds == {"satellite": 2}
    assert not list((tmp_path / "images").glob(view["path"]))


def test_the_order_of_arrival_plays_no_part(copies: dict[str, str], tmp_path: Path, server: ImageServer) -> None:
    run_fetch(request(tmp_path))
    before = contents(tmp_path)
    shutil.rmtree(tmp_path / "images")
    for n, (path, behaviour) in enumerate(sorted(server.behaviours.items())):

        def late(handler: Any, behaviour: Any = behaviour, n: int = n) -> None:
            time.sleep(0.02 * (n % 5))
            behaviour(handler)

        server.behave(path, late)
    one_by_one = request(tmp_path, workers=1)
    run_fetch(replace(one_by_one, download=replace(one_by_one.download, per_host=1, connections=1)))
    assert contents(tmp_path) == before
    assert copies


def test_a_run_that_breaks_off_goes_on(
    copies: dict[str, str], tmp_path: Path, server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_fetch(request(tmp_path))
    before = contents(tmp_path)
    shutil.rmtree(tmp_path / "images")
    server.hits.clear()
    original = geoseek.media.examine._store
    stored: list[str] = []

    def full(*args: Any) -> Any:
        if len(stored) == 4:
            raise OutputError("No space left.")
        stored.append("x")
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(geoseek.media.examine, "_store", full)
        with pytest.raises(OutputError, match="No space left"):
            run_fetch(request(tmp_path))
    assert not (tmp_path / "images" / "manifest.json").exists()
    run_fetch(request(tmp_path))
    assert contents(tmp_path) == before
    assert server.hits.total() < 2 * len(server.hits)
    assert copies


def test_without_images_there_is_nothing_to_fetch(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "samples", {Split.VAL: [None, None], Split.LOC: [None]})
    result = run_fetch(request(tmp_path))
    assert result.figures is None
    assert result.nothing is not None
    assert "none of the 3 rows names an image" in result.nothing
    assert not (tmp_path / "images").exists()


def test_a_pool_without_images_beside_one_with(tmp_path: Path, server: ImageServer, picture: MakePicture) -> None:
    places = [sample_row(Split.VAL, n, None, source="geonames") for n in (1, 2)]
    photos = [sample_row(Split.VAL, n, server.add(f"/{n}", picture(n)), source="pool") for n in (3, 4)]
    write_rows(tmp_path / "samples" / "val.parquet", [*places, *photos])
    result = run_fetch(request(tmp_path))
    assert result.figures is not None
    assert (result.figures.splits[0].wanted, result.figures.splits[0].without_images) == (2, 2)
    assert not rows(tmp_path, "rejects")


def test_requests_that_cannot_be_met(tmp_path: Path, draw: Draw) -> None:
    with pytest.raises(UsageError, match="There is no sample"):
        run_fetch(request(tmp_path))
    draw(tmp_path / "samples", {Split.VAL: ["a.jpg"]})
    with pytest.raises(UsageError, match="no loc sample"):
        run_fetch(request(tmp_path, splits=[Split.LOC]))
    with exclusive(tmp_path / "images", doing="something else"), pytest.raises(OutputError, match="Another process"):
        run_fetch(request(tmp_path))
    (tmp_path / "samples" / "loc.parquet").write_bytes(b"not Parquet")
    with pytest.raises(InputError, match="not a sample file"):
        run_fetch(request(tmp_path))


def test_odd_references_are_codes(tmp_path: Path, draw: Draw) -> None:
    odd = ["ftp://a.example/x.jpg", "http://", "", " ", "a\0b", "pool/#column=x&row=1", "x" * 4000, "http://[::1/x"]
    (tmp_path / "pool").mkdir()
    draw(tmp_path / "samples", {Split.VAL: odd})
    run_fetch(request(tmp_path))
    assert len(rows(tmp_path, "rejects")) == len(odd)
    assert not rows(tmp_path, "images")


def test_a_dry_run_asks_for_nothing(tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw) -> None:
    urls = [server.add(f"/{n}", picture(n)) for n in range(2)]
    draw(tmp_path / "samples", {Split.VAL: [*urls, "pool/a.jpg"], Split.LOC: [None]}, {Split.VAL: urls})
    text = describe_fetch(request(tmp_path))
    assert "val: 3 images: 2 from 127.0.0.1, 1 from files; 2 in reserve" in text
    assert "loc: 0 images: no images" in text
    assert not server.hits


def test_servers_that_misbehave_do_not_stop_the_others(
    tmp_path: Path, server: ImageServer, picture: MakePicture, draw: Draw
) -> None:
    def fail_once(handler: Any) -> None:
        first = server.hits["/flaky"] == 1
        answer(handler, b"" if first else picture(3), status=503 if first else 200)

    bad: Mapping[str, str] = {
        "redirect": server.add("/redirect", b"", status=302, headers={"Location": "http://10.0.0.1/x"}),
        "svg": server.add("/svg", b"<svg xmlns='x'/>"),
        "small": server.add("/small", picture(4, size=(20, 20))),
        "large": server.add("/large", picture(5, "BMP", size=(1000, 1000))),
        "bomb": server.add("/bomb", picture(6, size=(2100, 2100), quality=10)),
        "empty": server.add("/empty", b""),
    }
    good = [server.behave("/flaky", fail_once), server.add("/fine", picture(1))]
    draw(tmp_path / "samples", {Split.VAL: [*bad.values(), *good]})
    only_loopback = request(tmp_path)

    async def resolver(host: str, port: int) -> list[str]:
        return ["224.0.0.1" if host == "10.0.0.1" else host]

    run_fetch(replace(only_loopback, resolver=resolver))
    assert images_of(tmp_path, "val") == good
    assert [row["reason"] for row in rows(tmp_path, "rejects")] == [
        "forbidden_address", "unsupported_format", "too_small", "too_large", "too_many_pixels", "empty",
    ]  # fmt: skip
