from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation.forms import (
    CONTROLS,
    Problem,
    ProblemNote,
    TaskContext,
    decode_annotation,
    encode_results,
    load_form,
    validate_draft,
)
from geoseek.annotation.forms.boxes import find_clue
from geoseek.demo import annotate, draw_scene, place_facts
from geoseek.schemas import (
    Annotation,
    ChainOfThought,
    ClueBox,
    InputError,
    SceneTag,
    Split,
    Stage,
    StageName,
    TagAnswer,
    Uncertainty,
)
from geoseek.workspace import reference_root

WORDS = "Panneau « 東京 » 🚗‍♀️ à droite, שלום"


def context(split: Split = Split.COT, **more: Any) -> TaskContext:
    return TaskContext("a1", 2, "pool:1", split, "otter", 3, 4, **more)


def text(control: str, *entries: str, key: str = "r", **more: Any) -> dict[str, Any]:
    value = {"text": list(entries)} | more
    return {"id": key, "from_name": control, "to_name": "image", "type": "textarea", "value": value}


def choice(control: str, *made: str) -> dict[str, Any]:
    return {"id": "c", "from_name": control, "to_name": "image", "type": "choices", "value": {"choices": list(made)}}


def number(control: str, entered: Any) -> dict[str, Any]:
    return {"id": "n", "from_name": control, "to_name": "image", "type": "number", "value": {"number": entered}}


def box(key: str, label: str = "Country clue", **place: Any) -> dict[str, Any]:
    value = {"x": 1.5, "y": 2, "width": 10, "height": 20, "rotation": 0, "rectanglelabels": [label]} | place
    return {"id": key, "from_name": "clue_boxes", "to_name": "image", "type": "rectanglelabels", "value": value}


def stage(name: str = "country", *clues: str) -> list[dict[str, Any]]:
    return [
        text(f"{name}_clues", *(clues or ("blue sign", "yellow line"))),
        text(f"{name}_reasoning", f"  {WORDS}\nline two \n"),
        text(f"{name}_conclusion", "Japan"),
        choice(f"{name}_uncertainty", "Low"),
    ]


ANSWER = text("final_answer", "Japan; Tōkyō; 渋谷")


def decode(
    *results: dict[str, Any], split: Split = Split.COT, **more: Any
) -> tuple[Annotation, tuple[ProblemNote, ...]]:
    return decode_annotation({"result": list(results)} | more, context(split))


def codes(problems: tuple[ProblemNote, ...]) -> set[Problem]:
    return {note.problem for note in problems}


def test_words_are_kept_exactly() -> None:
    annotation, problems = decode(*stage(), ANSWER, text("remark", "très flou"), lead_time="12.5")
    assert annotation.chain == ChainOfThought(
        country=Stage(
            clues=("blue sign", "yellow line"),
            reasoning=f"{WORDS}\nline two",
            conclusion="Japan",
            uncertainty=Uncertainty.LOW,
        ),
        region=None,
        precise=None,
        final_answer="Japan; Tōkyō; 渋谷",
    )
    assert problems == ()
    assert (annotation.note, annotation.lead_time_s) == ("très flou", 12.5)
    assert (annotation.id, annotation.version, annotation.config_version, annotation.handbook_version) == (
        "a1",
        2,
        3,
        4,
    )
    human = {"chain.country": "human", "chain.final_answer": "human", "note": "human", "picture": "photo"}
    assert annotation.provenance == human


def test_half_stage_does_not_count_but_is_told() -> None:
    annotation, problems = decode(
        *stage(), ANSWER, text("region_clues", "red soil"), choice("region_uncertainty", "High")
    )
    assert annotation.chain
    assert annotation.chain.region is None
    (note,) = problems
    assert note.problem is Problem.HALF_STAGE
    assert note.detail == "the region stage lacks reasoning, conclusion"
    assert note.content == {"clues": ["red soil"], "uncertainty": "High"}


def test_without_country_stage_there_is_no_chain_yet_nothing_is_lost() -> None:
    annotation, problems = decode(*stage("region"), ANSWER)
    assert annotation.chain is None
    (note,) = problems
    assert note.problem is Problem.NO_COUNTRY_STAGE
    assert note.content["region"]["conclusion"] == "Japan"
    assert note.content["final_answer"] == "Japan; Tōkyō; 渋谷"


def test_empty_annotation() -> None:
    annotation, problems = decode()
    assert annotation.chain is None
    assert codes(problems) == {Problem.NO_COUNTRY_STAGE, Problem.EMPTY_FINAL_ANSWER}
    assert decode_annotation({}, context())[0].chain is None


def test_several_entries_and_results_of_one_control() -> None:
    annotation, problems = decode(
        text("country_clues", "a", "  "),
        text("country_clues", "b"),
        text("country_reasoning", "one", "two"),
        text("country_conclusion", "Japan", "Korea"),
        choice("country_uncertainty", "Low"),
        choice("country_uncertainty", "High"),
        ANSWER,
    )
    assert annotation.chain
    country = annotation.chain.country
    assert (country.clues, country.reasoning, country.conclusion) == (("a", "b"), "one\ntwo", "Japan\nKorea")
    assert country.uncertainty is Uncertainty.HIGH
    assert [(note.problem, note.control) for note in problems] == [
        (Problem.SEVERAL_ENTRIES, "country_conclusion"),
        (Problem.SEVERAL_ENTRIES, "country_uncertainty"),
    ]


def test_boxes_find_their_clues() -> None:
    annotation, problems = decode(
        *stage(),
        ANSWER,
        box("b1"),
        text("clue_note", "Blue SIGN", key="b1"),
        box("b2"),
        text("clue_note", "2", key="b2"),
        box("b3", "Region clue"),
        text("clue_note", "blue sign", key="b3"),
        box("b4"),
        text("clue_note", "orphan", key="gone"),
    )
    found = [(entry.stage.value, entry.clue_index, entry.note) for entry in annotation.clue_boxes]
    assert found == [
        ("country", 0, "Blue SIGN"),
        ("country", 1, "2"),
        ("region", None, "blue sign"),
        ("country", None, None),
    ]
    first = annotation.clue_boxes[0]
    assert (first.x, first.y, first.w, first.h) == (1.5, 2, 10, 20)
    assert codes(problems) == {Problem.BOX_WITHOUT_CLUE, Problem.BOX_WITHOUT_NOTE, Problem.NOTE_WITHOUT_BOX}


def test_odd_boxes() -> None:
    annotation, problems = decode(
        *stage(), ANSWER, box("b1", "Dog"), box("b2", width=None), box("b3", x=95), box("b4", height="12.5")
    )
    assert [(entry.x, entry.h) for entry in annotation.clue_boxes] == [(95, 20), (1.5, 12.5)]
    assert codes(problems) >= {Problem.UNKNOWN_CHOICE, Problem.MALFORMED_RESULT, Problem.BOX_OUTSIDE}


@pytest.mark.parametrize(
    ("entered", "score", "problem"),
    [
        (7.5, 7.5, None),
        ("7.5", 7.5, None),
        (0, 0, None),
        (7.3, None, Problem.SCORE_OUT_OF_STEPS),
        (11, None, Problem.SCORE_OUT_OF_RANGE),
        ("many", None, Problem.MALFORMED_RESULT),
        (True, None, Problem.MALFORMED_RESULT),
        (float("nan"), None, Problem.MALFORMED_RESULT),
    ],
)
def test_scores(entered: Any, score: float | None, problem: Problem | None) -> None:
    tags = [choice(f"tag_{tag.value}", "no") for tag in SceneTag]
    annotation, problems = decode(*stage(), ANSWER, *tags, number("locatability", entered), split=Split.VAL)
    assert annotation.locatability_score == score
    assert codes(problems) == ({problem} if problem else set())


def test_val_without_rating_is_told() -> None:
    _, problems = decode(*stage(), ANSWER, split=Split.VAL)
    assert codes(problems) == {Problem.MISSING_SCORE, Problem.MISSING_TAG}


def test_tags_and_parts_of_the_rating() -> None:
    annotation, problems = decode(
        choice("tag_sign", "maybe"),
        choice("tag_plants", "perhaps"),
        choice("scene_tags", "traffic", "cats"),
        number("sub_text_amount", 3.5),
        text("main_clues", "sign", "soil"),
    )
    assert annotation.scene_tags == {"traffic": "yes", "sign": "maybe"}
    assert annotation.sub_scores == {"text_amount": 3.5}
    assert annotation.main_clues == ("sign", "soil")
    assert [note.content for note in problems if note.problem is Problem.UNKNOWN_CHOICE] == [{"cats": "yes"}, "perhaps"]


def test_provenance_tells_drafts_from_own_words() -> None:
    results = [*stage(), *stage("region"), *stage("precise"), ANSWER]
    for result in results[:4]:
        result["origin"] = "prediction"
    results[4]["origin"] = "prediction-changed"
    raw = {"result": results, "prediction": {"model_version": "qwen-7b"}}
    provenance = decode_annotation(raw, context(provenance={"picture": "synthetic"}))[0].provenance
    assert provenance == {
        "chain.country": "model qwen-7b",
        "chain.region": "model qwen-7b, edited",
        "chain.precise": "human",
        "chain.final_answer": "human",
        "picture": "synthetic",
    }
    del raw["prediction"]
    named = decode_annotation(raw, context(provenance={"draft": "gpt"}))[0].provenance
    assert named["chain.country"] == "model gpt"
    assert "draft" not in named


def test_unclear_origin_is_never_human() -> None:
    annotation, problems = decode(*stage(), ANSWER, provenance="crowd")
    assert annotation.provenance["chain.country"] == "synthetic"
    assert Problem.UNKNOWN_PROVENANCE in codes(problems)


def test_times_are_utc() -> None:
    annotation, problems = decode(
        *stage(), ANSWER, created_at="2026-01-02T03:04:05.5+02:00", updated_at="yesterday", lead_time=-1
    )
    assert annotation.created_at == "2026-01-02T01:04:05.500000Z"
    assert annotation.updated_at is None
    assert annotation.lead_time_s is None
    assert [note.problem for note in problems] == [Problem.BAD_TIME, Problem.BAD_TIME]


def test_half_surrogates_are_replaced() -> None:
    annotation, problems = decode(text("remark", "a\ud83db"))
    assert annotation.note == "a\ufffdb"
    assert Problem.BROKEN_TEXT in codes(problems)


@pytest.mark.parametrize("split", [Split.COT, Split.VAL])
def test_drawn_examples_are_read_and_marked(split: Split) -> None:
    facts = place_facts("SE", 57.9, 14.1, country="Sweden", region="Jönköping", place="Nässjö")
    scene = draw_scene(facts, scene_id="hb-SE-1", seed=7, size=(320, 240))
    row = {"id": "demo:1", "country": "Sweden", "region": "Jönköping", "place": "Nässjö", "split": split.value}
    raw = annotate(scene, row)["annotations"][0]
    annotation, problems = decode_annotation(raw, context(split, provenance={"picture": "synthetic"}))
    assert problems == ()
    assert annotation.chain
    assert annotation.chain.country.conclusion == "Sweden"
    assert annotation.clue_boxes
    assert all(entry.clue_index is not None for entry in annotation.clue_boxes)
    assert annotation.locatability_score is not None
    assert annotation.scene_tags == raw["scene_tags"]
    assert "human" not in annotation.provenance.values()
    assert annotation.provenance["picture"] == "synthetic"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
strange_results = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "from_name": st.sampled_from([*CONTROLS, "scene_tags"]) | json_values,
        "origin": json_values,
        "value": st.dictionaries(
            st.sampled_from(["text", "choices", "number", "rectanglelabels", "x", "y", "width", "height"]), json_values
        )
        | json_values,
    },
)


@given(
    st.fixed_dictionaries(
        {"result": st.lists(strange_results, max_size=6) | json_values},
        optional=dict.fromkeys(
            ("provenance", "scene_tags", "lead_time", "created_at", "updated_at", "prediction"), json_values
        ),
    )
)
def test_nothing_makes_the_decoder_raise(raw: dict[str, Any]) -> None:
    for split in (Split.COT, Split.VAL):
        annotation, _ = decode_annotation(raw, context(split))
        annotation.model_dump_json()


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).map(str.strip).filter(bool)
stages = st.builds(
    Stage,
    clues=st.lists(words, min_size=1, max_size=4).map(tuple),
    reasoning=words,
    conclusion=words,
    uncertainty=st.sampled_from(Uncertainty),
)
chains = st.builds(
    ChainOfThought, country=stages, region=st.none() | stages, precise=st.none() | stages, final_answer=words
)
percent = st.floats(0, 50)


@given(
    chains,
    st.lists(st.tuples(percent, percent, st.floats(0.1, 50), st.floats(0.1, 50), words), max_size=3),
    st.integers(0, 20),
    st.dictionaries(st.sampled_from([tag.value for tag in SceneTag]), st.sampled_from([a.value for a in TagAnswer])),
)
def test_what_is_encoded_is_decoded(
    chain: ChainOfThought, places: list[tuple[float, float, float, float, str]], halves: int, tags: dict[str, str]
) -> None:
    boxes = [
        ClueBox(stage=StageName.COUNTRY, clue_index=find_clue(note, chain.country.clues), x=x, y=y, w=w, h=h, note=note)
        for x, y, w, h, note in places
    ]
    results = encode_results(chain, boxes=boxes, score=halves / 2, tags=tags, split=Split.VAL)
    annotation, _ = decode_annotation({"result": results}, context(Split.VAL))
    assert annotation.chain == chain
    assert annotation.clue_boxes == tuple(boxes)
    assert annotation.locatability_score == halves / 2
    assert annotation.scene_tags == tags
    assert len({(result["id"], result["from_name"]) for result in results}) == len(results)
    assert encode_results(chain, boxes=boxes, score=halves / 2, tags=tags, split=Split.VAL) == results
    validate_draft(load_form(reference_root(), Split.VAL), results)


CHAIN = ChainOfThought(
    country=Stage(clues=("sign",), reasoning="so", conclusion="Peru", uncertainty=Uncertainty.HIGH),
    region=None,
    precise=None,
    final_answer="Peru",
)


def test_rating_is_written_for_val_only() -> None:
    cot = encode_results(CHAIN, score=5, tags={"sign": "yes"}, split=Split.COT)
    assert {result["from_name"] for result in cot} & {"locatability", "tag_sign"} == set()
    validate_draft(load_form(reference_root(), Split.COT), cot)


def test_note_of_a_box_is_filled_from_its_clue() -> None:
    plain = ClueBox(stage=StageName.COUNTRY, clue_index=0, x=1, y=1, w=2, h=2, note=None)
    results = encode_results(CHAIN, boxes=[plain], split=Split.COT)
    assert results[-1]["value"]["text"] == ["sign"]
    assert results[-1]["id"] == results[-2]["id"]


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ([number("locatability", 11)], "0 to 10"),
        ([number("locatability", 7.3)], "steps of 0.5"),
        ([choice("country_uncertainty", "Medium")], "Low, Moderate, High"),
        ([choice("tag_sign", "yes", "no")], "yes, no, maybe"),
        ([box("b", x=95)], "inside the picture"),
        ([box("b", "Dog")], "Country clue"),
        ([text("country_reasoning", " ")], "words in them"),
        ([text("mood", "sunny")], "'mood'"),
        ([text("country_uncertainty", "Low")], "country_uncertainty"),
        ([{"from_name": "final_answer"}], "not a result"),
        ([text("clue_note", "no place")], "x, y, width and height"),
    ],
)
def test_drafts_that_do_not_fit_are_refused(results: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InputError) as caught:
        validate_draft(load_form(reference_root(), Split.VAL), results)
    assert words in caught.value.message
    assert "Nothing of it was sent" in (caught.value.hint or "")


def test_draft_with_a_rating_does_not_fit_a_page_without() -> None:
    with pytest.raises(InputError, match="locatability"):
        validate_draft(load_form(reference_root(), Split.COT), [number("locatability", 5)])
