"""Completions for the tests of the consistency reward and the plugin."""

from __future__ import annotations

from geoseek.schemas import ChainOfThought, Stage, Uncertainty
from geoseek.training.rewards.base import Truth

LONG = "The road signs are in Spanish, kerbs are painted yellow, and the hills are bare. " * 3
TRUTH = Truth(solution="<answer> Peru; Cusco; Ollantaytambo </answer>", country_code="PE", id="a:1")


def stage(conclusion: str, reasoning: str = LONG) -> Stage:
    return Stage(clues=("a sign",), reasoning=reasoning, conclusion=conclusion, uncertainty=Uncertainty.LOW)


def chain(
    country: str = "Peru", region: str | None = "Cusco", precise: str | None = "Pisac", reasoning: str = LONG
) -> ChainOfThought:
    later = {name: None if said is None else stage(said, reasoning) for name, said in
             (("region", region), ("precise", precise))}  # fmt: skip
    return ChainOfThought(country=stage(country, reasoning), final_answer="Peru; Cusco; Pisac", **later)
