"""Free text into stages by rules: nothing is written that the annotator has not written.

The rules find sentences, labels ("Clues: ..."), and names that the gazetteer knows. What they cannot find they leave
out, and where they would have to guess the country they give up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from geoseek.geo import Gazetteer, Level
from geoseek.pipelines.curate.guards import fold, is_negated, sentences
from geoseek.pipelines.curate.words import LABELS, SURENESS, VERDICTS, Label
from geoseek.schemas import ChainOfThought, Stage, Uncertainty, render_answer, split_answer

_LABELLED = re.compile(r"^\s*[-*•]?\s*([^\s:：][^:：.;]{0,24}?)\s*[:：]\s*(\S.*)$", re.DOTALL)
_TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_UNSPACED_RUN = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+")
_LIST = re.compile(r"\s*[,;，；、•]\s*")
_CLAUSE = re.compile(r"\s*[,;:，；：、–—]\s*|\s+-\s+")
_READ_CHARACTERS = 5_000
_LONGEST_NAME_WORDS = 6  # Democratic Republic of the Congo has five
_LONGEST_UNSPACED_NAME = 7
_FEWEST_NAME_LETTERS = 4
_SHORT_NAMES = frozenset({"USA", "UK", "UAE", "US"})
_FEWEST_CLUE_LETTERS = 4


class NotStandardisedError(Exception):
    """Free text that cannot be brought into stages; says why."""


@dataclass(frozen=True)
class Mention:
    """A place that a text names.

    Attributes:
        name: As written.
        country_code: Where it lies.
        start: Where in the text.
    """

    name: str
    country_code: str
    start: int


@dataclass(frozen=True)
class _Line:
    """A sentence, or what follows a label."""

    text: str
    label: Label | None
    body: str

    @property
    def is_verdict(self) -> bool:
        return self.label is Label.ANSWER or _has_any(fold(self.body), VERDICTS)


def split_note(note: str, gazetteer: Gazetteer) -> ChainOfThought:
    """Bring free text into stages, in the annotator's own words.

    The country is what a label or an answer line names; else the only country that is named and not negated; else the
    only one in a sentence that announces a conclusion. Region and place count only beside the country or under a
    label, and only if the gazetteer has them in that country.

    Args:
        note: The text; the first 5,000 characters are read.
        gazetteer: Knows the names.

    Raises:
        NotStandardisedError: No country is named, or several and none as the conclusion.
    """
    lines = [_line(text) for text in sentences(note[:_READ_CHARACTERS])]
    country = _country(lines, gazetteer)
    region, precise = _finer(lines, country, gazetteer)
    clues = list(_clues(lines, [name for name in (country.name, region, precise) if name]))
    spoken = [line.text for line in lines]
    sure = _uncertainty(note)
    country_clues = [clue for clue in clues if not any(name and name in clue for name in (region, precise))]
    return ChainOfThought(
        country=_stage(country_clues, spoken, country.name, sure),
        region=_finer_stage(region, lines, clues, sure),
        precise=_finer_stage(precise, lines, clues, sure),
        final_answer=render_answer([country.name, region or "", precise or ""]),
    )


def countries_named(text: str, gazetteer: Gazetteer) -> list[Mention]:
    """Return the countries that a text names without negating them, in their order.

    A country's name inside the name of a region (Northern Ireland, New Mexico) does not count.
    """
    found: list[Mention] = []
    end = 0
    for name, start in _possible_names(text[:_READ_CHARACTERS]):
        if start < end:
            continue
        location = gazetteer.locate(name, allow_fuzzy=False)
        if location.level is Level.COUNTRY and not is_negated(text[:start]):
            found.append(Mention(name, location.country_code, start))
        if location.level is Level.COUNTRY or (location.level is Level.REGION and " " in name):
            end = start + len(name)
    return found


def _line(text: str) -> _Line:
    match = _LABELLED.match(text)
    if match is not None:
        word = fold(match[1])
        for label, words in LABELS.items():
            if word in words:
                return _Line(text, label, match[2].strip())
    return _Line(text, None, text)


def _country(lines: list[_Line], gazetteer: Gazetteer) -> Mention:
    for line in lines:
        parts = split_answer(line.body)
        if line.label in (Label.COUNTRY, Label.ANSWER) or len(parts) > 1:
            named = countries_named(parts[0], gazetteer) if parts else []
            if len({mention.country_code for mention in named}) == 1 and line.label is not Label.CLUES:
                return named[0]
    by_line = [(line, countries_named(line.body, gazetteer)) for line in lines]
    everywhere = [mention for _, mentions in by_line for mention in mentions]
    concluded = [mention for line, mentions in by_line if line.is_verdict for mention in mentions]
    for mentions in (everywhere, concluded):
        if len({mention.country_code for mention in mentions}) == 1:
            return mentions[0]
    if not everywhere:
        raise NotStandardisedError("no country is named")
    names = ", ".join(dict.fromkeys(mention.name for mention in everywhere))
    raise NotStandardisedError(f"several countries are named ({names}), and none of them alone as the conclusion")


def _finer(lines: list[_Line], country: Mention, gazetteer: Gazetteer) -> tuple[str | None, str | None]:
    """Return the region and the place that are concluded."""
    found: dict[Label, str] = {}
    for line in lines:
        if line.label in (Label.REGION, Label.PRECISE):
            found.setdefault(line.label, _LIST.split(line.body)[0].rstrip(".。"))
    for line in lines:
        if line.label in (Label.CLUES, Label.REASONING) or country.name not in line.text:
            continue
        if not (line.is_verdict or line.label is Label.COUNTRY or len(split_answer(line.body)) > 1):
            continue
        for name, start in _possible_names(line.body):
            if name in country.name or (start == 0 and line.label is None and len(split_answer(line.body)) < 2):
                continue
            location = gazetteer.locate(f"{country.name}; {name}", allow_fuzzy=False)
            if location.matched != name or is_negated(line.body[:start]):
                continue
            if location.level is Level.REGION:
                found.setdefault(Label.REGION, name)
            elif location.level is Level.PLACE and name not in found.values():
                found.setdefault(Label.PRECISE, name)
    return found.get(Label.REGION), found.get(Label.PRECISE)


def _possible_names(text: str) -> Iterator[tuple[str, int]]:
    """Yield what may be a name with its place: capitalised words with those after them; pieces of unspaced runs.

    Longer ones come before shorter ones that start at the same place.
    """
    words = list(_TOKEN.finditer(text))
    for at, word in enumerate(words):
        run = _UNSPACED_RUN.fullmatch(word[0])
        if run is not None:
            yield from _pieces(word[0], word.start())
        elif word[0][0].isupper() or not (word[0][0].islower() or word[0][0].isdigit()):
            for last in range(_end_of_phrase(text, words, at), at - 1, -1):
                name = text[word.start() : words[last].end()]
                letters = sum(char.isalpha() for char in name)
                if letters >= _FEWEST_NAME_LETTERS or name in _SHORT_NAMES or not name.isascii():
                    yield name, word.start()


def _end_of_phrase(text: str, words: list[re.Match[str]], at: int) -> int:
    """Return the last of up to six words that nothing but space divides."""
    last = at
    while last + 1 < min(len(words), at + _LONGEST_NAME_WORDS):
        if text[words[last].end() : words[last + 1].start()].strip():
            break
        last += 1
    return last


def _pieces(run: str, start: int) -> Iterator[tuple[str, int]]:
    for at in range(len(run)):
        for size in range(min(_LONGEST_UNSPACED_NAME, len(run) - at), 1, -1):
            yield run[at : at + size], start + at


def _clues(lines: list[_Line], names: list[str]) -> Iterator[str]:
    labelled = [line for line in lines if line.label is Label.CLUES]
    if labelled:
        yield from dict.fromkeys(
            clue.rstrip(".。").strip() for line in labelled for clue in _LIST.split(line.body) if clue
        )
        return
    seen = set()
    for line in lines:
        if line.label is not None:
            continue
        parts = _CLAUSE.split(line.body) if line.is_verdict else [line.body]
        for part in parts:
            clue = part.strip().rstrip(".!?。！？।").strip()
            concludes = line.is_verdict and (any(name in clue for name in names) or fold(clue) in VERDICTS)
            if sum(char.isalnum() for char in clue) >= _FEWEST_CLUE_LETTERS and not concludes and clue not in seen:
                seen.add(clue)
                yield clue


def _finer_stage(name: str | None, lines: list[_Line], clues: list[str], sure: Uncertainty) -> Stage | None:
    if name is None:
        return None
    return _stage(
        [clue for clue in clues if name in clue], [line.text for line in lines if name in line.text], name, sure
    )


def _stage(clues: list[str], spoken: list[str], conclusion: str, sure: Uncertainty) -> Stage:
    return Stage(clues=tuple(clues), reasoning=" ".join(spoken), conclusion=conclusion, uncertainty=sure)


def _uncertainty(note: str) -> Uncertainty:
    """Return how sure the note sounds; moderate where it does not say."""
    folded = fold(note[:_READ_CHARACTERS])
    return next((level for level, words in SURENESS.items() if _has_any(folded, words)), Uncertainty.MODERATE)


def _has_any(folded: str, words: frozenset[str]) -> bool:
    padded = f" {folded} "
    return any(f" {word} " in padded or (not word.isascii() and word in folded) for word in words)
