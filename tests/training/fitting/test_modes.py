"""Where it is known why engines failed, a model tells by which mode others will."""

import dataclasses
import json

import numpy as np
import pytest

from scoring.errors import SignatureError
from scoring.model.model import Model
from scoring.model.signature import Signature
from scoring.predictions.classifier import Classifier
from scoring.telemetry.record import Telemetry
from scoring.wire.cmapss import Trajectories
from tests.training.conftest import QUICK, wearing_engines
from training.data.dataset import Dataset
from training.data.labels import remaining_useful_life
from training.errors import DataError
from training.export.model_file import build, stamped
from training.export.verify import predict, predict_by_graph, verify
from training.fitting.fit import fit

MODES = ("seal", "fan", "fan", "seal", "", "fan", "seal", "fan", "seal")


@pytest.fixture(scope="module")
def data():
    """Engines of which some wear out in half of their sensors, and others in the other half."""
    found = wearing_engines(np.random.default_rng(4).integers(110, 170, len(MODES)))
    values = found.values.copy()
    by_fan = np.array([each == "fan" for each in MODES])[found.units - 1]
    values[by_fan, 4:10] = 500.0 + np.random.default_rng(5).normal(0, 0.3, (by_fan.sum(), 6))
    trajectories = Trajectories(found.units, found.cycles, values)
    return Dataset("TINY", trajectories, remaining_useful_life(trajectories), "", modes=MODES)


@pytest.fixture(scope="module")
def fitted(data):
    return fit(QUICK, data, lambda *_: None)


@pytest.fixture(scope="module")
def content(fitted, data):
    return stamped(build("tiny", fitted, data), {})


def test_engines_that_were_not_seen_are_told_apart_in_their_last_cycles(fitted):
    assert fitted.figures.mode_f1 is not None
    assert fitted.figures.mode_f1 > 0.9


def test_the_graph_says_of_modes_what_the_pipeline_says(fitted, content, data):
    windows = data.windows()[::7]
    windows[::3, 10:30] = np.nan
    verify(content, fitted.pipeline, windows)
    found, expected = predict_by_graph(Model(content), windows), predict(fitted.pipeline, windows)
    np.testing.assert_allclose(found.modes, expected.modes, atol=1e-6)
    np.testing.assert_allclose(found.modes.sum(axis=1), 1.0, atol=1e-6)


def test_a_message_says_how_likely_each_mode_is(content, data):
    classifier = Classifier(Model(content))
    last = data.last[MODES.index("fan")]
    rows = data.trajectories.values[last - 60 : last + 1].astype(np.float32)
    answers = classifier.score([Telemetry("Client_001", int(row[0]), row) for row in rows])
    record = answers[-1].record()
    assert set(record["FailureModes"]) == {"fan", "seal"}
    assert record["FailureModes"]["fan"] > 0.7
    # The same reading again has the same answer.
    (again,) = classifier.score([Telemetry("Client_001", int(rows[-1][0]), rows[-1])])
    assert again.record() == record


def test_golden_windows_prove_the_modes(content):
    with_other_names = Model(content).signature
    assert with_other_names.modes == ("fan", "seal")
    raw = json.loads(with_other_names.to_json())
    raw["modes"] = ["fan", "fan"]
    with pytest.raises(SignatureError, match="names failure modes twice"):
        Signature.from_json(json.dumps(raw))


def test_without_modes_nothing_changes(data, fitted):
    plain = dataclasses.replace(data, modes=())
    without = fit(QUICK, plain, lambda *_: None)
    signature = Model(stamped(build("tiny", without, plain), {})).signature
    assert signature.modes == ()
    assert '"modes"' not in signature.to_json()
    assert without.figures.as_dict() == {k: v for k, v in fitted.figures.as_dict().items() if k != "mode_f1"}
    for one, other in zip(without.outputs.each()[:-1], fitted.outputs.each()[:-1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("modes", [("fan",) * 9, ("fan",) * 7 + ("seal",) * 2])
def test_too_few_of_a_mode_are_refused_with_their_number(data, modes):
    with pytest.raises(DataError, match=r"it takes 3 of each, and 2 modes; leave such engines' mode empty"):
        fit(QUICK, dataclasses.replace(data, modes=modes), lambda *_: None)
