"""What goes wrong between us and a Label Studio server, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from geoseek.schemas import GeoSeekError

URL_VARIABLE = "GEOSEEK_LABEL_STUDIO_URL"
TOKEN_VARIABLE = "GEOSEEK_LABEL_STUDIO_TOKEN"  # noqa: S105 - the name of a variable
LOCAL = "local"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_DETAIL_LENGTH = 300


class StudioError(GeoSeekError):
    """A Label Studio server cannot be reached, refuses, or answers with something else than was asked for.

    Args:
        message: What was being done, and what came back.
        hint: What to check next.
        status: HTTP status of the answer; None if there was none.
        uncertain: A write whose answer was lost: the server may or may not have carried it out.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, status: int | None = None, uncertain: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.uncertain = uncertain


class UnexpectedAnswerError(Exception):
    """A successful answer that is not the JSON that was asked for."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body


@dataclass(frozen=True)
class Answer:
    """What came back, whichever client asked."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def is_page(self) -> bool:
        """Whether this is a web page, where data was asked for."""
        return self.body.lstrip()[:1] == "<"


def answer_of(error: Exception) -> Answer | None:
    """Return the server's answer that an exception of httpx or of the SDK carries; None if there is none."""
    if isinstance(error, httpx.HTTPStatusError):
        return Answer(error.response.status_code, error.response.headers, error.response.text)
    if isinstance(error, UnexpectedAnswerError):
        return Answer(error.status, {}, error.body)
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if type(error).__module__.startswith("label_studio_sdk") and isinstance(status, int):
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)
        return Answer(status, {key.lower(): value for key, value in (error.headers or {}).items()}, text)  # type: ignore[attr-defined]
    return None


def is_transient(error: Exception) -> bool:
    """Whether asking again may help: no connection, a cut connection, a timeout, 429 or 5xx."""
    answer = answer_of(error)
    if answer is not None:
        return answer.status == 429 or answer.status >= 500
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def in_words(error: Exception, *, doing: str, url: str, identity: str, writing: bool) -> StudioError | None:
    """Say what an exception of httpx or of the SDK means.

    Args:
        error: What was raised.
        doing: What was attempted, e.g. "reading the list of projects".
        url: Address of the server.
        identity: `LOCAL` for the workspace's own server: it decides what the hint proposes.
        writing: Whether the request would have changed something on the server.

    Returns:
        The error to raise instead; it may repeat a token that the server repeats (see `TokenAuth.scrub`). None for an
        exception that does not come from the exchange with a server.
    """
    answer = answer_of(error)
    if answer is not None:
        message, hint = _words_for_answer(answer, doing, url, local=identity == LOCAL)
        # A refusal (4xx, or a redirect) happened instead of the write; anything else may have followed it.
        uncertain = writing and not (300 <= answer.status < 500 and answer.status != 408)
        return StudioError(message, hint=hint, status=answer.status, uncertain=uncertain)
    if isinstance(error, httpx.RequestError):
        message, hint = _words_for_silence(error, doing, url, local=identity == LOCAL)
        return StudioError(message, hint=hint, uncertain=writing and not isinstance(error, _NEVER_SENT))
    return None


def _words_for_silence(error: httpx.RequestError, doing: str, url: str, *, local: bool) -> tuple[str, str]:
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return (
            f"Label Studio at {url} did not answer in time while {doing}.",
            "It may be busy: run the same command again; what was done is found and not done twice.",
        )
    if isinstance(error, _NEVER_SENT):
        reason = f": {error}" if str(error) else ""
        return f"Label Studio at {url} cannot be reached{reason}.", _check_running(local)
    return (
        f"The connection to Label Studio at {url} was cut while {doing}.",
        "Run the same command again; what was done is found and not done twice.",
    )


def _check_running(local: bool) -> str:
    if local:
        return "Start it with `geoseek annotate serve`; its log is work/annotation/server/server.log."
    return f"Check that the server runs, that {URL_VARIABLE} names it, and that no proxy or firewall is in the way."


def _words_for_answer(answer: Answer, doing: str, url: str, *, local: bool) -> tuple[str, str]:
    server = f"Label Studio at {url}"
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "")
        return (
            f"{server} redirects to {target.partition('?')[0] or 'another address'} while {doing}.",
            f"Set {URL_VARIABLE} to the final address. If it is a proxy's login page, the proxy must let tokens pass.",
        )
    if answer.is_page and (answer.status < 300 or answer.status in (401, 403)):
        return (
            f"{server} answered with a web page instead of data{_title(answer.body)} while {doing}.",
            f"Probably a proxy's login page, or {URL_VARIABLE} names something else than Label Studio.",
        )
    detail = _detail(answer)
    if answer.status < 300:
        return (
            f"{server} answered {doing} in a form that is not known{detail}.",
            "Perhaps its version is not supported: see docs/label-studio.md.",
        )
    if answer.status == 401:
        return f"{server} does not accept the token{detail} while {doing}.", _check_token(local)
    if answer.status == 403:
        return (
            f"{server} refuses {doing} (403){detail}.",
            "The user of the token may not do this, or a proxy in front of the server blocks it.",
        )
    if answer.status == 404:
        return (
            f"{server} has not found what was asked for (404){detail} while {doing}.",
            "It was deleted on the server, belongs to another organisation, or the address has a wrong path.",
        )
    if answer.status == 429:
        return f"{server} asks to slow down (429){detail} while {doing}.", "Wait a few minutes and run it again."
    if answer.status >= 500:
        where = "work/annotation/server/server.log" if local else "its own log"
        return (
            f"{server} failed ({answer.status}){detail} while {doing}.",
            f"The reason is in {where}. Run the same command again; what was done is found and not done twice.",
        )
    return f"{server} refuses {doing} ({answer.status}){detail}.", "The server's words say what it does not accept."


def _check_token(local: bool) -> str:
    if local:
        return "Run `geoseek annotate stop`, then the same command again: it makes a new token."
    return (
        f"Check {TOKEN_VARIABLE}: make a personal access token on the server (Account & Settings, Personal Access "
        "Token). It may have expired or been revoked; legacy tokens work only where the server allows them."
    )


def _title(page: str) -> str:
    found = re.search(r"<title[^>]*>([^<]{1,200})", page, flags=re.IGNORECASE)
    title = " ".join(found.group(1).split()) if found else ""
    return f" ({title!r})" if title else ""


def _detail(answer: Answer) -> str:
    """Return the server's own words as `: ...`, shortened; nothing for a page or an empty answer."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    parts: list[Any] = []
    if isinstance(body, dict):
        parts = [body[key] for key in ("detail", "validation_errors") if body.get(key)] or ([body] if body else [])
    elif body or (answer.body.strip() and not answer.is_page):
        parts = [body or answer.body]
    words = "; ".join(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts)
    words = " ".join(words.split())
    if len(words) > _DETAIL_LENGTH:
        words = words[:_DETAIL_LENGTH] + "..."
    return f": {words.rstrip('.')}" if words else ""
