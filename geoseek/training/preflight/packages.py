"""Are the packages there that a recipe needs, in versions that fit it?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from geoseek.training.preflight.findings import Check, Finding, fault, ok, warning
from geoseek.training.preflight.machine import Machine
from geoseek.training.preflight.values import switched_on
from geoseek.training.recipes import Recipe, StageRecipe
from geoseek.workspace import installed_versions

SWIFT = "ms-swift"
SWIFT_TESTED = (4, 6)
"""Version of ms-swift that the recipes were written for; another major version names its arguments differently."""

_TRAIN_EXTRA = "pip install 'geoseek[train]'"
_CORE = ("torch", "torchvision", SWIFT, "transformers", "peft")
_GRPO = ("trl", "msgspec")
_LIGHT_OPTIMIZERS = ("8bit", "paged")


@dataclass(frozen=True)
class Need:
    """A package and why it is needed.

    Attributes:
        package: Its name in an index.
        reason: The setting that needs it.
        remedy: How to do without, or how to get it.
    """

    package: str
    reason: str
    remedy: str


def needs_of(recipe: Recipe, stages: Sequence[str]) -> tuple[Need, ...]:
    """Return the packages that some stages need, each once."""
    needs = [Need(name, "training", _TRAIN_EXTRA) for name in _CORE]
    if recipe.model_type.startswith("qwen") and "vl" in recipe.model_type:
        needs.append(Need("qwen-vl-utils", f"model_type {recipe.model_type}", _TRAIN_EXTRA))
    for name in stages:
        needs += _needs_of_stage(recipe.stages[name])
    return tuple({need.package: need for need in reversed(needs)}.values())[::-1]


def _needs_of_stage(stage: StageRecipe) -> Iterator[Need]:
    swift = stage.swift
    if stage.method == "grpo":
        yield from (Need(name, "GRPO", _TRAIN_EXTRA) for name in _GRPO)
    if stage.rewards.geo_semantic is not None:
        yield Need("sentence-transformers", "geo_semantic", "pip install 'geoseek[embeddings]'")
    if switched_on(stage, "use_vllm"):
        yield Need("vllm", "use_vllm", "Install vllm in a version that fits torch, or set use_vllm=false (slower).")
    if swift.get("deepspeed"):
        yield Need("deepspeed", "deepspeed", "Install deepspeed, or leave it out (more memory per GPU).")
    if "flash" in str(swift.get("attn_impl", "")):
        yield Need("flash-attn", f"attn_impl {swift['attn_impl']}", "Install flash-attn, or set attn_impl=sdpa.")
    light = any(word in str(swift.get("optim", "")) for word in _LIGHT_OPTIMIZERS)
    if swift.get("quant_method") == "bnb" or light:
        yield Need("bitsandbytes", "quant_method or optim", "Install bitsandbytes, or train without 8-bit and 4-bit.")
    if switched_on(stage, "use_liger_kernel"):
        yield Need("liger-kernel", "use_liger_kernel", "Install liger-kernel, or set use_liger_kernel=false.")


def check_packages(recipe: Recipe, stages: Sequence[str], machine: Machine) -> Iterator[Finding]:
    """Yield what is missing or of another version; one finding if all is well."""
    needs = needs_of(recipe, stages)
    versions = installed_versions(need.package for need in needs)
    faults = [
        fault(Check.PACKAGES, f"{need.package} is not installed ({need.reason}).", need.remedy)
        for need in needs
        if need.package not in versions
    ]
    if not faults and machine.fault is not None:
        faults.append(
            fault(
                Check.PACKAGES,
                f"torch and torchvision cannot be imported: {machine.fault}.",
                f"Their versions must belong together. Install both from one place: {_TRAIN_EXTRA}",
            )
        )
    yield from faults
    yield from _version_of_swift(versions.get(SWIFT))
    if not faults:
        yield ok(Check.PACKAGES, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _version_of_swift(version: str | None) -> Iterator[Finding]:
    found = re.match(r"(\d+)\.(\d+)", version or "")
    if found is None:
        return
    major, minor = int(found[1]), int(found[2])
    tested = ".".join(map(str, SWIFT_TESTED))
    remedy = f"Install ms-swift {tested}: {_TRAIN_EXTRA}"
    if major != SWIFT_TESTED[0]:
        yield fault(Check.PACKAGES, f"ms-swift {version}: recipes are made for {SWIFT_TESTED[0]}.x.", remedy)
    elif minor < SWIFT_TESTED[1]:
        yield warning(Check.PACKAGES, f"ms-swift {version} is older than the tested {tested}.", remedy)
