from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.geo.gazetteer.address import MAX_PARTS, inner_parts, make_part, split_address
from geoseek.geo.gazetteer.names import MAX_NAME_CHARS, fold, make_keys, script_of, strip_tags, umlaut_key


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Saint-Étienne", "St. Etienne"),
        ("Sana'a", "Sanaa"),
        ("Xi’an", "Xian"),
        ("Baden-Württemberg", "BADEN WURTTEMBERG"),
        ("İstanbul", "istanbul"),
        ("Łódź", "Lodz"),
        ("København", "Kobenhavn"),
        ("Ｔｏｋｙｏ", "Tokyo"),
        ("الجزائر", "اَلْجَزَائِر"),
        ("کرج", "كرج"),
        ("臺北", "台北"),
        ("L'Aquila", "L’Aquila"),
        ("New York", "Newyork"),
        ("Hefei\0", "Hefei"),
    ],
)
def test_spellings_of_one_name_have_one_key(a: str, b: str) -> None:
    assert make_keys(a)[0] == make_keys(b)[0]


@pytest.mark.parametrize(
    ("a", "b"),
    [("か", "が"), ("दिल्ली", "दल"), ("กา", "กะ"), ("Kansas", "Arkansas"), ("Берн", "Борн")],
)
def test_letters_that_differ_stay_different(a: str, b: str) -> None:
    assert make_keys(a)[0] != make_keys(b)[0]


@pytest.mark.parametrize(
    ("name", "reduced"),
    [
        ("Hefei City", "hefei"),
        ("City of Hefei", "hefei"),
        ("Province of Córdoba", "cordoba"),
        ("Departamento de Antioquia", "antioquia"),
        ("Département de l'Ain", "ain"),
        ("Московская область", "московская"),
        ("合肥市", "合肥"),
        ("安徽省", "安徽"),
        ("경기도", make_keys("경기")[0]),
        ("محافظة القاهرة", make_keys("القاهرة")[0]),
        ("จังหวัดเชียงใหม่", make_keys("เชียงใหม่")[0]),
        ("Tỉnh Bình Dương", "binhduong"),
        ("Region", "region"),
        ("市", "市"),
    ],
)
def test_administrative_words_go_but_never_the_whole_name(name: str, reduced: str) -> None:
    assert make_keys(name)[1] == reduced


@given(st.text(max_size=400))
def test_any_text_has_keys(text: str) -> None:
    full, reduced = make_keys(text)
    assert bool(full) == bool(reduced)
    assert " " not in full
    assert len(full) <= 4 * MAX_NAME_CHARS * 4


@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=60))
def test_case_does_not_matter(text: str) -> None:
    assert make_keys(text.upper())[0] == make_keys(text.upper().lower().upper())[0]


def test_only_the_first_characters_count() -> None:
    assert make_keys("a" * 10**6)[0] == "a" * MAX_NAME_CHARS


def test_umlauts_can_be_spelt_out() -> None:
    assert umlaut_key("Düsseldorf") == make_keys("Duesseldorf")[0]
    assert umlaut_key("Bonn") is None


@pytest.mark.parametrize(("text", "script"), [("合肥", "CJK"), ("Hefei", "LATIN"), ("Киев", "CYRILLIC"), ("42!", "")])
def test_script_is_that_of_the_first_letter(text: str, script: str) -> None:
    assert script_of(text) == script


def test_tags_are_removed_and_long_ones_left() -> None:
    assert strip_tags("<answer>Japan</answer>").split() == ["Japan"]
    assert strip_tags("a < b").split() == ["a", "<", "b"]
    assert strip_tags("<" * 1000) == "<" * 1000


def test_words_are_in_one_spelling() -> None:
    assert fold("Mt. Isa") == ["mount", "isa"]
    assert fold("") == []


@pytest.mark.parametrize(
    "address",
    [
        "China; Anhui; Hefei",
        "China；Anhui；Hefei",
        "China|Anhui|Hefei",
        "China\nAnhui\nHefei",
        "China, Anhui, Hefei",
        "<answer> China; Anhui; Hefei </answer>",
        " ; China ;; Anhui; Hefei;",
    ],
)
def test_parts_of_an_address(address: str) -> None:
    assert [part.full for part in split_address(address)] == ["china", "anhui", "hefei"]


def test_commas_inside_a_part_stay_if_semicolons_separate() -> None:
    parts = split_address("China; Anhui; Hefei, Shushan")
    assert [part.text for part in parts] == ["China", "Anhui", "Hefei, Shushan"]
    assert [part.full for part in inner_parts(parts[2])] == ["hefei", "shushan"]
    assert inner_parts(parts[0]) == []


def test_number_of_parts_is_bounded() -> None:
    assert len(split_address("a;" * 10_000)) == MAX_PARTS
    assert len(inner_parts(make_part("a," * 10_000))) <= MAX_PARTS
