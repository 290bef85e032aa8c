"""What can go wrong with a request to a model, as codes with their sentences."""

from __future__ import annotations

from dataclasses import dataclass

from geoseek.schemas import DescribedCode


class EndpointFaultCode(DescribedCode):
    """Why a request has no usable reply."""

    UNREACHABLE = "unreachable", "no connection, or the connection broke before the answer was complete"
    TIMEOUT = "timeout", "no complete answer within the time limit"
    UNAUTHORIZED = "unauthorized", "the server does not accept the key (401, 403)"
    NO_CREDIT = "no_credit", "the account's quota or credit is used up"
    RATE_LIMITED = "rate_limited", "still refused for asking too often after all retries (429)"
    SERVER_ERROR = "server_error", "the server failed (5xx), also after all retries"
    NOT_FOUND = "not_found", "the server knows no such address or no such model (404)"
    BAD_REQUEST = (
        "bad_request",
        "the server does not accept the request (other 4xx, or a redirect, which is not followed)",
    )
    TOO_LONG = "too_long", "the request is longer than the model or the server allows"
    UNREADABLE_IMAGE = "unreadable_image", "an image of the request cannot be read, or is of no known kind"
    NOT_AN_ANSWER = "not_an_answer", "what came back is no chat completion (an HTML page, broken JSON, no text)"
    REFUSED = "refused", "the model, or a content filter, declined to answer"
    CUT_OFF = "cut_off", "the answer reached max_tokens before its JSON was complete"
    NOT_JSON = "not_json", "the answer holds no JSON, also after it was asked to repair it"
    SCHEMA_VIOLATION = "schema_violation", "the answer's JSON does not fit the schema, also after one repair"


@dataclass(frozen=True)
class EndpointFault:
    """One fault.

    Attributes:
        code: What kind.
        detail: What exactly, in one line; never holds the key.
    """

    code: EndpointFaultCode
    detail: str

    def __str__(self) -> str:
        return f"{self.code.value}: {self.code.description} ({self.detail})"


def one_line(text: str, limit: int = 300) -> str:
    r"""Return a text for a log line or a table cell: white space folded, control characters gone, not too long.

    >>> one_line("  two\n lines\x00 ", 10)
    'two lines'
    >>> one_line("abcdefgh", 5)
    'abcd…'
    """
    words = " ".join(text[: 4 * limit].split())
    clean = "".join(character for character in words if character.isprintable())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
