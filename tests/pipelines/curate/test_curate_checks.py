from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.annotation import NameBook, SampleTruth, load_review_settings
from geoseek.geo import load_gazetteer
from geoseek.pipelines.curate.checks import Examiner, decide
from geoseek.pipelines.curate.codes import DEFAULT_ACTIONS, Action, CurateCheck, Finding
from geoseek.pipelines.curate.language import language_fault
from geoseek.pipelines.curate.settings import CurateRules, load_curate_rules
from geoseek.schemas import ChainOfThought
from tests.annotation.review.makers import chain, stored
from tests.pipelines.curate.world import french

FRANCE = SampleTruth("FR", 48.8, 2.3)


@pytest.fixture(scope="module")
def examiner(tmp_path_factory: pytest.TempPathFactory) -> Examiner:
    folder: Path = tmp_path_factory.mktemp("workspace")
    gazetteer = load_gazetteer()
    return Examiner(load_curate_rules(folder), load_review_settings(folder), gazetteer, NameBook(gazetteer))


def found(examiner: Examiner, said: ChainOfThought) -> set[CurateCheck]:
    return {finding.check for finding in examiner.examine(stored(1, said), FRANCE)}


def test_sound_chain_passes(examiner: Examiner) -> None:
    assert found(examiner, french(region="Normandy", answer="France; Normandie; Rouen")) == set()


@pytest.mark.parametrize(
    ("said", "check"),
    [
        (chain("Spain", reasoning="r" * 50), CurateCheck.WRONG_COUNTRY),
        (french(answer="Germany"), CurateCheck.ANSWER_MISMATCH),
        (french(region="Normandy", answer="France; Provence"), CurateCheck.ANSWER_MISMATCH),
        (french(reasoning="Left, so France."), CurateCheck.TOO_SHORT),
        (french(clues=("vegetation",)), CurateCheck.NO_CLUE),
        (french(clues=()), CurateCheck.NO_CLUE),
        (french(clues=("a sign at 48.85661, 2.35222",)), CurateCheck.LEAK),
        (
            french(reasoning="As the file name IMG_20200202.jpg suggests, we are near the coast of it."),
            CurateCheck.LEAK,
        ),
        (french(reasoning="According to https://example.org/where it is in the north of France."), CurateCheck.LEAK),
        (french(reasoning="Die Metadaten sagen, dass es in Frankreich aufgenommen wurde."), CurateCheck.LEAK),
        (french(reasoning="元数据显示这里是法国的北部，所以我认为这里是法国。"), CurateCheck.LEAK),
    ],
)
def test_fault_is_found(examiner: Examiner, said: ChainOfThought, check: CurateCheck) -> None:
    assert check in found(examiner, said)


@pytest.mark.parametrize(
    "answer", ["France; Normandie", "Frankreich; Normandy", "France; Normandy Region", "FRANCE;NORMANDY; Rouen"]
)
def test_other_spelling_is_no_mismatch(examiner: Examiner, answer: str) -> None:
    assert CurateCheck.ANSWER_MISMATCH not in found(examiner, french(region="Normandy", answer=answer))


def test_words_around_a_conclusion_are_no_mismatch(examiner: Examiner) -> None:
    assert CurateCheck.ANSWER_MISMATCH not in found(
        examiner, chain("most likely France", reasoning="r" * 50, answer="France")
    )


def test_remark_of_the_annotator_is_not_exported_and_not_checked(examiner: Examiner) -> None:
    row = stored(1, french(), note="I know this from the GPS")
    assert examiner.examine(row, FRANCE) == []


@pytest.mark.parametrize(
    ("expected", "text", "fault"),
    [
        ("en", "Une route bordée de platanes", False),
        ("en", "Дорога с берёзами и красной землёй", True),
        ("ja", "左側通行で、看板は日本語です", False),
        ("zh-Hant", "左側通行，紅色泥土，棕櫚樹很多", False),
        ("ko", "左側通行で、看板は日本語です", True),
        ("ar", "السيارات تسير على اليمين", False),
        ("en", "A sign that reads 東京都, and left-hand traffic", False),
        ("en", "東京", False),
        ("zh", "左側通行で、看板は日本語です", True),
        ("ja", "左侧通行，红色泥土，棕榈树很多", True),
    ],
)
def test_script_tells_the_language(expected: str, text: str, fault: bool) -> None:
    assert (language_fault([text], expected=expected, declared=None) is not None) is fault


def test_declared_language_counts() -> None:
    assert language_fault(["anything"], expected="en", declared="de-AT") == "the annotation says 'de-AT'"
    assert language_fault(["anything"], expected="en-GB", declared="en-US") is None


def test_gravest_action_decides_and_review_is_over_once_accepted() -> None:
    rules = CurateRules()
    leak, wrong, copy = (
        Finding(check, check.value) for check in (CurateCheck.LEAK, CurateCheck.WRONG_COUNTRY, CurateCheck.NEAR_COPY)
    )
    assert decide([copy, wrong, leak], rules, reviewed=False).deciding == (leak,)
    assert decide([copy, wrong], rules, reviewed=False).action is Action.REVIEW
    assert decide([copy, wrong], rules, reviewed=True).deciding == (copy, wrong)
    assert decide([copy, wrong, leak], rules, reviewed=True).action is Action.DROP
    silent = CurateRules(checks={CurateCheck.LEAK: Action.IGNORE})
    assert decide([leak], silent, reviewed=False).deciding == ()


def test_reference_settings_say_what_the_code_does(tmp_path: Path) -> None:
    shipped = load_curate_rules(tmp_path)
    assert shipped.checks == DEFAULT_ACTIONS
    assert shipped.model_copy(update={"checks": {}, "standardise": CurateRules().standardise}) == CurateRules()
    assert "not in the note" in shipped.standardise.prompt
