"""Alerts are judged by what would have happened."""

import numpy as np
import pytest

from tests.training.conftest import wearing_engines
from training.data.dataset import Dataset
from training.data.labels import remaining_useful_life
from training.evaluation.alerts import alerts


@pytest.fixture
def data():
    engines = wearing_engines([100, 120, 200])
    return Dataset("TINY", engines, remaining_useful_life(engines), "")


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
