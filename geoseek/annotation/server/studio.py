"""A live, authenticated connection to a Label Studio server: patient reads, writes that are sent once."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Never, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from geoseek.annotation.server.errors import (
    URL_VARIABLE,
    StudioError,
    UnexpectedAnswerError,
    answer_of,
    in_words,
    is_transient,
)
from geoseek.annotation.server.tokens import TokenAuth
from geoseek.schemas import UsageError

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

T = TypeVar("T")

TESTED_VERSION = "1.23.2"
OLDEST_VERSION = (1, 20)
_TIMEOUT = httpx.Timeout(connect=10, read=180, write=180, pool=10)


@dataclass(frozen=True)
class Patience:
    """How long a read goes on after a connection error, 429 or 5xx.

    Args:
        tries: Requests at most, the first included.
        first_wait_s: Pause after the first failure; it doubles from one to the next.
        longest_wait_s: Upper bound of a pause, also of one that the server asks for with Retry-After.
        longest_s: When this much time has passed, there is no further try.
        sleep: What pauses.
    """

    tries: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    longest_s: float = 300.0
    sleep: Callable[[float], None] = time.sleep

    def wait_s(self, error: Exception, failures: int) -> float:
        """Return the pause before the next try, in seconds."""
        answer = answer_of(error)
        asked = _retry_after_s(answer.headers.get("retry-after")) if answer else None
        return min(self.first_wait_s * 2 ** (failures - 1) if asked is None else asked, self.longest_wait_s)


def _retry_after_s(value: str | None) -> float | None:
    """Read a Retry-After header: seconds or a date.

    >>> _retry_after_s("7"), _retry_after_s("soon"), _retry_after_s(None)
    (7.0, None, None)
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


class Studio(AbstractContextManager["Studio"]):
    """A connection to one server as one user; made by `connect` or `ensure_studio`, safe to share between threads.

    Attributes:
        url: Address of the server, without a slash at its end.
        page_url: Address that annotators open in their browser; differs where a proxy stands before the own server.
        identity: "local" for the workspace's own server, else the normalised address: what the ledger stores.
        version: Version of the server, e.g. "1.23.2".
        user_id: The user whose token is used.
        email: That user's e-mail address.
        clock: The server's time at its last answer, to the second; None if it does not say.
    """

    def __init__(
        self, url: str, auth: TokenAuth, *, identity: str, patience: Patience | None = None, trust_env: bool = True
    ) -> None:
        self.url = url
        self.page_url = url
        self.identity = identity
        self.version = ""
        self.user_id = 0
        self.email = ""
        self.clock: datetime | None = None
        self._auth = auth
        self._patience = patience or Patience()
        self._client = httpx.Client(
            base_url=url,
            auth=auth,
            timeout=_TIMEOUT,
            headers={"Accept": "application/json"},
            follow_redirects=False,
            trust_env=trust_env,
            event_hooks={"response": [self._note_clock]},
        )

    def __repr__(self) -> str:
        return f"Studio({self.url}, version {self.version})"

    def __exit__(self, *_: object) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """Close the connections; the object must not be used afterwards."""
        self._client.close()

    def identify(self, say: Callable[[str], None]) -> None:
        """Find out which version answers, and whose token this is.

        Args:
            say: Gets a warning if the version was not tried.

        Raises:
            StudioError: No server, not Label Studio, too old, or the token is not accepted.
        """
        # Without the token: what answers may be anything.
        answer = self._patiently(
            lambda: _json(self._client.get("/api/version", auth=None)), doing="asking for its version"
        )
        release = answer.get("release") if isinstance(answer, dict) else None
        if not isinstance(release, str):
            raise StudioError(
                f"What answers at {self.url} does not say which version of Label Studio it is.",
                hint=f"Check that {URL_VARIABLE} names a Label Studio server.",
            )
        self.version = release
        warning = version_warning(release, self.url)
        if warning:
            say(warning)
        user = self.get_json("/api/current-user/whoami", doing="asking whose token this is")
        self.user_id, self.email = user["id"], user["email"]

    @cached_property
    def sdk(self) -> LabelStudio:
        """The SDK's client: same connections, same authentication, its own retries off."""
        from label_studio_sdk import LabelStudio

        # The SDK wants a key to build its own header from; TokenAuth replaces that header on every request.
        return LabelStudio(base_url=self.url + "/", api_key="set-by-geoseek", max_retries=0, httpx_client=self._client)

    def read(self, call: Callable[[LabelStudio], T], *, doing: str) -> T:
        """Run a call that changes nothing; asked again after connection errors, 429 (Retry-After) and 5xx.

        Args:
            call: Gets the SDK's client. A pager must be used up inside: what it fetches later is not protected.
            doing: Words for the error, e.g. "reading the list of projects".

        Raises:
            StudioError: It still failed after the last try, or asking again cannot help.
        """
        return self._patiently(lambda: call(self.sdk), doing=doing)

    def write(self, call: Callable[[LabelStudio], T], *, doing: str) -> T:
        """Run a call that changes something, once.

        Args:
            call: Gets the SDK's client; should make one request, so that `uncertain` speaks of that one.
            doing: Words for the error, e.g. "importing 500 tasks".

        Raises:
            StudioError: With `uncertain=True` if the server may have carried it out all the same.
        """
        return self._once(lambda: call(self.sdk), doing=doing)

    def get_json(self, path: str, params: Mapping[str, Any] | None = None, *, doing: str) -> Any:
        """Return what a path answers as JSON; asked again like `read`.

        Raises:
            StudioError: As for `read`; also for an answer that is not JSON.
        """
        return self._patiently(lambda: _json(self._client.get(path, params=params)), doing=doing)

    def get_bytes(self, path: str, params: Mapping[str, Any] | None = None, *, doing: str) -> bytes:
        """Return the bytes that a path answers with, e.g. a picture; asked again like `read`.

        Raises:
            StudioError: As for `read`.
        """
        return self._patiently(lambda: self._client.get(path, params=params).raise_for_status().content, doing=doing)

    def send_json(self, method: str, path: str, body: Any, *, doing: str) -> Any:
        """Send a JSON body once and return the JSON answer, None if it is empty.

        Raises:
            StudioError: As for `write`.
        """
        return self._once(lambda: _json(self._client.request(method, path, json=body)), doing=doing)

    def send_files(self, path: str, files: Mapping[str, tuple[str, bytes]], *, doing: str) -> Any:
        """Upload files (field -> name and content) in one request, sent once, and return the JSON answer.

        Raises:
            StudioError: As for `write`.
        """
        return self._once(lambda: _json(self._client.post(path, files=files)), doing=doing)

    def _note_clock(self, response: httpx.Response) -> None:
        with contextlib.suppress(KeyError, ValueError):
            moment = parsedate_to_datetime(response.headers["date"])
            self.clock = moment if moment.tzinfo else None  # a broken header can still parse as a time of nowhere

    def _patiently(self, call: Callable[[], T], *, doing: str) -> T:
        deadline = time.monotonic() + self._patience.longest_s
        for failures in range(1, self._patience.tries + 1):
            try:
                return call()
            except Exception as error:  # noqa: BLE001 - passed on, in words where it is about the server
                last = failures == self._patience.tries or time.monotonic() > deadline
                if last or not is_transient(error):
                    self._raise(error, doing=doing, writing=False)
                wait_s = self._patience.wait_s(error, failures)
            self._patience.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def _once(self, call: Callable[[], T], *, doing: str) -> T:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - passed on, in words where it is about the server
            self._raise(error, doing=doing, writing=True)

    def _raise(self, error: Exception, *, doing: str, writing: bool) -> Never:
        words = in_words(error, doing=doing, url=self.url, identity=self.identity, writing=writing)
        if words is None:
            raise error
        # Not chained: the original may repeat an answer that echoes the token.
        raise StudioError(
            self._auth.scrub(words.message), hint=words.hint, status=words.status, uncertain=words.uncertain
        ) from None


def _json(response: httpx.Response) -> Any:
    response.raise_for_status()
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise UnexpectedAnswerError(response.status_code, response.text) from None


def normal_url(text: str, *, name: str = URL_VARIABLE) -> str:
    """Return a server's address in the one form that is stored: lower-case host, no default port, no final slash.

    Args:
        text: As the user wrote it.
        name: What the user wrote it to, for the error.

    Raises:
        UsageError: Not an http(s) address, or one with a name and password, a query or a fragment in it.

    >>> normal_url(" HTTPS://Label.Example.org:443/studio/ ")
    'https://label.example.org/studio'
    """
    example = "Example: https://label.example.org"
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise UsageError(f"{name} is not a web address.", hint=example) from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{name} has a user name or password in it.", hint=f"Leave them out. {example}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{name} is not the address of a server: {text.strip()!r}.", hint=example)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}{'' if port in (None, default) else f':{port}'}{parts.path.rstrip('/')}"


def connect(
    url: str,
    token: str,
    *,
    identity: str | None = None,
    renew: Callable[[str], str] | None = None,
    patience: Patience | None = None,
    say: Callable[[str], None],
) -> Studio:
    """Return a connection after checking that a supported Label Studio answers and accepts the token.

    Args:
        url: Normalised address.
        token: A personal access token or a legacy token.
        identity: Default: the address.
        renew: See `TokenAuth`.
        patience: How long reads go on.
        say: Gets a line for each warning.

    Raises:
        StudioError: No server, not Label Studio, too old, or the token is not accepted.
    """
    loopback = is_loopback(url)
    if url.startswith("http://") and not loopback:
        say(f"Warning: {url} is not encrypted: the token and all answers can be read on the way. Use https.")
    auth = TokenAuth(token, url, renew=renew)
    studio = Studio(url, auth, identity=identity or url, patience=patience, trust_env=not loopback)
    try:
        studio.identify(say)
    except BaseException:
        studio.close()
        raise
    return studio


def is_loopback(url: str) -> bool:
    """Whether an address leads to this machine, where no proxy must be used.

    >>> is_loopback("http://127.0.0.1:8080"), is_loopback("https://label.example.org")
    (True, False)
    """
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def version_warning(release: str, url: str) -> str | None:
    """Return a warning for a version that the tests do not run against; None for one like `TESTED_VERSION`.

    Raises:
        StudioError: Too old: parts of the interface that GeoSeek uses are not there.
    """
    version, tested = (
        tuple(int(digits) for digits in re.findall(r"\d+", text)[:2]) for text in (release, TESTED_VERSION)
    )
    if version < OLDEST_VERSION:
        raise StudioError(
            f"Label Studio at {url} is version {release}; GeoSeek needs {'.'.join(map(str, OLDEST_VERSION))} or newer.",
            hint=f"Update it (tested with {TESTED_VERSION}), or use the workspace's own server: unset {URL_VARIABLE}.",
        )
    if version != tested:
        return f"Warning: Label Studio at {url} is version {release}; GeoSeek is tested with {TESTED_VERSION}."
    return None
