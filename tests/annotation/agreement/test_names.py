"""Which answers name the same."""

from __future__ import annotations

import itertools

import pytest

from geoseek.annotation.agreement import NameBook
from geoseek.geo import load_gazetteer
from geoseek.schemas import ChainOfThought, Stage, StageName, Uncertainty

pytestmark = pytest.mark.xdist_group("gazetteer")
COUNTRY, REGION, PRECISE = StageName


@pytest.fixture(scope="module")
def book() -> NameBook:
    return NameBook(load_gazetteer())


def _stage(conclusion: str) -> Stage:
    return Stage(clues=("a sign",), reasoning="It says so.", conclusion=conclusion, uncertainty=Uncertainty.LOW)


def chain(country: str, region: str | None = None, precise: str | None = None, *, final: str = "") -> ChainOfThought:
    return ChainOfThought(
        country=_stage(country),
        region=None if region is None else _stage(region),
        precise=None if precise is None else _stage(precise),
        final_answer=final,
    )


def _same(book: NameBook, *chains: ChainOfThought) -> dict[StageName, int]:
    """Return the number of different classes per stage."""
    found = book.classes([book.read(one) for one in chains])
    return {level: len(set(classes) - {None}) for level, classes in found.items()}


def test_names_in_any_script_are_equal(book: NameBook) -> None:
    same = _same(
        book,
        chain("Germany", "Bavaria", "Munich"),
        chain("Deutschland", "Bayern", "München"),
        chain("ドイツ", "Bavière", "Мюнхен"),
    )
    assert same == {COUNTRY: 1, REGION: 1, PRECISE: 1}


def test_typing_errors_do_not_make_a_dispute(book: NameBook) -> None:
    same = _same(book, chain("France", "Bretagne", "Brest"), chain("Frnace", "Bretange", "Brest"))
    assert same == {COUNTRY: 1, REGION: 1, PRECISE: 1}


def test_the_same_name_in_other_countries_and_regions_is_something_else(book: NameBook) -> None:
    assert _same(book, chain("United States", "Georgia"), chain("Georgia", "Georgia"))[REGION] == 2
    springfields = chain("USA", "Illinois", "Springfield"), chain("USA", "Missouri", "Springfield")
    assert _same(book, *springfields) == {COUNTRY: 1, REGION: 2, PRECISE: 2}


def test_a_place_is_the_same_under_two_names_of_what_lies_above(book: NameBook) -> None:
    same = _same(
        book,
        chain("France", "Bouches-du-Rhône", "Marseille"),
        chain("France", "Provence-Alpes-Côte d'Azur", "Marseille"),
    )
    assert same[PRECISE] == 1


def test_unknown_names_are_compared_by_their_letters(book: NameBook) -> None:
    barn = "the red barn on the hill"
    assert _same(book, chain("Kenya", None, barn), chain("Kenya", None, barn.upper()))[PRECISE] == 1
    assert _same(book, chain("Kenya", None, barn), chain("Kenya", None, "the blue barn"))[PRECISE] == 2


def test_a_stage_that_is_not_given_is_a_gap_and_no_disagreement(book: NameBook) -> None:
    answers = [book.read(one) for one in (chain("Kenya"), chain("Kenya", "Mombasa"))]
    assert book.classes(answers)[REGION][0] is None
    assert book.classes(answers)[REGION][1] is not None


def test_the_final_answer_speaks_where_the_conclusion_is_no_name(book: NameBook) -> None:
    answer = book.read(chain("Most likely France, because of the bollards", final="France; Bretagne; Brest"))
    assert dict(answer.names) == {COUNTRY: "France", REGION: "Bretagne", PRECISE: "Brest"}
    assert answer.lat == pytest.approx(48.39, abs=0.05)
    unknown = book.read(chain("Xyzzyland", final="The lost land"))
    assert unknown.names == {COUNTRY: "Xyzzyland"}
    assert unknown.lat is None


def test_a_class_has_the_same_name_in_other_photos(book: NameBook) -> None:
    first = book.classes([book.read(chain("Germany", "Bavaria", "Munich"))])
    second = book.classes([book.read(chain("Allemagne", "Bayern", "München"))])
    assert first == second


def test_classes_do_not_depend_on_the_order_of_the_answers(book: NameBook) -> None:
    chains = [
        chain("USA", "Illinois", "Springfield"),
        chain("USA", None, "Springfield"),
        chain("USA", "Missouri", "Springfield"),
        chain("Canada", "Ontario", "London"),
    ]
    expected: dict[str, dict[StageName, str | None]] | None = None
    for order in itertools.permutations(range(len(chains))):
        found = book.classes([book.read(chains[at]) for at in order])
        by_chain = {str(at): {level: found[level][place] for level in StageName} for place, at in enumerate(order)}
        expected = expected or by_chain
        assert by_chain == expected


@pytest.mark.parametrize(
    ("said", "code", "right"),
    [("Frankreich", "FR", True), ("FRA", "FR", True), ("Belgium", "FR", False), ("no idea", "FR", False)],
)
def test_countries_are_checked_by_any_of_their_names(book: NameBook, said: str, code: str, right: bool) -> None:
    assert book.names_country(book.read(chain(said)), code) is right


@pytest.mark.parametrize("text", ["", ";;;", "؛", "\x00", "a" * 5000, "🏠", "France; France; France; France"])
def test_strange_answers_are_read_without_complaint(book: NameBook, text: str) -> None:
    answer = book.read(chain(text, text, text, final=text))
    assert len(book.classes([answer, answer])[COUNTRY]) == 2
