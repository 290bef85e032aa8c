"""The rules of the review, from the gravest to the mildest."""

from __future__ import annotations

from geoseek.schemas import DescribedCode


class Rule(DescribedCode):
    """Why an annotation is put before a reviewer; the order of the members is the order of the queue."""

    LEAK = "leak", "the text holds coordinates, a map address, a file name or talk of metadata"
    WRONG_COUNTRY = "wrong_country", "the country concluded is not the one where the picture was taken"
    LOW_AGREEMENT = "low_agreement", "annotators of the same sample conclude different places"
    NEAR_COPY = "near_copy", "the reasoning nearly equals another annotator's, or an earlier one of the same annotator"
    QUARANTINED = "quarantined", "the annotation came from somebody else than the annotator of the task, or twice"
    FAR_OFF = "far_off", "the region or place concluded is far from where the picture was taken"
    TOO_FAST = "too_fast", "the annotation took less time than reading the picture would"
    MISSING_CLUE = "missing_clue", "a stage names no clue, or only clues that fit anywhere"
    HALF_FILLED = "half_filled", "a stage or a required field was begun and not finished"

    @property
    def severity(self) -> int:
        """Return its place in the queue; 0 is the gravest."""
        return list(Rule).index(self)
