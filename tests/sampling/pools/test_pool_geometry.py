from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoseek.sampling.pools.geometry import foreign_crs, to_points
from geoseek.schemas import InputError

POSITIONS = st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), max_size=10)


@given(POSITIONS, st.integers(0, 3))
def test_all_encodings_agree(positions: list[tuple[float, float]], start: int) -> None:
    lat, lng = (np.array([pair[axis] for pair in positions], dtype=np.float64) for axis in (0, 1))
    shapes = shapely.points(lng, lat)
    wkb = pa.array(shapely.to_wkb(shapes).tolist(), pa.binary())
    arrays = [
        wkb,
        wkb.cast(pa.large_binary()),
        pa.array(shapely.to_wkb(shapes, byte_order=0).tolist(), pa.binary()),
        pa.array([f"POINT ({x!r} {y!r})" for x, y in zip(lng.tolist(), lat.tolist(), strict=True)], pa.string()),
        pa.array([f"[{x!r}, {y!r}]" for x, y in zip(lng.tolist(), lat.tolist(), strict=True)], pa.string()),
        pa.array(np.column_stack([lng, lat]).tolist(), pa.list_(pa.float64())),
        pa.StructArray.from_arrays([pa.array(lng), pa.array(lat)], ["x", "y"]),
    ]
    for array in arrays:
        found = to_points(array.slice(start), None)
        assert found.lat.tolist() == lat[start:].tolist()
        assert found.lng.tolist() == lng[start:].tolist()
        assert found.no_point is None


def test_what_is_wgs84_is_not_foreign() -> None:
    assert foreign_crs(None, "f") is None
    assert foreign_crs("EPSG:4326", "f") is None
    assert foreign_crs("OGC:CRS84", "f") is None
    assert foreign_crs("EPSG:3857", "f") == "EPSG:3857"
    with pytest.raises(InputError, match="f: its coordinate reference system"):
        foreign_crs("nonsense", "f")
