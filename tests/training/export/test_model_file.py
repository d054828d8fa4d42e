"""The exported file is what a device expects, and computes what training computed."""

import dataclasses

import numpy as np
import onnx
import pytest

from scoring.model.model import Model
from tests.training.conftest import QUICK, wearing_engines
from tests.training.effects import effects
from training.data.dataset import Dataset
from training.data.labels import Classes, remaining_useful_life
from training.data.task import CMAPSS
from training.errors import DataError, ExportError
from training.export.model_file import GOLDEN_TOLERANCE, build, export_model, stamped
from training.export.proof import prove
from training.export.verify import predict, predict_by_graph, verify
from training.fitting.fit import fit

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def content(small_fitted, small_training):
    return export_model("tiny", small_fitted, small_training, {"test": {"macro_f1": 0.5}})


def test_graph_and_pipeline_agree_on_every_test_window(content, small_fitted, small_test):
    windows = small_test.windows()
    verification = verify(content, small_fitted.pipeline, windows)
    assert verification.windows == len(windows)
    assert verification.probability <= 1e-5
    assert verification.rul <= 1e-2
    assert verification.labels == 0


def test_a_graph_of_another_pipeline_is_refused(content, small_training, small_test):
    other = fit(dataclasses.replace(QUICK, leaves=3), small_training, lambda *_: None)
    with pytest.raises(ExportError, match="off the pipeline's probabilities"):
        verify(content, other.pipeline, small_test.windows())


def test_the_file_says_what_it_is(content, small_training):
    signature = Model(content).signature
    assert signature.name == "tiny"
    assert signature.window == 50
    assert [each.name for each in signature.fields][:2] == ["CycleTime", "OperationalSetting1"]
    assert (signature.classes, signature.edges) == (("F25", "F75", "F150", "Full"), (25.0, 75.0, 150.0))
    assert (signature.rul_cap, signature.interval) == (125.0, 0.8)
    assert signature.data["engines"] == 10
    assert signature.data["sha256"] == small_training.sha256
    assert signature.figures == {"test": {"macro_f1": 0.5}}
    assert signature.alert["class"] == "F25"
    assert [each["alpha"] for each in signature.alert["thresholds"]] == [0.1, 0.2]
    assert signature.curve.edges[:3] == (8.0, 16.0, 25.0)
    assert len(signature.curve.edges) == 13


def test_debian_13s_onnx_runtime_can_load_the_file(content):
    model = onnx.load_from_string(content)
    assert model.ir_version <= 10
    assert {each.domain: each.version for each in model.opset_import}[""] <= 22
    assert {each.domain: each.version for each in model.opset_import}["ai.onnx.ml"] <= 3
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx.ml"}


def test_outputs_are_probabilities_and_an_ordered_interval_even_with_values_missing(content, small_test):
    windows = small_test.windows()
    rng = np.random.default_rng(0)
    windows[rng.random(windows.shape) < 0.3] = np.nan
    windows[::2, 20:40] = np.nan
    said = predict_by_graph(Model(content), windows)
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1, atol=1e-5)
    assert (said.probabilities >= 0).all()
    low, median, high = said.rul.T
    middle = said.middle[:, 0]
    assert ((low >= 0) & (low <= middle) & (middle <= high)).all()
    assert ((median >= 0) & (median <= 125)).all()


def test_a_curve_never_rises_and_says_what_the_classes_say(content, small_test):
    model = Model(content)
    said = predict_by_graph(model, small_test.windows())
    assert ((said.survival >= 0) & (said.survival <= 1 + 1e-6)).all()
    assert (np.diff(said.survival, axis=1) <= 1e-6).all()
    edges = model.signature.curve.edges
    for edge, likely in zip(model.signature.edges, np.cumsum(said.probabilities, axis=1).T, strict=False):
        np.testing.assert_allclose(1 - said.survival[:, edges.index(edge)], likely, atol=1e-5)
    half = model.signature.curve.lasts(said.survival, said.middle[:, 0].tolist())
    assert np.abs(np.diag(half) - 0.5).max() < 0.01


def test_the_same_fit_gives_the_same_bytes(content, small_training):
    again = fit(QUICK, small_training, lambda *_: None)
    assert export_model("tiny", again, small_training, {"test": {"macro_f1": 0.5}}) == content


def test_golden_windows_prove_every_part_that_has_an_effect(content, small_test):
    proof = prove(content)
    assert proof.changes == proof.refused + len(proof.served)
    assert proof.refused / proof.changes > 0.8
    differences = effects(content, proof.served, small_test.windows()[::7])
    assert {name: each for name, each in differences.items() if each > GOLDEN_TOLERANCE} == {}


def test_a_window_is_answered_the_same_whatever_is_asked_beside_it(content, small_test):
    model = Model(content)
    windows = small_test.windows()[::40].copy()
    windows[1::3, 20:40] = np.nan
    windows[2::3, -1, 5] = np.nan
    together = predict_by_graph(model, windows)
    alone = [predict_by_graph(model, windows[[each]]).each() for each in range(len(windows))]
    for answer, answers in zip(together.each(), zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(answer, np.concatenate(answers))


def test_a_field_that_does_not_count_is_as_if_its_values_were_missing(content, small_test, monkeypatch):
    """An explanation by one window and its features, instead of a window for each field."""
    model = Model(content)
    columns = [place for place, name in enumerate(model.signature.field_names) if name.startswith("Sensor")]
    windows = small_test.windows()[::60].copy()
    windows[1::3, 20:40] = np.nan
    windows[2::3, -1, 5] = np.nan
    counted = [model.predict_without(each, columns) for each in windows]
    monkeypatch.setattr(model, "_knows_kept", False)
    assert max(np.ptp(said.middle) for said in counted) > 1
    for window, said in zip(windows, counted, strict=True):
        removed = model.predict_without(window, columns)
        for answer, expected in zip(said.each(), removed.each(), strict=True):
            np.testing.assert_array_equal(answer, expected)


def test_a_model_learns_from_a_machine_that_wears_out(content, small_test):
    said = predict_by_graph(Model(content), small_test.windows())
    errors = said.rul[:, 1] - np.minimum(small_test.rul, 125)
    assert np.sqrt(np.mean(errors**2)) < 30
    labels = CMAPSS.classes.of(small_test.rul)
    assert (said.probabilities.argmax(axis=1) == labels).mean() > 0.6


def test_a_class_that_training_never_saw_has_next_to_no_probability():
    engines = wearing_engines([100, 110, 120])
    data = Dataset("SHORT", engines, remaining_useful_life(engines), "")
    fitted = fit(QUICK, data, lambda *_: None)
    probabilities = predict(fitted.pipeline, data.windows()).probabilities
    assert probabilities.shape[1] == 4
    assert probabilities[:, 3].max() < 1e-3
    assert verify(export_model("short", fitted, data, {}), fitted.pipeline, data.windows()).labels == 0


def test_figures_are_stamped_on_the_graph_that_was_judged(content, small_fitted, small_training):
    graph = build("tiny", small_fitted, small_training)
    draft = stamped(graph, {})
    assert Model(draft).signature.figures == {}
    assert stamped(graph, {"test": {"macro_f1": 0.5}}) == content
    assert stamped(graph, {}) == draft


def test_one_engine_is_too_few_to_train_on():
    engines = wearing_engines([150])
    with pytest.raises(DataError, match="1 engines"):
        fit(QUICK, Dataset("ONE", engines, remaining_useful_life(engines), ""), lambda *_: None)


def test_other_classes_can_be_asked_for(small_training):
    task = dataclasses.replace(small_training.task, classes=Classes(("soon", "later"), (30.0,)))
    data = dataclasses.replace(small_training, task=task)
    fitted = fit(QUICK, data, lambda *_: None)
    content = export_model("two", fitted, small_training, {})
    assert Model(content).signature.classes == ("soon", "later")
    assert verify(content, fitted.pipeline, small_training.windows()).labels == 0


def test_every_estimator_keeps_its_own_outputs(content):
    """Two classifiers in one graph want the same output names; mixing them up once cost .5 of probability."""
    graph = onnx.load_from_string(content).graph
    names = [name for node in graph.node for name in node.output]
    assert len(names) == len(set(names))
    assert [each.name for each in graph.output] == ["probabilities", "rul", "middle", "survival"]
