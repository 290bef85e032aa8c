"""Is it in the annotator's words? Guards on what a model made of free text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？।؟])|\n+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_NEGATIONS = {
    *("no", "not", "without", "never", "none", "nor"),
    *("kein", "keine", "keinen", "keiner", "ohne", "nicht"),
    *("pas", "sans", "aucun", "aucune", "sin", "ningun", "ninguna", "nao", "sem", "nenhum", "nenhuma"),
    *("non", "senza", "nessun", "nessuna", "нет", "не", "без", "bez", "nie", "yok"),
    *("geen", "niet", "zonder", "ingen", "inga", "inte", "ikke", "ei"),
}
_UNSPACED_NEGATIONS = ("不", "不是", "没有", "沒有", "并非")
_CLAUSE_END = re.compile(r"[.,;:!?…\n。，；：！？、।]")
_WORDS_BEFORE = 2
"""A negation that stands at most so many words before what is said, negates it."""
_LEAST_WORD_LIKENESS = 85.0
_FEWEST_LETTERS = 4

Meaning = Callable[[list[str], list[str]], list[float]]
"""Similarity in meaning of each of the first texts to the nearest of the second ones, 0..1."""


def fold(text: str) -> str:
    """Return a text in lower case, without accents, its words separated by single spaces.

    >>> fold("  Señal «PARE», ölig ")
    'senal pare olig'
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(_WORD.findall("".join(char for char in plain if not unicodedata.combining(char))))


def sentences(text: str) -> list[str]:
    r"""Split a text at full stops of many scripts and at line ends.

    >>> sentences("Left-hand traffic. Plates of 3.5 m?\n東京。左側通行。")
    ['Left-hand traffic.', 'Plates of 3.5 m?', '東京。', '左側通行。']
    """
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def is_negated(before: str) -> bool:
    """Return whether the last words before something, in the same clause, negate it.

    >>> [is_negated(text) for text in ("it is not in ", "not far from here lies ", "not Sweden: ", "这里不是")]
    [True, False, False, True]
    """
    clause = fold(_CLAUSE_END.split(before)[-1])
    return bool(_NEGATIONS & set(clause.split()[-_WORDS_BEFORE:])) or clause.endswith(_UNSPACED_NEGATIONS)


class Source:
    """The words of an annotator, against which others' are held.

    Args:
        text: What the annotator wrote.
        meaning: Compares by meaning, where a model for that is installed.
    """

    def __init__(self, text: str, meaning: Meaning | None = None) -> None:
        self.text = text
        self._clauses = tuple(clause for part in _CLAUSE_END.split(text) if (clause := fold(part)))
        self.folded = " ".join(self._clauses)
        self._meaning = meaning

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words in order, folded."""
        return tuple(self.folded.split())

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.words)

    def holds(self, claim: str, *, likeness: float, meaning: float = 1.1) -> bool:
        """Return whether the words say what a short claim says.

        The claim must align with a span of the text, letter by letter but for a few, or be near a sentence of it in
        meaning. A span that is negated in the text ("no bollards") does not support a claim that is not ("bollards").

        Args:
            claim: A clue or a name.
            likeness: Share of the letters that must align, 0..1.
            meaning: Least cosine; above 1, meaning does not count.

        >>> text = Source("No bollards, but a yelow centre line; Cyrillic letters on the shop.")
        >>> [text.holds(claim, likeness=0.85) for claim in ("yellow centre line", "bollards", "no bollards", "snow")]
        [True, False, True, False]
        """
        wanted = fold(claim)
        if not wanted:
            return False
        places = self._places(wanted)
        if places:
            return not all(self._is_negated(wanted, start) for start in places)
        if len(wanted) >= _FEWEST_LETTERS and len(wanted) <= len(self.folded):
            found = fuzz.partial_ratio_alignment(wanted, self.folded, score_cutoff=100 * likeness)
            if found is not None and self._is_whole(wanted, found.dest_start, found.dest_end, likeness):
                return not self._is_negated(wanted, found.dest_start)
        return self._means(claim, meaning)

    def says(self, sentence: str, *, share: float, meaning: float = 1.1) -> bool:
        """Return whether the words of a sentence, in any order, are for such a share those of the text.

        >>> Source("Yellow lines, so it is Norway").says("Norway has yellow lines.", share=0.7)
        True
        """
        words = fold(sentence).split()
        if not words:
            return False
        known = sum(self._knows(word) for word in words)
        return known >= share * len(words) or self._means(sentence, meaning)

    def invented(self, text: str) -> list[str]:
        """Return names and numbers of a text that the annotator did not write.

        Names are capitalised words inside a sentence, so those of scripts without capitals are not found; numbers are
        words with a digit.

        >>> Source("a church and yellow lines, 70 sign").invented("The church of Bergen, and a sign 70 near E16.")
        ['Bergen', 'E16']
        """
        found = []
        for sentence in sentences(text):
            for at, word in enumerate(_WORD.findall(sentence)):
                if any(char.isdigit() for char in word):
                    is_new = fold(word) not in self._known
                else:
                    is_new = word[0].isupper() and at > 0 and word != "I" and not self._knows(fold(word))
                if is_new:
                    found.append(word)
        return found

    def _knows(self, word: str) -> bool:
        if not word or word in self._known or (_UNSPACED.search(word) and word in self.folded):
            return True
        return len(word) >= _FEWEST_LETTERS and any(
            abs(len(word) - len(other)) <= 2 and fuzz.ratio(word, other) >= _LEAST_WORD_LIKENESS
            for other in self._known
        )

    def _places(self, wanted: str) -> list[int]:
        """Return where whole words say exactly this; in scripts without spaces, where its characters stand."""
        edges = ("", "") if _UNSPACED.search(wanted) else (r"(?<!\S)", r"(?!\S)")
        return [match.start() for match in re.finditer(edges[0] + re.escape(wanted) + edges[1], self.folded)]

    def _is_whole(self, wanted: str, start: int, end: int, likeness: float) -> bool:
        """Whether the claim is still like the span when the words at its ends are completed (lines, outlines)."""
        if _UNSPACED.search(wanted):
            return True
        first = self.folded.rfind(" ", 0, start + 1) + 1
        last = self.folded.find(" ", end - 1)
        return fuzz.ratio(wanted, self.folded[first : last if last >= 0 else None].strip()) >= 100 * likeness

    def _is_negated(self, wanted: str, start: int) -> bool:
        if _NEGATIONS & set(wanted.split()):
            return False
        begin = 0
        for clause in self._clauses:
            if begin + len(clause) > start:
                break
            begin += len(clause) + 1
        here = start if _UNSPACED.match(self.folded, start) else self.folded.rfind(" ", 0, start + 1) + 1
        return is_negated(self.folded[begin:here])

    def _means(self, claim: str, least: float) -> bool:
        if self._meaning is None or least > 1:
            return False
        return self._meaning([claim], sentences(self.text) or [self.text])[0] >= least


def nearest_by(similarity_matrix: Callable[[list[str], list[str]], npt.NDArray[np.float32]]) -> Meaning:
    """Make a `Meaning` of an embedder's `similarity_matrix`."""

    def nearest(claims: list[str], texts: list[str]) -> list[float]:
        nearest_ones: list[float] = similarity_matrix(claims, texts).max(axis=1).tolist()
        return nearest_ones

    return nearest
