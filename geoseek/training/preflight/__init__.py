"""What would stop a training, found before it starts."""

from geoseek.training.preflight.findings import Check, Finding, PreflightError, Severity, stop_on_errors
from geoseek.training.preflight.machine import Gpu, Machine, probe_machine
from geoseek.training.preflight.memory import Load, MemoryEstimate, estimate_memory
from geoseek.training.preflight.run import PreflightRequest, run_preflight
from geoseek.training.preflight.shapes import QWEN25_VL, ModelShape

__all__ = [
    "QWEN25_VL",
    "Check",
    "Finding",
    "Gpu",
    "Load",
    "Machine",
    "MemoryEstimate",
    "ModelShape",
    "PreflightError",
    "PreflightRequest",
    "Severity",
    "estimate_memory",
    "probe_machine",
    "run_preflight",
    "stop_on_errors",
]
