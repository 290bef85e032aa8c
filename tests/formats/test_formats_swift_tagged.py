"""Rows for supervised fine-tuning on the form that GRPO asks for."""

from __future__ import annotations

import json
from pathlib import Path

from geoseek.formats import GRPO_QUESTION, write_format
from geoseek.schemas import ParseForm, parse_chain


def test_the_chain_is_written_in_the_form_that_grpo_asks_for(export_dir: Path, tmp_path: Path) -> None:
    plain, tagged = tmp_path / "plain", tmp_path / "tagged"
    kept = write_format("swift-sft", export_dir, plain).figures["kept"]
    assert write_format("swift-sft-tagged", export_dir, tagged).figures["kept"] == kept > 0
    rows = [
        [json.loads(line)["messages"] for line in (folder / "cot.jsonl").read_text().splitlines()]
        for folder in (plain, tagged)
    ]
    for (*_, as_json), (_, question, as_tags) in zip(*rows, strict=True):
        assert question["content"] == f"<image>{GRPO_QUESTION}"
        expected, found = parse_chain(as_json["content"]), parse_chain(as_tags["content"])
        assert found.form is ParseForm.TAGGED
        assert (found.chain, found.answer) == (expected.chain, expected.answer)
        assert as_tags["content"].startswith("<think>{")
        assert as_tags["content"].endswith(" </answer>")
        assert as_tags["content"].count("<image>") == 0
