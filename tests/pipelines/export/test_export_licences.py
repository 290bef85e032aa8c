"""What licences grant, whatever their spelling."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.pipelines import LICENCES_FILE, Permission, licence_terms
from geoseek.pipelines.export.licences import strictest


@pytest.mark.parametrize(
    ("stated", "spdx"),
    [
        ("CC-BY-SA 4.0", "CC-BY-SA-4.0"),
        ("cc by 2.0", "CC-BY-2.0"),
        ("Attribution-ShareAlike 3.0 Unported", "CC-BY-SA-3.0"),
        ("https://creativecommons.org/licenses/by-nc-nd/2.0/", "CC-BY-NC-ND-2.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.de", "CC-BY-4.0"),
        ("Creative Commons Attribution 4.0 International License", "CC-BY-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("Creative Commons Zero v1.0 Universal", "CC0-1.0"),
        ("CC0: Public Domain", "CC0-1.0"),
        ("CC0-1.0 synthetic", "CC0-1.0"),
        ("CC BY 3.0 DE", "CC-BY-3.0"),
        ("ODbL", "ODbL-1.0"),
        ("CC BY-SA", None),
        ("public domain", None),
    ],
)
def test_granted(stated: str, spdx: str | None) -> None:
    terms = licence_terms(stated)
    assert (terms.permission, terms.spdx) == (Permission.GRANTED, spdx)


@pytest.mark.parametrize(
    ("stated", "permission"),
    [
        ("All rights reserved", Permission.FORBIDDEN),
        ("© 2020 A. Person, all rights reserved", Permission.FORBIDDEN),
        ("CC BY-SA 4.0, all rights reserved", Permission.FORBIDDEN),
        ("Google", Permission.FORBIDDEN),
        ("Mapillary", Permission.UNKNOWN),
        ("not cc by 4.0", Permission.UNKNOWN),
        ("no license", Permission.UNKNOWN),
        ("cc", Permission.UNKNOWN),
        ("CC BY 9.0", Permission.UNKNOWN),
        ("", Permission.UNKNOWN),
        (None, Permission.UNKNOWN),
        ("cc by " * 200, Permission.UNKNOWN),
    ],
)
def test_not_granted(stated: str | None, permission: Permission) -> None:
    assert licence_terms(stated).permission is permission


def test_duties_follow_the_variant() -> None:
    assert licence_terms("CC BY-NC-SA 4.0").duties == {"attribution", "share-alike", "non-commercial"}
    assert licence_terms("CC BY-ND 4.0").no_derivatives
    assert licence_terms("CC0").duties == frozenset()


def test_strictest_flags_share_alike() -> None:
    both = strictest([licence_terms("CC BY 4.0"), licence_terms("CC BY-SA 3.0"), licence_terms("CC0")])
    assert both.spdx == "CC-BY-SA-3.0"
    assert both.share_alike


@given(
    st.lists(st.sampled_from(["CC0", "CC BY 4.0", "CC BY-SA 4.0", "CC BY-NC 4.0", "CC BY-ND 4.0", "ODbL"]), min_size=1)
)
def test_strictest_has_every_duty_and_no_other(stated: list[str]) -> None:
    terms = [licence_terms(one) for one in stated]
    whole = strictest(terms)
    assert whole.duties == frozenset[str]().union(*(one.duties for one in terms))
    assert whole == strictest(reversed(terms))


@given(st.text())
def test_any_text_has_terms(text: str) -> None:
    assert licence_terms(text).permission in set(Permission)


def test_table_is_well_formed() -> None:
    with LICENCES_FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(None not in row and None not in row.values() for row in rows)
    assert {row["redistribution"] for row in rows} == {"granted", "forbidden"}
    flags = {row[name] for row in rows for name in ("attribution", "share_alike", "non_commercial", "no_derivatives")}
    assert flags == {"yes", "no"}
