"""`geoseek --help` against the help of a one-command Typer app, as whole processes in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

BARE = "import typer\napp = typer.Typer()\n@app.command()\ndef hello(name: str) -> None: ...\napp()"
RUNS = 9


def seconds(arguments: list[str]) -> float:
    """Return the wall time of one process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments, "--help"], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the ratio of the medians."""
    ours, bare = [], []
    for _ in range(RUNS):
        bare.append(seconds(["-c", BARE]))
        ours.append(seconds(["-m", "geoseek"]))
    ratio = statistics.median(ours) / statistics.median(bare)
    print("| what | measured | wanted | met |\n|---|---|---|---|")
    print(f"| geoseek --help / help of a one-command app | {ratio:.2f} | <= 1.5 | {'yes' if ratio <= 1.5 else 'NO'} |")


if __name__ == "__main__":
    main()
