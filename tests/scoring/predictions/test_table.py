from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scoring.errors import InvalidTelemetry, Reason
from scoring.model.curve import Curve
from scoring.model.model import Model
from scoring.model.outputs import Outputs
from scoring.model.signature import Signature
from scoring.predictions.classifier import Classifier
from scoring.predictions.fields import FIELDS
from scoring.predictions.table import Predictions
from scoring.telemetry.record import Telemetry
from scoring.telemetry.trajectory import Trajectory
from scoring.telemetry.window import Window
from tests.onnx_models import signature, tiny_model

ITEMS = [
    Telemetry("Client_001", 7, np.zeros(25, np.float32)),
    Window("", 3, np.zeros((1, 25), np.float32), np.zeros(1, np.int64)),
    Window("b", 0, np.zeros((1, 25), np.float32), np.zeros(1, np.int64)),
    Telemetry("c", 1, np.zeros(25, np.float32)),
]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny_model())


class Described:
    """As much of a model as predictions ask for."""

    version = "0123456789ab"

    def __init__(self, **changes) -> None:
        self.signature = signature(**changes)


def numbers(columns: int) -> st.SearchStrategy:
    return arrays.arrays(
        np.float32, (len(ITEMS), columns), elements=st.floats(width=32) | st.sampled_from([0.125, 0.5])
    )


def drawn(data, signature: Signature) -> Outputs:
    """Any outputs of a model."""
    curve = signature.curve
    columns = (len(signature.classes), 3 if signature.interval else 0, len(signature.values))
    columns += (1, len(curve.edges)) if curve else (0, 0)
    return Outputs(*(data.draw(numbers(each)) for each in (*columns, len(signature.modes))))


def scored(told: Described, items: list, outputs: Outputs) -> Predictions:
    """What comes of a model's outputs."""
    told.predict = lambda _: outputs
    classifier = Classifier(told, asked=(5.0, 20.0, 45.0) if told.signature.curve else ())
    return classifier.predict(classifier.gather(items))


described = st.sampled_from(
    [
        {},
        {"classes": (), "edges": (), "alert": {}},
        {"interval": 0.0, "scores": True, "values": ("x", "y")},
        {"interval": 0.0, "classes": ("x", "y"), "edges": (), "alert": {}},
        {"curve": Curve((10.0, 30.0), (40.0, 60.0))},
        {"curve": Curve((10.0, 30.0), (40.0, 60.0)), "modes": ("fan", "seal")},
    ]
)


@given(st.data(), described, st.lists(st.integers(0, 125), min_size=len(ITEMS), max_size=len(ITEMS)))
def test_records_of_a_batch_are_the_records_of_its_predictions(data, changes: dict, absent: list[int]) -> None:
    told = Described(**changes)
    outputs = drawn(data, told.signature)
    predictions = replace(scored(told, ITEMS, outputs), absent=np.array(absent, dtype=np.int32))
    for number, (answer, record) in enumerate(zip(predictions.each(ITEMS), predictions.records(), strict=True)):
        if isinstance(answer, InvalidTelemetry):
            assert record is answer
            assert answer.reason == Reason.SCORING_FAILED
        else:
            assert [repr(each) for each in record.items()] == [repr(each) for each in answer.record().items()]
            assert predictions.labels[number] == answer.label
            assert list(record) == [name for name in FIELDS if name in record]
            assert {name for name, each in FIELDS.items() if each.is_always} <= set(record)


def transposed(records: list[dict]) -> dict:
    """Records as one with lists in place of values, but for what is the same of all."""
    of_all = ("ConnectionDeviceId", "Model", "ModelVersion")
    return {
        name: transposed([each[name] for each in records])
        if isinstance(value, dict)
        else value
        if name in of_all
        else [each[name] for each in records]
        for name, value in records[0].items()
    }


@given(st.data(), described, st.sampled_from(["", "a"]), st.booleans())
def test_a_table_is_made_of_the_records_of_its_windows(data, changes: dict, engine: str, counts: bool) -> None:
    told = Described(**changes, cycle="CycleTime" if counts else "")
    trajectory = Trajectory(engine, [counts * (n + 1) for n in range(4)], np.zeros((4, 5, 25), np.float32))
    outputs = drawn(data, told.signature)
    predictions = scored(told, [trajectory], outputs)
    table, records = predictions.table(1, 4), predictions.records()[1:4]
    refused = [each for each in records if isinstance(each, InvalidTelemetry)]
    if refused:
        assert table is refused[0]
    else:
        assert repr(sorted(table.items())) == repr(sorted(transposed(records).items()))


def test_parts_of_a_batch_are_answered_as_they_are_in_the_whole(model: Model) -> None:
    def told(predictions: Predictions) -> list:
        return [each.detail if isinstance(each, InvalidTelemetry) else each for each in predictions.records()]

    classifier = Classifier(model)
    records = [Telemetry("a", cycle, np.full(25, cycle, np.float32)) for cycle in (50, 51, 3, 52, 4, 53)]
    batch = classifier.batch(10)
    for start, end in ((0, 1), (1, 4), (4, 6)):
        batch.add(records[start:end], classifier.history)
    whole = classifier.predict(batch)
    assert sorted(whole.refused) == [2, 4]
    parts = [told(classifier.predict(batch.part(start, end))) for start, end in ((0, 2), (2, 3), (3, 6))]
    assert [each for part in parts for each in part] == told(whole)
