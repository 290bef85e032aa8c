"""What a training is asked for, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from geoseek.schemas import UsageError, unknown_name
from geoseek.training.data import DataSource
from geoseek.training.recipes import Recipe
from geoseek.training.rewards.settings import AgentPolicy
from geoseek.workspace import read_manifest

StageState = Literal["trained", "resumed", "up to date"]
MODEL_FOLDER = "model"
SWIFT_FOLDER = "swift"
DATA_FOLDER = "data"
CURVES_PICTURE = "curves.png"


def _silent(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class TrainRequest:
    """What to train.

    Attributes:
        workspace: The workspace.
        recipe: The recipe, with all overrides.
        source: Where the rows come from.
        output: Folder of the run.
        seed: Seed of weights, sampling and order of rows.
        stages: Names or methods (`sft`, `grpo`) of the stages to run; none means all, in the order of the recipe.
        resume: Go on with an interrupted stage from its newest checkpoint.
        force: Train the stages anew, whatever the folder holds.
        say: Told in a sentence what is being done.
    """

    workspace: Path
    recipe: Recipe
    source: DataSource
    output: Path
    seed: int = 0
    stages: tuple[str, ...] = ()
    resume: bool = False
    force: bool = False
    say: Callable[[str], None] = field(default=_silent, repr=False)

    def __post_init__(self) -> None:
        if self.resume and self.force:
            raise UsageError("--resume and --force contradict each other.", hint="Give one of them.")

    def selected(self) -> tuple[str, ...]:
        """Return the names of the stages to run, in the order of the recipe.

        Raises:
            UsageError: A name that is neither a stage nor the method of one.
        """
        known = self.recipe.stages
        methods = {stage.method for stage in known.values()}
        for name in self.stages:
            if name not in known and name not in methods:
                raise unknown_name(f"stage of recipe {self.recipe.name}:", name, known)
        wanted = {
            name
            for given in self.stages
            for name in known
            if given == name or (given not in known and given == known[name].method)
        }
        return tuple(name for name in known if not self.stages or name in wanted)

    def check_output(self) -> None:
        """Check that the folder of the run holds nothing else: a run has a `manifest.json` and a `data/` too.

        Raises:
            UsageError: It holds an export, a workspace, or other files.
            InputError: Its manifest is damaged.
        """
        if not self.output.is_dir():
            return
        manifest = read_manifest(self.output)
        if manifest is None:
            ours = any(self.folder(name).exists() or self.data_folder(name).exists() for name in self.recipe.stages)
            foreign = not ours and any(not path.name.startswith(".") for path in self.output.iterdir())
        else:
            foreign = not {"recipe", "stages"} <= manifest.keys()
        if foreign:
            raise UsageError(
                f"{self.output} holds other things than a training.",
                hint="Name a new or empty folder with --output, or the folder of an earlier run.",
            )

    def folder(self, stage: str) -> Path:
        """Return the folder of a stage."""
        return self.output / stage

    def swift_output(self, stage: str) -> Path:
        """Return ms-swift's output folder of a stage."""
        return self.folder(stage) / SWIFT_FOLDER

    def data_folder(self, stage: str) -> Path:
        """Return the folder of a stage's rows."""
        return self.output / DATA_FOLDER / stage


@dataclass(frozen=True)
class StageOutcome:
    """What became of a stage.

    Attributes:
        name: Its name.
        state: `trained`, `resumed`, or `up to date`.
        rows: Rows that it learnt from.
        steps: Steps that were done.
        first: The first figures that were logged: name -> value.
        last: The last ones.
        checkpoint: Folder of its weights.
    """

    name: str
    state: StageState
    rows: int
    steps: int
    first: Mapping[str, float]
    last: Mapping[str, float]
    checkpoint: Path


@dataclass(frozen=True)
class TrainResult:
    """What a training left.

    Attributes:
        output: Folder of the run; `checkpoint.json` in it names the model.
        stages: One per stage that was asked for.
        curves: The picture of the curves; None where nothing was logged.
        notices: What the reader must know, in sentences.
    """

    output: Path
    stages: tuple[StageOutcome, ...]
    curves: Path | None
    notices: tuple[str, ...]

    @property
    def up_to_date(self) -> bool:
        """Whether everything was there already; not on machines that join another one's run."""
        return bool(self.stages) and all(stage.state == "up to date" for stage in self.stages)


def with_agent_policy(recipe: Recipe, policy: AgentPolicy) -> Recipe:
    """Return the recipe with another answer to an agent that cannot be reached.

    Raises:
        UsageError: No stage asks an agent.
    """
    stages = {}
    for name, stage in recipe.stages.items():
        consistency = stage.rewards.geo_consistency
        if consistency is not None:
            asked = stage.rewards.model_copy(
                update={"geo_consistency": consistency.model_copy(update={"on_agent_error": policy})}
            )
            stages[name] = stage.model_copy(update={"rewards": asked})
    if not stages:
        raise UsageError(
            f"Recipe {recipe.name} asks no agent, so --on-agent-error has no meaning.",
            hint="Only the reward geo_consistency asks one.",
        )
    return recipe.model_copy(update={"stages": {**recipe.stages, **stages}})
