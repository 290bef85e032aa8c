"""Runs `geoseek tag` in a process of its own, so that a test can kill it: WORKSPACE URL."""

from __future__ import annotations

import sys
from pathlib import Path

from geoseek.endpoints import Endpoint
from geoseek.pipelines import RatingSource, TagRequest, run_tag

if __name__ == "__main__":
    run_tag(TagRequest(Path(sys.argv[1]), source=RatingSource.BOTH, endpoint=Endpoint(sys.argv[2], "stub-vl")))
