"""What all tests share: a cache that is built once, the photos beside the checkout, and the time of each marker."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("noisy machines", deadline=None)
settings.load_profile("noisy machines")

MARKERS = ("train", "browser", "server", "slow")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def photos() -> Path:
    """Return the folder of real geotagged photos that stands beside a developer's checkout."""
    folder = ROOT.parent / "shared" / "images"
    if not folder.is_dir():
        pytest.skip(f"real photos are not on this machine: {folder} does not exist")
    return folder


WHOLE_RUNS = (
    "annotation/forms/test_decode.py",
    "annotation/review/test_review_cli.py",
    "annotation/server/test_environment.py",
    "annotation/test_assign.py",
    "annotation/test_push.py",
    "annotation/test_status.py",
    "demo/test_demo_annotations.py",
    "demo/test_demo_scene.py",
    "endpoints/test_client.py",
    "geo/test_coast.py",
    "geo/test_country_index.py",
    "geo/test_world.py",
    "media/test_media_download.py",
    "media/test_media_fetch.py",
    "media/test_media_members.py",
    "pipelines/export/test_export_load.py",
    "pipelines/export/test_export_run.py",
    "pipelines/publish/test_publish_run.py",
    "pipelines/tag/test_tag_endpoint.py",
    "sampling/pools/test_pool_csv.py",
    "sampling/test_frame.py",
    "sampling/test_report.py",
    "sampling/test_run.py",
    "training/evaluate/test_evaluate_run.py",
    "training/evaluate/test_report.py",
    "training/infer/test_run.py",
    "training/launch/test_launch_process.py",
    "training/launch/test_launch_run.py",
    "training/rewards/test_rewards_hostile.py",
    "training/test_tiny.py",
    "workspace/test_atomic.py",
)
"""Modules that run whole stages or search for rare faults: `make quick` leaves them out, like those of the verbs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what the names above and the folder of the command line say."""
    tests = ROOT / "tests"
    for item in items:
        name = item.path.relative_to(tests).as_posix() if item.path.is_relative_to(tests) else ""
        if name in WHOLE_RUNS or (name.startswith("cli/") and name != "cli/test_cli_basics.py"):
            item.add_marker(pytest.mark.slow)


_seconds: dict[str, float] = defaultdict(float)
_tests: dict[str, int] = defaultdict(int)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note the marker in the report: its keywords also hold the names of folders, such as `server`."""
    marker = next((name for name in MARKERS if item.get_closest_marker(name)), "unmarked")
    item.user_properties.append(("marker", marker))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add the time of a test to its marker; with xdist this runs in the controlling process."""
    marker = next((str(value) for name, value in report.user_properties if name == "marker"), "unmarked")
    _seconds[marker] += report.duration
    _tests[marker] += report.when == "call"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long each marker took (sum over workers)."""
    terminalreporter.section("time by marker")
    for marker in (*MARKERS, "unmarked"):
        if _tests[marker]:
            terminalreporter.write_line(f"{marker:<10} {_tests[marker]:>5} tests {_seconds[marker]:>8.1f} s")
