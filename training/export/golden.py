"""Golden windows: what a device must reproduce before it serves, chosen so that no part of a model goes unasked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from training.data.dataset import Dataset
from training.data.windows import FloatArray, windows
from training.estimators.experts import WHOLE, Experts
from training.estimators.features import WindowFeatures

STAGES = (0.02, 0.1, 0.35, 0.45, 0.65, 0.8, 0.9, 1.1, 1.3, 1.6)
"""True RUL of the moments that are chosen, as shares of the cap; the edges of classes come in between. Where classes
meet and where RUL is cut, answers move the most."""
YOUNG = (1, 2, 8, 25)
"""Ages besides, in cycles: windows that are whole though most of their slots are empty."""
KEPT = (1, 4, 15, 40)
"""How many messages are left of those that have forgotten what was before."""
GAPS = ((6, 1), (12, 1), (8, 20))
"""Gaps in others: how many messages, and how many cycles before the newest they end."""
LOST = 0.4
"""The share of messages that the last kind has lost, here and there."""
HOLES = 0.15
FAR = 12
"""How many of the newest messages have values as far off as can be."""
WITHIN, BEYOND = 0.996, 1.004
"""Shares of what is possible."""
SLIGHTLY = 3
"""By how many cycles the engines of nearly torn windows are older, or younger, than a window is long."""
NEAR_ENOUGH = 3
HEALTHY = 500
"""Among how many the torn window is looked for of which the longest life is said."""


def golden_windows(pipeline: Pipeline, data: Dataset) -> FloatArray:
    """Windows of every kind that a device meets, float32 [windows, W, fields].

    Whole ones at all stages of life, with the newest message in each regime in turn, and of young engines; torn ones at
    the same stages, and one whose median is cut at the cap; and all of them once more with holes.

    Args:
        pipeline: Fitted.
        data: What it was fitted on.
    """
    features: WindowFeatures = pipeline[0]
    experts: Experts = pipeline[-1]
    rng, length = np.random.default_rng(0), data.task.window
    left = np.sort([*(experts.cap * np.array(STAGES)), *experts.classes.edges])
    whole = windows(data.trajectories, length, _rows(features, data, left))
    torn = [_torn(window.copy(), number, rng) for number, window in enumerate(whole)]
    worn = [_worn(window.copy(), number, features, rng) for number, window in enumerate([*whole, *torn])]
    ages = [int(np.argmin(np.abs(data.trajectories.cycles - length + less))) for less in (-SLIGHTLY, SLIGHTLY)]
    edge = windows(data.trajectories, length, np.array(ages))
    nearly = [_nearly(window.copy(), features, fewer) for window in edge for fewer in (0, 1)]
    # Older than any engine in training.
    old = whole[0].copy()
    old[:, features.cycle] += features.oldest_
    healthy = _healthiest(pipeline, data, rng)
    widest = np.array([np.argmax(features.limit_)])
    far = [_far(whole[3].copy(), features, widest, [side * WITHIN] * FAR) for side in (-1, 1)]
    return np.stack([*whole, *torn, *worn, *nearly, old, healthy, *far])


def _healthiest(pipeline: Pipeline, data: Dataset, rng: np.random.Generator) -> FloatArray:
    """The torn window, of many of engines that have long to live, that the longest life is said of."""
    features: WindowFeatures = pipeline[0]
    experts: Experts = pipeline[-1]
    rows = np.lexsort((data.rul, np.minimum(data.trajectories.cycles, data.task.window)))[-HEALTHY:]
    found = windows(data.trajectories, data.task.window, rows)
    for number, each in enumerate(found):
        _torn(each, number, rng)
    said = experts.predict(features.transform(found))
    return np.asarray(found[np.lexsort((said.middle[:, 0], said.rul[:, 1]))[-1]])


def _rows(features: WindowFeatures, data: Dataset, left: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of the data, at each stage of life one of another engine, with the newest message of another regime."""
    trajectories = data.trajectories
    regime = features.regimes_.of(trajectories.values[:, list(features.settings)].astype(np.float32))
    young = np.where(trajectories.cycles < data.task.window, len(regime), 0)
    distances = [np.abs(data.rul - each) + young for each in left]
    distances += [np.abs(trajectories.cycles - age) for age in YOUNG]
    engines = np.random.default_rng(0).permutation(trajectories.engines)
    rows = []
    for number, distance in enumerate(distances):
        others = regime != number % features.regimes_.count
        # One in a hundred cycles is near enough; among those it is each time another engine's.
        turn = (engines[trajectories.units - 1] + number) % trajectories.engines
        rows.append(np.lexsort((turn, others, distance // NEAR_ENOUGH))[0])
    return np.asarray(rows)


def _torn(window: FloatArray, number: int, rng: np.random.Generator) -> FloatArray:
    """The window without so many messages that it is whole no longer: a beginning, a gap, or here and there."""
    kind = number % (len(KEPT) + len(GAPS) + 1)
    if kind < len(KEPT):
        window[: -min(KEPT[kind], len(window) - 1)] = np.nan
    elif kind < len(KEPT) + len(GAPS):
        length, before = GAPS[kind - len(KEPT)]
        length = min(length, len(window) - 1)
        before = min(before, len(window) - length)
        window[-length - before : -before] = np.nan
    else:
        window[:-1][rng.random(len(window) - 1) < LOST] = np.nan
    return window


def _nearly(window: FloatArray, features: WindowFeatures, fewer: int) -> FloatArray:
    """The window with as few messages as make it whole, or with one fewer."""
    messages = np.flatnonzero(~np.isnan(window[:, features.cycle]))
    kept = -(-len(messages) * WHOLE // 10) - fewer
    window[messages[1 : 1 + len(messages) - kept]] = np.nan
    return window


def _worn(window: FloatArray, number: int, features: WindowFeatures, rng: np.random.Generator) -> FloatArray:
    """The window with what sensors and settings do wrong: holes, silence, mad readings, some that are barely so."""
    sensors, settings = features.sensors_, list(features.settings)
    one, another = sensors[number % len(sensors)], sensors[(number + 1) % len(sensors)]
    kind = number % 5
    if kind == 0:
        holes = rng.random(window.shape) < HOLES
        holes[:, features.cycle] = False
        window[holes] = np.nan
    elif kind == 1:
        window[:, one] = np.nan
        window[-1, another] = np.nan
    elif kind == 2:
        window[-2:, one] = 1e6
        window[-3, sensors] = np.nan
    elif kind == 3 and settings:
        window[-1, settings[number % len(settings)]] = np.nan
        window[-4, settings] = np.nan
    else:
        # On either side, and the newest a little farther than any.
        _far(window, features, np.arange(len(sensors)), (-WITHIN, WITHIN, -WITHIN, WITHIN, -WITHIN, BEYOND))
    return window


def _far(
    window: FloatArray, features: WindowFeatures, columns: NDArray[np.int64], shares: Sequence[float]
) -> FloatArray:
    """The window with values about as far off as the farthest that training saw.

    Args:
        window: float32 [W, fields].
        features: Fitted.
        columns: Of which sensors, by their place among those that vary.
        shares: How far those of the newest messages are, the newest last.
    """
    sensors, settings = features.sensors_, list(features.settings)
    for place, share in zip(range(-1, -len(window) - 1, -1), reversed(shares), strict=False):
        regime = features.regimes_.of(window[place, settings])
        # Some sensors vary in few regimes.
        varying = columns[features.scale_[regime][columns] > 0]
        farthest = features.limit_[varying] / features.scale_[regime][varying]
        window[place, sensors[varying]] = features.mean_[regime][varying] + np.float32(share) * farthest
    return window
