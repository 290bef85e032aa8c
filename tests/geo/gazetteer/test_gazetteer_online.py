from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from geoseek.geo.gazetteer import Geocoder, GeocoderError, Level, OnlineGeocoder, open_online_geocoder
from geoseek.geo.gazetteer import online as module
from geoseek.schemas import MissingExtraError, UsageError

pytest.importorskip("geopy")

KEY = "0123456789abcdef-secret"
HEFEI = {"country_code": "cn", "state": "Anhui", "city": "Hefei"}


class Stub(ThreadingHTTPServer):
    """Answers like Nominatim and OpenCage, from a table; keeps the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.queries: list[str] = []
        self.agents: list[str | None] = []
        self.failures: list[int] = []
        self.known: dict[str, tuple[float, float, str, dict[str, str]]] = {
            "China, Anhui, Hefei": (31.86, 117.28, "city", HEFEI),
            "China, Anhui": (31.8, 117.2, "state", {"country_code": "cn", "state": "Anhui"}),
            "China": (35.0, 103.0, "country", {"country_code": "cn"}),
        }

    @property
    def domain(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)["q"][0]
        self.server.queries.append(query)
        self.server.agents.append(self.headers.get("User-Agent"))
        status = self.server.failures.pop(0) if self.server.failures else 200
        found = self.server.known.get(query)
        body = self._opencage(found) if "/geocode/v1" in self.path else self._nominatim(found)
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _opencage(self, found: tuple[float, float, str, dict[str, str]] | None) -> dict[str, Any]:
        results = []
        if found:
            lat, lng, kind, parts = found
            geometry, components = {"lat": lat, "lng": lng}, {**parts, "_type": kind}
            results = [{"formatted": "x", "geometry": geometry, "components": components}]
        return {"results": results, "status": {"code": 200, "message": "OK"}}

    def _nominatim(self, found: tuple[float, float, str, dict[str, str]] | None) -> list[dict[str, Any]]:
        if not found:
            return []
        lat, lng, kind, parts = found
        return [{"lat": str(lat), "lon": str(lng), "display_name": "x", "addresstype": kind, "address": parts}]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACKOFF_SECONDS", 0.0)
    monkeypatch.setenv(module.OPENCAGE_KEY, KEY)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(params=["opencage", "nominatim"])
def geocoder(request: pytest.FixtureRequest, stub: Stub, tmp_path: Path) -> OnlineGeocoder:
    return open_online_geocoder(
        request.param,
        user_agent="geoseek-tests",
        domain=stub.domain,
        scheme="http",
        seconds_between=0,
        cache=tmp_path / "answers.sqlite",
    )


def test_address_is_found_and_kept(geocoder: OnlineGeocoder, stub: Stub) -> None:
    same_interface: Geocoder = geocoder
    found = same_interface.locate("China; Anhui; Hefei")
    assert (found.lat, found.lng, found.level) == (31.86, 117.28, Level.PLACE)
    assert (found.country_code, found.region, found.place) == ("CN", "Anhui", "Hefei")
    assert geocoder.locate(" China ;Anhui;  Hefei") == found
    assert stub.queries == ["China, Anhui, Hefei"]
    assert stub.agents == ["geoseek-tests"]


def test_answers_survive_the_process(geocoder: OnlineGeocoder, stub: Stub) -> None:
    found = geocoder.locate("China; Anhui")
    again = OnlineGeocoder(geocoder._service, geocoder._ask, seconds_between=0, cache=geocoder._cache)
    assert again.locate("China; Anhui") == found
    assert found.level is Level.REGION
    assert len(stub.queries) == 1


def test_unknown_address_loses_its_last_part(geocoder: OnlineGeocoder, stub: Stub) -> None:
    found = geocoder.locate("China; Gansu; Xyzzy")
    assert found.level is Level.COUNTRY
    assert stub.queries == ["China, Gansu, Xyzzy", "China, Gansu", "China"]
    assert geocoder.locate("China; Gansu; Xyzzy") == found
    assert len(stub.queries) == 3


@pytest.mark.parametrize("address", ["", " ", ";;", "\0", "\ud800", "😀", "a" * 1_000_000])
def test_absurd_addresses_are_nowhere(geocoder: OnlineGeocoder, address: str) -> None:
    assert not geocoder.locate(address).found


def test_passing_failures_are_tried_again(geocoder: OnlineGeocoder, stub: Stub) -> None:
    stub.failures = [503, 429]
    assert geocoder.locate("China; Anhui; Hefei").found
    assert len(stub.queries) == 3


@pytest.mark.parametrize(("status", "requests"), [(503, 4), (401, 1), (402, 1), (403, 1), (500, 1)])
def test_lasting_failures_are_raised_without_the_key(
    geocoder: OnlineGeocoder, stub: Stub, status: int, requests: int
) -> None:
    stub.failures = [status] * 10
    with pytest.raises(GeocoderError) as caught:
        geocoder.locate("China; Anhui; Hefei")
    assert len(stub.queries) == requests
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    stub.failures = []
    assert geocoder.locate("China; Anhui; Hefei").found, "a failure must not be kept"


def test_answer_of_another_form_is_a_failure(tmp_path: Path) -> None:
    def ask(address: str) -> list[Any]:
        raise KeyError(f"{address} {KEY}")

    geocoder = OnlineGeocoder("test", ask, seconds_between=0, cache=tmp_path / "a.sqlite")
    with pytest.raises(GeocoderError, match="another form") as caught:
        geocoder.locate("China")
    assert KEY not in str(caught.value)


def test_key_is_not_written(geocoder: OnlineGeocoder, tmp_path: Path) -> None:
    geocoder.locate("China; Anhui; Hefei")
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in repr(vars(geocoder))


def test_requests_keep_their_distance(tmp_path: Path) -> None:
    now, waits = [0.0], []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    geocoder = OnlineGeocoder(
        "test", lambda _: [], seconds_between=1.0, cache=tmp_path / "a.sqlite", clock=lambda: now[0], wait=wait
    )
    for number in range(3):
        geocoder.locate(f"address {number}")
    now[0] += 10
    geocoder.locate("later")
    assert waits == [1.0, 1.0]


@pytest.mark.parametrize(
    ("service", "agent", "key", "words"),
    [
        ("opencage", "", "", "OPENCAGE_API_KEY"),
        ("nominatim", "", KEY, "user agent"),
        ("gogle", "", KEY, "nominatim, opencage"),
    ],
)
def test_wrong_requests_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: Any, agent: str, key: str, words: str
) -> None:
    monkeypatch.setenv(module.OPENCAGE_KEY, key)
    with pytest.raises(UsageError, match=words):
        open_online_geocoder(service, user_agent=agent, cache=tmp_path / "a.sqlite")


def test_missing_geopy_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geopy", None)
    monkeypatch.setitem(sys.modules, "geopy.geocoders", None)
    with pytest.raises(MissingExtraError, match=r"geoseek\[geocoders\]"):
        open_online_geocoder("nominatim", user_agent="x")
