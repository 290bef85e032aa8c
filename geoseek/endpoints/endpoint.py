"""Which server answers, as whom we ask it, and how hard it may be used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from geoseek.schemas import UsageError

_URL_HINT = "Expected something like http://localhost:8000/v1 or https://api.example.org."
_VERSION = re.compile(r"v\d+\w*")


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks the OpenAI chat API, and the manners to be kept towards it.

    Attributes:
        url: Base address; `/v1` and `/chat/completions` may be left out.
        model: The model's name on that server.
        key: Secret sent as bearer token; never shown, stored or logged.
        timeout_s: Time for one request, from connecting to the last byte.
        concurrency: Requests at the same time.
        requests_per_minute: Limit on the requests sent, retries included; they are spaced evenly.
        tokens_per_minute: Limit on prompt and completion tokens: estimated before a request, settled after it.
        max_retries: Further tries of one request after failures that may pass.
        backoff_s: Pause before the first retry; it doubles with each further one.
        longest_pause_s: Upper limit of any pause, including those the server asks for with Retry-After.
        price_in: Money for a million prompt tokens, if the cost is to be counted.
        price_out: The same for completion tokens.

    Raises:
        UsageError: A field is out of its range.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 120.0
    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_retries: int = 5
    backoff_s: float = 1.0
    longest_pause_s: float = 60.0
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", base_url(self.url))
        if not self.model.strip():
            raise UsageError("The endpoint's model has no name.", hint="Give the name under which the server knows it.")
        if self.key is not None and not (self.key.isascii() and self.key.isprintable() and self.key.strip()):
            # The value is kept out of the message, and out of what the HTTP library would say about it.
            raise UsageError(
                "The endpoint's key is empty or holds characters that a header cannot carry.",
                hint="Look for line ends, spaces or quotes that were copied along.",
            )
        for name in ("timeout_s", "concurrency", "requests_per_minute", "tokens_per_minute", "longest_pause_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"The endpoint's {name} is {value!r}.", hint="Expected a number above 0.")
        for name in ("max_retries", "backoff_s", "price_in", "price_out"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise UsageError(f"The endpoint's {name} is {value!r}.", hint="Expected 0 or more.")

    @property
    def chat_url(self) -> str:
        """Return the address that chat requests are posted to."""
        return f"{self.url}/chat/completions"

    def describe(self) -> dict[str, str]:
        """Return what a manifest says about the endpoint: its address and the model, never the key."""
        return {"url": self.url, "model": self.model}


def base_url(url: str) -> str:
    """Return the base address of an OpenAI-compatible server, whichever form it was given in.

    Raises:
        UsageError: It is no http(s) address, or it carries a user name, password, query or fragment.

    >>> base_url("http://localhost:8000"), base_url("http://localhost:8000/v1/")
    ('http://localhost:8000/v1', 'http://localhost:8000/v1')
    >>> base_url("https://api.example.org/openai/v1/chat/completions")
    'https://api.example.org/openai/v1'
    >>> base_url("https://api.example.org/v1beta/openai")
    'https://api.example.org/v1beta/openai'
    """
    if not url.isascii() or not url.strip().isprintable() or " " in url.strip():
        raise UsageError("The endpoint's URL holds spaces or characters outside ASCII.", hint=_URL_HINT)
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018  # reading it is what checks it
    except ValueError as error:
        raise UsageError("The endpoint's URL cannot be read.", hint=_URL_HINT) from error
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            f"The URL of the endpoint at {parts.hostname} carries a user name, a password, a query or a fragment.",
            hint=f"Secrets belong into the key, where they are kept out of logs. {_URL_HINT}",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("The endpoint's URL is no http or https address.", hint=_URL_HINT)
    path = parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/")
    if not any(_VERSION.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def endpoint_from_environment(
    prefix: str = "GEOSEEK_LLM", *, required: bool = False, environment: Mapping[str, str] | None = None
) -> Endpoint | None:
    """Build the endpoint that the environment names.

    Read are `PREFIX_URL`, `PREFIX_MODEL`, and for the secret `PREFIX_KEY` or `PREFIX_KEY_FILE`.

    Args:
        prefix: `GEOSEEK_LLM` for language models, `GEOSEEK_VLM` for those that see.
        required: Whether a missing endpoint is an error.
        environment: Replaces the process's environment.

    Returns:
        The endpoint, or None if neither its URL nor its model is set. Limits are the defaults; change them with
        `dataclasses.replace`.

    Raises:
        UsageError: A variable is missing or holds something unusable; the message names the variable, never the key.
    """
    variables = os.environ if environment is None else environment
    url, model = (variables.get(f"{prefix}_{name}", "").strip() for name in ("URL", "MODEL"))
    if not url and not model and not required:
        return None
    for name, value, example in (("URL", url, "http://localhost:8000/v1"), ("MODEL", model, "the server's model name")):
        if not value:
            raise UsageError(f"{prefix}_{name} is not set.", hint=f"Set it in the environment: {example}.")
    try:
        return Endpoint(url, model, _key(prefix, variables))
    except UsageError as error:
        raise UsageError(f"{prefix}_*: {error.message}", hint=error.hint) from error


def _key(prefix: str, variables: Mapping[str, str]) -> str | None:
    if key := variables.get(f"{prefix}_KEY", "").strip():
        return key
    name = f"{prefix}_KEY_FILE"
    if not (given := variables.get(name, "").strip()):
        return None
    path = Path(given).expanduser()
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise UsageError(f"{name}: {path} can be read by others.", hint=f"Run: chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: {path} cannot be read.", hint="Name a text file that holds the key.") from error
