"""Readings go out to be archived with their predictions: all, those that are alerts, or a share."""

import json
from collections.abc import Iterator

import jsonschema
import pytest

from modules.rulclassifier.archiving import Archiving
from modules.rulclassifier.contracts import ARCHIVED
from modules.rulclassifier.processor import Rules
from scoring.model.model import Model
from tests.modules.rulclassifier.test_processor import Module
from tests.onnx_models import body, record, tiny_model


@pytest.fixture
def made(tmp_path):
    modules = []

    def make(archiving: Archiving) -> Module:
        folder = tmp_path / str(len(modules))
        folder.mkdir()
        modules.append(Module(folder, Model(tiny_model()), engines=300, rules=Rules(archiving=archiving)))
        return modules[-1]

    yield make
    for each in modules:
        each.journal.close()


def archived(messages: list) -> Iterator[dict]:
    return (json.loads(each.body) for each in messages if each.output == "archive")


def test_a_reading_is_archived_as_it_came_with_its_prediction(made) -> None:
    readings = [record(1, 30.1, Operator="north", Flaps=None), record(2, 87.123456789)]
    found = made(Archiving(1.0)).answer(json.dumps(readings).encode())
    assert [each.output for each in found] == ["predictions", "archive"] * 2
    predictions = [json.loads(each.body) for each in found if each.output == "predictions"]
    for each, reading, prediction in zip(archived(found), readings, predictions, strict=True):
        assert each == {**reading, **prediction}
    message = found[1]
    assert b'"CycleTime":1,' in message.body
    assert (message.order, message.correlation_id, message.properties["site"]) == (found[0].order, "m0", "west")
    properties = dict(message.properties)
    assert properties.pop("$.schema") == ARCHIVED.id
    jsonschema.validate(json.loads(message.body), ARCHIVED.schema())
    jsonschema.validate(properties, ARCHIVED.schema()["$defs"]["properties"])


def test_a_repeated_reading_is_archived_under_the_same_id(made) -> None:
    found = made(Archiving(1.0)).answer(body(7), body(7))
    first, second = (each for each in found if each.output == "archive")
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert first.message_id not in {each.message_id for each in found if each.output != "archive"}


def test_what_cannot_be_scored_is_not_archived(made) -> None:
    assert [each.output for each in made(Archiving(1.0)).answer(b"x")] == ["deadletter"]


def test_nothing_is_archived_unless_it_is_asked_for(made) -> None:
    assert not list(archived(made(Archiving()).answer(body(7, 12.0))))


def test_only_readings_that_are_alerts(made) -> None:
    found = made(Archiving(alerts=True)).answer(body(7), body(8, 12.0), body(9))
    assert [each["CycleTime"] for each in archived(found)] == [8]


def test_a_share_is_the_same_readings_whenever_they_come(made) -> None:
    bodies = [json.dumps([record(cycle, float(cycle)) for cycle in range(1, 201)]).encode()]
    first, again = ([each["CycleTime"] for each in archived(made(Archiving(0.25)).answer(*bodies))] for _ in range(2))
    assert first == again
    assert 25 < len(first) < 75
