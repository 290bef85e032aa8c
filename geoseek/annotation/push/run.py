"""`geoseek annotate push`: samples become tasks in the projects of the annotators, each exactly once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from geoseek.annotation.forms import Form, Handbook, load_form, load_handbook
from geoseek.annotation.ledger import LEDGER_NAME, Ledger, Project, Purpose, Task, TaskState
from geoseek.annotation.projects.blind import Blinder, open_blinder
from geoseek.annotation.projects.pictures import PictureCheck, local_addresses, prepare_pictures, upload_pictures
from geoseek.annotation.projects.project import PICTURES, ProjectContent, Projects
from geoseek.annotation.projects.tasks import begun, list_tasks
from geoseek.annotation.push.drafts import DRAFT_REJECTS, Draft, read_drafts
from geoseek.annotation.push.planning import SplitPlan, Wishes, Work, plan_split, work_by_task
from geoseek.annotation.push.reconcile import Figures, Reconciler, Wanted
from geoseek.annotation.push.subjects import (
    IMAGES,
    REJECTED_SAMPLES,
    SplitSubjects,
    read_subjects,
    write_rejected_samples,
    write_table,
)
from geoseek.annotation.server import LOCAL, StudioError, local_media_root
from geoseek.schemas import InputError, Split, UsageError, unknown_name
from geoseek.workspace import exclusive

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

FOLDER = Path("work", "annotation")
PICTURE_REJECTS = "picture-rejects.csv"
LEAD = "lead"

_REMARKS = {
    "gone": "tasks with annotations were deleted on the server; the ledger keeps what it has, they are not sent again",
    "left": "tasks were taken back but stay on the server: somebody has begun them",
    "elsewhere": "tasks have annotations on another server and stay there",
    "foreign": "tasks were not made by GeoSeek; they are left alone",
    "duplicates": "tasks are there twice, and somebody has begun both; delete one of each in Label Studio",
}


@dataclass(frozen=True)
class PushRequest:
    """What to give out.

    Attributes:
        workspace: Folder of the workspace.
        splits: Splits to push.
        limit: How many samples of each split in all; None for all.
        overlap_share: Share of the samples that several people annotate.
        overlap: How many people annotate each of those.
        seed: Of the workspace.
        annotators: Who takes new tasks; none for everybody who is active.
        drafts: JSONL file of drafts; see `DraftRow`.
        rebalance: Give tasks that nobody has begun to other people where that evens out the loads.
        chunk: Tasks per import.
    """

    workspace: Path
    splits: tuple[Split, ...]
    limit: int | None = None
    overlap_share: float = 0.1
    overlap: int = 2
    seed: int = 0
    annotators: tuple[str, ...] = ()
    drafts: Path | None = None
    rebalance: bool = False
    chunk: int = 1000


@dataclass(frozen=True)
class ProjectFigures:
    """What was done in a project.

    Attributes:
        annotator: Whose it is.
        split: Its split.
        url: Its address.
        assigned: Tasks that the annotator has now.
        figures: What was done to them.
    """

    annotator: str
    split: Split
    url: str
    assigned: int
    figures: Figures


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes:
        projects: By split and annotator.
        planned: New tasks.
        retired: Tasks that were taken back.
        rejected_pictures: Pictures that cannot be shown; they are listed in `work/annotation/picture-rejects.csv`.
        notices: What the lead should know, in words.
    """

    projects: tuple[ProjectFigures, ...]
    planned: int
    retired: int
    rejected_pictures: int
    notices: tuple[str, ...]


@dataclass(frozen=True)
class PushPlan:
    """What a push would do, as far as the ledger tells.

    Attributes:
        new: (annotator, split) -> tasks to add.
        kept: Tasks that stay.
        retire: Why -> tasks to take back.
        notices: What the lead should know, in words.
    """

    new: Mapping[tuple[str, Split], int]
    kept: int
    retire: Mapping[str, int]
    notices: tuple[str, ...]


def run_push(request: PushRequest, studio: Studio) -> PushResult:
    """Give samples out and bring the server up to date; doing it again changes nothing.

    First the ledger learns what is planned, then each project is compared with what the server has, and only the
    difference is sent. So it does not matter where an earlier push was interrupted.

    Raises:
        UsageError: An unknown annotator.
        InputError: No pictures, or the labelling page, the handbook or a draft is not right. Nothing was sent then.
        OutputError: Another process works on the annotation of this workspace.
        LedgerError: The ledger cannot be used.
        StudioError: The server refuses, or cannot be reached; the next push goes on from there.
    """
    folder = request.workspace / FOLDER
    with exclusive(folder, doing="pushing"), Ledger(folder) as ledger:
        parts = _members(request)
        forms = {part.split: load_form(request.workspace, part.split) for part in parts}
        handbook = load_handbook(request.workspace)
        has_tasks = next(ledger.tasks(), None) is not None
        blinder = open_blinder(folder, create=not has_tasks)
        if not any(annotator.active for annotator in ledger.annotators()):
            ledger.add_annotator(LEAD, email=studio.email, server_user_id=studio.user_id)
        work = work_by_task(ledger.annotations())
        begun_keys = _begun_keys(ledger, studio, request.splits, work) if request.rebalance else None
        plans = _plans(request, ledger, parts, work, blinder, begun_keys)
        drafts = _drafts(request, plans, forms)
        with ledger.transaction():
            for plan in plans:
                ledger.plan_tasks(plan.new)
                for key, reason in plan.retire.items():
                    ledger.retire_tasks([key], reason)
        write_rejected_samples(request.workspace, _rejected_samples(ledger, work))
        sender = _Sender(request, studio, ledger, blinder, work, drafts)
        projects = [done for part in parts for done in sender.send(part, forms[part.split], handbook)]
        write_table(folder / PICTURE_REJECTS, ("sample_id", "reason"), sender.rejected_pictures)
    return PushResult(
        tuple(projects),
        planned=sum(len(plan.new) for plan in plans),
        retired=sum(len(plan.retire) for plan in plans),
        rejected_pictures=len(sender.rejected_pictures),
        notices=(*_plan_notices(request, parts, plans), *sender.notices()),
    )


def plan_push(request: PushRequest) -> PushPlan:
    """Say what a push would give out, without a server and without writing anything.

    With `rebalance`, tasks count as begun if the ledger has annotations of them.

    Raises:
        UsageError: An unknown annotator.
        InputError: No pictures, or the labelling page, the handbook or a draft is not right.
        LedgerError: The ledger cannot be used.
    """
    folder = request.workspace / FOLDER
    parts = _members(request)
    forms = {part.split: load_form(request.workspace, part.split) for part in parts}
    load_handbook(request.workspace)
    with TemporaryDirectory() as empty, Ledger(folder if (folder / LEDGER_NAME).exists() else Path(empty)) as ledger:
        work = work_by_task(ledger.annotations())
        has_tasks = next(ledger.tasks(), None) is not None
        # Without tasks, no key was ever shown: any will do to count them.
        blinder = open_blinder(folder, create=False) if has_tasks else Blinder(b"")
        begun_keys = {key for key, done in work.items() if done.there} if request.rebalance else None
        plans = _plans(request, ledger, parts, work, blinder, begun_keys)
    _drafts(request, plans, forms)
    return PushPlan(
        new=Counter((task.annotator, task.split) for plan in plans for task in plan.new),
        kept=sum(plan.kept for plan in plans),
        retire=Counter(reason for plan in plans for reason in plan.retire.values()),
        notices=_plan_notices(request, parts, plans),
    )


def _members(request: PushRequest) -> list[SplitSubjects]:
    parts = read_subjects(request.workspace, request.splits)
    if not any(part.pictures for part in parts):
        names = ", ".join(split.value for split in request.splits) or "none"
        raise InputError(
            f"There are no pictures to annotate (splits: {names}).",
            hint="Run `geoseek fetch`; `annotate.splits` in geoseek.yaml says which splits are annotated.",
        )
    # A split without pictures was not fetched: that is no reason to take its tasks back.
    return [part for part in parts if part.pictures]


def _plans(
    request: PushRequest,
    ledger: Ledger,
    parts: Sequence[SplitSubjects],
    work: Mapping[str, Work],
    blinder: Blinder,
    begun_keys: Collection[str] | None,
) -> list[SplitPlan]:
    known = {annotator.name: annotator.active for annotator in ledger.annotators()}
    if not any(known.values()):
        known[LEAD] = True
    for name in request.annotators:
        if name not in known:
            raise unknown_name("annotator", name, known)
        if not known[name]:
            raise UsageError(f"{name} takes no more tasks.", hint=f"`geoseek annotate invite {name}` changes that.")
    active = frozenset(name for name, works in known.items() if works)
    wishes = Wishes(
        annotators=tuple(sorted(request.annotators or active)),
        active=active,
        limit=request.limit,
        overlap_share=request.overlap_share,
        overlap=request.overlap,
        seed=request.seed,
    )
    if not wishes.annotators:
        raise UsageError("Nobody takes tasks.", hint="Invite somebody with `geoseek annotate invite NAME EMAIL`.")
    return [
        plan_split(
            part.split,
            list(part.pictures),
            ledger.tasks(purpose=Purpose.ANNOTATE, split=part.split),
            work,
            wishes,
            blinder,
            begun=begun_keys,
        )
        for part in parts
    ]


def _begun_keys(ledger: Ledger, studio: Studio, splits: Sequence[Split], work: Mapping[str, Work]) -> set[str]:
    """Return the keys of all tasks that somebody has begun, according to the ledger or the server."""
    found = set(work)
    for project in ledger.projects(studio.identity, Purpose.ANNOTATE):
        if project.split in splits:
            number = project.server_project_id
            try:
                keys = {task.number: task.key for task in list_tasks(studio, number)}
                found |= {key for there in begun(studio, number, keys) if (key := keys[there])}
            except StudioError as error:
                if error.status != 404:
                    raise
    return found


def _drafts(request: PushRequest, plans: Sequence[SplitPlan], forms: Mapping[Split, Form]) -> dict[str, Draft]:
    if request.drafts is None:
        return {}
    split_of = {sample: plan.split for plan in plans for sample in plan.given}
    return read_drafts(request.drafts, split_of, forms, request.workspace / FOLDER / DRAFT_REJECTS)


def _plan_notices(request: PushRequest, parts: Sequence[SplitSubjects], plans: Sequence[SplitPlan]) -> tuple[str, ...]:
    notices = []
    skipped = [split.value for split in request.splits if split not in {part.split for part in parts}]
    if skipped:
        notices.append(f"no pictures of {', '.join(skipped)}: run `geoseek fetch` to have them annotated")
    waiting = sum(plan.short_of_people for plan in plans)
    if waiting:
        notices.append(
            f"{waiting:,} samples wait for more annotators: {request.overlap} people are to annotate each of them"
        )
    replaced = sum(len(plan.to_reserve) for plan in plans)
    if replaced:
        notices.append(
            f"{replaced:,} samples were rejected in the review and wait for their replacement: run `geoseek fetch` "
            f"(they are listed in {REJECTED_SAMPLES}), then push again"
        )
    return tuple(notices)


def _rejected_samples(ledger: Ledger, work: Mapping[str, Work]) -> set[tuple[Split, str]]:
    keys = {key for key, done in work.items() if done.to_reserve}
    tasks = ledger.tasks(purpose=Purpose.ANNOTATE) if keys else ()
    return {(task.split, task.sample_id) for task in tasks if task.key in keys}


class _Sender:
    """Brings the projects of one push up to date."""

    def __init__(
        self,
        request: PushRequest,
        studio: Studio,
        ledger: Ledger,
        blinder: Blinder,
        work: Mapping[str, Work],
        drafts: Mapping[str, Draft],
    ) -> None:
        self.rejected_pictures: set[tuple[str, str]] = set()
        self._request = request
        self._studio = studio
        self._ledger = ledger
        self._blinder = blinder
        self._annotated = {key for key, done in work.items() if done.there}
        self._drafts = drafts
        # The server compares paths as texts, and knows its own by their real names.
        self._media = local_media_root(request.workspace).resolve() if studio.identity == LOCAL else None
        self._pictures = (self._media or request.workspace / FOLDER) / PICTURES
        self._projects = Projects(studio, ledger, blinder)
        self._reconciler = Reconciler(studio, ledger, PictureCheck(studio), request.chunk)
        self._done: list[ProjectFigures] = []

    def send(self, part: SplitSubjects, form: Form, handbook: Handbook) -> list[ProjectFigures]:
        """Bring the projects of a split up to date."""
        tasks: dict[str, dict[str, Task]] = defaultdict(dict)
        for task in self._ledger.tasks(purpose=Purpose.ANNOTATE, split=part.split):
            tasks[task.annotator][task.key] = task
        names = {project.annotator for project in self._ledger.projects(self._studio.identity, Purpose.ANNOTATE)
                 if project.split is part.split}  # fmt: skip
        names |= {
            name for name, mine in tasks.items() if any(task.state is not TaskState.RETIRED for task in mine.values())
        }
        shown = self._prepare(part, tasks)
        content = ProjectContent(form, handbook, self._media)
        return [self._send_project(name, part.split, content, tasks[name], shown) for name in sorted(names)]

    def _prepare(self, part: SplitSubjects, tasks: Mapping[str, Mapping[str, Task]]) -> dict[str, str]:
        """Return the name of the picture of each sample that is given out and can be shown."""
        given = {
            task.sample_id for mine in tasks.values() for task in mine.values() if task.state is not TaskState.RETIRED
        }
        wanted = {subject.id: picture for subject, picture in part.pictures.items() if subject.id in given}
        ready = prepare_pictures(self._request.workspace / IMAGES, self._pictures, wanted.values(), self._blinder)
        self.rejected_pictures |= {
            (sample, ready.rejects[picture.sha256])
            for sample, picture in wanted.items()
            if picture.sha256 in ready.rejects
        }
        return {
            sample: ready.names[picture.sha256] for sample, picture in wanted.items() if picture.sha256 in ready.names
        }

    def _send_project(
        self, annotator: str, split: Split, content: ProjectContent, tasks: Mapping[str, Task], shown: Mapping[str, str]
    ) -> ProjectFigures:
        project = self._projects.ensure(annotator, split, content)
        live = [task for task in tasks.values() if task.state is not TaskState.RETIRED and task.sample_id in shown]
        names = {shown[task.sample_id] for task in live}
        addresses = (
            local_addresses(names, PICTURES)
            if self._media is not None
            else upload_pictures(self._studio, project.server_project_id, self._pictures, names)
        )
        wanted = {
            task.key: Wanted(task, addresses[shown[task.sample_id]], self._drafts.get(task.sample_id)) for task in live
        }
        figures = self._reconciler.run(project, wanted, tasks, self._annotated)
        self._show_drafts(project, wanted.values())
        url = f"{self._studio.url}/projects/{project.server_project_id}"
        done = ProjectFigures(annotator, split, url, len(wanted) - figures.gone, figures)
        self._done.append(done)
        return done

    def _show_drafts(self, project: Project, wanted: Collection[Wanted]) -> None:
        given = next((want.draft.model for want in wanted if want.draft), None)
        if given or any(want.task.draft for want in wanted):
            drafts = (task.draft for task in self._ledger.tasks(project=project.id))
            models = Counter(draft.rpartition(" ")[0] for draft in drafts if draft)
            self._projects.show_drafts(project, models, given)

    def notices(self) -> Iterator[str]:
        """Say what needs a person's eyes."""
        if self.rejected_pictures:
            yield f"{len(self.rejected_pictures):,} pictures cannot be shown: see {FOLDER / PICTURE_REJECTS}"
        for done in self._done:
            where = f"{done.split.value} · {done.annotator}"
            for name, words in _REMARKS.items():
                count = getattr(done.figures, name)
                if count:
                    yield f"{where}: {count:,} {words}"
