"""Ask a model behind an address."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import cast

from geoseek.endpoints import (
    ChatClient,
    ChatReply,
    ChatRequest,
    Endpoint,
    EndpointFault,
    EndpointFaultCode,
    ImagePart,
    Message,
    Spent,
    endpoint_from_environment,
)
from geoseek.formats import SYSTEM
from geoseek.schemas import Decoding, UsageError
from geoseek.training.infer.engine import InferStoppedError, Outcome, QuestionForm
from geoseek.training.infer.pictures import PictureProblemError, Question, file_of, prepared

_PREFIXES = ("GEOSEEK_VLM", "GEOSEEK_LLM")
_SECRETS = ("KEY", "KEY_FILE")
_LASTING = (EndpointFaultCode.UNAUTHORIZED, EndpointFaultCode.NO_CREDIT, EndpointFaultCode.NOT_FOUND)
_OUTAGE_ROWS = 10
_AHEAD = 8

_Found = tuple[Outcome, EndpointFault | None]


def named_endpoint(url: str | None, model: str | None, environment: Mapping[str, str] | None = None) -> Endpoint:
    """Return the endpoint of the command line, completed from the environment.

    The key of the environment is used unless it belongs to another server: one whose URL stands beside it.

    Args:
        url: Address; default: `GEOSEEK_VLM_URL`, else `GEOSEEK_LLM_URL`.
        model: The model's name there; default: `..._MODEL` beside that address.
        environment: Replaces the process's environment.

    Raises:
        UsageError: An address or a model is missing, or unusable.
    """
    variables = dict(os.environ if environment is None else environment)
    prefix = next((one for one in _PREFIXES if variables.get(f"{one}_URL", "").strip()), _PREFIXES[0])
    if url is not None:
        Endpoint(url, "any")  # complains about the address itself, without the name of a variable
        known = variables.get(f"{prefix}_URL", "").strip()
        if known and not _same_server(url, known):
            for name in ("MODEL", *_SECRETS):
                variables.pop(f"{prefix}_{name}", None)
        variables[f"{prefix}_URL"] = url
    if model is not None:
        variables[f"{prefix}_MODEL"] = model
    if url is not None and not variables.get(f"{prefix}_MODEL", "").strip():
        raise UsageError("The model at --endpoint is not named.", hint="Add --model with its name on that server.")
    found = endpoint_from_environment(prefix, environment=variables)
    if found is None:
        raise UsageError(
            "No vision-language model is named.",
            hint="Give --endpoint URL --model NAME, or set GEOSEEK_VLM_URL and GEOSEEK_VLM_MODEL.",
        )
    return found


def _same_server(one: str, other: str) -> bool:
    return Endpoint(one, "any").url == Endpoint(other, "any").url


class EndpointEngine:
    """Sends every picture with its question, several at once.

    Args:
        endpoint: Who is asked.
        form: Which question.
        decoding: How the texts are drawn.
        cache: File of replies, so that no question is paid for twice.
    """

    def __init__(self, endpoint: Endpoint, form: QuestionForm, decoding: Decoding, cache: Path) -> None:
        self._endpoint = endpoint
        self._form = form
        self._decoding = decoding
        self._client = ChatClient(endpoint, cache)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the client has to say."""
        return self._client.notes

    @property
    def spent(self) -> Spent | None:
        """Return what was used so far."""
        return self._client.cost

    def outcomes(self, questions: Iterable[Question], total: int) -> Generator[Outcome]:
        """Yield the outcomes in the order of the questions.

        Raises:
            InferStoppedError: The server refuses everything, or cannot be reached.
            OutputError: The cache cannot be written.
        """
        return _until_outage(self._ask(questions, total), self._endpoint)

    def _ask(self, questions: Iterable[Question], total: int) -> Generator[_Found]:
        waiting: deque[tuple[Question, PictureProblemError | None]] = deque()

        def requests() -> Iterator[ChatRequest]:
            prepare = partial(file_of, max_pixels=self._decoding.max_pixels or 1)
            for question, picture in prepared(questions, prepare, ahead=_AHEAD):
                if isinstance(picture, PictureProblemError):
                    waiting.append((question, picture))
                else:
                    waiting.append((question, None))
                    yield self._request(picture)

        def unusable() -> Iterator[tuple[Outcome, None]]:
            while waiting and waiting[0][1] is not None:
                question, problem = waiting.popleft()
                yield Outcome(question, None, str(problem)), None

        asked = self._client.run_many(requests(), total=total, label=f"Asking {self._endpoint.model}")
        # Closed here, not when it is collected: its event loop has to end in this thread.
        with closing(cast("Generator[ChatReply]", asked)) as replies:
            for reply in replies:
                yield from unusable()
                question, _ = waiting.popleft()
                error = None if reply.error is None else str(reply.error)
                yield Outcome(question, reply.text if error is None else None, error), reply.error
        yield from unusable()

    def _request(self, picture: bytes) -> ChatRequest:
        decoding = self._decoding
        return ChatRequest(
            (Message.system(SYSTEM), Message.user(ImagePart(picture), self._form.text)),
            temperature=decoding.temperature,
            max_tokens=decoding.max_tokens,
            seed=decoding.seed,
            extra={} if decoding.top_p is None else {"top_p": decoding.top_p},
        )


def _until_outage(found: Generator[_Found], endpoint: Endpoint) -> Generator[Outcome]:
    """Pass outcomes on until the server is gone for good.

    Rows that met an unreachable server are held back until another row got through: if none does, they are no errors
    of their own, and stay to be asked.
    """
    held: list[Outcome] = []
    outage: EndpointFault | None = None
    reached = False
    with closing(found):
        for outcome, fault in found:
            if fault is not None and fault.code in _LASTING:
                raise _stopped(fault)
            if fault is not None and fault.code is EndpointFaultCode.UNREACHABLE:
                outage = fault
                held.append(outcome)
                if len(held) >= max(_OUTAGE_ROWS, 2 * endpoint.concurrency):
                    raise _stopped(fault)
            elif fault is None and outcome.error is not None and held:
                held.append(outcome)  # a picture that was not sent tells nothing about the server
            else:
                reached = reached or fault is not None or outcome.error is None
                yield from held
                held.clear()
                yield outcome
    if held and outage is not None and not reached:
        raise _stopped(outage)
    yield from held


def _stopped(fault: EndpointFault) -> InferStoppedError:
    return InferStoppedError(
        f"The model cannot be asked: {fault}.",
        hint="What was answered is kept. Check the address, the model's name and the key (GEOSEEK_VLM_URL, _MODEL, "
        "_KEY, or --endpoint and --model), and run the same command again.",
    )
