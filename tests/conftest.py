"""What all tests share: a cache that is built once, the photos beside the checkout, and the time of each marker."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("noisy machines", deadline=None)
settings.load_profile("noisy machines")

MARKERS = ("slow", "server", "browser", "train")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def photos() -> Path:
    """Return the folder of real geotagged photos that stands beside a developer's checkout."""
    folder = ROOT.parent / "shared" / "images"
    if not folder.is_dir():
        pytest.skip(f"real photos are not on this machine: {folder} does not exist")
    return folder


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
