"""Telemetry of any size for measurements, such as engines at work send: a model takes longer for what is impossible."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scoring.wire.cmapss import Trajectories, write_trajectories
from simulator.engines.wear import engines as simulated


def telemetry(engines: int, cycles: int) -> np.ndarray:
    """Values of so many engines, float64 [engines, cycles, fields]; one that fails before goes on as new."""
    values = np.stack([np.resize(each.rows, (cycles, each.rows.shape[1])) for each in simulated("FD003", engines, 1)])
    numbers = np.broadcast_to(np.arange(1.0, cycles + 1)[:, np.newaxis], (engines, cycles, 1))
    return np.concatenate([numbers, values], axis=2)


def write_telemetry(path: Path, engines: int, cycles: int) -> Path:
    """Write a C-MAPSS file of so many engines with so many cycles each; return its path."""
    values = telemetry(engines, cycles).reshape(engines * cycles, -1)
    units = np.repeat(np.arange(1, engines + 1), cycles)
    write_trajectories(path, Trajectories(units, values[:, 0].astype(np.int64), values))
    return path
