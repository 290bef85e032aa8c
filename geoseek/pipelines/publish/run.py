"""Publish a finished export: validate, plan, ask, send, commit, look again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from geoseek import __version__
from geoseek.pipelines.publish.hub import Hub, HubAccess, PublishError, holds
from geoseek.pipelines.publish.plan import PublishPlan, make_plan, read_local_files
from geoseek.pipelines.validate import Severity, ValidateRequest, ValidateResult, run_validate
from geoseek.schemas import GeoSeekError, OutputError, UsageError
from geoseek.workspace import exclusive


class InvalidExportError(GeoSeekError):
    """The dataset has errors.

    Attributes:
        result: What was found.
    """

    def __init__(self, folder: str, result: ValidateResult) -> None:
        checks = [check.value for check in result.counts if check.severity is Severity.ERROR]
        super().__init__(
            f"{folder} is not published: it has {result.number(Severity.ERROR):,} errors ({', '.join(checks)}).",
            hint="Look at them with `geoseek validate`, and export again. Nothing was sent.",
        )
        self.result = result


class Outcome(StrEnum):
    """How publishing ended."""

    PUBLISHED = "published"
    UP_TO_DATE = "up to date"
    DECLINED = "declined"


@dataclass(frozen=True)
class PublishRequest:
    """What to publish, and where.

    Attributes:
        validate: The dataset, and how to check it first.
        access: The repository.
        public: Everybody may see it.
    """

    validate: ValidateRequest
    access: HubAccess
    public: bool = False


@dataclass(frozen=True)
class PublishResult:
    """What became of it.

    Attributes:
        plan: What was planned.
        outcome: Whether it was carried out.
        url: Where the dataset is.
        remarks: What the Hub has to remark.
    """

    plan: PublishPlan
    outcome: Outcome
    url: str
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            **self.plan.to_json(),
            "outcome": self.outcome.value,
            "url": self.url,
            "remarks": list(self.remarks),
        }


def run_publish(request: PublishRequest, confirm: Callable[[PublishPlan], bool]) -> PublishResult:
    """Publish a dataset; nothing is sent before `confirm` has returned True.

    Only files that SHA256SUMS names are sent, and that file. The dataset changes by one commit: until then, the
    repository shows what it showed before. A run that was interrupted goes on; one with nothing new sends nothing.

    Args:
        request: What, and where.
        confirm: Is shown the plan; returns whether to carry it out. Not asked if there is nothing to do.

    Raises:
        InvalidExportError: The dataset has errors.
        UsageError: There is no token, or the repository is public and nobody said `public`.
        PublishError: The Hub refuses, or cannot be reached.
    """
    folder, access = request.validate.folder, request.access
    url = f"{access.endpoint}/datasets/{access.repo}"
    if access.token is None:
        raise UsageError(
            "There is no token for the Hub.", hint="Set HF_TOKEN to one that may write, or sign in: `hf auth login`."
        )
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", hint="Write a dataset with `geoseek export`.")
    # Nobody may export into the folder between the check and the last byte.
    with exclusive(folder, doing="exporting or publishing"):
        found = run_validate(request.validate)
        if not found.is_valid:
            raise InvalidExportError(folder.as_posix(), found)
        hub = Hub(access)
        hub.user()
        plan = _plan(request, hub)
        if plan.is_done:
            return PublishResult(plan, Outcome.UP_TO_DATE, url)
        if not confirm(plan):
            return PublishResult(plan, Outcome.DECLINED, url)
        return PublishResult(plan, Outcome.PUBLISHED, url, tuple(_carry_out(request, hub, plan)))


def _plan(request: PublishRequest, hub: Hub) -> PublishPlan:
    access = request.access
    remote = hub.state()
    if remote is not None and not remote.private and not request.public:
        raise UsageError(
            f"{access.repo} is public: everybody would see this dataset at once.",
            hint="Say --public if that is meant, make the repository private first, or choose another --repo.",
        )
    return make_plan(
        read_local_files(request.validate.folder),
        remote,
        endpoint=access.endpoint,
        repo=access.repo,
        revision=access.revision,
        public=request.public,
    )


def _carry_out(request: PublishRequest, hub: Hub, plan: PublishPlan) -> list[str]:
    """Carry a plan out, and return what the Hub has to remark."""
    repo = request.access.repo
    if plan.creates_repo or plan.creates_branch:
        hub.create(plan)
    state = hub.state()
    if state is None:
        raise PublishError(f"{repo} cannot be read after it was made.", hint="Run the same command again.")
    if not state.private and not plan.public:
        raise PublishError(
            f"{repo} is public, though it was to be private.",
            hint="Nothing was sent. Look at the settings of the repository and of its organisation.",
        )
    remarks: list[str] = []
    if plan.sent or plan.deleted:
        additions = hub.upload(request.validate.folder, plan.sent)
        head = state.head if plan.creates_repo or plan.creates_branch else plan.head
        remarks = hub.commit(additions, plan, head, f"Publish with GeoSeek {__version__}")
    if plan.becomes_public:
        hub.make_public()
    state = hub.state()
    if not holds(state, plan):
        raise OutputError(
            f"{repo} does not hold what was sent.",
            hint="Does the repository have a .gitignore, or does somebody else change it? Run the same command again.",
        )
    return remarks
