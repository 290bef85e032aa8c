"""From annotations to a published dataset: curate, tag, export, validate, publish."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoseek.pipelines.curate.codes import Action, CurateCheck
    from geoseek.pipelines.curate.figures import CurateFigures
    from geoseek.pipelines.curate.report import curate_lines
    from geoseek.pipelines.curate.run import CurateRequest, CurateResult, describe_curate, run_curate
    from geoseek.pipelines.curate.settings import Standardise
    from geoseek.pipelines.export.licences import LICENCES_FILE, Permission, Terms, licence_terms
    from geoseek.pipelines.export.request import ExportRequest, ExportResult, ImageMode
    from geoseek.pipelines.export.run import describe_export, run_export
    from geoseek.pipelines.publish.hub import HubAccess, PublishError, hub_access
    from geoseek.pipelines.publish.plan import PublishPlan, plan_lines
    from geoseek.pipelines.publish.run import InvalidExportError, Outcome, PublishRequest, PublishResult, run_publish
    from geoseek.pipelines.tag.ask import AskPlan, NoAnswerError
    from geoseek.pipelines.tag.figures import TagFigures
    from geoseek.pipelines.tag.report import tag_lines
    from geoseek.pipelines.tag.run import TagRequest, TagResult, describe_tag, run_tag
    from geoseek.pipelines.tag.settings import Preference, RatingSource
    from geoseek.pipelines.validate.codes import ExportCheck, Severity
    from geoseek.pipelines.validate.findings import Finding
    from geoseek.pipelines.validate.run import ValidateRequest, ValidateResult, run_validate, validate_request

__all__ = [
    "LICENCES_FILE",
    "Action",
    "AskPlan",
    "CurateCheck",
    "CurateFigures",
    "CurateRequest",
    "CurateResult",
    "ExportCheck",
    "ExportRequest",
    "ExportResult",
    "Finding",
    "HubAccess",
    "ImageMode",
    "InvalidExportError",
    "NoAnswerError",
    "Outcome",
    "Permission",
    "Preference",
    "PublishError",
    "PublishPlan",
    "PublishRequest",
    "PublishResult",
    "RatingSource",
    "Severity",
    "Standardise",
    "TagFigures",
    "TagRequest",
    "TagResult",
    "Terms",
    "ValidateRequest",
    "ValidateResult",
    "curate_lines",
    "describe_curate",
    "describe_export",
    "describe_tag",
    "hub_access",
    "licence_terms",
    "plan_lines",
    "run_curate",
    "run_export",
    "run_publish",
    "run_tag",
    "run_validate",
    "tag_lines",
    "validate_request",
]

_ROOM_OF = {
    "ExportCheck": "validate.codes",
    "Severity": "validate.codes",
    "Finding": "validate.findings",
    "ValidateRequest": "validate.run",
    "ValidateResult": "validate.run",
    "run_validate": "validate.run",
    "validate_request": "validate.run",
    "HubAccess": "publish.hub",
    "PublishError": "publish.hub",
    "hub_access": "publish.hub",
    "PublishPlan": "publish.plan",
    "plan_lines": "publish.plan",
    "InvalidExportError": "publish.run",
    "Outcome": "publish.run",
    "PublishRequest": "publish.run",
    "PublishResult": "publish.run",
    "run_publish": "publish.run",
    "Action": "curate.codes",
    "CurateCheck": "curate.codes",
    "CurateFigures": "curate.figures",
    "CurateRequest": "curate.run",
    "CurateResult": "curate.run",
    "Standardise": "curate.settings",
    "curate_lines": "curate.report",
    "describe_curate": "curate.run",
    "run_curate": "curate.run",
    "ExportRequest": "export.request",
    "ExportResult": "export.request",
    "ImageMode": "export.request",
    "LICENCES_FILE": "export.licences",
    "Permission": "export.licences",
    "Terms": "export.licences",
    "licence_terms": "export.licences",
    "describe_export": "export.run",
    "run_export": "export.run",
    "AskPlan": "tag.ask",
    "NoAnswerError": "tag.ask",
    "TagFigures": "tag.figures",
    "tag_lines": "tag.report",
    "TagRequest": "tag.run",
    "TagResult": "tag.run",
    "describe_tag": "tag.run",
    "run_tag": "tag.run",
    "Preference": "tag.settings",
    "RatingSource": "tag.settings",
}


def __getattr__(name: str) -> Any:
    """Load a step when something of it is asked for: one step needs little of what another does."""
    if name in _ROOM_OF:
        return getattr(import_module(f"geoseek.pipelines.{_ROOM_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
