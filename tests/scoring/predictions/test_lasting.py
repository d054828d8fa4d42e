"""What is asked for is said, and nothing else."""

import json

import numpy as np
import pytest

from scoring.errors import ModelError
from scoring.model.curve import Curve
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.predictions.lasting import CURVE, lasting
from scoring.telemetry.record import Sender
from tests.onnx_models import body, signature, tiny_model


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny_model(signature(curve=Curve((10.0, 30.0), (40.0, 60.0)))))


@pytest.mark.parametrize(
    ("text", "asked"),
    [("", ()), ("30", (30.0,)), (" 30, 60 ", (30.0, 60.0)), ("7.5 0", (7.5, 0.0)), (" curve", CURVE)],
)
def test_moments_are_read_with_commas_or_spaces_between(text, asked) -> None:
    assert lasting(text) == asked


@pytest.mark.parametrize("text", ["soon", "30 30", "-1", "nan", "inf", "1e9", " ".join(map(str, range(17)))])
def test_what_is_no_moment_is_refused(text) -> None:
    with pytest.raises(ValueError, match="expected `curve`, or up to 16 different numbers of cycles"):
        lasting(text)


def answer(model: Model, asked) -> dict:
    classifier = Classifier(model, asked=asked)
    (record,) = classifier.answer(classifier.parser.parse(body(1, 20.0), Sender("g", True)))
    return record


def test_a_prediction_says_the_middle_and_how_likely_the_engine_lasts(model) -> None:
    record = answer(model, (20.0, 45.0))
    assert record["RulMiddle"] == 40.0
    assert record["ChanceToLast"] == {"20": 0.625, "45": 0.1875}
    assert answer(model, CURVE)["ChanceToLast"] == {"10": 0.75, "30": 0.5}
    assert "ChanceToLast" not in answer(model, ())
    assert json.loads(json.dumps(record)) == record


def test_a_model_without_a_curve_cannot_be_asked() -> None:
    plain = Model(tiny_model())
    with pytest.raises(ModelError, match="tiny does not tell how likely an engine lasts"):
        Classifier(plain, asked=(30.0,))
    assert "RulMiddle" not in answer(plain, ())


def test_the_same_reading_is_answered_with_the_same_curve(model) -> None:
    classifier = Classifier(model, asked=CURVE)
    reading = classifier.parser.parse(body(1, 20.0), Sender("g", True))
    first, again = (classifier.answer(reading)[0] for _ in range(2))
    assert first == again
    assert np.isfinite(list(first["ChanceToLast"].values())).all()
