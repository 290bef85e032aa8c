"""Names that a recipe may not set, because GeoSeek sets them or because they are secrets."""

from __future__ import annotations

import re
from difflib import get_close_matches

_OF_THE_RECIPE = "It is a key of the recipe itself: write it beside `stages:`."
_OF_THE_RUN = "GeoSeek sets it, from the stage before and the folder of the run."
_OF_THE_DATA = "GeoSeek sets it, from `split:` and `data:` of the stage, or --data and --data-format."
_OF_THE_REWARDS = "GeoSeek sets it, from `rewards:` of the stage."
_OF_THE_SEED = "GeoSeek sets it, from `seed` in geoseek.yaml, or --seed."
_OF_THE_MACHINE = "Set it in the shell of every machine; all machines share the recipe."
_SECRET_ARGUMENT = "A recipe is no place for a secret: log in on the machine, as the service describes."  # noqa: S105

_RESERVED_ARGUMENTS = {
    "model": _OF_THE_RECIPE,
    "model_type": _OF_THE_RECIPE,
    "template": _OF_THE_RECIPE,
    "torch_dtype": _OF_THE_RECIPE,
    "rlhf_type": "`method:` of the stage says it.",
    "dataset": _OF_THE_DATA,
    "cached_dataset": _OF_THE_DATA,
    "external_plugins": _OF_THE_REWARDS,
    "custom_register_path": _OF_THE_REWARDS,
    "reward_funcs": _OF_THE_REWARDS,
    "reward_weights": _OF_THE_REWARDS,
    "output_dir": _OF_THE_RUN,
    "add_version": _OF_THE_RUN,
    "logging_dir": _OF_THE_RUN,
    "adapters": _OF_THE_RUN,
    "ref_adapters": _OF_THE_RUN,
    "ref_model": _OF_THE_RUN,
    "resume_from_checkpoint": "Use --resume.",
    "resume_only_model": "Use --resume.",
    "seed": _OF_THE_SEED,
    "data_seed": _OF_THE_SEED,
    "hub_token": _SECRET_ARGUMENT,
    "swanlab_token": _SECRET_ARGUMENT,
}

_RESERVED_VARIABLES = {
    "GEOSEEK_REWARDS": _OF_THE_REWARDS,
    "ROOT_IMAGE_DIR": _OF_THE_DATA,
    "NPROC_PER_NODE": "It follows from `gpus:` of the recipe.",
    "NNODES": _OF_THE_MACHINE,
    "NODE_RANK": _OF_THE_MACHINE,
    "MASTER_ADDR": _OF_THE_MACHINE,
    "MASTER_PORT": _OF_THE_MACHINE,
    "PYTHONPATH": "A recipe may not change what Python imports.",
    "LD_PRELOAD": "A recipe may not change what the system loads.",
}

_OFTEN_SET = (
    "CUDA_VISIBLE_DEVICES",
    "MAX_PIXELS",
    "MIN_PIXELS",
    "OMP_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_SECRET = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD)(_|$)|APIKEY")


def fault_of_argument(name: str) -> str | None:
    """Return why a recipe may not set an argument of ms-swift; None if it may.

    >>> fault_of_argument("rlhf_type"), fault_of_argument("learning_rate")
    ('`method:` of the stage says it.', None)
    """
    return _RESERVED_ARGUMENTS.get(name)


def fault_of_variable(name: str) -> str | None:
    """Return why a recipe may not set an environment variable; None if it may.

    >>> fault_of_variable("MAX_PIXLES")
    'Did you mean MAX_PIXELS?'
    >>> fault_of_variable("HF_TOKEN")
    'A recipe is no place for a secret: set it in the shell.'
    >>> fault_of_variable("NCCL_DEBUG")
    """
    if name in _RESERVED_VARIABLES:
        return _RESERVED_VARIABLES[name]
    if not _VARIABLE.fullmatch(name):
        return "Names of variables are made of capital letters, digits and _."
    if _SECRET.search(name):
        return "A recipe is no place for a secret: set it in the shell."
    close = get_close_matches(name, _OFTEN_SET, n=1, cutoff=0.85)
    return f"Did you mean {close[0]}?" if close and close[0] != name else None
