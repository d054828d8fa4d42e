"""Engines that have not failed are learned from by lives that are drawn for them, as likely as their curves say."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.model.model import Model
from tests.training.conftest import QUICK, wearing_engines
from training.data.censoring import Scheme, censored, kept_cycles
from training.data.dataset import Dataset
from training.data.endings import Ending
from training.data.labels import remaining_useful_life
from training.estimators.grades import Grades
from training.export.model_file import export_model
from training.export.verify import predict
from training.fitting.drawing import Cut, draw
from training.fitting.fit import fit

GRADES = Grades(np.array([10.0, 20.0, 40.0]), np.linspace(46, 100, 10))


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.integers(1, 20))
def test_a_drawn_life_is_a_cycle_or_more_and_the_same_each_time(weights, draws) -> None:
    chances = np.array([weights, weights]) / np.sum(weights)
    left = draw(GRADES, chances, draws)
    assert left.shape == (2, draws)
    assert ((left >= 1) & (left <= 100)).all()
    np.testing.assert_array_equal(left, draw(GRADES, chances, draws))


def test_lives_are_drawn_as_often_as_the_curve_says() -> None:
    left = draw(GRADES, np.array([[0.2, 0.3, 0.4, 0.1]]), 20_000)[0]
    shares = [(left <= edge).mean() for edge in (10, 15, 20, 40, 46)]
    assert shares == pytest.approx([0.2, 0.35, 0.5, 0.9, 0.91], abs=0.02)


def test_a_row_has_what_was_on_record_after_it_more_to_live() -> None:
    cut = Cut(np.arange(3), np.array([0, 0, 1]), np.array([1, 0, 0]), np.array([1, 2]))
    assert cut.rul(np.array([[7, 9], [20, 30]])).tolist() == [[8, 10], [7, 9], [20, 30]]


@pytest.fixture(scope="module")
def engines() -> Dataset:
    trajectories = wearing_engines(np.random.default_rng(5).integers(130, 260, 16))
    whole = Dataset("CUT", trajectories, remaining_useful_life(trajectories), "")
    kept = kept_cycles(trajectories.lengths, 0.5, Scheme.RANDOM, np.random.default_rng(0))
    cut = censored(whole, kept)
    # As it is read: of an engine that has not failed, what was left is not known.
    return dataclasses.replace(cut, rul=remaining_useful_life(cut.trajectories))


@pytest.mark.whole
def test_a_fit_learns_from_engines_that_have_not_failed_and_is_judged_by_those_that_have(engines) -> None:
    fitted = fit(QUICK, engines, lambda *_: None)
    failed = engines.of(engines.failed)
    assert fitted.unfailed == 8
    assert len(fitted.outputs.rul) == len(failed.rul)
    assert fitted.figures.engines == 8
    content = export_model("cut", fitted, failed, {})
    assert Model(content).signature.data["unfailed"] == 8
    dropped = fit(QUICK, failed, lambda *_: None)
    assert dropped.unfailed == 0
    assert "unfailed" not in Model(export_model("cut", dropped, failed, {})).signature.data
    one, other = (predict(each.pipeline, failed.windows()).rul for each in (fitted, dropped))
    assert not np.array_equal(one, other)


@pytest.mark.whole
def test_a_last_row_that_is_no_failure_is_not_learned_as_one(engines) -> None:
    # Judged where it hurts: of healthy engines that were cut, the naive model says that they fail next.
    naive = dataclasses.replace(engines, endings=(Ending.FAILED,) * len(engines.endings))
    windows = engines.of(~engines.failed).windows()
    last = engines.of(~engines.failed).last
    told, believed = (
        predict(fit(QUICK, each, lambda *_: None).pipeline, windows[last]).middle.mean() for each in (engines, naive)
    )
    assert told > 1.3 * believed
