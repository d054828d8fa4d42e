"""Alerts and removal policies are judged by what would have happened."""

import numpy as np
import pytest

from tests.training.conftest import wearing_engines
from training.data.dataset import Dataset
from training.data.labels import remaining_useful_life
from training.evaluation.alerts import Costs, alert_threshold, alerts, cheapest, rules


@pytest.fixture
def data():
    engines = wearing_engines([100, 120, 200])
    return Dataset("TINY", engines, remaining_useful_life(engines), "")


def test_the_alert_threshold_finds_the_asked_share_and_is_the_highest_that_does():
    probability = np.arange(1, 101, dtype=np.float32) / 100
    due = probability > 0.5
    threshold = alert_threshold(probability, due, recall=0.9)
    assert (probability[due] >= threshold).mean() >= 0.9
    assert (probability[due] >= threshold + 0.02).mean() < 0.9


def test_without_anything_due_no_alert_is_raised():
    assert alert_threshold(np.ones(3, dtype=np.float32), np.zeros(3, dtype=bool)) == 1.0


def test_recall_precision_and_lead_time_of_an_alert(data):
    probability = np.where(data.rul <= 30, 0.9, 0.1).astype(np.float32)
    probability[data.trajectories.units == 3] = 0.1
    judged = alerts(probability, data, edge=25, threshold=0.5)
    assert judged.recall == pytest.approx(2 / 3)
    assert judged.precision == pytest.approx(26 / 31)
    assert judged.warned == pytest.approx(2 / 3)
    assert judged.lead == (30, 30, 30)


def test_an_alert_that_is_never_raised_has_no_precision_and_no_lead_time(data):
    judged = alerts(np.zeros(len(data.rul), dtype=np.float32), data, edge=25, threshold=0.5)
    assert (judged.recall, judged.precision, judged.lead) == (0.0, None, None)


def test_a_perfect_prediction_is_the_cheapest_rule_and_wastes_least(data):
    probability = (1 - data.rul / 200).astype(np.float32)
    costs = Costs(failure=10, removal=1)
    best, *others = cheapest(rules(probability, data), costs)
    assert best.name.startswith("remove when the probability reaches")
    assert best.failures == 0
    assert best.wasted <= 4
    assert best.cost(costs) == pytest.approx(1 / (420 / 3 - best.wasted) * 1000)
    assert [each.name for each in others][-1] == "run to failure"
    assert others[-1].cost(costs) == pytest.approx(10 / (420 / 3) * 1000)


def test_where_failing_costs_no_more_than_removing_engines_run_to_failure(data):
    probability = np.where(data.rul <= 60, 0.9, 0.1).astype(np.float32)
    best = cheapest(rules(probability, data), Costs(failure=1, removal=1))[0]
    assert best.failures == 1.0


def test_the_dearer_a_failure_the_earlier_an_engine_is_removed(data):
    # Of the third engine the model is never as sure: who waits to be sure of the others sees it fail.
    sure = np.where(data.trajectories.units == 3, 0.5, 1.0)
    probability = (sure * np.maximum(0, 1 - data.rul / 60)).astype(np.float32)
    found = rules(probability, data)
    cautious, bold = (cheapest(found, Costs(failure=failure, removal=1))[0] for failure in (1000, 1.2))
    assert cautious.failures == 0
    assert bold.failures == pytest.approx(1 / 3)
    assert cautious.wasted > bold.wasted
