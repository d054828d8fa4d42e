"""Failure modes, learned beside the curve from engines of which it is known why they failed."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from training.data.dataset import Dataset
from training.data.windows import FloatArray
from training.errors import DataError
from training.estimators.modes import FailureModes
from training.estimators.recipe import Recipe

LEAST = 3
"""Engines that have failed by each mode: one for each fold of cross-validation."""


def fit_modes(
    recipe: Recipe, fitted: Pipeline, data: Dataset, x: FloatArray, source: NDArray[np.int64]
) -> tuple[FailureModes, FloatArray]:
    """Fit on all engines whose mode is known, and tell of each what those say that had not seen it.

    Args:
        recipe: How a model is made.
        fitted: WindowFeatures and Experts, fitted on all engines.
        data: Engines that failed; at least one says why.
        x: float32 [windows and torn copies, W, fields].
        source: int64 [windows and torn copies], the row that each comes from.

    Returns:
        The fitted networks, and chances by cross-validation, float32 [windows, modes], NaN of engines of which nothing
        is known.

    Raises:
        DataError: A mode has fewer than `LEAST` engines, or there is one mode only.
    """
    names = data.mode_names
    engines = np.array([names.index(each) if each else -1 for each in data.modes])
    counts = {name: int((engines == number).sum()) for number, name in enumerate(names)}
    few = min(counts, key=counts.__getitem__)
    if len(names) < 2 or counts[few] < LEAST:
        raise DataError(
            f"{data.name} has {counts[few]} engines that failed by {few}, and {len(names)} failure modes in all: it "
            f"takes {LEAST} of each, and 2 modes; leave such engines' mode empty, or the column out"
        )
    units = data.trajectories.units - 1
    modes, known = engines[units][source], engines[units][source] >= 0
    rows = len(data.rul)
    said = np.full((rows, len(names)), np.nan, dtype=np.float32)
    every = np.flatnonzero(known)
    splits = GroupKFold(LEAST, shuffle=True, random_state=0).split(every, groups=units[source][every])
    parts = [(every[train], every[test][every[test] < rows]) for train, test in splits]
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # Networks stop after a few epochs on purpose: that regularises them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Got `batch_size` less than 1 or larger", UserWarning)
        for train, test in parts:
            features = recipe.pipeline(data.task)[0].learn(x[train, -1], x.shape[1])
            found = recipe.modes(data.task, names)
            found.fit(features.transform(x, train), modes[train], data.rul[source][train])
            said[test] = found.predict(features.transform(x, test))
        found = recipe.modes(data.task, names)
        found.fit(fitted[0].transform(x, every), modes[every], data.rul[source][every])
    return found, said
