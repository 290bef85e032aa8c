"""Texts that every table, page and file can hold: control characters out, empty clues out, boxes kept in step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from geoseek.schemas import ChainOfThought, ClueBox, Stage, StageName

# C0 and C1 but tab and line feed; surrogates and noncharacters, which UTF-8 or XML cannot carry.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n?")


class UnusableTextError(Exception):
    """An annotation's text cannot be stored; says why."""


@dataclass(frozen=True)
class CleanChain:
    """A chain whose texts can be stored.

    Attributes:
        chain: The chain.
        boxes: Its boxes; those of clues that went lose their clue.
        controls: Control characters that were removed.
    """

    chain: ChainOfThought
    boxes: tuple[ClueBox, ...]
    controls: int


def clean_text(text: str) -> str:
    r"""Return a text without control characters and surrounding white space; line ends become Unix ones.

    >>> clean_text(" Straße\x00 naß \r\n\x1b[31m ")
    'Straße naß \n[31m'
    """
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text)).strip()


def clean_chain(chain: ChainOfThought, boxes: Sequence[ClueBox], *, longest_chars: int) -> CleanChain:
    """Clean all texts of a chain and its boxes.

    Stages without any words are left out; clues that are empty or stand there twice, too.

    Args:
        chain: As it was written.
        boxes: Drawn on the picture.
        longest_chars: A longer text makes the chain unusable.

    Raises:
        UnusableTextError: A text is too long, or the country or the final answer has no words.
    """
    for where, text in (*chain_texts(chain), *(("the note of a clue box", box.note or "") for box in boxes)):
        require_length(where, text, longest_chars)
    kept: dict[StageName, list[int]] = {}
    stages: dict[str, Stage] = {}
    for name, stage in chain.stages().items():
        clues = [clean_text(clue) for clue in stage.clues]
        kept[name] = [at for at, clue in enumerate(clues) if clue and clue not in clues[:at]]
        clean = stage.model_copy(
            update={
                "clues": tuple(clues[at] for at in kept[name]),
                "reasoning": clean_text(stage.reasoning),
                "conclusion": clean_text(stage.conclusion),
            }
        )
        if clean.clues or clean.reasoning or clean.conclusion:
            stages[name.value] = clean
    country, answer = stages.pop(StageName.COUNTRY.value, None), clean_text(chain.final_answer)
    if country is None or not country.conclusion or not answer:
        raise UnusableTextError(f"no words in the {'final answer' if not answer else 'conclusion of the country'}")
    controls = sum(len(_CONTROLS.findall(_LINE_ENDS.sub("\n", text))) for _, text in chain_texts(chain))
    return CleanChain(
        ChainOfThought(
            country=country, region=stages.get("region"), precise=stages.get("precise"), final_answer=answer
        ),
        tuple(_clean_boxes(boxes, kept, stages.keys() | {StageName.COUNTRY.value})),
        controls,
    )


def require_length(where: str, text: str, longest_chars: int) -> None:
    """Refuse a text that is too long.

    Raises:
        UnusableTextError: It is.
    """
    if len(text) > longest_chars:
        raise UnusableTextError(f"{where} has {len(text):,} characters, more than {longest_chars:,}")


def chain_texts(chain: ChainOfThought) -> Iterator[tuple[str, str]]:
    """Yield every text of a chain with the place where it stands."""
    for name, stage in chain.stages().items():
        yield from ((f"a clue of the {name}", clue) for clue in stage.clues)
        yield f"the reasoning of the {name}", stage.reasoning
        yield f"the conclusion of the {name}", stage.conclusion
    yield "the final answer", chain.final_answer


def _clean_boxes(
    boxes: Iterable[ClueBox], kept: dict[StageName, list[int]], stages: Iterable[str]
) -> Iterator[ClueBox]:
    """Point boxes at the clues that are left; a box of a stage that went goes with it."""
    for box in boxes:
        if box.stage.value not in stages:
            continue
        places = kept.get(box.stage, [])
        index = places.index(box.clue_index) if box.clue_index in places else None
        note = None if box.note is None else clean_text(box.note) or None
        yield box.model_copy(update={"clue_index": index, "note": note})
