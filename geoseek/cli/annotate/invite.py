"""`geoseek annotate invite`: an account on the server, and an annotator in the ledger."""

from __future__ import annotations

import json as json_module
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.annotation.server import Account

_PSEUDONYM = re.compile(r"\w(?:[\w .-]{0,38}\w)?")


def invite(
    name: Annotated[str, typer.Argument(help="Pseudonym, used everywhere else.")],
    email: Annotated[str, typer.Argument(help="What the annotator signs in with; nothing is sent to it.")],
    workspace: o.Workspace = None,
    json: o.Json = False,
    dry_run: o.DryRun = False,
    quiet: o.Quiet = False,
) -> None:
    """Make an account for an annotator and enter the annotator in the ledger.

    Prints the address, the e-mail and the password: hand them over yourself, in a safe way. The e-mail stays in the
    ledger and on the server; records and exports carry the pseudonym. Run again, it finds the account that is there.

    Examples:
      geoseek annotate invite kestrel kestrel@example.org
    """
    from geoseek.annotation.server import ensure_studio
    from geoseek.annotation.server import invite as make_account
    from geoseek.workspace import find_workspace, set_quiet

    set_quiet(quiet or json)
    folder = find_workspace(workspace)
    name = _checked_pseudonym(name)
    address = _checked_address(folder, name, email)
    if dry_run:
        typer.echo(f"Would make an account for {address} and enter the annotator {name} in the ledger.")
        return
    with ensure_studio(folder) as studio:
        account = make_account(studio, folder, address)
        _enter(folder, name, account)
        url = studio.page_url
    if json:
        entry = {"annotator": name, "url": url, "email": account.email, "password": account.password}
        typer.echo(json_module.dumps(entry | {"user_id": account.user_id}, ensure_ascii=False))
    elif account.password is None:
        typer.echo(f"{name} uses the account that {account.email} has at {url}, with the password it has.")
    else:
        typer.echo(f"{name} can sign in at {url}\n  e-mail    {account.email}\n  password  {account.password}")


def dismiss(
    name: Annotated[str, typer.Argument(help="Pseudonym of the annotator.")],
    workspace: o.Workspace = None,
    quiet: o.Quiet = False,
) -> None:
    """Give an annotator no further tasks; the work done stays, and so does the account.

    What the annotator has not begun goes to the others with `geoseek annotate push --rebalance`; `invite` takes the
    annotator back.

    Examples:
      geoseek annotate dismiss kestrel
    """
    from geoseek.annotation.ledger import Ledger
    from geoseek.schemas import unknown_name
    from geoseek.workspace import find_workspace

    with Ledger(find_workspace(workspace) / "work" / "annotation") as ledger:
        known = [annotator.name for annotator in ledger.annotators()]
        if name not in known:
            raise unknown_name("annotator", name, known)
        ledger.deactivate_annotator(name)
    if not quiet:
        typer.echo(f"{name} takes no more tasks. Share out the open ones with: geoseek annotate push --rebalance")


def _checked_pseudonym(text: str) -> str:
    from geoseek.schemas import UsageError

    name = text.strip()
    if not _PSEUDONYM.fullmatch(name):
        raise UsageError(
            f"{text!r} cannot be a pseudonym.",
            hint="Use up to 40 letters and digits, with dots, dashes or spaces between them; no e-mail address.",
        )
    return name


def _checked_address(folder: Path, name: str, email: str) -> str:
    """Return the address after checking that neither it nor the name belongs to another annotator."""
    from geoseek.annotation.agreement import has_ledger
    from geoseek.annotation.ledger import Ledger
    from geoseek.annotation.server import checked_email
    from geoseek.schemas import UsageError

    address = checked_email(email)
    if not has_ledger(folder):
        return address
    with Ledger(folder / "work" / "annotation") as ledger:
        for known in ledger.annotators():
            if known.name == name and known.email not in (None, address):
                raise UsageError(f"{name} is the pseudonym of another annotator.", hint="Choose another pseudonym.")
            if known.email == address and known.name != name:
                raise UsageError(
                    f"{address} is already the annotator {known.name}.", hint="One person has one pseudonym."
                )
    return address


def _enter(folder: Path, name: str, account: Account) -> None:
    from geoseek.annotation.ledger import Ledger

    with Ledger(folder / "work" / "annotation") as ledger, ledger.transaction():
        ledger.add_annotator(name, email=account.email, server_user_id=account.user_id)
