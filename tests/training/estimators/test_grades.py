"""A distribution over grades: its curve, quantiles and mean agree with one another and with what is drawn from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.labels import Classes
from training.estimators.grades import SHARES, Grades, sharpened

CLASSES = Classes(("F25", "F75", "F150", "Full"), (25.0, 75.0, 150.0))
GRADES = Grades.of(np.arange(400), CLASSES, 125.0, SHARES)

chances = st.lists(st.floats(0.0, 1.0), min_size=14, max_size=14).filter(lambda all_of: sum(all_of) > 0.01)
levels = st.floats(0.01, 0.99)


def normal(weights) -> np.ndarray:
    return np.array([weights]) / np.sum(weights)


def test_grades_are_14_and_the_last_is_divided_by_the_lives_that_reach_it() -> None:
    assert GRADES.edges.tolist() == [8, 16, 25, 37.5, 50, 62.5, 75, 87.5, 100, 112.5, 125, 150, 200]
    assert GRADES.count == 14
    assert GRADES.beyond[[0, -1]] == pytest.approx([220.8, 399])
    assert GRADES.grade(np.array([0, 8, 9, 200, 201])).tolist() == [0, 0, 1, 12, 13]


def test_a_grade_is_of_the_class_of_its_upper_edge() -> None:
    assert GRADES.places(CLASSES).sum(axis=0).tolist() == [3, 4, 5, 2]


@given(chances, levels)
def test_a_quantile_is_where_the_curve_says_that_its_share_has_failed(weights, level) -> None:
    found = normal(weights)
    time = GRADES.quantile(found, level)
    lasts = GRADES.curve.lasts(
        (found @ GRADES.later).astype(np.float32), [float(time[0]) - 1e-6, float(time[0]) + 1e-6]
    )
    # Where nothing may happen for a while, all of that time is right.
    assert lasts[0, 1] - 1e-4 <= 1 - level <= lasts[0, 0] + 1e-4


@given(chances, levels, levels)
def test_quantiles_rise_with_their_level(weights, one, other) -> None:
    low, high = sorted((one, other))
    found = normal(weights)
    assert GRADES.quantile(found, low)[0] <= GRADES.quantile(found, high)[0] + 1e-9


def quantiles(found: np.ndarray) -> np.ndarray:
    """400 of them, in the middle of equal shares: their mean is off by half a share of the longest life at most."""
    return np.array([GRADES.quantile(found, (place + 0.5) / 400)[0] for place in range(400)])


@given(chances)
def test_the_mean_is_that_of_all_quantiles(weights) -> None:
    found = normal(weights)
    assert quantiles(found).mean() == pytest.approx(GRADES.mean(found)[0], abs=0.6)


@given(chances, st.floats(1, 500))
def test_the_mean_below_a_cap_is_that_of_all_quantiles_cut_there(weights, cap) -> None:
    found = normal(weights)
    below = np.minimum(quantiles(found), cap)
    assert below.mean() == pytest.approx((found @ GRADES.means_below(cap))[0], abs=0.6)


def test_where_no_life_reaches_the_last_grade_it_is_a_cycle_long() -> None:
    grades = Grades.of(np.arange(50), CLASSES, 125.0, SHARES)
    assert set(grades.beyond.tolist()) == {201.0}
    assert grades.curve.beyond[-1] == 201


@given(chances, st.floats(0.5, 2.0))
def test_sharpened_chances_add_up_and_keep_their_order(weights, power) -> None:
    found = normal(weights)
    sharp = sharpened(found, power)
    assert sharp.sum() == pytest.approx(1)
    assert sharp[0].argmax() in np.flatnonzero(found[0] >= found[0].max() - 1e-12)
