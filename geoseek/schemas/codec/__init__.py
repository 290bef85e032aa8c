"""The chain of thought as text, both ways: SFT JSON, the tagged form of GRPO, plain records."""

from geoseek.schemas.codec.answers import render_answer, split_answer
from geoseek.schemas.codec.codes import Failure, ParsedChain, ParseFailure, ParseForm, Repair, RepairCode
from geoseek.schemas.codec.parse import MAX_REPAIR_CHARS, parse_chain
from geoseek.schemas.codec.render import parse_record, render_json, render_record, render_solution, render_tagged

__all__ = [
    "MAX_REPAIR_CHARS",
    "Failure",
    "ParseFailure",
    "ParseForm",
    "ParsedChain",
    "Repair",
    "RepairCode",
    "parse_chain",
    "parse_record",
    "render_answer",
    "render_json",
    "render_record",
    "render_solution",
    "render_tagged",
    "split_answer",
]
