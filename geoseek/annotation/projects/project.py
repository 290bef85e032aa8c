"""The projects on the server: one for each annotator and split, made or brought up to date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseek.annotation.forms import Form, Handbook
from geoseek.annotation.ledger import Ledger, Project, Purpose
from geoseek.annotation.projects.blind import Blinder
from geoseek.annotation.server import LOCAL, StudioError
from geoseek.schemas import Split

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

PICTURES = "pictures"
"""The folder of pictures, below the root that the workspace's own server may show files from."""

_TRIES = 3
_FIELDS = (
    "id,title,description,label_config,expert_instruction,show_instruction,maximum_annotations,sampling,"
    "enable_empty_annotation,show_collab_predictions,model_version"
)


@dataclass(frozen=True)
class ProjectContent:
    """What a project shows.

    Attributes:
        form: The labelling page.
        handbook: Becomes the instruction.
        media: Root of the files of the workspace's own server; None for another server.
        model: Model whose drafts fill the pages of a new project; see also `Projects.show_drafts`.
    """

    form: Form
    handbook: Handbook
    media: Path | None
    model: str | None = None


class Projects:
    """All projects of a server that bear the mark of this workspace."""

    def __init__(self, studio: Studio, ledger: Ledger, blinder: Blinder) -> None:
        self._studio = studio
        self._ledger = ledger
        self._blinder = blinder
        self._there: dict[str, dict[str, Any]] = {}
        self._list()

    def ensure(
        self, annotator: str, split: Split, content: ProjectContent, *, purpose: Purpose = Purpose.ANNOTATE
    ) -> Project:
        """Return the project of an annotator in a split; it is made if the server has none, else brought up to date.

        Raises:
            StudioError: The server refuses, or cannot be reached.
        """
        mark = self._blinder.project_mark(purpose, split, annotator)
        wanted = _settings(_title(annotator, split, purpose), mark, content)
        there = self._there.get(mark)
        if there is None:
            chosen = {} if content.model is None else {"model_version": content.model}
            there = self._create(mark, {**wanted, **chosen})
        number = int(there["id"])
        self._change(there, wanted)
        if content.media is not None:
            ensure_storage(self._studio, number, content.media / PICTURES)
        kind = "config-adjudicate" if purpose is Purpose.ADJUDICATE else f"config-{split.value}"
        with self._ledger.transaction():
            return self._ledger.put_project(
                self._studio.identity,
                number,
                purpose=purpose,
                annotator=annotator,
                split=split,
                config_version=self._ledger.form_version(kind, content.form.digest, content.form.xml),
                handbook_version=self._ledger.form_version("handbook", content.handbook.digest, content.handbook.text),
            )

    def show_drafts(self, project: Project, models: Mapping[str, int], preferred: str | None) -> None:
        """Let the drafts of one model fill the pages of a project; the server knows only models that have drafts there.

        Args:
            project: The project.
            models: Model -> how many drafts of it the tasks have.
            preferred: The model to show if it has any; None to leave a choice that was made.
        """
        (there,) = (one for one in self._there.values() if one["id"] == project.server_project_id)
        for model in (preferred, there.get("model_version"), max(models, key=models.__getitem__, default=None)):
            if model in models:
                self._change(there, {"model_version": model})
                return

    def _change(self, there: dict[str, Any], wanted: Mapping[str, Any]) -> None:
        changed = {name: value for name, value in wanted.items() if not _same(there.get(name), value)}
        if changed:
            self._studio.send_json("PATCH", f"/api/projects/{there['id']}", changed, doing="changing a project")
            there.update(changed)

    def _create(self, mark: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        for remaining in reversed(range(_TRIES)):
            try:
                made: dict[str, Any] = self._studio.send_json("POST", "/api/projects", wanted, doing="making a project")
            except StudioError as error:
                if not error.uncertain:
                    raise
                self._list()
                if mark in self._there:
                    return self._there[mark]
                if not remaining:
                    raise
            else:
                self._there[mark] = made
                return made
        raise AssertionError("the last try returns or raises")

    def _list(self) -> None:
        found = list(_marked(list_projects(self._studio)))
        known = {project.server_project_id for project in self._ledger.projects(self._studio.identity)}
        # Were there two with one mark, the one that the ledger knows, else the older one, is ours.
        found.sort(key=lambda pair: (pair[1]["id"] not in known, pair[1]["id"]), reverse=True)
        self._there = dict(found)


def list_projects(studio: Studio) -> Iterator[dict[str, Any]]:
    """Yield all projects of the server, with the fields that matter here."""
    page, total = 1, 1
    while (page - 1) * 100 < total:
        parameters = {"include": _FIELDS, "page_size": 100, "page": page}
        answer = studio.get_json("/api/projects", parameters, doing="reading the list of projects")
        total = answer["count"]
        yield from answer["results"]
        page += 1


def ensure_storage(studio: Studio, project: int, folder: Path) -> None:
    """Let a project of the workspace's own server show the files of a folder; nothing is imported from it."""
    storages = studio.get_json("/api/storages/localfiles", {"project": project}, doing="reading a project's storage")
    if any(storage["path"] == str(folder) for storage in storages):
        return
    folder.mkdir(parents=True, exist_ok=True)
    body = {"project": project, "title": "GeoSeek", "path": str(folder), "use_blob_urls": True}
    studio.send_json("POST", "/api/storages/localfiles", body, doing="connecting a project with its pictures")


def media_of(studio: Studio, root: Path) -> Path | None:
    """Return the root of the files that the server may show, if it is the workspace's own."""
    return root if studio.identity == LOCAL else None


def _title(annotator: str, split: Split, purpose: Purpose) -> str:
    task = f"adjudication {split.value}" if purpose is Purpose.ADJUDICATE else split.value
    return f"GeoSeek {task} · {annotator}"[:50]


def _settings(title: str, mark: str, content: ProjectContent) -> dict[str, Any]:
    return {
        "title": title,
        "description": f"Made by GeoSeek ({mark}); keep this line.",
        "label_config": content.form.xml,
        "expert_instruction": content.handbook.html,
        "show_instruction": False,
        "maximum_annotations": 1,
        "sampling": "Sequential sampling",
        "enable_empty_annotation": False,
        "show_collab_predictions": True,
    }


def _marked(projects: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for project in projects:
        before, _, rest = (project.get("description") or "").partition("(")
        if before == "Made by GeoSeek " and ")" in rest:
            yield rest.partition(")")[0], project


def _same(there: Any, wanted: Any) -> bool:
    """The server strips texts."""
    return bool(
        there.strip() == wanted.strip() if isinstance(there, str) and isinstance(wanted, str) else there == wanted
    )
