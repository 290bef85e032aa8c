"""The Hub, as publishing sees it: one repository, few questions, every failure in words.

Everything goes through huggingface_hub. What its own requests do not try again is tried again here.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from geoseek import __version__
from geoseek.pipelines.publish.plan import LocalFile, PublishPlan, RemoteFile, RemoteState
from geoseek.schemas import GeoSeekError, MissingExtraError, UsageError
from geoseek.workspace import progress_bar

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

_KIND = "dataset"
_TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_CHANGED = 412
_LONGEST_PAUSE_S = 300.0
_QUERY = re.compile(r"\?[^\s'\"]+")
_AGAIN = "Run the same command again: files that arrived are not sent again."
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")

T = TypeVar("T")


class PublishError(GeoSeekError):
    """The Hub refused, or could not be reached.

    Args:
        message: What was wrong.
        hint: What to do.
        status: HTTP status, if there was an answer.
    """

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True)
class HubAccess:
    """Where and how to publish.

    Attributes:
        endpoint: Address of the Hub.
        repo: `ORG/NAME`.
        revision: Branch.
        token: Access token; None reads public repositories only.
        tries: How often a request is made at most.
        backoff_s: Seconds before the second try; doubles with each further one.
    """

    endpoint: str
    repo: str
    revision: str
    token: str | None = field(repr=False)
    tries: int = 4
    backoff_s: float = 2.0


def hub_access(repo: str, revision: str, **options: Any) -> HubAccess:
    """Return the access that the environment gives: `HF_ENDPOINT`, and `HF_TOKEN` or the Hub's own login.

    Args:
        repo: `ORG/NAME`.
        revision: Branch.
        options: Further fields of `HubAccess`.

    Raises:
        UsageError: The name is none, or a token would travel unencrypted.
        MissingExtraError: huggingface_hub is not installed.
    """
    with _hub_package():
        from huggingface_hub import get_token
        from huggingface_hub.constants import ENDPOINT
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise UsageError(f"{repo!r} is no name of a repository.", hint="Write --repo ORG/NAME, e.g. my-lab/geoseek.")
    parts = urlsplit(ENDPOINT)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise UsageError(
            f"HF_ENDPOINT is {ENDPOINT!r}: the token would travel unencrypted.", hint="Use an address with https://."
        )
    return HubAccess(ENDPOINT, repo, revision, get_token(), **options)


@contextlib.contextmanager
def _hub_package() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", extra="publish", purpose="Publishing") from error


class Hub:
    """One repository on a Hub.

    Args:
        access: Where and how.
    """

    def __init__(self, access: HubAccess) -> None:
        with _hub_package():
            from huggingface_hub import HfApi, constants
        self._access = access
        # Else it tells every Hub which torch and which assistant run here, and asks the public Hub for a list of those.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        # `False` keeps the library from looking for a token itself.
        self._api = HfApi(
            endpoint=access.endpoint,
            token=access.token or False,
            library_name="geoseek",
            library_version=__version__,
        )

    def user(self) -> str:
        """Return whose token it is.

        Raises:
            PublishError: The token is not accepted.
        """
        found: dict[str, Any] = self._ask("asking who you are", self._api.whoami)
        return str(found.get("name"))

    def state(self) -> RemoteState | None:
        """Return what the repository holds; None if there is none, or none that this token can see."""
        return self._ask("reading the repository", self._read_state)

    def _read_state(self) -> RemoteState | None:
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
        from huggingface_hub.hf_api import RepoFile

        repo, revision = self._access.repo, self._access.revision
        has_revision = True
        try:
            try:
                info = self._api.dataset_info(repo, revision=revision)
            except RevisionNotFoundError:
                has_revision = False
                info = self._api.dataset_info(repo)
            entries = list(self._api.list_repo_tree(repo, recursive=True, revision=info.sha, repo_type=_KIND))
        except GatedRepoError:
            raise
        except RepositoryNotFoundError:
            return None
        files = {
            entry.path: RemoteFile(entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
            for entry in entries
            if isinstance(entry, RepoFile)
        }
        # Where the Hub does not say, assume the worse.
        return RemoteState(info.private is True, info.sha, has_revision, files)

    def create(self, plan: PublishPlan) -> None:
        """Create what does not exist yet: the repository, the branch."""
        repo = self._access.repo
        if plan.creates_repo:
            self._ask(
                "creating the repository",
                lambda: self._api.create_repo(repo, private=not plan.public, repo_type=_KIND, exist_ok=True),
            )
        state = self.state()
        if state is not None and not state.has_revision:
            self._ask(
                "creating the branch",
                lambda: self._api.create_branch(repo, branch=plan.revision, repo_type=_KIND, exist_ok=True),
            )

    def upload(self, folder: Path, files: Sequence[LocalFile]) -> list[CommitOperationAdd]:
        """Send the content of large files; nothing of it can be seen before `commit`.

        A file that arrived in an earlier run is not sent again: the Hub knows it by its hash.
        """
        from huggingface_hub import CommitOperationAdd

        additions = []
        total = sum(file.bytes for file in files)
        with _quiet_hub(), progress_bar(total=total, label="Sending", unit="B") as bar:
            for file in files:
                addition = CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(folder / file.name))
                addition.upload_info.sha256 = bytes.fromhex(file.sha256)
                self._ask(f"sending {file.name}", partial(self._preupload, addition))
                additions.append(addition)
                bar.update(file.bytes)
        return additions

    def _preupload(self, addition: CommitOperationAdd) -> None:
        self._api.preupload_lfs_files(
            self._access.repo,
            [addition],
            repo_type=_KIND,
            revision=self._access.revision,
            num_threads=1,
            free_memory=False,
        )

    def commit(
        self, additions: Sequence[CommitOperationAdd], plan: PublishPlan, head: str | None, message: str
    ) -> list[str]:
        """Make all changes visible at once.

        Returns:
            What the Hub has to remark about the card.

        Raises:
            PublishError: The Hub refuses, or somebody else changed the repository meanwhile.
        """
        from huggingface_hub import CommitOperationDelete

        deletions = [CommitOperationDelete(path_in_repo=name, is_folder=False) for name in plan.deleted]

        def send() -> None:
            # An answer that got lost: the commit was made, and the same one on top of it would be refused.
            if holds(self._read_state(), plan):
                return
            self._api.create_commit(
                self._access.repo,
                [*additions, *deletions],
                commit_message=message,
                repo_type=_KIND,
                revision=self._access.revision,
                parent_commit=head,
            )

        with _quiet_hub(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._ask("committing", send)
        return [" ".join(str(one.message).split()) for one in caught if issubclass(one.category, UserWarning)]

    def make_public(self) -> None:
        """Let everybody see the repository."""
        repo = self._access.repo
        self._ask("making it public", lambda: self._api.update_repo_settings(repo, private=False, repo_type=_KIND))

    def _ask(self, doing: str, call: Callable[[], T]) -> T:
        """Make a request, again if it may work later, and say in words what went wrong."""
        import httpx

        pause_s = self._access.backoff_s
        for attempt in range(1, self._access.tries + 1):
            try:
                return call()
            # huggingface_hub and hf_xet have no common base class for what can go wrong.
            except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
                cause = _root(error)
                status = _status(cause)
                lasting = status not in _TRANSIENT if status is not None else not _is_connection_problem(cause)
                if lasting or attempt == self._access.tries:
                    raise self._in_words(doing, cause, status) from None
                time.sleep(min(max(pause_s, _retry_after(cause)), _LONGEST_PAUSE_S))
                pause_s *= 2
        raise RuntimeError("tries is positive")

    def _in_words(self, doing: str, error: BaseException, status: int | None) -> PublishError:
        repo = self._access.repo
        known = {
            401: ("The Hub does not accept the token.", "Set HF_TOKEN, or sign in with `hf auth login`."),
            403: (
                f"This token may not write to {repo}.",
                f"Use a token that may write to datasets of {repo.partition('/')[0]}, and check that you belong to it.",
            ),
            _CHANGED: (
                f"Somebody changed {repo} since the plan was made.",
                "Nothing was changed. Run the same command again, and look at the new plan.",
            ),
            429: ("The Hub asks to slow down, and does so still.", f"Wait some minutes. {_AGAIN}"),
        }
        if status in known:
            message, hint = known[status]
        elif status is not None and status < 500 and status != 409:
            message, hint = f"The Hub refuses ({status}).", "Nothing was changed."
        elif status is not None:
            message, hint = f"The Hub fails ({status}).", _AGAIN
        elif _is_connection_problem(error):
            message, hint = f"The Hub at {self._access.endpoint} cannot be reached.", _AGAIN
        else:
            message, hint = "That failed.", _AGAIN
        return PublishError(f"{doing[0].upper()}{doing[1:]}: {message} {self._shown(error)}", hint=hint, status=status)

    def _shown(self, error: BaseException) -> str:
        """Return the gist of an error, without anything that grants access."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and "developer.mozilla" not in line]
        text = _QUERY.sub("?…", " ".join(lines[:2]) or type(error).__name__)
        return f"({text.replace(self._access.token or chr(0), '…')[:300]})"


def holds(state: RemoteState | None, plan: PublishPlan) -> bool:
    """Return whether a repository holds all files of a plan, and none that it deletes."""
    if state is None or not state.has_revision:
        return False
    wanted = (*plan.sent, *plan.unchanged)
    complete = all(file.name in state.files and state.files[file.name].holds(file) for file in wanted)
    return complete and not any(name in state.files for name in plan.deleted)


@contextlib.contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep huggingface_hub from drawing its own bars, and from logging addresses that carry signatures."""
    from huggingface_hub.utils import logging as hub_logging
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    level, were_disabled = hub_logging.get_verbosity(), are_progress_bars_disabled()
    hub_logging.set_verbosity(logging.ERROR)
    if not were_disabled:
        disable_progress_bars()
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)
        if not were_disabled:
            enable_progress_bars()


def _root(error: BaseException) -> BaseException:
    """Return what went wrong with a file; the library wraps it in a RuntimeError that only names the file."""
    return error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ is not None else error


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _is_connection_problem(error: BaseException) -> bool:
    import httpx

    return isinstance(error, httpx.TransportError | ConnectionError | TimeoutError)


def _retry_after(error: BaseException) -> float:
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return float(headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
