"""Are there the GPUs that a recipe is meant for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from geoseek.training.command import machine_count
from geoseek.training.preflight.findings import Check, Finding, fault, ok, warning
from geoseek.training.preflight.machine import Machine
from geoseek.training.recipes import CPU_ONLY, Recipe

_AMPERE = (8, 0)
_GB = 10**9


def check_gpus(
    recipe: Recipe, stages: Sequence[str], machine: Machine, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield how the GPUs of this machine fit the recipe; of a run on several machines this one is looked at.

    Args:
        recipe: The recipe.
        stages: Stages that will run.
        machine: This machine.
        environment: `NNODES` says how many machines take part.
    """
    if machine.fault is not None:
        return
    if recipe.gpus == CPU_ONLY:
        yield ok(Check.GPUS, "The recipe runs on the CPU.")
        return
    machines = machine_count(environment)
    here = -(-recipe.gpus // machines)
    if not machine.gpus:
        built = "torch finds none" if machine.cuda else "this torch was built without CUDA"
        yield fault(
            Check.GPUS,
            f"The recipe is made for {recipe.gpus} GPUs; {built}.",
            "Look at nvidia-smi and CUDA_VISIBLE_DEVICES. To try the commands without a GPU, use --recipe cpu-smoke.",
        )
        return
    seen = f"{len(machine.gpus)} x {machine.gpus[0].name} with {machine.gpus[0].total_bytes / _GB:.0f} GB"
    if len(machine.gpus) < here:
        yield fault(
            Check.GPUS,
            f"The recipe is made for {here} GPUs on this machine; there are {seen}.",
            f"Set gpus={len(machine.gpus) * machines}, and multiply gradient_accumulation_steps by "
            f"{here / len(machine.gpus):g} to keep the size of a step.",
        )
    else:
        yield ok(Check.GPUS, f"{seen}; the recipe uses {here}.")
    yield from _abilities(recipe, stages, machine)


def _abilities(recipe: Recipe, stages: Sequence[str], machine: Machine) -> Iterator[Finding]:
    weakest = min(machine.gpus, key=lambda gpu: gpu.capability)
    if weakest.capability >= _AMPERE:
        return
    if recipe.torch_dtype == "bfloat16":
        yield warning(
            Check.GPUS, f"{weakest.name} has no fast bfloat16.", "Set torch_dtype=float16, or use a newer GPU."
        )
    if any("flash" in str(recipe.stages[name].swift.get("attn_impl", "")) for name in stages):
        yield fault(Check.GPUS, f"{weakest.name} cannot run flash attention.", "Set attn_impl=sdpa.")
