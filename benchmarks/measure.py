"""Measure whole jobs in fresh processes, in turn, and compare medians."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figures:
    """Medians over the runs of one job."""

    seconds: float
    peak_mb: float


def report_child(job: Callable[[], object]) -> None:
    """Run a job in this (child) process and print its time and the peak memory of the process; imports do not count."""
    start = time.perf_counter()
    job()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Return the peak resident memory of this process, from its own counter.

    `getrusage` would do elsewhere; on Linux it starts from the size that the parent had when it forked.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line_of_peak,) = (text for text in status.read_text().splitlines() if text.startswith("VmHWM:"))
        return int(line_of_peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def interleaved(jobs: Mapping[str, list[str]], runs: int) -> dict[str, Figures]:
    """Run every job `runs` times, in turn (A B C A B C ...), each in a process of its own.

    Args:
        jobs: Name -> arguments of the Python interpreter; the process ends with a line of `report_child`.
        runs: Runs of each job.
    """
    found: dict[str, list[dict[str, float]]] = {name: [] for name in jobs}
    for _ in range(runs):
        for name, arguments in jobs.items():
            done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{name} failed:\n{done.stderr}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: Figures(*(statistics.median(run[key] for run in values) for key in ("seconds", "peak_mb")))
        for name, values in found.items()
    }


def line(what: str, value: float, wanted: str, good: bool) -> str:
    """Format one row of the result table."""
    return f"| {what} | {value:.2f} | {wanted} | {'yes' if good else 'NO'} |"


HEADER = "| what | measured | wanted | met |\n|---|---|---|---|"
