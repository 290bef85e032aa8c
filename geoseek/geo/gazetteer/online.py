"""OpenCage and Nominatim behind the gazetteer's interface, through geopy, with a cache and a rate limit."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from geoseek.geo.gazetteer.address import MAX_ADDRESS_CHARS
from geoseek.geo.gazetteer.location import NOWHERE, Level, Location
from geoseek.schemas import GeoSeekError, MissingExtraError, UsageError
from geoseek.workspace import cache_dir, plain_os_errors

OPENCAGE_KEY = "OPENCAGE_API_KEY"
"""Environment variable that holds the key of OpenCage."""
OPENCAGE_SECONDS = 1.0
NOMINATIM_SECONDS = 1.0
"""Seconds between two requests: what the free plan of OpenCage and the policy of the public Nominatim allow."""

_ATTEMPTS = 4
_BACKOFF_SECONDS = 2.0
_TIMEOUT_SECONDS = 20.0
_LEVELS = {
    "country": Level.COUNTRY,
    "state": Level.REGION,
    "region": Level.REGION,
    "province": Level.REGION,
    "county": Level.ADMIN2,
    "state_district": Level.ADMIN2,
    "district": Level.ADMIN2,
}
_SETTLEMENTS = ("city", "town", "village", "hamlet", "municipality", "suburb", "neighbourhood", "_normalized_city")
_REGIONS = ("state", "province", "region", "state_district")
_TABLE = "CREATE TABLE IF NOT EXISTS answers (service TEXT, address TEXT, answer TEXT, PRIMARY KEY (service, address))"


class GeocoderError(GeoSeekError):
    """A geocoding service refused, or did not answer."""


@dataclass(frozen=True)
class _Candidate:
    lat: float
    lng: float
    details: Mapping[str, Any]
    kind: str


Ask = Callable[[str], Sequence[_Candidate]]


class OnlineGeocoder:
    """A geocoding service; made by `open_online_geocoder`.

    Answers are kept in the user's cache and never asked for again. An address that the service does not know is asked
    again without its last part, until only the country is left.

    Args:
        service: Name of the service and its host, under which answers are kept.
        ask: Sends one request.
        seconds_between: Least time between two requests.
        cache: File of answers.
        clock: Returns seconds.
        wait: Waits for some seconds.
    """

    def __init__(
        self,
        service: str,
        ask: Ask,
        *,
        seconds_between: float,
        cache: Path,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service, self._ask, self._seconds, self._cache = service, ask, seconds_between, cache
        self._clock, self._wait = clock, wait
        self._next = 0.0
        self._lock = threading.Lock()
        with plain_os_errors(cache):
            cache.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as answers, answers:
                answers.execute("PRAGMA journal_mode = WAL")
                answers.execute(_TABLE)

    def locate(self, address: str) -> Location:
        """Return the location of an address.

        Raises:
            GeocoderError: The service refuses (key, quota) or does not answer after several attempts.
        """
        text = " ".join(address[:MAX_ADDRESS_CHARS].replace("\0", " ").split())
        text = text.encode("utf-8", "replace").decode()
        parts = [part.strip() for part in text.replace("；", ";").split(";") if part.strip()]
        while parts:
            found = self._cached("; ".join(parts))
            if found.found:
                return found
            parts.pop()
        return NOWHERE

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._cache, timeout=60)

    def _cached(self, address: str) -> Location:
        with closing(self._connect()) as answers:
            row = answers.execute(
                "SELECT answer FROM answers WHERE service = ? AND address = ?", (self._service, address)
            ).fetchone()
            if row is not None:
                stored = json.loads(row[0])
                return Location(**{**stored, "level": Level(stored["level"])})
            location = _best(self._request(address), address)
            with answers:
                answers.execute(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)",
                    (self._service, address, json.dumps(asdict(location), ensure_ascii=False)),
                )
            return location

    def _request(self, address: str) -> Sequence[_Candidate]:
        from geopy.exc import GeocoderServiceError, GeocoderTimedOut, GeocoderUnavailable

        # The exceptions of the service carry the request, and with it the key: none of them is passed on.
        failure = ""
        for attempt in range(_ATTEMPTS):
            self._take_turn(_BACKOFF_SECONDS * 2**attempt if attempt else 0.0)
            try:
                return self._ask(address)
            except (GeocoderTimedOut, GeocoderUnavailable) as error:
                failure = type(error).__name__
            except GeocoderServiceError as error:
                failure = type(error).__name__
                if failure != "GeocoderRateLimited":
                    break
            except (LookupError, TypeError, ValueError, AttributeError):
                failure = "an answer of another form"
                break
        raise GeocoderError(
            f"{self._service} did not answer ({failure}).",
            hint="Check the key, the quota and the network; what was answered so far is kept, so just run it again.",
        ) from None

    def _take_turn(self, extra_seconds: float) -> None:
        """Wait until the next request is allowed; one thread at a time."""
        with self._lock:
            pause = max(self._next - self._clock(), 0.0) + extra_seconds
            if pause > 0:
                self._wait(pause)
            self._next = self._clock() + self._seconds


def _best(candidates: Sequence[_Candidate], address: str) -> Location:
    if not candidates:
        return NOWHERE
    best = candidates[0]
    level = _LEVELS.get(best.kind, Level.PLACE)
    return Location(
        best.lat,
        best.lng,
        level,
        str(best.details.get("country_code", "")).upper(),
        _first(best.details, _REGIONS),
        _first(best.details, _SETTLEMENTS) if level is Level.PLACE else "",
        address,
        sum(1 for candidate in candidates if _LEVELS.get(candidate.kind, Level.PLACE) is level),
    )


def _first(details: Mapping[str, Any], keys: Sequence[str]) -> str:
    return next((str(details[key]) for key in keys if details.get(key)), "")


def open_online_geocoder(
    service: Literal["opencage", "nominatim"],
    *,
    user_agent: str = "",
    domain: str = "",
    scheme: Literal["https", "http"] = "https",
    seconds_between: float | None = None,
    cache: Path | None = None,
) -> OnlineGeocoder:
    """Return a geocoding service behind the gazetteer's interface. Using it sends addresses to that service.

    The key of OpenCage is read from the environment variable `OPENCAGE_API_KEY`; it is never written or shown.

    Args:
        service: "opencage" or "nominatim".
        user_agent: Who asks, with a contact; required by Nominatim's policy.
        domain: Another host, such as your own Nominatim.
        scheme: "http" only for a host of your own.
        seconds_between: Least time between two requests; default: one second.
        cache: File of answers; default: in the user's cache.

    Raises:
        MissingExtraError: geopy is not installed.
        UsageError: Unknown service, or the key or the user agent is missing.
    """
    try:
        from geopy.geocoders import Nominatim, OpenCage
    except ImportError as error:
        raise MissingExtraError("geopy", extra="geocoders", purpose="Online geocoding") from error
    if service not in ("opencage", "nominatim"):
        raise UsageError(f"Unknown geocoding service {service!r}.", hint="Known: nominatim, opencage.")
    cache = cache or cache_dir("geocoders") / "answers.sqlite"
    options: dict[str, Any] = {"scheme": scheme, "timeout": _TIMEOUT_SECONDS}
    if domain:
        options["domain"] = domain
    if service == "nominatim":
        if not user_agent:
            raise UsageError(
                "Nominatim needs a user agent.",
                hint="Name your project and a contact: 'my-project me@example.org'.",
            )
        nominatim = Nominatim(user_agent=user_agent, **options)

        def ask_nominatim(address: str) -> list[_Candidate]:
            found = nominatim.geocode(
                address.replace(";", ","), exactly_one=False, limit=10, addressdetails=True, language="en"
            )
            return [
                _Candidate(hit.latitude, hit.longitude, hit.raw.get("address", {}), str(hit.raw.get("addresstype", "")))
                for hit in found or ()
            ]

        return OnlineGeocoder(
            f"Nominatim ({nominatim.domain})",
            ask_nominatim,
            seconds_between=NOMINATIM_SECONDS if seconds_between is None else seconds_between,
            cache=cache,
        )
    key = os.environ.get(OPENCAGE_KEY, "")
    if not key:
        raise UsageError(
            f"OpenCage needs a key, and {OPENCAGE_KEY} is not set.", hint=f"Set it: export {OPENCAGE_KEY}=..."
        )
    opencage = OpenCage(key, user_agent=user_agent or "geoseek", **options)

    def ask_opencage(address: str) -> list[_Candidate]:
        found = opencage.geocode(address.replace(";", ","), exactly_one=False, language="en", annotations=False)
        return [
            _Candidate(
                hit.latitude,
                hit.longitude,
                hit.raw.get("components", {}),
                str(hit.raw.get("components", {}).get("_type", "")),
            )
            for hit in found or ()
        ]

    return OnlineGeocoder(
        f"OpenCage ({opencage.domain})",
        ask_opencage,
        seconds_between=OPENCAGE_SECONDS if seconds_between is None else seconds_between,
        cache=cache,
    )
