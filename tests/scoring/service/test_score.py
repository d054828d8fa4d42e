import json

import numpy as np
import onnx
import pytest
from aiohttp import web
from onnx import TensorProto, helper, numpy_helper

from scoring.model.curve import Curve
from scoring.model.file import sealed
from scoring.model.model import Model
from scoring.model.signature import GOLDEN_KEY, SIGNATURE_KEY, Field, Golden, Signature
from scoring.predictions.classifier import Classifier
from scoring.service import answering, lines
from scoring.service.limits import Limits
from scoring.service.refusal import Refusal
from scoring.telemetry.record import Sender
from scoring.telemetry.turbofan import FIELDS
from tests.onnx_models import WINDOW, record, signature, tiny_model

NAMES = [field.name for field in FIELDS]


def of(engine: str, cycle: int, rul: float = 100.0, **changes) -> dict:
    return record(cycle, rul, ConnectionDeviceId=engine, **changes)


def row(cycle: int, rul: float = 100.0, **changes) -> list:
    return [record(cycle, rul, **changes)[name] for name in NAMES]


async def test_a_record_is_answered_as_the_module_answers_it(client, model) -> None:
    classifier = Classifier(model)
    parsed = classifier.parser.parse(json.dumps(record(7, 20.0)).encode(), Sender("Client_001"))
    (expected,) = classifier.score(parsed)
    answer = await client.score(of("Client_001", 7, 20.0))
    assert (answer.status, answer.json) == (200, expected.record())


async def test_a_list_is_answered_by_a_list_in_its_order(client) -> None:
    answer = await client.score([of("a", 1, 40.0), {"rows": [row(9, 30.0)]}, of("b", 2, 20.0)])
    assert [each["PredictedRul"] for each in answer.json] == [40.0, 30.0, 20.0]
    assert [each.get("ConnectionDeviceId") for each in answer.json] == ["a", None, "b"]


async def test_a_service_says_how_likely_an_engine_lasts_if_that_is_asked_and_describes_it(start) -> None:
    model = Model(tiny_model(signature(curve=Curve((10.0, 30.0), (40.0, 60.0)))))
    client = await start(model, asked=(20.0, 45.0))
    answer = (await client.score(of("a", 1))).json
    assert (answer["RulMiddle"], answer["ChanceToLast"]) == (200.0, {"20": 0.625, "45": 0.1875})
    described = (await client.get("/openapi.json")).json["components"]["schemas"]["Prediction"]
    assert set(described["properties"]["ChanceToLast"]["properties"]) == {"20", "45"}
    assert {"RulMiddle", "ChanceToLast"} <= set(described["required"])


async def test_an_engine_is_remembered_from_request_to_request(client) -> None:
    filled = [(await client.score(of("a", cycle))).json["WindowFilled"] for cycle in range(1, WINDOW + 2)]
    assert filled == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    assert (await client.score(of("b", 9))).json["WindowFilled"] == 0.2


async def test_a_window_is_answered_as_its_records_one_after_the_other_and_not_remembered(client) -> None:
    for cycle in range(1, 4):
        answer = await client.score(of("a", cycle, Sensor2=None if cycle == 2 else 1.0))
    window = {"ConnectionDeviceId": "a", "rows": [row(1), row(2, Sensor2=None), row(3)]}
    assert (await client.score(window)).json == answer.json
    assert await client.metric("engines") == 1
    assert (await client.score({**window, "ConnectionDeviceId": "b"})).status == 200
    assert await client.metric("engines") == 1


@pytest.mark.parametrize(
    "rows",
    [
        [record(7), record(9, 20.0), record(8, Sensor3=None)],
        [row(9, 20.0), row(8, Sensor3=None), row(7)],
        [row(9, 55.0), row(7), row(8, Sensor3=None), row(9, 20.0)],
        [row(1), row(4), row(7), row(8, Sensor3=None), row(9, 20.0)],
        [row(7), record(8, Sensor3=None), row(9, 20.0)],
    ],
    ids=["objects", "out of order", "a cycle twice", "too old", "mixed"],
)
async def test_rows_stand_where_their_cycles_say(client, rows) -> None:
    expected = await client.score({"rows": [row(7), row(8, Sensor3=None), row(9, 20.0)]})
    assert expected.json["WindowFilled"] == round((3 * 25 - 1) / (5 * 25), 4)
    assert (await client.score({"rows": rows})).json == expected.json


async def test_each_message_of_a_trajectory_is_answered_as_if_they_had_come_one_after_the_other(client) -> None:
    rows = [row(cycle, 100.0 - cycle, Sensor2=None if cycle == 4 else 1.0) for cycle in (1, 2, 4, 5, 9, 10)]
    one_by_one = [
        (await client.score(dict(zip(NAMES, each, strict=True)) | {"ConnectionDeviceId": "a"})) for each in rows
    ]
    trajectory = {"ConnectionDeviceId": "a", "rows": rows[::-1], "each": True}
    answer = await client.score(trajectory)
    assert answer.status == 200
    for name in ("CycleTime", "PredictedRul", "RulLow", "RulClass", "WindowFilled"):
        assert answer.json[name] == [each.json[name] for each in one_by_one]
    assert answer.json["Probabilities"]["F75"] == [each.json["Probabilities"]["F75"] for each in one_by_one]
    assert answer.json["ConnectionDeviceId"] == "a"
    mixed = await client.score([trajectory, {"rows": rows[:1]}, {**trajectory, "each": False}, trajectory])
    assert mixed.json[0] == mixed.json[3] == answer.json
    assert mixed.json[1]["CycleTime"] == 1
    assert mixed.json[2] == one_by_one[-1].json


async def test_a_trajectory_of_which_one_message_has_no_answer_has_none(client) -> None:
    trajectory = {"rows": [row(1), row(2, rul=None), row(3)], "each": True}
    answer = await client.score([of("a", 1), trajectory])
    assert (answer.status, answer.error["reason"], answer.error["row"]) == (422, "scoring_failed", 1)
    assert "cycle 2" in answer.error["detail"]


async def test_a_bad_row_is_named_with_its_field_and_nothing_of_the_request_is_scored(client) -> None:
    answer = await client.score([of("a", 1), of("a", 2, Sensor9="1.0"), {"rows": [row(1)[:-1]]}, 17])
    assert answer.status == 400
    assert [(each["row"], each.get("field"), each["reason"]) for each in answer.json["errors"]] == [
        (1, "Sensor9", "wrong_type"),
        (2, None, "missing_field"),
        (3, None, "not_a_record"),
    ]
    assert answer.error["detail"] == "the field Sensor9 is a string, expected a number"
    assert await client.metric("engines") == 0


@pytest.mark.parametrize(
    ("item", "field", "detail"),
    [
        ({"rows": 3}, "rows", "rows is a number, expected a list"),
        ({"rows": []}, "rows", "rows has 0 messages, expected 1 to 1000"),
        ({"rows": [], "each": True}, "rows", "rows has 0 messages, expected 1 to 1000"),
        ({"rows": [row(1)], "each": 1}, "each", "each is a number, expected true or false"),
        ({"rows": [row(1), row(2.5)], "each": True}, "CycleTime", "message 1 of rows: CycleTime is 2.5"),
        ({"rows": [row(1)] * 1001}, "rows", "rows has 1001 messages, expected 1 to 1000"),
        ({"rows": [row(1), row(2, Sensor4=True)]}, "Sensor4", "message 1 of rows: the field Sensor4 is true or false"),
        ({"rows": [row(1, Sensor4=float("nan"))]}, "Sensor4", "message 0 of rows: the field Sensor4 is NaN"),
        ({"rows": [row(1, Sensor4=1e39)]}, "Sensor4", "message 0 of rows: the field Sensor4 is 1e+39"),
        ({"rows": [row(None)]}, "CycleTime", "message 0 of rows: CycleTime is nan"),
        ({"rows": [row(1.5)]}, "CycleTime", "message 0 of rows: CycleTime is 1.5"),
        ({"rows": ["x"]}, None, "message 0 of rows: a record is a string"),
        ({"rows": [row(1)], "ConnectionDeviceId": 5.5}, "ConnectionDeviceId", "the engine id '5.5' is a number"),
    ],
)
async def test_what_is_wrong_with_a_window_is_named(client, item, field, detail) -> None:
    answer = await client.score(item)
    assert (answer.status, answer.error.get("field")) == (400, field)
    assert answer.error["detail"].startswith(detail)


async def test_a_record_that_names_no_engine_is_refused_unless_the_service_has_one_for_it(client, start) -> None:
    answer = await client.score(record(1))
    assert (answer.status, answer.error["field"]) == (400, "ConnectionDeviceId")
    named = await start(engine="Client_001")
    assert (await named.score(record(1))).json["ConnectionDeviceId"] == "Client_001"


async def test_a_record_too_old_for_its_engine_is_a_conflict_and_its_request_has_no_effect(client) -> None:
    await client.score(of("a", 50))
    answer = await client.score([of("b", 1), of("a", 51), of("a", 3)])
    assert (answer.status, answer.error["reason"], answer.error["row"]) == (409, "stale_cycle", 2)
    assert await client.metric("engines") == 1
    assert (await client.score(of("a", 51))).json["WindowFilled"] == 0.4


async def test_an_item_without_a_number_for_an_answer_is_named(client) -> None:
    answer = await client.score([of("a", 1), of("a", 2, rul=None)])
    assert (answer.status, answer.error["reason"], answer.error["row"]) == (422, "scoring_failed", 1)


async def test_engines_beyond_the_limit_are_forgotten_the_least_recently_seen_first(start) -> None:
    client = await start(engines=2)
    for engine in ("a", "b", "c"):
        await client.score(of(engine, 1))
    assert await client.metric("engines") == await client.metric("engines_limit") == 2
    assert (await client.score(of("c", 2))).json["WindowFilled"] == 0.4
    assert (await client.score(of("a", 2))).json["WindowFilled"] == 0.2


async def test_the_model_is_shown_with_its_signature(client, model) -> None:
    shown = (await client.get("/model")).json
    assert (shown["Model"], shown["ModelVersion"]) == ("tiny", model.version)
    assert shown["signature"] == json.loads(model.signature.to_json())


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/score", 405), ("POST", "/model", 405)]
)
async def test_wrong_paths_and_methods_are_answered_as_json(client, method, path, status) -> None:
    answer = await client.request(method, path)
    assert answer.status == status
    assert path in answer.error["detail"]


def row_model() -> Model:
    """Single rows of two numbers, two classes and no RUL: class `big` where a is larger than b."""
    slope = numpy_helper.from_array(np.array([[1, -1], [-1, 1]], dtype=np.float32), "slope")
    shape = numpy_helper.from_array(np.array([-1, 2], dtype=np.int64), "shape")
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["telemetry", "shape"], ["row"]),
            helper.make_node("MatMul", ["row", "slope"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"]),
        ],
        "rows",
        [helper.make_tensor_value_info("telemetry", TensorProto.FLOAT, ["engines", 1, 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["engines", 2])],
        [slope, shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    signature = Signature("rows", (Field("a"), Field("b")), window=1, cycle="", classes=("big", "small"))
    golden = Golden(np.zeros((1, 1, 2), np.float32), {"probabilities": np.full((1, 2), 0.5, np.float32)})
    for key, text in ((SIGNATURE_KEY, signature.to_json()), (GOLDEN_KEY, golden.to_json())):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, text
    onnx.checker.check_model(model)
    return Model(sealed(model.SerializeToString()))


async def test_a_model_of_single_rows_is_served_with_its_own_fields_and_remembers_nothing(start) -> None:
    client = await start(row_model())
    answer = await client.score([{"a": 5, "b": 1}, {"rows": [[1, 5]]}, {"a": 5, "b": 1, "ConnectionDeviceId": "x"}])
    assert [each["PredictedClass"] for each in answer.json] == ["big", "small", "big"]
    assert [each.get("ConnectionDeviceId") for each in answer.json] == [None, None, "x"]
    assert "PredictedRul" not in answer.json[0]
    assert await client.metric("engines") == 0
    assert (await client.score({"a": 5})).error["field"] == "b"
    assert (await client.score({"rows": [[1, 5], [1, 5]]})).status == 400


async def test_a_byte_order_mark_before_a_body_or_a_line_is_passed_over(client) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(record(1, ConnectionDeviceId="a")).encode()
    assert (await client.score(body)).json["CycleTime"] == 1
    assert [each["CycleTime"] for each in (await client.score_lines(body, body)).lines] == [1, 1]


HALF = b'{"\\ud800": 1, "\\ud800": 2}'


async def test_half_a_surrogate_pair_in_a_name_is_told_as_any_other_fault(client) -> None:
    refused = await client.score(HALF)
    assert (refused.status, refused.error["reason"], refused.error["field"]) == (400, "duplicate_field", "\\ud800")
    answer = await client.score_lines(of("a", 1), HALF, of("a", 2))
    assert [each.get("CycleTime") for each in answer.lines] == [1, None, 2]
    assert answer.lines[1]["error"]["field"] == "\\ud800"


async def test_a_path_that_is_no_text_is_not_found(client) -> None:
    reader, writer = await client.connect()
    writer.write(b"GET /%ff%ed%a0%80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert (head.split()[1], json.loads(body)["errors"][0]["reason"]) == (b"404", "not_found")


async def test_whatever_fails_is_answered_logged_and_counted(client, monkeypatch, caplog) -> None:
    def failing(*_) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(Refusal, "response", failing)
    monkeypatch.setattr(answering, "failed", Refused)
    answer = await client.score(b"{")
    assert (answer.status, answer.text) == (500, "failed")
    assert "POST '/score' failed" in caplog.text
    assert "no such luck" in caplog.text
    assert 'scoring_requests_total{path="/score",status="500"} 1.0' in (await client.get("/metrics")).text


class Refused:
    def response(self) -> web.Response:
        return web.Response(status=500, text="failed")


async def test_after_the_first_byte_of_an_answer_come_its_lines_or_its_end(client, monkeypatch, caplog) -> None:
    encode = lines.encoded_lines

    def failing(values) -> bytes:
        text = encode(values)
        if b'"CycleTime":2' in text:
            raise RuntimeError("no such luck")
        return text

    monkeypatch.setattr(lines, "encoded_lines", failing)
    reader, writer = await client.connect()
    one, two = (json.dumps(of("a", cycle)).encode() + b"\n" for cycle in (1, 2))
    writer.write(
        b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(one + two), one)
    )
    answer = await reader.readuntil(b'"ModelVersion":')
    writer.write(two)
    answer += await reader.read()
    writer.close()
    assert (answer.count(b"HTTP/1.1"), answer.count(b'"CycleTime"')) == (1, 1)
    assert not answer.endswith(b"0\r\n\r\n")
    assert "answering a stream failed" in caplog.text
    assert 'scoring_refused_total{reason="failed"} 1.0' in (await client.get("/metrics")).text


async def test_who_is_turned_away_is_logged_once_a_second_at_most(start, caplog) -> None:
    client = await start(limits=Limits(requests=0))
    assert {(await client.score(of("a", 1))).status for _ in range(20)} == {503}
    assert caplog.text.count("turned away with 503") < 20
    assert "turned away with 503: 1" in caplog.text
