"""Disturbed telemetry is judged, not crashed on."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from scoring.model.model import Model
from scoring.model.outputs import Outputs
from training.data.task import CMAPSS
from training.export.verify import predict_by_graph
from training.report.robustness import _disturbances, by_messages_seen, changes_of_macro_f1, from_the_first_message_on

pytestmark = pytest.mark.whole


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


@pytest.mark.parametrize("length", [2, 12, 30, 50])
def test_a_gap_blanks_a_fifth_of_any_window_and_never_the_newest_message(length):
    windows = np.zeros((3, length, 25), dtype=np.float32)
    gaps = {name: found for name, found in _disturbances(CMAPSS, windows) if name.startswith("a gap")}
    gap = max(1, length // 5)
    of = f"a gap of {gap} cycle{'s' if gap > 1 else ''}"
    assert set(gaps) == {f"{of} before the newest", f"{of} in mid-window"}
    for found in gaps.values():
        blank = np.isnan(found).all(axis=2)
        assert (blank.sum(axis=1) == gap).all()
        assert not blank[:, -1].any()
    before, middle = (np.isnan(found).all(axis=2)[0] for found in gaps.values())
    assert before[-2]
    assert length < 5 or not (before & middle).any()


@pytest.mark.parametrize(("length", "ages"), [(12, [1, 5, 12]), (30, [1, 5, 20, 30]), (50, [1, 5, 20, 50])])
def test_young_machines_have_seen_as_many_messages_as_is_said(monkeypatch, small_test, length, ages):
    seen = []

    def predict(_model, windows):
        seen.append(np.count_nonzero(~np.isnan(windows).all(axis=2), axis=1))
        said = {"probabilities": np.full((len(windows), 4), 0.25, "f4"), "rul": np.zeros((len(windows), 3), "f4")}
        return Outputs.of(len(windows), said)

    monkeypatch.setattr("training.report.robustness.predict_by_graph", predict)
    task = dataclasses.replace(small_test.task, window=length)
    data = dataclasses.replace(small_test, task=task)
    model = SimpleNamespace(
        signature=SimpleNamespace(classes=task.classes.names, edges=task.classes.edges, rul_cap=125)
    )
    assert list(by_messages_seen(model, data.windows(), data)) == list(map(str, ages))
    assert [set(each) for each in seen] == [{age} for age in ages]


def test_the_more_messages_are_seen_the_better(model, small_test):
    figures = by_messages_seen(model, small_test.windows(), small_test)
    assert list(figures) == ["1", "5", "20", "50"]
    assert figures["50"]["rmse"] < figures["1"]["rmse"]


def test_ages_that_no_engine_has_are_left_out(model, small_test):
    said = predict_by_graph(model, small_test.windows())
    figures = from_the_first_message_on(said.probabilities, said.rul, small_test, small_test.task.classes, 125)
    assert list(figures) == ["1", "5", "20", "50"]
    assert 0 <= figures["1"]["accuracy"] <= 1
