"""Figures are what the field defines them to be."""

import numpy as np
import pytest

from scoring.model.outputs import Outputs
from tests.training.conftest import wearing_engines
from training.data.dataset import Dataset
from training.data.labels import Classes, remaining_useful_life
from training.evaluation.bootstrap import engine_intervals
from training.evaluation.figures import evaluate
from training.evaluation.measures import calibration_error, nasa_score

TWO = Classes(("soon", "later"), (1.0,))


def said(probabilities, rul) -> Outputs:
    rul = np.asarray(rul, "f4")
    return Outputs.of(len(rul), {"probabilities": np.asarray(probabilities, "f4"), "rul": rul})


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
    told = said(np.column_stack([soon, 1 - soon]), np.column_stack([median - 1, median, median]))
    figures = evaluate(told, data, TWO, 2.0, None)
    assert (figures.rows, figures.engines) == (6, 2)
    assert figures.accuracy == pytest.approx(5 / 6)
    assert figures.class_f1 == {"soon": pytest.approx(4 / 5), "later": pytest.approx(6 / 7)}
    assert figures.macro_f1 == pytest.approx((4 / 5 + 6 / 7) / 2)
    assert figures.rmse == pytest.approx(np.sqrt(9 / 6))
    assert figures.rmse_last == pytest.approx(np.sqrt(9 / 2))
    assert figures.coverage == pytest.approx(3 / 6)
    assert figures.coverage_by_class == {"soon": 1.0, "later": 0.25}
    assert (figures.engines_held, figures.width) == (0.5, 1.0)
    assert figures.curve is None


def test_engines_that_have_all_failed_have_no_figures_of_the_last_cycle():
    engines = wearing_engines([2, 3])
    data = Dataset("TINY", engines, remaining_useful_life(engines), "")
    figures = evaluate(said(np.full((5, 2), 0.5), np.zeros((5, 3))), data, TWO, 2.0, None)
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
        figures = evaluate(said(probabilities, median), data, TWO, 125.0, None)
        ends = engine_intervals(said(probabilities, median), data, TWO, cap=125.0)
        for name, (low, high) in ends.items():
            _, _, label = name.partition(" ")
            found = figures.coverage_by_class[label] if label else getattr(figures, name)
            assert low <= found <= high
        widths.append(ends["accuracy"][1] - ends["accuracy"][0])
    assert widths[1] < widths[0]


def test_a_class_without_rows_has_no_coverage():
    engines = wearing_engines([2])
    data = Dataset("TINY", engines, remaining_useful_life(engines), "")
    figures = evaluate(said([[1, 0], [1, 0]], np.zeros((2, 3))), data, TWO, 2.0, None)
    assert figures.coverage_by_class["later"] is None


def test_calibration_error_is_the_gap_between_confidence_and_truth():
    probabilities = np.array([[0.85, 0.15]] * 10, dtype=np.float32)
    labels = np.array([0] * 7 + [1] * 3)
    assert calibration_error(probabilities, labels) == pytest.approx(0.15, abs=1e-6)
