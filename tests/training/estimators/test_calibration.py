"""Chances and intervals are made to hold for engines that the model had not seen."""

import numpy as np
import pytest
from scipy.stats import norm

from training.data.labels import Classes
from training.estimators.calibration import sharpness
from training.estimators.grades import SHARES, Grades, sharpened
from training.estimators.intervals import Intervals
from training.evaluation.measures import calibration_error

CLASSES = Classes(("F25", "F75", "Full"), (25.0, 75.0))


def test_sharpening_repairs_overconfidence() -> None:
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([1, 1, 1], 4000)
    labels = np.array([rng.choice(3, p=row) for row in honest])
    overconfident = sharpened(honest, 2.0)
    power = sharpness(overconfident, np.eye(3), labels)
    assert power == pytest.approx(0.5, abs=0.05)
    repaired = calibration_error(sharpened(overconfident, power).astype("f4"), labels)
    assert repaired < 0.03 < calibration_error(overconfident.astype("f4"), labels)


def test_intervals_hold_the_asked_share_of_unseen_engines_though_the_curve_is_off() -> None:
    rng = np.random.default_rng(0)
    rul = rng.integers(0, 300, 8000)
    grades = Grades.of(rul, CLASSES, 125.0, SHARES)
    # A model that is late by a tenth, and surer than it should be.
    centre, spread = (1.1 * rul + rng.normal(0, 5 + rul / 5))[:, np.newaxis], (4 + rul / 10)[:, np.newaxis]
    reached = norm.cdf(np.append(grades.edges, np.inf), centre, spread)
    chances = np.diff(reached, axis=1, prepend=0.0)
    low, high = Intervals.fit(grades, chances[::2], rul[::2], 0.8).around(grades, chances[1::2])
    assert ((low <= high) & (low >= 0)).all()
    held = (low <= rul[1::2]) & (rul[1::2] <= high)
    assert 0.77 <= held.mean() <= 0.83
    assert 0.7 <= held[rul[1::2] <= 50].mean() <= 0.9
    raw = [grades.quantile(chances[1::2], level) for level in (0.1, 0.9)]
    assert not 0.77 <= np.mean((raw[0] <= rul[1::2]) & (rul[1::2] <= raw[1])) <= 0.83
