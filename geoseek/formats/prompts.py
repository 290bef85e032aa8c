"""What models are asked; training and inference use the same words as the files written for them."""

from __future__ import annotations

from geoseek.schemas import ChainOfThought, Stage, Uncertainty, render_json, render_tagged

_LEVELS = " | ".join(level.value for level in Uncertainty)
_SHAPE = ChainOfThought(
    country=Stage(
        clues=("what is seen, one clue each",),
        reasoning="how the clues lead to a country",
        conclusion="the country",
        uncertainty=Uncertainty.LOW,
    ),
    region=Stage(
        clues=("what tells this part of the country from others",),
        reasoning="how the clues narrow it down",
        conclusion="the state, province or landscape",
        uncertainty=Uncertainty.MODERATE,
    ),
    precise=Stage(
        clues=("names, signs, shapes of the ground",),
        reasoning="how the clues point to one spot",
        conclusion="the town, road or spot",
        uncertainty=Uncertainty.HIGH,
    ),
    final_answer="Country; Region; Specific Location",
)

SYSTEM = (
    "You find out where a picture was taken. You look at scripts and signs, roads and vehicles, houses, plants, "
    "landforms and light, you go from the country to the region to the spot, and you say how sure you are. You rely "
    "on what the picture shows, not on file names or hidden data."
)

SFT_QUESTION = (
    "Where was this picture taken? Answer with one JSON object and nothing else, of this shape, where every "
    f"Uncertainty is one of {_LEVELS}. Leave out a stage that the picture does not allow.\n{render_json(_SHAPE)}"
)

GRPO_QUESTION = (
    "Where was this picture taken? Think in stages inside <think>, as one JSON object, and give the place inside "
    f"<answer>, in English and in this form, where every Uncertainty is one of {_LEVELS}:\n{render_tagged(_SHAPE)}"
)

JUDGE_SYSTEM = "You check whether a claim about where a picture was taken is right."


def judge_question(reasoning: str, answer: str) -> str:
    """Return the question whether a prediction is right, to be answered with True or False."""
    return (
        "A model was asked where this picture was taken. Decide whether its answer is right, from the picture and "
        f"its reasoning. Reply with True or False alone.\nReasoning: {reasoning}\nAnswer: {answer}"
    )


ZOOM_TOOL, SEARCH_TOOL = "image_zoom_in_tool", "search_web"

TOOLS_SYSTEM = (
    f"{SYSTEM}\nTwo tools are at hand. {ZOOM_TOOL} cuts out a part of the picture; its argument bbox_2d is "
    f"[x1, y1, x2, y2] in pixels of the whole picture. {SEARCH_TOOL} looks something up on the web; its argument is "
    "query. To use one, write your thoughts in <think></think> and then a JSON object with name and arguments in "
    "<tool_call></tool_call>; the result comes in <tool_response></tool_response>. When you know enough, write your "
    "thoughts in <think></think> and the place in <answer></answer>."
)
TOOLS_QUESTION = "Where was this picture taken? Answer as Country; Region; Place."
