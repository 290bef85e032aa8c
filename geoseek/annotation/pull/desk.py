"""Whose work lies in which project, and what is known about these people."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from geoseek.annotation.ledger import Ledger, Mirror, Project, Purpose
from geoseek.annotation.pull.changes import account_numbers
from geoseek.annotation.pull.judge import Desk
from geoseek.schemas import InputError, Split

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio


def pulled_projects(ledger: Ledger, studio: Studio, splits: Collection[Split] = ()) -> list[Project]:
    """Return the annotators' projects on a server, of some splits or of all.

    Raises:
        InputError: Nothing was ever pushed to this server.
    """
    projects = ledger.projects(studio.identity, Purpose.ANNOTATE)
    if not projects:
        raise InputError(
            f"There is nothing to pull: nothing was pushed to the server at {studio.url} from this workspace.",
            hint="Run `geoseek annotate push`.",
        )
    return [project for project in projects if not splits or project.split in splits]


def look_up_accounts(ledger: Ledger, studio: Studio, projects: Iterable[Project]) -> None:
    """Fill in the accounts of annotators who are known only by their e-mail address."""
    wanted = {project.annotator: Mirror(ledger, project) for project in projects}
    unknown = [
        annotator
        for annotator in ledger.annotators()
        if annotator.name in wanted and annotator.server_user_id is None and annotator.email
    ]
    if not unknown:
        return
    accounts = account_numbers(studio)
    with ledger.transaction():
        for annotator in unknown:
            number = accounts.get((annotator.email or "").lower())
            if number is not None:
                wanted[annotator.name].note_account(number)


def desks(ledger: Ledger, projects: Iterable[Project], synthetic: frozenset[str] = frozenset()) -> dict[int, Desk]:
    """Return what is known about the annotator of each project, by the project's id in the ledger.

    Args:
        ledger: The ledger.
        projects: Of one server.
        synthetic: Samples whose picture is drawn.
    """
    accounts = {annotator.name: annotator.server_user_id for annotator in ledger.annotators()}
    people = {number: name for name, number in accounts.items() if number is not None}
    return {
        project.id: Desk(
            server=project.server,
            account=accounts[project.annotator],
            people=people,
            forms=Mirror(ledger, project).forms(),
            synthetic=synthetic,
        )
        for project in projects
    }
