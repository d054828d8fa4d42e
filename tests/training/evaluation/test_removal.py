"""Rules for taking engines out are judged by what would have happened."""

import numpy as np
import pytest

from scoring.model.curve import Curve
from scoring.model.outputs import Outputs
from tests.training.conftest import wearing_engines
from training.data.dataset import Dataset
from training.data.labels import remaining_useful_life
from training.evaluation.removal import Costs, best_removal, cheapest, price_of_staying, rules

CURVE = Curve((10.0, 20.0, 50.0, 100.0), (200.0,))


@pytest.fixture
def data():
    engines = wearing_engines([100, 120, 200])
    return Dataset("TINY", engines, remaining_useful_life(engines), "")


def said(probability, curves=None) -> Outputs:
    """What a model says; without curves, that every engine lasts for long."""
    rows = len(probability)
    survival = np.ones((rows, 4)) if curves is None else curves
    soon = np.stack([probability, 1 - probability], axis=1).astype(np.float32)
    return Outputs.of(rows, {"probabilities": soon, "survival": survival.astype(np.float32)})


def test_a_perfect_prediction_is_the_cheapest_rule_and_wastes_least(data):
    costs = Costs(failure=10, removal=1)
    best, *others = cheapest(rules(said(1 - data.rul / 200), CURVE, data), costs)
    assert best.name.startswith("remove when the probability reaches")
    assert best.failures == 0
    assert best.wasted <= 4
    assert best.cost(costs) == pytest.approx(1 / (420 / 3 - best.wasted) * 1000)
    assert "run to failure" in [each.name for each in others]
    assert others[-1].cost(costs) == pytest.approx(10 / (420 / 3) * 1000)


def test_where_failing_costs_no_more_than_removing_engines_run_to_failure(data):
    found = rules(said(np.where(data.rul <= 60, 0.9, 0.1)), CURVE, data)
    assert cheapest(found, Costs(failure=1, removal=1))[0].failures == 1.0


def test_the_dearer_a_failure_the_earlier_an_engine_is_removed(data):
    # Of the third engine the model is never as sure: who waits to be sure of the others sees it fail.
    sure = np.where(data.trajectories.units == 3, 0.5, 1.0)
    found = rules(said(sure * np.maximum(0, 1 - data.rul / 60)), CURVE, data)
    cautious, bold = (cheapest(found, Costs(failure=failure, removal=1))[0] for failure in (1000, 1.2))
    assert cautious.failures == 0
    assert bold.failures == pytest.approx(1 / 3)
    assert cautious.wasted > bold.wasted


def test_a_curve_that_knows_the_end_takes_an_engine_out_just_before_it(data):
    edges = np.array(CURVE.edges)
    certain = np.clip((data.rul[:, np.newaxis] + 5 - edges) / 10 + 0.5, 0, 1)
    found = rules(said(np.zeros(len(data.rul)), certain), CURVE, data)
    best = cheapest(found, Costs(failure=10, removal=1))[0]
    assert best.kind == "curve"
    assert best.failures == 0
    assert best.wasted < 20
    assert best.name.startswith("remove when each further cycle would cost")


def test_an_engine_that_is_sure_to_last_for_a_while_stays_until_then():
    # Certain to last 50 cycles, likely to have failed after 100.
    lasts = np.array([[1.0, 1.0, 1.0, 0.2], [0.1, 0.0, 0.0, 0.0]], dtype=np.float32)
    worn, wearing = price_of_staying(lasts, CURVE)[::-1]
    assert wearing < 1e-6
    assert worn == pytest.approx(0.09 / (1 - 0.045), rel=1e-3)
    assert best_removal(lasts, CURVE, price=0.01).tolist() == [50, 0]


def test_the_less_a_failure_costs_the_longer_an_engine_stays():
    lasts = np.array([[0.95, 0.8, 0.4, 0.05]], dtype=np.float32)
    stays = [best_removal(lasts, CURVE, price)[0] for price in (0.001, 0.01, 0.02, 0.05, 0.5)]
    assert stays == sorted(stays)
    assert stays[0] == 0 < stays[-1]
