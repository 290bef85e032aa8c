"""Draw stratified, bias-aware samples from pools of geotagged photos, and report how balanced they are."""

from typing import TYPE_CHECKING, Any

from geoseek.sampling.allocation import parse_weights
from geoseek.sampling.audit import AuditRequest, run_audit
from geoseek.sampling.balance import BalanceReport
from geoseek.sampling.cluster import cluster_executor
from geoseek.sampling.describe import describe_request
from geoseek.sampling.inputs import anchor_paths
from geoseek.sampling.outputs import SampleResult, run_sample
from geoseek.sampling.pools import parse_pool
from geoseek.sampling.run import SampleRequest

if TYPE_CHECKING:
    from geoseek.sampling.report import terminal_table

__all__ = [
    "AuditRequest",
    "BalanceReport",
    "SampleRequest",
    "SampleResult",
    "anchor_paths",
    "cluster_executor",
    "describe_request",
    "parse_pool",
    "parse_weights",
    "run_audit",
    "run_sample",
    "terminal_table",
]


def __getattr__(name: str) -> Any:
    """Load the report, and the drawing libraries behind it, only when it is asked for."""
    if name == "terminal_table":
        from geoseek.sampling.report import terminal_table

        return terminal_table
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
