"""Sign-in and sign-up through the server's own pages: the lead's token, the annotators' accounts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from geoseek.annotation.server.errors import LOCAL, StudioError, in_words
from geoseek.annotation.server.home import ServerHome, load_secrets, server_home, store_token
from geoseek.annotation.server.studio import Studio, is_loopback
from geoseek.schemas import UsageError

_EMAIL = re.compile(r"[^@\s,;<>()\"\\]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Account:
    """An annotator's account on the server.

    Attributes:
        user_id: The user's number on the server.
        email: What the annotator signs in with.
        password: None if the account existed and does not have the password that we would have given it.
    """

    user_id: int
    email: str
    password: str | None = field(repr=False)


class _Refused(Exception):  # noqa: N818 - not an error yet: the caller decides what it means
    """The server showed the form again instead of accepting it."""

    def __init__(self, page: str) -> None:
        super().__init__("form refused")
        self.page = page


class Pages:
    """The server as a browser sees it: pages, forms, cookies.

    Cookies are kept by hand: behind a TLS proxy they are marked secure, yet we talk to the server on loopback.
    """

    def __init__(self, url: str, identity: str) -> None:
        self._url = url
        self._identity = identity
        self._cookies: dict[str, str] = {}
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=not is_loopback(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def submit(self, path: str, fields: dict[str, str], *, doing: str) -> None:
        """Open the page of a form and send it filled.

        Raises:
            _Refused: The page came back instead of a redirect.
            StudioError: No answer, or an unexpected one.
        """
        self._ask("GET", path, doing=doing)
        answer = self._ask("POST", path, doing=doing, data=fields | {"csrfmiddlewaretoken": self._csrf})
        if answer.status_code == 200:
            raise _Refused(answer.text)

    def json(self, method: str, path: str, body: Any = None, *, doing: str) -> httpx.Response:
        """Call the API as the signed-in user; the answer may be an error."""
        return self._ask(method, path, doing=doing, json=body)

    @property
    def _csrf(self) -> str:
        return self._cookies.get("csrftoken", "")

    def _ask(self, method: str, path: str, *, doing: str, **content: Any) -> httpx.Response:
        headers = {"Referer": f"{self._url}{path}", "X-CSRFToken": self._csrf}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        try:
            answer = self._client.request(method, path, headers=headers, **content)
            if answer.status_code >= 400 and answer.status_code != 409:
                answer.raise_for_status()
        except httpx.HTTPError as error:
            words = in_words(error, doing=doing, url=self._url, identity=self._identity, writing=method != "GET")
            raise words or error from None
        for line in answer.headers.get_list("set-cookie"):
            try:
                self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
            except CookieError:
                continue
        return answer


def sign_in(pages: Pages, email: str, password: str) -> bool:
    """Sign in with the form of the server; False if it does not accept the password."""
    doing = f"signing in as {email}"
    try:
        pages.submit("/user/login/", {"email": email, "password": password}, doing=doing)
    except _Refused:
        return False
    # A proxy's login page redirects as well as a successful sign-in does.
    return pages.json("GET", "/api/current-user/whoami", doing=doing).status_code == 200


def own_token(home: ServerHome, url: str, *, rejected: str | None = None) -> str:
    """Return a personal access token of the own server's lead, made if there is none that is accepted.

    A user has one such token at a time, so processes that find theirs rejected agree through the stored one.

    Args:
        home: Where the secrets are.
        url: Address of the own server.
        rejected: The token that the server no longer accepts, if any.

    Raises:
        StudioError: The server does not accept the password in the secrets.
    """
    with home.lock("token"):
        held = load_secrets(home)
        if held.token is not None and held.token != rejected:
            return held.token
        with Pages(url, LOCAL) as pages:
            if not sign_in(pages, held.email, held.password):
                raise StudioError(
                    f"Label Studio does not accept the password of {held.email} in {home.secrets_file}.",
                    hint="If you changed it on the server, write the new one into that file. If the file is of another "
                    "server's data, delete it: a new lead's account is made at the next start.",
                )
            token = _make_token(pages)
        store_token(home, token)
        return token


def _make_token(pages: Pages) -> str:
    doing = "making an access token"
    answer = pages.json("POST", "/api/token/", doing=doing)
    if answer.status_code == 409:
        for listed in pages.json("GET", "/api/token/", doing=doing).json():
            pages.json("POST", "/api/token/blacklist/", {"refresh": listed["token"]}, doing=doing)
        answer = pages.json("POST", "/api/token/", doing=doing)
    token = answer.json().get("token")
    if not isinstance(token, str):
        raise StudioError("Label Studio did not hand out an access token.", hint="Its log may say why.")
    return token


def invite(studio: Studio, workspace: Path, email: str) -> Account:
    """Make an account for an annotator, or find the one that is there.

    The community edition makes accounts that can sign in only through the sign-up page, so that is what is used, with
    the organisation's invitation. The password is derived from a secret of the workspace: after an interruption the
    same command finds the account and can say its password again.

    Args:
        studio: Connection of a user who may invite.
        workspace: Holds the secret.
        email: The annotator's address; nothing is sent to it.

    Raises:
        UsageError: Not an e-mail address.
        StudioError: The server refuses.
    """
    email = checked_email(email)
    password = account_password(load_secrets(server_home(workspace)).account_key, studio.identity, email)
    user_id = _user_id(studio, email)
    if user_id is not None:
        with Pages(studio.url, studio.identity) as pages:
            return Account(user_id, email, password if sign_in(pages, email, password) else None)
    token = studio.get_json("/api/invite", doing="asking for the invitation link")["token"]
    with Pages(studio.url, studio.identity) as pages:
        try:
            fields = {"email": email, "password": password, "allow_newsletters": ""}
            pages.submit(f"/user/signup/?token={token}", fields, doing=f"making an account for {email}")
        except _Refused as refused:
            raise StudioError(
                f"The server does not make an account for {email}{_form_errors(refused.page)}.",
                hint="Make it on the server's page Organization, then run the same command again: it is found.",
            ) from None
    if studio.identity == LOCAL:
        # The link went through the server's log, so it must not work twice. Others may have shared theirs.
        studio.send_json("POST", "/api/invite/reset-token", None, doing="closing the invitation")
    user_id = _user_id(studio, email)
    if user_id is None:
        raise StudioError(
            f"The account of {email} is not in the server's list of users.",
            hint="Does the token belong to another organisation than the invitation?",
        )
    return Account(user_id, email, password)


def checked_email(text: str) -> str:
    """Return an e-mail address as servers store it.

    Raises:
        UsageError: It is none.

    >>> checked_email(" Ana@Example.org ")
    'ana@example.org'
    """
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email) or len(email) >= 256:
        raise UsageError(f"{text!r} is not an e-mail address.", hint="Example: ana@example.org")
    return email


def account_password(key: str, identity: str, email: str) -> str:
    """Return the password of an account: 100 bits, in groups that can be read out.

    >>> account_password("secret", "local", "ana@example.org")
    'uxtro-apvpc-yncjc-rdvhj'
    """
    digest = hmac.new(key.encode(), f"{identity}\n{email}".encode(), hashlib.sha256).digest()
    letters = base64.b32encode(digest).decode().lower()[:20]
    return "-".join(letters[start : start + 5] for start in range(0, 20, 5))


def _user_id(studio: Studio, email: str) -> int | None:
    users = studio.get_json("/api/users", doing="reading the list of users")
    return next((int(user["id"]) for user in users if user["email"].lower() == email), None)


def _form_errors(page: str) -> str:
    found = re.findall(r'<(?:li|p|span|div)[^>]*class="[^"]*error[^"]*"[^>]*>\s*([^<]{3,200}?)\s*<', page)
    return f": {'; '.join(dict.fromkeys(found))}" if found else ""
