"""Authentication of every request: personal access tokens, which are exchanged for short ones, and legacy tokens."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import httpx

from geoseek.annotation.server.errors import TOKEN_VARIABLE, UnexpectedAnswerError
from geoseek.schemas import UsageError

_HIDDEN = "[hidden]"
_SHARE_OF_LIFE = 0.8
_DEFAULT_LIFE_S = 300.0


def token_claims(token: str) -> dict[str, Any] | None:
    """Return the claims of a JSON Web Token, unverified; None for a legacy token, which has none.

    >>> token_claims("0123456789abcdef0123456789abcdef01234567") is None
    True
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def checked_token(text: str, *, origin: str = TOKEN_VARIABLE) -> str:
    """Return a token without outer white space.

    Raises:
        UsageError: It cannot be a token that lasts; the message does not repeat it.
    """
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"{origin} does not hold a token: it is empty, or has spaces or unusual characters.",
            hint="Copy the token from the server's page Account & Settings as one line.",
        )
    if (token_claims(token) or {}).get("token_type") == "access":
        raise UsageError(
            f"{origin} holds an access token, which lasts five minutes.",
            hint="Use the personal access token itself: GeoSeek exchanges it for access tokens when needed.",
        )
    return token


class TokenAuth(httpx.Auth):
    """Puts the right token on each request, and renews it when the server no longer accepts it.

    A personal access token is a JSON Web Token and is exchanged for a short-lived access token; its life is measured
    with this machine's monotonic clock, so that neither clock's time of day matters. A request that the server
    answered with 401 was not carried out, so sending it once more with a fresh token is safe for writes as well.

    Args:
        token: A personal access token or a legacy token.
        url: Address of the server, without a slash at its end.
        renew: Makes a new personal access token from the one that was rejected, where we can; None where only the
            user can.
    """

    def __init__(self, token: str, url: str, *, renew: Callable[[str], str] | None = None) -> None:
        self._token = token
        self._url = url
        self._renew = renew
        self._access: str | None = None
        self._stale_at = 0.0
        self._lock = threading.Lock()
        self._seen = {token}

    def __repr__(self) -> str:
        return f"TokenAuth({self._url})"

    def scrub(self, text: str) -> str:
        """Return a text without any token that this object has used."""
        for secret in tuple(self._seen):
            text = text.replace(secret, _HIDDEN)
        return text

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authorise a request; once more with a fresh access token if the server answers 401."""
        if token_claims(self._token) is None:
            request.headers["Authorization"] = f"Token {self._token}"
            yield request
            return
        used = yield from self._access_token(rejected=None)
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code == 401:
            used = yield from self._access_token(rejected=used)
            request.headers["Authorization"] = f"Bearer {used}"
            yield request

    def _access_token(self, *, rejected: str | None) -> Generator[httpx.Request, httpx.Response, str]:
        with self._lock:
            if self._access is None or self._access == rejected or time.monotonic() >= self._stale_at:
                response = yield self._exchange()
                if response.status_code == 401 and self._renew is not None:
                    self._token = self._renew(self._token)
                    self._seen.add(self._token)
                    response = yield self._exchange()
                self._access = self._read_access(response)
            return self._access

    def _exchange(self) -> httpx.Request:
        return httpx.Request("POST", f"{self._url}/api/token/refresh/", json={"refresh": self._token})

    def _read_access(self, response: httpx.Response) -> str:
        response.read()
        response.raise_for_status()
        try:
            access = response.json()["access"]
        except (ValueError, KeyError, TypeError):
            raise UnexpectedAnswerError(response.status_code, response.text) from None
        claims = token_claims(access) or {}
        life_s = claims.get("exp", 0) - claims.get("iat", 0)
        self._stale_at = time.monotonic() + _SHARE_OF_LIFE * (life_s if life_s > 0 else _DEFAULT_LIFE_S)
        self._seen.add(access)
        return str(access)
