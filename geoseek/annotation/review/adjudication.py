"""`geoseek annotate review push`: samples in dispute become tasks of an adjudication project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geoseek.annotation.forms import load_handbook
from geoseek.annotation.ledger import AnnotationState, Ledger, Project, Purpose, StoredAnnotation, Task, TaskState
from geoseek.annotation.projects.blind import Blinder, open_blinder
from geoseek.annotation.projects.pictures import PictureCheck, local_addresses, prepare_pictures, upload_pictures
from geoseek.annotation.projects.project import PICTURES, ProjectContent, Projects
from geoseek.annotation.projects.tasks import begun
from geoseek.annotation.push.drafts import make_draft
from geoseek.annotation.push.reconcile import Figures, Reconciler, Wanted
from geoseek.annotation.push.subjects import IMAGES, Picture, read_subjects
from geoseek.annotation.review.board import PREFILL, base_results, board_data, load_board
from geoseek.annotation.review.disputes import Dispute, find_disputes
from geoseek.annotation.review.session import load_references, refresh_flags
from geoseek.annotation.review.verdicts import FOLDER, LOCK_WAIT_S, PulledVerdicts, Unsettled, read_verdicts
from geoseek.annotation.server import LOCAL, local_media_root
from geoseek.schemas import InputError, Split
from geoseek.workspace import exclusive

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

SETTLED = "no longer in dispute"
_CHUNK = 200


@dataclass(frozen=True)
class PushedDisputes:
    """What a push of disputes did.

    Attributes:
        disputes: Samples in dispute.
        waiting: Tasks that wait for a verdict now.
        imported: Tasks that are new on the server.
        updated: Tasks whose chains were replaced.
        taken_back: Tasks that nobody had begun, of samples that are settled.
        without_picture: Samples in dispute whose picture is not in the workspace or cannot be shown.
        urls: Addresses of the projects.
        verdicts: What was read from the server first.
    """

    disputes: int
    waiting: int
    imported: int
    updated: int
    taken_back: int
    without_picture: tuple[str, ...]
    urls: tuple[str, ...]
    verdicts: PulledVerdicts


def push_disputes(workspace: Path, studio: Studio, *, reviewer: str, overlapping: bool = False) -> PushedDisputes:
    """Put every sample in dispute before the reviewer, each once; doing it again changes nothing.

    Verdicts that are on the server are read first. Then the ledger learns what is planned, and each project is made
    what it should be, as `run_push` does it for the annotators. Tasks that somebody has begun are left alone.

    Args:
        workspace: Folder of the workspace.
        studio: The server.
        reviewer: Who decides; the project is theirs.
        overlapping: Also put up samples whose chains agree.

    Raises:
        InputError: No pictures or nowhere to upload them, or the page of the adjudication is not right.
        OutputError: Another process works on the annotation of this workspace.
        LedgerError: The ledger cannot be used.
        StudioError: The server refuses, or cannot be reached; the next push goes on from there.
    """
    folder = workspace / FOLDER
    with exclusive(folder, doing="pushing or pulling", wait_s=LOCK_WAIT_S), Ledger(folder) as ledger:
        verdicts = read_verdicts(workspace, studio, ledger)
        references = load_references(workspace)
        refresh_flags(workspace, ledger, references)
        blinder = open_blinder(folder, create=next(ledger.tasks(), None) is None)
        disputes = find_disputes(
            ledger.annotations(), references.names, blinder.annotation_ref, overlapping=overlapping
        )
        return _Sender(workspace, studio, ledger, blinder, reviewer).send(disputes, verdicts)


def count_disputes(workspace: Path, ledger: Ledger, *, overlapping: bool = False) -> int:
    """Return how many samples are in dispute, after applying the rules; no server is asked."""
    references = load_references(workspace)
    refresh_flags(workspace, ledger, references)
    rows = ledger.annotations()
    # Any secret will do to count: the letters are not shown.
    return len(find_disputes(rows, references.names, Blinder(b"").annotation_ref, overlapping=overlapping))


@dataclass(frozen=True)
class DisputePlan:
    """What changes in the ledger.

    Attributes:
        new: Tasks to plan.
        open: Dispute of each task that waits for a verdict, by key; the new ones among them.
        settled: Keys of tasks to take back.
    """

    new: tuple[Task, ...]
    open: Mapping[str, Dispute]
    settled: tuple[str, ...]


def plan_disputes(
    disputes: Iterable[Dispute],
    tasks: Iterable[Task],
    verdicts: Mapping[str, StoredAnnotation],
    strata: Mapping[tuple[str, Split], str],
    *,
    reviewer: str,
    blinder: Blinder,
) -> DisputePlan:
    """Compare the disputes with the tasks that there are.

    A dispute that comes up again after its verdict, because a chain was changed, gets a new task. One whose verdict
    says nothing yet (skipped, incomplete, by somebody else) waits for that verdict to be mended.

    Args:
        disputes: At most one per sample.
        tasks: All adjudication tasks in the ledger, retired ones too.
        verdicts: Key -> last version of what was said about a task, unless it was deleted.
        strata: (sample, split) -> stratum, of all samples that can be shown.
        reviewer: Who gets new tasks.
        blinder: Makes the keys.
    """
    by_sample: dict[tuple[str, Split], list[Task]] = defaultdict(list)
    for task in sorted(tasks, key=lambda task: task.round):
        by_sample[task.sample_id, task.split].append(task)
    new: list[Task] = []
    still_open: dict[str, Dispute] = {}
    for dispute in disputes:
        sample = (dispute.sample_id, dispute.split)
        if sample not in strata:
            continue
        earlier = by_sample.get(sample, [])
        live = [task for task in earlier if task.state is not TaskState.RETIRED]
        waiting = [task for task in live if task.key not in verdicts]
        if waiting:
            still_open[waiting[-1].key] = dispute
        elif not live or _is_over(verdicts[live[-1].key]):
            task = _task(dispute, strata[sample], reviewer, 1 + max((t.round for t in earlier), default=0), blinder)
            new.append(task)
            still_open[task.key] = dispute
    settled = [
        task.key
        for several in by_sample.values()
        for task in several
        if task.state is not TaskState.RETIRED and task.key not in verdicts and task.key not in still_open
    ]
    return DisputePlan(tuple(new), still_open, tuple(settled))


def _is_over(verdict: StoredAnnotation) -> bool:
    codes = {note.code for note in verdict.problems}
    return verdict.state is AnnotationState.SUBMITTED and not codes & {Unsettled.INCOMPLETE, Unsettled.NO_VERDICT}


def _task(dispute: Dispute, stratum: str, reviewer: str, round_: int, blinder: Blinder) -> Task:
    purpose = Purpose.ADJUDICATE
    key = blinder.task_key(dispute.sample_id, dispute.split, reviewer, round_=round_, purpose=purpose)
    return Task(key, purpose, dispute.sample_id, dispute.split, stratum, reviewer, TaskState.PLANNED, round=round_)


class _Sender:
    """Brings the adjudication projects of a server up to date."""

    def __init__(self, workspace: Path, studio: Studio, ledger: Ledger, blinder: Blinder, reviewer: str) -> None:
        self._workspace = workspace
        self._studio = studio
        self._ledger = ledger
        self._blinder = blinder
        self._reviewer = reviewer
        self._media = local_media_root(workspace) if studio.identity == LOCAL else None
        self._folder = (self._media or workspace / FOLDER) / PICTURES

    def send(self, disputes: Sequence[Dispute], verdicts: PulledVerdicts) -> PushedDisputes:
        """Plan, then bring the projects up to date."""
        said = {
            row.task_key: row
            for row in self._ledger.annotations(purpose=Purpose.ADJUDICATE)
            if row.task_key and row.state is not AnnotationState.DELETED
        }
        tasks = list(self._ledger.tasks(purpose=Purpose.ADJUDICATE))
        splits = {dispute.split for dispute in disputes}
        boards = {split: load_board(self._workspace, split) for split in splits | {task.split for task in tasks}}
        shown, strata = self._prepare(disputes, splits)
        plan = plan_disputes(disputes, tasks, said, strata, reviewer=self._reviewer, blinder=self._blinder)
        with self._ledger.transaction():
            if plan.new:
                self._note_reviewer()
            self._ledger.plan_tasks(plan.new)
            self._ledger.retire_tasks(plan.settled, SETTLED)
        by_project: dict[tuple[str, Split], dict[str, Task]] = defaultdict(dict)
        for task in self._ledger.tasks(purpose=Purpose.ADJUDICATE):
            if task.key not in said:
                by_project[task.annotator, task.split][task.key] = task
        projects = Projects(self._studio, self._ledger, self._blinder)
        handbook = load_handbook(self._workspace)
        sent = []
        for (annotator, split), mine in sorted(by_project.items()):
            content = ProjectContent(boards[split], handbook, self._media, PREFILL)
            project = projects.ensure(annotator, split, content, purpose=Purpose.ADJUDICATE)
            sent.append((project, self._send_project(project, mine, plan.open, shown)))
        return PushedDisputes(
            disputes=len(disputes),
            waiting=len(plan.open),
            imported=sum(figures.imported for _, figures in sent),
            updated=sum(figures.updated for _, figures in sent),
            taken_back=sum(figures.deleted for _, figures in sent),
            without_picture=tuple(d.sample_id for d in disputes if (d.sample_id, d.split) not in strata),
            urls=tuple(f"{self._studio.url}/projects/{project.server_project_id}" for project, _ in sent),
            verdicts=verdicts,
        )

    def _send_project(
        self, project: Project, tasks: Mapping[str, Task], disputes: Mapping[str, Dispute], shown: Mapping[str, str]
    ) -> Figures:
        """Make the tasks of a project what they should be, but for those that the reviewer has begun."""
        known = self._untouched(project, tasks)
        mine = {key: disputes[key] for key in known if key in disputes}
        addresses = self._addresses(project.split, {shown[dispute.sample_id] for dispute in mine.values()})
        wanted = {
            key: Wanted(
                known[key],
                addresses[shown[dispute.sample_id]],
                make_draft(PREFILL, base_results(dispute)),
                board_data(dispute),
            )
            for key, dispute in mine.items()
        }
        reconciler = Reconciler(self._studio, self._ledger, PictureCheck(self._studio), _CHUNK)
        return reconciler.run(project, wanted, known, ())

    def _note_reviewer(self) -> None:
        """Enter a reviewer who is no annotator: known by the account that is used here, and given no samples."""
        if self._reviewer not in {annotator.name for annotator in self._ledger.annotators()}:
            self._ledger.add_annotator(self._reviewer, server_user_id=self._studio.user_id, active=False)

    def _prepare(
        self, disputes: Sequence[Dispute], splits: Iterable[Split]
    ) -> tuple[dict[str, str], dict[tuple[str, Split], str]]:
        """Return the name of the picture of each sample in dispute, and the strata of those that have one."""
        wanted: dict[tuple[str, Split], tuple[str, Picture]] = {}
        samples = {(dispute.sample_id, dispute.split) for dispute in disputes}
        for part in read_subjects(self._workspace, sorted(splits)) if samples else ():
            for subject, picture in part.pictures.items():
                if (subject.id, part.split) in samples:
                    wanted[subject.id, part.split] = (subject.stratum, picture)
        pictures = [picture for _, picture in wanted.values()]
        ready = prepare_pictures(self._workspace / IMAGES, self._folder, pictures, self._blinder)
        shown = {key: entry for key, entry in wanted.items() if entry[1].sha256 in ready.names}
        names = {sample: ready.names[picture.sha256] for (sample, _), (_, picture) in shown.items()}
        return names, {key: stratum for key, (stratum, _) in shown.items()}

    def _untouched(self, project: Project, tasks: Mapping[str, Task]) -> dict[str, Task]:
        there = {
            task.server_task_id: key
            for key, task in tasks.items()
            if task.project == project.id and task.server_task_id is not None
        }
        busy = {there[number] for number in begun(self._studio, project.server_project_id, there)}
        return {key: task for key, task in tasks.items() if key not in busy}

    def _addresses(self, split: Split, names: Iterable[str]) -> dict[str, str]:
        """Return where the server shows pictures.

        A project whose page shows more than a picture takes no uploads, so another server gets them in a project of
        the annotators.
        """
        if self._media is not None:
            return local_addresses(names, PICTURES)
        projects = self._ledger.projects(self._studio.identity, Purpose.ANNOTATE)
        if not projects:
            raise InputError(
                f"No project of the annotators is on {self._studio.url}, where the pictures could be uploaded.",
                hint="Run `geoseek annotate push` first, or adjudicate on the workspace's own server.",
            )
        home = min(projects, key=lambda project: (project.split is not split, project.id))
        return upload_pictures(self._studio, home.server_project_id, self._folder, names)
