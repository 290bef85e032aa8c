from __future__ import annotations

import pyarrow as pa
import pytest

from geoseek.sampling.pools.columns import Roles, assign_roles, check_fields
from geoseek.schemas import InputError, UsageError


def roles(*names: str, explicit: dict[str, str] | None = None, geometry: str | None = None) -> Roles:
    return assign_roles(dict.fromkeys(names), explicit or {}, where="f.csv", declared_geometry=geometry)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("id", "latitude", "longitude", "thumb_original_url", "country", "captured_at", "sequence"),
            {"lat": "latitude", "lng": "longitude", "id": "id", "image": "thumb_original_url",
             "captured_at": "captured_at", "sequence_id": "sequence"},
        ),
        (("IMG_ID", "LAT", "LON"), {"lat": "LAT", "lng": "LON", "id": "IMG_ID"}),
        (
            ("id", "computed_geometry", "thumb_1024_url", "sequence"),
            {"geometry": "computed_geometry", "id": "id", "image": "thumb_1024_url", "sequence_id": "sequence"},
        ),
        (
            ("photoid", "latitude", "longitude", "downloadurl", "datetaken", "licensename", "usernickname"),
            {"lat": "latitude", "lng": "longitude", "id": "photoid", "image": "downloadurl",
             "captured_at": "datetaken", "license": "licensename", "attribution": "usernickname"},
        ),
        (("panoId", "lat", "lng"), {"lat": "lat", "lng": "lng", "id": "panoId"}),
        (("x", "y"), {"lat": "y", "lng": "x"}),
        (("location.lat", "location.lng", "key"), {"lat": "location.lat", "lng": "location.lng", "id": "key"}),
    ],
)  # fmt: skip
def test_names_of_the_field(names: tuple[str, ...], expected: dict[str, str]) -> None:
    found = roles(*names)
    assert found.column == expected
    assert found.notices == ()


def test_ambiguity_is_settled_by_the_order_and_said() -> None:
    found = roles("url", "latitude", "lat", "lng", "image")
    assert found.column["lat"] == "lat"
    assert found.column["image"] == "image"
    assert any("lat is read from column 'lat'; 'latitude'" in notice for notice in found.notices)
    assert any(notice.startswith("image is read from column 'image'; 'url'") for notice in found.notices)


def test_pixel_coordinates_are_no_rivals_of_degrees() -> None:
    assert roles("lat", "lng", "x", "y") == Roles({"lat": "lat", "lng": "lng"})


def test_explicit_names_win_and_may_differ_in_case() -> None:
    found = roles("lat", "lng", "Breite", "Laenge", explicit={"lat": "breite", "lng": "Laenge"})
    assert found.column == {"lat": "Breite", "lng": "Laenge"}


def test_a_declared_geometry_wins_over_columns_unless_they_are_asked_for() -> None:
    found = roles("geom", "lat", "lng", geometry="geom")
    assert found.column == {"geometry": "geom"}
    assert "not used" in found.notices[0]
    assert roles("geom", "lat", "lng", geometry="geom", explicit={"lat": "lat"}).column == {"lat": "lat", "lng": "lng"}


def test_an_undeclared_geometry_gives_way_to_columns() -> None:
    assert roles("geometry", "lat", "lng").column == {"lat": "lat", "lng": "lng"}


def test_unknown_field_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'lat'"):
        check_fields({"latt": "a"})


def test_unknown_column_names_the_nearest_and_all() -> None:
    with pytest.raises(InputError, match=r"f\.csv has no column 'Latitud'.*did you mean 'Latitude'") as caught:
        roles("Latitude", "Longitude", explicit={"lat": "Latitud"})
    assert caught.value.hint == "Columns: Latitude, Longitude."


def test_no_coordinates_lists_columns_and_the_remedy() -> None:
    with pytest.raises(
        InputError, match=r"no column for latitude and longitude\. Columns: id, lattitude, city"
    ) as caught:
        roles("id", "lattitude", "city")
    assert caught.value.hint == "Perhaps: --columns lat=lattitude"
    with pytest.raises(InputError, match="no column for longitude") as caught:
        roles("id", "lat")
    assert "--columns lat=NAME,lng=NAME" in (caught.value.hint or "")


def test_a_file_without_header_is_recognised() -> None:
    with pytest.raises(InputError) as caught:
        roles("48.85", "2.35", "paris")
    assert "column names" in (caught.value.hint or "")


def test_one_column_cannot_be_both() -> None:
    with pytest.raises(InputError, match="both read from column 'v'"):
        roles("v", explicit={"lat": "v", "lng": "v"})


def test_types_that_are_no_degrees() -> None:
    with pytest.raises(InputError, match="holds timestamp"):
        assign_roles({"lat": pa.timestamp("s"), "lng": pa.float64()}, {}, where="f")
    with pytest.raises(InputError, match="holds bool"):
        assign_roles({"lat": pa.bool_(), "lng": pa.float64()}, {}, where="f")
