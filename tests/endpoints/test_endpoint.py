from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from geoseek.endpoints import Endpoint, EndpointFaultCode, endpoint_from_environment
from geoseek.schemas import UsageError

PRIVATE = "sk-very-secret-0123456789"


@pytest.mark.parametrize(
    ("given", "chat_url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1/chat/completions"),
        (" http://localhost:8000/ ", "http://localhost:8000/v1/chat/completions"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions"),
        ("http://[::1]:8000/v1/", "http://[::1]:8000/v1/chat/completions"),
        ("https://api.example.org/api/v1/chat/completions/", "https://api.example.org/api/v1/chat/completions"),
        ("https://api.example.org/api", "https://api.example.org/api/v1/chat/completions"),
        ("https://api.example.org/v1beta/openai", "https://api.example.org/v1beta/openai/chat/completions"),
    ],
)
def test_every_usual_form_of_a_url_leads_to_the_chat_address(given: str, chat_url: str) -> None:
    assert Endpoint(given, "m").chat_url == chat_url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://localhost",
        "http://",
        "http://[::1",
        "http://bücher.example",
        "http://localhost/a b",
        "http://localhost:port",
        f"https://me:{PRIVATE}@host/v1",
        f"https://host/v1?api-key={PRIVATE}",
        PRIVATE,
    ],
)
def test_an_unusable_url_is_an_error_that_repeats_no_secret(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Endpoint(url, "m")
    assert PRIVATE not in str(caught.value)
    assert "http://localhost:8000/v1" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("concurrency", 0),
        ("timeout_s", -1.0),
        ("requests_per_minute", 0.0),
        ("max_retries", -1),
        ("price_in", float("nan")),
        ("model", " "),
    ],
)
def test_a_field_out_of_range_is_named(field: str, value: Any) -> None:
    fields: dict[str, Any] = {"url": "http://localhost", "model": "m", field: value}
    with pytest.raises(UsageError, match=field):
        Endpoint(**fields)


def test_the_key_is_in_no_description() -> None:
    endpoint = Endpoint("http://localhost", "m", PRIVATE)
    assert PRIVATE not in repr(endpoint)
    assert PRIVATE not in str(endpoint.describe())


@pytest.mark.parametrize("key", [f"{PRIVATE}\nX: y", f"{PRIVATE}é", " "])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        Endpoint("http://localhost", "m", key)
    assert PRIVATE not in str(caught.value)


def test_environment_names_the_endpoint() -> None:
    variables = {"GEOSEEK_VLM_URL": "http://localhost:1/v1", "GEOSEEK_VLM_MODEL": "eyes", "GEOSEEK_VLM_KEY": PRIVATE}
    found = endpoint_from_environment("GEOSEEK_VLM", environment=variables)
    assert found == Endpoint("http://localhost:1/v1", "eyes", PRIVATE)
    assert endpoint_from_environment(environment=variables) is None


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, "GEOSEEK_LLM_URL"),
        ({"GEOSEEK_LLM_MODEL": "m"}, "GEOSEEK_LLM_URL"),
        ({"GEOSEEK_LLM_URL": "http://localhost", "GEOSEEK_LLM_MODEL": " "}, "GEOSEEK_LLM_MODEL"),
    ],
)
def test_the_missing_variable_is_named(variables: dict[str, str], missing: str) -> None:
    with pytest.raises(UsageError, match=missing):
        endpoint_from_environment(required=True, environment=variables)


def test_half_an_endpoint_is_an_error_even_where_none_is_required() -> None:
    with pytest.raises(UsageError, match="GEOSEEK_LLM_MODEL"):
        endpoint_from_environment(environment={"GEOSEEK_LLM_URL": "http://localhost"})


def test_an_unusable_value_is_reported_under_its_prefix() -> None:
    with pytest.raises(UsageError, match="GEOSEEK_LLM_"):
        endpoint_from_environment(environment={"GEOSEEK_LLM_URL": "nowhere", "GEOSEEK_LLM_MODEL": "m"})


def test_key_file_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{PRIVATE}\n")
    variables = {"GEOSEEK_LLM_URL": "http://localhost", "GEOSEEK_LLM_MODEL": "m", "GEOSEEK_LLM_KEY_FILE": str(path)}
    path.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        endpoint_from_environment(environment=variables)
    path.chmod(0o600)
    found = endpoint_from_environment(environment=variables)
    assert found is not None
    assert found.key == PRIVATE
    path.unlink()
    with pytest.raises(UsageError, match="KEY_FILE"):
        endpoint_from_environment(environment=variables)


def test_the_door_opens_without_http_client() -> None:
    code = (
        "import sys, geoseek.endpoints as door; door.endpoint_from_environment(environment={});"
        "print(sorted({'httpcore2', 'jsonschema', 'torch'} & set(sys.modules)));"
        "print(all(hasattr(door, name) for name in door.__all__))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split("\n")[:2] == ["[]", "True"]


def test_the_guide_lists_every_code() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "endpoints.md").read_text(encoding="utf-8")
    for code in EndpointFaultCode:
        assert f"| `{code.value}` | {code.description} |" in guide
