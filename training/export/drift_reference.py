"""The drift reference: what training saw of each sensor in each regime, for a device to compare with."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from training.data.dataset import Dataset

FORMAT = 1
"""Version of the layout."""

LEVELS = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)
"""Quantiles that are kept; the tenths make ten equal bins for a population stability index."""

# Digits that the reference keeps: more than any sensor of C-MAPSS has.
_DIGITS = 6


def drift_reference(pipeline: Pipeline, data: Dataset) -> str:
    """What training saw, as one line of JSON.

    Keys: `format`; `settings`, the names of the columns that tell the regime, with `offset`, `scale` and `centres`
    (regime = nearest centre to round((setting - offset) * scale)); `share` of the rows by regime; `sensors`, the names
    of all other columns but the cycle; `levels` of the quantiles; and by regime and sensor `mean`, `deviation` and
    `quantiles`, in the sensors' own units.

    Args:
        pipeline: The fitted pipeline, which knows the regimes.
        data: What it was fitted on.
    """
    features = pipeline[0]
    values, names = data.trajectories.values, data.task.field_names
    settings = list(features.settings)
    sensors = [each for each in range(values.shape[1]) if each != features.cycle and each not in settings]
    regime = features.regimes_.of(values[:, settings].astype(np.float32))
    by_regime = [values[regime == each][:, sensors] for each in range(features.regimes_.count)]
    reference = {
        "format": FORMAT,
        "settings": [names[each] for each in settings],
        "offset": _rounded(features.regimes_.offset),
        "scale": _rounded(features.regimes_.scale),
        "centres": _rounded(features.regimes_.centres),
        "share": _rounded(np.array([len(rows) / len(values) for rows in by_regime])),
        "sensors": [names[each] for each in sensors],
        "levels": list(LEVELS),
        "mean": [_rounded(rows.mean(axis=0)) for rows in by_regime],
        "deviation": [_rounded(rows.std(axis=0)) for rows in by_regime],
        "quantiles": [_rounded(np.quantile(rows, LEVELS, axis=0).T) for rows in by_regime],
    }
    return json.dumps(reference, sort_keys=True, separators=(",", ":"))


def _rounded(values: NDArray[Any]) -> Any:  # noqa: ANN401 - lists as deep as the array
    return np.vectorize(lambda value: float(f"{value:.{_DIGITS}g}"), otypes=[float])(values).tolist()
