"""Disturbed telemetry is judged, not crashed on."""

import numpy as np
import pytest

from scoring.model import Model
from training.export import predict_by_graph
from training.robustness import by_messages_seen, changes_of_macro_f1, from_the_first_message_on


@pytest.fixture(scope="module")
def model(small_model):
    return Model(small_model)


def test_every_disturbance_has_a_figure_and_none_is_nan(model, small_test):
    changes = changes_of_macro_f1(model, small_test.windows(), small_test)
    assert {"10% of values missing at random", "Sensor1 missing", "Sensor21 stuck"} <= set(changes)
    assert len(changes) == 1 + 3 + 2 * 21
    assert np.isfinite(list(changes.values())).all()


def test_a_sensor_that_never_moves_can_be_missing_without_loss(model, small_test):
    changes = changes_of_macro_f1(model, small_test.windows(), small_test)
    assert changes["Sensor20 missing"] == 0
    assert min(changes.values()) < 0


def test_the_more_messages_are_seen_the_better(model, small_test):
    figures = by_messages_seen(model, small_test.windows(), small_test)
    assert list(figures) == ["1", "5", "20", "50"]
    assert figures["50"]["rmse"] < figures["1"]["rmse"]


def test_ages_that_no_engine_has_are_left_out(model, small_test):
    probabilities, intervals = predict_by_graph(model, small_test.windows())
    figures = from_the_first_message_on(probabilities, intervals, small_test, small_test.task.classes, 125)
    assert list(figures) == ["1", "5", "20", "50"]
    assert 0 <= figures["1"]["accuracy"] <= 1
