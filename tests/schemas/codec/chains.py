"""Chains for the codec's tests."""

from __future__ import annotations

from hypothesis import strategies as st

from geoseek.schemas import ChainOfThought, Stage, Uncertainty

NASTY = (
    *(
        "</think>",
        "<answer>",
        "</answer>",
        "<THINK >",
        "&lt;/answer>",
        "&amp;lt;answer>",
        "```json",
        "{",
        "}",
        '"',
        "'",
    ),
    *(
        "\\",
        "\\u003c",
        "\\ud83d",
        "\n",
        "\r\n",
        "\x00",
        "；",
        "; ",
        "：",
        "\ufeff",
        "\u2028",
        "😀",
        "שלום",
        "السلام",
        "東京",
    ),
    *("null", '", "Conclusion": "', "<script>alert(1)</script>"),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.lists(st.sampled_from(NASTY), max_size=4).map("".join),
)
STAGES = st.builds(
    Stage,
    clues=st.lists(TEXTS, max_size=3).map(tuple),
    reasoning=TEXTS,
    conclusion=TEXTS,
    uncertainty=st.sampled_from(Uncertainty),
)
CHAINS = st.builds(
    ChainOfThought,
    country=STAGES,
    region=st.none() | STAGES,
    precise=st.none() | STAGES,
    final_answer=TEXTS,
)


def example_chain() -> ChainOfThought:
    """Return a chain of ordinary words."""
    return ChainOfThought(
        country=Stage(
            clues=("yellow rear plates", "a sign in Bulgarian"),
            reasoning="It's Cyrillic, and the plates have a blue band.",
            conclusion="Bulgaria",
            uncertainty=Uncertainty.LOW,
        ),
        region=Stage(
            clues=("tobacco fields",),
            reasoning="Tobacco grows in the south.",
            conclusion="Plovdiv",
            uncertainty=Uncertainty.MODERATE,
        ),
        final_answer="Bulgaria; Plovdiv",
    )
