"""Explanations name the fields that a prediction rests on."""

import numpy as np
import pytest

from scoring.model.curve import Curve
from scoring.model.outputs import Outputs
from scoring.predictions.explain import explain
from tests.onnx_models import WINDOW, signature


class SumOfSensors:
    """Predicts from Sensor1, three times as much from Sensor2, and from a setting; what is missing counts as 0."""

    def __init__(self, **changes):
        self.signature = signature(
            data={"settings": ["OperationalSetting1", "OperationalSetting2", "OperationalSetting3"]}, **changes
        )
        self.calls = 0

    def predict_without(self, window, columns):
        self.calls += 1
        windows = np.repeat(window[np.newaxis], len(columns) + 1, axis=0)
        windows[range(1, len(windows)), :, columns] = np.nan
        last = np.nan_to_num(windows[:, -1])
        near = np.clip((last[:, 4] + 3 * last[:, 5] + 5 * last[:, 1]) / 100, 0, 1)[:, np.newaxis]
        rul = 125 * (1 - near)
        none = np.zeros_like(near)
        said = {"probabilities": np.hstack([near, none, none, 1 - near]), "rul": np.hstack([rul, rul, rul])}
        if self.signature.curve:
            said["middle"] = 2 * rul
        return Outputs.of(len(near), said)


@pytest.fixture
def window():
    return np.full((WINDOW, 25), 2.0, dtype=np.float32)


def test_the_loudest_field_comes_first_and_says_by_how_much(window):
    model = SumOfSensors()
    first, second, third = explain(model, window)
    assert (first.field, second.field) == ("Sensor2", "Sensor1")
    assert first.probability == pytest.approx(0.06)
    assert first.cycles == pytest.approx(-7.5, abs=1e-4)
    assert second.cycles == pytest.approx(-2.5, abs=1e-4)
    assert third.probability == 0
    assert model.calls == 1


def test_a_model_with_a_curve_is_explained_by_the_median_that_no_cap_cuts(window):
    first, *_ = explain(SumOfSensors(curve=Curve((8.0, 25.0), (30.0,))), window)
    assert (first.field, first.cycles) == ("Sensor2", pytest.approx(-15, abs=1e-4))


def test_settings_and_the_cycle_are_never_taken_out(window):
    named = {each.field for each in explain(SumOfSensors(), window, count=100)}
    assert named == {f"Sensor{number}" for number in range(1, 22)}


def test_a_field_that_is_missing_has_no_influence(window):
    window[:, 5] = np.nan
    assert [each.field for each in explain(SumOfSensors(), window, count=1)] == ["Sensor1"]
    assert "Sensor2" not in {each.field for each in explain(SumOfSensors(), window, count=100)}


def test_the_window_is_left_as_it_was(window):
    before = window.copy()
    explain(SumOfSensors(), window)
    np.testing.assert_array_equal(window, before)
