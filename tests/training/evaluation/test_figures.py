"""Figures are what the field defines them to be."""

import numpy as np
import pytest

from tests.training.conftest import wearing_engines
from training.data.dataset import Dataset
from training.data.labels import Classes, remaining_useful_life
from training.estimators.calibration import sharpened, sharpness
from training.estimators.intervals import Intervals
from training.evaluation.bootstrap import engine_intervals
from training.evaluation.figures import calibration_error, evaluate, nasa_score

TWO = Classes(("soon", "later"), (1.0,))


def test_the_nasa_score_punishes_late_more_than_early():
    assert nasa_score(np.array([0.0])) == 0
    assert nasa_score(np.array([10.0])) == pytest.approx(np.e - 1)
    assert nasa_score(np.array([-13.0, 10.0])) == pytest.approx(2 * (np.e - 1))


def test_figures_of_known_predictions():
    engines = wearing_engines([4, 2])
    data = Dataset("TINY", engines, remaining_useful_life(engines, np.array([0, 2])), "")
    assert data.rul.tolist() == [3, 2, 1, 0, 3, 2]
    soon = np.array([0.1, 0.2, 0.9, 0.8, 0.3, 0.9], dtype=np.float32)
    median = np.array([2, 2, 1, 0, 2, 5], dtype=np.float32)
    figures = evaluate(
        np.column_stack([soon, 1 - soon]), np.column_stack([median - 1, median, median]), data, TWO, cap=2.0
    )
    assert (figures.rows, figures.engines) == (6, 2)
    assert figures.accuracy == pytest.approx(5 / 6)
    assert figures.class_f1 == {"soon": pytest.approx(4 / 5), "later": pytest.approx(6 / 7)}
    assert figures.macro_f1 == pytest.approx((4 / 5 + 6 / 7) / 2)
    assert figures.rmse == pytest.approx(np.sqrt(9 / 6))
    assert figures.rmse_last == pytest.approx(np.sqrt(9 / 2))
    assert figures.coverage == pytest.approx(3 / 6)
    assert figures.coverage_by_class == {"soon": 1.0, "later": 0.25}


def test_engines_that_have_all_failed_have_no_figures_of_the_last_cycle():
    engines = wearing_engines([2, 3])
    data = Dataset("TINY", engines, remaining_useful_life(engines), "")
    figures = evaluate(np.full((5, 2), 0.5, "f4"), np.zeros((5, 3), "f4"), data, TWO, cap=2.0)
    assert (figures.rmse_last, figures.nasa_score_last) == (None, None)


def test_intervals_of_figures_hold_the_figure_and_widen_with_fewer_engines():
    rng = np.random.default_rng(0)
    widths = []
    for count in (10, 80):
        engines = wearing_engines(rng.integers(20, 60, count))
        data = Dataset("TINY", engines, remaining_useful_life(engines, rng.integers(1, 50, count)), "")
        right = np.repeat(rng.random(count), engines.lengths) > rng.random(len(engines)) * 0.8
        later = np.where(TWO.of(data.rul) == 1, right, ~right).astype("f4")
        probabilities = np.column_stack([1 - later, later])
        median = np.stack([data.rul + rng.normal(0, 5, len(engines))] * 3, axis=1).astype("f4")
        figures = evaluate(probabilities, median, data, TWO, cap=125.0)
        ends = engine_intervals(probabilities, median, data, TWO, cap=125.0)
        for name, (low, high) in ends.items():
            assert low <= getattr(figures, name) <= high
        widths.append(ends["accuracy"][1] - ends["accuracy"][0])
    assert widths[1] < widths[0]


def test_a_class_without_rows_has_no_coverage():
    engines = wearing_engines([2])
    data = Dataset("TINY", engines, remaining_useful_life(engines), "")
    figures = evaluate(np.array([[1, 0], [1, 0]], "f4"), np.zeros((2, 3), "f4"), data, TWO, cap=2.0)
    assert figures.coverage_by_class["later"] is None


def test_calibration_error_is_the_gap_between_confidence_and_truth():
    probabilities = np.array([[0.85, 0.15]] * 10, dtype=np.float32)
    labels = np.array([0] * 7 + [1] * 3)
    assert calibration_error(probabilities, labels) == pytest.approx(0.15, abs=1e-6)


def test_sharpening_repairs_overconfidence():
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([1, 1, 1], 4000).astype(np.float32)
    labels = np.array([rng.choice(3, p=row / row.sum()) for row in honest.astype(float)])
    overconfident = sharpened(honest, 2.0)
    power = sharpness(overconfident, labels)
    assert power == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(sharpened(overconfident, power).sum(axis=1), 1, rtol=1e-6)
    repaired = calibration_error(sharpened(overconfident, power), labels)
    assert repaired < 0.03 < calibration_error(overconfident, labels)


def test_intervals_hold_the_asked_share_of_unseen_engines():
    rng = np.random.default_rng(0)
    rul = rng.integers(0, 300, 8000)
    median = np.clip(rul + rng.normal(0, 2 + rul / 10), 0, 125).astype(np.float32)
    intervals = Intervals.fit(median[::2], rul[::2], 0.8)
    low, high = intervals.around(median[1::2])
    assert ((low <= median[1::2]) & (median[1::2] <= high) & (low >= 0)).all()
    held = (low <= rul[1::2]) & (rul[1::2] <= high)
    assert 0.77 <= held.mean() <= 0.83
    assert 0.7 <= held[rul[1::2] <= 50].mean() <= 0.9
