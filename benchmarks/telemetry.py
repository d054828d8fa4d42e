"""Telemetry files of any size for measurements: the values do not matter to them, the shape does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scoring.cmapss import Trajectories, write_trajectories
from scoring.telemetry import FIELDS


def write_telemetry(path: Path, engines: int, cycles: int) -> Path:
    """Write a C-MAPSS file of so many engines with so many cycles each; return its path."""
    values = np.random.default_rng(1).uniform(1, 1000, (engines * cycles, len(FIELDS))).round(2)
    values[:, 0] = np.tile(np.arange(1, cycles + 1), engines)
    units = np.repeat(np.arange(1, engines + 1), cycles)
    write_trajectories(path, Trajectories(units, values[:, 0].astype(np.int64), values))
    return path
