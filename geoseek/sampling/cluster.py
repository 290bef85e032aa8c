"""Read pools on a Dask cluster; only this module knows Dask, and only when it is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor

from geoseek.schemas import InputError, MissingExtraError


@contextlib.contextmanager
def cluster_executor(address: str, *, timeout_s: float = 15.0) -> Iterator[Executor]:
    """Yield an executor whose tasks run on the workers of a Dask scheduler.

    The workers must see the pool files and the output folder under the same paths. The result is the same as that
    of a local run.

    Args:
        address: Scheduler address, e.g. `tcp://10.0.0.1:8786`.
        timeout_s: How long to wait for the scheduler.

    Raises:
        MissingExtraError: Dask is not installed.
        InputError: The scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError("distributed", extra="distributed", purpose="--scheduler") from error
    try:
        client = Client(address, timeout=timeout_s)
    except (OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {address}: {error}.",
            hint="Start one with `dask scheduler`, or drop --scheduler.",
        ) from error
    with client:
        yield client.get_executor()
