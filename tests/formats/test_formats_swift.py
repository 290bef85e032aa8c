"""Files for ms-swift out of exports, and out of the sets of others that it is to be trained on."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geoseek.formats import (
    GRPO_QUESTION,
    JUDGE_SYSTEM,
    SYSTEM,
    TOOLS_SYSTEM,
    ExchangeRecord,
    FormatRejectReason,
    FormatResult,
    Turn,
    WriteOptions,
    convert_format,
    write_format,
)
from geoseek.formats.codes import RowFault
from geoseek.formats.swift import SwiftSft
from geoseek.schemas import Split
from tests.formats.exports import ADDRESS, embedded, jpeg, loc_record, write_split
from tests.media_support import drawn_image

_PROSE = "<think>Red soil, an <image> of the Sahel.</think><answer>Chad; Kanem</answer>"


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _said(*texts: str, image: str = "a.jpg") -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[number % 2], "value": text} for number, text in enumerate(texts)]
    return {"image": image, "gt_lat": 1.5, "gt_lon": 2.5, "conversations": turns}


def _set(folder: Path, *rows: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.jpg").write_bytes(jpeg(1))
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def _convert(name: str, path: Path, to: str, target: Path, **options: Any) -> tuple[FormatResult, list[dict[str, Any]]]:
    result = convert_format(name, path, to, target, **options)
    (file,) = [name for name in result.files if name in ("rows.jsonl", "cot.jsonl", "loc.jsonl")]
    return result, _lines(target / file)


def test_judge_examples_are_questions_with_a_verdict(export_dir: Path, tmp_path: Path) -> None:
    write_format("swift-judge", export_dir, tmp_path / "swift")
    rows = _lines(tmp_path / "swift" / "cot.jsonl")
    assert [row["solution"] for row in rows] == [
        "True",
        "True",
        "False",
        "True",
        "False",
        "True",
        "False",
        "True",
        "False",
    ]
    for row in rows:
        system, asked = row["messages"]
        assert (system["role"], system["content"], asked["role"]) == ("system", JUDGE_SYSTEM, "user")
        assert asked["content"].count("<image>") == len(row["images"]) == 1
        assert (tmp_path / "swift" / row["images"][0]).is_file()
    assert rows[1]["id"] == rows[2]["id"] == "pool:cot-1"


def test_the_judge_set_of_the_suite_gives_the_same_questions(export_dir: Path, tmp_path: Path) -> None:
    write_format("swift-judge", export_dir, tmp_path / "swift")
    write_format("gre-judge", export_dir, tmp_path / "gre")
    _, through_gre = _convert("gre-judge", tmp_path / "gre", "swift-judge", tmp_path / "converted")
    direct = _lines(tmp_path / "swift" / "cot.jsonl")
    assert [{**row, "id": ""} for row in through_gre] == [{**row, "id": ""} for row in direct]


def test_predictions_cannot_put_pictures_into_a_question(export_dir: Path, tmp_path: Path) -> None:
    predictions = {f"pool:cot-{n}": {"text": "I see <image> and <video>.", "answer": "Chad"} for n in range(5)}
    write_format("swift-judge", export_dir, tmp_path, options=WriteOptions(predictions=predictions))
    for row in _lines(tmp_path / "cot.jsonl"):
        assert row["messages"][1]["content"].count("<image>") == 1
        assert "<video>" not in row["messages"][1]["content"]


def test_conversations_with_tools_are_learnt_as_they_are(export_dir: Path, tmp_path: Path) -> None:
    write_format("geovista", export_dir, tmp_path / "geovista", [Split.COT])
    _, rows = _convert("geovista", tmp_path / "geovista", "swift-sft", tmp_path / "swift")
    assert [len(row["images"]) for row in rows] == [2, 1, 1, 1, 1]
    with_tool = rows[0]
    assert [one["role"] for one in with_tool["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert with_tool["messages"][0]["content"] == TOOLS_SYSTEM
    assert [one["content"].count("<image>") for one in with_tool["messages"]] == [0, 1, 0, 1, 0]
    assert "<tool_call>" in with_tool["messages"][2]["content"]
    with Image.open(tmp_path / "swift" / with_tool["images"][1]) as cutout:
        assert cutout.size == (48, 36)


def test_reasoning_that_is_no_chain_keeps_its_own_question(tmp_path: Path) -> None:
    path = _set(tmp_path / "gre", _said("<image>\nWhere is this?", _PROSE), _said("Where is this?", _PROSE))
    _, (first, second) = _convert("gre-cot", path, "swift-sft", tmp_path / "swift")
    system, asked, answered = (one["content"] for one in first["messages"])
    assert (system, asked) == (SYSTEM, "<image>\nWhere is this?")
    assert answered == _PROSE.replace("<image>", "&lt;image>")
    assert second["messages"][1]["content"] == "<image>Where is this?"
    convert_format("gre-cot", path, "gre-cot", tmp_path / "again")
    (kept, _) = json.loads((tmp_path / "again" / "rows.json").read_text(encoding="utf-8"))
    unmarked = _PROSE.replace("<image>", "&lt;image>")
    assert kept["conversations"] == _said("<image>\nWhere is this?", unmarked)["conversations"]


@pytest.mark.parametrize(
    ("turns", "detail"),
    [
        (["<image><image>Where?", _PROSE], "1 pictures, and 2 times"),
        (["<image>Where?", _PROSE, "Sure?"], "the last turn is a question"),
        (["<image>Where?", "", "Sure?", _PROSE], "turn 1 is not what a gpt says"),
    ],
)
def test_conversations_that_cannot_be_learnt_are_rejected(turns: list[str], detail: str, tmp_path: Path) -> None:
    path = _set(tmp_path / "gre", _said(*turns), _said("<image>Where?", _PROSE))
    result, rows = _convert("gre-cot", path, "swift-sft", tmp_path / "swift")
    assert len(rows) == 1
    (reject,) = _lines(tmp_path / "swift" / "rejects.jsonl")
    assert reject["reason"] == "no_conversation"
    assert detail in reject["detail"]
    assert result.figures["rejected"] == {"no_conversation": 1}


_TURNS = st.lists(
    st.builds(
        Turn,
        speaker=st.sampled_from(["human", "gpt", "system"]),
        text=st.lists(st.sampled_from(["<image>", "<video>", "Chad", " "]), max_size=3).map("".join),
    ),
    min_size=1,
    max_size=6,
)


@given(turns=_TURNS | st.just([Turn(speaker="human", text="<image>"), Turn(speaker="gpt", text="<image>")]))
def test_any_conversation_is_one_that_swift_takes_or_a_fault(turns: list[Turn]) -> None:
    record = ExchangeRecord(id="a:1", image=embedded(b"x"), further_images=(embedded(b"y"),), turns=tuple(turns))
    for one in (record, record.model_copy(update={"further_images": ()})):
        try:
            messages = SwiftSft().row_of(one)["messages"]
        except RowFault as fault:
            if fault.reason is not FormatRejectReason.NO_CONVERSATION:
                raise
            continue
        roles = ["system", *["user", "assistant"] * (len(turns) // 2)]
        assert [message["role"] for message in messages] == roles
        assert sum(message["content"].count("<image>") for message in messages) == len(SwiftSft().pictures_of(one))
        assert all(message["content"].strip() for message in messages)


def test_positions_without_names_are_enough_for_grpo(tmp_path: Path) -> None:
    path = _set(tmp_path / "gre", {"image": "a.jpg", "gt_lat": 1.5, "gt_lon": "2.5"})
    _, (row,) = _convert("gre-seed", path, "swift-grpo", tmp_path / "swift")
    assert (row["lat"], row["lng"], row["solution"], row["country"], row["country_code"]) == (1.5, 2.5, "", "", "")
    assert row["messages"][1]["content"] == f"<image>{GRPO_QUESTION}"


def test_rows_that_have_only_an_address_can_be_left_out(export_dir: Path, tmp_path: Path) -> None:
    result = write_format("swift-grpo", export_dir, tmp_path, options=WriteOptions(whole_pictures=True))
    assert (result.figures["kept"], result.figures["rejected"]) == (3, {"only_address": 1})
    assert not [row for row in _lines(tmp_path / "loc.jsonl") if ADDRESS in row["images"]]
    assert write_format("swift-grpo", export_dir, tmp_path).figures["kept"] == 4


def test_pictures_stand_upright_for_tools_that_know_no_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    drawn_image(1, (96, 72)).save(buffer, "JPEG", exif=exif, quality=95)
    turned, plain = embedded(buffer.getvalue()), loc_record(1)
    rows = [loc_record(0).model_copy(update={"image": turned}), plain]
    write_split(tmp_path / "export", Split.LOC, rows, type(plain))
    write_format("swift-grpo", tmp_path / "export", tmp_path / "swift")
    first, second = _lines(tmp_path / "swift" / "loc.jsonl")
    with Image.open(tmp_path / "swift" / first["images"][0]) as image:
        assert image.size == (72, 96)
        assert image.getexif().get(0x0112) is None
        expected = drawn_image(1, (96, 72)).transpose(Image.Transpose.ROTATE_270).convert("RGB")
        corners = [(4, 4), (67, 4), (4, 91), (67, 91), (36, 48)]
        for corner in corners:
            pairs = zip(_pixel(image, corner), _pixel(expected, corner), strict=True)
            assert max(abs(one - other) for one, other in pairs) < 40
    assert (tmp_path / "swift" / second["images"][0]).read_bytes() == jpeg(1)


def _pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    value = image.convert("RGB").resize(image.size, Image.Resampling.BOX).getpixel(place)
    assert isinstance(value, tuple)
    return tuple(int(part) for part in value)


def test_a_set_is_converted_once_and_again_when_lacking_pictures_are_there(tmp_path: Path) -> None:
    path = _set(tmp_path / "gre", _said("<image>?", _PROSE), _said("<image>?", _PROSE, image="b.jpg"))
    first, rows = _convert("gre-cot", path, "swift-sft", tmp_path / "swift")
    assert (len(rows), first.figures["rejected"]) == (1, {"missing_image": 1})
    (tmp_path / "gre" / "b.jpg").write_bytes(jpeg(2))
    second, rows = _convert("gre-cot", path, "swift-sft", tmp_path / "swift")
    assert (len(rows), second.up_to_date) == (2, False)
    third, _ = _convert("gre-cot", path, "swift-sft", tmp_path / "swift")
    assert third.up_to_date
    assert not convert_format("gre-cot", path, "swift-sft", tmp_path / "swift", force=True).up_to_date
    path.write_text(json.dumps(_said("<image>?", _PROSE)), encoding="utf-8")
    fourth, rows = _convert("gre-cot", path, "swift-sft", tmp_path / "swift")
    assert (len(rows), fourth.up_to_date) == (1, False)


def test_an_export_with_a_broken_picture_is_up_to_date(tmp_path: Path) -> None:
    broken = loc_record(0).model_copy(update={"image": embedded(jpeg(0)[:40])})
    write_split(tmp_path / "export", Split.LOC, [broken, loc_record(1)], type(broken))
    first = write_format("swift-grpo", tmp_path / "export", tmp_path / "swift")
    assert first.figures["rejected"] == {"unreadable_image": 1}
    assert write_format("swift-grpo", tmp_path / "export", tmp_path / "swift").up_to_date


def test_one_split_of_a_set(export_dir: Path, tmp_path: Path) -> None:
    write_format("geoseek-hf", export_dir, tmp_path / "hf")
    result, rows = _convert("geoseek-hf", tmp_path / "hf", "swift-grpo", tmp_path / "loc", split=Split.LOC)
    assert (result.figures["read"], len(rows)) == (4, 4)
    path = _set(tmp_path / "gre", _said("<image>?", _PROSE))
    result, rows = _convert("gre-cot", path, "swift-sft", tmp_path / "cot", split=Split.COT)
    assert "cot.jsonl" in result.files
    assert "NOTICE.txt" not in result.files
    assert len(rows) == 1
