from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geoseek.geo import Gazetteer, load_gazetteer
from geoseek.pipelines.curate.guards import fold
from geoseek.pipelines.curate.notes import NotStandardisedError, countries_named, split_note
from geoseek.schemas import Uncertainty


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return load_gazetteer()


@pytest.mark.parametrize(
    ("note", "answer"),
    [
        ("Yellow bollards and Cyrillic letters. Traffic keeps right. So I think it is Bulgaria.", "Bulgaria"),
        ("Country: France. Region: Normandy. Place: Rouen. Clues: white plates, blue signs", "France; Normandy; Rouen"),
        ("France; Normandy; Rouen\nhalf-timbered houses, slate roofs", "France; Normandy; Rouen"),
        ("Looks like Finland, not Sweden: yellow signs, pine forest.", "Finland"),
        ("Rote Erde, Eukalyptus. Also vermutlich Australien, Queensland.", "Australien; Queensland"),
        ("左侧通行，路牌是日文。所以应该是日本，北海道。", "日本; 北海道"),
        ("Кириллица, берёзы. Думаю, Россия, Татарстан.", "Россия; Татарстан"),
        ("السيارات على اليمين. لذلك مصر", "مصر"),
        ("Hinweise: Linksverkehr, rote Erde\nLand: Uganda", "Uganda"),
        ("Dirt road. I think it is the Democratic Republic of the Congo.", "Democratic Republic of the Congo"),
        ("The sign says Georgia on my mind. Kudzu. Probably the USA.", "USA"),
    ],
)
def test_conclusion_is_found_in_the_words_as_written(note: str, answer: str, gazetteer: Gazetteer) -> None:
    assert split_note(note, gazetteer).final_answer == answer


def test_clues_are_the_sentences_that_conclude_nothing(gazetteer: Gazetteer) -> None:
    chain = split_note("Yellow bollards. Traffic keeps right. No idea, so Bulgaria, cold light.", gazetteer)
    assert chain.country.clues == ("Yellow bollards", "Traffic keeps right", "No idea", "cold light")
    assert chain.country.uncertainty is Uncertainty.HIGH


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("No idea at all.", "no country"),
        ("Sweden or Finland. Spruce forest.", "Sweden, Finland"),
        ("Not France, not Germany.", "no country"),
        ("Green fields, Northern Ireland perhaps.", "no country"),
        ("", "no country"),
    ],
)
def test_where_the_country_would_be_a_guess_the_rules_give_up(note: str, words: str, gazetteer: Gazetteer) -> None:
    with pytest.raises(NotStandardisedError, match=words):
        split_note(note, gazetteer)


def test_ordinary_words_are_no_countries(gazetteer: Gazetteer) -> None:
    assert countries_named("It is no car in the US-style street, IT shop; jersey and turkey on sale.", gazetteer) == []


@given(st.text(max_size=300), st.sampled_from(["Kenya", "日本", "Россия"]))
@example("Clues:\x00:;;。。 \n: : Country:", "Kenya")
def test_rules_never_raise_anything_else_and_invent_nothing(text: str, country: str) -> None:
    gazetteer = load_gazetteer()
    note = f"{text}\nConclusion: {country}"
    try:
        chain = split_note(note, gazetteer)
    except NotStandardisedError:
        return
    source = fold(note)
    for stage in chain.stages().values():
        assert stage.conclusion in note
        for clue in stage.clues:
            assert fold(clue) in source
