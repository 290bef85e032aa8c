"""The machine as torch sees it, asked in a process of its own: importing torch takes long, and may fail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TIMEOUT_S = 300
_PROBE = """
import json, torch, torchvision
gpus = []
if torch.cuda.is_available():
    for index in range(torch.cuda.device_count()):
        seen = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        gpus.append({"name": seen.name, "total": total, "free": free, "capability": [seen.major, seen.minor]})
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "gpus": gpus}))
"""


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        name: As the driver calls it.
        total_bytes: Its memory.
        free_bytes: What no process uses.
        capability: CUDA compute capability; bfloat16 and flash attention need 8.0.
    """

    name: str
    total_bytes: int
    free_bytes: int
    capability: tuple[int, int] = (8, 0)


@dataclass(frozen=True)
class Machine:
    """What training would run on.

    Attributes:
        torch: Version of torch; None if it cannot be imported.
        cuda: Version of CUDA that torch was built for; None for none.
        gpus: GPUs that a process may use (`CUDA_VISIBLE_DEVICES` counts).
        fault: Why torch or torchvision cannot be imported.
    """

    torch: str | None
    cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    fault: str | None = None


def probe_machine(environment: Mapping[str, str]) -> Machine:
    """Return the machine as torch sees it; takes seconds.

    Args:
        environment: Variables of the process that imports torch.
    """
    answer = run_probe(_PROBE, environment)
    if isinstance(answer, str):
        return Machine(torch=None, fault=answer)
    gpus = tuple(Gpu(one["name"], one["total"], one["free"], tuple(one["capability"])) for one in answer["gpus"])
    return Machine(answer["torch"], answer["cuda"], gpus)


def run_probe(script: str, environment: Mapping[str, str], *arguments: str) -> dict[str, Any] | str:
    """Run a few lines of Python in a process of its own.

    Args:
        script: Prints a JSON object as its last line.
        environment: Variables of the process.
        arguments: `sys.argv[1:]` of the script.

    Returns:
        The object; or the last line that the process had to say before it failed.
    """
    command = [sys.executable, "-c", script, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            command, env=dict(environment), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        last = done.stdout.strip().rpartition("\n")[2]
        if done.returncode == 0:
            answer: dict[str, Any] = json.loads(last)
            return answer
    except subprocess.TimeoutExpired:
        return f"no answer within {_TIMEOUT_S} s"
    except ValueError:
        return f"an answer that cannot be read: {last[:200]!r}"
    return done.stderr.strip().rpartition("\n")[2][:500] or f"it ended with code {done.returncode}"
