import json

import numpy as np
import pytest

from scoring.errors import Reason
from scoring.model.model import Model
from scoring.predictions.classifier import MAX_BATCH, Classifier
from scoring.telemetry.record import Telemetry
from scoring.telemetry.turbofan import FIELDS
from tests.onnx_models import record, signature, tiny_model


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny_model())


def telemetry(cycle: int, rul: float = 100.0, engine: str = "Client_001") -> Telemetry:
    values = record(cycle, rul)
    return Telemetry(engine, cycle, np.array([values[field.name] for field in FIELDS], dtype=np.float32))


def test_a_prediction_says_class_probabilities_rul_and_how_much_of_the_window_was_there(model: Model) -> None:
    first, second = Classifier(model).score([telemetry(1), telemetry(2, 20)])
    assert first.record() == {
        "ConnectionDeviceId": "Client_001",
        "CycleTime": 1,
        "PredictedRul": 100.0,
        "RulLow": 90.0,
        "RulHigh": 110.0,
        "RulClass": "Full",
        "Probabilities": {"F25": 0.05, "F75": 0.3, "F150": 0.3, "Full": 0.35},
        "WindowFilled": 0.2,
        "Model": "tiny",
        "ModelVersion": model.version,
    }
    assert (second.label, second.filled, second.alert, first.alert) == ("F25", pytest.approx(0.4), True, False)


def test_more_records_than_one_call_takes_are_answered_in_their_order(model: Model) -> None:
    answers = Classifier(model).score([telemetry(cycle) for cycle in range(1, 3 * MAX_BATCH)])
    assert [answer.telemetry.cycle for answer in answers] == list(range(1, 3 * MAX_BATCH))


def test_one_call_for_many_gives_the_same_records_as_one_call_each(model: Model) -> None:
    records = [telemetry(1 + n // 3, 20 + n, engine=f"Client_{n % 3}") for n in range(90)]
    together = [answer.record() for answer in Classifier(model).score(records)]
    alone = Classifier(model)
    assert together == [alone.score([each])[0].record() for each in records]


def test_a_stale_record_is_refused_and_its_neighbours_are_scored(model: Model) -> None:
    before, stale, after = Classifier(model).score([telemetry(50), telemetry(3), telemetry(51)])
    assert stale.reason == Reason.STALE_CYCLE
    assert [before.telemetry.cycle, after.telemetry.cycle] == [50, 51]


def test_an_alert_is_raised_at_the_threshold_itself(model: Model) -> None:
    (near,) = Classifier(model).score([telemetry(1, 20)])
    at = near.probabilities["F25"]
    described = signature(alert={"class": "F25", "threshold": at})
    above = signature(alert={"class": "F25", "threshold": float(np.nextafter(at, 1.0))})
    found = [Classifier(Model(tiny_model(each))).score([telemetry(1, 20)])[0].alert for each in (described, above)]
    assert found == [True, False]


def test_no_number_is_not_sent_as_a_prediction(model: Model) -> None:
    nan = telemetry(1, float("nan"))
    assert Classifier(model).score([nan])[0].reason == Reason.SCORING_FAILED


def test_the_same_record_has_the_same_id_and_any_other_has_another(model: Model) -> None:
    def identity(*args, **kwargs) -> str:
        return Classifier(model).score([telemetry(*args, **kwargs)])[0].id

    assert identity(1) == identity(1)
    assert len({identity(1), identity(2), identity(1, 99.0), identity(1, engine="Client_002")}) == 4


def test_a_record_is_json(model: Model) -> None:
    (answer,) = Classifier(model).score([telemetry(1)])
    assert json.loads(json.dumps(answer.record())) == answer.record()
