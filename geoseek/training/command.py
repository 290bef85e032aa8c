"""The call of ms-swift that runs one stage of a recipe."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from geoseek.schemas import UsageError
from geoseek.training.recipes import CPU_ONLY, Recipe, StageRecipe, SwiftValue
from geoseek.training.rewards import PLUGIN_PATH, REWARDS_VARIABLE
from geoseek.training.tiny import TINY_TEMPLATE, TINY_TEMPLATE_PATH

CLUSTER_VARIABLES = ("NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Set by the user on every machine of a cluster; ms-swift hands them to torchrun."""

_LAUNCHER = "swift.cli.main"
_DEFAULTS: dict[str, SwiftValue] = {
    "use_hf": True,  # names of models mean Hugging Face; ms-swift's own default is ModelScope
    "check_model": False,  # asks the hub three times whether local files are the newest
    "split_dataset_ratio": 0,  # no row is held back: the export has its own val split
    "load_from_cache_file": False,
    "strict": True,  # a row that cannot be used stops the run; else ms-swift takes another one in silence
    "report_to": "tensorboard",
}
_SEEDS = 2**32
"""NumPy takes no larger seed."""


@dataclass(frozen=True)
class StagePaths:
    """Where a stage finds its input and leaves its output.

    Attributes:
        data: JSONL file of the rows; paths of pictures in it start from its folder.
        output: Folder of ms-swift's own output (`--output_dir`).
        rewards: File with the settings of the rewards; None for stages without rewards.
        model: Folder or hub name of the whole model to start from.
        adapter: Folder of the adapter on top of it that an earlier stage left; None if there is none.
    """

    data: Path
    output: Path
    rewards: Path | None
    model: str
    adapter: str | None


@dataclass(frozen=True)
class SwiftCommand:
    """A call of ms-swift.

    Attributes:
        arguments: What follows after `swift`.
        env: Environment variables that are set for it, over those of the caller.
    """

    arguments: tuple[str, ...]
    env: dict[str, str]

    @property
    def argv(self) -> tuple[str, ...]:
        """The words to run: ms-swift's `swift` command, started in the running interpreter's environment."""
        return (sys.executable, "-m", _LAUNCHER, *self.arguments)

    def shell(self) -> str:
        r"""Return the call as text for a POSIX shell.

        >>> print(SwiftCommand(("sft", "--model", "my model", "--max_steps", "2"), {"MAX_PIXELS": "784"}).shell())
        MAX_PIXELS=784 \
        swift sft \
            --model 'my model' \
            --max_steps 2
        """
        words = [f"{name}={shlex.quote(value)}" for name, value in self.env.items()]
        lines = list(_by_option(self.arguments))
        return " \\\n".join([*words, f"swift {lines[0]}", *(f"    {line}" for line in lines[1:])])

    def relative_to(self, folder: Path) -> SwiftCommand:
        """Return the same call with paths as seen from a folder, for manifests: equal on every machine.

        Files of the installed GeoSeek become `geoseek/...`.
        """
        roots = (folder.resolve(), Path(__file__).resolve().parents[2])
        return replace(
            self,
            arguments=tuple(_shortened(word, roots) for word in self.arguments),
            env={name: _shortened(value, roots) for name, value in self.env.items()},
        )


def stage_command(
    recipe: Recipe,
    stage_name: str,
    paths: StagePaths,
    *,
    seed: int = 0,
    resume_from: Path | None = None,
    nproc: int | None = None,
    environ: Mapping[str, str] = os.environ,
) -> SwiftCommand:
    """Return the call of ms-swift for a stage.

    A stage that trains an adapter goes on with the adapter of the stage before (`--adapters`). For GRPO the same
    adapter, frozen, is the reference of the KL term (`--ref_adapters`). Where all weights are trained, ms-swift takes
    `--model` itself as the reference.

    Args:
        recipe: The recipe.
        stage_name: One of its stages.
        paths: Input and output of the stage.
        seed: Seed of weights, sampling and order of rows.
        resume_from: Checkpoint of this same stage to go on from, with the state of the optimizer.
        nproc: Processes on this machine, one per GPU; None: the recipe's GPUs divided by the machines (`NNODES`).
        environ: The caller's environment.

    Raises:
        UsageError: The stage trains all weights but starts from an adapter, or the GPUs cannot be divided among
            the machines.
    """
    stage = recipe.stages[stage_name]
    options: dict[str, SwiftValue] = {
        "model": paths.model,
        "model_type": recipe.model_type,
        "template": recipe.template,
        "torch_dtype": recipe.torch_dtype,
        **_start(stage, paths, resume_from),
        "dataset": str(paths.data),
        "output_dir": str(paths.output),
        "logging_dir": str(paths.output / "runs"),
        "add_version": False,
        "seed": seed % _SEEDS,
        "data_seed": seed % _SEEDS,
        **_plugin_options(recipe, stage),
        **_reward_options(stage),
        **_DEFAULTS,
        **stage.swift,
    }
    verb = ("sft",) if stage.method == "sft" else ("rlhf", "--rlhf_type", "grpo")
    words = (word for name, value in options.items() for word in (f"--{name}", *_words(value)))
    env = {
        "ROOT_IMAGE_DIR": str(paths.data.parent),
        **_devices(recipe, nproc, environ),
        **recipe.environment(stage_name),
    }
    if paths.rewards is not None:
        env[REWARDS_VARIABLE] = str(paths.rewards)
    return SwiftCommand((*verb, *words), env)


def _start(stage: StageRecipe, paths: StagePaths, resume_from: Path | None) -> dict[str, SwiftValue]:
    options: dict[str, SwiftValue] = {}
    if paths.adapter is not None and not stage.trains_adapter:
        raise UsageError(
            f"This stage trains all weights, but starts from the adapter {paths.adapter}.",
            hint="Train an adapter here as well, or merge it first: swift export --adapters DIR --merge_lora true",
        )
    if resume_from is not None:
        options["resume_from_checkpoint"] = str(resume_from)
    elif paths.adapter is not None:
        options["adapters"] = paths.adapter
    if paths.adapter is not None and stage.method == "grpo" and stage.swift.get("beta") != 0:
        options["ref_adapters"] = paths.adapter
    return options


def _plugin_options(recipe: Recipe, stage: StageRecipe) -> dict[str, SwiftValue]:
    """Return the Python files that ms-swift loads before it reads its other arguments."""
    template = [str(TINY_TEMPLATE_PATH)] if recipe.template == TINY_TEMPLATE else []
    rewards = [str(PLUGIN_PATH)] if stage.rewards.used() else []
    return {"external_plugins": [*template, *rewards]} if template or rewards else {}


def _reward_options(stage: StageRecipe) -> dict[str, SwiftValue]:
    rewards = stage.rewards.used()
    if not rewards:
        return {}
    return {
        "reward_funcs": list(rewards),
        "reward_weights": [settings.weight for settings in rewards.values()],
    }


def _devices(recipe: Recipe, nproc: int | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that spread a run over GPUs and machines.

    ms-swift would spread one process over all the GPUs that it sees, so just as many are shown as there are processes.
    """
    if nproc is None and recipe.gpus == CPU_ONLY:
        return {"CUDA_VISIBLE_DEVICES": ""}
    cluster = {name: value for name in CLUSTER_VARIABLES if (value := environ.get(name, "").strip())}
    machines = machine_count(environ)
    if nproc is None and recipe.gpus % machines:
        raise UsageError(
            f"Recipe {recipe.name}: {machines} machines (NNODES) cannot share {recipe.gpus} GPUs evenly.",
            hint="Set gpus to a multiple of NNODES: --set gpus=N",
        )
    here = nproc if nproc is not None else recipe.gpus // machines
    visible = environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(here))))
    processes = {"NPROC_PER_NODE": str(here)} if here > 1 or machines > 1 else {}
    return {"CUDA_VISIBLE_DEVICES": visible, **processes, **cluster}


def machine_count(environ: Mapping[str, str]) -> int:
    """Return how many machines take part in a run (`NNODES`).

    Raises:
        UsageError: The variable is set and is no number above 0.
    """
    given = environ.get("NNODES", "").strip() or "1"
    if not given.isdecimal() or int(given) < 1:
        raise UsageError(f"NNODES is {given!r}.", hint="Set it to the number of machines, or unset it.")
    return int(given)


def _words(value: SwiftValue) -> list[str]:
    """Return the words of a value on ms-swift's command line.

    >>> _words(True), _words([1.5, 1.0]), _words({"min_lr": 1e-6}), _words(1e-05)
    (['true'], ['1.5', '1.0'], ['{"min_lr": 1e-06}'], ['1e-05'])
    """
    if isinstance(value, list):
        return [word for part in value for word in _words(part)]
    if isinstance(value, dict):
        return [json.dumps(value, ensure_ascii=False)]
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def _by_option(arguments: tuple[str, ...]) -> Iterator[str]:
    """Yield the words before the first option, then every option with its values."""
    line: list[str] = []
    for word in arguments:
        if word.startswith("--") and line:
            yield shlex.join(line)
            line = []
        line.append(word)
    yield shlex.join(line)


def _shortened(word: str, roots: tuple[Path, ...]) -> str:
    if not Path(word).is_absolute():
        return word
    for root in roots:
        for path in (Path(word), Path(word).resolve()):
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
    return word
