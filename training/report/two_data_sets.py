"""Two data sets side by side, such as simulated engines beside the real ones."""

from __future__ import annotations

import numpy as np

from training.data.dataset import Dataset
from training.estimators.features import WindowFeatures

_YOUNG = 20
_WORN = 10


def characteristics(data: Dataset) -> dict[str, dict[str, float]]:
    """Level, noise and trend of each sensor that varies, in its own unit, in the most frequent regime.

    Args:
        data: Engines that ran to failure.

    Returns:
        By sensor: `mean` of the first 20 cycles, `noise` as the deviation from cycle to cycle in them (divided by the
        root of 2), and `trend`, the mean of the last 10 cycles less that of the first 20.
    """
    trajectories = data.trajectories
    features = WindowFeatures(cycle=data.task.cycle_column, settings=data.task.setting_columns)
    features.fit(trajectories.values.astype(np.float32)[:, np.newaxis, :])
    regime = features.regimes_.of(trajectories.values[:, list(data.task.setting_columns)].astype(np.float32))
    left = trajectories.ends[trajectories.units - 1] - trajectories.cycles
    young = (trajectories.cycles <= _YOUNG) & (regime == 0)
    worn = (left < _WORN) & (regime == 0)
    found = {}
    for column in features.sensors_:
        values = trajectories.values[:, column]
        steps = np.diff(values[young])[np.diff(trajectories.units[young]) == 0]
        found[data.task.field_names[column]] = {
            "mean": float(values[young].mean()),
            "noise": float(steps.std() / np.sqrt(2)),
            "trend": float(values[worn].mean() - values[young].mean()),
        }
    return found


def side_by_side(data: Dataset, other: Dataset) -> dict[str, dict[str, float]]:
    """Characteristics of both, by sensor; sensors that vary in one of them only are left out."""
    first, second = characteristics(data), characteristics(other)
    return {
        sensor: {
            f"{measure}, {name}": found[sensor][measure]
            for measure in ("mean", "noise", "trend")
            for name, found in (("these", first), ("those", second))
        }
        for sensor in first
        if sensor in second
    }
