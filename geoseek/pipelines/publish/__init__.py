"""Publish a finished export on the Hugging Face Hub."""

from geoseek.pipelines.publish.hub import HubAccess, PublishError, hub_access
from geoseek.pipelines.publish.plan import PublishPlan, plan_lines
from geoseek.pipelines.publish.run import InvalidExportError, Outcome, PublishRequest, PublishResult, run_publish

__all__ = [
    "HubAccess",
    "InvalidExportError",
    "Outcome",
    "PublishError",
    "PublishPlan",
    "PublishRequest",
    "PublishResult",
    "hub_access",
    "plan_lines",
    "run_publish",
]
