"""Types and helpers that tests of several folders import."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from geoseek.sampling import SampleResult

Run = Callable[..., subprocess.CompletedProcess[str]]
Draw = Callable[..., SampleResult]
Read = Callable[..., pd.DataFrame]
Write = Callable[[pd.DataFrame, Path], Path]


def distance_km(frame: pd.DataFrame, other: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the distance of every row to the nearest row of another table, by brute force."""
    lat1, lng1 = (np.radians(frame[name].to_numpy())[:, None] for name in ("lat", "lng"))
    lat2, lng2 = (np.radians(other[name].to_numpy())[None, :] for name in ("lat", "lng"))
    a = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lng2 - lng1) / 2) ** 2
    nearest: npt.NDArray[np.float64] = (2 * 6371.0 * np.arcsin(np.sqrt(np.clip(a, 0, 1)))).min(axis=1)
    return nearest
